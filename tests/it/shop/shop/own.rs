//! What is the buyer's own, on whatever device: holds, orders, and what costs nothing.

use fantoccini::Locator;
use serde_json::json;

use super::told::{holding, is_for_people};
use super::{go_and_pay, shop};
use support::browser::Browser;
use support::client::{Client, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_device_finds_the_hold_and_the_order() {
    let (client, browser, sale) = shop("en-US", 300, 5).await;
    let user = format!("two-devices-{}", uuid::Uuid::new_v4());
    holding(&browser, &sale, &user).await;
    let phone = Browser::new("ko-KR").await;
    phone.open("/").await;
    be_here(&phone, &user).await;
    phone.open(&format!("/sales/{sale}")).await;
    phone.until("holding").await;
    go_and_pay(&phone, "button[value=pay]").await;
    phone.until("bought").await;
    // The other one's page learns of it by itself.
    browser.until("bought").await;
    browser.open("/orders").await;
    browser.until("orders").await;
    browser.click(".card").await;
    browser.until("bought").await;
    assert_eq!(client.report(&sale).await["orders"]["CONFIRMED"], 1);
    is_for_people(&browser).await;
}

/// On a page without a sale.
async fn be_here(browser: &Browser, user: &str) {
    browser.until("list").await;
    let field = browser.page.wait().for_element(Locator::Css("#dev-user")).await.unwrap();
    field.clear().await.unwrap();
    field.send_keys(user).await.unwrap();
    browser.click("#dev-user-change").await;
    let kept = "return localStorage.getItem('holdfast:user')";
    let wanted = json!(user).to_string();
    until("the session", 20, || async { (browser.script(kept).await == wanted.as_str()).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_the_limit_shows_what_was_bought() {
    let (_client, browser, sale) = shop("ko-KR", 300, 5).await;
    holding(&browser, &sale, &format!("limit-{}", uuid::Uuid::new_v4())).await;
    go_and_pay(&browser, "button[value=pay]").await;
    browser.until("bought").await;
    let number = browser.text("#order-number").await;
    assert!(!number.is_empty());
    browser.click("#again").await;
    browser.until("open").await;
    browser.click("#buy").await;
    browser.until("limit").await;
    until("the order", 20, || async { browser.text("#panel").await.contains("1,000원").then_some(()) }).await;
    browser.click(".card").await;
    browser.until("bought").await;
    assert_eq!(browser.text("#order-number").await, number);
    is_for_people(&browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_costs_nothing_is_had_by_one_press() {
    let (client, browser) = (Client::new(), Browser::new("ko-KR").await);
    let sale = format!("t-{}", uuid::Uuid::new_v4());
    let body = json!({"sale_id": sale, "name": "무료 나눔", "currency": "KRW",
                      "skus": [{"sku_id": "gift", "name": "선물", "unit_price": 0, "stock": 3}]});
    client.admin(reqwest::Method::POST, "/v1/admin/sales", Some(body)).await.ok(201);
    browser.open(&format!("/sales/{sale}")).await;
    browser.until("open").await;
    assert_eq!(browser.text("#buy").await, "무료로 받기");
    browser.click("#buy").await;
    browser.until("bought").await;
    assert_eq!(client.report(&sale).await["orders"]["CONFIRMED"], 1);
    is_for_people(&browser).await;
}
