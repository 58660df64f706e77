//! HTTP/1.1 to one server, as cheap as it can be: it shares its processors with what it measures. A bounded number of
//! connections, kept open between requests; and the moment when a request really left.

mod watched;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use rustix::process::{Resource, getrlimit};
use tokio::net::TcpSocket;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use self::watched::Watched;
use super::clock::Clock;

/// Connections to the server at one time. A request that finds none waits, and is counted as not sent in time.
const CONNECTIONS_MAX: u64 = 8_000;
/// Files that the process needs for other things: the front of a stack of its own among them, on its far side.
const OTHER_FILES: u64 = 3_000;
/// Addresses of loopback that connections come from: the system has some 14 000 ports from each to one server, and looks
/// for a free one the longer the fewer there are.
const SOURCES: u32 = 16;
/// workerd closes what was idle for 5 s: a connection older than this is not used again.
const IDLE_MAX: Duration = Duration::from_secs(4);
/// From wanting to send to the end of the answer.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// Not sent yet.
const NEVER: u64 = u64::MAX;

pub struct Http {
    address: SocketAddr,
    host: HeaderValue,
    clock: Clock,
    idle: Mutex<Vec<Connection>>,
    room: Semaphore,
    turn: AtomicU32,
}

pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// One try: when it left, when it was over, and what came back, if anything did.
pub struct Exchange {
    /// Nothing: it never left.
    pub sent_us: Option<u64>,
    pub over_us: u64,
    pub reply: Result<Reply, String>,
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: AbortHandle,
    left_us: Arc<AtomicU64>,
    idle_since: Instant,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Http {
    /// To `http://host:port`.
    pub fn to(url: &str, clock: Clock) -> anyhow::Result<Self> {
        let host = url.strip_prefix("http://").context("a rush goes to a stack on this machine: http://host:port")?;
        let address = host.parse().with_context(|| format!("{host} is not an address and a port"))?;
        let files = getrlimit(Resource::Nofile).current.unwrap_or(CONNECTIONS_MAX);
        // A stack of this process takes each of them at its other end, too.
        let most = (files.saturating_sub(OTHER_FILES) / 2).clamp(64, CONNECTIONS_MAX);
        let (idle, room) = (Mutex::default(), Semaphore::new(usize::try_from(most)?));
        Ok(Self { address, host: HeaderValue::from_str(host)?, clock, idle, room, turn: AtomicU32::new(0) })
    }

    pub async fn send(&self, method: Method, path: &str, headers: &HeaderMap, body: Bytes) -> Exchange {
        // Outlives a try that is given up: it may have left all the same.
        let mut left_us = None;
        let exchange = self.exchange(method, path, headers, body, &mut left_us);
        let reply = match tokio::time::timeout(DEADLINE, exchange).await {
            Ok(Ok((reply, sent_us))) => return Exchange { sent_us, over_us: self.clock.now_us(), reply: Ok(reply) },
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => format!("nothing came back within {} s", DEADLINE.as_secs()),
        };
        let sent_us = left_us.and_then(|left_us| sent(&left_us));
        Exchange { sent_us, over_us: self.clock.now_us(), reply: Err(reply) }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        headers: &HeaderMap,
        body: Bytes,
        left_us: &mut Option<Arc<AtomicU64>>,
    ) -> anyhow::Result<(Reply, Option<u64>)> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse()?;
        *request.headers_mut() = headers.clone();
        request.headers_mut().insert(HOST, self.host.clone());

        let _place = self.room.acquire().await?;
        let mut connection = match self.idle().await {
            Some(connection) => {
                connection.left_us.store(NEVER, Ordering::Relaxed);
                *left_us = Some(connection.left_us.clone());
                connection
            }
            None => {
                // It leaves as a wish to connect: when that is granted is the server's doing.
                let left = Arc::new(AtomicU64::new(self.clock.now_us()));
                *left_us = Some(left.clone());
                self.connect(left).await?
            }
        };
        let (head, body) = connection.sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        let sent_us = sent(&connection.left_us);
        connection.idle_since = Instant::now();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Ok((Reply { status: head.status.as_u16(), headers: head.headers, body }, sent_us))
    }

    async fn idle(&self) -> Option<Connection> {
        loop {
            let mut connection = self.take_idle()?;
            if connection.sender.ready().await.is_ok() {
                return Some(connection);
            }
        }
    }

    /// The one that was used last: the others become idle and are closed.
    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(connection) = idle.pop() {
            if !connection.sender.is_closed() && connection.idle_since.elapsed() < IDLE_MAX {
                return Some(connection);
            }
        }
        None
    }

    /// From the next of several addresses, where the system has them all.
    fn socket(&self) -> anyhow::Result<TcpSocket> {
        let socket = TcpSocket::new_v4()?;
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % SOURCES;
        if turn > 0 && cfg!(target_os = "linux") {
            let address = Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + turn);
            socket.bind((address, 0).into())?;
        }
        Ok(socket)
    }

    async fn connect(&self, left_us: Arc<AtomicU64>) -> anyhow::Result<Connection> {
        let stream = self.socket()?.connect(self.address).await?;
        stream.set_nodelay(true)?;
        let io = Watched { io: TokioIo::new(stream), clock: self.clock, left_us: left_us.clone() };
        let (sender, driver) = handshake(io).await?;
        let driver = tokio::spawn(async move { drop(driver.await) }).abort_handle();
        Ok(Connection { sender, driver, left_us, idle_since: Instant::now() })
    }
}

fn sent(left_us: &AtomicU64) -> Option<u64> {
    Some(left_us.load(Ordering::Relaxed)).filter(|us| *us != NEVER)
}
