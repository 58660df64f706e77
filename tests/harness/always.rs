//! What always holds in the database, whatever was done to it: one list for every test and for `cargo dev rush`.

use tokio_postgres::{Client, Error};

/// What always holds, as queries that find where it does not.
pub const ALWAYS: [(&str, &str); 11] = [
    (
        "an active hold is HOLD, and a HOLD's lines are active",
        "select from holdfast.user_active_hold a full join
            (select h.hold_id, i.sku_id from holdfast.reservation_hold h join holdfast.reservation_hold_item i using (hold_id)
             where h.status = 'HOLD') h using (hold_id, sku_id) where a.user_id is null or h.hold_id is null",
    ),
    (
        "a COMMITTED hold has an order, and an order a COMMITTED hold",
        "select from holdfast.orders o full join (select * from holdfast.reservation_hold where status = 'COMMITTED') h
            using (hold_id) where o.order_id is null or h.hold_id is null",
    ),
    (
        "every hold has a debit for each line",
        "select from holdfast.reservation_hold_item i full join
            (select * from holdfast.inventory_ledger where event_type = 'RESERVE_DEBIT') l
            using (hold_id, sku_id) where l.qty is distinct from -i.qty",
    ),
    (
        "what ended without a payment was credited, and nothing else",
        "select from (select i.*, h.status from holdfast.reservation_hold_item i join holdfast.reservation_hold h using (hold_id)
                      where h.status in ('EXPIRED', 'RELEASED') or h.retaken_at > h.finalized_at) i
            full join (select * from holdfast.inventory_ledger where event_type in ('EXPIRE_CREDIT', 'RELEASE_CREDIT')) l
            using (hold_id, sku_id) where l.qty is distinct from i.qty",
    ),
    (
        "a payment is an order that stands or a refund; of nothing there is no refund once its order is cancelled",
        "select from (select * from holdfast.payment where amount > 0 or state = 'REFUND_REQUIRED') p
            left join holdfast.orders o on (o.gateway, o.payment_id, o.status) = (p.gateway, p.payment_id, 'CONFIRMED')
            left join holdfast.refund r on (r.gateway, r.payment_id) = (p.gateway, p.payment_id)
            where (o.order_id is null) = (r.reason is null)",
    ),
    (
        "what a late payment took again was debited, and nothing else",
        "select from (select i.* from holdfast.reservation_hold_item i join holdfast.reservation_hold h using (hold_id)
                      where h.retaken_at > h.finalized_at) i
            full join (select * from holdfast.inventory_ledger where event_type = 'RETAKE_DEBIT') l
            using (hold_id, sku_id) where l.qty is distinct from -i.qty",
    ),
    (
        "the stock of a cancelled order came back once, and nothing else's",
        "select from (select i.* from holdfast.reservation_hold_item i join holdfast.orders o using (hold_id)
                      where o.status = 'CANCELLED') i
            full join (select * from holdfast.inventory_ledger where event_type = 'CANCEL_CREDIT') l
            using (hold_id, sku_id) where l.qty is distinct from i.qty",
    ),
    (
        "every hold was told of once when it began, and once when it ended",
        "select from holdfast.reservation_hold h left join holdfast.event_outbox e using (hold_id) group by h.hold_id having
            count(*) filter (where e.event_type = 'ReservationCreated') <> 1 or
            count(*) filter (where e.event_type in ('OrderConfirmed', 'ReservationExpired', 'ReservationReleased'))
                <> case when h.status = 'HOLD' then 0 when h.retaken_at > h.finalized_at then 2 else 1 end",
    ),
    (
        "every key grants a hold, and every hold has its key",
        "select from holdfast.idempotency i full join holdfast.reservation_hold h using (hold_id)
            where i.user_id is distinct from h.user_id",
    ),
    (
        "what T1 counts as bought is what the orders that stand say",
        "select from (select * from holdfast.buyer_history where bought > 0) b full join
            (select sale_id, user_id, sku_id, sum(qty) as qty from holdfast.order_items group by 1, 2, 3) o
            using (sale_id, user_id, sku_id) where o.qty is distinct from b.bought",
    ),
    (
        "nobody buys more than max_per_user",
        "select from holdfast.order_items o join holdfast.sku k using (sale_id, sku_id)
            group by o.sale_id, o.user_id, o.sku_id, k.max_per_user having sum(o.qty) > k.max_per_user",
    ),
];

/// The rules that do not hold now, each with how many rows break it. Needs the owner's rights: it reads tables.
///
/// # Errors
/// The database cannot be asked.
pub async fn broken(owner: &Client) -> Result<Vec<(&'static str, i64)>, Error> {
    let mut found = vec![];
    for (rule, query) in ALWAYS {
        let row = owner.query_one(&format!("select count(*) from ({query}) broken"), &[]).await?;
        let rows: i64 = row.get(0);
        if rows != 0 {
            found.push((rule, rows));
        }
    }
    Ok(found)
}
