//! The page's notices: whatever happened to the sale, the hold and the money, the page shows what the API answers, in
//! plain sentences.

use serde_json::json;

use support::browser::Browser;
use support::client::{Client, until};
use support::front::Front;
use support::gateways::Gateways;
use support::page::{LANGUAGES, be, go_and_pay, held, remember, shop, sign_in, won, words};

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

/// In that state, with its sentence, and without what can no longer be bought.
async fn has_stopped(browser: &Browser, language: &str, state: &str) {
    browser.until(state).await;
    assert_eq!(browser.text("#heading").await, words(language, &format!("h_{state}")));
    let left = words(language, "left").replace("{n}", "8");
    assert!(!browser.text("#panel").await.contains(&left), "how many are left is said only while they can be bought");
    is_for_people(browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_press_just_after_a_pause_or_a_close_gets_the_sales_state() {
    for language in LANGUAGES {
        let (client, browser, sale) = shop(language, 300, 8).await;
        for state in ["paused", "closed"] {
            patch(&client, &sale, "open").await;
            browser.open(&format!("/sales/{sale}")).await;
            browser.until("open").await;
            assert!(browser.text("#panel").await.contains(&words(language, "left").replace("{n}", "8")));
            patch(&client, &sale, state).await;
            browser.script("document.querySelector('#buy').click()").await;
            has_stopped(&browser, language, state).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_page_shows_by_itself_that_its_sale_is_paused_goes_on_or_has_ended() {
    for language in LANGUAGES {
        let (client, browser, sale) = shop(language, 300, 8).await;
        browser.open(&format!("/sales/{sale}")).await;
        browser.until("open").await;
        browser.script("window.same = true").await;
        patch(&client, &sale, "paused").await;
        has_stopped(&browser, language, "paused").await;
        patch(&client, &sale, "open").await;
        browser.until("open").await;
        assert_eq!(browser.text("#buy").await, words(language, "buy"));
        patch(&client, &sale, "closed").await;
        has_stopped(&browser, language, "closed").await;
        assert_eq!(browser.script("return window.same").await, true, "the page was not reloaded");
    }
}

/// The gateway reports later that the refund failed after all.
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_is_due_again_is_no_longer_shown_as_done_on_an_open_page() {
    let client = Client::new();
    let sale = client.sale(2, &[("pair", 5, 1)]).await;
    let hold = held(&client, "ann", &sale).await;
    let hold_id = hold["hold_id"].as_str().unwrap();
    until("the hold's end", 30, || async { (client.report(&sale).await["holds"]["EXPIRED"] == 1).then_some(()) }).await;
    let gateways = Gateways::at(client.setting("gateway_url"));
    gateways.pay("standard", hold_id, &client.user("ann"), 1_000, json!({})).await;
    until("the refund is done", 60, || async {
        let seen = client.get("ann", &format!("/v1/reservations/{hold_id}")).await.ok(200);
        (seen["refund"]["status"] == "completed").then_some(())
    })
    .await;
    for language in LANGUAGES {
        let (browser, front) = (Browser::new(language).await, Front::start().await);
        sign_in(&browser, &client, "ann").await;
        browser.page.goto(&front.url).await.unwrap();
        remember(&browser, "hold", &sale, &json!({"hold_id": hold_id})).await;
        browser.page.goto(&format!("{}/sales/{sale}", front.url)).await.unwrap();
        browser.until("refund").await;
        let until_said = async |heading: &str, message: &str| {
            let (heading, message) = (words(language, heading), words(language, message));
            until(&heading, 30, || async { (browser.text("#heading").await == heading).then_some(()) }).await;
            assert_eq!(browser.text("#message").await, message);
            is_for_people(&browser).await;
        };
        until_said("h_refunded", "m_refund_completed").await;
        front.says(r#""status":"completed""#, r#""status":"pending""#);
        until_said("h_refund", "m_refund_late").await;
        front.says(r#""status":"pending""#, r#""status":"completed""#);
        until_said("h_refunded", "m_refund_completed").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buyer_who_returns_without_having_paid_sees_no_refund() {
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
    for language in LANGUAGES {
        let (client, browser, sale) = shop(language, 300, 5).await;
        holding(&browser, &sale, &format!("wrong-{}", uuid::Uuid::new_v4())).await;
        go_and_pay(&browser, "button[value=wrong_amount]").await;
        // It is on its way back, or is back already.
        let reasons = ["n_mismatch", "n_mismatch_refunded"]
            .map(|name| words(language, name).replace("{amount}", &won(language, "999")));
        until("the reason", 30, || async {
            let said = browser.text("#message").await;
            reasons.iter().any(|reason| said.contains(reason)).then_some(())
        })
        .await;
        assert_eq!(browser.state().await, "holding");
        is_for_people(&browser).await;
        go_and_pay(&browser, "button[value=pay]").await;
        browser.until("bought").await;
        assert_eq!(client.report(&sale).await["orders"]["CONFIRMED"], 1);
    }
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
    for language in LANGUAGES {
        let (client, browser, sale) = shop(language, 300, 5).await;
        holding(&browser, &sale, &format!("twice-{}", uuid::Uuid::new_v4())).await;
        go_and_pay(&browser, "button[value=pay_twice]").await;
        browser.until("bought").await;
        let reasons = ["n_second_pending", "n_second_completed"]
            .map(|name| words(language, name).replace("{amount}", &won(language, "1,000")));
        until("the second payment", 60, || async {
            let said = browser.text("#panel").await;
            reasons.iter().any(|reason| said.contains(reason)).then_some(())
        })
        .await;
        let href = browser.script("return document.querySelector('#see').getAttribute('href')").await;
        let order_id = href.as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        let path = format!("/v1/admin/orders/{order_id}/cancel");
        client.admin(reqwest::Method::POST, &path, Some(json!({"reason": "a test"}))).await.ok(200);
        until("the page has heard", 60, || async { (browser.state().await == "cancelled").then_some(()) }).await;
        assert_eq!(browser.text("#heading").await, words(language, "h_cancelled"));
        browser.click("#see").await;
        browser.until("cancelled").await;
        is_for_people(&browser).await;
    }
}
