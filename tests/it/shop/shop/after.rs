//! What a buyer changes on the page after the press: the quantity of what is held, and an order that is cancelled.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::notices::is_for_people;
use support::browser::Browser;
use support::client::{Client, until};
use support::page::{LANGUAGES, sign_in, won, words};

/// A sale whose buyers may cancel, three pairs a person.
async fn sale(client: &Client) -> String {
    let sale = format!("t-{}", Uuid::new_v4());
    let skus = json!([{"sku_id": "pair", "name": "운동화", "unit_price": 1000, "stock": 4, "max_per_user": 3}]);
    let body = json!({"sale_id": sale, "name": "한정판", "currency": "KRW", "buyer_cancel": true, "skus": skus});
    client.admin(Method::POST, "/v1/admin/sales", Some(body)).await.ok(201);
    sale
}

async fn held(client: &Client, sale: &str, qty: i64) -> Value {
    // A key of each sale.
    client.reserve("ann", sale, sale, json!([{"sku_id": "pair", "qty": qty}])).await.ok(201)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quantity_of_what_is_held_is_changed_on_the_page() {
    for language in LANGUAGES {
        let (client, browser) = (Client::new(), Browser::new(language).await);
        let sale = sale(&client).await;
        sign_in(&browser, &client, "ann").await;
        let hold = held(&client, &sale, 1).await;
        browser.open(&format!("/sales/{sale}")).await;
        browser.until("holding").await;
        browser.click("#more-pair").await;
        until("two pairs", 20, || async { browser.text("#pay").await.contains(&won(language, "2,000")).then_some(()) })
            .await;
        let focused = browser.script("return document.activeElement.id").await;
        assert_eq!(focused, "more-pair", "the focus stays where it was");
        // Another device is first: the page shows what it is now.
        let path = format!("/v1/reservations/{}", hold["hold_id"].as_str().unwrap());
        let other = client.buyer("ann", Method::PATCH, &path).header("if-match", "\"2\"");
        client.send(other.json(&json!({"items": [{"sku_id": "pair", "qty": 3}]}))).await.ok(200);
        browser.click("#fewer-pair").await;
        until("what the other device made of it", 20, || async {
            browser.text("#pay").await.contains(&won(language, "3,000")).then_some(())
        })
        .await;
        browser.click("#fewer-pair").await;
        until("two pairs again", 20, || async {
            browser.text("#pay").await.contains(&won(language, "2,000")).then_some(())
        })
        .await;
        is_for_people(&browser).await;
        assert_eq!(client.report(&sale).await["skus"][0]["held"], 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_cancelled_on_its_page_until_it_is_prepared_and_then_shows_its_tracking_number() {
    for language in LANGUAGES {
        let (client, browser) = (Client::new(), Browser::new(language).await);
        sign_in(&browser, &client, "ann").await;
        for cancels in [true, false] {
            let sale = sale(&client).await;
            let hold = held(&client, &sale, 1).await;
            let paid = client.pay(&format!("pay_{}", Uuid::new_v4()), &hold, "ann").await.ok(200);
            let order = format!("/orders/{}", paid["order_id"].as_str().unwrap());
            browser.open(&order).await;
            browser.until("bought").await;
            until("the button", 20, || async {
                (browser.script("return Boolean(document.querySelector('#cancel'))").await == true).then_some(())
            })
            .await;
            if cancels {
                browser.click("#cancel").await;
                browser.click("#cancel-confirm").await;
                browser.until("cancelled").await;
                assert_eq!(browser.text("#heading").await, words(language, "h_cancelled"));
                assert_eq!(client.report(&sale).await["skus"][0]["available"], 4);
                continue;
            }
            for (version, body) in
                [(1, json!({"status": "PREPARING"})), (2, json!({"status": "SHIPPED", "tracking": "CJ 77"}))]
            {
                let request = client.request(Method::PATCH, &format!("/v1/admin{order}"));
                let request = request.bearer_auth(client.setting("admin_token"));
                client.send(request.header("if-match", format!("\"{version}\"")).json(&body)).await.ok(200);
            }
            browser.page.refresh().await.unwrap();
            browser.until("bought").await;
            until("the tracking number", 20, || async { browser.text("#panel").await.contains("CJ 77").then_some(()) })
                .await;
            assert_eq!(browser.script("return Boolean(document.querySelector('#cancel'))").await, false);
            is_for_people(&browser).await;
        }
    }
}
