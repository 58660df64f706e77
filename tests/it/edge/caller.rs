//! Callers and their requests: parameters, cookies, origins, tokens. In workerd.

use std::collections::HashSet;
use std::time::{SystemTime, UNIX_EPOCH};

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use support::client::Client;

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Every operation of the description that is an API route: method, path with something in each place, tags.
async fn operations(client: &Client) -> Vec<(Method, String, Vec<String>)> {
    let description = client.send(client.request(Method::GET, "/openapi.json")).await.ok(200);
    let mut found = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        let page = !path.starts_with("/v1/") || path.contains("/webhooks/") || path == "/v1/payments/toss/return";
        for (method, operation) in item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters" && !page) {
            let tags = operation["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned());
            found.push((method.to_uppercase().parse().unwrap(), filled(path), tags.collect()));
        }
    }
    assert!(found.len() > 20, "{found:?}");
    found
}

fn filled(path: &str) -> String {
    let part = |part: &str| match part {
        "{sale_id}" | "{sku_id}" => "no-such".to_owned(),
        part if part.starts_with('{') => "019a9e7c-4b5a-7c3d-8e9f-0123456789ab".to_owned(),
        part => part.to_owned(),
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn an_unknown_or_repeated_parameter_of_an_api_route_is_refused_by_its_name() {
    let client = Client::new();
    for (method, path, tags) in operations(&client).await {
        let operator = tags.iter().any(|tag| tag == "operator");
        let buyer = client.token(&client.user(&format!("{method}-{path}")));
        let bearer = if operator { client.setting("admin_token").to_owned() } else { buyer };
        let asking = |query: &str| {
            let request = client.request(method.clone(), &format!("{path}?{query}"));
            // Valid but for its resource.
            let request = request.header("content-type", "application/json").header("idempotency-key", "k");
            if method == Method::GET || method == Method::HEAD { request } else { request.body("{}") }
        };
        for query in ["no_such=1", "no_such", "%6Eo_such=a&b=c"] {
            let answer = client.send(asking(query).bearer_auth(&bearer)).await;
            if method == Method::HEAD {
                assert_eq!(answer.status, 400, "{path}: {answer:?}");
                continue;
            }
            assert_eq!(answer.refusal(), (400, "malformed_request".into()), "{method} {path}?{query}");
            assert!(answer.body["detail"].as_str().unwrap().contains("`no_such`"), "{method} {path}: {answer:?}");
        }
        let answer = client.send(asking("limit=5&limit=5").bearer_auth(&bearer)).await;
        assert_eq!(answer.status, 400, "{method} {path}: {answer:?}");
        // The caller is checked first.
        if tags.iter().all(|tag| tag != "public") {
            assert_eq!(client.send(asking("no_such=1")).await.status, 401, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn pages_and_return_addresses_ignore_unknown_parameters() {
    let client = Client::new();
    let sale = client.sale(3_600, &[("pair", 1, 1)]).await;
    let page = format!("/sales/{sale}?fbclid=1");
    for path in ["/?utm_source=a&utm_source=b", &page, "/healthz?a", "/openapi.json?v=2"] {
        assert_eq!(client.send(client.request(Method::GET, path)).await.status, StatusCode::OK.as_u16(), "{path}");
    }
    let event = client.webhook("m", 0, r#"{"type":"other"}"#).build().unwrap();
    let mut url = event.url().clone();
    url.set_query(Some("source=gateway"));
    let request = client.request(Method::POST, &format!("{}?{}", url.path(), url.query().unwrap()));
    let request = request.headers(event.headers().clone()).body(r#"{"type":"other"}"#);
    assert_eq!(client.send(request).await.ok(200)["result"], Value::from("ignored"));
}

#[tokio::test]
async fn a_word_of_an_operators_path_has_one_spelling() {
    let client = Client::new();
    for path in ["/v1/%61dmin/payments", "/v1/admin/p%61yments", "/%76%31/admin/payments", "/v1/sale%73"] {
        let request = client.request(Method::GET, path).bearer_auth(client.setting("admin_token"));
        assert_eq!(client.send(request).await.refusal(), (404, "not_found".into()), "{path}");
    }
}

/// A press by cookie, from a page of `origin`.
fn pressing(client: &Client, cookies: &str, origin: Option<&str>) -> RequestBuilder {
    let body = json!({"sale_id": "no-such", "items": [{"sku_id": "a", "qty": 1}]});
    let request = client.request(Method::POST, "/v1/reservations").header("cookie", cookies).json(&body);
    let request = request.header("idempotency-key", "k");
    match origin {
        Some(origin) => request.header("origin", origin),
        None => request,
    }
}

#[tokio::test]
async fn the_valid_one_of_several_cookies_counts_and_only_a_bearer_overrides_it() {
    let client = Client::new();
    let user = client.user("ann");
    let (header, now) = (json!({"alg": "HS256"}), now_s());
    let good = client.token(&user);
    let stale = client.token_of(&header, &json!({"sub": user, "exp": now - 60}));
    for cookies in [
        format!("holdfast_session={stale}; holdfast_session={good}"),
        format!("holdfast_session=\"{good}\""),
        format!("holdfast_session={stale}; __Host-holdfast_session={good}"),
    ] {
        let answer = client.send(pressing(&client, &cookies, None)).await;
        assert_eq!(answer.refusal(), (404, "not_found".into()), "{cookies}");
        let basic = pressing(&client, &cookies, None).basic_auth("a", Some("b"));
        assert_eq!(client.send(basic).await.refusal(), (404, "not_found".into()), "{cookies}");
        let bearer = pressing(&client, &cookies, None).bearer_auth(&stale);
        assert_eq!(client.send(bearer).await.refusal(), (401, "unauthenticated".into()), "{cookies}");
    }
}

#[tokio::test]
async fn a_cookie_buys_for_a_page_of_ours_alone() {
    let client = Client::new();
    let token = client.token(&client.user("ann"));
    let cookies = format!("holdfast_session={token}");
    let own = client.setting("edge_url").to_owned();
    for origin in [None, Some(own.as_str())] {
        let answer = client.send(pressing(&client, &cookies, origin)).await;
        assert_eq!(answer.refusal(), (404, "not_found".into()), "{origin:?}");
    }
    for origin in ["https://evil.example", "null", "http://localhost:1"] {
        let foreign = client.send(pressing(&client, &cookies, Some(origin))).await;
        assert_eq!(foreign.refusal(), (403, "forbidden".into()), "{origin}");
        // A script that has the token was given it.
        let bearer = pressing(&client, "", Some(origin)).bearer_auth(&token);
        assert_eq!(client.send(bearer).await.refusal(), (404, "not_found".into()), "{origin}");
    }
    let hidden = pressing(&client, &cookies, None).header("sec-fetch-site", "cross-site");
    assert_eq!(client.send(hidden).await.refusal(), (403, "forbidden".into()));
    // A missing session is refused first.
    let nobody = client.send(pressing(&client, "holdfast_session=x", Some("https://evil.example"))).await;
    assert_eq!(nobody.refusal(), (401, "unauthenticated".into()));
    let hold = "/v1/reservations/019a9e7c-4b5a-7c3d-8e9f-0123456789ab";
    for (method, status) in [(Method::DELETE, 403), (Method::GET, 404)] {
        let request = client.request(method, hold).header("cookie", &cookies).header("origin", "https://evil.example");
        assert_eq!(client.send(request).await.status, status);
    }
}

#[tokio::test]
async fn a_refused_token_gets_a_challenge_with_its_fault() {
    let client = Client::new();
    let (header, now) = (json!({"alg": "HS256"}), now_s());
    let mut told = Vec::new();
    for (header, claims) in [
        (&header, json!({"sub": "ann", "exp": now - 60})),
        (&header, json!({"sub": "ann", "exp": (now + 60) * 1_000})),
        (&header, json!({"sub": "ann", "exp": now + 31 * 86_400})),
        (&header, json!({"sub": "ann", "exp": now + 60, "nbf": now + 60})),
        (&header, json!({"exp": now + 60})),
        (&header, json!({"sub": "ann"})),
        (&json!({"alg": "HS512"}), json!({"sub": "ann", "exp": now + 60})),
    ] {
        let request = client.request(Method::GET, "/v1/orders?hold_id=00000000-0000-7000-8000-000000000000");
        let answer = client.send(request.bearer_auth(client.token_of(header, &claims))).await;
        assert_eq!(answer.refusal(), (401, "unauthenticated".into()), "{claims}");
        let challenge = answer.header("www-authenticate").unwrap();
        let description = challenge.strip_prefix(r#"Bearer error="invalid_token", error_description=""#);
        told.push(description.unwrap_or_else(|| panic!("{challenge}")).trim_end_matches('"').to_owned());
    }
    assert_eq!(told[1], told[2], "milliseconds are too far ahead");
    told.remove(2);
    let different: HashSet<&String> = told.iter().collect();
    assert_eq!(different.len(), told.len(), "{told:?}");
    // Two clocks may differ by a few seconds.
    for claims in [json!({"sub": "ann", "exp": now - 2}), json!({"sub": "ann", "exp": now + 60, "nbf": now + 2})] {
        let request = client.request(Method::GET, "/v1/orders?hold_id=00000000-0000-7000-8000-000000000000");
        let answer = client.send(request.bearer_auth(client.token_of(&header, &claims))).await;
        assert_eq!(answer.refusal(), (404, "not_found".into()), "{claims}");
    }
}

#[tokio::test]
async fn a_development_server_answers_this_machine_and_its_own_pages() {
    let client = Client::new();
    let making = || client.request(Method::POST, "/dev/session").json(&json!({"user_id": "ann"}));
    for host in ["evil.example", "localhost.evil.example", "10.0.0.1:8787"] {
        for request in [making(), client.request(Method::GET, "/v1/sales")] {
            assert_eq!(client.send(request.header("host", host)).await.refusal(), (403, "forbidden".into()), "{host}");
        }
    }
    let foreign = client.send(making().header("origin", "https://evil.example")).await;
    assert_eq!(foreign.refusal(), (403, "forbidden".into()));
    let own = making().header("origin", client.setting("edge_url"));
    assert_eq!(client.send(own).await.status, 200);
    assert_eq!(client.send(making().header("host", "localhost:1")).await.status, 200);
}

#[tokio::test]
async fn the_emulator_answers_programs_and_no_page() {
    let client = Client::new();
    let http = simulator::http::client().build().unwrap();
    let url = format!("{}/2015-03-31/functions/admin/invocations", client.setting("lambda_url"));
    let asking = || http.post(&url).body("{}");
    let answer = asking().send().await.unwrap();
    assert_ne!(answer.status(), 403, "a program may ask");
    assert!(answer.headers().keys().all(|name| !name.as_str().starts_with("access-control-")), "{answer:?}");
    for (name, value) in
        [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"), ("host", "evil.example:9000")]
    {
        let answer = asking().header(name, value).send().await.unwrap();
        assert_eq!(answer.status(), 403, "{name}");
        assert!(answer.headers().keys().all(|name| !name.as_str().starts_with("access-control-")), "{answer:?}");
    }
    let preflight = http.request(Method::OPTIONS, &url).header("origin", "https://evil.example");
    let preflight = preflight.header("access-control-request-method", "POST").send().await.unwrap();
    assert_eq!(preflight.status(), 403);
}
