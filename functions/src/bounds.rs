//! The functions' bounds, each with its unit, in one place.
//!
//! Deadlines nest, so that whoever is nearer to the trouble gives up first and says so:
//! `lock_timeout` and `statement_timeout` (schema/roles.sql) < [`CALL_DEADLINE_MS`] < the edge's (edge/src/bounds.rs).

/// `lock_timeout` of every function's role, as schema/roles.sql sets it.
pub const LOCK_TIMEOUT_MS: u64 = 1_500;
/// `statement_timeout` of every function's role, as schema/roles.sql sets it.
pub const STATEMENT_TIMEOUT_MS: u64 = 2_500;
/// Connecting and logging in.
pub const CONNECT_DEADLINE_MS: u64 = 2_000;
/// A call of the database, a new connection for it included.
pub const CALL_DEADLINE_MS: u64 = 3_500;
/// Users of all shards that are read for one question of a Gate; beyond it that Gate asks T1 about everybody.
pub const HOLDERS_LOOK_MAX: i32 = 100_000;
/// Holds a transaction of the sweep ends at most.
pub const SWEEP_BATCH: i32 = 1_000;
/// The sweep stops this long before Lambda would end it in the middle of a transaction.
pub const SWEEP_RESERVE_MS: u64 = 5_000;
/// What `expire` should be deployed with as its timeout.
pub const SWEEP_DEFAULT_MS: u64 = 60_000;

const _: () = assert!(wire::lookup::HOLDERS_MAX < HOLDERS_LOOK_MAX as usize);
/// Asking a gateway about a payment: a webhook waits for it.
pub const ASK_DEADLINE_MS: u64 = 3_000;
/// Having a gateway take money that was set aside; `capture_needs` in schema/capture.sql is this and T2's.
pub const CAPTURE_DEADLINE_MS: u64 = 10_000;
/// Having a gateway pay back: PortOne advises a minute of patience.
pub const REFUND_DEADLINE_MS: u64 = 60_000;
/// What is read of a gateway's answer.
pub const GATEWAY_ANSWER_MAX_BYTES: usize = 262_144;
/// Payments under way that one sweep asks about, and refunds that one call claims; so many at once are in the air.
pub const CLAIM_MAX: i32 = 50;
pub const AT_ONCE_MAX: usize = 8;
/// How long a payment is one sweep's to ask about.
pub const ASK_LEASE_S: i32 = 30;
/// How long a refund is one call's to pay back: longer than asking, paying and asking again.
pub const REFUND_LEASE_S: u64 = 90;

const _: () = assert!(2 * ASK_DEADLINE_MS + REFUND_DEADLINE_MS < 1_000 * REFUND_LEASE_S);
const _: () = assert!(CAPTURE_DEADLINE_MS + CALL_DEADLINE_MS < 15_000);
const _: () = assert!(LOCK_TIMEOUT_MS < STATEMENT_TIMEOUT_MS);
const _: () = assert!(STATEMENT_TIMEOUT_MS < CALL_DEADLINE_MS);
const _: () = assert!(CONNECT_DEADLINE_MS < CALL_DEADLINE_MS);
const _: () = assert!(CALL_DEADLINE_MS < SWEEP_RESERVE_MS);
const _: () = assert!(SWEEP_RESERVE_MS < SWEEP_DEFAULT_MS);
