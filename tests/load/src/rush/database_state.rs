//! The database's state at the end, to compare with the responses that the buyers got.

use std::collections::HashMap;

use tokio_postgres::Client;

use super::sale;
use super::watch::Report;
use stack;
use stack::always::{self, Rule};

#[derive(Clone, Debug)]
pub struct DatabaseState {
    pub ledger: Vec<Entry>,
    pub holds: HashMap<String, Hold>,
    /// By the hold they came of.
    pub orders: HashMap<String, Order>,
    /// What became of each payment, by its id: `ORDERED` or `REFUND_REQUIRED`.
    pub payments: HashMap<String, String>,
    /// As the operator sees it.
    pub report: Report,
    /// The rules of the whole database.
    pub rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub sku_id: String,
    pub event_type: String,
    pub qty: i64,
    /// When it was written: its counter changed a little later, at the commit.
    pub at_unix_us: i64,
    pub hold_id: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Hold {
    pub user_id: String,
    pub sku_id: String,
    pub status: String,
}

#[derive(Clone, Debug)]
pub struct Order {
    pub order_id: String,
    pub user_id: String,
    pub sku_id: String,
    pub at_unix_us: i64,
}

const LEDGER: &str = "select sku_id, event_type, qty, (extract(epoch from created_at) * 1000000)::bigint,
    hold_id::text from holdfast.inventory_ledger where sale_id = $1";
const HOLDS: &str = "select h.hold_id::text, h.user_id, i.sku_id, h.status from holdfast.reservation_hold h
    join holdfast.reservation_hold_item i using (hold_id) where h.sale_id = $1";
const ORDERS: &str = "select o.hold_id::text, o.order_id::text, o.user_id, i.sku_id,
    (extract(epoch from o.created_at) * 1000000)::bigint
    from holdfast.orders o join holdfast.order_items i using (order_id) where o.sale_id = $1";
const PAYMENTS: &str = "select payment_id, state from holdfast.payment where sale_id = $1";

impl DatabaseState {
    /// # Errors
    /// The database or the shop cannot be asked.
    pub async fn read(owner: &Client, stack: &stack::Report, sale_id: &str) -> anyhow::Result<Self> {
        let ask = async |sql: &'static str| owner.query(sql, &[&sale_id]).await;
        let ledger = ask(LEDGER).await?;
        let ledger = ledger.iter().map(|row| Entry {
            sku_id: row.get(0),
            event_type: row.get(1),
            qty: row.get(2),
            at_unix_us: row.get(3),
            hold_id: row.get(4),
        });
        let holds = ask(HOLDS).await?;
        let holds =
            holds.iter().map(|row| (row.get(0), Hold { user_id: row.get(1), sku_id: row.get(2), status: row.get(3) }));
        let orders = ask(ORDERS).await?;
        let orders = orders.iter().map(|row| {
            let order = Order { order_id: row.get(1), user_id: row.get(2), sku_id: row.get(3), at_unix_us: row.get(4) };
            (row.get(0), order)
        });
        let payments = ask(PAYMENTS).await?;
        let rules = always::whole(owner).await?;
        Ok(Self {
            ledger: ledger.collect(),
            holds: holds.collect(),
            orders: orders.collect(),
            payments: payments.iter().map(|row| (row.get(0), row.get(1))).collect(),
            report: serde_json::from_value(sale::report(stack, sale_id).await?)?,
            rules,
        })
    }
}
