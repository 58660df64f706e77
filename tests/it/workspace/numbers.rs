//! Numbers in the documents that are constants of the code: each sentence with the constants that it names.

use stack::workspace;

const EDGE: &str = "edge/src/runtime/limits.rs";
const FUNCTIONS: &str = "functions/src/runtime/limits.rs";
const PROVEN: &str = "functions/protocol/src/proven.rs";
const SIGNATURE: &str = "functions/payments/src/signature.rs";
const ROLES: &str = "schema/roles.sql";
const GUARD: &str = "schema/routines/guard.sql";

/// A file; the name of its constant, or the text that stands before the number; and what the number is divided by to be
/// in the document's unit.
type Constant = (&'static str, &'static str, f64);

const MS: f64 = 1_000.0;
const S_OF_A_DAY: f64 = 86_400.0;

/// A document, its words with a pair of braces for each number, and where the numbers come from.
const SAID: &[(&str, &str, &[Constant])] = &[
    ("deploying", "`CONFIRM_KEY`, at least {} bytes", &[(EDGE, "CONFIRM_KEY_MIN_BYTES", 1.0)]),
    ("deploying", "an HMAC by it that is good for {} s", &[(PROVEN, "FRESH_FOR_MS", MS)]),
    ("deploying", "a token has {} characters at least", &[(EDGE, "ADMIN_TOKEN_MIN_BYTES", 1.0)]),
    (
        "deploying",
        "| `lock_timeout`, `statement_timeout` | {} s, {} s |",
        &[(FUNCTIONS, "LOCK_TIMEOUT_MS", MS), (FUNCTIONS, "STATEMENT_TIMEOUT_MS", MS)],
    ),
    (
        "deploying",
        "| `idle_in_transaction_session_timeout`, `transaction_timeout` | {} s, {} s |",
        &[(ROLES, "'idle_in_transaction_session_timeout=", 1.0), (ROLES, "'transaction_timeout=", 1.0)],
    ),
    (
        "deploying",
        "`reserve` {}; `confirm`, `lookup` {}; `release` {}; `admin` {}; the others {} |",
        &[
            (ROLES, "('holdfast_reserve', ", 1.0),
            (ROLES, "('holdfast_confirm', ", 1.0),
            (ROLES, "('holdfast_release', ", 1.0),
            (ROLES, "('holdfast_admin', ", 1.0),
            (ROLES, "('holdfast_relay', ", 1.0),
        ],
    ),
    (
        "deploying",
        "transaction is older than {} s",
        &[(GUARD, "stuck_after() returns interval language sql immutable return interval '", 1.0)],
    ),
    ("deploying", "| `IDEMPOTENCY_KEEP_H` | {} hours |", &[(FUNCTIONS, "IDEMPOTENCY_KEEP_H", 1.0)]),
    ("deploying", "| `EVENTS_KEEP_H` | {} hours |", &[(FUNCTIONS, "EVENTS_KEEP_H", 1.0)]),
    ("deploying", "| `DEAD_LETTERS_KEEP_H` | {} hours |", &[(FUNCTIONS, "DEAD_LETTERS_KEEP_H", 1.0)]),
    ("deploying", "| `HOLDS_KEEP_H` | {} hours,", &[(FUNCTIONS, "HOLDS_KEEP_H", 1.0)]),
    ("deploying", "| `LEGAL_KEEP_D` | {} days |", &[(FUNCTIONS, "LEGAL_KEEP_D", 1.0)]),
    ("callers", "signs; at least {} bytes", &[(EDGE, "SESSION_SECRET_MIN_BYTES", 1.0)]),
    (
        "callers",
        "at most {} days ahead; `exp` and `nbf` have {} s of leeway",
        &[(EDGE, "SESSION_TTL_MAX_S", S_OF_A_DAY), (EDGE, "SESSION_LEEWAY_S", 1.0)],
    ),
    (
        "callers",
        "a burst of {}, then {} a second (`USER_BURST`, `USER_PER_S`)",
        &[(EDGE, "USER_BURST", 1.0), (EDGE, "USER_PER_S", 1.0)],
    ),
    (
        "callers",
        "| user, in each isolate | a burst of {}, then {} a second |",
        &[(EDGE, "REQUESTS_BURST", 1.0), (EDGE, "REQUESTS_PER_S", 1.0)],
    ),
    (
        "callers",
        "{} in {} s (`PER_ADDRESS`)",
        &[(EDGE, "PRESSES_OF_ADDRESS_MAX", 1.0), (EDGE, "ADDRESS_WINDOW_S", 1.0)],
    ),
    (
        "callers",
        "{} in {} s (`PER_UNAUTHENTICATED`)",
        &[(EDGE, "UNAUTHENTICATED_OF_ADDRESS_MAX", 1.0), (EDGE, "ADDRESS_WINDOW_S", 1.0)],
    ),
    (
        "callers",
        "{} in {} s (`PER_UNKNOWN`)",
        &[(EDGE, "UNKNOWN_OF_ADDRESS_MAX", 1.0), (EDGE, "ADDRESS_WINDOW_S", 1.0)],
    ),
    ("callers", "{} in {} s (`PER_HINT`)", &[(EDGE, "HINTS_OF_ADDRESS_MAX", 1.0), (EDGE, "ADDRESS_WINDOW_S", 1.0)]),
    ("callers", "`UNSIGNED_AT_ONCE` ({})", &[(EDGE, "UNSIGNED_AT_ONCE", 1.0)]),
    (
        "callers",
        "`BUYERS_AT_ONCE` ({}) of the call slots of `confirm`; a buyer waits {} s for one",
        &[(EDGE, "BUYERS_AT_ONCE", 1.0), (EDGE, "BUYER_PLACE_WAIT_MS", MS)],
    ),
    ("callers", "| the same | user, in each isolate | {} at once |", &[(EDGE, "PLACES_OF_BUYER_MAX", 1.0)]),
    ("callers", "{} calls of `lookup` at once", &[(EDGE, "NEW_SALES_MAX", 1.0)]),
    ("callers", "a sale's last copy is served for {} s", &[(EDGE, "SALE_KEEP_MS", MS)]),
    ("callers", "| signatures of one webhook | message | {} |", &[(SIGNATURE, "CANDIDATES_MAX", 1.0)]),
    ("integrating", "`exp` in seconds, at most {} days ahead", &[(EDGE, "SESSION_TTL_MAX_S", S_OF_A_DAY)]),
    ("integrating", "Answer 2xx within {} s", &[(FUNCTIONS, "ATTEMPT_DEADLINE_S", 1.0)]),
];

fn read(file: &str) -> String {
    std::fs::read_to_string(workspace::root().join(file)).unwrap()
}

fn value((file, name, unit): &Constant) -> String {
    let text = read(file);
    let rest = match text.split_once(&format!("const {name}: ")) {
        Some((_, rest)) => rest.split_once("= ").map(|(_, rest)| rest),
        None => text.split_once(name).map(|(_, rest)| rest),
    };
    let rest = rest.unwrap_or_else(|| panic!("{file} has no {name}"));
    let digits: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '_').filter(|c| *c != '_').collect();
    let number: f64 = digits.parse().unwrap_or_else(|_| panic!("{name} in {file} is no number"));
    (number / unit).to_string()
}

/// In one line, and thousands without a space.
fn flat(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let chars: Vec<char> = line.chars().collect();
    let is_digit = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(char::is_ascii_digit);
    let between_digits = |at: usize| chars[at] == ' ' && is_digit(at.checked_sub(1)) && is_digit(Some(at + 1));
    (0..chars.len()).filter(|at| !between_digits(*at)).map(|at| chars[at]).collect()
}

#[test]
fn every_number_that_the_documents_give_of_a_constant_is_its_value() {
    let mut wrong = Vec::new();
    for (document, words, constants) in SAID {
        let text = flat(&read(&format!("docs/{document}.md")));
        let mut sentence = (*words).to_owned();
        for constant in *constants {
            sentence = sentence.replacen("{}", &value(constant), 1);
        }
        assert!(!sentence.contains("{}"), "{words} has more numbers than constants");
        if !text.contains(&sentence) {
            wrong.push(format!("docs/{document}.md does not say: {sentence}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
