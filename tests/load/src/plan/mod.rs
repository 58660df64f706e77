//! The settings for the day, derived from measured figures: a queue in front of each Gate, a call for each batch, a
//! connection for each call. A small model, so that its reader can see what follows from what.

pub mod measured;
pub mod price;

use deployment::edge::reserved_for_gates;
use deployment::table::{ACCOUNT_CONCURRENCY, CONFIRM, RESERVE, RESERVED, UNRESERVED_MIN};
use measured::Measured;

/// What is known of the day.
#[derive(Clone, Copy, Debug)]
pub struct Day {
    /// Reservations asked for in the busiest second.
    pub arrivals_per_s: f64,
    /// Pieces on sale.
    pub stock: f64,
    /// What a durable commit of the database takes, in milliseconds.
    pub commit_ms: f64,
    /// From the edge to the function and on to the database and back, without the work, in milliseconds.
    pub way_ms: f64,
    /// Winners who pay, 0 to 1.
    pub pay: f64,
}

/// What to set.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// `GATE_SHARDS` in wrangler.toml.
    pub shards: f64,
    /// Reservations a call carries when the crowd is there.
    pub batch: f64,
    /// From leaving the Gate to being back there, in milliseconds.
    pub call_ms: f64,
    /// Reserved concurrency of `reserve`.
    pub reserve: f64,
    /// Reserved concurrency of `confirm`.
    pub confirm: f64,
    /// Connections of the pooler to the database: one for each instance of each function.
    pub connections: f64,
    /// Processors of the database.
    pub processors: f64,
    /// Until the last piece is held, in seconds.
    pub sold_out_after_s: f64,
    /// Calls of `reserve` after that, a second.
    pub probes_per_s: f64,
}

/// A part, and how much of what it can do the day asks of it: 1 is all.
#[derive(Clone, Debug)]
pub struct Strain {
    pub part: &'static str,
    pub share: f64,
}

/// Calls that a Gate has in flight: `SALE_BATCHES_IN_FLIGHT_MAX` of edge/src/runtime/limits.rs.
pub const CALLS_IN_FLIGHT: f64 = 2.0;
/// Reservations a call carries at most: `protocol::reserve::BATCH_MAX`.
pub const BATCH_MAX: f64 = 100.0;
/// How full anything is planned to be, so that a second busier than the busiest is no disaster.
const FILL: f64 = 0.7;
/// Instances of the functions that the day does not change, as the table of the deployment has them.
pub const OTHERS: f64 = (RESERVED - RESERVE.reserved - CONFIRM.reserved) as f64;
/// Places of `confirm` that unsigned messages and buyers' questions may take: `UNSIGNED_AT_ONCE` and `BUYERS_AT_ONCE` of
/// wrangler.toml.
const QUESTIONS: f64 = 6.0;
/// How often a Gate asks whether stock is back: `SOLD_OUT_PROBE` of edge/src/runtime/limits.rs, a second.
const PROBES_PER_GATE_S: f64 = 2.0;

#[must_use]
pub fn plan(day: Day, measured: Measured) -> Plan {
    let gate_per_s = measured.gate_per_s.min(price::OBJECT_REQUESTS_PER_S) * FILL;
    let mut shards = (day.arrivals_per_s / gate_per_s).ceil().max(1.0);
    // A batch is what arrives while a call is under way, shared by the calls in flight; and the larger it is, the longer
    // its call takes. Where that would need more than a full batch, more Gates are needed.
    let way_ms = day.way_ms + day.commit_ms + measured.batch_ms;
    let batch_of = |shards: f64| {
        let per_call_ms = day.arrivals_per_s / 1000.0 / shards / CALLS_IN_FLIGHT;
        let room = 1.0 - per_call_ms * measured.reservation_ms;
        if room <= 0.0 { f64::INFINITY } else { (per_call_ms * way_ms / room).max(1.0) }
    };
    while batch_of(shards) > BATCH_MAX * FILL {
        shards += 1.0;
    }
    let batch = batch_of(shards);
    let call_ms = way_ms + batch * measured.reservation_ms;
    let reserve = reserved_for_gates(shards as u64) as f64;
    // Half of those who pay do so in the busiest minute.
    let confirms_per_s = day.stock * day.pay / 2.0 / 60.0;
    let confirm =
        (confirms_per_s * (day.way_ms + day.commit_ms + measured.confirm_ms) / 1000.0 / FILL).ceil() + QUESTIONS;
    // The table has room for a gateway that takes seconds.
    let confirm = confirm.max(CONFIRM.reserved as f64);
    let granted_per_s = day.arrivals_per_s.min(measured.hot_sku_per_s * FILL);
    let t1_ms_per_s = granted_per_s * (measured.reservation_ms + measured.batch_ms / batch);
    Plan {
        shards,
        batch,
        call_ms,
        reserve,
        confirm,
        connections: (reserve + confirm + OTHERS).ceil(),
        processors: ((t1_ms_per_s + confirms_per_s * measured.confirm_ms) / 1000.0 / FILL).ceil().max(1.0),
        sold_out_after_s: day.stock / granted_per_s,
        probes_per_s: shards * PROBES_PER_GATE_S,
    }
}

/// Every part by its strain, the one that breaks first before the others.
#[must_use]
pub fn strains(day: Day, measured: Measured, plan: Plan) -> Vec<Strain> {
    let mut strains = vec![
        Strain {
            part: "a Gate: requests a second of one Durable Object",
            share: day.arrivals_per_s / plan.shards / measured.gate_per_s.min(price::OBJECT_REQUESTS_PER_S),
        },
        Strain { part: "a Gate: a batch is full", share: plan.batch / BATCH_MAX },
        Strain { part: "Postgres: one hot SKU", share: day.arrivals_per_s / measured.hot_sku_per_s },
        Strain { part: "Postgres: processors of one computer", share: plan.processors / price::PROCESSORS_MAX },
        Strain {
            part: "Lambda: concurrency of an account in a region",
            share: (plan.reserve + plan.confirm + OTHERS) / (ACCOUNT_CONCURRENCY - UNRESERVED_MIN) as f64,
        },
        Strain { part: "Postgres: connections of reserve", share: plan.reserve / RESERVE.connections_max as f64 },
    ];
    strains.sort_by(|a, b| b.share.total_cmp(&a.share));
    strains
}

/// What a million attempts on one such sale cost, in US dollars, part by part. Nothing that is included in a plan is
/// taken off.
#[must_use]
pub fn million(day: Day, measured: Measured, plan: Plan) -> Vec<(&'static str, f64)> {
    let attempts = 1e6;
    let seconds = (attempts / day.arrivals_per_s).max(plan.sold_out_after_s);
    let won = day.stock.min(attempts);
    let calls = won / plan.batch + plan.probes_per_s * (seconds - plan.sold_out_after_s).max(0.0) + won * day.pay;
    vec![
        ("Workers: requests", price::WORKER_REQUEST * attempts),
        ("Workers: processor time", price::WORKER_CPU_MS * measured.edge_ms * attempts),
        ("Durable Objects: requests", price::OBJECT_REQUEST * attempts),
        ("Durable Objects: time", price::OBJECT_GB_S * price::OBJECT_GB * plan.shards * (seconds + 10.0)),
        ("Lambda: requests", price::LAMBDA_REQUEST * calls),
        ("Lambda: time", price::LAMBDA_GB_S * RESERVE.memory_gb() * calls * plan.call_ms / 1000.0),
        ("Postgres: an hour of its processors", price::POSTGRES_CU_HOUR * plan.processors),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Day = Day { arrivals_per_s: 10_000.0, stock: 1_000.0, commit_ms: 3.0, way_ms: 15.0, pay: 0.7 };

    #[test]
    fn a_larger_crowd_needs_more_of_everything_and_a_batch_is_never_more_than_full() {
        let mut before = plan(Day { arrivals_per_s: 100.0, ..DAY }, measured::ON_TWO_CORES);
        for arrivals_per_s in [1_000.0, 10_000.0, 100_000.0, 1_000_000.0] {
            let now = plan(Day { arrivals_per_s, ..DAY }, measured::ON_TWO_CORES);
            assert!(now.shards >= before.shards && now.reserve >= before.reserve, "{now:?}");
            assert!(now.connections >= before.connections, "{now:?}");
            // Of one SKU no more is granted than its counter can do, and larger batches then cost less.
            let all_there_is = arrivals_per_s > measured::ON_TWO_CORES.hot_sku_per_s;
            assert!(all_there_is || now.processors >= before.processors, "{now:?}");
            assert!(now.batch <= BATCH_MAX, "{now:?}");
            // What the Gates have in flight, and what their predecessors have.
            assert!(now.reserve >= 2.0 * now.shards * CALLS_IN_FLIGHT, "{now:?}");
            assert!(now.connections >= now.reserve + now.confirm + OTHERS, "{now:?}");
            before = now;
        }
    }

    #[test]
    fn a_slower_commit_makes_larger_batches() {
        let quick = plan(Day { commit_ms: 0.2, ..DAY }, measured::ON_TWO_CORES);
        let slow = plan(Day { commit_ms: 10.0, ..DAY }, measured::ON_TWO_CORES);
        assert!(slow.batch > quick.batch && slow.call_ms > quick.call_ms, "{quick:?} {slow:?}");
    }

    #[test]
    fn what_breaks_first_is_named_first_and_every_part_costs_something() {
        let planned = plan(DAY, measured::ON_TWO_CORES);
        let strains = strains(DAY, measured::ON_TWO_CORES, planned);
        assert!(strains.windows(2).all(|pair| pair[0].share >= pair[1].share), "{strains:?}");
        assert!(million(DAY, measured::ON_TWO_CORES, planned).iter().all(|(_, dollars)| *dollars > 0.0));
    }
}
