//! SQS and EventBridge: the real clients, and an endpoint of the test's own that speaks as much of their protocols as is
//! used (AWS JSON 1.0 and 1.1), reached by `AWS_ENDPOINT_URL` as any stand-in of AWS is.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Relay, holds, shop, subscribe};

#[derive(Default)]
struct Cloud {
    calls: Vec<(String, Value)>,
    /// What each next call is answered before it is answered well.
    troubles: Vec<(u16, Value)>,
}

async fn answer(State(cloud): State<Arc<Mutex<Cloud>>>, headers: HeaderMap, body: String) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let signed = header("authorization");
    assert!(signed.starts_with("AWS4-HMAC-SHA256 Credential=a-key/"), "{signed}");
    let target = header("x-amz-target");
    let mut cloud = cloud.lock().unwrap();
    cloud.calls.push((target.clone(), serde_json::from_str(&body).unwrap()));
    let good = if target == "AmazonSQS.SendMessage" {
        json!({"MessageId": "1", "MD5OfMessageBody": "0"})
    } else {
        json!({"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]})
    };
    let (status, body) = cloud.troubles.pop().unwrap_or((200, good));
    let kind = [("content-type", header("content-type"))];
    (StatusCode::from_u16(status).unwrap(), kind, body.to_string()).into_response()
}

async fn cloud() -> (Arc<Mutex<Cloud>>, String) {
    let cloud = Arc::new(Mutex::new(Cloud::default()));
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(post(answer)).with_state(Arc::clone(&cloud));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (cloud, url)
}

fn credentials(url: &str) -> [(&str, &str); 4] {
    [
        ("AWS_ENDPOINT_URL", url),
        ("AWS_REGION", "ap-northeast-2"),
        ("AWS_ACCESS_KEY_ID", "a-key"),
        ("AWS_SECRET_ACCESS_KEY", "a-secret"),
    ]
}

#[tokio::test]
async fn a_fifo_queue_gets_the_body_the_id_and_the_hold_as_its_group() {
    let (database, (cloud, url)) = (shop().await, cloud().await);
    let queue = "https://sqs.ap-northeast-2.amazonaws.com/123456789012/shop.fifo";
    subscribe(&database, "sqs", queue, &["ReservationCreated"]).await;
    cloud.lock().unwrap().troubles.push((500, json!({"__type": "InternalError"})));
    holds(&database, 0, 1).await;
    let relay = Relay::start(&database, &credentials(&url)).await;
    relay.until("it is delivered", 10, async || database.checked_report().await["outbox"]["pending"] == 0).await;
    let calls = std::mem::take(&mut cloud.lock().unwrap().calls);
    assert_eq!(calls.len(), 2, "the one that failed, and the next by our own schedule: {calls:?}");
    let row = database.owner.query_one(
        "select event_id::text, hold_id::text from holdfast.event_outbox where event_type = 'ReservationCreated'",
        &[],
    );
    let row = row.await.unwrap();
    let (event, hold): (String, String) = (row.get(0), row.get(1));
    let (target, sent) = &calls[1];
    assert_eq!(target, "AmazonSQS.SendMessage");
    assert_eq!(
        (&sent["QueueUrl"], &sent["MessageDeduplicationId"], &sent["MessageGroupId"]),
        (&json!(queue), &json!(event), &json!(hold))
    );
    assert_eq!(sent["MessageAttributes"]["webhook-id"]["StringValue"], event);
    let body: Value = serde_json::from_str(sent["MessageBody"].as_str().unwrap()).unwrap();
    assert_eq!((&body["type"], &body["data"]["hold_id"]), (&json!("ReservationCreated"), &json!(hold)));
}

#[tokio::test]
async fn a_bus_gets_the_event_and_an_entry_that_it_refused_is_put_again() {
    let (database, (cloud, url)) = (shop().await, cloud().await);
    subscribe(&database, "eventbridge", "shop-bus", &["OrderConfirmed"]).await;
    let refused = json!({"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException"}]});
    cloud.lock().unwrap().troubles.push((200, refused));
    holds(&database, 0, 1).await;
    let relay = Relay::start(&database, &credentials(&url)).await;
    relay.until("it is delivered", 10, async || database.checked_report().await["outbox"]["pending"] == 0).await;
    let calls = std::mem::take(&mut cloud.lock().unwrap().calls);
    let [(_, first), (target, again)] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!((target.as_str(), first), ("AWSEvents.PutEvents", again));
    let entry = &again["Entries"][0];
    assert_eq!(
        (&entry["EventBusName"], &entry["Source"], &entry["DetailType"]),
        (&json!("shop-bus"), &json!("holdfast"), &json!("OrderConfirmed"))
    );
    let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
    let event = "select event_id::text from holdfast.event_outbox where event_type = 'OrderConfirmed'";
    let event: String = database.owner.query_one(event, &[]).await.unwrap().get(0);
    assert_eq!((&detail["id"], &detail["type"]), (&json!(event), &json!("OrderConfirmed")));
    assert!(detail["data"]["order_id"].is_string(), "{detail}");
}
