//! `cargo dev up`: the stack, until Ctrl-C.

use clap::Args;

use crate::changes::Changes;
use crate::production::LikeProduction;
use stack::{Options, Ports, Stack};
use stack::{tools, workspace};
use tokio::signal::unix::{Signal, SignalKind, signal};

#[derive(Args)]
pub struct Up {
    /// The shop's port
    #[arg(long, value_name = "N", default_value_t = 8787)]
    edge_port: u16,
    /// Seconds between two sweeps of unpaid holds
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    sweep_interval_s: u64,
    /// Start from an empty database
    #[arg(long)]
    fresh: bool,
    /// Use this Postgres 18 in place of the embedded one
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    #[command(flatten)]
    production: LikeProduction,
}

impl Up {
    pub fn run(self) -> anyhow::Result<()> {
        tokio::runtime::Runtime::new()?.block_on(self.until_told_to_end())
    }

    async fn until_told_to_end(self) -> anyhow::Result<()> {
        let mut ends = Ends::new()?;
        let mut stack = Stack::prepare(Options {
            dir: workspace::dev_dir(),
            ports: Ports::Usual { edge: self.edge_port },
            sweep_interval_s: self.sweep_interval_s,
            refund_retry_s: "0,5,15,60,300",
            reconcile_every: Some(std::time::Duration::from_secs(60)),
            fresh: self.fresh,
            database_url: self.database_url,
            early_release: true,
            demo_sale: true,
            detours: self.production.detours().await?,
            aws: false,
            production: self.production.asked(),
        })?;
        let up = tokio::select! {
            up = stack.bring_up() => up.map(Some),
            () = ends.asked() => {
                // It may be in the middle of an install or a build.
                tools::interrupt();
                Ok(None)
            }
        };
        if let Ok(Some(report)) = &up {
            println!("\n  shop      {}\n  payments  {}", report.edge_url, report.gateway_url);
            println!("  all of it is in target/dev/stack.json, logs in target/dev/logs");
            println!("  a change of edge, functions or schema is built and started; Ctrl-C ends it\n");
            let mut changes = Changes::watch()?;
            tokio::select! {
                () = keep_up(&stack, &mut changes) => {}
                () = ends.asked() => tools::interrupt(),
            }
        }
        if up.is_ok() {
            println!("ending everything");
        }
        stack.stop().await;
        up.map(drop)
    }
}

/// Builds and starts what has changed, each time that something has.
async fn keep_up(stack: &Stack, changes: &mut Changes) {
    loop {
        let changed = changes.next().await;
        match stack.renew(&changed).await {
            Ok(parts) if parts.is_empty() => println!("  nothing that runs has changed"),
            Ok(parts) => println!("  started again: {}", parts.join(", ")),
            Err(error) => println!("  what runs is as before: {error:#}"),
        }
    }
}

/// The two signals to end. They are listened for from the start, so that one during the start is handled too.
pub struct Ends {
    interrupt: Signal,
    terminate: Signal,
}

impl Ends {
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    pub async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
