//! What is lost on the way to a buyer: a file, an answer, the network, storage, the session. The page never ends in a wall.

use serde_json::json;

use super::notices::is_for_people;
use support::browser::Browser;
use support::client::{Client, until};
use support::front::Front;
use support::page::{LANGUAGES, be, held, remember, shop, sign_in, words};

/// On every page of the shop: something to read, and something to press.
async fn is_no_wall(browser: &Browser) {
    let script = "const main = document.querySelector('main'); \
                  const seen = (one) => one.getClientRects().length > 0; \
                  return [main.innerText.trim().length, \
                          [...main.querySelectorAll('a, button:not(:disabled)')].filter(seen).length, \
                          [...document.querySelectorAll('h1')].filter((one) => one.innerText.trim()).length]";
    let seen = browser.script(script).await;
    let seen: Vec<u64> = seen.as_array().unwrap().iter().filter_map(serde_json::Value::as_u64).collect();
    assert!(seen[0] > 20 && seen[1] > 0 && seen[2] == 1, "{seen:?}: {}", browser.text("body").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_file_taken_away_leaves_a_sentence_and_a_button_and_comes_back_by_itself() {
    let (_client, browser, sale) = shop("ko-KR", 300, 5).await;
    for (file, status) in [("/assets/shop", 429), ("/assets/shop", 503), ("/assets/icon", 503)] {
        let front = Front::start().await;
        front.refuse(file, status);
        browser.page.goto(&format!("{}/sales/{sale}", front.url)).await.unwrap();
        if file == "/assets/shop" {
            until("the sentence", 20, || async { (!browser.text("#lost").await.is_empty()).then_some(()) }).await;
            assert!(browser.text("#lost").await.contains("불러오지 못했습니다"), "{}", browser.text("#lost").await);
            assert!(browser.text("#panel").await.contains("1,000원"), "the price is there without the script");
        }
        if file == "/assets/shop" {
            is_no_wall(&browser).await;
        }
        front.heal();
        until("the button works", 20, || async {
            (browser.script("return document.querySelector('#buy')?.disabled === false").await == true).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_their_script_the_list_the_orders_and_an_order_show_a_sentence_and_recover_by_themselves() {
    let (client, browser, sale) = shop("ko-KR", 300, 5).await;
    let hold = held(&client, "ann", &sale).await;
    let order_id = client.pay(&format!("pay_{sale}"), &hold, "ann").await.ok(200)["order_id"].clone();
    let order = format!("/orders/{}", order_id.as_str().unwrap());
    sign_in(&browser, &client, "ann").await;
    for (path, state) in [("/", "list"), ("/orders", "orders"), (order.as_str(), "bought")] {
        let front = Front::start().await;
        front.refuse("/assets/shop", 503);
        browser.page.goto(&format!("{}{path}", front.url)).await.unwrap();
        until("the sentence", 20, || async { (!browser.text("#lost").await.is_empty()).then_some(()) }).await;
        is_no_wall(&browser).await;
        front.heal();
        until("the page works", 20, || async {
            let ready = browser.script("return document.documentElement.dataset.ready === 'yes'").await == true;
            (ready && browser.state().await == state).then_some(())
        })
        .await;
        is_no_wall(&browser).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_response_is_given_up_and_leaves_a_sentence_and_a_button() {
    let (client, browser, sale) = shop("ko-KR", 300, 5).await;
    let hold = held(&client, "ann", &sale).await;
    sign_in(&browser, &client, "ann").await;
    let front = Front::start().await;
    browser.page.goto(&front.url).await.unwrap();
    remember(&browser, "hold", &sale, &json!({"hold_id": hold["hold_id"]})).await;
    // The page itself comes, and asks for these before its script is here.
    let sale_page = format!("/sales/{sale}");
    let order_page = format!("/orders/{}", uuid::Uuid::new_v4());
    for (path, api, after_the_headers, in_the_end) in [
        (&sale_page, "/v1/reservations", false, "holding"),
        (&sale_page, "/v1/reservations", true, "holding"),
        (&"/orders".to_owned(), "/v1/orders", false, "orders"),
        (&order_page, "/v1/orders", false, "missing"),
    ] {
        front.stall(api, after_the_headers);
        browser.page.goto(&format!("{}{path}", front.url)).await.unwrap();
        until(&format!("{path} gives up"), 13, || async { (browser.state().await == "offline").then_some(()) }).await;
        is_no_wall(&browser).await;
        front.heal();
        browser.script("document.querySelector('#retry')?.click()").await;
        until(&format!("{path} goes on"), 20, || async { (browser.state().await == in_the_end).then_some(()) }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_api_is_shown_as_our_fault_and_a_lost_connection_is_not() {
    let (_client, browser, sale) = shop("ko-KR", 300, 5).await;
    let front = Front::start().await;
    browser.page.goto(&format!("{}/sales/{sale}", front.url)).await.unwrap();
    browser.until("open").await;
    be(&browser, "기다리는이").await;
    browser.until("open").await;
    front.refuse("/v1/reservations", 503);
    browser.click("#buy").await;
    browser.until("offline").await;
    let text = browser.text("#message").await;
    assert!(text.contains("저희 쪽에 접속이 많아") && text.contains("중복으로 구매되지 않습니다"), "{text}");
    front.heal();
    browser.until("holding").await;
    let offline = json!({"offline": true, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1});
    browser.devtools("Network.enable", json!({})).await;
    browser.devtools("Network.emulateNetworkConditions", offline).await;
    until("the page says so", 20, || async {
        browser.text("#banner").await.contains("인터넷 연결이 끊겼습니다").then_some(())
    })
    .await;
    assert_eq!(browser.state().await, "holding", "what is held stays on the screen");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_storage_is_forbidden_a_buyer_buys_all_the_same() {
    for language in LANGUAGES {
        let (client, browser, sale) = shop(language, 300, 5).await;
        let forbid = "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } })";
        browser.before_each_page(forbid).await;
        browser.open(&format!("/sales/{sale}")).await;
        browser.until("open").await;
        browser.click("#buy").await;
        browser.until("holding").await;
        // Nothing is remembered but the session, and the hold is found again.
        browser.page.refresh().await.unwrap();
        browser.until("holding").await;
        assert_eq!(browser.text("#heading").await, words(language, "h_holding"));
        assert_eq!(client.report(&sale).await["holds"]["HOLD"], 1);
        is_for_people(&browser).await;
        let names_the_user = "return document.querySelector('#bar [name=user_id]').value.length > 0";
        assert_eq!(browser.script(names_the_user).await, true, "the gateway's page knows who pays");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_out_buyer_is_asked_to_sign_in_before_the_press() {
    let (_client, browser, sale) = shop("en-US", 300, 5).await;
    let front = Front::start().await;
    front.be_production("https://accounts.example/login?return_to=x");
    browser.page.goto(&format!("{}/sales/{sale}", front.url)).await.unwrap();
    browser.until("open").await;
    assert_eq!(browser.text("#sign-in").await, "Sign in to buy");
    let href = browser.script("return document.querySelector('#sign-in').href").await;
    assert_eq!(href, "https://accounts.example/login?return_to=x");
    assert_eq!(browser.script("return document.querySelector('#buy')").await, serde_json::Value::Null);
    browser.page.goto(&format!("{}/orders", front.url)).await.unwrap();
    browser.until("signed_out").await;
    is_no_wall(&browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_a_page_with_a_heading_in_the_readers_language() {
    let browser = Browser::new("ko-KR").await;
    for (path, heading) in
        [("/sales/nosuch", "판매를 찾을 수 없습니다"), ("/no/such/page", "페이지를 찾을 수 없습니다")]
    {
        browser.open(path).await;
        assert_eq!(browser.text("h1").await, heading);
        is_no_wall(&browser).await;
        let status = "return performance.getEntriesByType('navigation')[0].responseStatus";
        assert_eq!(browser.script(status).await, 404);
    }
    // A program gets the document as before.
    let client = Client::new();
    let answer = client.send(client.request(reqwest::Method::GET, "/no/such/page")).await;
    assert_eq!(answer.refusal(), (404, "not_found".into()));
}
