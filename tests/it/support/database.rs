//! A database of its own for each test that is about the transactions, made from a migrated template on the stack's
//! server; and every call of ours, made by the role whose call it is.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use functions::reservations;
use serde_json::{Value, json};
use stack::always;
use stack::migrate;
use tokio::sync::OnceCell;
use tokio_postgres::Client;
use tokio_postgres::types::{Json, Type};
use uuid::Uuid;

/// The stack the tests run against, as `cargo dev test` wrote it down.
pub fn stack() -> Value {
    let path = std::env::var("HOLDFAST_STACK").expect("HOLDFAST_STACK names no stack: run `cargo dev test`");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// What the functions' roles log in with, on every database of the stack's server.
pub fn functions_password() -> String {
    let dir = PathBuf::from(std::env::var("HOLDFAST_STACK").unwrap()).parent().unwrap().to_owned();
    let secrets: Value = serde_json::from_slice(&std::fs::read(dir.join("secrets.json")).unwrap()).unwrap();
    secrets["functions_password"].as_str().unwrap().to_owned()
}

fn url_of(database: &str) -> String {
    let url = stack()["database_url"].as_str().unwrap().to_owned();
    let (server, _) = url.rsplit_once('/').unwrap();
    format!("{server}/{database}")
}

/// One reservation of a batch.
#[derive(Clone, Debug)]
pub struct Ask {
    pub user: String,
    pub key: String,
    pub lines: Vec<(String, i32)>,
}

pub struct Database {
    pub name: String,
    pub owner: Client,
    pub early_release: bool,
}

impl Database {
    /// Empty, migrated.
    pub async fn new() -> Self {
        Self::with(true).await
    }

    pub async fn with(early_release: bool) -> Self {
        static TEMPLATE: OnceCell<String> = OnceCell::const_new();
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let template = TEMPLATE
            .get_or_init(|| async {
                let name = format!("t{}_template", std::process::id());
                let server = stack::database::connect(&url_of("postgres")).await.unwrap();
                server.batch_execute(&format!("create database {name}")).await.unwrap();
                migrate::run(&url_of(&name)).await.unwrap();
                name
            })
            .await;
        let name = format!("t{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let server = stack::database::connect(&url_of("postgres")).await.unwrap();
        server.batch_execute(&format!("create database {name} template {template}")).await.unwrap();
        let owner = stack::database::connect(&url_of(&name)).await.unwrap();
        Self { name, owner, early_release }
    }

    pub fn url(&self) -> String {
        url_of(&self.name)
    }

    /// A connection with a function's rights, which are those of its own call.
    pub async fn as_role(&self, function: &str) -> Client {
        let client = stack::database::connect(&self.url()).await.unwrap();
        // What a login brings with it, and a change of the session's user does not: the settings of the role. But its
        // time-outs: a forced race holds its locks for as long as it takes to start every participant.
        let settings = client
            .query_one(
                "select coalesce(string_agg(format('set %I = %L;', split_part(one, '=', 1), split_part(one, '=', 2)), ''), '')
                 from pg_db_role_setting s join pg_roles r on r.oid = s.setrole, unnest(s.setconfig) as one
                 where r.rolname = $1 and s.setdatabase = 0 and one not like '%timeout=%'",
                &[&format!("holdfast_{function}")],
            )
            .await
            .unwrap();
        client.batch_execute(settings.get(0)).await.unwrap();
        client.batch_execute(&format!("set session authorization holdfast_{function}")).await.unwrap();
        client
    }

    /// A sale `drop` with `(sku, stock, max_per_user)`, at 100 a piece.
    pub async fn sale(&self, hold_ttl_s: i64, skus: &[(&str, i64, i64)]) {
        let skus: Vec<Value> = skus
            .iter()
            .map(|(sku, stock, most)| {
                json!({"sku_id": sku, "name": sku, "unit_price": 100, "stock": stock, "max_per_user": most})
            })
            .collect();
        let sale =
            json!({"sale_id": "drop", "name": "Drop", "currency": "KRW", "hold_ttl_s": hold_ttl_s, "skus": skus});
        let admin = self.as_role("admin").await;
        let made: Json<Value> = admin
            .query_typed("select holdfast.create_sale($1, sha256('drop'))", &[(&Json(&sale), Type::JSON)])
            .await
            .unwrap()[0]
            .get(0);
        assert_eq!(made.0["outcome"], "sale");
    }

    /// The report's SKUs, after all that must hold has been looked at.
    pub async fn checked_report(&self) -> Value {
        let report: Json<Value> =
            self.owner.query_one("select holdfast.report('drop') -> 'report'", &[]).await.unwrap().get(0);
        assert_eq!(report.0["audit"], json!({"ok": true, "mismatches": []}), "{}", report.0);
        for sku in report.0["skus"].as_array().unwrap() {
            let n = |name: &str| sku[name].as_i64().unwrap();
            assert_eq!(n("total"), n("available") + n("held") + n("sold"), "{sku}");
            assert!(n("available") >= 0, "{sku}");
        }
        let broken = always::broken(&self.owner).await.unwrap();
        assert!(broken.is_empty(), "{broken:?}");
        report.0
    }
}

/// T1 for a batch, with the rights of `client`.
pub async fn reserve(client: &Client, early_release: bool, batch: &[Ask]) -> Result<Vec<Value>, tokio_postgres::Error> {
    let mut columns = reservations::Batch::new("drop", early_release, None);
    for ask in batch {
        use sha2::Digest;
        let fingerprint = sha2::Sha256::digest(format!("{:?}", ask.lines)).to_vec();
        columns.push(&ask.user, &ask.key, fingerprint, ask.lines.iter().map(|(sku, qty)| (sku.as_str(), *qty)));
    }
    let rows = client.query_typed(reservations::CALL, &columns.params()).await?;
    let Json(Value::Array(answers)) = rows[0].get(0) else { panic!("no answers") };
    assert_eq!(answers.len(), batch.len());
    Ok(answers)
}

/// A payment as T2 takes it.
#[derive(Clone, Debug)]
pub struct Paid {
    pub payment: String,
    pub hold: String,
    pub user: String,
    pub amount: i64,
    pub currency: String,
}

pub async fn confirm(client: &Client, paid: &Paid) -> Result<Value, tokio_postgres::Error> {
    confirm_at(client, "standard", paid).await
}

pub async fn confirm_at(client: &Client, gateway: &str, paid: &Paid) -> Result<Value, tokio_postgres::Error> {
    let hold_id = Uuid::parse_str(&paid.hold).ok();
    let rows = client
        .query_typed(
            "select holdfast.confirm($1, $2, $3, $4, $5, $6, $7)",
            &[
                (&gateway, Type::TEXT),
                (&paid.payment, Type::TEXT),
                (&paid.hold, Type::TEXT),
                (&hold_id, Type::UUID),
                (&paid.user, Type::TEXT),
                (&paid.amount, Type::INT8),
                (&paid.currency, Type::TEXT),
            ],
        )
        .await?;
    Ok(rows[0].get::<_, Json<Value>>(0).0)
}

pub async fn release(client: &Client, user: &str, hold: &str) -> Result<Value, tokio_postgres::Error> {
    let hold_id = Uuid::parse_str(hold).unwrap();
    let rows =
        client.query_typed("select holdfast.release($1, $2)", &[(&user, Type::TEXT), (&hold_id, Type::UUID)]).await?;
    Ok(rows[0].get::<_, Json<Value>>(0).0)
}

pub async fn sweep(client: &Client) -> Result<i32, tokio_postgres::Error> {
    let rows = client.query_typed("select holdfast.expire(1000)", &[]).await?;
    Ok(rows[0].get(0))
}
