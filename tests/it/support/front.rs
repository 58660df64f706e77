//! A proxy between a browser and the edge that loses what a test chooses: a file, every answer of the API, at once or
//! by never answering; or says something else than the edge did. It compresses text as Cloudflare does.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tower_http::compression::CompressionLayer;

use crate::database;

#[derive(Clone)]
pub struct Front {
    pub url: String,
    rules: Arc<Mutex<Rules>>,
    http: reqwest::Client,
}

#[derive(Default)]
struct Rules {
    /// Paths that begin so are answered with this status.
    refused: Vec<(&'static str, u16)>,
    /// Paths that begin so are accepted and never answered; with true the headers come, and the body never.
    stalled: Vec<(&'static str, bool)>,
    /// What is written in a page in place of what the edge wrote.
    rewritten: Vec<(String, String)>,
    /// The same in what the API says.
    said: Vec<(&'static str, &'static str)>,
}

impl Front {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let http = simulator::http::client().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let front = Self { url, rules: Arc::default(), http };
        let app = Router::new().fallback(pass).layer(CompressionLayer::new()).with_state(front.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        front
    }

    pub fn refuse(&self, path: &'static str, status: u16) {
        self.rules.lock().unwrap().refused.push((path, status));
    }

    pub fn stall(&self, path: &'static str, after_the_headers: bool) {
        self.rules.lock().unwrap().stalled.push((path, after_the_headers));
    }

    /// The API says `put` in place of `find`.
    pub fn says(&self, find: &'static str, put: &'static str) {
        self.rules.lock().unwrap().said.push((find, put));
    }

    /// Everything goes through again.
    pub fn heal(&self) {
        let mut rules = self.rules.lock().unwrap();
        rules.refused.clear();
        rules.stalled.clear();
    }

    /// As in production, where this is the shop's sign-in.
    pub fn be_production(&self, login_url: &str) {
        let mut rules = self.rules.lock().unwrap();
        rules.rewritten.push((r#""development":true"#.to_owned(), r#""development":false"#.to_owned()));
        rules.rewritten.push((r#""signed_in":true"#.to_owned(), r#""signed_in":false"#.to_owned()));
        rules.rewritten.push((r#""sign_in_url":null"#.to_owned(), format!(r#""sign_in_url":"{login_url}""#)));
    }
}

async fn pass(State(front): State<Front>, request: Request) -> Response {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let refused = front.rules.lock().unwrap().refused.iter().find(|(start, _)| path.starts_with(start)).copied();
    if let Some((_, status)) = refused {
        let refused = (StatusCode::from_u16(status).unwrap(), [(header::RETRY_AFTER, "1")], "lost on the way");
        return refused.into_response();
    }
    let stalled = front.rules.lock().unwrap().stalled.iter().find(|(start, _)| path.starts_with(start)).copied();
    match stalled {
        Some((_, false)) => std::future::pending().await,
        Some((_, true)) => {
            let never = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
            return ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(never)).into_response();
        }
        None => {}
    }
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 100_000).await.unwrap();
    let mut headers = parts.headers;
    headers.remove(header::ACCEPT_ENCODING);
    let edge = database::stack()["edge_url"].as_str().unwrap().to_owned();
    let asked = front.http.request(parts.method, format!("{edge}{path}")).headers(headers).body(body).send().await;
    let Ok(answer) = asked else { return StatusCode::BAD_GATEWAY.into_response() };
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    let mut bytes = answer.bytes().await.unwrap_or_default().to_vec();
    let is_page = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let (rewritten, said) = {
        let rules = front.rules.lock().unwrap();
        (rules.rewritten.clone(), rules.said.clone())
    };
    if is_page && !rewritten.is_empty() {
        let page = String::from_utf8_lossy(&bytes).into_owned();
        bytes = rewritten.iter().fold(page, |page, (from, to)| page.replace(from, to)).into_bytes();
    }
    if path.starts_with("/v1/") && !said.is_empty() {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        bytes = said.iter().fold(text, |text, (find, put)| text.replace(find, put)).into_bytes();
    }
    without_hops(&mut headers);
    (status, headers, Body::from(bytes)).into_response()
}

fn without_hops(headers: &mut HeaderMap) {
    for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION] {
        headers.remove(name);
    }
}
