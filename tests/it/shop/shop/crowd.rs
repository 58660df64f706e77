//! A buyer in a crowd: hundreds behind the same address, and the way to the payment window and back.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;
use reqwest::Method;
use serde_json::json;

use super::notices::is_for_people;
use support::browser::Browser;
use support::client::{address, until};
use support::page::{LANGUAGES, be, go_to_payment, shop, sku, words};

/// Behind one Wi-Fi, beside the browser.
const NEIGHBOURS: usize = 500;

#[tokio::test(flavor = "multi_thread")]
async fn among_five_hundred_behind_one_address_a_browser_gets_the_page_and_the_purchase() {
    let (client, korean, sale) = shop("ko-KR", 300, NEIGHBOURS as i64 + 2).await;
    let browsers = [korean, Browser::new("en-US").await];
    let wifi = address();
    for browser in &browsers {
        browser.devtools("Network.enable", json!({})).await;
        browser.devtools("Network.setExtraHTTPHeaders", json!({"headers": {"CF-Connecting-IP": wifi}})).await;
    }
    let crowd = stream::iter(0..NEIGHBOURS).map(|neighbour| {
        let (client, sale, wifi) = (&client, sale.as_str(), wifi.as_str());
        async move {
            for path in [format!("/sales/{sale}"), format!("/v1/sales/{sale}")] {
                let request = client.request(Method::GET, &path).header("cf-connecting-ip", wifi);
                assert_eq!(client.send(request).await.status, 200, "{path}");
            }
            let items = json!([{"sku_id": "pair", "qty": 1}]);
            let request = client.reserving(&format!("neighbour-{neighbour}"), "k", sale, items);
            client.send(request.header("cf-connecting-ip", wifi)).await.ok(201);
        }
    });
    let crowd = async { crowd.buffer_unordered(20).collect::<Vec<()>>().await };
    let buyers = LANGUAGES.into_iter().zip(&browsers).map(async |(language, browser)| {
        browser.open(&format!("/sales/{sale}")).await;
        browser.until("open").await;
        be(browser, &format!("in-the-crowd-{language}")).await;
        browser.until("open").await;
        browser.click("#buy").await;
        browser.until("holding").await;
        go_to_payment(browser).await;
        browser.click("button[value=pay]").await;
        browser.until("bought").await;
        assert_eq!(browser.text("#heading").await, words(language, "h_bought"));
        is_for_people(browser).await;
    });
    tokio::join!(crowd, join_all(buyers));
    let sku = sku(&client, &sale).await;
    assert_eq!((&sku["held"], &sku["sold"]), (&json!(NEIGHBOURS), &json!(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn back_and_forth_through_the_payment_window_the_hold_stays_and_is_paid_once() {
    for language in LANGUAGES {
        let (client, browser, sale) = shop(language, 300, 1).await;
        browser.open(&format!("/sales/{sale}")).await;
        browser.until("open").await;
        be(&browser, language).await;
        browser.until("open").await;
        browser.click("#buy").await;
        browser.until("holding").await;
        for _ in 0..2 {
            // A page that listens for this is not frozen, but loaded again from the browser's cache.
            browser.script("addEventListener('unload', () => {})").await;
            go_to_payment(&browser).await;
            let there = Instant::now();
            until("a while at the payment window", 10, || async {
                (there.elapsed() > Duration::from_secs(4)).then_some(())
            })
            .await;
            browser.page.back().await.unwrap();
            browser.until("holding").await;
            assert_eq!(sku(&client, &sale).await["held"], 1, "{language}");
            // The browser kept the page as it was, with the server's time of then.
            let off = "return (async () => { const own = await (await fetch('/v1/reservations?status=HOLD', { cache: 'no-store' })).json(); \
                       const left = (Date.parse(own.reservations[0].expire_at) - Date.now()) / 1000; \
                       const [minutes, seconds] = document.querySelector('#countdown').textContent.split(':').map(Number); \
                       return Math.abs(60 * minutes + seconds - left); })()";
            let off = browser.script(off).await.as_f64().unwrap();
            assert!(off < 2.0, "{language}: {off} s off");
        }
        go_to_payment(&browser).await;
        browser.page.back().await.unwrap();
        browser.until("holding").await;
        browser.page.forward().await.unwrap();
        browser.click("button[value=pay]").await;
        browser.until("bought").await;
        // Back to the window of a payment that is made, and to the page again.
        browser.page.back().await.unwrap();
        browser.page.forward().await.unwrap();
        browser.until("bought").await;
        is_for_people(&browser).await;
        assert_eq!(
            sku(&client, &sale).await,
            json!({"sku_id": "pair", "total": 1, "available": 0, "held": 0, "sold": 1})
        );
        assert_eq!(client.report(&sale).await["orders"]["CONFIRMED"], 1, "{language}");
    }
}
