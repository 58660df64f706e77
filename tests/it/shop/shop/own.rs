//! What is the buyer's own, on whatever device: holds, orders, and what costs nothing.

use fantoccini::Locator;
use serde_json::json;

use super::notices::{holding, is_for_people};
use support::browser::Browser;
use support::client::{Client, until};
use support::page::{go_and_pay, held, remember, shop, sign_in};

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
async fn a_zero_amount_purchase_takes_one_press() {
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

#[tokio::test(flavor = "multi_thread")]
async fn of_two_open_pages_the_second_gets_to_the_hold_with_which_the_first_took_the_last_piece() {
    let (client, browser, sale) = shop("en-US", 300, 1).await;
    let phone = Browser::new("ko-KR").await;
    for one in [&browser, &phone] {
        sign_in(one, &client, "ann").await;
        one.open(&format!("/sales/{sale}")).await;
        one.until("open").await;
    }
    browser.click("#buy").await;
    browser.until("holding").await;
    phone.until("holding").await;
    assert_eq!(client.report(&sale).await["holds"]["HOLD"], 1);
}

/// What the page asks for at its start, the own holds, has been answered.
async fn until_asked(browser: &Browser) {
    let asked = "return performance.getEntriesByType('resource') \
                 .some((one) => one.name.includes('status=HOLD') && one.responseEnd)";
    until("the page's own question", 20, || async { (browser.script(asked).await == true).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buyer_who_returns_to_an_open_page_sees_the_hold_of_another_device() {
    let (client, browser, sale) = shop("en-US", 300, 5).await;
    sign_in(&browser, &client, "ann").await;
    browser.open(&format!("/sales/{sale}")).await;
    browser.until("open").await;
    until_asked(&browser).await;
    held(&client, "ann", &sale).await;
    browser.script("document.dispatchEvent(new Event('visibilitychange'))").await;
    browser.until("holding").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_users_hold_in_the_browsers_storage_does_not_hide_the_own_one() {
    let (client, browser, sale) = shop("en-US", 300, 5).await;
    let (own, theirs) = (held(&client, "ann", &sale).await, held(&client, "bob", &sale).await);
    sign_in(&browser, &client, "ann").await;
    browser.open("/").await;
    remember(&browser, "hold", &sale, &json!({"hold_id": theirs["hold_id"]})).await;
    browser.open(&format!("/sales/{sale}")).await;
    browser.until("holding").await;
    let shown = browser.script("return document.querySelector('#bar [name=hold_id]').value").await;
    assert_eq!(shown, own["hold_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_response_is_repeated_for_its_own_user_alone() {
    let (client, browser, sale) = shop("en-US", 300, 5).await;
    let users = "return JSON.parse(document.querySelector('#page').textContent).user";
    sign_in(&browser, &client, "ann").await;
    browser.open("/").await;
    let ann = browser.script(users).await;
    sign_in(&browser, &client, "bob").await;
    browser.open("/").await;
    let bob = browser.script(users).await;
    assert!(ann.is_string() && bob.is_string() && ann != bob, "{ann} {bob}");
    let body = json!({"sale_id": sale, "items": [{"sku_id": "pair", "qty": 1}]});
    let now_ms = browser.script("return Date.now()").await;
    let question = |user: &serde_json::Value| {
        let key = uuid::Uuid::new_v4().to_string();
        json!({"key": key, "body": body, "at_ms": now_ms, "ttl_ms": 300_000, "user": user})
    };
    remember(&browser, "pending", &sale, &question(&ann)).await;
    browser.open(&format!("/sales/{sale}")).await;
    until_asked(&browser).await;
    assert_eq!(browser.state().await, "open");
    assert_eq!(client.report(&sale).await["holds"]["HOLD"], 0, "Bob has pressed nothing");
    remember(&browser, "pending", &sale, &question(&bob)).await;
    browser.page.refresh().await.unwrap();
    browser.until("holding").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_lapsed_hold_the_page_says_when_to_buy_again_and_has_a_button_then() {
    let (client, browser) = (Client::new(), Browser::new("en-US").await);
    let sale = format!("t-{}", uuid::Uuid::new_v4());
    let body = json!({"sale_id": sale, "name": "Slow down", "currency": "KRW", "hold_ttl_s": 2, "lapse_cooldown_s": 20,
                      "skus": [{"sku_id": "pair", "name": "Pair", "unit_price": 1000, "stock": 5}]});
    client.admin(reqwest::Method::POST, "/v1/admin/sales", Some(body)).await.ok(201);
    held(&client, "ann", &sale).await;
    until("the hold's end", 30, || async { (client.report(&sale).await["holds"]["EXPIRED"] == 1).then_some(()) }).await;
    sign_in(&browser, &client, "ann").await;
    browser.open(&format!("/sales/{sale}")).await;
    browser.until("open").await;
    browser.click("#buy").await;
    browser.until("limit").await;
    let text = browser.text("#message").await;
    assert!(text.contains("buy again from") && !text.contains("already bought"), "{text}");
    assert_eq!(browser.text("#heading").await, "You can buy again soon");
    assert_eq!(browser.text("#again").await, "", "it is too early");
    is_for_people(&browser).await;
    until("the button", 40, || async { (!browser.text("#again").await.is_empty()).then_some(()) }).await;
    browser.click("#again").await;
    browser.until("open").await;
    browser.click("#buy").await;
    browser.until("holding").await;
}
