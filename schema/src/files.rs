//! The files of the schema, built into the program: numbered ones, which are applied once, and repeatable ones, which are
//! applied whole whenever their text has changed; those of roles and of ownership in every migration.

use std::path::Path;

use anyhow::{Context, Result};
use refinery::{Runner, load_sql_migrations};

mod numbered {
    refinery::embed_migrations!("tables");
}

/// Applied last in every migration, whether or not anything else was.
pub(crate) const OWNER: &str = include_str!("../owner.sql");

/// Where the files are taken from.
#[derive(Clone, Copy, Debug)]
pub enum Files<'a> {
    /// Those of this release, which are part of the program.
    BuiltIn,
    /// A folder that is laid out like `schema`. A repeatable file that it lacks is not applied.
    Folder(&'a Path),
}

/// A file that is applied whole.
#[derive(Debug)]
pub struct Repeatable {
    /// In `schema`.
    pub path: &'static str,
    pub text: &'static str,
}

impl Repeatable {
    /// Whether it is applied whether or not its text has changed: a login may change its own role.
    #[must_use]
    pub fn is_of_roles(&self) -> bool {
        self.path == "roles.sql"
    }

    /// The file's name: what the database remembers it by. It stays the same when the file is moved to another folder.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.path.rsplit_once('/').map_or(self.path, |(_, name)| name)
    }
}

macro_rules! repeatable {
    ($($path:literal),* $(,)?) => {
        &[$(Repeatable { path: $path, text: include_str!(concat!("../", $path)) }),*]
    };
}

/// In the order in which they are applied: the body of a function may call only what stands before it.
pub const REPEATABLE: &[Repeatable] = repeatable![
    "roles.sql",
    "routines/guard.sql",
    "routines/shop.sql",
    "routines/expire.sql",
    "routines/release.sql",
    "routines/lapsed.sql",
    "routines/reserve_answers.sql",
    "routines/reserve.sql",
    "routines/change.sql",
    "routines/parked.sql",
    "routines/confirm.sql",
    "routines/pay.sql",
    "routines/capture.sql",
    "routines/refund.sql",
    "routines/opening.sql",
    "routines/present.sql",
    "routines/reconcile.sql",
    "routines/lookup.sql",
    "routines/lists.sql",
    "routines/rankings.sql",
    "routines/relay.sql",
    "routines/subscriptions.sql",
    "routines/unanswered.sql",
    "routines/dead_letters.sql",
    "routines/decisions.sql",
    "routines/retain.sql",
    "routines/forget.sql",
    "routines/payments.sql",
    "routines/orders.sql",
    "views/ranking_invariants.sql",
    "views/invariants.sql",
    "routines/admin.sql",
    "routines/audit.sql",
];

impl Files<'_> {
    pub(crate) fn numbered(self) -> Result<Runner> {
        match self {
            Self::BuiltIn => Ok(numbered::migrations::runner()),
            Self::Folder(dir) => Ok(Runner::new(&load_sql_migrations(dir.join("tables"))?)),
        }
    }

    /// The text of a repeatable file; none: the folder does not have it.
    pub(crate) fn text_of(self, file: &Repeatable) -> Result<Option<String>> {
        match self {
            Self::BuiltIn => Ok(Some(file.text.to_owned())),
            Self::Folder(dir) => {
                let path = dir.join(file.path);
                if !path.exists() {
                    return Ok(None);
                }
                std::fs::read_to_string(&path).map(Some).with_context(|| format!("reading {}", path.display()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::REPEATABLE;

    #[test]
    fn every_file_of_routines_and_views_is_applied_once() {
        let mut there = BTreeSet::from(["roles.sql".to_owned()]);
        for folder in ["routines", "views"] {
            for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap() {
                there.insert(format!("{folder}/{}", entry.unwrap().file_name().to_string_lossy()));
            }
        }
        let listed: BTreeSet<String> = REPEATABLE.iter().map(|file| file.path.to_owned()).collect();
        assert_eq!(listed, there);
        let names: BTreeSet<&str> = REPEATABLE.iter().map(super::Repeatable::name).collect();
        assert_eq!(names.len(), REPEATABLE.len(), "two files of one name");
    }

    /// A name alone is not unique as soon as a former signature is kept beside a new one.
    #[test]
    fn rights_and_comments_name_the_arguments_of_a_routine() {
        let mut seen = 0;
        for file in REPEATABLE {
            let code: String = file.text.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
            for statement in code.split(';') {
                let statement = statement.trim_start();
                let about_rights =
                    ["grant execute on", "revoke execute on", "comment on function", "comment on procedure"];
                if !about_rights.iter().any(|start| statement.starts_with(start)) {
                    continue;
                }
                for (at, prefix) in statement.match_indices("holdfast.") {
                    let (before, name) = (&statement[..at], &statement[at + prefix.len()..]);
                    let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
                    // Between parentheses it is a type of ours.
                    let is_type = before.matches('(').count() > before.matches(')').count();
                    assert!(is_type || name[end..].starts_with('('), "{}: {}", file.path, &name[..end]);
                    seen += 1;
                }
            }
        }
        assert!(seen > 100, "{seen} names");
    }
}
