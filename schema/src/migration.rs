//! Brings a database to a schema: the numbered files once each, in order, then the repeatable files, each whole, where
//! its text is another than the one that was applied last, then the owner. The roles' settings are put back every time.
//!
//! A second run changes nothing; two at once wait for each other. The user must own the database and have CREATEROLE; it
//! need not be a superuser.

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use tokio_postgres::Client;

use crate::connection::connect;
use crate::files::{Files, OWNER, REPEATABLE};

/// Any number that no other program locks; the same in every release.
const LOCK: i64 = 0x0048_6f6c_6466_6173;

/// The files that were applied; none: the database had this schema already.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Migrated {
    pub applied: Vec<String>,
    /// Settings of the functions' roles that were not this release's, as they were: someone has changed them.
    pub put_back: Vec<String>,
}

/// Migrates the database at `url` to the schema of `files`.
///
/// # Errors
/// The database cannot be reached, is older than PostgreSQL 18, or refuses a statement.
pub async fn migrate(url: &str, files: Files<'_>) -> Result<Migrated> {
    let mut client = connect(url).await?;
    let version: i32 = client.query_one("select current_setting('server_version_num')::int", &[]).await?.get(0);
    anyhow::ensure!(version >= 180_000, "Holdfast needs PostgreSQL 18 (for uuidv7); this one is {}", version / 10_000);

    use_public(&client).await?;
    // A session's lock: it ends with the connection, however that ends.
    client.execute("select pg_advisory_lock($1)", &[&LOCK]).await?;
    let mut done = Migrated::default();
    let report = files.numbered()?.run_async(&mut client).await.context("applying schema/tables")?;
    done.applied.extend(report.applied_migrations().iter().map(ToString::to_string));
    let repeatable = apply_changed(&mut client, files).await?;
    done.applied.extend(repeatable.applied);
    done.put_back = repeatable.put_back;
    client.batch_execute(OWNER).await.context("applying schema/owner.sql")?;
    client.execute("select pg_advisory_unlock($1)", &[&LOCK]).await?;
    Ok(done)
}

/// Applies the repeatable files of `files` that have changed, and the owner, and leaves the tables alone.
///
/// # Errors
/// The database cannot be reached, or refuses a statement.
pub async fn apply_repeatable(url: &str, files: Files<'_>) -> Result<Migrated> {
    let mut client = connect(url).await?;
    use_public(&client).await?;
    let done = apply_changed(&mut client, files).await?;
    // A routine that only those files have must be callable by the others, whose rights are the owner's.
    client.batch_execute(OWNER).await.context("applying schema/owner.sql")?;
    Ok(done)
}

/// The record of what was applied is in `public`, whichever role migrates: a user of the schema's name would have that
/// schema first in its search path.
async fn use_public(client: &Client) -> Result<()> {
    Ok(client.batch_execute("set search_path = public").await?)
}

async fn apply_changed(client: &mut Client, files: Files<'_>) -> Result<Migrated> {
    let mut done = Migrated::default();
    for file in REPEATABLE {
        let Some(text) = files.text_of(file)? else { continue };
        let applied = || format!("applying schema/{}", file.path);
        if apply_if_changed(client, file.name(), &text).await.with_context(applied)? {
            done.applied.push(file.name().to_owned());
        } else if file.is_of_roles() {
            let before = role_settings(client).await?;
            client.batch_execute(&text).await.with_context(applied)?;
            let now = role_settings(client).await?;
            done.put_back.extend(before.into_iter().filter(|one| !now.contains(one)));
        }
    }
    Ok(done)
}

/// A line for each role of a function, and one for its settings in this database alone, if any.
async fn role_settings(client: &Client) -> Result<Vec<String>> {
    let settings = "select coalesce(array_agg(format('%s%s: %s', r.rolname, ' in ' || b.datname,
                        array_to_string(d.setconfig, ', ')) order by r.rolname, b.datname), '{}')
                    from pg_db_role_setting d join pg_roles r on r.oid = d.setrole left join pg_database b on b.oid = d.setdatabase
                    where r.rolname like 'holdfast\\_%' and coalesce(b.datname, current_database()) = current_database()";
    Ok(client.query_one(settings, &[]).await?.get(0))
}

/// Whether the file was applied: the database keeps the digest of the text that was applied last.
async fn apply_if_changed(client: &mut Client, name: &str, text: &str) -> Result<bool> {
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
