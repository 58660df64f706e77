//! A crowd at four gateways, of which people dispute and refund a tenth in the gateways' consoles afterwards, while each
//! webhook comes three times in any order and a tenth never: at the end the books agree to the won, in both directions.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use super::reconciled::reconcile;
use support::client::until;
use support::gateways::GATEWAYS;
use support::shop::{PRICE, Shop};

/// `HOLDFAST_BUYERS=1000` plays more of them.
fn buyers() -> usize {
    std::env::var("HOLDFAST_BUYERS").ok().and_then(|text| text.parse().ok()).unwrap_or(200)
}

/// Three times and in any order, or never.
fn webhooks(never: bool) -> Value {
    if never { json!({"times": 0}) } else { json!({"times": 3, "spread_ms": 1_000, "fresh_ids": true}) }
}

/// One in ten.
fn is_never_told(n: usize) -> bool {
    n / 4 % 10 == 7
}

/// One in ten, at the two gateways that have virtual accounts: an account is issued, and the deposit comes afterwards.
fn is_deposit(n: usize) -> bool {
    matches!(n / 4 % 10, 5 | 6) && matches!(GATEWAYS[n % 4], "toss" | "portone")
}

/// What people do to one in ten.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    Part,
    Whole,
    Disputed,
    Lost,
}

struct Paid {
    n: usize,
    gateway: &'static str,
    user: String,
    hold: Value,
    payment: String,
}

impl Paid {
    /// Toss reports no disputes, and PortOne lists none.
    fn change(&self) -> Option<Change> {
        let nth = (self.n / 4 % 10 == 3).then_some(self.n / 40)?;
        Some(match (self.gateway, nth % 4) {
            ("toss", 2 | 3) | (_, 0) => Change::Part,
            (_, 1) => Change::Whole,
            (_, 2) => Change::Disputed,
            _ => Change::Lost,
        })
    }

    /// Every second of those that are changed, but for PortOne's disputes.
    fn is_silent(&self, change: Change) -> bool {
        let listed = self.gateway != "portone" || matches!(change, Change::Part | Change::Whole);
        listed && (self.n / 40 + self.n % 4).is_multiple_of(2)
    }
}

async fn pay(shop: Arc<Shop>, sale: String, n: usize) -> Paid {
    let (gateway, user) = (GATEWAYS[n % 4], format!("buyer-{n}"));
    let hold = shop.hold(&sale, &user).await;
    if is_deposit(n) {
        let payment = shop.issue(gateway, &hold, &user).await;
        shop.gateways.deposit(&payment, "changed").await;
        return Paid { n, gateway, user, hold, payment };
    }
    let made = shop.pay(gateway, &hold, &user, json!({"webhooks": webhooks(is_never_told(n))})).await;
    Paid { n, gateway, user, hold, payment: made["payment_id"].as_str().unwrap().to_owned() }
}

async fn change(shop: &Shop, paid: &Paid) {
    let Some(change) = paid.change() else { return };
    let order = |more: Value| {
        let mut order = json!({"webhooks": webhooks(paid.is_silent(change))});
        order.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        order
    };
    let console = async |what: &str, more: Value| {
        shop.gateways.console(&paid.payment, what, &order(more)).await;
    };
    match change {
        Change::Part => console("refund-by-hand", json!({"amount": 300})).await,
        Change::Whole => console("refund-by-hand", json!({"amount": PRICE})).await,
        Change::Disputed => console("dispute", json!({"amount": PRICE})).await,
        Change::Lost => {
            console("dispute", json!({"amount": 400})).await;
            console("resolve-dispute", json!({"won": false})).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_any_manual_change_at_the_gateways_the_books_agree_and_each_difference_is_on_its_order() {
    let shop = Arc::new(Shop::open_alone().await);
    let most = buyers();
    let sale = shop.client.sale(3_600, &[("pair", i64::try_from(most).unwrap(), 1)]).await;
    let crowd = stream::iter(0..most).map(|n| pay(Arc::clone(&shop), sale.clone(), n)).buffer_unordered(12);
    let crowd: Vec<Paid> = crowd.collect().await;
    let told = format!("select count(*) from holdfast.payment where sale_id = '{sale}'");
    let due = crowd.iter().filter(|paid| !is_never_told(paid.n)).count();
    until("all that was told of is known", 120, || async {
        (shop.count(&told).await >= i64::try_from(due).unwrap()).then_some(())
    })
    .await;
    stream::iter(&crowd).map(|paid| change(&shop, paid)).buffer_unordered(12).collect::<()>().await;
    reconcile(&shop).await;

    let rows = "select p.payment_id, p.amount - p.refunded_outside, p.refunded_outside, coalesce(p.dispute, 'none'), o.hold_id::text,
                       o.status from holdfast.payment p left join holdfast.orders o using (gateway, payment_id)";
    let settled = || async {
        let rows = shop.owner.query(&format!("{rows} where p.sale_id = '{sale}'"), &[]).await.unwrap();
        let row = |row: tokio_postgres::Row| {
            let key: String = row.get(0);
            (
                key,
                (row.get::<_, i64>(1), row.get::<_, i64>(2), row.get::<_, String>(3), row.get::<_, Option<String>>(4)),
            )
        };
        rows.into_iter().map(row).collect::<HashMap<_, _>>()
    };
    // The last of the webhooks may still be on its way.
    until("every difference is on record", 60, || async {
        let ours = settled().await;
        let is_known = |paid: &Paid| {
            ours.get(&paid.payment).is_some_and(|(_, outside, dispute, _)| {
                (*outside, dispute.as_str())
                    == match paid.change() {
                        None => (0, "none"),
                        Some(Change::Part) => (300, "none"),
                        Some(Change::Whole) => (PRICE, "none"),
                        Some(Change::Disputed) => (0, "open"),
                        // PortOne says that it is over, and not how.
                        Some(Change::Lost) => (0, if paid.gateway == "portone" { "resolved" } else { "lost" }),
                    }
            })
        };
        crowd.iter().all(is_known).then_some(())
    })
    .await;

    let ours = settled().await;
    assert_eq!(ours.len(), crowd.len(), "nothing but what was paid");
    for paid in &crowd {
        let theirs = shop.gateways.payment(&paid.payment).await;
        let (kept, outside, dispute, hold) = &ours[&paid.payment];
        assert_eq!(theirs["captured"].as_i64().unwrap() - theirs["refunded"].as_i64().unwrap(), *kept, "{theirs}");
        assert_eq!(hold.as_deref(), paid.hold["hold_id"].as_str(), "{theirs}");
        let path = format!("/v1/orders?hold_id={}", paid.hold["hold_id"].as_str().unwrap());
        let order = shop.client.get(&paid.user, &path).await.ok(200);
        let disputed = ["open", "resolved", "lost"].contains(&dispute.as_str());
        assert_eq!((&order["refunded_amount"], &order["disputed"]), (&json!(outside), &json!(disputed)), "{order}");
    }
    let report = shop.client.report(&sale).await;
    let refunded = crowd.iter().filter(|paid| matches!(paid.change(), Some(Change::Part | Change::Whole))).count();
    assert_eq!(report["payments"]["refunded_outside"], refunded, "{report}");
    assert!(shop.payments(&sale, "unsettled").await.is_empty());
}
