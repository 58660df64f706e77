//! A database of the bench: the product's schema, what the other ways of reserving need beside it, and the connections
//! that are kept over its cells.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::Mutex;
use tokio_postgres::Client;

use super::call::Caller;
use super::variant::Variant;
use stack::alone::Server;
use stack::database;

const TABLES: &str = include_str!("../../bench/tables.sql");
const FILL: &str = include_str!("../../bench/fill.sql");
const BULK: &str = include_str!("../../bench/bulk.sql");
const ONE_CALL: &str = include_str!("../../bench/one_call.sql");
const COUNTERS: &str = include_str!("../../bench/counters.sql");

pub struct Place {
    pub name: String,
    pub url: String,
    pub owner: Client,
    role_url: String,
    owners: Mutex<Vec<Arc<Caller>>>,
    reservers: Mutex<Vec<Arc<Caller>>>,
}

impl Place {
    /// A new database of that name.
    ///
    /// # Errors
    /// There is one already, or the schema cannot be applied.
    pub async fn make(server: &Server, name: &str) -> anyhow::Result<Self> {
        server.create(name).await?;
        let url = server.url(name);
        let owner = database::connect(&url).await?;
        let files = [TABLES, FILL, BULK].map(ToOwned::to_owned);
        for sql in files.into_iter().chain(ways_of_counting()?) {
            owner.batch_execute(&sql).await.with_context(|| sql)?;
        }
        Ok(Self {
            name: name.to_owned(),
            url,
            owner,
            // Only the role's name differs between two functions.
            role_url: server.url_for("FUNCTION", name)?,
            owners: Mutex::default(),
            reservers: Mutex::default(),
        })
    }

    /// So many connections for a variant's calls: the function's role for the product's, the owner for the others.
    ///
    /// # Errors
    /// The server refuses one.
    pub async fn callers(&self, variant: &Variant, count: usize) -> anyhow::Result<Vec<Arc<Caller>>> {
        let product = variant.is_the_product();
        let mut kept = if product { self.reservers.lock().await } else { self.owners.lock().await };
        while kept.len() < count {
            let client = if product { self.as_role("reserve").await? } else { database::connect(&self.url).await? };
            kept.push(Caller::new(client));
        }
        Ok(kept[..count].to_vec())
    }

    /// A connection with a function's rights and bounds, logged in as the function is.
    ///
    /// # Errors
    /// The server refuses it.
    pub async fn as_role(&self, function: &str) -> anyhow::Result<Client> {
        database::connect(&self.role_url.replace("FUNCTION", function)).await
    }

    /// Empties everything and opens the sale `drop`, with the log on disk and the next checkpoint far away.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn begin_cell(&self, skus: u64, stock: i64, units: i64) -> anyhow::Result<()> {
        self.owner.batch_execute(&format!("call bench.begin_cell({skus}, {stock}, 300, {units})")).await?;
        Ok(self.owner.batch_execute("checkpoint").await?)
    }
}

/// `one_call.sql`, once for each way of counting in `counters.sql`.
fn ways_of_counting() -> anyhow::Result<Vec<String>> {
    let mut calls = Vec::new();
    for way in COUNTERS.split("--- ").skip(1) {
        let (name, parts) = way.split_once('\n').context("a way of counting has a name")?;
        let (declare, rest) = parts.split_once("-- first\n").context("what stands first")?;
        let (first, last) = rest.split_once("-- last\n").context("what stands last")?;
        let declare = declare.trim_start_matches("-- declare\n");
        let mut filled = ONE_CALL.replace("bench.{name}", &format!("bench.{name}"));
        for (part, text) in [("declare", declare), ("first", first), ("last", last)] {
            filled = filled.replace(&format!("\n    {{{part}}}"), &format!("\n{text}"));
        }
        calls.push(filled);
    }
    Ok(calls)
}
