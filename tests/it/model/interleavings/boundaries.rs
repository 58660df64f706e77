//! The real transactions with a place to stop before each of their statements.
//!
//! The source of every routine in PL/pgSQL is read statement by statement, and a call of `public.boundary` is put in
//! front of each that may touch a row. In a session that is being stepped it counts, says where it is (in `application_name`), and takes a
//! shared advisory lock of that number: a third session that has it stops the first there. In every other session it
//! does nothing. An `if` and not a `perform`, which would change FOUND and the row count that the source asks for.
//! The functions' logins may take no advisory lock, so it has its owner's rights.

/// Made first, in the database whose transactions are to be stepped.
pub const FUNCTION: &str = "
-- Not a setting: that would be taken back with the transaction, and the count would begin again.
create sequence public.stepped_at;
grant usage on sequence public.stepped_at to public;
-- A sequence a boundary, counted up when it is passed, for the same reason.
create schema passed;
grant usage on schema passed to public;
create function public.boundary(p_label text) returns boolean language plpgsql security definer as $$
declare
    v_at integer;
begin
    v_at := nextval('public.stepped_at');
    perform nextval(format('passed.%I', p_label)::regclass);
    perform set_config('application_name', p_label, false);
    perform pg_advisory_xact_lock_shared(current_setting('stepped.session')::integer, v_at);
    return false;
end
$$;
grant execute on function public.boundary to public";

/// Counts who passes a boundary; what has been passed is read with `PASSED`.
pub fn counter_of(label: &str) -> String {
    format!("create sequence passed.\"{label}\"; grant usage on sequence passed.\"{label}\" to public")
}

/// The boundaries that somebody has passed.
pub const PASSED: &str =
    "select sequencename::text from pg_sequences where schemaname = 'passed' and last_value is not null";

/// A source with its boundaries, and what they are called: `routine:line`.
pub fn put_into(source: &str) -> (String, Vec<String>) {
    let mut scanner = Scanner { source, at: 0, to: String::new(), labels: Vec::new() };
    let mut routine = String::new();
    while scanner.at < source.len() {
        let line = source[scanner.at..].split_inclusive('\n').next().unwrap_or_default();
        if let Some(name) = line.strip_prefix("create or replace function holdfast.") {
            routine = name.split('(').next().unwrap_or_default().to_owned();
        } else if let Some(name) = line.strip_prefix("create or replace procedure holdfast.") {
            routine = name.split('(').next().unwrap_or_default().to_owned();
        }
        scanner.keep(line.len());
        if line.trim_end() == "as $$" {
            scanner.body(&routine);
        }
    }
    (scanner.to, scanner.labels)
}

struct Scanner<'a> {
    source: &'a str,
    at: usize,
    to: String,
    labels: Vec<String>,
}

impl Scanner<'_> {
    fn keep(&mut self, length: usize) {
        self.to.push_str(&self.source[self.at..self.at + length]);
        self.at += length;
    }

    fn rest(&self) -> &str {
        &self.source[self.at..]
    }

    fn word(&self) -> String {
        let is_part = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
        self.rest().chars().take_while(is_part).collect::<String>().to_lowercase()
    }

    /// Blanks, a comment or a string, if one begins here.
    fn skipped(&mut self) -> bool {
        let rest = self.rest();
        let length = if rest.starts_with("--") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(string) = rest.strip_prefix('\'') {
            2 + string.find('\'').expect("the end of a string")
        } else {
            rest.len() - rest.trim_start().len()
        };
        self.keep(length);
        length > 0
    }

    /// Past `end`, a word or a mark, where it stands outside of parentheses and of a CASE.
    fn past(&mut self, end: &str) {
        let (mut parentheses, mut cases) = (0, 0);
        loop {
            while self.skipped() {}
            let word = self.word();
            if (word == end || (word.is_empty() && self.rest().starts_with(end))) && (parentheses, cases) == (0, 0) {
                return self.keep(end.len());
            }
            match (word.as_str(), self.rest().chars().next().expect("the end of a statement")) {
                ("case", _) => cases += 1,
                ("end", _) => cases -= 1,
                ("", '(') => parentheses += 1,
                ("", ')') => parentheses -= 1,
                _ => {}
            }
            let next = self.rest().chars().next().map_or(1, char::len_utf8);
            self.keep(word.len().max(next));
        }
    }

    fn body(&mut self, routine: &str) {
        self.past("begin");
        loop {
            while self.skipped() {}
            if self.rest().starts_with("$$") {
                return;
            }
            let word = self.word();
            match word.as_str() {
                "end" if self.rest()[3..].trim_start().starts_with("$$") => self.keep(3),
                "end" => {
                    self.keep(3);
                    self.past(";");
                }
                "raise" | "get" => self.past(";"),
                "else" | "begin" | "exception" => self.keep(word.len()),
                "elsif" | "when" => self.past("then"),
                "declare" | "case" => panic!("{routine}: cannot step through {word} yet"),
                word => {
                    if !self.touches_nothing(word) {
                        self.boundary(routine);
                    }
                    match word {
                        "if" => self.past("then"),
                        "for" | "foreach" | "while" | "loop" => self.past("loop"),
                        _ => self.past(";"),
                    }
                }
            }
        }
    }

    /// Of its variables alone: nobody else can be in its way.
    fn touches_nothing(&self, word: &str) -> bool {
        let statement = self.rest().split(';').next().unwrap_or_default();
        matches!(word, "continue" | "exit" | "while") || (statement.contains(":=") && !statement.contains('('))
    }

    /// The setting is looked at here: most sessions are not stepped, and a call for each of their statements takes longer.
    fn boundary(&mut self, routine: &str) {
        const STEPPED: &str = "coalesce(current_setting('stepped.session', true), '') <> ''";
        let label = format!("{routine}:{}", self.source[..self.at].lines().count());
        self.to.push_str(&format!("if {STEPPED} and public.boundary('{label}') then null; end if; "));
        self.labels.push(label);
    }
}
