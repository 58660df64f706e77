//! Orders that an operator takes back while their payment is disputed: the bank may pay the buyer, and so nobody else does
//! before it has decided.

use reqwest::Method;
use serde_json::{Value, json};

use support::client::until;
use support::shop::{Bought, PRICE, Shop};
use support::till::by_the_shop;

async fn cancel(shop: &Shop, bought: &Bought) {
    let path = format!("/v1/admin/orders/{}/cancel", shop.order(bought).await["order_id"].as_str().unwrap());
    shop.client.admin(Method::POST, &path, Some(json!({"reason": "disputed"}))).await.ok(200);
}

/// An order whose payment's dispute is open, and recorded.
async fn disputed(shop: &Shop, gateway: &str, amount: i64) -> Bought {
    let bought = shop.buy(gateway).await;
    shop.till.console(&bought.payment, "dispute", &json!({"amount": amount})).await;
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
    by_the_shop(&shop.till.payment(&bought.payment).await)
}

#[tokio::test]
async fn an_order_that_is_taken_back_while_its_payment_is_disputed_is_not_paid_back_before_that_is_over() {
    let shop = Shop::open().await;
    for gateway in ["portone"] {
        let bought = disputed(&shop, gateway, PRICE).await;
        cancel(&shop, &bought).await;
        looked_at(&shop, &bought, 3).await;
        assert_eq!(refunded_by_us(&shop, &bought).await, [0; 0], "{gateway}: the bank may pay it back");
        shop.until_refund(&bought.hold, &bought.user, "pending").await;
    }
}
