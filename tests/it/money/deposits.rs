//! Virtual accounts, played whole: issued, waited for, deposited in time and late, lapsed. The call's success is not the
//! payment's: the order comes with the deposit.

use reqwest::Method;
use serde_json::{Value, json};

use support::client::until;
use support::shop::{PRICE, Shop};

#[tokio::test]
async fn an_account_that_was_issued_is_no_order_and_the_deposit_in_time_is() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    for (gateway, told) in [("toss", "changed"), ("toss", "callback"), ("portone", "changed")] {
        let user = format!("{gateway}-{told}");
        let hold = shop.hold(&sale, &user).await;
        let id = shop.issue(gateway, &hold, &user).await;
        let seen = shop.see(&hold, &user).await;
        assert_eq!((&seen["status"], &seen["order_id"]), (&json!("HOLD"), &Value::Null), "{gateway}: it is not paid");
        shop.gateways.deposit(&id, told).await;
        shop.until_status(&hold, &user, "COMMITTED").await;
    }
}

#[tokio::test]
async fn a_deposits_message_without_the_payments_secret_is_ignored() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    let hold = shop.hold(&sale, "ann").await;
    let id = shop.issue("toss", &hold, "ann").await;
    shop.gateways.deposit(&id, "none").await;
    let callback = |secret: String, order: Value| {
        let body = json!({"createdAt": "2026-01-15T05:00:00.000000", "secret": secret, "status": "DONE",
            "transactionKey": "9FF", "orderId": order});
        shop.client.send(shop.client.request(Method::POST, "/v1/webhooks/toss").json(&body))
    };
    let order = shop.gateways.payment(&id).await["order_ref"].clone();
    assert_eq!(callback("ps_of_another".to_owned(), order.clone()).await.ok(200), json!({"result": "ignored"}));
    assert_eq!(callback(format!("ps_{id}"), json!("no-such-order")).await.ok(200), json!({"result": "ignored"}));
    // The answer is the same whether or not the shop has looked the account up meanwhile by its own schedule.
    assert_eq!(callback(format!("ps_{id}"), order).await.ok(200)["result"], "confirmed");
}

#[tokio::test]
async fn an_account_that_lapses_leaves_the_hold_to_its_own_end_and_no_order() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(8, &[("pair", 9, 1)]).await;
    for gateway in ["toss", "portone"] {
        let hold = shop.hold(&sale, gateway).await;
        let id = shop.issue(gateway, &hold, gateway).await;
        shop.gateways.lapse(&id).await;
        let seen = shop.until_status(&hold, gateway, "EXPIRED").await;
        assert_eq!((&seen["expire_at"], &seen["order_id"]), (&hold["expire_at"], &Value::Null), "{gateway}");
    }
    assert!(shop.payments(&sale, "ordered").await.is_empty());
}

#[tokio::test]
async fn a_late_deposit_is_refunded_to_the_account_its_buyer_names_and_the_account_is_not_stored() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(2, &[("pair", 9, 1)]).await;
    for gateway in ["toss", "portone"] {
        let hold = shop.hold(&sale, gateway).await;
        let id = shop.issue(gateway, &hold, gateway).await;
        shop.until_status(&hold, gateway, "EXPIRED").await;
        shop.gateways.deposit(&id, "changed").await;
        until("the refund waits for an account", 60, || async {
            (shop.see(&hold, gateway).await["refund"]["account_needed"] == true).then_some(())
        })
        .await;
        let refund = shop.see(&hold, gateway).await["refund"].clone();
        assert_eq!((&refund["status"], &refund["reason"]), (&json!("failed"), &json!("hold_expired")));
        assert_eq!(shop.name_account(&hold, "somebody else").await.refusal(), (404, "not_found".into()));
        assert_eq!(shop.name_account(&hold, gateway).await.ok(200), json!({"status": "completed"}));
        let theirs = shop.gateways.payment(&id).await;
        assert_eq!(theirs["refunded"], PRICE);
        assert!(theirs["refunds"][0]["account"].to_string().contains("110-123-456789"), "{theirs}");
        assert_eq!(shop.see(&hold, gateway).await["refund"]["status"], "completed");
        assert_eq!(shop.name_account(&hold, gateway).await.refusal(), (404, "not_found".into()), "it waits no more");
    }
    let kept = "select count(*) from holdfast.refund r join holdfast.refund_attempt a using (gateway, payment_id)
                join holdfast.payment p using (gateway, payment_id), holdfast.operator_ledger l
                where (to_jsonb(r)::text || to_jsonb(a)::text || to_jsonb(p)::text || to_jsonb(l)::text) like '%110-123%'";
    assert_eq!(shop.count(kept).await, 0);
}

/// The money is with its buyer: nobody is asked where to send it.
#[tokio::test]
async fn a_late_deposit_that_the_bank_takes_back_needs_no_account() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(2, &[("pair", 9, 1)]).await;
    for gateway in ["toss", "portone"] {
        let hold = shop.hold(&sale, gateway).await;
        let id = shop.issue(gateway, &hold, gateway).await;
        shop.until_status(&hold, gateway, "EXPIRED").await;
        shop.gateways.deposit(&id, "changed").await;
        until("the refund waits for an account", 60, || async {
            (shop.see(&hold, gateway).await["refund"]["account_needed"] == true).then_some(())
        })
        .await;
        shop.gateways.reverse(&id, "changed").await;
        until("the refund is over", 60, || async {
            let refund = shop.see(&hold, gateway).await["refund"].clone();
            (refund["status"] == "completed" && refund["account_needed"] != true).then_some(())
        })
        .await;
        assert_eq!(shop.name_account(&hold, gateway).await.refusal(), (404, "not_found".into()), "{gateway}");
        assert_eq!(shop.gateways.payment(&id).await["refunded"], 0, "{gateway}");
    }
}

#[tokio::test]
async fn an_operator_names_the_account_with_the_replay() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(2, &[("pair", 9, 1)]).await;
    let hold = shop.hold(&sale, "ann").await;
    let id = shop.issue("toss", &hold, "ann").await;
    shop.until_status(&hold, "ann", "EXPIRED").await;
    shop.gateways.deposit(&id, "changed").await;
    let path = format!("/v1/admin/dead-letters?kind=refund&sale_id={sale}");
    let letter = until("a dead letter", 60, || async {
        let page = shop.client.admin(Method::GET, &path, None).await.ok(200);
        page["dead_letters"].as_array().unwrap().first().cloned()
    })
    .await;
    assert!(letter["reason"].as_str().unwrap().contains("account"), "{letter}");
    let replay = format!("/v1/admin/dead-letters/{}/replay", letter["id"].as_str().unwrap());
    let account =
        json!({"reason": "she wrote to us", "refund_account": {"bank": "88", "number": "1-2", "holder": "Ann"}});
    assert_eq!(shop.client.admin(Method::POST, &replay, Some(account)).await.ok(200), json!({"status": "completed"}));
    assert_eq!(shop.gateways.payment(&id).await["refunded"], PRICE);
}

#[tokio::test]
async fn a_deposit_reversed_before_its_message_is_no_order_and_the_next_one_is() {
    let shop = Shop::open().await;
    let sale = shop.client.sale(3_600, &[("pair", 9, 1)]).await;
    let hold = shop.hold(&sale, "ann").await;
    let id = shop.issue("toss", &hold, "ann").await;
    shop.gateways.deposit(&id, "none").await;
    shop.gateways.reverse(&id, "changed").await;
    until("the shop has been told", 20, || async {
        let payment = shop.gateways.payment(&id).await;
        let told = payment["deliveries"].as_array().unwrap().iter().skip(1).filter(|one| one["delivered"] == true);
        (told.count() >= 2).then_some(())
    })
    .await;
    assert_eq!(shop.see(&hold, "ann").await["status"], "HOLD", "the account waits again");
    shop.gateways.deposit(&id, "callback").await;
    shop.until_status(&hold, "ann", "COMMITTED").await;
}
