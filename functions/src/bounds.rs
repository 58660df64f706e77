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

/// Holds, payments or events that the audit compares as of one moment; sales go one by one.
pub const AUDIT_PIECE: i32 = 1_000;
/// How long an invocation of `audit` goes on; the pauses between its pieces are as long as the pieces.
pub const AUDIT_FOR_S: u64 = 20;
/// For how long events are kept at least, after which nobody can say any more whether something was told.
pub const EVENTS_KEEP_H: u64 = 168;

const _: () = assert!(AUDIT_FOR_S * 1_000 + CALL_DEADLINE_MS < SWEEP_DEFAULT_MS);
const _: () = assert!(wire::lookup::HOLDERS_MAX < HOLDERS_LOOK_MAX as usize);
const _: () = assert!(LOCK_TIMEOUT_MS < STATEMENT_TIMEOUT_MS);
const _: () = assert!(STATEMENT_TIMEOUT_MS < CALL_DEADLINE_MS);
const _: () = assert!(CONNECT_DEADLINE_MS < CALL_DEADLINE_MS);
const _: () = assert!(CALL_DEADLINE_MS < SWEEP_RESERVE_MS);
const _: () = assert!(SWEEP_RESERVE_MS < SWEEP_DEFAULT_MS);
