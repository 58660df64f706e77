//! One call of one way of reserving, on one connection.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use functions::reservations;
use serde::Deserialize;
use tokio::sync::OnceCell;
use tokio_postgres::types::{Json, ToSql, Type};
use tokio_postgres::{Client, Error, Statement};
use uuid::Uuid;

use super::ask::{Ask, FINGERPRINT};
use super::variant::{CallMethod, Variant};

const GUIDE: &str = include_str!("../../bench/guide.sql");
const RETRIES_MS: [u64; 3] = [50, 100, 200];
/// Every buyer asks for one.
const QTY: i32 = 1;

/// What became of the reservations of one call.
#[derive(Clone, Copy, Default)]
pub struct Answered {
    pub granted: u64,
    pub refused: u64,
    /// The outcome is unknown, or every attempt failed: the caller would get 503.
    pub failed: u64,
}

/// The columns of an answer that are read: as the function reads them, but for the hold.
#[derive(Deserialize)]
struct Outcome {
    outcome: String,
}

/// A connection, and the guide's statements once they are prepared on it.
pub struct Caller {
    client: Client,
    guide: OnceCell<Vec<Statement>>,
}

impl Caller {
    #[must_use]
    pub fn new(client: Client) -> Arc<Self> {
        Arc::new(Self { client, guide: OnceCell::new() })
    }

    /// Reserves for each of `asks`, in the sale `drop`.
    ///
    /// # Errors
    /// What no load explains: the statement is wrong, the connection is gone.
    pub async fn call(&self, variant: &Variant, asks: &[Ask]) -> anyhow::Result<Answered> {
        let count = asks.len() as u64;
        let first = asks.first().context("a call has at least one buyer")?;
        let done = match variant.way {
            CallMethod::Statements => self.statements(first).await,
            CallMethod::OneCall(name) => self.one_call(name, first).await,
            CallMethod::Optimistic => self.optimistic(first).await,
            CallMethod::Product { early_release, .. } => self.product(asks, early_release).await,
            CallMethod::Bulk { .. } => self.bulk(asks).await,
        };
        match done {
            Ok(granted) => Ok(Answered { granted, refused: count - granted, failed: 0 }),
            Err(error) if is_load(&error) => Ok(Answered { failed: count, ..Answered::default() }),
            Err(error) if is(&error, "sold_out") => Ok(Answered { refused: count, ..Answered::default() }),
            Err(error) => Err(error).with_context(|| variant.name),
        }
    }

    async fn one_call(&self, name: &str, ask: &Ask) -> Result<u64, Error> {
        let sql = format!("select bench.{name}('drop', $1, $2, $3, $4, $5)");
        let params: [(&(dyn ToSql + Sync), Type); 5] = [
            (&ask.user, Type::TEXT),
            (&ask.key, Type::TEXT),
            (&FINGERPRINT, Type::BYTEA),
            (&ask.sku, Type::TEXT),
            (&QTY, Type::INT4),
        ];
        self.client.query_typed(&sql, &params).await.map(|rows| rows.len() as u64)
    }

    /// After the third retry the buyer gets a `Retry-After`.
    async fn optimistic(&self, ask: &Ask) -> Result<u64, Error> {
        for pause_ms in RETRIES_MS {
            match self.one_call("optimistic", ask).await {
                Err(error) if is(&error, "conflict") => tokio::time::sleep(Duration::from_millis(pause_ms)).await,
                done => return done,
            }
        }
        self.one_call("optimistic", ask).await
    }

    async fn product(&self, asks: &[Ask], early_release: bool) -> Result<u64, Error> {
        let batch = batch(asks, early_release);
        let rows = self.client.query_typed(reservations::CALL, &batch.params()).await?;
        let Some(row) = rows.first() else { return Ok(0) };
        let Json(outcomes) = row.try_get::<_, Json<Vec<Outcome>>>(0)?;
        Ok(outcomes.iter().filter(|one| one.outcome == "granted").count() as u64)
    }

    async fn bulk(&self, asks: &[Ask]) -> Result<u64, Error> {
        let columns = Columns::of(asks);
        self.client
            .query_typed(
                "select bench.bulk('drop', $1, $2, $3, $4, $5)",
                &[
                    (&columns.users, Type::TEXT_ARRAY),
                    (&columns.keys, Type::TEXT_ARRAY),
                    (&columns.prints, Type::BYTEA_ARRAY),
                    (&columns.skus, Type::TEXT_ARRAY),
                    (&columns.qtys, Type::INT4_ARRAY),
                ],
            )
            .await?;
        Ok(asks.len() as u64)
    }

    /// Ten round trips. A statement that finds nothing ends it: the key is used, the user holds one, it is sold out.
    async fn statements(&self, ask: &Ask) -> Result<u64, Error> {
        let prepared = self.guide.get_or_try_init(|| self.prepare_guide()).await?;
        let hold_id = Uuid::now_v7();
        let params: [&(dyn ToSql + Sync); 7] = [&"drop", &ask.user, &ask.key, &FINGERPRINT, &ask.sku, &QTY, &hold_id];
        self.client.batch_execute("begin").await?;
        for statement in prepared {
            let touched = self.client.execute(statement, &params).await;
            if !matches!(touched, Ok(1..)) {
                self.client.batch_execute("rollback").await?;
                return touched;
            }
        }
        self.client.batch_execute("commit").await.map(|()| 1)
    }

    /// Prepared once a connection, which is the best that can be done for them.
    async fn prepare_guide(&self) -> Result<Vec<Statement>, Error> {
        let types = [Type::TEXT, Type::TEXT, Type::TEXT, Type::BYTEA, Type::TEXT, Type::INT4, Type::UUID];
        let mut prepared = Vec::new();
        for statement in GUIDE
            .split(';')
            .filter(|statement| statement.lines().any(|line| !line.starts_with("--") && !line.is_empty()))
        {
            prepared.push(self.client.prepare_typed(statement, &types).await?);
        }
        Ok(prepared)
    }
}

/// The product's own call, for the sale `drop`.
pub fn batch(asks: &[Ask], early_release: bool) -> reservations::Batch<'_> {
    let mut batch = reservations::Batch::new("drop", early_release, None);
    asks.iter().for_each(|ask| batch.push(&ask.user, &ask.key, FINGERPRINT.to_vec(), [(ask.sku.as_str(), QTY)]));
    batch
}

struct Columns<'a> {
    users: Vec<&'a str>,
    keys: Vec<&'a str>,
    prints: Vec<&'a [u8]>,
    skus: Vec<&'a str>,
    qtys: Vec<i32>,
}

impl<'a> Columns<'a> {
    fn of(asks: &'a [Ask]) -> Self {
        Self {
            users: asks.iter().map(|ask| ask.user.as_str()).collect(),
            keys: asks.iter().map(|ask| ask.key.as_str()).collect(),
            prints: vec![FINGERPRINT; asks.len()],
            skus: asks.iter().map(|ask| ask.sku.as_str()).collect(),
            qtys: vec![QTY; asks.len()],
        }
    }
}

fn is(error: &Error, message: &str) -> bool {
    error.as_db_error().is_some_and(|error| error.message() == message)
}

/// What a crowd brings about and a caller has to live with: a lock or an answer that came too late, a deadlock, a
/// version that another transaction changed once more.
fn is_load(error: &Error) -> bool {
    matches!(error.code().map(|code| code.code()), Some("55P03" | "57014" | "40P01")) || is(error, "conflict")
}
