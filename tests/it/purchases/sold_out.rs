//! After the last piece is gone: refusals without a function, and never a wrong one.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::iter;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use support::client::{Answer, Client, until};
use support::sold_out::{earlier_refusals, fresh, from_memory, pair, refused_from_memory, remembered, with_something};

/// The lines of all `reserve` instances: a reservation that was in a call has one with its request's id.
fn lines_of_reserve() -> String {
    let logs = PathBuf::from(std::env::var("HOLDFAST_STACK").unwrap()).parent().unwrap().join("logs");
    let entries = std::fs::read_dir(logs).unwrap().map(|entry| entry.unwrap().path());
    let of_reserve = entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("reserve-"));
    of_reserve.map(|path| std::fs::read_to_string(path).unwrap_or_default()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_sold_out_few_requests_need_a_function_and_all_get_the_same_response() {
    let client = Client::new();
    let sale = client.sale(300, &[("pair", 3, 1)]).await;
    for user in ["ann", "bob", "cho"] {
        client.reserve(user, "k", &sale, pair()).await.ok(201);
    }
    let by_function = client.reserve("dan", "k", &sale, pair()).await;
    assert!(!from_memory(&by_function), "{by_function:?}");
    // Every Gate has been called and remembers.
    for user in 0..32 {
        refused_from_memory(&client, &format!("early-{user}"), &sale).await;
    }
    let crowd = iter(0..2_000).map(|user| {
        let (client, sale) = (&client, &sale);
        async move { client.reserve(&format!("late-{user}"), "k", sale, pair()).await }
    });
    let answers: Vec<Answer> = crowd.buffer_unordered(50).collect().await;
    let remembered: Vec<&Answer> = answers.iter().filter(|answer| from_memory(answer)).collect();
    let mut leased = 0;
    for answer in &answers {
        let mut body = answer.body.clone();
        let as_of = body.as_object_mut().unwrap().remove("as_of");
        assert_eq!((answer.status, &body), (409, &by_function.body));
        let Some(as_of) = as_of else { continue };
        leased += 1;
        // True less than a second before the question.
        let as_of: jiff::Timestamp = as_of.as_str().unwrap().parse().unwrap();
        let server_ms: i64 = answer.header("x-server-time").unwrap().parse().unwrap();
        assert!((0..1_000).contains(&(server_ms - as_of.as_millisecond())), "{as_of}, asked at {server_ms}");
    }
    println!("| {leased} of {} refusals needed no Durable Object", answers.len());
    assert!(leased * 2 > answers.len(), "{leased} of {}", answers.len());
    assert!(remembered.len() * 100 >= answers.len() * 95, "{} of {}", remembered.len(), answers.len());

    // The header is right: no other request reached the functions.
    let id = |answer: &Answer| answer.header("x-request-id").unwrap().to_owned();
    until("the others' lines are written", 5, || async {
        let lines = lines_of_reserve();
        answers.iter().all(|answer| from_memory(answer) != lines.contains(&id(answer))).then_some(())
    })
    .await;
}

/// A sale whose only pair is `ann`'s, and `bob`, who was just refused from memory.
async fn sold_out(client: &Client, hold_ttl_s: i64) -> (String, Value) {
    let sale = client.sale(hold_ttl_s, &[("pair", 1, 1)]).await;
    let hold = client.reserve("ann", "k", &sale, pair()).await.ok(201);
    refused_from_memory(client, "bob", &sale).await;
    (sale, hold)
}

#[tokio::test]
async fn a_released_piece_is_available_to_the_next_buyer_at_once() {
    let client = Client::new();
    let (sale, mut hold) = sold_out(&client, 300).await;
    let mut holder = "ann".to_owned();
    for _ in 0..20 {
        let next = fresh("next");
        refused_from_memory(&client, &next, &sale).await;
        let path = format!("/v1/reservations/{}", hold["hold_id"].as_str().unwrap());
        client.send(client.buyer(&holder, Method::DELETE, &path)).await.ok(200);
        hold = client.reserve(&next, "k", &sale, pair()).await.ok(201);
        holder = next;
    }
    client.report(&sale).await;
}

#[tokio::test]
async fn releasing_an_already_released_hold_does_not_clear_the_gates_memory() {
    let client = Client::new();
    let sale = client.sale(300, &[("pair", 2, 1)]).await;
    let gone = client.reserve("cho", "k", &sale, pair()).await.ok(201);
    let path = format!("/v1/reservations/{}", gone["hold_id"].as_str().unwrap());
    client.send(client.buyer("cho", Method::DELETE, &path)).await.ok(200);
    for user in ["ann", "dan"] {
        client.reserve(user, "k", &sale, pair()).await.ok(201);
    }
    for user in 0..32 {
        refused_from_memory(&client, &format!("early-{user}"), &sale).await;
    }
    let mut remembered = 0;
    for _ in 0..12 {
        client.send(client.buyer("cho", Method::DELETE, &path)).await.ok(200);
        remembered += usize::from(from_memory(&client.reserve(&fresh("next"), "k", &sale, pair()).await));
    }
    // Now and then one request asks T1 for all.
    assert!(remembered >= 9, "{remembered} of 12 from memory");
}

#[tokio::test]
async fn a_release_counts_against_the_users_limit() {
    let client = Client::new();
    let sale = client.sale(300, &[("pair", 2, 1)]).await;
    let hold = client.reserve("ann", "k", &sale, pair()).await.ok(201);
    let path = format!("/v1/reservations/{}", hold["hold_id"].as_str().unwrap());
    let give_back = || client.send(client.buyer("ann", Method::DELETE, &path));
    let answers = join_all((0..60).map(|_| give_back())).await;
    let limited = answers.iter().filter(|answer| answer.status == 429).count();
    let fine = answers.iter().filter(|answer| answer.status == 200).count();
    assert!(limited > 0 && fine > 0 && limited + fine == 60, "{limited} limited, {fine} given back");
    assert!(answers.iter().all(|answer| answer.header("ratelimit").is_some() || answer.status == 429));
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_opening_the_gate_answers_and_from_that_moment_on_buyers_get_what_there_is() {
    let client = Arc::new(Client::new());
    let sale = format!("t-{}", Uuid::new_v4());
    let opens_ms = now_ms() + 6_000;
    let opens_at = jiff::Timestamp::from_millisecond(opens_ms).unwrap().to_string();
    let skus = json!([{"sku_id": "pair", "name": "pair", "unit_price": 1, "stock": 10_000}]);
    let body = json!({"sale_id": sale, "name": "later", "currency": "KRW", "opens_at": opens_at, "skus": skus});
    client.admin(Method::POST, "/v1/admin/sales", Some(body)).await.ok(201);
    let mut presses = Vec::new();
    while now_ms() < opens_ms + 50 {
        let (client, sale) = (Arc::clone(&client), sale.clone());
        presses.push(tokio::spawn(async move {
            let pressed_ms = now_ms();
            (pressed_ms, client.reserve(&fresh("press"), "k", &sale, pair()).await)
        }));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let answers: Vec<(i64, Answer)> = join_all(presses).await.into_iter().map(Result::unwrap).collect();
    let by_gate = |answer: &Answer| remembered(answer, "not-open");
    let count = answers.iter().filter(|(_, answer)| by_gate(answer)).count();
    assert!(count > 100, "{count} of {} came from memory", answers.len());
    for (pressed_ms, answer) in &answers {
        let expected = if *pressed_ms >= opens_ms { 201 } else { answer.status };
        assert_eq!(answer.status, expected, "{pressed_ms}, opens {opens_ms}: {answer:?}");
        assert!(answer.status == 201 || answer.refusal() == (403, "sale_not_open".to_owned()), "{answer:?}");
    }
    client.report(&sale).await;
}

#[tokio::test]
async fn stock_of_a_cancelled_order_is_available_to_the_next_buyer_at_once() {
    let client = Client::new();
    let (sale, mut hold) = sold_out(&client, 300).await;
    let mut holder = "ann".to_owned();
    for _ in 0..10 {
        let order = client.pay(&fresh("pay"), &hold, &holder).await.ok(200);
        let next = fresh("next");
        refused_from_memory(&client, &next, &sale).await;
        let path = format!("/v1/admin/orders/{}/cancel", order["order_id"].as_str().unwrap());
        client.admin(Method::POST, &path, Some(json!({"reason": "torn"}))).await.ok(200);
        hold = client.reserve(&next, "k", &sale, pair()).await.ok(201);
        holder = next;
    }
    client.report(&sale).await;
}

#[tokio::test]
async fn stock_added_by_an_operator_is_available_to_the_next_buyer_at_once() {
    let client = Client::new();
    let (sale, _) = sold_out(&client, 300).await;
    for _ in 0..20 {
        let next = fresh("next");
        refused_from_memory(&client, &next, &sale).await;
        let more = json!({"sale_id": sale, "delta": 1, "reason": "one more was found"});
        client.admin(Method::POST, "/v1/admin/skus/pair/stock", Some(more)).await.ok(200);
        client.reserve(&next, "k", &sale, pair()).await.ok(201);
    }
    client.report(&sale).await;
}

#[tokio::test]
async fn a_sale_that_was_stopped_says_so_at_once_and_not_that_it_is_sold_out() {
    let client = Client::new();
    let (sale, _) = sold_out(&client, 300).await;
    for _ in 0..5 {
        let next = fresh("next");
        refused_from_memory(&client, &next, &sale).await;
        for (status, code) in [("paused", (403, "sale_not_open")), ("open", (409, "sold_out"))] {
            let path = format!("/v1/admin/sales/{sale}");
            client.admin(Method::PATCH, &path, Some(json!({"status": status}))).await.ok(200);
            let (status, code) = (code.0, code.1.to_owned());
            assert_eq!(client.reserve(&next, "k", &sale, pair()).await.refusal(), (status, code));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_that_closes_by_the_clock_is_not_sold_out_a_moment_longer() {
    let client = Arc::new(Client::new());
    let sale = format!("t-{}", Uuid::new_v4());
    let closes_ms = now_ms() + 6_000;
    let closes_at = jiff::Timestamp::from_millisecond(closes_ms).unwrap().to_string();
    let skus = json!([{"sku_id": "pair", "name": "pair", "unit_price": 1, "stock": 0}]);
    let body = json!({"sale_id": sale, "name": "short", "currency": "KRW", "closes_at": closes_at, "skus": skus});
    client.admin(Method::POST, "/v1/admin/sales", Some(body)).await.ok(201);
    let answers = presses_until(&client, &sale, closes_ms).await;
    assert_eq!(answers.last().unwrap().refusal(), (403, "sale_not_open".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lapsed_hold_is_available_to_the_next_buyer_from_that_moment() {
    let client = Arc::new(Client::new());
    let sale = client.sale(6, &[("pair", 1, 1)]).await;
    let hold = client.reserve("ann", "k", &sale, pair()).await.ok(201);
    let expire_at: jiff::Timestamp = hold["expire_at"].as_str().unwrap().parse().unwrap();
    let answers = presses_until(&client, &sale, expire_at.as_millisecond()).await;
    // The last, or one that was under way at that moment.
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
}

fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Another buyer presses every few milliseconds, the last of them at `end_ms` or just after. Answers in that order.
async fn presses_until(client: &Arc<Client>, sale: &str, end_ms: i64) -> Vec<Answer> {
    let mut presses = Vec::new();
    let mut pressed_ms = 0;
    while pressed_ms < end_ms {
        pressed_ms = now_ms();
        let (client, sale) = (Arc::clone(client), sale.to_owned());
        presses.push(tokio::spawn(async move { client.reserve(&fresh("press"), "k", &sale, pair()).await }));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let answers: Vec<Answer> = join_all(presses).await.into_iter().map(Result::unwrap).collect();
    let remembered = answers.iter().filter(|answer| from_memory(answer)).count();
    assert!(remembered > 100, "this proves nothing: {remembered} of {} came from memory", answers.len());
    answers
}

#[tokio::test]
async fn a_holder_gets_their_own_hold_and_not_sold_out() {
    let client = Client::new();
    let (sale, held, bought) = with_something(&client).await;
    earlier_refusals(&client, &sale, &held, &bought).await;
}
