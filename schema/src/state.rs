//! Which of this release's files a database has: what a migration would apply, without applying it.

use std::collections::BTreeMap;

use anyhow::Result;
use sha2::{Digest as _, Sha256};
use tokio_postgres::Client;

use crate::files::{Files, REPEATABLE};

/// Empty: the database has this release's schema.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Files that a migration would apply.
    pub missing: Vec<String>,
    /// Numbered files that this release does not have: the database is of a later one.
    pub unknown: Vec<String>,
}

/// Compares the database with this release; `client` may read what migrations write down.
///
/// # Errors
/// The database refuses a statement.
pub async fn state(client: &Client) -> Result<State> {
    let numbered: BTreeMap<i64, String> = {
        let runner = Files::BuiltIn.numbered()?;
        let named =
            |one: &refinery::Migration| (i64::from(one.version()), format!("V{}__{}", one.version(), one.name()));
        runner.get_migrations().iter().map(named).collect()
    };
    let there = "select to_regclass('public.refinery_schema_history') is not null,
                        to_regclass('public.holdfast_current_file') is not null";
    let there = client.query_typed(there, &[]).await?;
    let has = |column| there.first().is_some_and(|row| row.get(column));
    let mut applied = BTreeMap::new();
    if has(0) {
        let sql = "select version::bigint, format('V%s__%s', version, name) from public.refinery_schema_history";
        applied.extend(
            client.query_typed(sql, &[]).await?.iter().map(|row| (row.get::<_, i64>(0), row.get::<_, String>(1))),
        );
    }
    let mut digests = BTreeMap::new();
    if has(1) {
        let sql = "select name, sha256 from public.holdfast_current_file";
        digests.extend(
            client.query_typed(sql, &[]).await?.iter().map(|row| (row.get::<_, String>(0), row.get::<_, Vec<u8>>(1))),
        );
    }
    let mut state = State::default();
    state
        .missing
        .extend(numbered.iter().filter(|(version, _)| !applied.contains_key(version)).map(|(_, name)| name.clone()));
    state
        .unknown
        .extend(applied.iter().filter(|(version, _)| !numbered.contains_key(version)).map(|(_, name)| name.clone()));
    for file in REPEATABLE {
        let digest = Sha256::digest(file.text.as_bytes());
        if digests.get(file.name()).is_none_or(|known| known.as_slice() != digest.as_slice()) {
            state.missing.push(file.path.to_owned());
        }
    }
    Ok(state)
}
