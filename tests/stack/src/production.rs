//! What Cloudflare, AWS and the distance between them do, and one machine does not by itself: several isolates of the Worker
//! in front of the same Durable Objects, which have a bounded pace; time on the way; functions that are ended at their timeout
//! and have a share of a processor; schedulers whose ticks are late, repeated and overlap; an isolate's bound of memory.
//! `--like-production` of `cargo dev up`, `rush` and `soak` turns all of it on.

mod share;
pub mod ticks;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

pub use share::Shares;

use crate::proxy::{Proxy, Speech};

/// Requests a second that one Durable Object takes: Cloudflare gives 500 to 750 for one that reads and writes JSON
/// (developers.cloudflare.com/durable-objects/best-practices/rules-of-durable-objects).
pub const OBJECT_PER_S: u32 = 700;
/// Requests that wait for an object, beyond which it is overloaded. Cloudflare does not publish its bound; this is half a second.
pub const OBJECT_QUEUE_MAX: u32 = 350;
/// Bytes of those; not published either.
pub const OBJECT_QUEUE_MAX_BYTES: u32 = 1_048_576;
/// And how long one of them waits.
pub const OBJECT_QUEUE_MAX_MS: u32 = 5_000;
/// Over so many seconds requests are counted: "too many requests for the same object within a 10 second window".
pub const OBJECT_WINDOW_S: u32 = 10;

/// 64 KiB each: 100 MB. An isolate has 128 MB for Wasm's memory and JavaScript's heap together, and the heap takes some.
pub const WASM_PAGES_MAX: u32 = 1_600;

/// Buyers behind one address: a venue, an office, a carrier's NAT.
pub const BUYERS_PER_ADDRESS: usize = 500;

/// How much of it there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Production {
    /// Isolates of the Worker that take requests; the Durable Objects are in one more.
    pub isolates: usize,
    /// From the Worker to a function, one way.
    pub function_ms: u64,
    /// From a function to the database, one way.
    pub database_ms: u64,
    /// From a function to a gateway, one way.
    pub gateway_ms: u64,
}

impl Production {
    /// A proxy before the gateways.
    ///
    /// # Errors
    /// No port is free.
    pub(crate) async fn before_gateways(self, port: u16) -> anyhow::Result<Proxy> {
        let proxy = Proxy::new(Speech::Http);
        proxy.open("").await?;
        proxy.keep_delay(Duration::from_millis(self.gateway_ms));
        proxy.lead_to(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        Ok(proxy)
    }
}
