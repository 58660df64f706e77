//! Buyers who press as fast as they are answered, each with a token, a key and an address of their own: what a client
//! must send, over plain HTTP/1.1, so that the driver takes little of the machine that it measures.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::try_join_all;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::percentile::Percentiles;

pub const SALE: &str = "bench";

/// Never the same twice in a run: a key that was used is another request.
static NEXT: AtomicU64 = AtomicU64::new(0);

pub struct Crowd<'a> {
    pub url: &'a str,
    pub secret: &'a str,
    pub path: &'a str,
    pub sale: &'a str,
    pub sku: &'a str,
    pub qty: u32,
    /// What each of them has to be answered.
    pub status: u16,
}

pub enum Until {
    Time(Duration),
    Answers(usize),
}

pub struct Sent {
    pub answers: usize,
    pub seconds: f64,
    /// Each answer, in no order.
    pub each: Vec<Answered>,
}

#[derive(Clone, Copy)]
pub struct Answered {
    /// Since the first press.
    pub at: Duration,
    pub took: Duration,
}

impl Sent {
    pub fn per_s(&self) -> f64 {
        self.answers as f64 / self.seconds
    }

    /// Answers a second, from one moment after the first press to another.
    pub fn per_s_between(&self, from: Duration, to: Duration) -> f64 {
        let between = self.each.iter().filter(|one| (from..to).contains(&one.at)).count();
        between as f64 / (to - from).as_secs_f64()
    }

    pub fn p50_ms(&self) -> f64 {
        let took: Vec<Duration> = self.each.iter().map(|one| one.took).collect();
        Percentiles::of_durations(&took).p50_ms
    }
}

impl Crowd<'_> {
    pub async fn press(&self, clients: usize, until: Until) -> anyhow::Result<Sent> {
        let (began, begun) = (Instant::now(), AtomicUsize::new(0));
        let (most, time) = match until {
            Until::Time(time) => (usize::MAX, time),
            Until::Answers(most) => (most, Duration::MAX),
        };
        let clients = (0..clients).map(|_| async {
            let address = self.url.trim_start_matches("http://");
            let mut stream = TcpStream::connect(address).await.context("cannot connect")?;
            stream.set_nodelay(true)?;
            let mut each = Vec::new();
            while began.elapsed() < time && begun.fetch_add(1, Ordering::Relaxed) < most {
                let pressed = began.elapsed();
                self.press_once(&mut stream, address).await?;
                let at = began.elapsed();
                each.push(Answered { at, took: at - pressed });
            }
            anyhow::Ok(each)
        });
        let each = try_join_all(clients).await?.concat();
        Ok(Sent { answers: each.len(), seconds: began.elapsed().as_secs_f64(), each })
    }

    async fn press_once(&self, stream: &mut TcpStream, host: &str) -> anyhow::Result<()> {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let Self { path, sale, sku, qty, .. } = self;
        let token = self.token(&format!("buyer-{n}"));
        let body = format!(r#"{{"sale_id":"{sale}","items":[{{"sku_id":"{sku}","qty":{qty}}}]}}"#);
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\nidempotency-key: key-{n}\r\n\
             content-type: application/json\r\ncf-connecting-ip: 2001:db8:{:x}:{:x}::1\r\ncontent-length: {}\r\n\r\n{body}",
            n >> 16,
            n & 0xffff,
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let (status, text) = answer(stream).await?;
        ensure!(status == self.status, "{path}: {status}: {text}");
        Ok(())
    }

    fn token(&self, user: &str) -> String {
        // A session ends within 30 days; this is longer than any run.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let expires_s = now.as_secs() + 86_400;
        let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"sub":"{user}","exp":{expires_s}}}"#));
        let signed = format!("{}.{claims}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#));
        // Any length of key is a key to HMAC.
        let Ok(mac) = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()) else { return String::new() };
        let signature = mac.chain_update(&signed).finalize().into_bytes();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// One answer: workerd announces the length of what it has whole.
async fn answer(stream: &mut TcpStream) -> anyhow::Result<(u16, String)> {
    let mut text = Vec::with_capacity(2_048);
    loop {
        ensure!(stream.read_buf(&mut text).await? > 0, "the connection was closed");
        let Some(head) = text.windows(4).position(|end| end == b"\r\n\r\n") else { continue };
        let head_text = String::from_utf8_lossy(&text[..head]).to_ascii_lowercase();
        let length = head_text.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.context("an answer without a length")?.trim().parse()?;
        if text.len() >= head + 4 + length {
            let status = head_text.split(' ').nth(1).context("no status")?.parse()?;
            return Ok((status, String::from_utf8_lossy(&text[head + 4..]).into_owned()));
        }
    }
}
