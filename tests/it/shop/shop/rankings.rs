//! What sells best, on a phone: found from the shop's start, in both languages, and true without a reload.

use serde_json::{Value, json};
use uuid::Uuid;

use support::browser::Browser;
use support::client::{Client, until};
use support::page::{LANGUAGES, words};

async fn buy(client: &Client, user: &str, sale: &str, qty: i64) {
    let key = Uuid::new_v4().to_string();
    let hold = client.reserve(user, &key, sale, json!([{"sku_id": "pair", "qty": qty}])).await.ok(201);
    client.pay(&format!("pay_{key}"), &hold, user).await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buyer_finds_what_sells_best_from_the_start_and_goes_on_to_it() {
    let client = Client::new();
    // More than other tests sell, and sold out.
    let sale = client.sale(300, &[("pair", 99, 99)]).await;
    buy(&client, "ann", &sale, 90).await;
    for language in LANGUAGES {
        let browser = Browser::new(language).await;
        browser.open("/").await;
        browser.until("list").await;
        browser.click("a[href='/rankings']").await;
        browser.until("rankings").await;
        assert_eq!(browser.text("h1").await, words(language, "rankings_title"));
        browser.click("a[href='/rankings?window=1h']").await;
        let current = "return [...document.querySelectorAll('.windows [aria-current]')].map((one) => one.textContent)";
        until("the chosen window", 15, || async {
            (browser.script(current).await == json!([words(language, "window_1h")])).then_some(())
        })
        .await;
        let row = format!("#sku-{sale}-pair");
        let sold = if language == LANGUAGES[0] { 90 } else { 99 };
        let expected = words(language, "sold_pieces").replace("{n}", &sold.to_string());
        // Without a reload: the page asks for itself again.
        browser.script("window.here = true").await;
        let shown = format!("return document.querySelector('{row} .price')?.textContent ?? ''");
        until("the row", 60, || async { (browser.script(&shown).await == expected.as_str()).then_some(()) }).await;
        assert_eq!(browser.script("return window.here").await, Value::Bool(true));
        if language == LANGUAGES[0] {
            buy(&client, "bob", &sale, 9).await;
            continue;
        }
        let sold_out = format!("return document.querySelector('#sale-{sale}')?.textContent ?? ''");
        until("the sale that was sold out", 60, || async {
            browser.script(&sold_out).await.as_str().is_some_and(|text| text.contains("한정판")).then_some(())
        })
        .await;
        browser.click(&row).await;
        browser.until("sold_out").await;
    }
}
