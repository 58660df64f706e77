//! `cargo dev soak`: load and faults together on a stack of its own, and a verdict.

use std::cell::Cell;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;
use load::soak::version::Version;
use load::soak::{self, Glance, Options};
use stack::workspace;

use crate::production::LikeProduction;
use crate::up::Ends;

/// Between two lines where a line cannot be rewritten.
const LINE_EVERY_S: u64 = 15;

#[derive(Args)]
pub struct Soak {
    /// How long
    #[arg(long, value_name = "N", default_value_t = 5.0)]
    minutes: f64,
    /// Draws the same load and the same faults again [default: a fresh one]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Clients, each of which waits for its own answers
    #[arg(long, value_name = "N", default_value_t = 128)]
    clients: usize,
    /// Clients that order batches of the function `reserve`, past the shop
    #[arg(long, value_name = "N", default_value_t = 3)]
    wholesalers: usize,
    /// What deployments go back to, as git names it [default: the last version with other functions or another schema]
    #[arg(long, value_name = "REVISION")]
    from: Option<String>,
    /// Players of histories that are held against the model, each in a database of its own
    #[arg(long, value_name = "N", default_value_t = 3)]
    players: usize,
    #[command(flatten)]
    production: LikeProduction,
}

impl Soak {
    pub fn run(self) -> anyhow::Result<()> {
        tokio::runtime::Runtime::new()?.block_on(self.until_it_is_over())
    }

    async fn until_it_is_over(self) -> anyhow::Result<()> {
        ensure!(self.minutes > 0.0 && self.minutes <= 1_440.0, "--minutes is more than 0 and at most a day");
        let seed = self.seed.unwrap_or_else(|| u64::from(uuid::Uuid::new_v4().as_fields().0));
        let lasts = Duration::from_secs_f64(self.minutes * 60.0);
        let Self { minutes, clients, wholesalers, players, production, .. } = self;
        println!(
            "  {clients} clients, {wholesalers} that order batches, {players} players, for {minutes} minutes, --seed {seed}"
        );
        // Asked for, it has to be there; else the soak goes on without, and says so.
        let version = match Version::build(self.from.as_deref()) {
            Err(why) if self.from.is_none() => {
                println!("  deployments bring what is there: {why:#}");
                None
            }
            version => Some(version?),
        };
        let production = production.asked();
        let options =
            Options { name: "soak".to_owned(), lasts, seed, clients, wholesalers, players, version, production };
        let mut ends = Ends::new()?;
        let shown = Shown::default();
        let soak = soak::run(options, |glance| shown.show(&glance), ends.asked()).await?;
        println!("\n{}", soak.text());
        let path = workspace::dev_dir().join("soak.json");
        std::fs::create_dir_all(workspace::dev_dir())?;
        std::fs::write(&path, serde_json::to_vec_pretty(&soak)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        println!("  {}", path.display());
        ensure!(soak.verdict.violations == 0, "{} violations", soak.verdict.violations);
        Ok(())
    }
}

/// The line that shows what it is doing.
#[derive(Default)]
struct Shown {
    said_s: Cell<Option<u64>>,
}

impl Shown {
    fn show(&self, glance: &Glance<'_>) {
        let s = glance.elapsed.as_secs();
        let terminal = std::io::stdout().is_terminal();
        if !terminal && self.said_s.get().is_some_and(|said_s| s < said_s + LINE_EVERY_S) {
            return;
        }
        self.said_s.set(Some(s));
        let line = format!(
            "  {:02}:{:02}  {} {}  {} asked, {} + {} reserved, {} held against the model ({} lost), {} faults, {} crashes, {} violations  {}",
            s / 60,
            s % 60,
            glance.doing,
            glance.storm,
            glance.tries,
            glance.by_shop,
            glance.by_batches,
            glance.played,
            glance.unknown,
            glance.faults.by_kind.values().sum::<u64>(),
            glance.faults.crashes,
            glance.violations,
            glance.faults.now.join(", "),
        );
        if terminal {
            print!("\r\x1b[2K{line}");
            // A closed terminal is no reason to stop.
            let _ = std::io::stdout().flush();
        } else {
            println!("{line}");
        }
    }
}
