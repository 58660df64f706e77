//! `cargo dev bench`: what each way of reserving does a second, in ratios that one run measured.

use clap::{Args, ValueEnum};
use harness::bench::server::Bench as Server;
use harness::bench::t1::{self, Wanted};
use harness::bench::{table, variant};

use crate::up::Ends;

#[derive(Args)]
pub struct Bench {
    /// Only this part
    part: Option<Part>,
    /// Seconds that each cell of the T1 table is measured
    #[arg(long, value_name = "S", default_value_t = 2.0)]
    seconds_per_cell: f64,
    /// Only these ways of reserving, as the JSON names them
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only so many clients
    #[arg(long, value_delimiter = ',')]
    clients: Vec<usize>,
    /// Only with a commit that takes so many milliseconds longer; 0: as it is
    #[arg(long, value_delimiter = ',')]
    commit_ms: Vec<u64>,
    /// Only with so many SKUs on sale
    #[arg(long, value_delimiter = ',')]
    skus: Vec<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    T1,
}

impl Bench {
    pub fn run(self) -> anyhow::Result<()> {
        // One thread: what the driver takes, the database does not have.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.until_done_or_told_to_end())
    }

    async fn until_done_or_told_to_end(self) -> anyhow::Result<()> {
        let mut ends = Ends::new()?;
        let server = Server::start().await?;
        let done = tokio::select! {
            done = self.parts(&server) => done,
            () = ends.asked() => Err(anyhow::anyhow!("interrupted")),
        };
        server.server.remove().await?;
        done
    }

    async fn parts(&self, server: &Server) -> anyhow::Result<()> {
        let wanted = self.wanted()?;
        for variant in t1::that_sell(&wanted.variants) {
            for skus in [1, 64] {
                t1::does_not_oversell(server, variant, skus).await?;
            }
            println!("  {:36} sold 256 of 256, twice", variant.label);
        }
        t1::table(server, &wanted, |cells| println!("{}", table::of_cells(cells))).await?;
        Ok(())
    }

    fn wanted(&self) -> anyhow::Result<Wanted> {
        let mut wanted = Wanted::everything(self.seconds_per_cell);
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
