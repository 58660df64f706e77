//! A function instance has one connection: opened when first needed, replaced when it is stale or was idle for long.
//!
//! A call is one statement in one round trip (an unnamed, typed query), so that it works behind a pooler that hands
//! out connections a transaction at a time.

use std::fmt;
use std::time::{Duration, SystemTime};

use lambda_runtime::Diagnostic;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_postgres::types::{Json, ToSql, Type};
use tokio_postgres::{Client, Config, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::runtime::config::{self, ConfigError};
use crate::runtime::limits::{CALL_DEADLINE_MS, CONNECT_DEADLINE_MS, CONNECTION_IDLE_MAX_S};
use crate::runtime::tls;

/// A parameter with its type, which saves a round trip to the server.
pub type Param<'a> = (&'a (dyn ToSql + Sync), Type);

/// An infrastructure error: a function's only kind of error. A refusal is an outcome.
#[derive(Debug)]
pub struct InfraError {
    retryable: bool,
    detail: String,
}

impl InfraError {
    /// The caller sent what Holdfast's edge never sends, or a routine returned what it never returns.
    #[must_use]
    pub fn misuse(detail: &str) -> Self {
        Self { retryable: false, detail: detail.to_owned() }
    }

    fn retryable(detail: &str) -> Self {
        Self { retryable: true, detail: detail.to_owned() }
    }
}

impl fmt::Display for InfraError {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str(&self.detail)
    }
}

impl std::error::Error for InfraError {}

impl From<tokio_postgres::Error> for InfraError {
    fn from(error: tokio_postgres::Error) -> Self {
        // No SQLSTATE: the connection failed. Of the classes, connection, resources, operator intervention, deadlock
        // and timeouts are transient; any other error repeats.
        let state = error.code().map(|code| code.code());
        let passing = |code: &str| matches!(code.get(..2), Some("08" | "40" | "53" | "55" | "57"));
        Self {
            retryable: state.is_none_or(passing),
            detail: state.map_or_else(|| error.to_string(), |code| format!("the database answered SQLSTATE {code}")),
        }
    }
}

impl From<InfraError> for Diagnostic {
    fn from(broken: InfraError) -> Self {
        let error_type = if broken.retryable { "Retryable" } else { "NonRetryable" };
        Self { error_type: error_type.to_owned(), error_message: broken.detail }
    }
}

pub struct Database {
    config: Config,
    tls: MakeRustlsConnect,
    idle_max: Duration,
    client: Mutex<Option<Kept>>,
}

/// A connection with the time of its last use, by the wall clock: an instance may be frozen in between.
struct Kept {
    client: Client,
    alive: SystemTime,
}

impl Kept {
    /// Not closed and not idle for too long. A clock that was set back makes it look old; then it is replaced once more
    /// than needed.
    fn is_usable(&self, idle_max: Duration) -> bool {
        !self.client.is_closed() && self.alive.elapsed().is_ok_and(|idle| idle <= idle_max)
    }
}

impl Database {
    /// Configured by the environment (`DATABASE_URL`, `DATABASE_CA_FILE`, `DATABASE_IDLE_MAX_S`); opens nothing yet.
    ///
    /// # Errors
    /// A variable is missing or wrong.
    pub fn from_env() -> Result<Self, ConfigError> {
        let idle_max = config::seconds("DATABASE_IDLE_MAX_S", CONNECTION_IDLE_MAX_S)?;
        Ok(Self { config: config::database()?, tls: tls::connector()?, idle_max, client: Mutex::new(None) })
    }

    /// Calls a routine that returns one JSON value; null is `None`.
    ///
    /// # Errors
    /// The database cannot be reached, does not answer by the deadline, or answers with an error.
    pub async fn json<T: DeserializeOwned>(&self, sql: &str, params: &[Param<'_>]) -> Result<Option<T>, InfraError> {
        let rows = self.call(sql, params).await?;
        let row = rows.first().ok_or_else(|| InfraError::misuse("the call returned no row"))?;
        let Some(Json(value)) = row.try_get::<_, Option<Json<T>>>(0)? else { return Ok(None) };
        Ok(Some(value))
    }

    /// Calls a routine and gives its rows.
    ///
    /// # Errors
    /// The database cannot be reached, does not answer by the deadline, or answers with an error.
    pub async fn call(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, InfraError> {
        let mut client = self.client.lock().await;
        match timeout(Duration::from_millis(CALL_DEADLINE_MS), self.attempt(&mut client, sql, params)).await {
            Ok(result) => result,
            Err(_) => {
                // A late response on this connection must not be read as the next call's.
                *client = None;
                Err(InfraError::retryable("the database did not answer in time"))
            }
        }
    }

    async fn attempt(&self, kept: &mut Option<Kept>, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, InfraError> {
        if let Some(connection) = kept.as_mut().filter(|kept| kept.is_usable(self.idle_max)) {
            match connection.client.query_typed(sql, params).await {
                // The server may have closed an idle connection, or restarted. Whether the call was done is unknown,
                // but every routine returns the stored result to a repeat, so it is repeated on a new connection.
                Err(error) if connection.client.is_closed() || error.is_closed() => {}
                done => {
                    connection.alive = SystemTime::now();
                    return Ok(done?);
                }
            }
        }
        *kept = None;
        let connection = kept.insert(Kept { client: self.connect().await?, alive: SystemTime::now() });
        let done = connection.client.query_typed(sql, params).await;
        connection.alive = SystemTime::now();
        Ok(done?)
    }

    async fn connect(&self) -> Result<Client, InfraError> {
        let (client, connection) =
            timeout(Duration::from_millis(CONNECT_DEADLINE_MS), self.config.connect(self.tls.clone()))
                .await
                .map_err(|_| InfraError::retryable("the database did not accept a connection in time"))??;
        tokio::spawn(connection);
        // Settings of database and role apply from the start of a session, so they are checked once a session.
        client.query_typed("select holdfast.assert_durable()", &[]).await?;
        Ok(client)
    }
}
