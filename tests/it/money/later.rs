//! What a gateway reports after the order: disputes, console refunds, reversed deposits. Each is on the order, on the
//! payment, in the report, and emitted once; by webhook here, by the gateway's own list in `gateways/reconciled`.

use reqwest::Method;
use serde_json::{Value, json};

use support::client::until;
use support::gateways::{GATEWAYS, by_the_shop};
use support::shop::{Bought, PRICE, Shop};

/// Every id under its own name.
async fn assert_named(shop: &Shop, bought: &Bought, told: &Value) {
    let order = shop.order(bought).await;
    for (member, value) in [("order_id", &order["order_id"]), ("hold_id", &bought.hold["hold_id"])] {
        assert_eq!(&told[member], value, "{member}: {told}");
    }
    assert_eq!((&told["sale_id"], &told["payment_id"]), (&json!(bought.sale), &json!(bought.payment)));
    assert_eq!((&told["user_id"], &told["currency"]), (&json!(shop.client.user(&bought.user)), &json!("KRW")));
}

async fn until_answered(shop: &Shop, payment: &str) {
    until("the shop has answered", 20, || async {
        let deliveries = shop.gateways.payment(payment).await["deliveries"].clone();
        let last = deliveries.as_array().unwrap().last().unwrap().clone();
        // Only Toss signs nothing: a second message at once gets a `Retry-After`.
        let is_late = |attempt: &&Value| payment.starts_with("tgen_") && attempt["status"] == 429;
        let attempts = last["attempts"].as_array().cloned().unwrap_or_default();
        let answer = attempts.iter().find(|attempt| !is_late(attempt)).cloned();
        (last["delivered"] == true).then(|| assert_eq!(answer.unwrap()["body"], r#"{"result":"recorded"}"#))
    })
    .await;
}

async fn changed(shop: &Shop, sale: &str) -> Value {
    shop.client.report(sale).await["payments"].clone()
}

#[tokio::test]
async fn a_refund_in_the_console_is_on_the_order_with_its_amount_and_emits_one_event_each_time() {
    let shop = Shop::open().await;
    for gateway in GATEWAYS {
        let bought = shop.buy(gateway).await;
        shop.until_shown(&bought, false, 0).await;
        let thrice = json!({"amount": 300, "webhooks": {"times": 3, "fresh_ids": true, "spread_ms": 300}});
        shop.gateways.console(&bought.payment, "refund-by-hand", &thrice).await;
        shop.until_shown(&bought, false, 300).await;
        until_answered(&shop, &bought.payment).await;
        shop.gateways.console(&bought.payment, "refund-by-hand", &json!({"amount": PRICE - 300})).await;
        shop.until_shown(&bought, false, PRICE).await;
        let row = shop.row(&bought).await;
        assert_eq!((&row["refunded_amount"], &row["disputed"]), (&json!(PRICE), &json!(false)), "{gateway}: {row}");
        let told = shop.told(&bought.payment, "PaymentRefundedOutside").await;
        let amounts: Vec<&Value> = told.iter().map(|one| &one["amount"]).collect();
        assert_eq!(amounts, [&json!(300), &json!(PRICE - 300)], "{gateway}");
        assert_eq!((&told[1]["refunded_amount"], &told[1]["kind"]), (&json!(PRICE), &json!("refunded")));
        assert_named(&shop, &bought, &told[0]).await;
        assert_eq!(changed(&shop, &bought.sale).await, json!({"disputed": 0, "refunded_outside": 1, "reversed": 0}));
        // An operator who cancels the order finds nothing left to refund.
        let cancel = format!("/v1/admin/orders/{}/cancel", shop.order(&bought).await["order_id"].as_str().unwrap());
        shop.client.admin(Method::POST, &cancel, Some(json!({"reason": "refunded in the console"}))).await.ok(200);
        until("the refund is over", 40, || async {
            (shop.see(&bought.hold, &bought.user).await["refund"]["status"] == "completed").then_some(())
        })
        .await;
        assert_eq!(by_the_shop(&shop.gateways.payment(&bought.payment).await), [0; 0], "{gateway}");
        let ended = shop.told(&bought.payment, "RefundCompleted").await;
        let counted: Vec<_> = ended.iter().map(|one| (&one["amount"], &one["refunded_outside"])).collect();
        assert_eq!(counted, [(&json!(PRICE), &json!(PRICE))], "{gateway}");
        assert_eq!(shop.order(&bought).await["refunded_amount"], PRICE, "by whom it went back stays known");
    }
}

/// A receiver that adds up both kinds of event counts each won once.
#[tokio::test]
async fn the_event_of_a_refund_says_how_much_of_it_others_had_refunded() {
    let shop = Shop::open().await;
    for gateway in GATEWAYS {
        let bought = shop.buy(gateway).await;
        shop.gateways.console(&bought.payment, "refund-by-hand", &json!({"amount": 300})).await;
        shop.until_shown(&bought, false, 300).await;
        let cancel = format!("/v1/admin/orders/{}/cancel", shop.order(&bought).await["order_id"].as_str().unwrap());
        shop.client.admin(Method::POST, &cancel, Some(json!({"reason": "damaged"}))).await.ok(200);
        shop.until_refund(&bought.hold, &bought.user, "completed").await;
        assert_eq!(by_the_shop(&shop.gateways.payment(&bought.payment).await), [PRICE - 300], "{gateway}");
        let ended = shop.told(&bought.payment, "RefundCompleted").await;
        let counted: Vec<_> = ended.iter().map(|one| (&one["amount"], &one["refunded_outside"])).collect();
        assert_eq!(counted, [(&json!(PRICE), &json!(300))], "{gateway}");
    }
}

#[tokio::test]
async fn a_dispute_is_on_the_order_until_it_is_won_and_stays_when_it_is_lost() {
    let shop = Shop::open().await;
    // Toss reports none.
    for gateway in ["standard", "portone", "stripe"] {
        for won in [true, false] {
            let bought = shop.buy(gateway).await;
            shop.gateways.console(&bought.payment, "dispute", &json!({"amount": PRICE})).await;
            shop.until_shown(&bought, true, 0).await;
            until_answered(&shop, &bought.payment).await;
            let row = shop.row(&bought).await;
            assert_eq!((&row["dispute"], &row["disputed_amount"]), (&json!("open"), &json!(PRICE)), "{gateway}: {row}");
            assert_eq!(changed(&shop, &bought.sale).await["disputed"], 1);
            // PortOne does not say which way it went: where nothing is left of the payment, that does.
            if gateway == "portone" && !won {
                shop.gateways.console(&bought.payment, "refund-by-hand", &json!({"webhooks": {"times": 0}})).await;
            }
            shop.gateways.console(&bought.payment, "resolve-dispute", &json!({"won": won})).await;
            let state = match (gateway, won) {
                ("portone", true) => "resolved",
                (_, true) => "won",
                (_, false) => "lost",
            };
            until(&format!("{gateway}: it is {state}"), 40, || async {
                (shop.row(&bought).await["dispute"] == state).then_some(())
            })
            .await;
            assert_eq!(shop.order(&bought).await["disputed"], state != "won", "{gateway}");
            let told = shop.told(&bought.payment, "PaymentDisputed").await;
            let states: Vec<&Value> = told.iter().map(|one| &one["status"]).collect();
            assert_eq!(states, [&json!("open"), &json!(state)], "{gateway}");
            assert_named(&shop, &bought, &told[0]).await;
        }
    }
}

#[tokio::test]
async fn a_reversed_deposit_is_shown_on_its_order() {
    let shop = Shop::open().await;
    for gateway in ["standard", "toss"] {
        let bought = shop.buy(gateway).await;
        shop.gateways.console(&bought.payment, "reverse", &json!({})).await;
        shop.until_shown(&bought, false, PRICE).await;
        assert!(shop.row(&bought).await["reversed_at"].is_string(), "{gateway}");
        assert_eq!(changed(&shop, &bought.sale).await, json!({"disputed": 0, "refunded_outside": 0, "reversed": 1}));
        let told = shop.told(&bought.payment, "PaymentRefundedOutside").await;
        assert_eq!((told.len(), &told[0]["kind"]), (1, &json!("deposit_reversed")), "{gateway}");
        assert_eq!(told[0]["amount"], PRICE);
    }
}

#[tokio::test]
async fn what_is_no_payment_of_ours_is_not_recorded() {
    let shop = Shop::open().await;
    let forged = json!({"eventType": "PAYMENT_STATUS_CHANGED", "createdAt": "2026-01-15T05:00:00.000000",
        "data": {"paymentKey": "tgen_forged", "orderId": "o", "status": "CANCELED", "totalAmount": PRICE}});
    let request = shop.client.request(Method::POST, "/v1/webhooks/toss").json(&forged);
    assert_eq!(shop.client.send(request).await.ok(200), json!({"result": "ignored"}));
    // An unsigned message about a payment of ours only causes a lookup.
    let bought = shop.buy("toss").await;
    let mut lie = forged.clone();
    lie["data"]["paymentKey"] = json!(bought.payment);
    let request = shop.client.request(Method::POST, "/v1/webhooks/toss").json(&lie);
    assert_eq!(shop.client.send(request).await.ok(200), json!({"result": "recorded"}));
    shop.until_shown(&bought, false, 0).await;
    assert!(shop.told(&bought.payment, "PaymentRefundedOutside").await.is_empty());
}

/// No message is sent.
fn never() -> Value {
    json!({"webhooks": {"times": 0}})
}

/// The callback names no payment but our order id, and a deposit is reported again by the kind of message that reported
/// it first.
#[tokio::test]
async fn a_deposit_reversed_and_made_again_is_recorded_from_either_kind_of_message() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    for (gateway, told) in [("toss", "callback"), ("toss", "changed"), ("portone", "changed")] {
        let user = format!("{gateway}-{told}");
        let hold = shop.hold(&sale, &user).await;
        let payment = shop.issue(gateway, &hold, &user).await;
        shop.gateways.deposit(&payment, told).await;
        shop.until_status(&hold, &user, "COMMITTED").await;
        let bought = Bought { sale: sale.clone(), user, payment, hold };
        shop.gateways.reverse(&bought.payment, told).await;
        shop.until_shown(&bought, false, PRICE).await;
        shop.gateways.deposit(&bought.payment, told).await;
        shop.until_shown(&bought, false, 0).await;
        let events = shop.told(&bought.payment, "PaymentRefundedOutside").await;
        let kinds: Vec<&Value> = events.iter().map(|one| &one["kind"]).collect();
        assert_eq!(kinds, [&json!("deposit_reversed"), &json!("deposit_restored")], "{gateway} {told}");
        let asked = "select count(*) from holdfast.payment_attempt where state <> 'ENDED' and payment_id = ";
        assert_eq!(shop.count(&format!("{asked}'{}'", bought.payment)).await, 0, "{gateway} {told}");
    }
}

/// As a release before this one left them.
#[tokio::test]
async fn a_settled_payment_whose_polling_continues_is_looked_up_once_more_only() {
    let shop = Shop::open().await;
    let bought = shop.buy("stripe").await;
    let again = "update holdfast.payment_attempt set state = 'UNDER_WAY', ended_at = null, outcome = null,
                     ask_at = clock_timestamp() where payment_id = $1";
    let noted = "insert into holdfast.payment_attempt
                     (gateway, payment_id, hold_ref, hold_id, amount, currency, attempt, state, ask_at)
                 select gateway, payment_id, hold_ref, hold_id, amount, currency, 1, 'UNDER_WAY', clock_timestamp()
                 from holdfast.payment where payment_id = $1 on conflict do nothing";
    for sql in [noted, again] {
        shop.owner.execute(sql, &[&bought.payment]).await.unwrap();
    }
    until("it is not looked up any more", 60, || async {
        let asked = "select count(*) from holdfast.payment_attempt where state <> 'ENDED' and payment_id = ";
        (shop.count(&format!("{asked}'{}'", bought.payment)).await == 0).then_some(())
    })
    .await;
    assert_eq!(shop.order(&bought).await["status"], "CONFIRMED");
}

#[tokio::test]
async fn a_dispute_reported_before_its_payment_is_on_the_order() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    let dispute = |webhooks: Value| json!({"amount": PRICE, "webhooks": webhooks});
    // Either only the dispute is reported, or no dispute, and the payment late.
    let told = [("portone", true), ("stripe", true), ("standard", true), ("stripe", false), ("standard", false)];
    for (gateway, is_told) in told {
        let user = format!("{gateway}-{is_told}");
        let hold = shop.hold(&sale, &user).await;
        let late = if is_told { never() } else { json!({"webhooks": {"delay_ms": 1_500}}) };
        let payment = shop.pay(gateway, &hold, &user, late).await["payment_id"].as_str().unwrap().to_owned();
        let webhooks = if is_told { json!({}) } else { json!({"times": 0}) };
        shop.gateways.console(&payment, "dispute", &dispute(webhooks)).await;
        shop.until_status(&hold, &user, "COMMITTED").await;
        let bought = Bought { sale: sale.clone(), user, payment, hold };
        shop.until_shown(&bought, true, 0).await;
        let events = shop.told(&bought.payment, "PaymentDisputed").await;
        assert_eq!((events.len(), &events[0]["status"]), (1, &json!("open")), "{gateway} {is_told}");
    }
}

#[tokio::test]
async fn a_second_dispute_is_another_one_and_a_late_message_about_the_first_is_not() {
    let shop = Shop::open().await;
    // The other gateways say themselves what is so now.
    let bought = shop.buy("portone").await;
    let became = async |state: &'static str| {
        until(&format!("it is {state}"), 40, || async { (shop.row(&bought).await["dispute"] == state).then_some(()) })
            .await;
    };
    let mut first = Value::Null;
    for _ in 0..2 {
        shop.gateways.console(&bought.payment, "dispute", &json!({"amount": PRICE})).await;
        if first.is_null() {
            first = shop.gateways.payment(&bought.payment).await["dispute"]["made_at"].clone();
        }
        became("open").await;
        shop.gateways.console(&bought.payment, "resolve-dispute", &json!({"won": true})).await;
        became("resolved").await;
    }
    let late = json!({"type": "Transaction.DisputeCreated", "timestamp": first,
        "data": {"storeId": "store-1", "paymentId": bought.payment, "transactionId": "tx-1"}});
    let message = shop.client.message_of(simulator::Dialect::PortOne, late.to_string().as_bytes());
    assert_eq!(shop.client.send(message).await.ok(200), json!({"result": "recorded"}));
    assert_eq!(shop.row(&bought).await["dispute"], "resolved");
    let told = shop.told(&bought.payment, "PaymentDisputed").await;
    let states: Vec<&Value> = told.iter().map(|one| &one["status"]).collect();
    assert_eq!(states, [&json!("open"), &json!("resolved"), &json!("open"), &json!("resolved")]);
}
