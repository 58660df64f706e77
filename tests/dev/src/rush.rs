//! `cargo dev rush`: a drop played against the running stack, or against one that is started for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;
use load::rush::figures::Figures;
use load::rush::live::Shown;
use load::rush::{self, page, text};
use stack::production::BUYERS_PER_ADDRESS;
use stack::{Report, Stack};
use stack::{tools, workspace};
use tokio::net::TcpStream;

use crate::production::LikeProduction;
use crate::up::Ends;

#[derive(Args)]
pub struct Rush {
    /// How many come
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    buyers: usize,
    /// Pieces there are, shared out among the SKUs
    #[arg(long, value_name = "N", default_value_t = 500)]
    stock: u32,
    /// Seconds within which all of them come; most come at the opening
    #[arg(long, value_name = "S", default_value_t = 10.0)]
    over_s: f64,
    /// The share of the winners who pay; of the others half give the hold back, half just go
    #[arg(long, value_name = "SHARE", default_value_t = 0.7)]
    pay: f64,
    /// SKUs of the sale; every buyer wants a piece of one
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=100))]
    skus: u8,
    /// Plays the same rush again
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The `stack.json` of a running stack [default: target/dev/stack.json, or else a stack of its own]
    #[arg(long, value_name = "FILE")]
    stack: Option<PathBuf>,
    #[command(flatten)]
    production: LikeProduction,
}

impl Rush {
    pub fn run(self) -> anyhow::Result<()> {
        tokio::runtime::Runtime::new()?.block_on(self.on_a_stack())
    }

    async fn on_a_stack(self) -> anyhow::Result<()> {
        ensure!((0.0..=1.0).contains(&self.pay), "--pay is a share, from 0 to 1");
        ensure!(self.over_s > 0.0 && self.over_s <= 3_600.0, "--over-s is more than 0 and at most 3600");
        if let Some(stack) = self.running().await? {
            return self.play(&stack).await;
        }
        println!("  no stack is running: starting one for this rush");
        let mut ends = Ends::new()?;
        let mut own = Stack::prepare(stack::Options {
            aws: false,
            production: self.production.asked(),
            detours: self.production.detours().await?,
            ..stack::Options::for_tests("rush")
        })?;
        let outcome = tokio::select! {
            outcome = self.on_its_own(&mut own) => outcome,
            () = ends.asked() => {
                tools::interrupt();
                Err(anyhow::anyhow!("interrupted"))
            }
        };
        own.stop().await;
        outcome
    }

    async fn on_its_own(&self, own: &mut Stack) -> anyhow::Result<()> {
        own.bring_up().await?;
        self.play(&read(&own.report_path())?).await
    }

    /// The stack that was named, which has to answer; or the usual one, if it does.
    async fn running(&self) -> anyhow::Result<Option<Report>> {
        // A stack that runs is as it was started.
        if self.production.asked().is_some() && self.stack.is_none() {
            return Ok(None);
        }
        let path = self.stack.clone().unwrap_or_else(|| workspace::dev_dir().join("stack.json"));
        let found = match read(&path) {
            Ok(report) if answers(&report.edge_url).await => Ok(report),
            Ok(report) => Err(anyhow::anyhow!("nothing answers at {}", report.edge_url)),
            Err(error) => Err(error),
        };
        match (found, &self.stack) {
            (Ok(report), _) => Ok(Some(report)),
            (Err(_), None) => Ok(None),
            (Err(error), Some(path)) => {
                Err(error).with_context(|| format!("{} names no running stack", path.display()))
            }
        }
    }

    async fn play(&self, stack: &Report) -> anyhow::Result<()> {
        let seed = self.seed.unwrap_or_else(|| u64::from(uuid::Uuid::new_v4().as_fields().0));
        let options = rush::Options {
            buyers: self.buyers,
            stock: self.stock,
            over: Duration::from_secs_f64(self.over_s),
            pay: self.pay,
            skus: self.skus.into(),
            seed,
            per_address: self.production.asked().map_or(1, |_| BUYERS_PER_ADDRESS),
        };
        println!("  {} buyers within {} s for {} pieces, --seed {seed}", self.buyers, self.over_s, self.stock);
        let rush = rush::run(options, stack, Shown::default()).await?;
        let figures = Figures::of(&rush);
        print!("{}", text::summary(&figures));

        let path = workspace::dev_dir().join("rush.html");
        let raw = path.with_extension("json");
        fs::create_dir_all(workspace::dev_dir())?;
        fs::write(&path, page::html(&rush, &figures)).with_context(|| format!("cannot write {}", path.display()))?;
        fs::write(&raw, serde_json::to_vec_pretty(&figures)?)
            .with_context(|| format!("cannot write {}", raw.display()))?;
        println!("\n  {}\n  {}", path.display(), raw.display());
        let failed: Vec<&str> = rush.failed().iter().map(|check| check.rule).collect();
        ensure!(failed.is_empty(), "failed: {}", failed.join("; "));
        Ok(())
    }
}

fn read(stack_json: &Path) -> anyhow::Result<Report> {
    let text = fs::read(stack_json).with_context(|| format!("cannot read {}", stack_json.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not a stack's", stack_json.display()))
}

/// Something listens there; whether it is well the rush itself will show.
async fn answers(edge_url: &str) -> bool {
    match edge_url.strip_prefix("http://") {
        Some(address) => TcpStream::connect(address).await.is_ok(),
        None => false,
    }
}
