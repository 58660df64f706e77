//! What Postgres counted while the rush went on: calls of our procedures, and transactions.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio_postgres::Client;

/// Each invocation of a function is one call of one of these.
const CALLED_BY_FUNCTIONS: [&str; 5] = ["reserve", "look_up_hold", "confirm", "release", "expire"];
/// A server process keeps its counts to itself for up to 10 s after it has become idle.
const TOLD_WITHIN: &str = "10.5 seconds";
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug, Default, Serialize)]
pub struct Counts {
    /// Calls by routine; empty where the server does not count them (`track_functions`).
    pub calls: BTreeMap<String, i64>,
    pub transactions: i64,
}

impl Counts {
    /// # Errors
    /// The database cannot be asked.
    pub async fn read(owner: &Client) -> Result<Self, tokio_postgres::Error> {
        // Our own, too: they are taken off again.
        owner.execute("select pg_stat_force_next_flush()", &[]).await?;
        let rows = owner
            .query(
                "select funcname::text, sum(calls)::bigint from pg_stat_user_functions
                 where schemaname = 'holdfast' and funcname = any ($1) group by 1",
                &[&CALLED_BY_FUNCTIONS.as_slice()],
            )
            .await?;
        let transactions = owner
            .query_one(
                "select xact_commit + xact_rollback from pg_stat_database where datname = current_database()",
                &[],
            )
            .await?;
        Ok(Self { calls: rows.iter().map(|row| (row.get(0), row.get(1))).collect(), transactions: transactions.get(0) })
    }

    /// What was counted since `before`, less `ours`, the statements that the tool itself has made.
    pub fn since(&self, before: &Self, ours: i64) -> Self {
        let calls = self.calls.iter().map(|(name, n)| (name.clone(), n - before.calls.get(name).unwrap_or(&0)));
        Self {
            calls: calls.filter(|(_, n)| *n > 0).collect(),
            transactions: self.transactions - before.transactions - ours,
        }
    }
}

/// Waits until the processes that worked for the rush have reported their counts. Answers whether they have in time,
/// and how many statements it took to find out.
///
/// # Errors
/// The database cannot be asked.
pub async fn until_told(owner: &Client) -> Result<(bool, i64), tokio_postgres::Error> {
    let silent = format!(
        "select count(*) from pg_stat_activity where datname = current_database()
         and usename in ('holdfast_reserve', 'holdfast_confirm', 'holdfast_release')
         and (state <> 'idle' or state_change > clock_timestamp() - interval '{TOLD_WITHIN}')"
    );
    let deadline = Instant::now() + PATIENCE;
    for asked in 1.. {
        if owner.query_one(&silent, &[]).await?.get::<_, i64>(0) == 0 {
            return Ok((true, asked));
        }
        if Instant::now() > deadline {
            return Ok((false, asked));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok((false, 0))
}
