//! Whose connection a call goes by: one that takes every function's rights in turn, or a login for each of them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::try_join;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_postgres::types::{Json, ToSql, Type};
use tokio_postgres::{Client, Error};

use stack::database;
use stack::ready;

pub type Params<'a> = &'a [(&'a (dyn ToSql + Sync), Type)];

/// For one try at a connection, and for all of them.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Makes one call after the other.
pub enum Session {
    /// A superuser's connection, which takes the rights of whoever's call it makes next.
    OfAll { client: Client, role: RefCell<&'static str> },
    /// A connection for each role by its own login, as the functions have: made when it is needed first, and again when
    /// it was lost.
    OfEach { urls: HashMap<&'static str, String>, clients: RefCell<HashMap<&'static str, Rc<Client>>> },
}

impl Session {
    /// # Errors
    /// The database cannot be reached.
    pub async fn of_all(url: &str, settings: &str) -> anyhow::Result<Self> {
        let client = database::connect(url).await?;
        client.batch_execute(settings).await?;
        Ok(Self::OfAll { client, role: RefCell::new("") })
    }

    /// By each role's URL.
    pub fn of_each(urls: HashMap<&'static str, String>) -> Self {
        Self::OfEach { urls, clients: RefCell::default() }
    }

    /// When it returns there is a connection for this role's call, as far as anybody can know.
    ///
    /// # Errors
    /// There is none for a minute.
    pub async fn ready(&self, role: &'static str) -> anyhow::Result<()> {
        let Self::OfEach { urls, clients } = self else { return Ok(()) };
        if clients.borrow().get(role).is_some_and(|client| !client.is_closed()) {
            return Ok(());
        }
        let url = urls.get(role).with_context(|| format!("{role} has no login"))?;
        let client = ready::within(READY_WITHIN, "the way to the database", async || {
            timeout(CONNECT_WITHIN, database::connect(url)).await?
        });
        let client = Rc::new(client.await?);
        clients.borrow_mut().insert(role, client);
        Ok(())
    }

    /// Lets go of every connection.
    pub fn hang_up(&self) {
        if let Self::OfEach { clients, .. } = self {
            clients.borrow_mut().clear();
        }
    }

    /// One statement with a function's rights.
    ///
    /// # Errors
    /// The database's; or the connection was lost, and nobody knows what was done.
    pub(super) async fn call(&self, role: &'static str, sql: &str, params: Params<'_>) -> Result<Value, Error> {
        let rows = match self {
            Self::OfEach { clients, .. } => {
                let client = clients.borrow().get(role).cloned().expect("a session that is ready for this call");
                client.query_typed(sql, params).await?
            }
            // The rights are taken whatever becomes of the statement.
            Self::OfAll { client, role: taken } if taken.replace(role) == role => {
                client.query_typed(sql, params).await?
            }
            // The change of rights travels with it.
            Self::OfAll { client, .. } => {
                let become_it = format!("set session authorization holdfast_{role}");
                try_join(client.batch_execute(&become_it), client.query_typed(sql, params)).await?.1
            }
        };
        match rows[0].columns()[0].type_() {
            &Type::INT4 => Ok(json!(rows[0].get::<_, i32>(0))),
            _ => Ok(rows[0].get::<_, Option<Json<Value>>>(0).map_or(Value::Null, |json| json.0)),
        }
    }

    /// When it returns the call before has let go of its locks: Postgres tells of an error first and ends the transaction
    /// afterwards, and who asks meanwhile would find the rows locked.
    ///
    /// # Errors
    /// The connection was lost.
    pub(super) async fn has_ended(&self, role: &'static str) -> Result<(), Error> {
        match self {
            Self::OfAll { client, .. } => client.batch_execute("").await,
            Self::OfEach { clients, .. } => {
                let client = clients.borrow().get(role).cloned();
                match client {
                    Some(client) => client.batch_execute("").await,
                    None => Ok(()),
                }
            }
        }
    }

    /// Settings that only a superuser may make.
    ///
    /// # Panics
    /// They are refused, or it is no superuser's session.
    pub async fn set(&self, settings: &str) {
        let Self::OfAll { client, role } = self else { panic!("settings for the logins of functions") };
        client.batch_execute(&format!("reset session authorization; {settings}")).await.unwrap();
        *role.borrow_mut() = "";
    }

    /// # Panics
    /// The database cannot be asked, or there is more than one.
    pub async fn pid(&self) -> i32 {
        let Self::OfAll { client, .. } = self else { panic!("a session of many connections") };
        client.query_one("select pg_backend_pid()", &[]).await.unwrap().get(0)
    }
}
