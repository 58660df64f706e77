//! Each state on a slow line and a slow processor: something useful is on the screen within 3 s, the button within 6.

use serde_json::{Value, json};
use uuid::Uuid;

use support::browser::Browser;
use support::client::{Client, until};
use support::database;
use support::gateways::Gateways;
use support::page::{be, go_and_pay, held, remember, shop, sign_in};

pub const TEXT_MS: f64 = 3_000.0;
const BUTTON_MS: f64 = 6_000.0;
/// What else the machine does only makes a load longer: the shortest of so many is the page's own.
const LOADS: usize = 5;

/// Notes when the button of the state can first be pressed.
pub const WATCH: &str = "(() => {
    const ready = () => {
        const one = document.querySelector(sessionStorage.getItem('watch') ?? '#buy');
        const there = one && one.getClientRects().length > 0 && document.querySelector('main').dataset.state === sessionStorage.getItem('state');
        if (there && (!one.disabled || sessionStorage.getItem('state') !== 'open') && document.documentElement.dataset.ready) window.button_ms ??= performance.now();
        if (!window.button_ms) requestAnimationFrame(ready);
    };
    addEventListener('DOMContentLoaded', ready);
})()";

/// Loads the page as it is now, slowly.
async fn timed(browser: &Browser, state: &str, button: &str) {
    for load in 1..=LOADS {
        watch(browser, state, button).await;
        browser.page.refresh().await.unwrap();
        if in_time(browser, state, load).await {
            return;
        }
    }
}

/// The same for a first visit: nothing is in the browser's cache.
async fn timed_cold(browser: &Browser, path: &str, state: &str, button: &str) {
    let edge = database::stack()["edge_url"].as_str().unwrap().to_owned();
    timed_cold_at(browser, &edge, path, state, button).await;
}

/// The same, of a shop at this address.
pub async fn timed_cold_at(browser: &Browser, shop: &str, path: &str, state: &str, button: &str) {
    for load in 1..=LOADS {
        browser.devtools("Network.clearBrowserCache", json!({})).await;
        watch(browser, state, button).await;
        browser.page.goto(&format!("{shop}{path}")).await.unwrap();
        if in_time(browser, &format!("{state} of {path}, cold"), load).await {
            return;
        }
    }
}

async fn watch(browser: &Browser, state: &str, button: &str) {
    let note = format!("sessionStorage.setItem('state', '{state}'); sessionStorage.setItem('watch', '{button}')");
    browser.script(&note).await;
}

/// Whether the first words and the button were there in time; the last load has to be.
async fn in_time(browser: &Browser, state: &str, load: usize) -> bool {
    let button_ms =
        until(state, 30, || async { browser.script("return window.button_ms ?? null").await.as_f64() }).await;
    let text = "return performance.getEntriesByName('first-contentful-paint')[0].startTime";
    let text_ms = browser.script(text).await.as_f64().unwrap();
    println!("{state}: words after {text_ms:.0} ms, the button after {button_ms:.0} ms (load {load})");
    let in_time = text_ms < TEXT_MS && button_ms < BUTTON_MS;
    assert!(in_time || load < LOADS, "{state}: {text_ms} ms to the first words, {button_ms} ms to the button");
    in_time
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
#[ignore = "long"]
async fn every_state_of_a_sale_is_there_in_time_on_a_slow_phone() {
    let (client, browser, sale) = shop("ko-KR", 300, 3).await;
    browser.before_each_page(WATCH).await;
    browser.open(&format!("/sales/{sale}")).await;
    browser.until("open").await;
    be(&browser, "느린이").await;
    browser.until("open").await;
    browser.slow().await;
    timed(&browser, "open", "#buy").await;
    timed_cold(&browser, &format!("/sales/{sale}"), "open", "#buy").await;
    browser.click("#buy").await;
    browser.until("holding").await;
    timed(&browser, "holding", "#pay").await;
    timed_cold(&browser, &format!("/sales/{sale}"), "holding", "#pay").await;
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

/// A buyer's browser on a slow phone, on a page of the shop.
async fn phone(client: &Client, user: &str) -> Browser {
    let browser = Browser::new("ko-KR").await;
    browser.before_each_page(WATCH).await;
    sign_in(&browser, client, user).await;
    browser.open("/").await;
    browser.until("list").await;
    browser.slow().await;
    browser
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long"]
async fn every_end_of_a_hold_is_shown_in_time() {
    let client = Client::new();
    let gateways = Gateways::at(client.setting("gateway_url"));
    let (short, long) = (client.sale(2, &[("pair", 5, 1)]).await, client.sale(3_600, &[("pair", 5, 1)]).await);
    let (lapsed, held_long) = (held(&client, "ann", &short).await, held(&client, "ann", &long).await);
    let browser = phone(&client, "ann").await;
    let (short_page, long_page) = (format!("/sales/{short}"), format!("/sales/{long}"));
    let record = |hold: &Value, paid: &str| json!({"hold_id": hold["hold_id"], "paid": paid});

    remember(&browser, "hold", &long, &record(&held_long, "yes")).await;
    timed_cold(&browser, &long_page, "paying", "#see").await;
    until("the hold's end", 30, || async { (client.report(&short).await["holds"]["EXPIRED"] == 1).then_some(()) })
        .await;
    remember(&browser, "hold", &short, &record(&lapsed, "maybe")).await;
    timed_cold(&browser, &short_page, "unsure", "#retry").await;
    remember(&browser, "hold", &short, &record(&lapsed, "")).await;
    timed_cold(&browser, &short_page, "expired", "#retry").await;
    for hold in [&lapsed, &held_long] {
        gateways.pay("standard", hold["hold_id"].as_str().unwrap(), &client.user("ann"), 1_000, json!({})).await;
    }
    until("the refund", 60, || async {
        let path = format!("/v1/reservations/{}", lapsed["hold_id"].as_str().unwrap());
        client.get("ann", &path).await.ok(200)["refund"].is_object().then_some(())
    })
    .await;
    remember(&browser, "hold", &short, &record(&lapsed, "")).await;
    timed_cold(&browser, &short_page, "refund", "#retry").await;
    cancelled(&client, &held_long, "ann").await;
    remember(&browser, "hold", &long, &record(&held_long, "yes")).await;
    timed_cold(&browser, &long_page, "cancelled", "#see").await;
}

/// The order of a hold that is paid.
async fn order_of(client: &Client, hold: &Value, user: &str) -> String {
    let path = format!("/v1/orders?hold_id={}", hold["hold_id"].as_str().unwrap());
    until("the order", 60, || async { client.get(user, &path).await.body["order_id"].as_str().map(ToOwned::to_owned) })
        .await
}

async fn cancelled(client: &Client, hold: &Value, user: &str) {
    let order = order_of(client, hold, user).await;
    let path = format!("/v1/admin/orders/{order}/cancel");
    client.admin(reqwest::Method::POST, &path, Some(json!({"reason": "a test"}))).await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long"]
async fn the_list_the_orders_an_order_and_the_limit_are_there_in_time() {
    let client = Client::new();
    let sale = client.sale(3_600, &[("pair", 5, 1)]).await;
    let hold = held(&client, "bob", &sale).await;
    let gateways = Gateways::at(client.setting("gateway_url"));
    gateways.pay("standard", hold["hold_id"].as_str().unwrap(), &client.user("bob"), 1_000, json!({})).await;
    let order = order_of(&client, &hold, "bob").await;
    let browser = phone(&client, "bob").await;
    timed_cold(&browser, "/", "list", ".card").await;
    timed_cold(&browser, "/orders", "orders", ".card").await;
    timed_cold(&browser, &format!("/orders/{order}"), "bought", "#back").await;
    timed_cold(&browser, &format!("/orders/{}", Uuid::new_v4()), "missing", "#all").await;
    browser.open(&format!("/sales/{sale}")).await;
    browser.until("open").await;
    let press = "window.limit_ms = null; const from = performance.now(), main = document.querySelector('main'); \
                 new MutationObserver(() => { \
                     if (main.dataset.state === 'limit' && document.querySelector('#retry')) window.limit_ms ??= performance.now() - from; \
                 }).observe(main, { attributes: true, childList: true, subtree: true }); \
                 document.querySelector('#buy').click()";
    browser.script(press).await;
    let limit_ms = until("limit", 30, || async { browser.script("return window.limit_ms").await.as_f64() }).await;
    println!("limit: the button {limit_ms:.0} ms after the press");
    assert!(limit_ms < BUTTON_MS, "{limit_ms}");
}
