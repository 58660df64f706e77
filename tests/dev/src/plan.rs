//! `cargo dev plan`: the settings for a day, what breaks first, and what it costs.

use clap::Args;
use deployment::table::max_connections;
use load::plan::{self, Day, measured};

#[derive(Args)]
pub struct Plan {
    /// Reservations asked for in the busiest second
    #[arg(long, value_name = "N")]
    arrivals_per_s: f64,
    /// Pieces on sale
    #[arg(long, value_name = "N")]
    stock: f64,
    /// A durable commit of the database, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 3.0)]
    commit_ms: f64,
    /// From the edge to the function, on to the database and back, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 15.0)]
    way_ms: f64,
    /// Winners who pay
    #[arg(long, value_name = "0..1", default_value_t = 0.7)]
    pay: f64,
}

impl Plan {
    pub fn run(self) -> anyhow::Result<()> {
        anyhow::ensure!(self.arrivals_per_s > 0.0 && self.stock > 0.0, "arrivals and stock must be more than 0");
        anyhow::ensure!((0.0..=1.0).contains(&self.pay), "--pay is a share, 0 to 1");
        anyhow::ensure!(self.commit_ms >= 0.0 && self.way_ms >= 0.0, "times cannot be negative");
        let Self { arrivals_per_s, stock, commit_ms, way_ms, pay } = self;
        let day = Day { arrivals_per_s, stock, commit_ms, way_ms, pay };
        let figures = measured::ON_TWO_CORES;
        let planned = plan::plan(day, figures);

        println!("to set, for {arrivals_per_s:.0} arrivals a second, {stock:.0} pieces, a commit of {commit_ms} ms:");
        for (what, value) in [
            ("GATE_SHARDS (wrangler.toml)", planned.shards),
            ("calls in flight (2 a Gate)", planned.shards * plan::CALLS_IN_FLIGHT),
            ("reserved concurrency of reserve", planned.reserve),
            ("reserved concurrency of confirm", planned.confirm),
            ("of the others together, as they are", plan::OTHERS),
            ("connections of the pooler", planned.connections),
            ("max_connections of the database", max_connections(planned.connections as u64) as f64),
            ("processors of the database", planned.processors),
        ] {
            println!("  {what:36} {value:>6.0}");
        }
        println!("what follows:");
        println!("  {:34} {:>8.1}", "reservations a call", planned.batch);
        println!("  {:34} {:>8.1} ms", "a call, there and back", planned.call_ms);
        println!("  {:34} {:>8.1} s", "until the last piece is held", planned.sold_out_after_s);
        println!("  {:34} {:>8.0} /s", "calls of reserve after that", planned.probes_per_s);
        println!("what breaks first (100 %: it does):");
        for strain in plan::strains(day, figures, planned) {
            println!("  {:52} {:>6.0} %", strain.part, strain.share * 100.0);
        }
        println!("a million attempts, at published prices (tests/load/src/plan/price.rs names the pages):");
        let costs = plan::million(day, figures, planned);
        for (part, dollars) in &costs {
            println!("  {part:38} {dollars:>8.3} $");
        }
        println!("  {:38} {:>8.3} $", "together", costs.iter().map(|(_, dollars)| dollars).sum::<f64>());
        Ok(())
    }
}
