//! What a buyer is told: whatever happened to the sale, the hold and the money, only what the API says of them, in words
//! for people.

use serde_json::{Value, json};

use super::front::Front;
use support::browser::Browser;
use support::client::{Client, until};
use support::gateways::Gateways;
use support::page::{be, go_and_pay, held, remember, shop, sign_in};

/// Holds one as this buyer, named so that the payment page knows who pays; the user's id.
pub async fn holding(browser: &Browser, sale: &str, user: &str) -> String {
    browser.open(&format!("/sales/{sale}")).await;
    browser.until("open").await;
    be(browser, user).await;
    browser.until("open").await;
    browser.click("#buy").await;
    browser.until("holding").await;
    user.to_owned()
}

async fn patch(client: &Client, sale: &str, status: &str) {
    let path = format!("/v1/admin/sales/{sale}");
    client.admin(reqwest::Method::PATCH, &path, Some(json!({"status": status}))).await.ok(200);
}

/// No word that is meant for programmers.
pub async fn is_for_people(browser: &Browser) {
    let text = browser.text("main").await;
    for word in ["Idempotency", "sale_id", "hold_id", "`", "undefined", "null", "NaN", "{n}", "{amount}"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_press_just_after_a_pause_or_a_close_is_told_what_the_sale_is() {
    for (status, state, sentence) in
        [("paused", "paused", "판매가 잠시 중단되었습니다"), ("closed", "closed", "판매가 종료되었습니다")]
    {
        let (client, browser, sale) = shop("ko-KR", 300, 5).await;
        browser.open(&format!("/sales/{sale}")).await;
        browser.until("open").await;
        patch(&client, &sale, status).await;
        browser.script("document.querySelector('#buy').click()").await;
        browser.until(state).await;
        assert_eq!(browser.text("#heading").await, sentence);
        assert!(
            !browser.text("#panel").await.contains("남음"),
            "how many are left is said only while they can be bought"
        );
        is_for_people(&browser).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_without_having_paid_is_not_told_of_a_refund() {
    let (_client, browser, sale) = shop("ko-KR", 8, 5).await;
    holding(&browser, &sale, &format!("pending-{}", uuid::Uuid::new_v4())).await;
    let hold =
        browser.script(&format!("return JSON.parse(localStorage.getItem('holdfast:hold:{sale}')).hold_id")).await;
    browser.open(&format!("/sales/{sale}?hold_id={}&result=pending", hold.as_str().unwrap())).await;
    browser.until("holding").await;
    assert!(browser.text("#message").await.contains("아직 확인된 결제가 없습니다"));
    assert!(!browser.text("#pay").await.is_empty(), "the buyer can still pay");
    browser.until("unsure").await;
    let text = browser.text("#message").await;
    assert!(
        text.contains("아직 확인된 결제가 없습니다") && browser.text("#heading").await == "결제 시간이 지났습니다",
        "{text}"
    );
    is_for_people(&browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_amount_is_explained_and_can_be_paid_again() {
    let (client, browser, sale) = shop("ko-KR", 300, 5).await;
    holding(&browser, &sale, &format!("wrong-{}", uuid::Uuid::new_v4())).await;
    go_and_pay(&browser, "button[value=wrong_amount]").await;
    until("the reason", 30, || async {
        browser.text("#message").await.contains("결제 금액이 달라").then_some(())
    })
    .await;
    assert_eq!(browser.state().await, "holding");
    assert!(browser.text("#message").await.contains("999원"), "{}", browser.text("#message").await);
    is_for_people(&browser).await;
    go_and_pay(&browser, "button[value=pay]").await;
    browser.until("bought").await;
    assert_eq!(client.report(&sale).await["orders"]["CONFIRMED"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn money_in_another_currency_goes_back_with_its_own_decimals_and_a_refund_that_failed_is_not_called_automatic() {
    let (client, browser, sale) = shop("en-US", 300, 5).await;
    let hold = held(&client, "ann", &sale).await;
    let hold_id = hold["hold_id"].as_str().unwrap();
    let gateways = Gateways::at(client.setting("gateway_url"));
    gateways.pay("standard", hold_id, &client.user("ann"), 1_050, json!({"currency": "USD"})).await;
    let refund = until("the refund is done", 60, || async {
        let seen = client.get("ann", &format!("/v1/reservations/{hold_id}")).await.ok(200);
        (seen["refund"]["status"] == "completed").then(|| seen["refund"].clone())
    })
    .await;
    assert_eq!((&refund["currency"], &refund["currency_decimals"]), (&json!("USD"), &json!(2)));
    sign_in(&browser, &client, "ann").await;
    browser.open(&format!("/sales/{sale}")).await;
    browser.until("holding").await;
    assert!(browser.text("#message").await.contains("your $10.50 was refunded"), "{}", browser.text("#message").await);

    let front = Front::start().await;
    front.says(r#""completed""#, r#""failed""#);
    browser.page.goto(&front.url).await.unwrap();
    remember(&browser, "hold", &sale, &json!({"hold_id": hold_id})).await;
    browser.page.goto(&format!("{}/sales/{sale}", front.url)).await.unwrap();
    browser.until("holding").await;
    let text = browser.text("#message").await;
    assert!(text.contains("The refund of your $10.50 is late") && !text.contains("automatically"), "{text}");
    is_for_people(&browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_payment_and_a_cancellation_reach_the_open_page() {
    let (client, browser, sale) = shop("ko-KR", 300, 5).await;
    holding(&browser, &sale, &format!("twice-{}", uuid::Uuid::new_v4())).await;
    go_and_pay(&browser, "button[value=pay_twice]").await;
    browser.until("bought").await;
    until("the second payment", 60, || async {
        let text = browser.text("#panel").await;
        (text.contains("두 번") || text.contains("두 번째")).then_some(())
    })
    .await;
    assert!(browser.text("#panel").await.contains("1,000원"));
    let href = browser.script("return document.querySelector('#see').getAttribute('href')").await;
    let order_id = href.as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let path = format!("/v1/admin/orders/{order_id}/cancel");
    client.admin(reqwest::Method::POST, &path, Some(json!({"reason": "a test"}))).await.ok(200);
    until("the page has heard", 60, || async { (browser.state().await == "cancelled").then_some(()) }).await;
    assert_eq!(browser.text("#heading").await, "주문이 취소되었습니다");
    browser.click("#see").await;
    browser.until("cancelled").await;
    is_for_people(&browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_twice_as_large_cut_nothing_off_on_a_small_screen() {
    let client = Client::new();
    let sale = client.sale(300, &[("pair", 5, 2), ("a-rather-long-name-of-a-sku", 0, 1)]).await;
    let browser = Browser::with("ko-KR", (320, 640), 32).await;
    let fits = "const out = [...document.querySelectorAll('main *, .top *')].filter((one) => { \
                    const { left, right, width } = one.getBoundingClientRect(); \
                    return !one.childElementCount && one.textContent.trim() && width > 0 && (left < 0 || right > innerWidth + 1) }); \
                return [document.documentElement.scrollWidth <= innerWidth, ...out.map((one) => one.outerHTML)]";
    let is_whole = async |state: &str| {
        browser.until(state).await;
        assert_eq!(browser.script(fits).await, json!([true]), "{state}");
    };
    browser.open("/").await;
    is_whole("list").await;
    assert_eq!(browser.script("return getComputedStyle(document.documentElement).fontSize").await, "32px");
    browser.open(&format!("/sales/{sale}")).await;
    is_whole("open").await;
    browser.click("#buy").await;
    is_whole("holding").await;
    let clock = "const clock = document.querySelector('#countdown').getBoundingClientRect(); \
                 return clock.right <= innerWidth && clock.width > 40";
    assert_eq!(browser.script(clock).await, Value::Bool(true));
    browser.click("#release").await;
    is_whole("holding").await;
}
