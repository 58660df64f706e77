//! A receiver of events: an HTTP server of the test's own that records what came, and answers as configured.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::Value;
use simulator::sign;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What it does with a message, having remembered it.
#[derive(Clone, Debug)]
pub enum Behaviour {
    Takes,
    Answers(u16, Vec<(&'static str, String)>),
    /// 400 for events of this type.
    Refuses(&'static str),
    /// Takes it, after so long.
    Slow(Duration),
}

#[derive(Clone, Debug)]
pub struct Seen {
    pub at: Instant,
    pub id: String,
    pub timestamp: i64,
    pub signatures: Vec<String>,
    pub text: String,
    pub body: Value,
    /// What it was answered; 0: nothing yet. It was taken when that was 2xx.
    pub status: u16,
}

struct Memory {
    behaviour: Behaviour,
    seen: Vec<Seen>,
    under_way: usize,
    most_under_way: usize,
}

pub struct Receiver {
    address: SocketAddr,
    memory: Arc<Mutex<Memory>>,
    server: Option<JoinHandle<()>>,
}

impl Receiver {
    pub async fn start() -> Self {
        let memory = Memory { behaviour: Behaviour::Takes, seen: vec![], under_way: 0, most_under_way: 0 };
        let mut receiver =
            Self { address: SocketAddr::from(([127, 0, 0, 1], 0)), memory: Arc::new(Mutex::new(memory)), server: None };
        receiver.up().await;
        receiver
    }

    /// Listens, where it did before.
    pub async fn up(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        let app = Router::new().fallback(post(receive)).with_state(Arc::clone(&self.memory));
        self.server = Some(tokio::spawn(async move { axum::serve(listener, app).await.unwrap() }));
    }

    /// Connections are refused from now on, and those there are end.
    pub async fn down(&mut self) {
        let server = self.server.take().unwrap();
        server.abort();
        let _ = server.await;
    }

    pub fn url(&self) -> String {
        format!("http://{}/hooks", self.address)
    }

    pub fn behave(&self, behaviour: Behaviour) {
        self.memory.lock().unwrap().behaviour = behaviour;
    }

    /// Everything that came, taken or not.
    pub fn all(&self) -> Vec<Seen> {
        self.memory.lock().unwrap().seen.clone()
    }

    /// What it took.
    pub fn taken(&self) -> Vec<Seen> {
        self.all().into_iter().filter(|seen| (200..300).contains(&seen.status)).collect()
    }

    pub fn ids(&self) -> BTreeSet<String> {
        self.taken().into_iter().map(|seen| seen.id).collect()
    }

    pub fn most_under_way(&self) -> usize {
        self.memory.lock().unwrap().most_under_way
    }
}

/// A message being handled; its sender may hang up first.
struct UnderWay(Arc<Mutex<Memory>>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.lock().unwrap().under_way -= 1;
    }
}

async fn receive(State(memory): State<Arc<Mutex<Memory>>>, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    let text = String::from_utf8(body.to_vec()).unwrap();
    let seen = Seen {
        at: Instant::now(),
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp").parse().unwrap_or_default(),
        signatures: header("webhook-signature").split(' ').map(ToOwned::to_owned).collect(),
        body: serde_json::from_str(&text).unwrap_or_default(),
        text,
        status: 0,
    };
    let r#type = seen.body["type"].clone();
    let (behaviour, number, _under_way) = {
        let mut now = memory.lock().unwrap();
        now.under_way += 1;
        now.most_under_way = now.most_under_way.max(now.under_way);
        now.seen.push(seen);
        (now.behaviour.clone(), now.seen.len() - 1, UnderWay(Arc::clone(&memory)))
    };
    let (status, extra) = match behaviour {
        Behaviour::Takes => (200, vec![]),
        Behaviour::Answers(status, extra) => (status, extra),
        Behaviour::Refuses(refused) => (if r#type == refused { 400 } else { 200 }, vec![]),
        Behaviour::Slow(pause) => {
            tokio::time::sleep(pause).await;
            (200, vec![])
        }
    };
    memory.lock().unwrap().seen[number].status = status;
    let mut answer = StatusCode::from_u16(status).unwrap().into_response();
    for (name, value) in extra {
        answer.headers_mut().insert(name, value.parse().unwrap());
    }
    answer
}

impl Seen {
    /// Signed with this secret, now.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        assert!((now - self.timestamp).abs() < 300, "{self:?}");
        self.signatures.contains(&sign::sign(secret, &self.id, self.timestamp, self.text.as_bytes()))
    }
}

/// What came first of each event came in the order of the events, for each hold. `events`: `(event_id, hold_id)` in the
/// order in which they happened.
pub fn in_order_for_each_hold(taken: &[Seen], events: &[(String, Option<String>)]) {
    let mut expected: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (event, hold) in events {
        if let Some(hold) = hold {
            expected.entry(hold).or_default().push(event);
        }
    }
    for (hold, expected) in expected {
        let mut found: Vec<&str> = vec![];
        for seen in taken.iter().filter(|seen| expected.contains(&seen.id.as_str())) {
            if !found.contains(&seen.id.as_str()) {
                found.push(&seen.id);
            }
        }
        assert_eq!(found, expected, "the events of hold {hold}, in order");
    }
}
