//! The front: what stands between the crowd and a Worker. Cloudflare's network takes a client's connections and hands
//! the Worker its requests; workerd by itself takes every connection before it serves any, spends two files on each, and
//! ends when it has no more of them. So a crowd waits here, in the order in which it came, and the Worker has as many
//! requests at a time as it can serve. Cloudflare also compresses text for a client that can read it, which a Worker
//! leaves to it; so does the front (with gzip alone, the worst of what Cloudflare offers a browser).

mod connection;

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HeaderMap, HeaderName, RETRY_AFTER, UPGRADE};
use hyper::server::conn::http1;
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tower::service_fn;
use tower_http::compression::Compression;

use connection::{Connector, connector};

/// Presses that the Worker computes at one time, and everything else. Few: what one thread has begun it only finishes
/// later for having begun more, and payments and releases do not queue with the crowd.
const AT_ONCE: usize = 128;
/// After so long a request is waiting for something, and no longer being computed: its place is another's.
const COMPUTED_WITHIN: Duration = Duration::from_millis(250);
/// Requests that the Worker has in all, those included that wait for a function or a gateway.
const ROOM: usize = 2_000;
/// A request that has waited so long for a slot gets a `Retry-After`.
const WAITS: Duration = Duration::from_secs(8);
/// Idle connections to the Worker are closed well before it closes them itself, which it does after 5 s: a request that is
/// sent into a closing connection has no answer.
const IDLE: Duration = Duration::from_secs(2);
/// From a connection's beginning, or the last answer on it, to the end of the next request's headers.
const HEADERS_WITHIN: Duration = Duration::from_secs(60);
/// Connections that are not accepted yet wait in the system's own queue.
const LINE: u32 = 4_096;
/// Files of the process that are not a client's: the Worker's side, and what else it does.
const OTHER_FILES: u64 = ROOM as u64 + 1_000;
/// As many files as are worth asking the system for.
const FILES_WANTED: u64 = 65_536;

/// Of a body as much is passed on as the Worker needs to see that it is too long, one byte more than it takes
/// (`BODY_MAX_BYTES` of edge/src/runtime/limits.rs): it answers before the end, and a write into the connection that it
/// closes then would fail and lose the answer.
const BODY_MAX_BYTES: usize = 16_384 + 1;
/// And of a gateway's message (`GATEWAY_BODY_MAX_BYTES`) and an operator's request (`ADMIN_BODY_MAX_BYTES`).
const LONG_BODY_MAX_BYTES: usize = 1_048_576 + 1;

/// Hop-by-hop headers; how long a body is, each side says for itself.
const HOP_BY_HOP: [HeaderName; 5] =
    [CONNECTION, EXPECT, UPGRADE, HeaderName::from_static("keep-alive"), HeaderName::from_static("proxy-connection")];

type Answer = Response<BoxBody<Bytes, hyper::Error>>;

struct Front {
    /// One an isolate, which take turns.
    workers: Vec<SocketAddr>,
    next: AtomicUsize,
    client: Client<Connector, Bounded>,
    presses: Arc<Semaphore>,
    others: Arc<Semaphore>,
    room: Arc<Semaphore>,
}

/// Listens until the task is aborted, and with it every connection.
///
/// # Errors
/// The port is taken.
pub fn start(port: u16, worker_ports: &[u16]) -> anyhow::Result<JoinHandle<()>> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into()).with_context(|| format!("the front cannot listen on {port}"))?;
    let listener = socket.listen(LINE)?;
    let client = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .set_host(false)
        .build(connector());
    let [presses, others, room] = [AT_ONCE, AT_ONCE, ROOM].map(|places| Arc::new(Semaphore::new(places)));
    let workers = worker_ports.iter().map(|port| (Ipv4Addr::LOCALHOST, *port).into()).collect();
    let front = Front { workers, next: AtomicUsize::new(0), client, presses, others, room };
    let most = files().saturating_sub(OTHER_FILES).max(64);
    Ok(tokio::spawn(listen(Arc::new(front), listener, usize::try_from(most)?)))
}

/// As many files as this process may have, after asking for as many as it may ask for.
fn files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let wanted = FILES_WANTED.min(limit.maximum.unwrap_or(FILES_WANTED));
    let current = limit.current.unwrap_or(FILES_WANTED);
    if current < wanted && setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit }).is_ok() {
        return wanted;
    }
    current
}

async fn listen(front: Arc<Front>, listener: TcpListener, most: usize) {
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            taken = listener.accept(), if clients.len() < most => {
                // One that is gone already needs nothing.
                let Ok((stream, _)) = taken else { continue };
                let _ = stream.set_nodelay(true);
                let front = front.clone();
                clients.spawn(async move {
                    let serve = service_fn(move |request| {
                        let front = front.clone();
                        async move { serve(&front, request).await }
                    });
                    let serve = TowerToHyperService::new(Compression::new(serve));
                    let mut http = http1::Builder::new();
                    http.timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN);
                    // A client that breaks off or speaks no HTTP has got its error, or is gone.
                    let _ = http.serve_connection(TokioIo::new(stream), serve).await;
                });
            }
            Some(_) = clients.join_next() => {}
        }
    }
}

async fn serve(front: &Arc<Front>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let Ok(Some(places)) = timeout(WAITS, front.places(&request)).await else {
        return Ok(unavailable("The line is long: ask again after `Retry-After`."));
    };
    // A client that disconnects leaves the queue; what the Worker has it finishes, and its place is free only then.
    // Otherwise a crowd that gives up would leave it with more and more requests without a client.
    let front = front.clone();
    let passed_on = tokio::spawn(async move {
        let [computing, _waiting] = places;
        let mut passing_on = pin!(front.pass_on(request));
        match timeout(COMPUTED_WITHIN, &mut passing_on).await {
            Ok(passed_on) => passed_on,
            Err(_) => {
                drop(computing);
                passing_on.await
            }
        }
    });
    Ok(match passed_on.await.unwrap_or_else(|error| Err(Refused::Away(error.to_string()))) {
        Ok(answer) => answer,
        Err(Refused::Strange) => refusal(StatusCode::BAD_REQUEST, "malformed_request", "Ask for a path."),
        Err(Refused::Away(cause)) => {
            let mut answer =
                unavailable("Ask again after `Retry-After`, with the same key: it will show what was done.");
            if let Ok(cause) = cause.parse() {
                answer.headers_mut().insert("x-front-error", cause);
            }
            answer
        }
    })
}

enum Refused {
    /// It asks for no path.
    Strange,
    /// The Worker died with it, or is not there, for the reason given; whether it did something, a retry will show.
    Away(String),
}

impl Front {
    /// A place to be computed and one to wait, in the order of arrival.
    async fn places(&self, request: &Request<Incoming>) -> Option<[OwnedSemaphorePermit; 2]> {
        let presses = request.method() == Method::POST && request.uri().path() == "/v1/reservations";
        let computed = if presses { &self.presses } else { &self.others };
        Some([computed.clone().acquire_owned().await.ok()?, self.room.clone().acquire_owned().await.ok()?])
    }

    async fn pass_on(&self, request: Request<Incoming>) -> Result<Answer, Refused> {
        let (mut head, body) = request.into_parts();
        let path = head.uri.path_and_query().filter(|path| path.as_str().starts_with('/')).ok_or(Refused::Strange)?;
        let is_long = ["/v1/webhooks/", "/v1/admin/"].iter().any(|start| path.path().starts_with(start));
        let most = if is_long { LONG_BODY_MAX_BYTES } else { BODY_MAX_BYTES };
        let worker = self.workers[self.next.fetch_add(1, Ordering::Relaxed) % self.workers.len()];
        let uri = Uri::builder().scheme("http").authority(worker.to_string()).path_and_query(path.clone());
        head.uri = uri.build().map_err(|_| Refused::Strange)?;
        head.version = Version::HTTP_11;
        strip(&mut head.headers);
        // Told the length of one that is too long, the Worker would answer and close before it is written.
        if body.size_hint().lower() >= most as u64 {
            head.headers.remove(CONTENT_LENGTH);
        }
        let body = Bounded { body, left: most };
        let answer = self.client.request(Request::from_parts(head, body)).await;
        let answer = answer.map_err(|error| Refused::Away(format!("{:#}", anyhow::Error::from(error))))?;
        let (mut head, body) = answer.into_parts();
        strip(&mut head.headers);
        Ok(Response::from_parts(head, body.boxed()))
    }
}

/// A body that ends when it is longer than any may be.
struct Bounded {
    body: Incoming,
    left: usize,
}

impl Body for Bounded {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let left = self.left;
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let frame = frame.map(|frame| frame.map(|frame| frame.map_data(|data| data.slice(..data.len().min(left)))));
        let bytes = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref().map(Bytes::len));
        self.left = left.saturating_sub(bytes.unwrap_or_default());
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0 || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let whole = self.body.size_hint();
        if whole.upper().is_some_and(|upper| upper <= self.left as u64) { whole } else { SizeHint::default() }
    }
}

fn strip(headers: &mut HeaderMap) {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

fn unavailable(detail: &str) -> Answer {
    let mut answer = refusal(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
    answer.headers_mut().insert(RETRY_AFTER, 1.into());
    answer
}

/// In the contract's form (edge/src/http/problem.rs), because to a client this is the shop.
fn refusal(status: StatusCode, code: &str, detail: &str) -> Answer {
    let title = status.canonical_reason().unwrap_or_default();
    let problem = json!({"type": format!("/problems/{code}"), "title": title, "status": status.as_u16(),
                         "detail": detail, "code": code});
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let body = Full::new(Bytes::from(problem.to_string())).map_err(|never| match never {});
    let mut answer = Response::new(body.boxed());
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    for (name, value) in [
        ("content-type", "application/problem+json"),
        ("cache-control", "no-store"),
        ("x-request-id", uuid::Uuid::new_v4().simple().to_string().as_str()),
        ("x-server-time", now_ms.to_string().as_str()),
    ] {
        if let Ok(value) = value.parse() {
            headers.insert(name, value);
        }
    }
    answer
}
