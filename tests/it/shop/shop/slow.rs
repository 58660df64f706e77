//! Each state on a slow line and a slow processor: something useful is on the screen within 3 s, the button within 6.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{be, go_and_pay, shop};
use support::browser::Browser;
use support::client::{Client, until};

const TEXT_MS: f64 = 3_000.0;
const BUTTON_MS: f64 = 6_000.0;

/// Notes when the button of the state can first be pressed.
const WATCH: &str = "(() => {
    const ready = () => {
        const one = document.querySelector(sessionStorage.getItem('watch') ?? '#buy');
        const there = one && one.getClientRects().length > 0 && document.querySelector('main').dataset.state === sessionStorage.getItem('state');
        if (there && (!one.disabled || sessionStorage.getItem('state') !== 'open') && document.documentElement.dataset.ready) window.button_ms ??= performance.now();
        if (!window.button_ms) requestAnimationFrame(ready);
    };
    addEventListener('DOMContentLoaded', ready);
})()";

/// Loads the page as it is now, slowly; when the first words and the button were there.
async fn timed(browser: &Browser, state: &str, button: &str) {
    let note = format!("sessionStorage.setItem('state', '{state}'); sessionStorage.setItem('watch', '{button}')");
    browser.script(&note).await;
    browser.page.refresh().await.unwrap();
    let button_ms =
        until(state, 30, || async { browser.script("return window.button_ms ?? null").await.as_f64() }).await;
    let text = "return performance.getEntriesByName('first-contentful-paint')[0].startTime";
    let text_ms = browser.script(text).await.as_f64().unwrap();
    println!("{state}: words after {text_ms:.0} ms, the button after {button_ms:.0} ms");
    assert!(text_ms < TEXT_MS, "{state}: {text_ms} ms to the first words");
    assert!(button_ms < BUTTON_MS, "{state}: {button_ms} ms to the button");
}

async fn sale_that_opens(client: &Client, seconds: i64) -> String {
    let sale = format!("t-{}", Uuid::new_v4());
    let opens_at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
    let body = json!({"sale_id": sale, "name": "Soon", "currency": "KRW", "opens_at": opens_at.to_string(),
                      "skus": [{"sku_id": "pair", "name": "Pair", "unit_price": 1000, "stock": 1}]});
    client.admin(reqwest::Method::POST, "/v1/admin/sales", Some(body)).await.ok(201);
    sale
}

async fn set(client: &Client, sale: &str, status: &str) {
    let body: Value = json!({"status": status});
    client.admin(reqwest::Method::PATCH, &format!("/v1/admin/sales/{sale}"), Some(body)).await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_state_of_a_sale_is_there_in_time_on_a_slow_phone() {
    let (client, browser, sale) = shop("ko-KR", 300, 3).await;
    browser.before_each_page(WATCH).await;
    browser.open(&format!("/sales/{sale}")).await;
    browser.until("open").await;
    be(&browser, "느린이").await;
    browser.until("open").await;
    browser.slow().await;
    timed(&browser, "open", "#buy").await;
    browser.click("#buy").await;
    browser.until("holding").await;
    timed(&browser, "holding", "#pay").await;
    set(&client, &sale, "paused").await;
    let other = Browser::new("en-US").await;
    other.before_each_page(WATCH).await;
    other.open(&format!("/sales/{sale}")).await;
    other.until("paused").await;
    other.slow().await;
    timed(&other, "paused", "#buy").await;
    set(&client, &sale, "closed").await;
    timed(&other, "closed", "#buy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_before_and_after_is_there_in_time_too() {
    let (client, browser, sale) = shop("ko-KR", 300, 1).await;
    browser.before_each_page(WATCH).await;
    browser.open(&format!("/sales/{}", sale_that_opens(&client, 3_600).await)).await;
    browser.until("scheduled").await;
    browser.slow().await;
    timed(&browser, "scheduled", "#buy").await;
    let quick = Browser::new("en-US").await;
    quick.before_each_page(WATCH).await;
    quick.open(&format!("/sales/{sale}")).await;
    quick.until("open").await;
    be(&quick, "buyer").await;
    quick.until("open").await;
    quick.click("#buy").await;
    quick.until("holding").await;
    browser.open(&format!("/sales/{sale}")).await;
    browser.until("sold_out").await;
    timed(&browser, "sold_out", "#buy").await;
    go_and_pay(&quick, "button[value=pay]").await;
    quick.until("bought").await;
    quick.slow().await;
    timed(&quick, "bought", "#see").await;
}
