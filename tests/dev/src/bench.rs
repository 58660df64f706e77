//! `cargo dev bench`: what each way of reserving does a second, in ratios that one run measured.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use load::bench::report::Report;
use load::bench::server::Bench as Server;
use load::bench::t1::{self, Wanted};
use load::bench::{arrivals, crash, edge, growth, plans, plot, t2, t3, table, target, variant};

use crate::up::Ends;

#[derive(Args)]
pub struct Bench {
    /// Only this part
    part: Option<Part>,
    /// A minute's smoke: every part, too short for its numbers to mean anything
    #[arg(long)]
    quick: bool,
    /// Seconds that each cell is measured
    #[arg(long, value_name = "S")]
    seconds_per_cell: Option<f64>,
    /// T1: only these ways of reserving, as the JSON names them
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// T1: only so many clients
    #[arg(long, value_delimiter = ',')]
    clients: Vec<usize>,
    /// T1: only with a commit that takes so many milliseconds longer; 0: as it is
    #[arg(long, value_delimiter = ',')]
    commit_ms: Vec<u64>,
    /// T1: only with so many SKUs on sale
    #[arg(long, value_delimiter = ',')]
    skus: Vec<u64>,
    /// Growth: holds of history
    #[arg(long, value_name = "N")]
    history: Option<i64>,
    /// Growth: keys, holds and orders of one buyer in today's sale
    #[arg(long, value_name = "N")]
    one_buyer: Option<i64>,
    /// Growth: dead letters
    #[arg(long, value_name = "N")]
    dead_letters: Option<i64>,
    /// Plans: where to write them
    #[arg(long, value_name = "FILE")]
    plans: Option<PathBuf>,
    /// Draws the T1 table's hot SKU as an SVG
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Edge: compares the Gate of this clone with that of another build of the Worker (a folder with its index.js), and
    /// no more
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The ways of reserving against each other, and what was to be reached
    T1,
    /// What a buyer waits for a batch (a part of T1)
    Waiting,
    /// Confirms and sweeps alone
    #[value(name = "t2-t3")]
    T2T3,
    /// All three with history and without, and the plans with it
    Growth,
    /// The plans of every statement with history behind it
    Plans,
    /// What a crash loses
    Crash,
    /// What each hop costs at the edge; the whole path beside a plain service, and on a Worker that was just started
    Edge,
}

impl Bench {
    pub fn run(self) -> anyhow::Result<()> {
        // One thread: what the driver takes, the database does not have.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.until_done_or_told_to_end())
    }

    async fn until_done_or_told_to_end(self) -> anyhow::Result<()> {
        let mut ends = Ends::new()?;
        if let Some(other) = &self.against {
            return self.against(other).await;
        }
        let mut report = Report::default();
        if self.part != Some(Part::Edge) {
            let server = Server::start(self.name()).await?;
            let done = tokio::select! {
                done = self.parts(&server, &mut report) => done,
                () = ends.asked() => Err(anyhow::anyhow!("interrupted")),
            };
            server.server.remove().await?;
            done?;
        }
        if self.part.is_none_or(|part| part == Part::Edge) {
            let how = if self.quick {
                edge::How { seconds: 0.5, rounds: 1, cold_s: 3 }
            } else {
                edge::How { seconds: self.seconds_per_cell.unwrap_or(4.0), rounds: 5, cold_s: 10 }
            };
            let found = edge::run(how).await?;
            println!("{}", table::of_edge(&found));
            report.targets.extend(target::of_edge(&found));
            report.edge = Some(found);
        }
        println!("{}", report.verdict());
        println!("all of it is in {}", report.write(self.name())?.display());
        if let Some(file) = &self.plot {
            std::fs::write(file, plot::svg(&report.cells))?;
        }
        Ok(())
    }

    async fn against(&self, other: &Path) -> anyhow::Result<()> {
        for (name, this, of_other) in edge::against(other, self.seconds_per_cell.unwrap_or(4.0), 5).await? {
            println!("{name:46} {this:.0} us of workerd, there {of_other:.0}: {:.2}", this / of_other);
        }
        Ok(())
    }

    async fn parts(&self, server: &Server, report: &mut Report) -> anyhow::Result<()> {
        *report = Report::of(&server.t1.owner).await?;
        println!("{}\n", report.heading());
        let wanted = |part| self.part.is_none_or(|only| only == part);
        if wanted(Part::T1) {
            self.t1(server, report).await?;
        }
        if wanted(Part::T1) && self.only.is_empty() || wanted(Part::Waiting) {
            self.waiting(server, report).await?;
        }
        if wanted(Part::T2T3) {
            self.t2_t3(server, report).await?;
        }
        if wanted(Part::Growth) || wanted(Part::Plans) {
            self.growth(server, report).await?;
        }
        // The last: no connection lives longer.
        if wanted(Part::Crash) {
            report.crashes = crash::run(&server.server, if self.quick { 1 } else { 3 }).await?;
            println!("{}", table::of_crashes(&report.crashes));
        }
        Ok(())
    }

    async fn t1(&self, server: &Server, report: &mut Report) -> anyhow::Result<()> {
        let wanted = self.wanted()?;
        for variant in t1::that_sell(&wanted.variants) {
            for skus in if self.quick { vec![1] } else { vec![1, 64] } {
                let safety = t1::does_not_oversell(&server.t1, variant, skus).await?;
                println!(
                    "  {:36} {:2} SKUs: {} of {} sold, {} asked",
                    variant.label, skus, safety.granted, safety.stock, safety.asked
                );
                report.safety.push(safety);
            }
        }
        report.cells = t1::table(server, &wanted, |cells| println!("{}", table::of_cells(cells))).await?;
        if !self.only.is_empty() {
            return Ok(());
        }
        let seconds = self.seconds();
        report.targets.extend(target::ratios(server, if self.quick { 1 } else { 5 }, seconds).await?);
        Ok(())
    }

    async fn waiting(&self, server: &Server, report: &mut Report) -> anyhow::Result<()> {
        for commit_ms in [0, 3] {
            server.commit_takes(commit_ms).await?;
            for in_flight in arrivals::CALLS_IN_FLIGHT {
                let waiting = arrivals::run(&server.t1, commit_ms, in_flight, self.seconds() * 2.0).await?;
                println!("{}", table::of_waiting(&waiting));
                report.targets.push(target::of_waiting(&waiting));
                report.waiting.push(waiting);
            }
        }
        Ok(())
    }

    async fn t2_t3(&self, server: &Server, report: &mut Report) -> anyhow::Result<()> {
        for commit_ms in [0, 3] {
            server.commit_takes(commit_ms).await?;
            for clients in if self.quick { vec![16] } else { vec![1, 16, 64] } {
                server.t1.begin_cell(1, t1::PLENTY, 0).await?;
                report.confirms.push(t2::run(&server.t1, clients, commit_ms, self.seconds()).await?);
            }
        }
        println!("{}", table::of_confirms(&report.confirms));
        server.commit_takes(0).await?;
        for skus in [1, 64] {
            server.t1.begin_cell(skus, t1::PLENTY, 0).await?;
            let swept = t3::run(&server.t1, if self.quick { 10_000 } else { 200_000 }, skus).await?;
            println!("{}", table::of_sweep(&swept));
            report.targets.push(target::of_sweep(&swept));
            report.swept.push(swept);
        }
        Ok(())
    }

    async fn growth(&self, server: &Server, report: &mut Report) -> anyhow::Result<()> {
        let holds = self.history.unwrap_or(if self.quick { 20_000 } else { 5_000_000 });
        let of_one_buyer = self.one_buyer.unwrap_or(if self.quick { 5_000 } else { 500_000 });
        let dead_letters = self.dead_letters.unwrap_or(if self.quick { 5_000 } else { 300_000 });
        let places = growth::make(server, growth::Past { holds, of_one_buyer, dead_letters }).await?;
        let wanted = growth::Wanted {
            rounds: if self.quick { 1 } else { 5 },
            seconds: self.seconds(),
            swept: if self.quick { 2_000 } else { 20_000 },
        };
        server.commit_takes(0).await?;
        let file = self.plans.clone().unwrap_or_else(|| server.server.dir().join("plans.txt"));
        std::fs::write(&file, plans::explain(&places.grown).await?)?;
        println!("the plans are in {}", file.display());
        if self.part == Some(Part::Plans) {
            return Ok(());
        }
        report.growth = growth::run(&places, wanted).await?;
        report.history_holds = holds;
        println!("{}", table::of_growth(&report.growth, holds));
        report.targets.extend(report.growth.iter().map(|grown| target::of_growth(grown, holds)));
        Ok(())
    }

    /// Of the folder in `target`; the smoke has its own, so that it ends no longer run.
    fn name(&self) -> &'static str {
        if self.quick { "bench-quick" } else { "bench" }
    }

    fn seconds(&self) -> f64 {
        self.seconds_per_cell.unwrap_or(if self.quick { 0.2 } else { 2.0 })
    }

    fn wanted(&self) -> anyhow::Result<Wanted> {
        let mut wanted = Wanted::everything(self.seconds());
        if self.quick {
            (wanted.clients, wanted.commit_ms, wanted.skus) = (vec![16], vec![3], vec![1]);
        }
        if !self.only.is_empty() {
            wanted.variants = self.only.iter().map(|name| variant::named(name)).collect::<anyhow::Result<_>>()?;
        }
        for (asked, of) in [(&self.commit_ms, &mut wanted.commit_ms), (&self.skus, &mut wanted.skus)] {
            if !asked.is_empty() {
                of.clone_from(asked);
            }
        }
        if !self.clients.is_empty() {
            wanted.clients.clone_from(&self.clients);
        }
        Ok(wanted)
    }
}
