//! What stands in a buyer's way, on a slow line and a slow processor: no session, no answer, a refund that
//! needs an account, and the moment after the press. As fast as the rest.

use serde_json::{Value, json};

use crate::slow::{TEXT_MS, WATCH, timed_cold_at};
use support::browser::Browser;
use support::client::{Client, until};
use support::front::Front;
use support::gateways::Gateways;
use support::page::{held, remember, sign_in, words};

/// A slow phone on the list, by way of a shop that says what a test wants.
async fn phone(client: &Client, front: &Front, language: &str) -> Browser {
    let browser = Browser::new(language).await;
    browser.before_each_page(WATCH).await;
    sign_in(&browser, client, "ann").await;
    browser.page.goto(&front.url).await.unwrap();
    browser.until("list").await;
    browser.slow().await;
    browser
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buyer_who_is_signed_out_or_gets_no_response_has_a_sentence_and_a_button_in_time() {
    let client = Client::new();
    let sale = client.sale(3_600, &[("pair", 5, 1)]).await;
    let (front, page) = (Front::start().await, format!("/sales/{sale}"));
    let browser = phone(&client, &front, "ko-KR").await;
    // What became of a hold cannot be read.
    let other = client.sale(3_600, &[("pair", 5, 1)]).await;
    let hold = held(&client, "ann", &other).await;
    remember(&browser, "hold", &other, &json!({"hold_id": hold["hold_id"]})).await;
    front.refuse("/v1/reservations", 503);
    timed_cold_at(&browser, &front.url, &format!("/sales/{other}"), "offline", "#retry").await;
    front.heal();
    front.be_production("https://accounts.example/login");
    timed_cold_at(&browser, &front.url, &page, "open", "#sign-in").await;
    timed_cold_at(&browser, &front.url, "/orders", "signed_out", "#sign-in").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_for_an_account_and_the_sentence_after_a_press_are_there_in_time() {
    let client = Client::new();
    let gateways = Gateways::at(client.setting("gateway_url"));
    let (short, long) = (client.sale(2, &[("pair", 5, 1)]).await, client.sale(3_600, &[("pair", 5, 1)]).await);
    let lapsed = held(&client, "ann", &short).await;
    let hold_id = lapsed["hold_id"].as_str().unwrap();
    until("the hold's end", 30, || async { (client.report(&short).await["holds"]["EXPIRED"] == 1).then_some(()) })
        .await;
    gateways.pay("standard", hold_id, &client.user("ann"), 1_000, json!({})).await;
    until("the refund is done", 60, || async {
        let seen = client.get("ann", &format!("/v1/reservations/{hold_id}")).await.ok(200);
        (seen["refund"]["status"] == "completed").then_some(())
    })
    .await;
    let front = Front::start().await;
    let browser = phone(&client, &front, "en-US").await;
    // As with a gateway that needs an account for a refund.
    front.says(r#""status":"completed""#, r#""status":"failed","account_needed":true"#);
    remember(&browser, "hold", &short, &json!({"hold_id": hold_id})).await;
    timed_cold_at(&browser, &front.url, &format!("/sales/{short}"), "refund", "#account-send").await;

    timed_cold_at(&browser, &front.url, &format!("/sales/{long}"), "open", "#buy").await;
    front.stall("/v1/reservations", false);
    let press = "window.words_ms = null; const from = performance.now(), main = document.querySelector('main'); \
                 const said = () => requestAnimationFrame(() => { window.words_ms ??= performance.now() - from; }); \
                 new MutationObserver(() => { if (main.dataset.state === 'reserving') said(); }).observe(main, { attributes: true }); \
                 document.querySelector('#buy').click()";
    browser.script(press).await;
    let words_ms = until("reserving", 30, || async { browser.script("return window.words_ms").await.as_f64() }).await;
    println!("reserving: words {words_ms:.0} ms after the press");
    assert!(words_ms < TEXT_MS, "{words_ms}");
    assert_eq!(browser.text("#heading").await, words("en-US", "h_reserving"));
    let again: Value = browser.script("return document.querySelectorAll('#buy:not(:disabled)').length").await;
    assert_eq!(again, 0, "the button is not pressed twice");
}
