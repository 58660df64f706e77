//! The functions' bounds, each with its unit, in one place.
//!
//! Deadlines nest, so that the innermost ends first and names the cause: `lock_timeout` and `statement_timeout`
//! (schema/roles.sql) < [`CALL_DEADLINE_MS`] < the edge's (edge/src/runtime/limits.rs).

/// `lock_timeout` of every function's role, as schema/roles.sql sets it.
pub const LOCK_TIMEOUT_MS: u64 = 1_500;
/// `statement_timeout` of every function's role, as schema/roles.sql sets it.
pub const STATEMENT_TIMEOUT_MS: u64 = 2_500;
/// Connecting and logging in.
pub const CONNECT_DEADLINE_MS: u64 = 2_000;
/// A call of the database, a new connection for it included.
pub const CALL_DEADLINE_MS: u64 = 3_500;
/// A connection that was idle for longer is replaced before it is used: whatever stands between may have forgotten it
/// silently (AWS's NAT does after 350 s), and a call would wait for its whole deadline to find that out.
pub const CONNECTION_IDLE_MAX_S: u64 = 240;
/// TCP keepalive: idle time before the first probe, interval between probes, and probes before the connection is
/// closed.
pub const KEEPALIVE_IDLE_S: u64 = 30;
pub const KEEPALIVE_INTERVAL_S: u64 = 5;
pub const KEEPALIVE_RETRIES: u32 = 3;
/// Unacknowledged data for this long means a dead connection; there is time for a new one within the call.
pub const TCP_USER_TIMEOUT_MS: u64 = 1_200;
/// An idle connection to a gateway or a receiver is closed after this: most servers keep theirs for a minute or more.
pub const HTTP_IDLE_MAX_S: u64 = 20;
/// Maximum difference between the edge's clock and a function's.
pub const CLOCK_SKEW_MS: u64 = 500;
/// How long `holdfast.tell_holders` looks for a Gate's users: some 500 000 of them. Beyond it the Gate sends every
/// request to T1.
pub const HOLDERS_FOR_MS: i32 = 1_000;
/// Holds a transaction of the sweep ends at most.
pub const SWEEP_BATCH: i32 = 1_000;
/// The sweep stops this long before Lambda would end it in the middle of a transaction.
pub const SWEEP_RESERVE_MS: u64 = 5_000;
/// The timeout that `expire` is deployed with; how long an invocation begins rounds, and the time between two of them.
pub const SWEEP_DEFAULT_MS: u64 = deployment::table::EXPIRE.timeout_ms();
pub const SWEEP_FOR_S: u64 = 55;
pub const SWEEP_INTERVAL_S: u64 = 10;

/// Holds, payments or events that the audit compares as of one moment; sales go one by one.
pub const AUDIT_PIECE: i32 = 1_000;
/// How long an invocation of `audit` goes on; the pauses between its pieces are as long as the pieces.
pub const AUDIT_FOR_S: u64 = 20;

const _: () = assert!(2 * HOLDERS_FOR_MS as u64 <= STATEMENT_TIMEOUT_MS);
// What Lambda answers at most is 6 MB; a hash is 19 digits and a comma.
const _: () = assert!(protocol::lookup::HOLDERS_MAX * 20 < 5_000_000);
/// Events a transaction of `relay` fans out at most; each is a row a subscription.
pub const FAN_OUT_BATCH: i32 = 500;
/// The rankings are made again after this. With `RELAY_INTERVAL_S` and the edge's copy (edge/src/runtime/limits.rs) it is how
/// old a ranking is at most.
pub const RANK_EVERY_S: f64 = 5.0;
/// Events, or holds with finished keys, that a transaction removes at most, and such transactions a pass.
pub const REMOVE_BATCH: i32 = 1_000;
pub const REMOVE_PIECES: usize = 20;
/// Between two removals by one instance.
pub const REMOVE_EVERY_S: u64 = 60;
/// Interval at which `relay` looks for due subscriptions that it is not sending to.
pub const RELAY_LOOK_MS: u64 = 200;
/// The timeout that `relay` is deployed with; how long an invocation looks for due events; and it claims nothing more this
/// long before the end of its timeout.
pub const RELAY_DEFAULT_MS: u64 = deployment::table::RELAY.timeout_ms();
pub const RELAY_FOR_S: u64 = 55;
pub const RELAY_RESERVE_MS: u64 = 25_000;
/// One attempt, from connecting to the answer's end: Standard Webhooks advises 15 to 30 s. The most one may be set to
/// leaves time to write its result down.
pub const ATTEMPT_DEADLINE_S: u64 = 20;
pub const ATTEMPT_DEADLINE_MAX_S: u64 = 20;
/// A claim outlives its attempt by the time that writing the result may take.
pub const LEASE_BEYOND_S: u64 = 5;
/// Between attempts, as Standard Webhooks recommends: the first at once, the last a day after the one before it.
pub const RETRIES_S: [u64; 10] = [0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
/// Maximum `Retry-After` that is honoured.
pub const RETRY_AFTER_MAX_S: u64 = 3_600;
/// Concurrent attempts to one receiver.
pub const ATTEMPTS_AT_ONCE: u64 = 16;
/// The receiver's circuit breaker: consecutive failures that open it, how long it stays open at first, and the maximum
/// after doubling.
pub const BREAKER_FAILURES: u64 = 5;
pub const BREAKER_OPEN_S: u64 = 30;
pub const BREAKER_OPEN_MAX_S: u64 = 300;
/// Bytes read of a receiver's response, so that its connection can be reused; and the time for it.
pub const ANSWER_READ_MAX_BYTES: usize = 4_096;
pub const DRAIN_MS: u64 = 500;
/// Maximum number of subscriptions.
pub const SUBSCRIPTIONS_MAX: i32 = 100;
/// How long an old secret may stay good beside the new one, and does unless the operator says otherwise.
pub const SECRET_OVERLAP_S: i64 = 86_400;
/// Dead letters that one call replays at most.
pub const REPLAY_BATCH: i32 = 1_000;
/// Holds or orders of a buyer that one page of a list reads, whatever its filters.
pub const LISTS_LOOK_MAX: i32 = 1_000;
/// Payments that one page reads, whatever its filters.
pub const PAYMENTS_LOOK_MAX: i32 = 5_000;
/// Retention: of sent events (after which the audit cannot check any more whether an event was delivered), of dead
/// letters, and of finished keys, which are never kept shorter.
pub const EVENTS_KEEP_H: u64 = 168;
pub const DEAD_LETTERS_KEEP_H: u64 = 720;
pub const IDEMPOTENCY_KEEP_H: u64 = 24;
/// Retention of holds that ended unpaid, never shorter than dead letters, which name them, and a day; and for how long
/// the law wants orders and payments kept with their buyer's name: five years, in the days of Korea's commerce act.
pub const HOLDS_KEEP_H: u64 = 2_160;
pub const LEGAL_KEEP_D: u64 = 1_826;

const _: () = assert!(HOLDS_KEEP_H > DEAD_LETTERS_KEEP_H + 24);
const _: () = assert!(ATTEMPT_DEADLINE_S <= ATTEMPT_DEADLINE_MAX_S);
const _: () = assert!(ATTEMPT_DEADLINE_MAX_S * 1_000 + CALL_DEADLINE_MS < RELAY_RESERVE_MS);
const _: () = assert!(DRAIN_MS + CALL_DEADLINE_MS < LEASE_BEYOND_S * 1_000);
const _: () = assert!(RELAY_RESERVE_MS < RELAY_DEFAULT_MS);
const _: () = assert!(BREAKER_OPEN_S <= BREAKER_OPEN_MAX_S);
/// Looking a payment up: a webhook waits for it.
pub const ASK_DEADLINE_MS: u64 = 3_000;
/// Capturing; `capture_needs` in schema/routines/capture.sql is this and T2's deadline.
pub const CAPTURE_DEADLINE_MS: u64 = 10_000;
/// Refunding: PortOne advises a minute.
pub const REFUND_DEADLINE_MS: u64 = 60_000;
/// Maximum length of a gateway's response, the same as of its webhooks (edge/src/runtime/limits.rs).
pub const GATEWAY_ANSWER_MAX_BYTES: usize = 1_048_576;
/// Pending payments that one claim takes, and concurrent lookups.
pub const CLAIM_MAX: i32 = 50;
pub const AT_ONCE_MAX: usize = 8;
/// Refunds that one claim takes at a gateway; all are attempted concurrently, so that none waits while its lease runs.
pub const REFUNDS_AT_ONCE: i32 = 8;
/// A page of a gateway's own list.
pub const LIST_DEADLINE_MS: u64 = 15_000;
/// Our payments that are looked at in one piece for whether a list had them.
pub const RECONCILE_LOOK: i32 = 200;
/// How far back a pass goes, and how long after its beginning the next one begins: the tick of the next day finds it due.
pub const RECONCILE_DAYS: u64 = 3;
pub const RECONCILE_EVERY_S: u64 = 72_000;
/// How long an invocation of `reconcile` goes on; the next one goes on with the rest.
pub const RECONCILE_FOR_S: u64 = 25;
/// Lease of a pass: longer than a page and the lookups of all its payments.
pub const RECONCILE_LEASE_S: i32 = 90;
/// Lease of a pending payment in the sweep.
pub const ASK_LEASE_S: i32 = 30;
/// Lease of a refund: longer than a lookup, the refund and another lookup.
pub const REFUND_LEASE_S: u64 = 90;
/// How long an invocation of `refund` claims refunds.
pub const REFUND_FOR_S: u64 = 50;

const _: () = assert!(2 * ASK_DEADLINE_MS + REFUND_DEADLINE_MS < 1_000 * REFUND_LEASE_S);
const _: () = assert!(CAPTURE_DEADLINE_MS + CALL_DEADLINE_MS < 15_000);
const _: () = assert!(LOCK_TIMEOUT_MS < STATEMENT_TIMEOUT_MS);
const _: () = assert!(STATEMENT_TIMEOUT_MS < CALL_DEADLINE_MS);
const _: () = assert!(CONNECT_DEADLINE_MS < CALL_DEADLINE_MS);
const _: () = assert!(TCP_USER_TIMEOUT_MS + CONNECT_DEADLINE_MS < CALL_DEADLINE_MS);
const _: () = assert!(CALL_DEADLINE_MS < SWEEP_RESERVE_MS);
const _: () = assert!(SWEEP_RESERVE_MS < SWEEP_DEFAULT_MS);

// What Lambda is told, against the deadlines: it ends no function that would still end by itself.
const _: () = {
    use deployment::function::Function;
    use deployment::table::{ADMIN, AUDIT, CONFIRM, EXPIRE, LOOKUP, RECONCILE, REFUND, RELAY, RELEASE, RESERVE};

    /// Lambda's own share of an invocation: a cold start, writing the answer.
    const AROUND_MS: u64 = 1_000;
    const fn lasts(function: &Function, work_ms: u64) -> bool {
        work_ms + AROUND_MS <= function.timeout_ms()
    }
    assert!(lasts(&RESERVE, CALL_DEADLINE_MS) && lasts(&RELEASE, CALL_DEADLINE_MS) && lasts(&LOOKUP, CALL_DEADLINE_MS));
    assert!(lasts(&ADMIN, 2 * CALL_DEADLINE_MS));
    // A lookup, the lock, the capture, the lookup of a capture without an outcome, and T2.
    assert!(lasts(&CONFIRM, 2 * ASK_DEADLINE_MS + CAPTURE_DEADLINE_MS + 2 * CALL_DEADLINE_MS));
    // The last round ends an interval after its window, and the payments that it claimed last have their lease.
    assert!(lasts(&EXPIRE, (SWEEP_FOR_S + SWEEP_INTERVAL_S + ASK_LEASE_S as u64) * 1_000));
    assert!(lasts(&REFUND, (REFUND_FOR_S + REFUND_LEASE_S) * 1_000));
    // Its last 25 s begin after its window: it looks for due events all the time that it has.
    assert!(lasts(&RELAY, RELAY_FOR_S * 1_000 + RELAY_RESERVE_MS));
    assert!(lasts(&RECONCILE, (RECONCILE_FOR_S + RECONCILE_LEASE_S as u64) * 1_000));
    // A pause is as long as the piece before it, and a piece is two calls.
    assert!(lasts(&AUDIT, AUDIT_FOR_S * 1_000 + 4 * CALL_DEADLINE_MS));
    // A tick of EventBridge Scheduler follows before the work of the one before is over.
    assert!(SWEEP_FOR_S < 60 && RELAY_FOR_S < 60 && REFUND_FOR_S < 60 && AUDIT_FOR_S < 60);
};
