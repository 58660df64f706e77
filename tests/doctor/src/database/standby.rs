//! Standbys: which of them has what was acknowledged, and what is lost where one without it takes over.

use anyhow::Result;
use tokio_postgres::Client;

use super::{row, rows};

use crate::report::Report;

#[derive(Clone, Copy, Debug)]
pub struct Standbys {
    /// A commit waits for at least one.
    pub has_synchronous: bool,
    /// Commits wait for a standby, and none that counts is there.
    pub commits_wait_for_ever: bool,
}

pub async fn look(client: &Client, report: &mut Report) -> Result<Standbys> {
    // Logical ones, and a backup that is being taken, take over from nobody.
    let sql = "select coalesce(nullif(r.application_name, ''), 'without a name'), r.sync_state,
                      pg_wal_lsn_diff(pg_current_wal_lsn(), r.flush_lsn)::bigint
               from pg_stat_replication r
               where r.state is distinct from 'backup'
                 and not exists (select from pg_replication_slots s where s.active_pid = r.pid and s.slot_type = 'logical')
               order by 1";
    let rows = rows(client, sql, &[]).await?;
    let names: String = row(client, "select current_setting('synchronous_standby_names')", &[]).await?.get(0);
    let of_state = |wanted: &[&str]| -> Vec<String> {
        let is = |state: &Option<String>| state.as_deref().is_some_and(|state| wanted.contains(&state));
        rows.iter().filter(|row| is(&row.get(1))).map(|row| row.get(0)).collect()
    };
    let (synchronous, asynchronous) = (of_state(&["sync", "quorum"]), of_state(&["async", "potential"]));
    let hidden = rows.iter().filter(|row| row.get::<_, Option<String>>(1).is_none()).count();
    if hidden > 0 {
        report.unread(
            "standbys",
            format!("{hidden} are there, and this user may not see their state: `grant pg_monitor to …`"),
        );
    }
    report.fact(
        "standbys",
        match (synchronous.len(), asynchronous.len(), hidden) {
            (0, 0, 0) => "none that Postgres knows of; the provider's storage may be mirrored".to_owned(),
            (0, 0, _) => "not to be seen by this user".to_owned(),
            _ => format!("synchronous: {}; asynchronous: {}", list(&synchronous), list(&asynchronous)),
        },
    );
    let commits_wait_for_ever = !names.is_empty() && synchronous.is_empty() && hidden == 0;
    if commits_wait_for_ever {
        report.wrong(
            "standby-missing",
            format!(
                "synchronous_standby_names is {names}, and none of these is connected: every commit waits for ever"
            ),
            "bring the standby back, or take it out of synchronous_standby_names and reload",
        );
    }
    if !asynchronous.is_empty() {
        may_be_lost(&rows, &asynchronous, !synchronous.is_empty(), report);
    }
    Ok(Standbys { has_synchronous: !names.is_empty(), commits_wait_for_ever })
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn may_be_lost(rows: &[tokio_postgres::Row], asynchronous: &[String], has_synchronous: bool, report: &mut Report) {
    let behind = rows
        .iter()
        .filter(|row| asynchronous.contains(&row.get(0)))
        .filter_map(|row| row.get::<_, Option<i64>>(2))
        .max();
    let behind =
        behind.map_or_else(|| "how far behind is not known".to_owned(), |bytes| format!("now {bytes} bytes behind"));
    let todo = if has_synchronous {
        "promote only a synchronous standby"
    } else {
        "name it in synchronous_standby_names, so that commits wait for it; or, after a promotion, deploy the Worker so that \
         Gates forget, run `reconcile`, and read the payments without an order in GET /v1/admin/payments?state=unsettled"
    };
    report.risk(
        "standby-asynchronous",
        format!(
            "{} is asynchronous ({behind}). If this server is lost and it takes over, what was committed last is lost \
             although buyers were told of it: holds and their keys, which pieces are then sold again; orders whose money \
             was taken; releases; refunds that were ordered, and events that were recorded. A Gate goes on answering a key \
             that it remembers with the lost hold for up to ten minutes",
            asynchronous.join(", ")
        ),
        todo,
    );
}
