//! Whether the address is a pooler's, and how that hands out its connections: a new client of a server's own gets a new
//! session; a pooler's gets one that was there before.

use anyhow::Result;
use schema::connection::connect;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::row;

use crate::report::Report;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pooling {
    None,
    Session,
    Transaction,
}

/// Connections that are made to find out.
const TRIES: usize = 5;

/// `client` is connected, and in no transaction.
pub async fn look(url: &str, client: &Client, instances: u64, report: &mut Report) -> Result<()> {
    let pooling = detect(url, client).await?;
    report.fact(
        "pooler",
        match pooling {
            Pooling::None => "none at this address",
            Pooling::Transaction => "a connection for a transaction's time",
            Pooling::Session => "a connection for a session's time",
        },
    );
    match pooling {
        Pooling::None => {}
        Pooling::Transaction => report.risk(
            "pooler-transaction",
            "this is a pooler's address: right for the functions, and not for `migrate`, whose lock is a session's",
            "give `migrate` and the doctor the direct address",
        ),
        Pooling::Session => report.risk(
            "pooler-session",
            format!(
                "this pooler keeps a connection for as long as its client is connected (as RDS Proxy does for what the \
                 functions send): it shares nothing, and {instances} instances still take {instances} connections"
            ),
            "use transaction mode, or the direct address",
        ),
    }
    Ok(())
}

async fn pid_of(client: &Client) -> Result<i32> {
    Ok(row(client, "select pg_backend_pid()", &[]).await?.get(0))
}

async fn detect(url: &str, first: &Client) -> Result<Pooling> {
    let began: String = row(first, "select clock_timestamp()::text", &[]).await?.get(0);
    let mut was_there_before = false;
    for _ in 0..TRIES {
        let other = connect(url).await?;
        // Two clients that are both connected have the same session: it is nobody's between transactions.
        if pid_of(&other).await? == pid_of(first).await? {
            return Ok(Pooling::Transaction);
        }
        let sql = "select backend_start < $1::timestamptz from pg_stat_activity where pid = pg_backend_pid()";
        was_there_before |= row(&other, sql, &[(&began, Type::TEXT)]).await?.get::<_, Option<bool>>(0) == Some(true);
    }
    Ok(if was_there_before { Pooling::Session } else { Pooling::None })
}
