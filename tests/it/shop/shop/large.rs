//! Letters twice as large on a small screen: in each state nothing is cut off.

use reqwest::Method;
use serde_json::{Value, json};

use support::browser::Browser;
use support::client::{Client, until};
use support::front::Front;
use support::gateways::Gateways;
use support::page::{held, remember, sign_in};

/// A small phone with large letters, and a signed-in user.
async fn phone(client: &Client, user: &str) -> Browser {
    let browser = Browser::with("ko-KR", (320, 640), 32).await;
    sign_in(&browser, client, user).await;
    browser
}

/// In that state whatever has text stands on the screen from edge to edge, or is below.
async fn is_whole(browser: &Browser, state: &str) {
    let fits = "const out = [...document.querySelectorAll('main *, .top *')].filter((one) => { \
                    const { left, right, width } = one.getBoundingClientRect(); \
                    return !one.childElementCount && one.textContent.trim() && width > 0 && (left < 0 || right > innerWidth + 1) }); \
                return [document.documentElement.scrollWidth <= innerWidth, ...out.map((one) => one.outerHTML)]";
    browser.until(state).await;
    assert_eq!(browser.script(fits).await, json!([true]), "{state}");
}

async fn set(client: &Client, sale: &str, status: &str) {
    client.admin(Method::PATCH, &format!("/v1/admin/sales/{sale}"), Some(json!({"status": status}))).await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_twice_as_large_cut_nothing_off_on_a_small_screen() {
    let client = Client::new();
    let sale = client.sale(300, &[("pair", 5, 2), ("a-rather-long-name-of-a-sku", 0, 1)]).await;
    let browser = phone(&client, "ann").await;
    browser.open("/").await;
    is_whole(&browser, "list").await;
    assert_eq!(browser.script("return getComputedStyle(document.documentElement).fontSize").await, "32px");
    browser.open("/orders").await;
    is_whole(&browser, "orders").await;
    browser.open("/rankings").await;
    is_whole(&browser, "rankings").await;
    browser.open(&format!("/sales/{sale}")).await;
    is_whole(&browser, "open").await;
    set(&client, &sale, "paused").await;
    is_whole(&browser, "paused").await;
    set(&client, &sale, "open").await;
    browser.until("open").await;
    browser.click("#buy").await;
    is_whole(&browser, "holding").await;
    let clock = "const clock = document.querySelector('#countdown').getBoundingClientRect(); \
                 return clock.right <= innerWidth && clock.width > 40";
    assert_eq!(browser.script(clock).await, Value::Bool(true));
    browser.click("#release").await;
    is_whole(&browser, "holding").await;
    browser.click("#release-confirm").await;
    browser.until("open").await;
    // A day has three pairs of digits.
    let day = client.sale(86_400, &[("pair", 5, 2)]).await;
    browser.open(&format!("/sales/{day}")).await;
    browser.until("open").await;
    browser.click("#buy").await;
    is_whole(&browser, "holding").await;
    assert_eq!(browser.script(clock).await, Value::Bool(true));
    browser.open(&format!("/sales/{sale}")).await;
    browser.until("open").await;
    set(&client, &sale, "closed").await;
    is_whole(&browser, "closed").await;
    browser.open(&format!("/sales/{}", client.sale(300, &[("pair", 0, 1)]).await)).await;
    is_whole(&browser, "sold_out").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_twice_as_large_cut_nothing_off_for_ended_holds_and_missing_things() {
    let client = Client::new();
    let gateways = Gateways::at(client.setting("gateway_url"));
    let (short, long) = (client.sale(2, &[("pair", 5, 1)]).await, client.sale(3_600, &[("pair", 5, 1)]).await);
    let (lapsed, kept) = (held(&client, "ann", &short).await, held(&client, "ann", &long).await);
    let browser = phone(&client, "ann").await;
    let front = Front::start().await;
    let open = async |path: &str| browser.page.goto(&format!("{}{path}", front.url)).await.unwrap();
    let (short_page, long_page) = (format!("/sales/{short}"), format!("/sales/{long}"));
    open("/").await;
    browser.until("list").await;
    let record = |hold: &Value, paid: &str| json!({"hold_id": hold["hold_id"], "paid": paid});

    remember(&browser, "hold", &long, &record(&kept, "yes")).await;
    open(&long_page).await;
    is_whole(&browser, "paying").await;
    until("the hold's end", 30, || async { (client.report(&short).await["holds"]["EXPIRED"] == 1).then_some(()) })
        .await;
    for (paid, state) in [("maybe", "unsure"), ("", "expired")] {
        remember(&browser, "hold", &short, &record(&lapsed, paid)).await;
        open(&short_page).await;
        is_whole(&browser, state).await;
    }
    for hold in [&lapsed, &kept] {
        gateways.pay("standard", hold["hold_id"].as_str().unwrap(), &client.user("ann"), 1_000, json!({})).await;
    }
    until("the refund is done", 60, || async {
        let path = format!("/v1/reservations/{}", lapsed["hold_id"].as_str().unwrap());
        (client.get("ann", &path).await.ok(200)["refund"]["status"] == "completed").then_some(())
    })
    .await;
    remember(&browser, "hold", &long, &record(&kept, "yes")).await;
    open(&long_page).await;
    is_whole(&browser, "bought").await;
    browser.click("#see").await;
    is_whole(&browser, "bought").await;
    // On a device that remembers nothing of it.
    browser.script("localStorage.clear()").await;
    open(&long_page).await;
    browser.until("open").await;
    browser.click("#buy").await;
    is_whole(&browser, "limit").await;

    // As with a gateway that needs an account for a refund.
    remember(&browser, "hold", &short, &record(&lapsed, "")).await;
    open(&short_page).await;
    is_whole(&browser, "refund").await;
    front.says(r#""status":"completed""#, r#""status":"failed","account_needed":true"#);
    remember(&browser, "hold", &short, &record(&lapsed, "")).await;
    open(&short_page).await;
    is_whole(&browser, "refund").await;
    assert!(!browser.text("#account-send").await.is_empty(), "{}", browser.text("main").await);
    front.refuse("/v1/reservations", 503);
    open(&short_page).await;
    is_whole(&browser, "offline").await;
    front.heal();
    front.be_production("https://accounts.example/login");
    open("/orders").await;
    is_whole(&browser, "signed_out").await;
    open(&long_page).await;
    is_whole(&browser, "open").await;
}
