//! The same by reconciliation alone: the shop gets no webhooks, and once a day its books are compared with each
//! gateway's own lists, in both directions.

use serde_json::{Value, json};
use simulator::Dialect;

use super::later::{assert_paid_again, finish_again, paid_back};
use support::client::until;
use support::gateways::GATEWAYS;
use support::invoke::invoke;
use support::shop::{PRICE, Shop};

/// A change without a webhook: a refund, a dispute.
fn silent(mut order: Value) -> Value {
    order["webhooks"] = json!({"times": 0});
    order
}

pub async fn tick() -> Value {
    let tick =
        json!({"job": "reconcile", "scheduled_time": "2026-01-15T05:00:00Z", "execution_id": "x", "attempt": "1"});
    invoke("reconcile", &tick).await.unwrap()
}

/// A pass of every gateway that began after this call.
pub async fn reconcile(shop: &Shop) {
    let now = "select clock_timestamp()::text";
    let before: String = shop.owner.query_one(now, &[]).await.unwrap().get(0);
    let over = "update holdfast.reconcile_pass set next_at = clock_timestamp() where finished_at is null";
    shop.owner.batch_execute(over).await.unwrap();
    until("every gateway's pass is through", 120, || async {
        tick().await;
        let through = "select count(*) from holdfast.reconcile_pass
                       where began_at > $1::text::timestamptz and finished_at is not null";
        (shop.owner.query_one(through, &[&before]).await.unwrap().get::<_, i64>(0) == 4).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_payment_without_a_webhook_becomes_an_order_or_a_refund() {
    let shop = Shop::open_alone().await;
    let mut paid = Vec::new();
    for gateway in GATEWAYS {
        let (sale, late) =
            (shop.client.sale(3_600, &[("pair", 9, 1)]).await, shop.client.sale(1, &[("pair", 9, 1)]).await);
        let (ann, bob) = (format!("ann-{gateway}"), format!("bob-{gateway}"));
        let hold = shop.hold(&sale, &ann).await;
        shop.pay(gateway, &hold, &ann, silent(json!({}))).await;
        let lapsed = shop.hold(&late, &bob).await;
        shop.pay(gateway, &lapsed, &bob, silent(json!({}))).await;
        paid.push((gateway, ann, hold, bob, lapsed));
    }
    for (gateway, ann, hold, bob, lapsed) in &paid {
        shop.until_status(lapsed, bob, "EXPIRED").await;
        assert_eq!(shop.see(hold, ann).await["status"], "HOLD", "{gateway}: it is not known yet");
    }
    reconcile(&shop).await;
    for (gateway, ann, hold, bob, lapsed) in &paid {
        assert_eq!(shop.see(hold, ann).await["status"], "COMMITTED", "{gateway}");
        shop.until_refund(lapsed, bob, "completed").await;
    }
}

/// No payment page was opened for it, so it is in the gateway's list alone.
#[tokio::test]
async fn a_payment_whose_webhook_was_too_long_still_becomes_an_order() {
    let shop = Shop::open_alone().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    let mut paid = Vec::new();
    for dialect in Dialect::ALL {
        let user = dialect.name();
        let hold = shop.hold(&sale, user).await;
        let made = shop.pay(user, &hold, user, silent(json!({}))).await;
        let event = json!({"type": "payment_intent.succeeded", "eventType": "PAYMENT_STATUS_CHANGED", "note": "x".repeat(2_000_000),
            "data": {"paymentId": made["payment_id"], "paymentKey": made["payment_id"], "object": {"id": made["payment_id"]}}});
        let message = shop.client.message_of(dialect, event.to_string().as_bytes());
        assert_eq!(shop.client.send(message).await.refusal(), (413, "payload_too_large".into()), "{user}");
        paid.push((user, hold));
    }
    reconcile(&shop).await;
    for (user, hold) in &paid {
        shop.until_status(hold, user, "COMMITTED").await;
    }
}

/// Toss and PortOne do not list disputes.
fn lists_disputes(gateway: &str) -> bool {
    ["standard", "stripe"].contains(&gateway)
}

#[tokio::test]
async fn refunds_and_disputes_without_a_webhook_are_found_with_their_amount() {
    let shop = Shop::open_alone().await;
    let mut bought = Vec::new();
    for gateway in GATEWAYS {
        let (part, disputed) = (shop.buy(gateway).await, shop.buy(gateway).await);
        shop.gateways.console(&part.payment, "refund-by-hand", &silent(json!({"amount": 300}))).await;
        if lists_disputes(gateway) {
            shop.gateways.console(&disputed.payment, "dispute", &silent(json!({"amount": 400}))).await;
        }
        bought.push((gateway, part, disputed, shop.buy(gateway).await));
    }
    reconcile(&shop).await;
    for (gateway, part, disputed, untouched) in &bought {
        shop.until_shown(part, false, 300).await;
        shop.until_shown(disputed, lists_disputes(gateway), 0).await;
        shop.until_shown(untouched, false, 0).await;
        if lists_disputes(gateway) {
            shop.gateways.console(&disputed.payment, "resolve-dispute", &silent(json!({"won": true}))).await;
        }
    }
    reconcile(&shop).await;
    for (gateway, _, disputed, _) in bought.iter().filter(|(gateway, ..)| lists_disputes(gateway)) {
        assert_eq!(shop.row(disputed).await["dispute"], "won", "{gateway}");
    }
    // Again, and nothing is reported twice.
    reconcile(&shop).await;
    for (gateway, part, disputed, _) in &bought {
        assert_eq!(shop.told(&part.payment, "PaymentRefundedOutside").await.len(), 1, "{gateway}");
        let told = if lists_disputes(gateway) { 2 } else { 0 };
        assert_eq!(shop.told(&disputed.payment, "PaymentDisputed").await.len(), told, "{gateway}");
    }
}

#[tokio::test]
async fn a_reversed_deposit_and_a_failed_refund_are_found() {
    let shop = Shop::open_alone().await;
    let reversed = [shop.buy("standard").await, shop.buy("toss").await];
    for bought in &reversed {
        shop.gateways.console(&bought.payment, "reverse", &silent(json!({}))).await;
    }
    let mut refunded = Vec::new();
    for gateway in GATEWAYS {
        refunded.push((gateway, paid_back(&shop, gateway).await));
    }
    shop.gateways.later(true).await;
    for (_, (_, _, payment)) in &refunded {
        shop.gateways.console(payment, "fail-a-refund", &silent(json!({}))).await;
    }
    reconcile(&shop).await;
    for bought in &reversed {
        shop.until_shown(bought, false, PRICE).await;
    }
    for (gateway, refunded) in &refunded {
        finish_again(&shop, gateway, refunded).await;
    }
    shop.gateways.later(false).await;
    for (gateway, refunded) in &refunded {
        assert_paid_again(&shop, gateway, refunded).await;
    }
}

#[tokio::test]
async fn a_payment_missing_at_the_gateway_is_a_finding_until_it_is_listed() {
    let shop = Shop::open_alone().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    let payment = format!("tgen_{}", uuid::Uuid::now_v7().simple());
    let insert = format!(
        "insert into holdfast.payment (gateway, payment_id, hold_ref, sale_id, user_id, amount, currency, state, refund_reason)
         values ('toss', '{payment}', 'h', '{sale}', 'ann', 1000, 'KRW', 'REFUND_REQUIRED', 'hold_expired')"
    );
    shop.owner.batch_execute(&insert).await.unwrap();
    reconcile(&shop).await;
    let found = "select count(*) from holdfast.audit_finding where check_name = 'gateway_missing' and gone_at is null and subject = $1";
    let subject = format!("toss/{payment}");
    assert_eq!(shop.owner.query_one(found, &[&subject]).await.unwrap().get::<_, i64>(0), 1);
    let told =
        "select count(*) from holdfast.event_outbox where event_type = 'AuditFinding' and data ->> 'subject' = $1";
    reconcile(&shop).await;
    assert_eq!(shop.owner.query_one(told, &[&subject]).await.unwrap().get::<_, i64>(0), 1, "told once");
    let gone = format!(
        "delete from holdfast.payment where payment_id = '{payment}'; delete from holdfast.audit_finding where subject = '{subject}'"
    );
    shop.owner.batch_execute(&gone).await.unwrap();
}

#[tokio::test]
async fn a_gateway_whose_list_fails_delays_no_other_and_goes_on_where_it_stopped() {
    let shop = Shop::open_alone().await;
    let bought = shop.buy("stripe").await;
    reconcile(&shop).await;
    shop.gateways.console(&bought.payment, "refund-by-hand", &silent(json!({"amount": 300}))).await;
    shop.gateways.fault("toss", "list", 1, "down").await;
    let done = tick().await;
    assert_eq!((&done["failed"], &done["through"]), (&json!(1), &json!(3)), "{done}");
    shop.until_shown(&bought, false, 300).await;
    let failing =
        "select failures, last_error, finished_at is null from holdfast.reconcile_pass where gateway = 'toss'";
    let row = shop.owner.query_one(failing, &[]).await.unwrap();
    assert!(row.get::<_, i32>(0) == 1 && row.get::<_, String>(1).contains("503") && row.get::<_, bool>(2));
    let breaker = "select count(*) from holdfast.gateway_breaker where gateway = 'toss' and failures > 0";
    assert_eq!(shop.count(breaker).await, 0, "buyers are not asked to wait for a list");
    shop.gateways.well_again().await;
    reconcile(&shop).await;
}

#[tokio::test]
async fn a_deposit_without_a_webhook_becomes_an_order() {
    let shop = Shop::open_alone().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    for gateway in ["toss", "portone"] {
        let hold = shop.hold(&sale, gateway).await;
        let made = shop.pay(gateway, &hold, gateway, silent(json!({"deposit": true}))).await;
        reconcile(&shop).await;
        assert_eq!(shop.see(&hold, gateway).await["status"], "HOLD", "{gateway}: it is not paid");
        shop.gateways.deposit(made["payment_id"].as_str().unwrap(), "none").await;
        reconcile(&shop).await;
        assert_eq!(shop.see(&hold, gateway).await["status"], "COMMITTED", "{gateway}");
    }
}

#[tokio::test]
async fn a_difference_that_cannot_be_looked_up_keeps_its_page_and_is_retried_the_same_day() {
    let shop = Shop::open_alone().await;
    let bought = shop.buy("stripe").await;
    reconcile(&shop).await;
    shop.gateways.console(&bought.payment, "refund-by-hand", &silent(json!({"amount": 300}))).await;
    for kind in ["busy", "down"] {
        shop.gateways.fault("stripe", "ask", 1, kind).await;
        let over = "update holdfast.reconcile_pass set next_at = clock_timestamp() where finished_at is null";
        shop.owner.batch_execute(over).await.unwrap();
        let done = tick().await;
        assert!(done["failed"].as_u64() >= Some(1), "{kind}: {done}");
        let stays = "select count(*) from holdfast.reconcile_pass where gateway = 'stripe' and finished_at is null
                     and last_error like '%could not be asked about'";
        assert_eq!(shop.count(stays).await, 1, "{kind}");
        shop.gateways.well_again().await;
        let quiet = "update holdfast.gateway_breaker set ask_after = null, failures = 0, state = 'closed'";
        shop.owner.batch_execute(quiet).await.unwrap();
    }
    let began = "select extract(epoch from began_at)::bigint from holdfast.reconcile_pass where gateway = 'stripe'";
    let before = shop.count(began).await;
    let over = "update holdfast.reconcile_pass set next_at = clock_timestamp() where finished_at is null";
    shop.owner.batch_execute(over).await.unwrap();
    tick().await;
    assert_eq!(shop.count(began).await, before, "the same pass");
    shop.until_shown(&bought, false, 300).await;
}
