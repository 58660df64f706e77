//! The shop as a buyer sees it, in a real browser: buys, lets a hold lapse, comes too late, presses twice, opens two
//! tabs, reloads.

mod account;
mod after;
mod crowd;
mod large;
mod lost;
mod notices;
mod own;
mod rankings;

use fantoccini::Locator;
use serde_json::json;
use uuid::Uuid;

use support::browser::Browser;
use support::client::{Client, until};
use support::page::{be, go_and_pay, go_to_payment, shop, sku};

#[tokio::test(flavor = "multi_thread")]
async fn a_buyer_buys() {
    let (client, browser, sale) = shop("ko-KR", 300, 2).await;
    browser.open(&format!("/sales/{sale}")).await;
    browser.until("open").await;
    assert!(browser.text("main").await.contains("1,000원"), "{}", browser.text("main").await);
    be(&browser, "홍길동").await;
    browser.until("open").await;
    browser.click("#buy").await;
    browser.until("holding").await;
    let countdown = browser.text("#countdown").await;
    assert!(countdown.starts_with("4:5") || countdown.starts_with("04:5") || countdown.contains("5:00"), "{countdown}");
    go_and_pay(&browser, "button[value=pay]").await;
    browser.until("bought").await;
    assert!(browser.text("#order-number").await.len() >= 10, "{}", browser.text("#order-number").await);
    let order = browser.script("return document.querySelector('#see').getAttribute('href')").await;
    let order_id = order.as_str().and_then(|href| href.strip_prefix("/orders/")).unwrap_or_default().to_owned();
    assert!(Uuid::parse_str(&order_id).is_ok(), "{order}");
    assert_eq!(sku(&client, &sale).await, json!({"sku_id": "pair", "total": 2, "available": 1, "held": 0, "sold": 1}));
    // Bought it stays, whatever is pressed.
    browser.page.refresh().await.unwrap();
    browser.until("bought").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_in_time_buys_although_its_message_comes_after_the_end() {
    let (client, browser, sale) = shop("ko-KR", 20, 1).await;
    browser.open(&format!("/sales/{sale}")).await;
    browser.until("open").await;
    be(&browser, "늦은이").await;
    browser.until("open").await;
    browser.click("#buy").await;
    browser.until("holding").await;
    // The money is captured at once, and the webhook comes eleven seconds after the end: the shop has looked it up by
    // then.
    go_and_pay(&browser, "button[value=pay_late]").await;
    browser.until("bought").await;
    let report = client.report(&sale).await;
    assert_eq!((&report["orders"]["CONFIRMED"], &report["refunds"]["COMPLETED"]), (&json!(1), &json!(0)), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_after_the_end_is_refunded_and_the_page_says_so() {
    let (client, browser, sale) = shop("ko-KR", 12, 1).await;
    browser.open(&format!("/sales/{sale}")).await;
    browser.until("open").await;
    be(&browser, "더 늦은이").await;
    browser.until("open").await;
    browser.click("#buy").await;
    browser.until("holding").await;
    go_to_payment(&browser).await;
    until("the hold's end", 60, || async { (client.report(&sale).await["holds"]["EXPIRED"] == 1).then_some(()) }).await;
    browser.click("button[value=pay]").await;
    browser.until("refund").await;
    until("the money is back", 60, || async {
        (browser.text("#heading").await == "환불이 완료되었습니다").then_some(())
    })
    .await;
    notices::is_for_people(&browser).await;
    let report = client.report(&sale).await;
    assert_eq!((&report["orders"]["CONFIRMED"], &report["refunds"]["COMPLETED"]), (&json!(0), &json!(1)), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_was_declined_leaves_the_hold_to_be_paid() {
    let (client, browser, sale) = shop("en-US", 300, 1).await;
    browser.open(&format!("/sales/{sale}")).await;
    browser.until("open").await;
    browser.click("#buy").await;
    browser.until("holding").await;
    go_and_pay(&browser, "button[value=decline]").await;
    browser.until("holding").await;
    assert_eq!(sku(&client, &sale).await["held"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_lapses_and_the_buyer_may_try_again() {
    let (client, browser, sale) = shop("en-US", 2, 1).await;
    browser.open(&format!("/sales/{sale}")).await;
    browser.until("open").await;
    browser.click("#buy").await;
    browser.until("holding").await;
    browser.until("expired").await;
    browser.click("#retry, #buy").await;
    browser.until_one_of(&["holding", "open"]).await;
    assert!(client.report(&sale).await["holds"]["EXPIRED"].as_i64().unwrap() >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn sold_out_is_said_and_what_comes_back_can_be_bought() {
    let (client, browser, sale) = shop("en-US", 300, 1).await;
    let hold = client.reserve("somebody-else", "k", &sale, json!([{"sku_id": "pair", "qty": 1}])).await.ok(201);
    browser.open(&format!("/sales/{sale}")).await;
    browser.until("sold_out").await;
    let path = format!("/v1/reservations/{}", hold["hold_id"].as_str().unwrap());
    client.send(client.buyer("somebody-else", reqwest::Method::DELETE, &path)).await.ok(200);
    browser.until("open").await;
    browser.click("#buy").await;
    browser.until("holding").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_double_click_is_one_hold() {
    let (client, browser, sale) = shop("en-US", 300, 5).await;
    browser.open(&format!("/sales/{sale}")).await;
    browser.until("open").await;
    browser.script("const buy = document.querySelector('#buy'); buy.click(); buy.click(); buy.click()").await;
    browser.until("holding").await;
    assert_eq!(client.report(&sale).await["holds"]["HOLD"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_are_one_hold() {
    let (client, browser, sale) = shop("en-US", 300, 5).await;
    browser.open(&format!("/sales/{sale}")).await;
    browser.until("open").await;
    let first = browser.page.window().await.unwrap();
    let second = browser.page.new_window(true).await.unwrap().handle;
    browser.page.switch_to_window(second).await.unwrap();
    browser.open(&format!("/sales/{sale}")).await;
    browser.until("open").await;
    browser.click("#buy").await;
    browser.until("holding").await;
    browser.page.switch_to_window(first).await.unwrap();
    // It knows of it from the other tab, or from the API.
    if browser.until_one_of(&["open", "holding"]).await == "open"
        && let Ok(buy) = browser.page.find(Locator::Css("#buy")).await
    {
        // It may learn of it at this moment, and have no such button any more.
        let _ = buy.click().await;
    }
    browser.until("holding").await;
    assert_eq!(client.report(&sale).await["holds"]["HOLD"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_while_holding_goes_on_with_the_hold() {
    let (client, browser, sale) = shop("ko-KR", 300, 5).await;
    browser.open(&format!("/sales/{sale}")).await;
    browser.until("open").await;
    browser.click("#buy").await;
    browser.until("holding").await;
    browser.page.refresh().await.unwrap();
    browser.until("holding").await;
    assert_eq!(client.report(&sale).await["holds"]["HOLD"], 1);
    browser.click("#release").await;
    browser.click("#release-confirm").await;
    browser.until("open").await;
    assert_eq!(sku(&client, &sale).await["available"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn before_it_opens_the_page_counts_down_and_opens_by_itself() {
    let (client, browser) = (Client::new(), Browser::new("en-US").await);
    let sale = format!("t-{}", Uuid::new_v4());
    let opens_at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(8);
    let body = json!({"sale_id": sale, "name": "Soon", "currency": "KRW", "opens_at": opens_at.to_string(),
                      "skus": [{"sku_id": "pair", "name": "Pair", "unit_price": 1000, "stock": 1}]});
    client.admin(reqwest::Method::POST, "/v1/admin/sales", Some(body)).await.ok(201);
    browser.open(&format!("/sales/{sale}")).await;
    browser.until("scheduled").await;
    let refused = client.reserve("early", "k", &sale, json!([{"sku_id": "pair", "qty": 1}])).await;
    assert_eq!(refused.refusal(), (403, "sale_not_open".into()));
    browser.until("open").await;
    browser.click("#buy").await;
    browser.until("holding").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_runs_under_its_own_policy_without_a_word_in_the_console() {
    let (_client, browser, sale) = shop("ko-KR", 300, 1).await;
    browser.open(&format!("/sales/{sale}")).await;
    browser.script("window.violations = []; document.addEventListener('securitypolicyviolation', e => violations.push(e.blockedURI))").await;
    browser.until("open").await;
    browser.click("#buy").await;
    browser.until("holding").await;
    assert_eq!(browser.script("return window.violations").await, json!([]));
    browser.open("/").await;
    browser.until("list").await;
}
