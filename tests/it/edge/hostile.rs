//! Hostile requests: invalid tokens, ids of other users, bytes that would become a header or a line of a log, bodies
//! without an end. On the real stack, in raw bytes where no client would send them.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use uuid::Uuid;

use support::client::{Client, until};

const NOBODYS: &str = "00000000-0000-7000-8000-000000000000";

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Every route that needs a caller.
fn of_buyers() -> [(Method, String); 8] {
    [
        (Method::POST, "/v1/reservations".into()),
        (Method::GET, "/v1/reservations?status=HOLD".into()),
        (Method::POST, format!("/v1/reservations/{NOBODYS}/pay")),
        (Method::GET, "/v1/orders".into()),
        (Method::GET, format!("/v1/reservations/{NOBODYS}")),
        (Method::DELETE, format!("/v1/reservations/{NOBODYS}")),
        (Method::GET, format!("/v1/orders/{NOBODYS}")),
        (Method::GET, format!("/v1/orders?hold_id={NOBODYS}")),
    ]
}

#[tokio::test]
async fn a_token_that_proves_nothing_opens_no_route() {
    let client = Client::new();
    let (hs256, exp) = (json!({"alg": "HS256", "typ": "JWT"}), now_s() + 60);
    let claims = json!({"sub": "ann", "exp": exp});
    let encoded = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let unsigned = |alg: &str| format!("{}.{}.", encoded(&json!({"alg": alg})), encoded(&claims));
    let good = client.token("ann");
    let (head, signature) = good.rsplit_once('.').unwrap();
    let tokens = [
        ("nothing signed, alg none", unsigned("none")),
        ("nothing signed, alg None", unsigned("None")),
        ("nothing signed, alg HS256", unsigned("HS256")),
        ("signed and alg none", client.token_of(&json!({"alg": "none"}), &claims)),
        ("another algorithm's name over our own", client.token_of(&json!({"alg": "RS256"}), &claims)),
        ("a list of algorithms", client.token_of(&json!({"alg": ["HS256"]}), &claims)),
        ("no algorithm", client.token_of(&json!({"typ": "JWT"}), &claims)),
        ("an extension we do not know", client.token_of(&json!({"alg": "HS256", "crit": ["x"], "x": 1}), &claims)),
        ("another key", support::client::token("another secret of thirty-two bytes and more", &hs256, &claims)),
        ("the operator's token as key", support::client::token(client.setting("admin_token"), &hs256, &claims)),
        ("the operator's token", client.setting("admin_token").to_owned()),
        ("no exp", client.token_of(&hs256, &json!({"sub": "ann"}))),
        ("over", client.token_of(&hs256, &json!({"sub": "ann", "exp": now_s() - 6}))),
        ("over, in milliseconds below zero", client.token_of(&hs256, &json!({"sub": "ann", "exp": -1e300}))),
        ("not yet", client.token_of(&hs256, &json!({"sub": "ann", "exp": exp, "nbf": now_s() + 30}))),
        ("an id with a line feed", client.token_of(&hs256, &json!({"sub": "ann\n{}", "exp": exp}))),
        ("an id with an invisible character", client.token_of(&hs256, &json!({"sub": "ann\u{200b}", "exp": exp}))),
        ("an id that turns the text around", client.token_of(&hs256, &json!({"sub": "\u{202e}ann", "exp": exp}))),
        ("an id of white space", client.token_of(&hs256, &json!({"sub": "\u{3000} ", "exp": exp}))),
        ("huge", client.token_of(&hs256, &json!({"sub": "ann", "exp": exp, "x": "x".repeat(6_000)}))),
        ("not base64", format!("{head}.!{}", &signature[1..])),
        ("base64 with padding", format!("{good}=")),
        ("base64 of the other alphabet", format!("{head}.{}", signature.replace(['-', '_'], "+") + "/")),
        ("five parts", format!("{good}.a.b")),
        ("cut", good[..good.len() - 2].to_owned()),
    ];
    for (why, token) in &tokens {
        for (method, path) in of_buyers() {
            for request in [
                client.request(method.clone(), &path).bearer_auth(token),
                client.request(method.clone(), &path).header("cookie", format!("holdfast_session={token}")),
            ] {
                let answer = client.send(request).await;
                assert_eq!(answer.refusal(), (401, "unauthenticated".into()), "{why}: {method} {path}");
            }
        }
    }
    for (method, path) in [
        (Method::POST, "/v1/admin/sales"),
        (Method::PATCH, "/v1/admin/sales/spring-drop"),
        (Method::GET, "/v1/admin/sales/spring-drop/report"),
        (Method::POST, "/v1/admin/skus/a/stock"),
        (Method::GET, "/v1/admin/orders/00000000-0000-7000-8000-000000000000"),
    ] {
        let half = &client.setting("admin_token")[..16];
        for token in [good.as_str(), "", half] {
            let answer = client.send(client.request(method.clone(), path).bearer_auth(token)).await;
            assert_eq!(answer.refusal(), (401, "unauthenticated".into()), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn another_users_resources_are_not_found() {
    let client = Client::new();
    let sale = client.sale(300, &[("a", 9, 1)]).await;
    let items = json!([{"sku_id": "a", "qty": 1}]);
    let held = client.reserve("ann", "k", &sale, items.clone()).await.ok(201);
    let bought = client.reserve("bob", "k", &sale, items).await.ok(201);
    let order = client.pay(&format!("pay_{}", Uuid::new_v4()), &bought, "bob").await.ok(200);
    let (hold, paid) = (held["hold_id"].as_str().unwrap(), bought["hold_id"].as_str().unwrap());
    let order = order["order_id"].as_str().unwrap();
    for (method, path, id) in [
        (Method::GET, "/v1/reservations/", hold),
        (Method::DELETE, "/v1/reservations/", hold),
        (Method::GET, "/v1/reservations/", paid),
        (Method::DELETE, "/v1/reservations/", paid),
        (Method::GET, "/v1/orders/", order),
        (Method::GET, "/v1/orders?hold_id=", paid),
    ] {
        let theirs = client.send(client.buyer("eve", method.clone(), &format!("{path}{id}"))).await;
        let nobodys = client.send(client.buyer("eve", method, &format!("{path}{NOBODYS}"))).await;
        assert_eq!(theirs.refusal(), (404, "not_found".into()));
        assert_eq!(theirs.text, nobodys.text, "nothing tells the two apart");
    }
    for list in ["reservations", "orders"] {
        let seen = client.get("eve", &format!("/v1/{list}?sale_id={sale}")).await.ok(200);
        assert_eq!(seen, json!({list: [], "next": null}));
    }
    for id in [hold, paid, NOBODYS] {
        let path = format!("/v1/reservations/{id}/pay");
        let refused = client.send(client.buyer("eve", Method::POST, &path).json(&json!({"method": "free"}))).await;
        assert_eq!(refused.refusal(), (404, "not_found".into()), "nor what they cost");
    }
    // Nor does another user's key, nor a payment in another user's name.
    let report = client.report(&sale).await;
    assert_eq!((&report["holds"]["HOLD"], &report["holds"]["COMMITTED"]), (&json!(1), &json!(1)));
    let other = client.pay(&format!("pay_{}", Uuid::new_v4()), &held, "eve").await.ok(200);
    assert_eq!(other, json!({"result": "refund_required", "reason": "user_mismatch"}));
    assert_eq!(client.get("ann", &format!("/v1/reservations/{hold}")).await.ok(200)["status"], "HOLD");
}

/// A connection to the edge, for what no client would send.
async fn raw(client: &Client) -> TcpStream {
    TcpStream::connect(client.setting("edge_url").strip_prefix("http://").unwrap()).await.unwrap()
}

/// What comes back, until the edge has nothing more to say.
async fn answer_to(client: &Client, request: &[u8]) -> String {
    let mut stream = raw(client).await;
    stream.write_all(request).await.unwrap();
    read_answer(&mut stream, Duration::from_secs(20)).await
}

async fn read_answer(stream: &mut TcpStream, within: Duration) -> String {
    let mut answer = Vec::new();
    let deadline = Instant::now() + within;
    while !complete(&answer) {
        let mut chunk = [0; 4_096];
        let left = deadline.saturating_duration_since(Instant::now());
        match timeout(left, stream.read(&mut chunk)).await.expect("an answer in time") {
            Ok(0) | Err(_) => break,
            Ok(read) => answer.extend_from_slice(&chunk[..read]),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn complete(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    length.is_some_and(|length: usize| body.len() >= length)
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
}

#[tokio::test]
async fn nothing_of_a_request_becomes_a_header_of_the_answer() {
    let client = Client::new();
    let marker = Uuid::new_v4().simple().to_string();
    let token = client.token(&client.user("ann"));
    for (name, value) in [
        ("Idempotency-Key", format!("{marker}\r X-Injected: {marker}")),
        ("Idempotency-Key", format!("{marker}\u{1}\u{7f}")),
        ("Origin", format!("https://{marker}.example")),
        ("traceparent", format!("00-{marker}-00f067aa0ba902b7-01")),
        ("X-Request-Id", marker.clone()),
        ("If-None-Match", format!("\"{marker}\"")),
        ("CF-Connecting-IP", marker.clone()),
        ("Accept-Language", format!("{marker}, ko")),
    ] {
        for (line, path) in
            [("POST", "/v1/reservations"), ("GET", "/v1/sales"), ("GET", "/"), ("GET", "/v1/x%0d%0aX-Injected:%20y")]
        {
            let head = format!(
                "{line} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
                 Content-Length: 2\r\n{name}: {value}\r\n\r\n{{}}"
            );
            let answer = answer_to(&client, head.as_bytes()).await;
            let head = answer.split("\r\n\r\n").next().unwrap().to_lowercase();
            assert!((200..500).contains(&status(&answer)), "{name}, {path}: {answer}");
            assert!(!head.contains(&marker) && !head.contains("x-injected"), "{name}, {path}: {head}");
        }
    }
}

fn log_lines() -> Vec<String> {
    let dir = PathBuf::from(std::env::var("HOLDFAST_STACK").unwrap()).parent().unwrap().join("logs");
    let ours =
        |name: &str| ["edge", "reserve-", "lookup-", "confirm-", "admin-"].iter().any(|part| name.starts_with(part));
    std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| ours(&path.file_name().unwrap().to_string_lossy()))
        .flat_map(|path| {
            let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
            text.lines().map(ToOwned::to_owned).collect::<Vec<_>>()
        })
        .collect()
}

#[tokio::test]
async fn nothing_of_a_request_becomes_a_line_of_a_log() {
    let client = Client::new();
    let sale = client.sale(300, &[("a", 9, 1)]).await;
    let marker = Uuid::new_v4().simple().to_string();
    // All that a W3C parent of a later version may carry, a JSON object that wants to be a line among it.
    let parent = format!("cc-{marker}-00f067aa0ba902b7-01-\"}}{{\"level\":\"FATAL\",\"verb\":\"{marker}\"}}");
    let user = format!("{marker}\"}},{{\"level\":\"FATAL\"");
    let key = format!("{marker}\"}}{{\"level\":\"FATAL\"}}");
    let reserving = client.reserving(&user, &key, &sale, json!([{"sku_id": "a", "qty": 1}]));
    let hold = client.send(reserving.header("traceparent", parent.clone())).await.ok(201);
    client.pay(&format!("{marker}\u{2028}\"}}{{\"level\":\"FATAL\"}}"), &hold, &user).await.ok(200);
    let wrong = format!("/v1/sales/{marker}%0a%7b%22level%22:%22FATAL%22%7d");
    assert_eq!(client.send(client.request(Method::GET, &wrong)).await.status, 404);
    let line = until("the line is written", 5, || async {
        log_lines().into_iter().find(|line| line.contains(&marker) && line.contains("\"reserve\""))
    })
    .await;
    let line: Value = serde_json::from_str(&line).expect("a line is one JSON object");
    assert_eq!(line["traceparent"], parent);
    for line in log_lines().into_iter().filter(|line| line.contains(&marker) || line.contains("FATAL")) {
        let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not one JSON object: {line}"));
        assert_ne!(line["level"], "FATAL", "{line}");
        let text = line.to_string();
        assert!(!text.contains("\u{2028}") && text.matches(&marker).count() <= 2, "only the trace is in a log: {line}");
    }
}

fn posting(token: &str, framing: &str) -> String {
    format!(
        "POST /v1/reservations HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: k\r\n\
         Content-Type: application/json\r\n{framing}\r\n\r\n"
    )
}

#[tokio::test]
async fn a_body_without_an_end_is_refused_at_its_bound() {
    let client = Client::new();
    let posted = posting(&client.token(&client.user("endless")), "Transfer-Encoding: chunked");
    refused_while_it_is_read(&client, &posted).await;
    // A gateway's message may be longer, up to its own bound, signed or not.
    for gateway in payments::NAMES {
        let head = format!(
            "POST /v1/webhooks/{gateway} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Transfer-Encoding: chunked\r\n\r\n"
        );
        refused_while_it_is_read(&client, &head).await;
    }
}

async fn refused_while_it_is_read(client: &Client, head: &str) {
    let mut stream = raw(client).await;
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let mut answer = Vec::new();
    let endless = async {
        let chunk = format!("400\r\n{}\r\n", " ".repeat(1_024));
        let mut sent = 0_usize;
        // Until the edge hangs up: it has no use for the rest.
        while sent < 64 << 20 && writing.write_all(chunk.as_bytes()).await.is_ok() {
            sent += 1_024;
            tokio::task::yield_now().await;
        }
        assert!(sent < 64 << 20, "{sent} bytes were taken without an answer");
        // It has hung up; its answer may still be on its way to us.
        std::future::pending::<()>().await;
    };
    let answered = async {
        let mut chunk = [0; 4_096];
        while !complete(&answer) {
            let read = reading.read(&mut chunk).await.unwrap();
            assert!(read > 0, "an answer before the end");
            answer.extend_from_slice(&chunk[..read]);
        }
    };
    tokio::select! {
        () = answered => {}
        () = endless => {}
        () = tokio::time::sleep(Duration::from_secs(9)) => panic!("no answer while the body goes on"),
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(status(&answer) == 413 && answer.contains("payload_too_large"), "{answer}");
}

#[tokio::test]
async fn a_body_that_stops_coming_is_given_up() {
    let client = Client::new();
    for (name, framing, part) in [
        ("announced", "Content-Length: 1000", "{\"sale_id\":"),
        ("chunked", "Transfer-Encoding: chunked", "b\r\n{\"sale_id\":\r\n"),
    ] {
        let mut stream = raw(&client).await;
        let head = posting(&client.token(&client.user(name)), framing);
        stream.write_all((head + part).as_bytes()).await.unwrap();
        let began = Instant::now();
        let answer = read_answer(&mut stream, Duration::from_secs(15)).await;
        assert!(status(&answer) == 400 && answer.contains("malformed_request"), "{name}: {answer}");
        assert!(began.elapsed() >= Duration::from_secs(9), "{name}: a slow line is given its time");
    }
    // One that comes in pieces, in time, is read.
    let mut stream = raw(&client).await;
    let body = r#"{"sale_id":"no-such","items":[{"sku_id":"a","qty":1}]}"#;
    let head = posting(&client.token(&client.user("slow")), &format!("Content-Length: {}", body.len()));
    stream.write_all(head.as_bytes()).await.unwrap();
    for byte in body.as_bytes().chunks(8) {
        stream.write_all(byte).await.unwrap();
        stream.flush().await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(status(&read_answer(&mut stream, Duration::from_secs(10)).await), 404);
}

#[tokio::test]
async fn ambiguous_json_is_malformed() {
    let client = Client::new();
    let send = async |content_type: &str, body: Vec<u8>| {
        let user = format!("u-{}", Uuid::new_v4());
        let request = client.buyer(&user, Method::POST, "/v1/reservations").header("idempotency-key", "k");
        client.send(request.header("content-type", content_type).body(body)).await.refusal()
    };
    let malformed = (400, "malformed_request".to_owned());
    let cart = |line: &str| format!("{{\"sale_id\":\"no-such\",\"items\":[{line}]}}").into_bytes();
    for body in [
        b"{\"sale_id\":\"\xff\xfe\",\"items\":[]}".to_vec(),
        b"\xef\xbb\xbf{\"sale_id\":\"no-such\",\"items\":[]}".to_vec(),
        "{\"sale_id\":\"no-such\"".encode_utf16().flat_map(u16::to_le_bytes).collect(),
        cart(r#"{"sku_id":"\ud800","qty":1}"#),
        cart(r#"{"sku_id":"a","qty":1,"qty":2}"#),
        cart(r#"{"sku_id":"a","sku_id":"b","qty":1}"#),
        cart(r#"{"sku_id":"a","qty":01}"#),
        cart(r#"{"sku_id":"a","qty":1e400}"#),
        cart(r#"{"sku_id":"a","qty":NaN}"#),
        cart(r#"{"sku_id":"a","qty":0x1}"#),
        cart(r#"{"sku_id":"a","qty":1e-1}"#),
        cart(r#"["a",1]"#),
        cart(&("[".repeat(8_000) + &"]".repeat(8_000))),
        cart(&(r#"{"a":"#.repeat(2_500) + "1" + &"}".repeat(2_500))),
    ] {
        assert_eq!(send("application/json", body.clone()).await, malformed, "{}", String::from_utf8_lossy(&body));
    }
    // One however it is written, and therefore a sale that is not there.
    for qty in ["1e0", "1.0", "100e-2"] {
        let body = cart(&format!(r#"{{"sku_id":"a","qty":{qty}}}"#));
        assert_eq!(send("application/json", body).await, (404, "not_found".to_owned()), "{qty}");
    }
    let fine = cart(r#"{"sku_id":"a","qty":1}"#);
    for other in [
        "text/json",
        "application/json5",
        "application/problem+json",
        "json",
        "application/ json",
        "text/plain, application/json",
        "application/json; charset=utf-16",
        "application/json; charset=iso-8859-1",
    ] {
        assert_eq!(send(other, fine.clone()).await, (415, "unsupported_media_type".to_owned()), "{other}");
    }
    let unsupported = (415, "unsupported_media_type".to_owned());
    for packed in ["gzip", "deflate", "identity, br"] {
        let reserving = client.reserving("ann", "k", "no-such", json!([{"sku_id": "a", "qty": 1}]));
        let refused = client.send(reserving.header("content-encoding", packed)).await;
        assert_eq!(
            (refused.refusal(), refused.header("accept-encoding")),
            (unsupported.clone(), Some("identity")),
            "{packed}"
        );
        // Of a gateway the signature counts first.
        let event = || client.webhook("m", 0, r#"{"type":"other"}"#).header("content-encoding", packed);
        assert_eq!(client.send(event()).await.refusal(), unsupported, "{packed}");
        let forged = client.send(event().header("webhook-id", "another")).await;
        assert_eq!(forged.refusal(), (401, "signature_invalid".to_owned()), "{packed}");
    }
    let odd = b"{\"type\":\"payment.failed\",\"note\":\"\xff\"}".as_slice();
    let refused = client.send(client.webhook_of("m", 0, odd)).await;
    assert_eq!(refused.refusal(), malformed, "not UTF-8 in an unread member");
    // What a gateway adds to an event is its own, however deep it goes: it is read over, and the answer is quick.
    let deep = "[".repeat(7_000) + &"]".repeat(7_000);
    let began = Instant::now();
    let event = client.send(client.webhook("m", 0, &format!(r#"{{"type":"other","x":{deep}}}"#))).await;
    assert!(matches!(event.status, 200 | 400) && began.elapsed() < Duration::from_secs(2), "{event:?}");
}

#[tokio::test]
async fn a_year_that_the_database_does_not_have_is_named_and_not_a_failure() {
    let client = Client::new();
    for time in
        ["0000-06-01T00:00:00Z", "0001-01-01T00:00:00+09:00", "-009999-01-02T00:00:00Z", "+012345-01-01T00:00:00Z"]
    {
        let sale = json!({"sale_id": format!("t-{}", Uuid::new_v4()), "name": "x", "currency": "KRW", "opens_at": time,
                          "skus": [{"sku_id": "a", "name": "a", "unit_price": 1, "stock": 1}]});
        let refused = client.admin(Method::POST, "/v1/admin/sales", Some(sale)).await;
        assert_eq!(refused.refusal(), (422, "invalid_request".into()), "{time}");
        assert_eq!(refused.body["errors"][0]["pointer"], "/opens_at", "{time}");
    }
}
