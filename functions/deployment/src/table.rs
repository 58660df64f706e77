//! The functions, a row each. A change here changes the template, the policies, the documents, the local stack and the plan.

use crate::function::{Caller, Function, Gateways, Kind, LocalBeat, Right, Schedule, Variable};

/// The alias that everybody invokes; a deployment moves it from one version to the next.
pub const ALIAS: &str = "live";
/// What the template's parameter `Prefix` is unless set: every function's deployed name begins with it.
pub const PREFIX: &str = "holdfast-";
/// The two key pairs of the Worker.
pub const BUYERS_KEY: &str = "edge";
pub const OPERATORS_KEY: &str = "edge-admin";
/// Days for which a function's log is kept.
pub const LOG_KEEP_D: u64 = 30;
/// Instances that an account must leave to functions without a reservation, and what a region allows unless raised.
pub const UNRESERVED_MIN: u64 = 100;
pub const ACCOUNT_CONCURRENCY: u64 = 1_000;

const fn secret(name: &'static str) -> Variable {
    Variable { name, kind: Kind::Secret, local: None }
}

const fn parameter(name: &'static str, default: &'static str) -> Variable {
    Variable { name, kind: Kind::Parameter(default), local: None }
}

const fn tuning(name: &'static str) -> Variable {
    Variable { name, kind: Kind::Tuning, local: None }
}

/// With a value of its own on the local stack.
const fn local(variable: Variable, value: &'static str) -> Variable {
    Variable { local: Some(value), ..variable }
}

/// The variables that every function has.
pub const OF_ALL: &[Variable] = &[
    secret("DATABASE_URL"),
    // A file in the function's own zip, for a database whose certificate authority is not a public one.
    parameter("DATABASE_CA_FILE", ""),
    tuning("DATABASE_IDLE_MAX_S"),
    local(parameter("RUST_LOG", "info"), "info"),
];

const EARLY_RELEASE: Variable = parameter("EARLY_RELEASE", "on");
const GATEWAY_MODE: Variable = parameter("GATEWAY_MODE", "live");
const GATEWAY_CA_FILE: Variable = tuning("GATEWAY_CA_FILE");
const SEAL_KEY: Variable = secret("SEAL_KEY");
/// Retention, which a shop may change for all functions together: each default is the one in
/// functions/src/runtime/limits.rs.
const EVENTS_KEEP_H: Variable = parameter("EVENTS_KEEP_H", "168");
const LEGAL_KEEP_D: Variable = parameter("LEGAL_KEEP_D", "1826");
const IDEMPOTENCY_KEEP_H: Variable = parameter("IDEMPOTENCY_KEEP_H", "24");
const DEAD_LETTERS_KEEP_H: Variable = parameter("DEAD_LETTERS_KEEP_H", "720");
const HOLDS_KEEP_H: Variable = parameter("HOLDS_KEEP_H", "2160");
pub const RETENTION: [Variable; 5] =
    [EVENTS_KEEP_H, LEGAL_KEEP_D, IDEMPOTENCY_KEEP_H, DEAD_LETTERS_KEEP_H, HOLDS_KEEP_H];
// Receivers of the local stack are on the same machine.
const RELAY_ALLOW_PRIVATE: Variable = local(parameter("RELAY_ALLOW_PRIVATE", "off"), "on");

/// Each minute, the shortest interval of EventBridge Scheduler.
const EACH_MINUTE: Schedule = Schedule {
    every_min: 1,
    delivery_retries: 2,
    delivery_age_max_s: 60,
    run_retries: 0,
    run_age_max_s: 60,
    local: LocalBeat::Sweep,
};

/// What the functions have in common that a buyer waits for.
const OF_BUYERS: Function = Function {
    name: "",
    timeout_s: 5,
    memory_mb: 512,
    reserved: 0,
    caller: Caller::Edge(BUYERS_KEY),
    connections_max: 0,
    gateways: Gateways::None,
    variables: &[],
    rights: &[],
    local_instances: 2,
};

/// What the functions have in common that nobody waits for.
const SCHEDULED: Function = Function {
    memory_mb: 256,
    connections_max: 10,
    caller: Caller::Schedule(EACH_MINUTE),
    rights: &[Right::ReportFailedRuns],
    ..OF_BUYERS
};

/// T1. Twice what the Gates have in flight: after a Gate has started anew, the calls of its predecessor still hold theirs.
pub const RESERVE: Function = Function {
    name: "reserve",
    reserved: 24,
    connections_max: 300,
    variables: &[EARLY_RELEASE],
    local_instances: 3,
    ..OF_BUYERS
};

/// T2, which waits for gateways: six a second with a gateway that takes three seconds, and the questions of buyers beside
/// them.
pub const CONFIRM: Function = Function {
    name: "confirm",
    timeout_s: 30,
    reserved: 32,
    connections_max: 100,
    gateways: Gateways::ApiAndWebhooks,
    variables: &[GATEWAY_MODE, GATEWAY_CA_FILE, secret("CONFIRM_KEY")],
    // One more than UNSIGNED_AT_ONCE and BUYERS_AT_ONCE (wrangler.toml), so that a signed payment finds one.
    local_instances: 7,
    ..OF_BUYERS
};

pub const RELEASE: Function = Function { name: "release", reserved: 8, connections_max: 50, ..OF_BUYERS };

/// Everything that only reads: sales for each isolate of the Worker, holders for each Gate, a buyer's holds and orders.
pub const LOOKUP: Function =
    Function { name: "lookup", reserved: 16, connections_max: 100, variables: &[EARLY_RELEASE], ..OF_BUYERS };

/// Some commands call the database twice.
pub const ADMIN: Function = Function {
    name: "admin",
    timeout_s: 10,
    reserved: 4,
    caller: Caller::Edge(OPERATORS_KEY),
    connections_max: 20,
    variables: &[RELAY_ALLOW_PRIVATE, SEAL_KEY, EVENTS_KEEP_H, LEGAL_KEEP_D],
    ..OF_BUYERS
};

/// T3. A gateway's payments that are looked up at the end of its time are captured or settled before the function ends.
pub const EXPIRE: Function = Function {
    name: "expire",
    timeout_s: 100,
    reserved: 3,
    gateways: Gateways::Api,
    variables: &[
        GATEWAY_MODE,
        GATEWAY_CA_FILE,
        // The local scheduler is as quick as the sweep should be: one sweep an invocation.
        local(tuning("SWEEP_FOR_S"), "0"),
        tuning("SWEEP_INTERVAL_S"),
    ],
    ..SCHEDULED
};

/// A gateway may take a minute for one refund.
pub const REFUND: Function = Function {
    name: "refund",
    timeout_s: 150,
    reserved: 4,
    gateways: Gateways::Api,
    variables: &[
        GATEWAY_MODE,
        GATEWAY_CA_FILE,
        // The local one goes on while there is something to refund, or a crowd's refunds would come eight a second.
        local(tuning("REFUND_FOR_S"), "5"),
        tuning("REFUND_INTERVAL_S"),
        tuning("REFUND_LEASE_S"),
        tuning("REFUND_RETRY_S"),
    ],
    ..SCHEDULED
};

/// It claims nothing in the last 25 s, so that it has the rest of the minute to look for due events, and none waits for
/// the next tick.
pub const RELAY: Function = Function {
    name: "relay",
    timeout_s: 85,
    reserved: 3,
    caller: Caller::Schedule(Schedule { local: LocalBeat::Seconds(1), ..EACH_MINUTE }),
    variables: &[
        SEAL_KEY,
        RELAY_ALLOW_PRIVATE,
        EVENTS_KEEP_H,
        LEGAL_KEEP_D,
        IDEMPOTENCY_KEEP_H,
        DEAD_LETTERS_KEEP_H,
        HOLDS_KEEP_H,
        // A receiver of the local stack gets events at once.
        local(tuning("RELAY_FOR_S"), "0"),
        tuning("RELAY_INTERVAL_S"),
        tuning("RELAY_RETRY_S"),
        tuning("RELAY_DEADLINE_S"),
        tuning("RELAY_AT_ONCE"),
        tuning("RELAY_BREAKER_OPEN_S"),
        tuning("RELAY_CA_FILE"),
    ],
    rights: &[Right::ReportFailedRuns, Right::DeliverToTargets],
    ..SCHEDULED
};

/// A pass a day; a tick goes on where the one before stopped.
pub const RECONCILE: Function = Function {
    name: "reconcile",
    timeout_s: 120,
    reserved: 2,
    caller: Caller::Schedule(Schedule { every_min: 10, local: LocalBeat::Wished, ..EACH_MINUTE }),
    gateways: Gateways::Api,
    variables: &[
        GATEWAY_MODE,
        GATEWAY_CA_FILE,
        // A pass a tick on the local stack.
        local(tuning("RECONCILE_EVERY_S"), "0"),
        tuning("RECONCILE_FOR_S"),
        tuning("RECONCILE_DAYS"),
        // The first day of an account that is older than the shop; until it is set, all of the account is compared.
        parameter("RECONCILE_SINCE", ""),
    ],
    local_instances: 1,
    ..SCHEDULED
};

pub const AUDIT: Function = Function {
    name: "audit",
    timeout_s: 40,
    reserved: 2,
    caller: Caller::Schedule(Schedule { local: LocalBeat::Seconds(60), ..EACH_MINUTE }),
    variables: &[tuning("AUDIT_FOR_S"), EVENTS_KEEP_H],
    ..SCHEDULED
};

/// Every function, in the order in which functions/README.md describes them.
pub const FUNCTIONS: [Function; 10] =
    [RESERVE, CONFIRM, RELEASE, LOOKUP, ADMIN, EXPIRE, REFUND, RELAY, RECONCILE, AUDIT];

/// The functions' names, in the same order.
pub const NAMES: [&str; FUNCTIONS.len()] = {
    let mut names = [""; FUNCTIONS.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = FUNCTIONS[i].name;
        i += 1;
    }
    names
};

/// Instances, and so connections of the database, that all functions together may have.
pub const RESERVED: u64 = {
    let (mut sum, mut i) = (0, 0);
    while i < FUNCTIONS.len() {
        sum += FUNCTIONS[i].reserved;
        i += 1;
    }
    sum
};

/// Connections that Postgres keeps for superusers and its own work.
const KEPT_BY_POSTGRES: u64 = 7;

/// `max_connections` of a database that lets so many instances connect and has a fifth left: for a migration, an operator,
/// and the versions of two releases during a deployment.
#[must_use]
pub const fn max_connections(instances: u64) -> u64 {
    (instances * 5).div_ceil(4) + KEPT_BY_POSTGRES
}

/// None: there is no such function.
#[must_use]
pub fn function(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

const _: () = {
    assert!(RESERVED + UNRESERVED_MIN <= ACCOUNT_CONCURRENCY);
    let mut i = 0;
    while i < FUNCTIONS.len() {
        let function = &FUNCTIONS[i];
        assert!(
            function.timeout_s > 3 && function.memory_mb > 128,
            "Lambda's defaults are too little for every function"
        );
        assert!(function.reserved > 0 && function.reserved <= function.connections_max);
        // A tick that comes early finds an instance while each of the former runs takes all its time.
        assert!(function.reserved > function.overlapping_runs());
        i += 1;
    }
};
