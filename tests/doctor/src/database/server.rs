//! The server itself: version, durability, settings, connections, sessions that are stuck.

use anyhow::{Result, ensure};
use deployment::table::max_connections;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::row;

use crate::report::Report;

pub async fn version(client: &Client, report: &mut Report) -> Result<()> {
    let row = row(client, "select current_setting('server_version'), current_setting('server_version_num')::int", &[])
        .await?;
    let (version, number): (String, i32) = (row.get(0), row.get(1));
    ensure!(number >= 180_000, "Holdfast needs PostgreSQL 18 (for uuidv7); this one is {version}");
    report.fact("PostgreSQL", version);
    Ok(())
}

pub async fn is_standby(client: &Client, report: &mut Report) -> Result<bool> {
    let is_standby: bool = row(client, "select pg_is_in_recovery()", &[]).await?.get(0);
    if is_standby {
        report.wrong(
            "is-standby",
            "this server is a standby: it takes no writes",
            "give the address of the primary, here and to the functions",
        );
    }
    Ok(is_standby)
}

/// What is on disk, or with a synchronous standby on another server's.
pub async fn durability(url: &str, has_synchronous_standby: bool, report: &mut Report) -> Result<()> {
    let found = schema::durability::durability(url).await?;
    report.fact("durability", found.to_string());
    if found.synchronous_commit == "off" || !found.weaker.is_empty() {
        let by = if found.weaker.is_empty() { "everybody".to_owned() } else { found.weaker.join(", ") };
        report.wrong(
            "synchronous-commit",
            format!("synchronous_commit is off for {by}: the functions refuse to work"),
            "`alter database … reset synchronous_commit`, or the provider's parameter group; `migrate` resets the roles",
        );
    }
    if found.synchronous_commit == "local" && has_synchronous_standby {
        report.wrong(
            "synchronous-commit-local",
            "synchronous_commit is local: no commit waits for the synchronous standby",
            "`alter database … set synchronous_commit = on`",
        );
    }
    // Neon has no fsync of its own: its log is kept by other servers, for which a commit waits.
    if found.fsync != "on" && !has_synchronous_standby {
        report.wrong(
            "fsync",
            "fsync is off, and no synchronous standby has what was committed: a power failure may lose all of it",
            "fsync = on",
        );
    }
    if found.full_page_writes != "on" && !has_synchronous_standby {
        report.wrong(
            "full-page-writes",
            "full_page_writes is off: after a power failure a page may be torn, unless the file system prevents it",
            "full_page_writes = on",
        );
    }
    Ok(())
}

/// Settings of the server or of this database that a function's role does not override.
pub async fn settings(client: &Client, report: &mut Report) -> Result<()> {
    let value = async |name: &str| -> Result<String> {
        Ok(row(client, "select current_setting($1)", &[(&name, Type::TEXT)]).await?.get(0))
    };
    for (name, wanted, why) in [
        ("default_transaction_isolation", "read committed", "the routines are written for it, and for no other"),
        ("default_transaction_read_only", "off", "the functions write"),
        ("autovacuum", "on", "a counter's row is updated for each reservation, and its old versions have to go"),
        ("session_replication_role", "origin", "foreign keys are not checked otherwise"),
    ] {
        let found = value(name).await?;
        if found != wanted {
            report.wrong(
                "setting",
                format!("{name} is {found}: {why}"),
                format!("`alter database … set {name} = '{wanted}'`, or the server's own setting"),
            );
        }
    }
    Ok(())
}

pub async fn connections(client: &Client, instances: u64, report: &mut Report) -> Result<()> {
    let sql = "select current_setting('max_connections')::bigint,
                      current_setting('superuser_reserved_connections')::bigint + current_setting('reserved_connections')::bigint,
                      (select count(*) from pg_stat_activity a
                       where a.backend_type = 'client backend' and a.pid <> pg_backend_pid() and a.usename not like 'holdfast\\_%'),
                      (select datconnlimit::bigint from pg_database where datname = current_database())";
    let row = row(client, sql, &[]).await?;
    let [most, kept, others, of_database]: [i64; 4] = [row.get(0), row.get(1), row.get(2), row.get(3)];
    let needed = max_connections(instances);
    report.fact(
        "connections",
        format!("{most} at most, {kept} of them kept, {others} used by others than the functions"),
    );
    if most.unsigned_abs() < needed {
        report.wrong(
            "max-connections",
            format!("max_connections is {most}; {instances} instances of the functions need {needed}"),
            format!(
                "max_connections = {needed} (at Neon it follows the smallest size of the computer), or less reserved \
                 concurrency, and `--instances` here"
            ),
        );
    } else if (most - kept - others).unsigned_abs() < instances {
        report.risk(
            "connections-taken",
            format!("{others} connections are others'; {} are left for {instances} instances", most - kept - others),
            "end what does not belong to the shop, or raise max_connections",
        );
    }
    if of_database >= 0 && of_database.unsigned_abs() < instances {
        report.wrong(
            "database-connections",
            format!("the database allows {of_database} connections; the functions have {instances} instances"),
            "`alter database … connection limit -1`",
        );
    }
    Ok(())
}

/// Transactions that keep their locks, and keep old versions of rows from being removed.
pub async fn stuck(client: &Client, old_s: f64, report: &mut Report) -> Result<()> {
    let prepared: i64 = row(client, "select count(*) from pg_prepared_xacts", &[]).await?.get(0);
    if prepared > 0 {
        report.wrong(
            "prepared-transactions",
            format!("{prepared} prepared transactions keep their locks until somebody ends them"),
            "`select * from pg_prepared_xacts`, then `rollback prepared '…'`",
        );
    }
    let sql = "select coalesce(array_agg(format('%s of %s, %s s', a.pid, coalesce(a.usename, '?'),
                                                extract(epoch from now() - a.xact_start)::bigint) order by a.xact_start), '{}')
               from pg_stat_activity a
               where a.datname = current_database() and a.backend_type = 'client backend' and a.pid <> pg_backend_pid()
                 and a.xact_start < now() - make_interval(secs => $1)";
    let old: Vec<String> = row(client, sql, &[(&old_s, Type::FLOAT8)]).await?.get(0);
    if !old.is_empty() {
        report.risk(
            "long-transactions",
            format!("transactions older than {old_s} s: {}", old.join("; ")),
            "`select pg_terminate_backend(…)`; a session's idle_in_transaction_session_timeout ends them by itself",
        );
    }
    Ok(())
}
