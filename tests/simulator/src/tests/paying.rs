//! What the payment page shows, what each of its buttons does, and where the buyer ends up.

use super::*;

#[tokio::test]
async fn a_press_sends_the_buyer_back_with_the_outcome() {
    let world = World::new().await;
    for (action, result, amounts) in [
        ("pay", "paid", vec![150_000]),
        ("decline", "declined", vec![]),
        ("pay_twice", "paid", vec![150_000, 150_000]),
        ("wrong_amount", "paid", vec![149_999]),
        ("pay_late", "paid", vec![150_000]),
        ("delay", "paid", vec![150_000]),
        ("repeat", "paid", vec![150_000; 3]),
        ("repeat_fresh", "paid", vec![150_000; 3]),
    ] {
        world.shop.received.lock().unwrap().clear();
        let (status, location) = world.press(&[("action", action), ("delay_s", "0"), ("times", "3")]).await;
        let prefix = format!("{}/sales/spring?x=1&payment_id=pay_", world.shop_url);
        assert_eq!(status, 303, "{action}");
        assert!(location.starts_with(&prefix) && location.ends_with(&format!("&result={result}")), "{location}");
        let received = world.received(amounts.len()).await;
        let sent: Vec<_> = received.iter().map(|r| data(r)["amount"].as_i64().unwrap()).collect();
        assert_eq!(sent, amounts, "{action}");
        let payments: HashSet<_> = received.iter().map(|r| data(r)["payment_id"].to_string()).collect();
        assert_eq!(payments.len(), if action == "pay_twice" { 2 } else { amounts.len().min(1) }, "{action}");
    }
}

#[tokio::test]
async fn a_late_payment_is_reported_after_the_holds_final_end() {
    let world = World::new().await;
    let expire_at = Timestamp::now() + Duration::from_millis(200);
    world.press(&[("action", "pay_late"), ("expire_at", &expire_at.to_string())]).await;
    assert!(world.received(1).await[0].at >= expire_at + Duration::from_secs(11));
}

#[tokio::test]
async fn a_double_click_pays_once() {
    let world = World::new().await;
    let fields = [("action", "pay"), ("checkout", "c1")];
    let (first, second) = tokio::join!(world.press(&fields), world.press(&fields));
    assert_eq!(first, second);
    let (_, other_page) = world.press(&[("action", "pay"), ("checkout", "c2")]).await;
    assert_ne!(first.1, other_page);
    assert_eq!(world.received(2).await.len(), 2);
}

#[tokio::test]
async fn the_page_takes_no_money_for_an_unreadable_order() {
    let world = World::new().await;
    for field in [
        ("return_url", "http://evil.example/"),
        ("return_url", "//evil.example/"),
        ("amount", "-5"),
        ("amount", "many"),
        ("expire_at", "later"),
        ("hold_id", ""),
        ("delay_s", "3601"),
    ] {
        let (status, location) = world.press(&[field, ("action", "delay")]).await;
        assert_eq!((status, location.as_str()), (400, ""), "{field:?}");
    }
    let page = world
        .get("/pay?hold_id=h&user_id=u&amount=1&currency=KRW&expire_at=2026-01-15T05:05:00Z&return_url=//x/")
        .await;
    assert_eq!(page.status(), 400);
    assert!(world.get("/payments").await.json::<Value>().await.unwrap()["payments"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn the_page_shows_the_order_and_lets_nothing_in() {
    let world = World::new().await;
    let path = "/pay?hold_id=h1&user_id=%ED%99%8D%EA%B8%B8%EB%8F%99&amount=150000&currency=KRW\
                &name=%3Cscript%3Ealert(1)%3C/script%3E&expire_at=2026-01-15T05:05:00Z&return_url=/%22%3E%3Cb%3E";
    for (language, money, title) in [("ko-KR,ko;q=0.9", "150,000원", "테스트 도구"), ("en", "₩150,000", "Test tools")]
    {
        let request = world.client.get(format!("{}{path}", world.gateway.url)).header("accept-language", language);
        let answer = request.send().await.unwrap();
        let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert!(policy.contains(&format!("form-action 'self' {};", world.shop_url)), "{policy}");
        let html = answer.text().await.unwrap();
        for part in [money, title, "홍길동", "&lt;script&gt;alert(1)", r#"value="/&quot;&gt;&lt;b&gt;""#] {
            assert!(html.contains(part), "{part} is not in the page");
        }
        assert!(!html.contains("<script>alert") && !html.contains("{{"), "{html}");
    }
    for (path, kind) in [("/pay.css", "text/css"), ("/pay.js", "text/javascript")] {
        assert!(world.get(path).await.headers()["content-type"].to_str().unwrap().starts_with(kind));
    }
}
