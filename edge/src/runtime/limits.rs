//! Every limit of the Worker, with its unit, and the assertions of how they nest.

/// A request's body; a longer one is refused while it is read.
pub const BODY_MAX_BYTES: usize = 16_384;
/// The same of a request with an operator's token.
pub const ADMIN_BODY_MAX_BYTES: usize = 1_048_576;
/// A gateway's message: Stripe alone allows 50 members of 500 characters in a payment's metadata. As JSON text in a
/// call of a function it is at most twice as long, a third of what Lambda takes.
pub const GATEWAY_BODY_MAX_BYTES: usize = 1_048_576;
/// Lambda's limit for the payload of a synchronous call.
pub const LAMBDA_PAYLOAD_MAX_BYTES: usize = 6_291_456;
/// Time from a request's headers to the last byte of its body.
pub const BODY_DEADLINE_MS: u64 = 10_000;

/// A session token; real ones are far shorter.
pub const TOKEN_MAX_BYTES: usize = 4_096;

/// `CONFIRM_KEY` has at least so many bytes, or proves nothing.
pub const CONFIRM_KEY_MIN_BYTES: usize = 32;
/// RFC 7518 requires an HS256 key to be no shorter than its hash.
pub const SESSION_SECRET_MIN_BYTES: usize = 32;
/// How far ahead a session may expire, and how far two clocks may differ.
pub const SESSION_TTL_MAX_S: f64 = 2_592_000.0;
pub const SESSION_LEEWAY_S: f64 = 5.0;
/// Cookies of one name that are verified.
pub const SESSION_COOKIES_MAX: usize = 8;
pub const ADMIN_TOKEN_MIN_BYTES: usize = 16;

pub const USER_ID_MAX_CHARS: usize = 128;
pub const SLUG_MAX_CHARS: usize = 64;
pub const IDEMPOTENCY_KEY_MAX_CHARS: usize = 255;
/// A payment's id, and a gateway's texts about hold and user.
pub const GATEWAY_TEXT_MAX_CHARS: usize = payments::TEXT_MAX_CHARS;
/// A bank, an account number, an account holder.
pub const ACCOUNT_TEXT_MAX_CHARS: usize = 64;
/// The ids and tokens that a gateway's SDK gives a buyer's page.
pub const PAYMENT_TOKEN_MAX_CHARS: usize = 1_000;
/// How much of an unknown parameter's name a refusal quotes.
pub const PARAMETER_SHOWN_CHARS: usize = 64;
/// Rows of a page: default and maximum.
pub const PAGE_DEFAULT: i32 = 50;
pub const PAGE_MAX: i32 = 100;
/// The largest integer that every JSON reader keeps exactly.
#[cfg(any(test, feature = "fuzz"))]
pub const AMOUNT_MAX: i64 = payments::AMOUNT_MAX;

/// Lines of a cart, and the quantity of a line.
pub const ITEMS_MAX: usize = 10;
pub const QTY_MAX: i64 = 100;

/// Pieces of one stock adjustment, and the length of a reason.
pub const STOCK_DELTA_MAX: i64 = 1_000_000_000;
pub const REASON_MAX_CHARS: usize = 500;
/// An operator's name.
pub const OPERATOR_MAX_CHARS: usize = 128;
/// How long an old webhook secret stays valid after a rotation, unless the operator says otherwise.
pub const SECRET_OVERLAP_S: i64 = 86_400;
/// A payment's id in hexadecimal, and what stands around it.
pub const DEAD_LETTER_ID_MAX_CHARS: usize = 3_000;

/// Lifetime of a token of `/dev/session`.
pub const DEV_SESSION_TTL_S: u64 = 86_400;

/// Enforced by the schema and the functions; here only for the assertions below.
pub const FUNCTION_DEADLINE_MS: u64 = 3_500;
pub const STATEMENT_TIMEOUT_MS: u64 = 2_500;
/// One call of a function, from the request's first byte to the response's last.
pub const INVOKE_DEADLINE_MS: u64 = 4_000;
/// One call of `confirm` that looks a payment up and may capture it: gateways wait 30 s for a webhook's response.
pub const GATEWAY_DEADLINE_MS: u64 = 25_000;
/// How long the Worker waits for a Gate, which cannot answer after it has crashed or moved. A reservation there is
/// worth sending for as long; its batch may outlast it.
pub const GATE_DEADLINE_MS: u64 = 5_000;

/// Granularity of the waits for Gates and functions: see `within` in runtime/js.js, which has the same number.
pub const TICK_MS: u64 = 250;
/// Reservations that one isolate has in flight to Gates: at some 5 KB each well within its 128 MB. Above it 503.
pub const RESERVATIONS_IN_FLIGHT_MAX: usize = 10_000;
/// How late an isolate may be and still take a reservation: people press again after about five seconds.
pub const LATE_MAX_MS: u64 = 4_000;

/// How long a Gate repeats "sold out", so that T1 is called again within a second of stock that returned unseen; and
/// after how long one request is let through as a probe, before the memory expires.
pub const SOLD_OUT_KEEP_MS: u64 = 950;
pub const SOLD_OUT_PROBE_MS: u64 = 700;
/// How much longer a Gate keeps to a lease than it was given for: two machines' seconds are not the same to the millisecond.
pub const LEASE_LATE_MS: u64 = 10;
/// How long a SKU is not leased again after a reservation has waited for the end of a lease of it.
pub const LEASE_PAUSE_MS: u64 = 50;
/// A lease: SKUs that it names; its filter; users in the filter, of at least 5 bits each.
pub const LEASE_SKUS_MAX: usize = 64;
pub const LEASE_FILTER_BYTES_MAX: usize = 32_768;
pub const LEASE_USERS_MAX: usize = LEASE_FILTER_BYTES_MAX * 8 / 5;
/// Leases that an isolate holds, one for a Gate and a sale, and their filters together.
pub const LEASES_MAX: usize = 1_000;
pub const LEASES_BYTES_MAX: usize = 8_388_608;
/// How long a reservation waits for the lease that another one of its isolate asks for, how often it looks, and for how
/// long that one counts as asking: a request that is cancelled never says that it has ended.
pub const LEASE_WAIT_MS: u64 = 200;
pub const LEASE_POLL_MS: u64 = 20;
pub const LEASE_ASK_MS: u64 = 500;
/// Slow start after "sold out": reservations for the SKU in the first batch, doubled on every grant; and SKUs for which
/// a Gate remembers it.
pub const SLOW_START_FIRST: usize = 2;
pub const SLOW_START_SKUS_MAX: usize = 1_000;
/// Sales for which a Gate remembers "sold out", and users who may have something: a hash each.
pub const SOLD_OUT_SALES_MAX: usize = 64;
pub const SOLD_OUT_USERS_MAX: usize = 500_000;
/// When a Gate looks the holders of a sale up again: after a failure, and after too long an answer.
pub const HOLDERS_RETRY_MS: u64 = 1_000;
pub const HOLDERS_AGAIN_MS: u64 = 60_000;
/// After this long no call of a predecessor of this Gate can change anything: the call has left, the function has given
/// up, and its statement has ended.
pub const GATE_SETTLE_MS: u64 = 10_000;
/// How often a Gate that makes calls updates its restart mark.
pub const GATE_MARK_MS: u64 = 5_000;
/// Invalidation of the Gates' memory: deadline of a round, time between two rounds, poll interval of the callers that
/// wait for one.
pub const FORGET_DEADLINE_MS: u64 = 300;
pub const FORGET_EVERY_MS: u64 = 100;
pub const FORGET_POLL_MS: u64 = 10;

/// Calls of one function that an isolate has in flight, without the Gates' own; above it 503. Each keeps a request and its
/// body in the isolate's memory for as long as the function takes, and a function has fewer instances than that: what
/// waits beyond them is only answered later.
pub const CALLS_MAX: usize = 80;
/// Poll interval and maximum wait for a free call slot.
pub const PLACE_POLL_MS: u64 = 50;
pub const PLACE_WAIT_MS: u64 = 750;
/// Calls of `reserve` that one Gate has in flight: for one sale, and for all, where one more is kept for a sale that
/// has none.
pub const SALE_BATCHES_IN_FLIGHT_MAX: usize = 2;
pub const BATCHES_IN_FLIGHT_MAX: usize = 3;
/// Reservations of one sale queued at one Gate; above it 503. When that many are queued in all, a sale with fewer than
/// its share may still queue, up to the limit of all.
pub const QUEUE_MAX: usize = 2_000;
pub const QUEUE_SHARE: usize = 200;
pub const QUEUE_ALL_MAX: usize = 4_000;
/// Requests of one user queued or in flight at a Gate, and clients of the user that wait: a repeated request waits with
/// the first.
pub const USER_ENTRIES_MAX: usize = 3;
pub const USER_WAITERS_MAX: usize = 10;
/// Clients waiting at one Gate, duplicates included.
pub const WAITERS_MAX: usize = 10_000;
/// Granted keys that one Gate remembers; the database answers for older ones.
pub const KEYS_MAX: usize = 50_000;
pub const KEYS_TTL_MS: u64 = 600_000;
/// Token buckets at one Gate; a full bucket is dropped, because it equals none.
pub const BUCKETS_MAX: usize = 50_000;
pub const BUCKETS_SWEEP_MS: u64 = 10_000;
/// Reservations of a user: burst, and per second from then on.
pub const USER_BURST: u32 = 20;
pub const USER_PER_S: u32 = 5;

/// Requests of a user of any kind, in one isolate: burst, and per second from then on.
pub const REQUESTS_BURST: u32 = 60;
pub const REQUESTS_PER_S: u32 = 20;

/// Per client address and window: `limit` and `period` in wrangler.toml; Cloudflare counts. Reservations: some 500
/// people who press every few seconds may share an address.
pub const PRESSES_OF_ADDRESS_MAX: u64 = 3_000;
/// Unauthenticated requests.
pub const UNAUTHENTICATED_OF_ADDRESS_MAX: u64 = 1_000;
/// Sales that were not requested before.
pub const UNKNOWN_OF_ADDRESS_MAX: u64 = 100;
pub const HINTS_OF_ADDRESS_MAX: u64 = 30;
pub const ADDRESS_WINDOW_S: u64 = 10;

/// Unsigned messages: a payment is looked up at most this often; a message that would have to wait longer than that is
/// refused; payments that are remembered.
pub const HINT_EVERY_MS: u64 = 1_000;
pub const HINT_WAIT_MS: u64 = 2_000;
pub const HINTED_MAX: usize = 10_000;
/// Concurrent calls of `confirm` of one isolate for unsigned messages, unless configured: fewer than the concurrency of
/// `confirm`.
pub const UNSIGNED_AT_ONCE: u32 = 2;
/// The same for questions of signed-in buyers, unless configured; how many of them one user has; and how long a buyer
/// waits for one. Together with the unsigned ones they are fewer than the concurrency of `confirm`. Two for a user: a
/// page that is loaded again leaves its first request behind.
pub const BUYERS_AT_ONCE: u32 = 4;
pub const PLACES_OF_BUYER_MAX: usize = 2;
pub const BUYER_PLACE_WAIT_MS: u64 = 10_000;

/// Circuit breaker: consecutive failures that open it, and how long it stays open.
pub const BREAKER_FAILURES: u32 = 5;
pub const BREAKER_OPEN_MS: u64 = 1_000;
/// A probe without a result after this time was cancelled with its request.
pub const BREAKER_PROBE_MAX_MS: u64 = 6_000;

/// Cached sales of one isolate; how long a copy is fresh; how long it may be used while another is fetched; how long
/// while the functions cannot be reached, which is assumed after `SALE_SLOW_MS` or a failure.
pub const SALES_MAX: usize = 256;
pub const SALE_FRESH_MS: u64 = 1_000;
pub const SALE_STALE_MS: u64 = 2_000;
pub const SALE_KEEP_MS: u64 = 30_000;
pub const SALE_SLOW_MS: u64 = 300;
/// How long an isolate's copy of a ranking is fresh, which others may cache for as long; rows that are shown unless
/// another number is asked for. With how old the database's own is (`RELAY_INTERVAL_S`, `RANK_EVERY_S`) it is 27 s.
pub const RANKING_FRESH_MS: u64 = 10_000;
pub const RANKING_MAX_AGE_S: u64 = 10;
pub const RANKING_DEFAULT: i32 = 10;
/// One call for a sale that is cached.
pub const SALE_REFRESH_MS: u64 = 1_500;
/// How long "no such sale" is remembered, and of how many names; concurrent lookups of unknown names.
pub const NO_SALE_KEEP_MS: u64 = 1_000;
pub const NO_SALES_MAX: usize = 4_096;
pub const NEW_SALES_MAX: usize = 16;
/// Poll interval and maximum wait for another request's fetch.
pub const SALE_POLL_MS: u64 = 20;
pub const SALE_WAIT_MS: u64 = 1_000;

/// Length of a sale's description in a link preview.
pub const PREVIEW_MAX_CHARS: usize = 200;

/// Browser caching: a preflight (Chrome's own limit), an asset (its name has its fingerprint), a sale, HTTPS.
pub const PREFLIGHT_MAX_AGE_S: u64 = 7_200;
pub const ASSET_MAX_AGE_S: u64 = 31_536_000;
pub const SALE_MAX_AGE_S: u64 = 1;
pub const HSTS_MAX_AGE_S: u64 = 31_536_000;

const _: () = {
    // Each waits for the one before it, so that the innermost gives up first and every request gets an answer.
    assert!(FUNCTION_DEADLINE_MS < INVOKE_DEADLINE_MS);
    assert!(INVOKE_DEADLINE_MS < GATEWAY_DEADLINE_MS);
    // tests/it/workspace/deadlines.rs continues with the page's patience on one side and the database's on the other.
    assert!(PLACE_WAIT_MS + INVOKE_DEADLINE_MS < GATE_DEADLINE_MS);
    assert!(BODY_MAX_BYTES < ADMIN_BODY_MAX_BYTES && 2 * ADMIN_BODY_MAX_BYTES < LAMBDA_PAYLOAD_MAX_BYTES / 2);
    assert!(BODY_MAX_BYTES < GATEWAY_BODY_MAX_BYTES && 2 * GATEWAY_BODY_MAX_BYTES < LAMBDA_PAYLOAD_MAX_BYTES / 2);
    assert!(GATE_DEADLINE_MS <= BREAKER_PROBE_MAX_MS);
    assert!(INVOKE_DEADLINE_MS + FUNCTION_DEADLINE_MS + STATEMENT_TIMEOUT_MS <= GATE_SETTLE_MS);
    // "Sold out" expires within a second, however the stock came back, and is probed before it does.
    assert!(SOLD_OUT_PROBE_MS < SOLD_OUT_KEEP_MS && SOLD_OUT_KEEP_MS < 1_000);
    // A Gate that cannot be reached forgets by itself soon after the Worker gave up.
    assert!(FORGET_EVERY_MS + FORGET_DEADLINE_MS < SOLD_OUT_KEEP_MS && FORGET_POLL_MS < FORGET_EVERY_MS);
    // The holders of one sale must not exceed what a Gate remembers.
    assert!(2 * protocol::lookup::HOLDERS_MAX < SOLD_OUT_USERS_MAX);
    // A lookup from before a reset has ended by the time it is sent again.
    assert!(INVOKE_DEADLINE_MS < GATE_SETTLE_MS);
    // A waiter needs a place in the queue, or an entry to join.
    assert!(QUEUE_MAX + QUEUE_SHARE <= QUEUE_ALL_MAX && QUEUE_ALL_MAX <= WAITERS_MAX);
    assert!(SALE_BATCHES_IN_FLIGHT_MAX < BATCHES_IN_FLIGHT_MAX && USER_ENTRIES_MAX <= USER_WAITERS_MAX);
    // More than one batch must fit into the queue, or batches would never be full.
    assert!(SALE_BATCHES_IN_FLIGHT_MAX * protocol::reserve::BATCH_MAX < QUEUE_MAX);
    assert!(SALE_FRESH_MS < SALE_STALE_MS && SALE_POLL_MS < SALE_WAIT_MS);
    assert!(RANKING_FRESH_MS + (SALE_STALE_MS - SALE_FRESH_MS) < SALE_KEEP_MS && RANKING_DEFAULT <= PAGE_MAX);
    assert!(SALE_POLL_MS < SALE_SLOW_MS && SALE_SLOW_MS < SALE_REFRESH_MS);
    // A stale copy outlives the call that would replace it, several times over.
    assert!(SALE_REFRESH_MS < INVOKE_DEADLINE_MS && 4 * INVOKE_DEADLINE_MS < SALE_KEEP_MS);
    // Unknown names leave call slots for others.
    assert!(2 * NEW_SALES_MAX < CALLS_MAX);
    // The limit for all requests is above the one for reservations, which otherwise would never apply.
    assert!(USER_BURST < REQUESTS_BURST && USER_PER_S < REQUESTS_PER_S);
    assert!(HINT_EVERY_MS <= HINT_WAIT_MS);
    // One user leaves places to other buyers.
    assert!(PLACES_OF_BUYER_MAX < BUYERS_AT_ONCE as usize && PLACE_WAIT_MS < BUYER_PLACE_WAIT_MS);
    assert!(USER_PER_S > 0 && USER_BURST > 0);
};

// The table of the deployment says of the Worker and the functions what is said here.
#[cfg(test)]
const _: () = {
    use deployment::edge::{CALLS_OF_A_GATE, LIMITS, LIMITS_PERIOD_S};
    use deployment::table::{ADMIN, CONFIRM, LOOKUP, RELEASE, RESERVE};

    // Lambda ends a function later than its caller gives up: what answers late is told apart from what was killed.
    assert!(INVOKE_DEADLINE_MS < RESERVE.timeout_ms() && INVOKE_DEADLINE_MS < RELEASE.timeout_ms());
    assert!(INVOKE_DEADLINE_MS < LOOKUP.timeout_ms() && INVOKE_DEADLINE_MS < ADMIN.timeout_ms());
    assert!(GATEWAY_DEADLINE_MS < CONFIRM.timeout_ms());
    // A Gate's first call comes late where it starts anew, and so do the ones that its predecessor had in flight.
    assert!(GATE_SETTLE_MS >= RESERVE.timeout_ms());
    assert!(BATCHES_IN_FLIGHT_MAX as u64 == CALLS_OF_A_GATE);
    assert!(UNSIGNED_AT_ONCE as u64 + (BUYERS_AT_ONCE as u64) < CONFIRM.reserved);
    assert!(LIMITS[0].1 == PRESSES_OF_ADDRESS_MAX && LIMITS[1].1 == UNAUTHENTICATED_OF_ADDRESS_MAX);
    assert!(LIMITS[2].1 == UNKNOWN_OF_ADDRESS_MAX && LIMITS[3].1 == HINTS_OF_ADDRESS_MAX);
    assert!(LIMITS_PERIOD_S == ADDRESS_WINDOW_S);
};
