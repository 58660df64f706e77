//! Brings a database to today's schema: the numbered files of `schema/tables` once each, in order, then the roles and one
//! file a transaction, each whole, whenever it has changed.
//!
//! A second run changes nothing; two at once wait for each other.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use refinery::{Runner, load_sql_migrations};
use sha2::{Digest, Sha256};
use tokio_postgres::Client;

use crate::database;

mod numbered {
    refinery::embed_migrations!("../schema/tables");
}

/// What is applied again whole, in this order: a file may call what stands before it.
pub const CURRENT: [(&str, &str); 26] = [
    ("roles.sql", include_str!("../../schema/roles.sql")),
    ("guard.sql", include_str!("../../schema/routines/guard.sql")),
    ("shop.sql", include_str!("../../schema/routines/shop.sql")),
    ("expire.sql", include_str!("../../schema/routines/expire.sql")),
    ("release.sql", include_str!("../../schema/routines/release.sql")),
    ("reserve.sql", include_str!("../../schema/routines/reserve.sql")),
    ("parked.sql", include_str!("../../schema/routines/parked.sql")),
    ("confirm.sql", include_str!("../../schema/routines/confirm.sql")),
    ("pay.sql", include_str!("../../schema/routines/pay.sql")),
    ("capture.sql", include_str!("../../schema/routines/capture.sql")),
    ("refund.sql", include_str!("../../schema/routines/refund.sql")),
    ("opening.sql", include_str!("../../schema/routines/opening.sql")),
    ("present.sql", include_str!("../../schema/routines/present.sql")),
    ("reconcile.sql", include_str!("../../schema/routines/reconcile.sql")),
    ("lookup.sql", include_str!("../../schema/routines/lookup.sql")),
    ("lists.sql", include_str!("../../schema/routines/lists.sql")),
    ("relay.sql", include_str!("../../schema/routines/relay.sql")),
    ("operate.sql", include_str!("../../schema/routines/operate.sql")),
    ("unanswered.sql", include_str!("../../schema/routines/unanswered.sql")),
    ("dead_letters.sql", include_str!("../../schema/routines/dead_letters.sql")),
    ("decisions.sql", include_str!("../../schema/routines/decisions.sql")),
    ("retain.sql", include_str!("../../schema/routines/retain.sql")),
    ("forget.sql", include_str!("../../schema/routines/forget.sql")),
    ("payments.sql", include_str!("../../schema/routines/payments.sql")),
    ("admin.sql", include_str!("../../schema/routines/admin.sql")),
    ("audit.sql", include_str!("../../schema/routines/audit.sql")),
];

/// Applied after them, each time.
const OWNER: &str = include_str!("../../schema/owner.sql");

/// The functions' roles, as `schema/roles.sql` names them: `holdfast_` and the function's name.
pub const FUNCTIONS: [&str; 10] =
    ["reserve", "confirm", "expire", "release", "lookup", "admin", "relay", "refund", "reconcile", "audit"];

/// Names a folder whose files are applied in place of the ones that were built in: what a mutant of the schema is tried by.
pub const ANOTHER_SCHEMA: &str = "HOLDFAST_ANOTHER_SCHEMA";

/// Any number that nobody else locks; the same in every release.
const LOCK: i64 = 0x0048_6f6c_6466_6173;

/// The files a run applied; none: the database was there already.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Migrated {
    pub applied: Vec<String>,
}

/// Migrates the database at `url`, whose user must own it and be allowed to create roles.
///
/// # Errors
/// The database cannot be reached, is older than PostgreSQL 18, or refuses a statement.
pub async fn run(url: &str) -> Result<Migrated> {
    let mut client = database::connect(url).await?;
    let version: i32 = client.query_one("select current_setting('server_version_num')::int", &[]).await?.get(0);
    anyhow::ensure!(version >= 180_000, "Holdfast needs PostgreSQL 18 (for uuidv7); this one is {}", version / 10_000);

    // Where the record of what was applied is kept must not depend on who asks: a user of the schema's name has it first
    // in its search path.
    client.batch_execute("set search_path = public").await?;
    // A session's lock, given back when the connection ends, however it ends.
    client.execute("select pg_advisory_lock($1)", &[&LOCK]).await?;
    let mut done = Migrated::default();
    let another = std::env::var_os(ANOTHER_SCHEMA).map(PathBuf::from);
    let numbered = match &another {
        None => numbered::migrations::runner(),
        Some(dir) => Runner::new(&load_sql_migrations(dir.join("tables"))?),
    };
    let report = numbered.run_async(&mut client).await.context("applying the numbered files")?;
    done.applied.extend(report.applied_migrations().iter().map(ToString::to_string));
    done.applied.extend(apply_all_current(&mut client, another.as_deref()).await?);
    client.batch_execute(OWNER).await.context("applying schema/owner.sql")?;
    client.execute("select pg_advisory_unlock($1)", &[&LOCK]).await?;
    Ok(done)
}

/// What the server does with what is committed: settings that a shop must not have off.
#[derive(Debug, PartialEq, Eq)]
pub struct Durability {
    pub fsync: String,
    pub full_page_writes: String,
    /// As a new session of the database has it, and of each function's role that has it otherwise.
    pub synchronous_commit: String,
    pub weaker: Vec<String>,
}

impl Durability {
    /// Whether what was committed survives a crash of the server.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.fsync == "on"
            && self.full_page_writes == "on"
            && self.synchronous_commit != "off"
            && self.weaker.is_empty()
    }
}

impl std::fmt::Display for Durability {
    fn fmt(&self, to: &mut std::fmt::Formatter) -> std::fmt::Result {
        let Self { fsync, full_page_writes, synchronous_commit, weaker } = self;
        write!(to, "fsync {fsync}, full_page_writes {full_page_writes}, synchronous_commit {synchronous_commit}")?;
        if weaker.is_empty() { Ok(()) } else { write!(to, ", and off for {}", weaker.join(", ")) }
    }
}

/// What durability the database at `url` has.
///
/// # Errors
/// The database cannot be reached.
pub async fn durability(url: &str) -> Result<Durability> {
    let client = database::connect(url).await?;
    let settings = "select current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'),
        array(select distinct coalesce(r.rolname, 'everybody') || coalesce(' in ' || d.datname, '')
              from pg_db_role_setting s left join pg_roles r on r.oid = s.setrole left join pg_database d on d.oid = s.setdatabase,
                   unnest(s.setconfig) as one
              where one = 'synchronous_commit=off' and coalesce(d.datname, current_database()) = current_database()
                and coalesce(r.rolname, 'holdfast_') like 'holdfast\\_%' order by 1)";
    let row = client.query_one(settings, &[]).await?;
    Ok(Durability {
        fsync: row.get(0),
        full_page_writes: row.get(1),
        synchronous_commit: row.get(2),
        weaker: row.get(3),
    })
}

/// Brings what is applied whole to what it is in `dir`, and leaves the numbered files alone.
///
/// # Errors
/// The database cannot be reached, or refuses a statement.
pub async fn current_of(url: &str, dir: &Path) -> Result<()> {
    let mut client = database::connect(url).await?;
    client.batch_execute("set search_path = public").await?;
    apply_all_current(&mut client, Some(dir)).await.map(drop)
}

/// The names of those that had to be applied; `another`: a folder to take them from.
async fn apply_all_current(client: &mut Client, another: Option<&Path>) -> Result<Vec<String>> {
    let mut applied = vec![];
    for (name, ours) in CURRENT {
        // What that version did not have yet stays as it is.
        let theirs = another.map(|dir| file_in(dir, name)).filter(|file| file.exists());
        let theirs = theirs.map(std::fs::read_to_string).transpose()?;
        if another.is_some() && theirs.is_none() {
            continue;
        }
        let text = theirs.as_deref().unwrap_or(ours);
        if apply_current(client, name, text).await.with_context(|| format!("applying schema/{name}"))? {
            applied.push(name.to_owned());
        }
    }
    Ok(applied)
}

/// Where a folder has the file of this name. Earlier versions had all of them side by side.
fn file_in(dir: &Path, name: &str) -> PathBuf {
    let places = [dir.join(name), dir.join("routines").join(name)];
    places.iter().find(|place| place.exists()).unwrap_or(&places[1]).clone()
}

/// Whether it had to be applied: what was applied last is remembered by its digest.
async fn apply_current(client: &mut Client, name: &str, text: &str) -> Result<bool> {
    let digest = Sha256::digest(text.as_bytes()).to_vec();
    let transaction = client.transaction().await?;
    transaction
        .batch_execute(
            "create table if not exists public.holdfast_current_file (name text primary key, sha256 bytea not null)",
        )
        .await?;
    let known = transaction
        .query_opt("select 1 from public.holdfast_current_file where name = $1 and sha256 = $2", &[&name, &digest])
        .await?;
    if known.is_some() {
        return Ok(false);
    }
    transaction.batch_execute(text).await?;
    transaction
        .execute(
            "insert into public.holdfast_current_file values ($1, $2) on conflict (name) do update set sha256 = excluded.sha256",
            &[&name, &digest],
        )
        .await?;
    transaction.commit().await?;
    Ok(true)
}

/// Lets the functions' roles log in, all with `password`.
///
/// # Errors
/// The password is not letters and digits only (it is written into a statement), or the database refuses.
pub async fn give_logins(url: &str, password: &str) -> Result<()> {
    anyhow::ensure!(password.bytes().all(|b| b.is_ascii_alphanumeric()), "a role's password is letters and digits");
    let client = database::connect(url).await?;
    for function in FUNCTIONS {
        client.batch_execute(&format!("alter role holdfast_{function} login password '{password}'")).await?;
    }
    Ok(())
}

/// `url` with another user: what a function is configured with.
///
/// # Errors
/// `url` is not of the form `postgres://user@host/database`.
pub fn url_for_role(url: &str, role: &str, password: &str) -> Result<String> {
    let (scheme, rest) = url.split_once("://").context("a database URL begins with postgres://")?;
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    Ok(format!("{scheme}://{role}:{password}@{host}{path}"))
}

#[cfg(test)]
mod tests {
    use super::url_for_role;

    #[test]
    fn a_role_takes_the_place_of_the_user_and_nothing_else() {
        let url = url_for_role("postgres://me:p%40ss@db.example:6432/shop?sslmode=require", "holdfast_reserve", "x");
        assert_eq!(url.ok().as_deref(), Some("postgres://holdfast_reserve:x@db.example:6432/shop?sslmode=require"));
        let url = url_for_role("postgres://localhost", "r", "x");
        assert_eq!(url.ok().as_deref(), Some("postgres://r:x@localhost"));
    }
}
