//! The edge: refusals in the order of the contract, tokens, sizes, keys, limits, signatures. In workerd.

use std::time::{SystemTime, UNIX_EPOCH};

use load::bench::edge as bench;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use support::client::{Client, address, paid};

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// `POST /v1/reservations` with this body, by a user who is not rate limited yet.
fn posting(client: &Client, body: impl Into<String>) -> RequestBuilder {
    client
        .buyer(&format!("u-{}", Uuid::new_v4()), Method::POST, "/v1/reservations")
        .header("content-type", "application/json")
        .header("idempotency-key", "k")
        .body(body.into())
}

#[tokio::test]
async fn unknown_paths_and_methods_are_refused_before_anything_else() {
    let client = Client::new();
    for path in ["/nothing", "/v1", "/v1/reservations/x/y", "/v1/reservations/not-a-uuid", "/v1/orders/not-a-uuid"] {
        let answer = client.get("ann", path).await;
        assert_eq!(answer.refusal(), (404, "not_found".into()), "{path}");
    }
    for (method, path, allow) in [
        (Method::PUT, "/v1/reservations", "POST"),
        (Method::POST, "/v1/sales/x", "GET"),
        (Method::GET, "/v1/webhooks/standard", "POST"),
        (Method::DELETE, "/v1/admin/sales", "POST"),
    ] {
        let answer = client.send(client.request(method, path)).await;
        assert_eq!(answer.refusal(), (405, "method_not_allowed".into()), "{path}");
        assert!(answer.header("allow").unwrap().contains(allow), "{answer:?}");
    }
}

#[tokio::test]
async fn each_refusal_comes_before_the_ones_below_it() {
    let client = Client::new();
    let large = "x".repeat(16 * 1024 + 1);
    let user = |name: &str| client.buyer(&format!("{name}-{}", Uuid::new_v4()), Method::POST, "/v1/reservations");
    // No token, and all else wrong too.
    let bare =
        client.request(Method::POST, "/v1/reservations").header("content-type", "text/plain").body(large.clone());
    let refused = client.send(bare).await;
    assert_eq!(refused.refusal(), (401, "unauthenticated".into()));
    assert!(refused.header("www-authenticate").unwrap().starts_with("Bearer"));
    for (request, status, code) in [
        (user("a").header("content-type", "text/plain").body(large), 413, "payload_too_large"),
        (user("a").header("content-type", "text/plain").body("x"), 415, "unsupported_media_type"),
        (user("a").body("x"), 415, "unsupported_media_type"),
        (user("a").header("content-type", "application/json").body("x"), 400, "malformed_request"),
        (
            user("a").header("content-type", "application/json; charset=utf-8").body(r#"{"sale_id":"S!","items":[]}"#),
            422,
            "invalid_request",
        ),
        (
            user("a").json(&json!({"sale_id": "no-such", "items": [{"sku_id": "a", "qty": 1}]})),
            400,
            "idempotency_key_missing",
        ),
        (
            user("a")
                .header("idempotency-key", "two words")
                .json(&json!({"sale_id": "no-such", "items": [{"sku_id": "a", "qty": 1}]})),
            400,
            "idempotency_key_invalid",
        ),
        (
            user("a")
                .header("idempotency-key", "k")
                .json(&json!({"sale_id": "no-such", "items": [{"sku_id": "a", "qty": 1}]})),
            404,
            "not_found",
        ),
    ] {
        assert_eq!(client.send(request).await.refusal(), (status, code.into()));
    }
}

#[tokio::test]
async fn a_body_of_sixteen_kibibytes_is_read_and_one_byte_more_is_not() {
    let client = Client::new();
    let body = |length: usize| format!("{{\"sale_id\":\"no-such\",\"items\":[{}]}}", " ".repeat(length - 32));
    assert_eq!(client.send(posting(&client, body(16 * 1024))).await.refusal().0, 422);
    assert_eq!(client.send(posting(&client, body(16 * 1024 + 1))).await.refusal(), (413, "payload_too_large".into()));
}

/// It is refused before its body is read; the answer comes every time, however much is still on its way.
#[tokio::test]
async fn a_long_body_of_somebody_who_may_not_send_it_is_refused_with_an_answer() {
    let client = Client::new();
    let long = format!("{{\"reason\":\"{}\"}}", "x".repeat(1_000_000));
    for _ in 0..50 {
        let bare = client.request(Method::POST, "/v1/admin/sales").header("content-type", "application/json");
        assert_eq!(client.send(bare.body(long.clone())).await.refusal(), (401, "unauthenticated".into()));
    }
}

#[tokio::test]
async fn a_wrong_shape_is_malformed_and_a_value_out_of_bounds_is_named() {
    let client = Client::new();
    let items = |items: &str| format!("{{\"sale_id\":\"no-such\",\"items\":{items}}}");
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    for malformed in [
        String::new(),
        "null".into(),
        "[]".into(),
        "{".into(),
        deep.clone(),
        items(&deep),
        items("{}"),
        items("[{\"sku_id\":\"a\"}]"),
        items("[{\"sku_id\":\"a\",\"qty\":\"1\"}]"),
        items("[{\"sku_id\":\"a\",\"qty\":1.5}]"),
        items("[{\"sku_id\":\"a\",\"qty\":1,\"color\":\"red\"}]"),
        items("[{\"sku_id\":\"a\",\"qty\":1}]") + "x",
        "{\"sale_id\":\"a\",\"sale_id\":\"b\",\"items\":[]}".into(),
    ] {
        let answer = client.send(posting(&client, malformed.clone())).await;
        assert_eq!(answer.refusal(), (400, "malformed_request".into()), "{malformed:.80}");
    }
    let eleven = format!("[{}]", ["{\"sku_id\":\"a\",\"qty\":1}"; 11].join(","));
    for (invalid, pointer) in [
        (items("[]"), "/items"),
        (items(&eleven), "/items"),
        (items("[{\"sku_id\":\"a\",\"qty\":0}]"), "/items/0/qty"),
        (items("[{\"sku_id\":\"a\",\"qty\":-1}]"), "/items/0/qty"),
        (items("[{\"sku_id\":\"a\",\"qty\":101}]"), "/items/0/qty"),
        (items("[{\"sku_id\":\"a\",\"qty\":1e9}]"), "/items/0/qty"),
        (items("[{\"sku_id\":\"a\",\"qty\":1e300}]"), "/items/0/qty"),
        (items("[{\"sku_id\":\"a\\u0000\",\"qty\":1}]"), "/items/0/sku_id"),
        (items("[{\"sku_id\":\"\",\"qty\":1}]"), "/items/0/sku_id"),
        (items("[{\"sku_id\":\"a\",\"qty\":1},{\"sku_id\":\"a\",\"qty\":1}]"), "/items/1/sku_id"),
        ("{\"sale_id\":\"\\u0000\",\"items\":[{\"sku_id\":\"a\",\"qty\":1}]}".into(), "/sale_id"),
    ] {
        let answer = client.send(posting(&client, invalid.clone())).await;
        assert_eq!(answer.refusal(), (422, "invalid_request".into()), "{invalid:.80}");
        let errors = answer.body["errors"].as_array().unwrap();
        assert!(errors.iter().any(|error| error["pointer"] == pointer), "{invalid:.80}: {errors:?}");
    }
}

#[tokio::test]
async fn a_key_bare_or_quoted_is_one_key_and_its_form_is_checked() {
    let client = Client::new();
    let sale = client.sale(300, &[("a", 9, 1)]).await;
    let items = json!([{"sku_id": "a", "qty": 1}]);
    let user = "홍길동";
    let bare = client.reserve(user, "key-1", &sale, items.clone()).await;
    assert_eq!(bare.status, 201, "{bare:?}");
    let quoted = client.reserve(user, "\"key-1\"", &sale, items.clone()).await;
    assert_eq!((quoted.status, &quoted.text), (201, &bare.text));
    assert_eq!(quoted.header("idempotent-replayed"), Some("true"));
    // Members in another order and other white space are the same body; another quantity is not.
    let spaced = format!("{{ \"items\" : [ {{\"qty\":1, \"sku_id\":\"a\"}} ], \"sale_id\": \"{sale}\" }}");
    let request = client.buyer(user, Method::POST, "/v1/reservations").header("idempotency-key", "key-1");
    let same = client.send(request.header("content-type", "application/json").body(spaced)).await;
    assert_eq!((same.status, &same.text), (201, &bare.text));
    let other = client.reserve(user, "key-1", &sale, json!([{"sku_id": "a", "qty": 2}])).await;
    assert_eq!(other.refusal(), (422, "idempotency_key_reused".into()));

    let fresh = || format!("u-{}", Uuid::new_v4());
    for key in ["", "\"\"", "\"unterminated", "two words", "\"two words\"", &"k".repeat(256), "\"k\";a=1"] {
        let answer = client.reserve(&fresh(), key, &sale, items.clone()).await;
        assert_eq!(answer.refusal(), (400, "idempotency_key_invalid".into()), "{key:?}");
    }
    assert_eq!(client.reserve(&fresh(), &"k".repeat(255), &sale, items).await.status, 201);
}

#[tokio::test]
async fn only_a_valid_token_within_its_time_is_accepted() {
    let client = Client::new();
    let (header, exp) = (json!({"alg": "HS256", "typ": "JWT"}), now_s() + 60);
    let none = {
        let token = client.token_of(&json!({"alg": "none"}), &json!({"sub": "ann", "exp": exp}));
        token.rsplit_once('.').unwrap().0.to_owned() + "."
    };
    let good = client.token("ann");
    let tampered = {
        let other = client.token("bob");
        let (head, signature) = (other.rsplit_once('.').unwrap().0, good.rsplit_once('.').unwrap().1);
        format!("{head}.{signature}")
    };
    for (why, token) in [
        ("alg none", none),
        ("another alg", client.token_of(&json!({"alg": "HS512"}), &json!({"sub": "ann", "exp": exp}))),
        ("alg in lower case", client.token_of(&json!({"alg": "hs256"}), &json!({"sub": "ann", "exp": exp}))),
        ("expired", client.token_of(&header, &json!({"sub": "ann", "exp": now_s() - 6}))),
        ("no exp", client.token_of(&header, &json!({"sub": "ann"}))),
        ("exp a string", client.token_of(&header, &json!({"sub": "ann", "exp": exp.to_string()}))),
        ("no sub", client.token_of(&header, &json!({"exp": exp}))),
        ("an empty sub", client.token_of(&header, &json!({"sub": "", "exp": exp}))),
        ("a long sub", client.token_of(&header, &json!({"sub": "가".repeat(129), "exp": exp}))),
        ("a NUL in the sub", client.token_of(&header, &json!({"sub": "a\u{0}b", "exp": exp}))),
        ("another key", support::client::token("another secret", &header, &json!({"sub": "ann", "exp": exp}))),
        ("another's signature", tampered),
        ("no token at all", "x".into()),
    ] {
        let request = client.request(Method::GET, "/v1/orders?hold_id=00000000-0000-7000-8000-000000000000");
        let answer = client.send(request.bearer_auth(token)).await;
        assert_eq!(answer.refusal(), (401, "unauthenticated".into()), "{why}");
    }
    let longest = client.token("가".repeat(128).as_str());
    let request = client.request(Method::GET, "/v1/orders?hold_id=00000000-0000-7000-8000-000000000000");
    assert_eq!(client.send(request.bearer_auth(longest)).await.refusal().0, 404);
}

#[tokio::test]
async fn the_development_session_is_a_token_and_a_cookie() {
    let client = Client::new();
    let made = client.send(client.request(Method::POST, "/dev/session").json(&json!({"user_id": "홍길동"}))).await;
    assert_eq!(made.status, 200, "{made:?}");
    let cookie = made.header("set-cookie").unwrap();
    assert!(cookie.starts_with("holdfast_session=") && cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"));
    let pair = cookie.split(';').next().unwrap();
    assert_eq!(pair.split_once('=').unwrap().1, made.body["token"]);
    let request = client.request(Method::GET, "/v1/orders?hold_id=00000000-0000-7000-8000-000000000000");
    assert_eq!(client.send(request.header("cookie", pair)).await.refusal().0, 404);
}

#[tokio::test]
async fn a_user_gets_a_burst_of_twenty_and_then_a_retry_after() {
    let client = Client::new();
    let user = format!("eager-{}", Uuid::new_v4());
    let mut statuses = Vec::new();
    for _ in 0..40 {
        // Each of them malformed: the limit is looked at first all the same.
        let request = client.buyer(&user, Method::POST, "/v1/reservations").header("content-type", "application/json");
        let answer = client.send(request.body("x")).await;
        statuses.push(answer.status);
        if answer.status == 429 {
            assert_eq!(answer.refusal(), (429, "rate_limited".into()));
            assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
            assert!(answer.header("ratelimit").unwrap().contains("r=0"), "{answer:?}");
            assert!(answer.header("ratelimit-policy").unwrap().contains("q=20"), "{answer:?}");
            break;
        }
    }
    let allowed = statuses.iter().filter(|status| **status == 400).count();
    assert!(allowed >= 20 && statuses.last() == Some(&429), "{statuses:?}");
}

#[tokio::test]
async fn an_address_over_its_limit_gets_a_retry_after() {
    let client = Client::new();
    let mine = address();
    let flood = (0..60).map(|_| async {
        for _ in 0..50 {
            // With tokens that are refused: a sale that is looked at again costs nothing.
            let request = client.request(Method::GET, "/v1/orders?hold_id=x").bearer_auth("x.y.z");
            let request = request.header("cf-connecting-ip", mine.clone());
            let answer = client.send(request).await;
            if answer.status == 429 {
                return Some(answer);
            }
        }
        None
    });
    let limited =
        futures_util::future::join_all(flood).await.into_iter().flatten().next().expect("no request was limited");
    assert_eq!(limited.refusal(), (429, "rate_limited".into()));
    assert!(limited.header("retry-after").is_some());
    assert_eq!(limited.header("ratelimit"), Some(r#""address";r=0;t=10"#));
    assert_eq!(limited.header("ratelimit-policy"), Some(r#""address";q=1000;w=10"#));
}

#[tokio::test]
async fn a_webhook_is_accepted_by_its_signature_alone() {
    let client = Client::new();
    let sale = client.sale(300, &[("a", 1, 1)]).await;
    let hold = client.reserve("ann", "k", &sale, json!([{"sku_id": "a", "qty": 1}])).await.ok(201);
    let body = paid(&format!("pay_{}", Uuid::new_v4()), hold["hold_id"].as_str().unwrap(), &client.user("ann"), 1000)
        .to_string();
    let forged = || {
        client
            .request(Method::POST, "/v1/webhooks/standard")
            .header("webhook-id", "m")
            .body(body.clone())
            .header("webhook-timestamp", now_s().to_string())
            .header("content-type", "application/json")
    };
    for (why, request) in [
        ("no signature", forged()),
        ("a wrong one", forged().header("webhook-signature", "v1,AAAA")),
        ("too old", client.webhook("m", 301, &body)),
        ("from the future", client.webhook("m", -310, &body)),
        ("another body", client.webhook("m", 0, &body).body(body.replace("1000", "1001"))),
        ("another id", client.webhook("m", 0, &body).header("webhook-id", "m2")),
    ] {
        assert_eq!(client.send(request).await.refusal(), (401, "signature_invalid".into()), "{why}");
    }
    assert_eq!(client.report(&sale).await["orders"]["CONFIRMED"], 0);
    for (body, status) in [
        ("not json", 400),
        ("{}", 400),
        (r#"{"type":"payment.paid"}"#, 400),
        (r#"{"type":"payment.paid","type":"x"}"#, 400),
        (r#"{"type":"x","data":{"amount":1,"amount":2}}"#, 400),
        (r#"{"type":"payment.paid","timestamp":"x","data":{"payment_id":"p"}}"#, 400),
    ] {
        assert_eq!(
            client.send(client.webhook("m", 0, body)).await.refusal(),
            (status, "malformed_request".into()),
            "{body}"
        );
    }
    let other = client.send(client.webhook("m", 0, r#"{"type":"payment.failed","data":{}}"#)).await;
    assert_eq!(other.ok(200), json!({"result": "ignored"}));
    // One of several signatures is enough, and it is still good.
    let several = client.webhook("m", 299, &body).build().unwrap();
    let signature = several.headers()["webhook-signature"].to_str().unwrap().to_owned();
    let request = client
        .request(Method::POST, "/v1/webhooks/standard")
        .header("webhook-id", "m")
        .header("content-type", "application/json")
        .header("webhook-timestamp", several.headers()["webhook-timestamp"].clone())
        .header("webhook-signature", format!("v1a,AAAA v1,AAAA {signature}"))
        .body(body);
    assert_eq!(client.send(request).await.ok(200)["result"], "confirmed");
    // However much of its address is encoded, the order is found.
    let hold_id = hold["hold_id"].as_str().unwrap();
    let order = client.get("ann", &format!("/v1/orders?hold_id={}", hold_id.replace('-', "%2D"))).await.ok(200);
    assert_eq!(order["hold_id"], hold_id);
}

#[tokio::test]
async fn the_sale_is_public_and_what_was_sold_shows_within_about_a_second() {
    let client = Client::new();
    let sale = client.sale(300, &[("a", 1, 1)]).await;
    let seen = client.send(client.request(Method::GET, &format!("/v1/sales/{sale}"))).await.ok(200);
    assert_eq!(
        seen["skus"],
        json!([{"sku_id": "a", "name": "a", "unit_price": 1000, "available": 1, "max_per_user": 1}])
    );
    assert_eq!(
        (&seen["status"], &seen["closes_at"], &seen["name"]),
        (&json!("open"), &Value::Null, &json!("한정판 🌸"))
    );
    client.reserve("ann", "k", &sale, json!([{"sku_id": "a", "qty": 1}])).await.ok(201);
    support::client::until("the sale shows it", 4, || async {
        let seen = client.send(client.request(Method::GET, &format!("/v1/sales/{sale}"))).await.ok(200);
        (seen["skus"][0]["available"] == 0).then_some(())
    })
    .await;
    let encoded = format!("/v1/sales/{}", sale.replace('-', "%2D"));
    assert_eq!(client.send(client.request(Method::GET, &encoded)).await.ok(200)["sale_id"], sale);
    let unknown = client.send(client.request(Method::GET, "/v1/sales/no-such-sale")).await;
    assert_eq!(unknown.refusal(), (404, "not_found".into()));
}

#[test]
fn the_worker_is_small_enough_to_be_sent_everywhere() {
    let bytes = bench::compressed(&stack::workspace::root().join("edge/build")).unwrap();
    println!("| the Worker, compressed: {bytes} bytes");
    assert!(bytes <= bench::COMPRESSED_MAX_BYTES, "{bytes} bytes");
}

#[tokio::test]
async fn pages_carry_a_policy_that_lets_in_nothing_without_a_hash() {
    let client = Client::new();
    let sale = client.sale(300, &[("pair", 1, 1)]).await;
    for path in ["/", "/orders", &format!("/sales/{sale}")] {
        let page = client.send(client.request(Method::GET, path).header("accept-language", "ko-KR,ko;q=0.9")).await;
        assert_eq!(page.status, 200, "{page:?}");
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert!(page.text.contains("lang=\"ko\"") && !page.text.contains("{{"), "{}", page.text);
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    }
    let page = client.send(client.request(Method::GET, "/").header("accept-language", "fr, en;q=0.5, ko;q=0.1")).await;
    assert!(page.text.contains("lang=\"en\""));
    // Its one script has its fingerprint, and is kept for ever.
    let script = page.text.split("<script src=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned();
    assert_eq!(page.text.matches("<script src=").count() + page.text.matches("<link rel=\"stylesheet").count(), 1);
    let file = client.send(client.request(Method::GET, &script)).await;
    assert_eq!(file.header("cache-control"), Some("public, max-age=31536000, immutable"));
    let named: Vec<&str> = page.text.split("\"/assets/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(named.len() >= 2, "the script and the icon: {named:?}");
    for name in named {
        let file = client.send(client.request(Method::GET, &format!("/assets/{name}"))).await;
        assert_eq!(file.status, 200, "{name}");
    }
}

#[tokio::test]
async fn a_refusal_that_a_person_reads_is_a_page_and_a_program_gets_the_document() {
    let client = Client::new();
    for (path, status) in [("/sales/nosuch", 404), ("/nowhere", 404), ("/v1/orders", 401)] {
        let request = || client.request(Method::GET, path).header("accept-language", "ko");
        let page = client.send(request().header("accept", "text/html,*/*;q=0.8")).await;
        assert_eq!((page.status, page.header("content-type")), (status, Some("text/html; charset=utf-8")), "{path}");
        assert!(page.text.contains("<h1") && page.text.contains("lang=\"ko\""), "{}", page.text);
        assert_eq!(client.send(request()).await.refusal().0, status);
    }
}

/// A messenger's own program asks for the page, and says no language or the buyer's.
#[tokio::test]
async fn a_link_to_the_shop_or_to_a_sale_has_its_preview_in_both_languages() {
    let client = Client::new();
    let sale = format!("t-{}", Uuid::new_v4());
    let body = json!({"sale_id": sale, "name": "봄 <\"한정판\">", "currency": "KRW",
                      "skus": [{"sku_id": "a", "name": "a", "unit_price": 1000, "stock": 1}]});
    client.admin(Method::POST, "/v1/admin/sales", Some(body)).await.ok(201);
    for (language, locale) in [("ko-KR", "ko_KR"), ("en-US,en;q=0.9", "en_US")] {
        let page = async |path: &str| {
            let request =
                client.request(Method::GET, path).header("accept-language", language).header("accept", "text/html");
            let answer = client.send(request.header("cf-connecting-ip", address())).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            answer.text
        };
        let edge = client.setting("edge_url");
        let title = r#"property="og:title" content="봄 &lt;&quot;한정판&quot;&gt;""#.to_owned();
        for (path, more) in [("/".to_owned(), vec![]), (format!("/sales/{sale}"), vec![title])] {
            let html = page(&path).await;
            let (head, _) = html.split_once("</head>").unwrap();
            let always = [
                r#"property="og:site_name" content="Holdfast""#.to_owned(),
                r#"property="og:type" content="website""#.to_owned(),
                format!(r#"property="og:url" content="{edge}{path}""#),
                format!(r#"property="og:locale" content="{locale}""#),
            ];
            for tag in always.iter().chain(&more) {
                assert!(head.contains(tag.as_str()), "{language} {path}: {tag} is not in {head}");
            }
            assert_eq!(head.matches(r#"<meta name="description""#).count(), 1);
            assert_eq!(head.matches(r#"property="og:description""#).count(), 1);
        }
    }
}
