//! Orders that an operator cancels while their payment is disputed: the bank may pay the buyer, so the shop does not
//! before it has decided.

use reqwest::Method;
use serde_json::{Value, json};

use support::client::until;
use support::gateways::by_the_shop;
use support::shop::{Bought, PRICE, Shop};

async fn cancel(shop: &Shop, bought: &Bought) {
    let path = format!("/v1/admin/orders/{}/cancel", shop.order(bought).await["order_id"].as_str().unwrap());
    shop.client.admin(Method::POST, &path, Some(json!({"reason": "disputed"}))).await.ok(200);
}

/// An order whose payment's dispute is open, and recorded.
async fn disputed(shop: &Shop, gateway: &str, amount: i64) -> Bought {
    let bought = shop.buy(gateway).await;
    shop.gateways.console(&bought.payment, "dispute", &json!({"amount": amount})).await;
    shop.until_shown(&bought, true, 0).await;
    bought
}

/// Until `refund` has looked at it so many times more.
async fn looked_at(shop: &Shop, bought: &Bought, times: usize) {
    let due = "select next_attempt_at::text from holdfast.refund where payment_id = $1";
    let due = async || shop.owner.query_one(due, &[&bought.payment]).await.unwrap().get::<_, String>(0);
    for _ in 0..times {
        let last = due().await;
        until("the refund is looked at", 40, || async { (due().await != last).then_some(()) }).await;
    }
}

/// Its row: the status, whether the gateway has taken a request on, attempts, what was said last.
async fn refund(shop: &Shop, bought: &Bought) -> (String, bool, i32, String) {
    let sql = "select status, requested_at is not null, attempts, coalesce(failure, '') from holdfast.refund where payment_id = $1";
    let row = shop.owner.query_one(sql, &[&bought.payment]).await.unwrap();
    (row.get(0), row.get(1), row.get(2), row.get(3))
}

async fn refunded_by_us(shop: &Shop, bought: &Bought) -> Vec<i64> {
    by_the_shop(&shop.gateways.payment(&bought.payment).await)
}

async fn resolve(shop: &Shop, bought: &Bought, won: bool) {
    shop.gateways.console(&bought.payment, "resolve-dispute", &json!({"won": won})).await;
}

/// An order that was cancelled under an open dispute, and is not refunded while that is open.
async fn taken_back(shop: &Shop, gateway: &str) -> Bought {
    let bought = disputed(shop, gateway, PRICE).await;
    cancel(shop, &bought).await;
    looked_at(shop, &bought, 3).await;
    assert_eq!(refunded_by_us(shop, &bought).await, [0; 0], "{gateway}: the bank may pay it back");
    let (status, requested, attempts, said) = refund(shop, &bought).await;
    assert_eq!((status.as_str(), requested, attempts), ("REQUIRED", false, 0), "{gateway}: nothing was asked for");
    assert!(said.contains("disputed"), "{gateway}: {said}");
    shop.until_refund(&bought.hold, &bought.user, "pending").await;
    bought
}

#[tokio::test]
async fn an_order_cancelled_during_a_dispute_is_not_refunded_before_the_dispute_ends() {
    let shop = Shop::open().await;
    for gateway in ["standard", "stripe"] {
        let bought = taken_back(&shop, gateway).await;
        resolve(&shop, &bought, true).await;
        shop.until_refund(&bought.hold, &bought.user, "completed").await;
        assert_eq!(refunded_by_us(&shop, &bought).await, [PRICE], "{gateway}");
        let (_, _, attempts, said) = refund(&shop, &bought).await;
        assert_eq!(attempts, 0, "{gateway}: no request was refused: {said}");
    }
}

#[tokio::test]
async fn money_that_the_bank_has_paid_back_is_not_refunded_again() {
    let shop = Shop::open().await;
    for gateway in ["standard", "stripe"] {
        let bought = taken_back(&shop, gateway).await;
        resolve(&shop, &bought, false).await;
        shop.until_refund(&bought.hold, &bought.user, "completed").await;
        // And one that is cancelled afterwards.
        let after = disputed(&shop, gateway, PRICE).await;
        resolve(&shop, &after, false).await;
        until("it is lost", 40, || async { (shop.row(&after).await["dispute"] == "lost").then_some(()) }).await;
        cancel(&shop, &after).await;
        shop.until_refund(&after.hold, &after.user, "completed").await;
        for bought in [&bought, &after] {
            assert_eq!(refunded_by_us(&shop, bought).await, [0; 0], "{gateway}");
        }
    }
}

async fn letter_of(shop: &Shop, bought: &Bought) -> Value {
    let letters = format!("/v1/admin/dead-letters?kind=refund&sale_id={}", bought.sale);
    until("a dead letter", 40, || async {
        let page = shop.client.admin(Method::GET, &letters, None).await.ok(200);
        page["dead_letters"].as_array().unwrap().first().cloned()
    })
    .await
}

async fn decide(shop: &Shop, letter: &Value, decision: &str) {
    let path = format!("/v1/admin/dead-letters/{}/{decision}", letter["id"].as_str().unwrap());
    shop.client.admin(Method::POST, &path, Some(json!({"reason": "the bank's letter"}))).await.ok(200);
}

async fn told(shop: &Shop, bought: &Bought) -> Vec<Value> {
    shop.told(&bought.payment, "PaymentDisputed").await.iter().map(|one| one["status"].clone()).collect()
}

/// PortOne reports that a dispute has ended, without its result, and has the money either way.
#[tokio::test]
async fn a_dispute_that_ends_without_a_result_waits_for_an_operator() {
    let shop = Shop::open().await;
    for won in [true, false] {
        let bought = taken_back(&shop, "portone").await;
        resolve(&shop, &bought, won).await;
        let letter = letter_of(&shop, &bought).await;
        assert!(letter["reason"].as_str().unwrap().contains("does not say how"), "{letter}");
        let row = shop.row_in(&bought, "refund_failed").await;
        assert_eq!((&row["dispute"], &row["disputed"]), (&json!("resolved"), &json!(true)), "{row}");
        // A replay of many is no decision about each.
        let many = json!({"kind": "refund", "sale_id": bought.sale, "reason": "all of them"});
        shop.client.admin(Method::POST, "/v1/admin/dead-letters/replay", Some(many)).await.ok(200);
        let letter = letter_of(&shop, &bought).await;
        assert_eq!(refunded_by_us(&shop, &bought).await, [0; 0]);
        decide(&shop, &letter, if won { "replay" } else { "settle" }).await;
        shop.until_refund(&bought.hold, &bought.user, "completed").await;
        let paid = if won { vec![PRICE] } else { vec![] };
        assert_eq!(refunded_by_us(&shop, &bought).await, paid);
        let states = if won { vec!["open", "resolved", "won"] } else { vec!["open", "resolved"] };
        assert_eq!(told(&shop, &bought).await, states);
    }
}

#[tokio::test]
async fn the_undisputed_part_of_a_payment_is_refunded_at_once() {
    let shop = Shop::open().await;
    for gateway in ["standard", "stripe"] {
        let bought = disputed(&shop, gateway, 400).await;
        cancel(&shop, &bought).await;
        until("the rest is paid back", 40, || async {
            (refunded_by_us(&shop, &bought).await == [PRICE - 400]).then_some(())
        })
        .await;
        looked_at(&shop, &bought, 2).await;
        let (status, requested, attempts, _) = refund(&shop, &bought).await;
        assert_eq!((status.as_str(), requested, attempts), ("REQUIRED", false, 0), "{gateway}");
        resolve(&shop, &bought, true).await;
        shop.until_refund(&bought.hold, &bought.user, "completed").await;
        assert_eq!(refunded_by_us(&shop, &bought).await, [PRICE - 400, 400], "{gateway}");
        assert_eq!(shop.row_in(&bought, "refunded").await["refunded_amount"], 0, "{gateway}: all of it was ours");
    }
}
