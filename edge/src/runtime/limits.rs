//! Every bound of the edge, with its unit, in one place, and how the bounds have to stand to each other.

/// A request's body; what is longer is refused while it is read.
pub const BODY_MAX_BYTES: usize = 16_384;
/// A gateway's message: Stripe alone may put 50 members of 500 characters into a payment's metadata. Its longest JSON text
/// in a call of a function is twice as long, a third of what Lambda takes.
pub const GATEWAY_BODY_MAX_BYTES: usize = 1_048_576;
/// What Lambda takes in a synchronous call.
pub const LAMBDA_PAYLOAD_MAX_BYTES: usize = 6_291_456;
/// From a request's headers to the last byte of its body.
pub const BODY_DEADLINE_MS: u64 = 10_000;

/// A session token, far above what an honest one needs.
pub const TOKEN_MAX_BYTES: usize = 4_096;

/// RFC 7518 asks an HS256 key to be no shorter than its hash.
pub const SESSION_SECRET_MIN_BYTES: usize = 32;
/// How far ahead a session may end, and how far two clocks may differ.
pub const SESSION_TTL_MAX_S: f64 = 2_592_000.0;
pub const SESSION_LEEWAY_S: f64 = 5.0;
/// Cookies of one name that are looked at for a session.
pub const SESSION_COOKIES_MAX: usize = 8;
pub const ADMIN_TOKEN_MIN_BYTES: usize = 16;

pub const USER_ID_MAX_CHARS: usize = 128;
pub const SLUG_MAX_CHARS: usize = 64;
pub const IDEMPOTENCY_KEY_MAX_CHARS: usize = 255;
/// A payment's id, and what a gateway says of hold and user.
pub const GATEWAY_TEXT_MAX_CHARS: usize = payments::TEXT_MAX_CHARS;
/// A bank, an account's number, its holder.
pub const ACCOUNT_TEXT_MAX_CHARS: usize = 64;
/// What a gateway's SDK gives a buyer's page.
pub const PAYMENT_TOKEN_MAX_CHARS: usize = 1_000;
/// Of a parameter that a route does not know, as much is named in the refusal.
pub const PARAMETER_SHOWN_CHARS: usize = 64;
/// Rows of a list, unless asked otherwise and at most.
pub const PAGE_DEFAULT: i32 = 50;
pub const PAGE_MAX: i32 = 100;
/// The largest whole number every JSON reader keeps exactly.
#[cfg(any(test, feature = "fuzz"))]
pub const AMOUNT_MAX: i64 = payments::AMOUNT_MAX;

/// Lines of a cart, and pieces of a line.
pub const ITEMS_MAX: usize = 10;
pub const QTY_MAX: i64 = 100;

/// Pieces an operator puts in or takes out at once, and the words that say why.
pub const STOCK_DELTA_MAX: i64 = 1_000_000_000;
pub const REASON_MAX_CHARS: usize = 500;
/// What an operator may call himself.
pub const OPERATOR_MAX_CHARS: usize = 128;
/// How long an old secret is good beside the new one, unless the operator says otherwise.
pub const SECRET_OVERLAP_S: i64 = 86_400;
/// A payment's id in hexadecimal, and what stands around it.
pub const DEAD_LETTER_ID_MAX_CHARS: usize = 3_000;

/// How long a token of `/dev/session` lives.
pub const DEV_SESSION_TTL_S: u64 = 86_400;

/// Within the schema and the functions; here only so that the order below can be asserted.
pub const FUNCTION_DEADLINE_MS: u64 = 3_500;
pub const STATEMENT_TIMEOUT_MS: u64 = 2_500;
/// One call of a function, from the request's first byte to the answer's last.
pub const INVOKE_DEADLINE_MS: u64 = 4_000;
/// One call of `confirm` that asks a gateway, and may have it take the money: the gateways wait 30 s for a webhook.
pub const GATEWAY_DEADLINE_MS: u64 = 25_000;
/// The Worker's patience with the Gate, which cannot answer when it has panicked or moved. A request there is worth
/// sending for as long; its flight may go on after it.
pub const GATE_DEADLINE_MS: u64 = 5_000;

/// How exactly patience with Gates and functions is counted: see `within` in runtime/js.js, which has the same number.
pub const TICK_MS: u64 = 250;
/// Reservations that one isolate has on their way to a Gate and back: at some 5 KB each well within its 128 MB. Who comes
/// beyond it is told to come again.
pub const RESERVATIONS_IN_FLIGHT_MAX: usize = 10_000;
/// How late an isolate may be and still take a reservation: people press again after about five seconds.
pub const LATE_MAX_MS: u64 = 4_000;

/// How long a Gate repeats "sold out": T1 is asked again within a second of anything that comes back unseen. And from when
/// on one request is let through to ask, before the memory lapses for all.
pub const SOLD_OUT_KEEP_MS: u64 = 800;
pub const SOLD_OUT_PROBE_MS: u64 = 480;
/// Reservations that one flight carries for a SKU that was sold out, until some get something; and SKUs of which a Gate
/// remembers that.
pub const SLOW_START_FIRST: usize = 2;
pub const SLOW_START_SKUS_MAX: usize = 1_000;
/// Sales of which a Gate remembers what is sold out, and users who may have something: a hash each.
pub const SOLD_OUT_SALES_MAX: usize = 64;
pub const SOLD_OUT_USERS_MAX: usize = 500_000;
/// When a Gate asks again who holds something in a sale: after no answer, and after one that was too long.
pub const HOLDERS_RETRY_MS: u64 = 1_000;
pub const HOLDERS_AGAIN_MS: u64 = 60_000;
/// After this long no call that an earlier life of a Gate made can change anything more: the call has left, the function
/// has given up, and the statement it left behind has ended.
pub const GATE_SETTLE_MS: u64 = 10_000;
/// How often a Gate that makes calls writes down that it does.
pub const GATE_MARK_MS: u64 = 5_000;
/// The Worker's patience with the Gates that it tells of stock that came back; between two such calls; and how often who
/// waits for one looks whether it is over.
pub const FORGET_DEADLINE_MS: u64 = 300;
pub const FORGET_EVERY_MS: u64 = 100;
pub const FORGET_POLL_MS: u64 = 10;

/// Calls of one function that an isolate has in the air, the Gates' own left out; beyond it 503. cargo-lambda's emulator
/// stops for good when a hundred wait.
pub const CALLS_MAX: usize = 80;
/// Who finds no place looks again this often, and no longer than this.
pub const PLACE_POLL_MS: u64 = 50;
pub const PLACE_WAIT_MS: u64 = 750;
/// Calls of `reserve` that one Gate has in the air: for one sale, and for all of them, where one more is kept for a sale
/// that has none.
pub const FLIGHTS_MAX: usize = 2;
pub const FLIGHTS_ALL_MAX: usize = 3;
/// Reservations of one sale waiting at one Gate; beyond it 503, not memory. When so many wait in all, a sale of which fewer
/// than its share wait has room still, up to the bound of all.
pub const QUEUE_MAX: usize = 2_000;
pub const QUEUE_SHARE: usize = 200;
pub const QUEUE_ALL_MAX: usize = 4_000;
/// Requests of one user in line or in the air at a Gate, and answers that the user waits for: a request that is sent again
/// waits with the first.
pub const USER_ENTRIES_MAX: usize = 3;
pub const USER_WAITERS_MAX: usize = 10;
/// Requests waiting at one Gate, duplicates of a running one included.
pub const WAITERS_MAX: usize = 10_000;
/// Granted keys that one Gate remembers; older ones are the database's to answer.
pub const KEYS_MAX: usize = 50_000;
pub const KEYS_TTL_MS: u64 = 600_000;
/// Token buckets at one Gate; a full one is the same as none and is forgotten.
pub const BUCKETS_MAX: usize = 50_000;
pub const BUCKETS_SWEEP_MS: u64 = 10_000;
/// Reservations a user may make at once, and per second from then on.
pub const USER_BURST: u32 = 20;
pub const USER_PER_S: u32 = 5;

/// Requests that a user may make of the Worker at once, whatever for, and per second from then on, in one isolate.
pub const REQUESTS_BURST: u32 = 60;
pub const REQUESTS_PER_S: u32 = 20;

/// What one address may do in a window, and the window: `limit` and `period` in wrangler.toml, which is who counts.
/// Reservations: some 500 people who press every few seconds may stand behind one.
pub const PRESSES_OF_ADDRESS_MAX: u64 = 3_000;
/// Requests of somebody whom nobody knows, and webhooks that nobody signed.
pub const STRANGERS_OF_ADDRESS_MAX: u64 = 1_000;
pub const HINTS_OF_ADDRESS_MAX: u64 = 30;
pub const ADDRESS_WINDOW_S: u64 = 10;

/// One payment is asked about this often where nobody signed for it, and who would have to wait longer than that comes
/// again; payments of which that is remembered.
pub const HINT_EVERY_MS: u64 = 1_000;
pub const HINT_WAIT_MS: u64 = 2_000;
pub const HINTED_MAX: usize = 10_000;
/// Calls of `confirm` that one isolate makes for messages that nobody signed, unless configured: fewer than `confirm` has
/// places.
pub const UNSIGNED_AT_ONCE: u32 = 2;

/// Failures in a row after which a function is left alone, and for how long.
pub const BREAKER_FAILURES: u32 = 5;
pub const BREAKER_OPEN_MS: u64 = 1_000;
/// A probe that was not heard of for this long was cancelled with its request.
pub const BREAKER_PROBE_MAX_MS: u64 = 6_000;

/// Sales kept by one isolate, how long a copy is fresh, and how long it may stand in while another is fetched; how long
/// while nobody can be asked: the fetch goes on for longer than that, or failed.
pub const SALES_MAX: usize = 256;
pub const SALE_FRESH_MS: u64 = 1_000;
pub const SALE_STALE_MS: u64 = 2_000;
pub const SALE_KEEP_MS: u64 = 30_000;
pub const SALE_SLOW_MS: u64 = 300;
/// One call for a sale of which there is a copy.
pub const SALE_REFRESH_MS: u64 = 1_500;
/// How long "no such sale" is remembered, and of how many names; calls in the air for names of which nothing is known.
pub const NO_SALE_KEEP_MS: u64 = 1_000;
pub const NO_SALES_MAX: usize = 4_096;
pub const NEW_SALES_MAX: usize = 16;
/// Who finds no copy and somebody else fetching looks again this often, and no longer than this.
pub const SALE_POLL_MS: u64 = 20;
pub const SALE_WAIT_MS: u64 = 1_000;

/// Of a sale's description, what a preview of its link shows.
pub const PREVIEW_MAX_CHARS: usize = 200;

/// What a browser may remember: a preflight (Chrome's own limit), a file of the shop (its name says which one), a sale,
/// HTTPS.
pub const PREFLIGHT_MAX_AGE_S: u64 = 7_200;
pub const ASSET_MAX_AGE_S: u64 = 31_536_000;
pub const SALE_MAX_AGE_S: u64 = 1;
pub const HSTS_MAX_AGE_S: u64 = 31_536_000;

const _: () = {
    // Each waits for the one before it, so that the innermost gives up first and nothing is left without an answer.
    assert!(FUNCTION_DEADLINE_MS < INVOKE_DEADLINE_MS);
    assert!(INVOKE_DEADLINE_MS < GATEWAY_DEADLINE_MS);
    // tests/deadlines.rs goes on with the page's patience on the one side and the database's on the other.
    assert!(PLACE_WAIT_MS + INVOKE_DEADLINE_MS < GATE_DEADLINE_MS);
    assert!(BODY_MAX_BYTES < GATEWAY_BODY_MAX_BYTES && 2 * GATEWAY_BODY_MAX_BYTES < LAMBDA_PAYLOAD_MAX_BYTES / 2);
    assert!(GATE_DEADLINE_MS <= BREAKER_PROBE_MAX_MS);
    assert!(INVOKE_DEADLINE_MS + FUNCTION_DEADLINE_MS + STATEMENT_TIMEOUT_MS <= GATE_SETTLE_MS);
    // "Sold out" ends within a second, however the stock came back, and is asked for before it ends.
    assert!(SOLD_OUT_PROBE_MS < SOLD_OUT_KEEP_MS && SOLD_OUT_KEEP_MS < 1_000);
    // A Gate that cannot be told has forgotten by itself soon after the Worker gave up.
    assert!(FORGET_EVERY_MS + FORGET_DEADLINE_MS < SOLD_OUT_KEEP_MS && FORGET_POLL_MS < FORGET_EVERY_MS);
    // What one sale's answer brings must not make the Gate begin anew.
    assert!(2 * protocol::lookup::HOLDERS_MAX < SOLD_OUT_USERS_MAX);
    // An answer to a question from before the Gate began anew has come by the time it asks again.
    assert!(INVOKE_DEADLINE_MS < GATE_SETTLE_MS);
    // A waiter needs a place in the queue or beside one that has it.
    assert!(QUEUE_MAX + QUEUE_SHARE <= QUEUE_ALL_MAX && QUEUE_ALL_MAX <= WAITERS_MAX);
    assert!(FLIGHTS_MAX < FLIGHTS_ALL_MAX && USER_ENTRIES_MAX <= USER_WAITERS_MAX);
    // What waits must be able to leave: more than one batch, or batches would never fill.
    assert!(FLIGHTS_MAX * protocol::reserve::BATCH_MAX < QUEUE_MAX);
    assert!(SALE_FRESH_MS < SALE_STALE_MS && SALE_POLL_MS < SALE_WAIT_MS);
    assert!(SALE_POLL_MS < SALE_SLOW_MS && SALE_SLOW_MS < SALE_REFRESH_MS);
    // A copy that stands in outlives the call that would replace it, several times over.
    assert!(SALE_REFRESH_MS < INVOKE_DEADLINE_MS && 4 * INVOKE_DEADLINE_MS < SALE_KEEP_MS);
    // Names of which nothing is known do not take what others need.
    assert!(2 * NEW_SALES_MAX < CALLS_MAX);
    // The limit for everything is above the one for reservations, or that one could never be told.
    assert!(USER_BURST < REQUESTS_BURST && USER_PER_S < REQUESTS_PER_S);
    assert!(HINT_EVERY_MS <= HINT_WAIT_MS);
    assert!(USER_PER_S > 0 && USER_BURST > 0);
};
