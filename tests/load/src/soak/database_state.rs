//! The database's state of a storm's sales when it is calm, to compare with every response.

use std::collections::{BTreeMap, HashMap};

use tokio_postgres::{Client, Row};
use uuid::Uuid;

use super::books::Totals;
use super::log::Us;

#[derive(Clone, Debug)]
pub struct Hold {
    pub sale_id: String,
    pub user_id: String,
    pub key: String,
    pub status: String,
    pub created_us: Us,
    pub expire_us: Us,
    pub finalized_us: Option<Us>,
    /// SKU and quantity, in the order of the cart.
    pub lines: Vec<(String, i64)>,
}

/// A change of stock, and when it was committed.
#[derive(Clone, Debug)]
pub struct Moved {
    pub sale_id: String,
    pub sku_id: String,
    pub qty: i64,
    pub committed_us: Us,
}

#[derive(Clone, Debug)]
pub struct Order {
    pub order_id: Uuid,
    pub payment_id: String,
    pub created_us: Us,
}

/// What became of a payment.
#[derive(Clone, Debug)]
pub struct Payment {
    pub hold_ref: String,
    pub user_id: String,
    pub amount: i64,
    pub currency: String,
    pub order_id: Option<Uuid>,
    pub refund_reason: Option<String>,
    pub created_us: Us,
}

#[derive(Debug, Default)]
pub struct DatabaseState {
    pub holds: HashMap<Uuid, Hold>,
    pub moved: Vec<Moved>,
    /// By the hold that was paid.
    pub orders: HashMap<Uuid, Order>,
    pub payments: HashMap<String, Payment>,
    /// The operator's changes by their keys: by how much, and the total and what was available afterwards.
    pub adjusted: HashMap<String, (i64, i64, i64)>,
}

/// What was captured and what was refunded, by currency.
const MONEY: &str = "select p.currency, sum(p.amount)::bigint,
    coalesce(sum(r.amount) filter (where r.status = 'COMPLETED'), 0)::bigint
    from holdfast.payment p left join holdfast.refund r using (gateway, payment_id) group by p.currency";

const HOLDS: &str = "select h.hold_id, h.sale_id, h.user_id, i.idem_key, h.status,
    (extract(epoch from h.created_at) * 1000000)::bigint, (extract(epoch from h.expire_at) * 1000000)::bigint,
    (extract(epoch from h.finalized_at) * 1000000)::bigint, l.skus, l.qtys
    from holdfast.reservation_hold h
    left join holdfast.idempotency i on i.hold_id = h.hold_id
    left join lateral (
        select array_agg(sku_id order by position) as skus, array_agg(qty::bigint order by position) as qtys
        from holdfast.reservation_hold_item i where i.hold_id = h.hold_id) l on true
    where h.sale_id = any ($1)";
const MOVED: &str =
    "select sale_id, sku_id, qty, (extract(epoch from pg_xact_commit_timestamp(xmin)) * 1000000)::bigint
    from holdfast.inventory_ledger where sale_id = any ($1)";
const ORDERS: &str = "select hold_id, order_id, payment_id, (extract(epoch from created_at) * 1000000)::bigint
    from holdfast.orders where sale_id = any ($1)";
const PAYMENTS: &str = "select payment_id, hold_ref, user_id, amount, currency, order_id, refund_reason,
    (extract(epoch from created_at) * 1000000)::bigint from holdfast.payment where payment_id = any ($1)";
const ADJUSTED: &str = "select idem_key, delta, total_after, available_after
    from holdfast.stock_adjustment where sale_id = any ($1)";

/// What the gateway's books should say.
///
/// # Errors
/// The database cannot be asked.
pub async fn money(owner: &Client) -> anyhow::Result<BTreeMap<String, Totals>> {
    let totals = |row: &Row| (row.get(0), Totals { captured: row.get(1), refunded: row.get(2) });
    Ok(owner.query(MONEY, &[]).await?.iter().map(totals).collect())
}

impl DatabaseState {
    /// Of these sales, and of these payments.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn read(owner: &Client, sales: &[String], payments: &[String]) -> anyhow::Result<Self> {
        let mut truth = Self::default();
        for row in owner.query(HOLDS, &[&sales]).await? {
            let (skus, qtys): (Option<Vec<String>>, Option<Vec<i64>>) = (row.get(8), row.get(9));
            let hold = Hold {
                sale_id: row.get(1),
                user_id: row.get(2),
                key: row.get::<_, Option<String>>(3).unwrap_or_default(),
                status: row.get(4),
                created_us: row.get(5),
                expire_us: row.get(6),
                finalized_us: row.get(7),
                lines: skus.unwrap_or_default().into_iter().zip(qtys.unwrap_or_default()).collect(),
            };
            truth.holds.insert(row.get(0), hold);
        }
        for row in owner.query(MOVED, &[&sales]).await? {
            let (sale_id, sku_id, qty) = (row.get(0), row.get(1), row.get(2));
            truth.moved.push(Moved { sale_id, sku_id, qty, committed_us: row.get(3) });
        }
        for row in owner.query(ORDERS, &[&sales]).await? {
            let order = Order { order_id: row.get(1), payment_id: row.get(2), created_us: row.get(3) };
            truth.orders.insert(row.get(0), order);
        }
        for row in owner.query(PAYMENTS, &[&payments]).await? {
            let payment = Payment {
                hold_ref: row.get(1),
                user_id: row.get(2),
                amount: row.get(3),
                currency: row.get(4),
                order_id: row.get(5),
                refund_reason: row.get(6),
                created_us: row.get(7),
            };
            truth.payments.insert(row.get(0), payment);
        }
        for row in owner.query(ADJUSTED, &[&sales]).await? {
            truth.adjusted.insert(row.get(0), (row.get(1), row.get(2), row.get(3)));
        }
        Ok(truth)
    }
}
