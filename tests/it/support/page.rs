//! A buyer at the hosted page: signs in, is given a hold, goes to the payment page.

use fantoccini::Locator;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::browser::Browser;
use crate::client::{Client, until};
use crate::database;

/// The shop's.
pub const LANGUAGES: [&str; 2] = ["ko-KR", "en-US"];

/// One of the shop's texts in a language.
pub fn words(language: &str, name: &str) -> String {
    let texts: Value = serde_json::from_str(include_str!("../../../edge/shop/texts.json")).unwrap();
    let text = texts[name][usize::from(!language.starts_with("ko"))].as_str();
    text.unwrap_or_else(|| panic!("edge/shop/texts.json has no {name}")).to_owned()
}

/// Won, as a buyer reads them.
pub fn won(language: &str, amount: &str) -> String {
    if language.starts_with("ko") { format!("{amount}원") } else { format!("₩{amount}") }
}

/// A sale of one SKU, `pair`, and a browser that has not opened its page yet.
pub async fn shop(language: &str, hold_ttl_s: i64, stock: i64) -> (Client, Browser, String) {
    let client = Client::new();
    let sale = client.sale(hold_ttl_s, &[("pair", stock, 1)]).await;
    (client, Browser::new(language).await, sale)
}

/// Names the buyer with the development-only field, so that the payment page knows who pays.
pub async fn be(browser: &Browser, user: &str) {
    browser.script("document.querySelector('#dev-user').closest('details')?.setAttribute('open', '')").await;
    let field = browser.page.wait().for_element(Locator::Css("#dev-user")).await.unwrap();
    field.clear().await.unwrap();
    field.send_keys(user).await.unwrap();
    // Until the server has answered, the page is open for the last buyer: it is built anew, from loading on.
    let watch = "const main = document.querySelector('main'); window.anew = false; \
                 new MutationObserver(() => { window.anew ||= main.dataset.state === 'loading'; }) \
                   .observe(main, { attributes: true });";
    browser.script(watch).await;
    browser.click("#dev-user-change").await;
    until("the next buyer's page", 20, || async { (browser.script("return window.anew").await == true).then_some(()) })
        .await;
}

/// This buyer of `client`, from the next page on.
pub async fn sign_in(browser: &Browser, client: &Client, user: &str) {
    let cookie = json!({"name": "holdfast_session", "value": client.token(&client.user(user)), "url": client.setting("edge_url"),
                        "httpOnly": true});
    browser.devtools("Network.setCookie", cookie).await;
}

/// A hold of one pair, made on some other device.
pub async fn held(client: &Client, user: &str, sale: &str) -> Value {
    client.reserve(user, &Uuid::new_v4().to_string(), sale, json!([{"sku_id": "pair", "qty": 1}])).await.ok(201)
}

/// What this device remembers of the sale: `hold` or `pending`. A page of the shop has to be open.
pub async fn remember(browser: &Browser, what: &str, sale: &str, record: &Value) {
    browser.script(&format!("localStorage.setItem('holdfast:{what}:{sale}', '{record}')")).await;
}

/// The sale's one SKU, as the report has it.
pub async fn sku(client: &Client, sale: &str) -> Value {
    client.report(sale).await["skus"][0].clone()
}

/// The pay button is deaf for a moment, so that the second tap of a double tap does not land on it: press until the
/// payment page is there.
pub async fn go_and_pay(browser: &Browser, button: &str) {
    go_to_payment(browser).await;
    browser.click(button).await;
}

/// The same, up to the payment page.
pub async fn go_to_payment(browser: &Browser) {
    let gateway = database::stack()["gateway_url"].as_str().unwrap().to_owned();
    until("the payment page", 15, || async {
        let url = browser.page.current_url().await.ok()?;
        if url.as_str().starts_with(&gateway) {
            return Some(());
        }
        if let Ok(pay) = browser.page.find(Locator::Css("#pay")).await {
            let _ = pay.click().await;
        }
        None
    })
    .await;
}
