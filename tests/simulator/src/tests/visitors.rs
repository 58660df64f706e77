//! Whom the gateway turns away: pages that are neither its own nor the shop's.

use super::*;

#[tokio::test]
async fn no_foreign_page_can_make_or_read_a_payment() {
    let world = World::new().await;
    let payments = async || world.get("/payments").await.json::<Value>().await.unwrap();
    let before = payments().await;
    let (evil, null) = ([("origin", "https://evil.example")], [("origin", "null")]);
    let cross = [("sec-fetch-site", "cross-site")];
    let rebound = [("host", "evil.example:8790"), ("origin", "http://evil.example:8790")];
    for headers in [&evil[..], &null, &cross, &rebound] {
        assert_eq!(world.press_from(headers, &[("action", "pay")]).await.0, 403, "{headers:?}");
        for path in ["/payments", "/faults", "/payments/pay_1/dispute", "/toss/v1/payments/confirm"] {
            let request = world.client.post(format!("{}{path}", world.gateway.url)).body("{}");
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            assert_eq!(request.send().await.unwrap().status(), 403, "{headers:?} {path}");
        }
    }
    let request = world.client.get(format!("{}/payments", world.gateway.url)).header("host", "evil.example:8790");
    assert_eq!(request.send().await.unwrap().status(), 403);
    assert_eq!(payments().await, before);
    for origin in [&world.gateway.url, &world.shop_url] {
        let headers = [("origin", origin.as_str()), ("sec-fetch-site", "same-site")];
        assert_eq!(world.press_from(&headers, &[("action", "pay")]).await.0, 303, "{origin}");
    }
}

/// Or a browser would say "null" of the page's own form.
#[tokio::test]
async fn the_page_lets_its_browser_say_where_its_form_comes_from() {
    let world = World::new().await;
    let page = world.get("/pay").await;
    assert_eq!(page.headers()["referrer-policy"], "same-origin");
}
