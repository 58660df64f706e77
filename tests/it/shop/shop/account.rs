//! What was deposited and bought nothing goes back to a bank account, which the page asks its buyer for.

use fantoccini::Locator;
use reqwest::Method;
use serde_json::{Value, json};

use super::notices::is_for_people;
use support::browser::Browser;
use support::client::{Client, until};
use support::gateways::Gateways;
use support::page::{held, remember, shop, sign_in};

/// The buyer has been given an account to pay into, and there is no deposit yet.
async fn issued(client: &Client, gateways: &Gateways, hold: &Value, user: &str) -> String {
    let more = json!({"authorise": true, "deposit": true, "webhooks": {"delay_ms": 3_600_000}});
    let made = gateways.pay("portone", hold["hold_id"].as_str().unwrap(), &client.user(user), 1_000, more).await;
    let id = made["payment_id"].as_str().unwrap().to_owned();
    let body = json!({"payment_id": id, "payment_token": format!("token-{id}")});
    let request = client.buyer(user, Method::POST, "/v1/payments/portone/confirm").json(&body);
    assert_eq!(client.send(request).await.ok(200), json!({"result": "pending"}));
    id
}

async fn until_hold(client: &Client, hold: &Value, user: &str, what: &str, is: impl Fn(&Value) -> bool) {
    let path = format!("/v1/reservations/{}", hold["hold_id"].as_str().unwrap());
    until(what, 60, || async { is(&client.get(user, &path).await.ok(200)).then_some(()) }).await;
}

/// Fills the form in and sends it.
async fn name_account(browser: &Browser) {
    let bank = browser.page.wait().for_element(Locator::Css("#account-bank")).await.unwrap();
    bank.select_by_value("SHINHAN").await.unwrap();
    for (field, value) in [("number", "110-123-456789"), ("holder", "홍길동")] {
        let input = browser.page.wait().for_element(Locator::Css(&format!("#account-{field}"))).await.unwrap();
        input.send_keys(value).await.unwrap();
    }
    is_for_people(browser).await;
    browser.click("#account-send").await;
}

async fn has_no_form(browser: &Browser) -> Option<()> {
    (browser.script("return document.querySelector('#account-send')").await == Value::Null).then_some(())
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_late_deposit_the_page_asks_for_an_account_and_the_money_is_refunded_to_it() {
    let (client, browser, sale) = shop("ko-KR", 8, 5).await;
    let gateways = Gateways::at(client.setting("gateway_url"));
    sign_in(&browser, &client, "ann").await;
    let hold = held(&client, "ann", &sale).await;
    let id = issued(&client, &gateways, &hold, "ann").await;
    // As the payment window sends a buyer back who will pay by a deposit.
    browser.open(&format!("/sales/{sale}?hold_id={}&result=pending", hold["hold_id"].as_str().unwrap())).await;
    browser.until_one_of(&["holding", "unsure"]).await;
    until_hold(&client, &hold, "ann", "the hold's end", |hold| hold["status"] == "EXPIRED").await;
    gateways.deposit(&id, "changed").await;
    until_hold(&client, &hold, "ann", "the account is needed", |hold| hold["refund"]["account_needed"] == true).await;
    browser.until("refund").await;
    let text = until("the question", 30, || async {
        let text = browser.text("#message").await;
        text.contains("계좌").then_some(text)
    })
    .await;
    assert!(text.contains("1,000원") && !text.contains("자동"), "{text}");
    assert_eq!(browser.text("#heading").await, "환불받으실 계좌를 알려 주세요");
    name_account(&browser).await;
    until("the money is back", 60, || async {
        (browser.text("#heading").await == "환불이 완료되었습니다").then_some(())
    })
    .await;
    assert!(has_no_form(&browser).await.is_some(), "{}", browser.text("main").await);
    let theirs = gateways.payment(&id).await;
    assert!(theirs["refunds"][0]["account"].to_string().contains("110-123-456789"), "{theirs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_an_order_and_after_its_cancellation_the_page_asks_for_the_account_too() {
    let (client, browser, sale) = shop("en-US", 300, 5).await;
    let gateways = Gateways::at(client.setting("gateway_url"));
    sign_in(&browser, &client, "ann").await;
    // Paid by card, and then by the deposit as well.
    let hold = held(&client, "ann", &sale).await;
    let id = issued(&client, &gateways, &hold, "ann").await;
    gateways.pay("standard", hold["hold_id"].as_str().unwrap(), &client.user("ann"), 1_000, json!({})).await;
    until_hold(&client, &hold, "ann", "the order", |hold| hold["status"] == "COMMITTED").await;
    gateways.deposit(&id, "changed").await;
    until_hold(&client, &hold, "ann", "the account is needed", |hold| hold["refund"]["account_needed"] == true).await;
    browser.open("/").await;
    remember(&browser, "hold", &sale, &json!({"hold_id": hold["hold_id"]})).await;
    browser.open(&format!("/sales/{sale}")).await;
    browser.until("bought").await;
    assert!(browser.text("#panel").await.contains("return your ₩1,000"), "{}", browser.text("#panel").await);
    name_account(&browser).await;
    until("the form is gone", 30, || has_no_form(&browser)).await;
    gateways.until_paid_back(&id).await;

    // Paid by a deposit in time, and cancelled.
    let other = client.sale(300, &[("pair", 5, 1)]).await;
    let hold = held(&client, "ann", &other).await;
    let id = issued(&client, &gateways, &hold, "ann").await;
    gateways.deposit(&id, "changed").await;
    until_hold(&client, &hold, "ann", "the order", |hold| hold["status"] == "COMMITTED").await;
    let path = format!("/v1/orders?hold_id={}", hold["hold_id"].as_str().unwrap());
    let order = client.get("ann", &path).await.ok(200)["order_id"].as_str().unwrap().to_owned();
    let cancel = format!("/v1/admin/orders/{order}/cancel");
    client.admin(Method::POST, &cancel, Some(json!({"reason": "a test"}))).await.ok(200);
    until("the account is needed", 60, || async {
        (client.get("ann", &path).await.ok(200)["refund"]["account_needed"] == true).then_some(())
    })
    .await;
    browser.open(&format!("/orders/{order}")).await;
    browser.until("cancelled").await;
    until("the question", 30, || async {
        browser.text("#message").await.contains("return your ₩1,000").then_some(())
    })
    .await;
    name_account(&browser).await;
    until("the money is back", 60, || async {
        browser.text("#message").await.contains("has been refunded").then_some(())
    })
    .await;
    assert!(has_no_form(&browser).await.is_some(), "{}", browser.text("main").await);
}

/// The buyer closed the page at the gateway's window, and pays when the hold is long over.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_deposit_behind_a_closed_page_is_shown_with_the_orders() {
    let (client, browser, sale) = shop("en-US", 5, 5).await;
    let gateways = Gateways::at(client.setting("gateway_url"));
    sign_in(&browser, &client, "ann").await;
    browser.open("/orders").await;
    browser.until("orders").await;
    assert_eq!(browser.text("#heading").await, "No orders yet");
    let hold = held(&client, "ann", &sale).await;
    let id = issued(&client, &gateways, &hold, "ann").await;
    until_hold(&client, &hold, "ann", "the hold's end", |hold| hold["status"] == "EXPIRED").await;
    gateways.deposit(&id, "changed").await;
    until_hold(&client, &hold, "ann", "the account is needed", |hold| hold["refund"]["account_needed"] == true).await;
    browser.open("/orders").await;
    let card = format!("#refund-{}", hold["hold_id"].as_str().unwrap());
    let text = until("the card of the refund", 20, || async {
        let found = browser.script(&format!("return document.querySelector('{card}')?.innerText ?? ''")).await;
        found.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    })
    .await;
    assert!(text.contains("₩1,000") && text.contains("Where shall we send your money?"), "{text}");
    assert_eq!(browser.text("#heading").await, "");
    is_for_people(&browser).await;
    browser.click(&card).await;
    browser.until("refund").await;
    name_account(&browser).await;
    gateways.until_paid_back(&id).await;
}
