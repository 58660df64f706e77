//! `--like-production`: what it is made of.

use clap::Args;
use stack::detours::Detours;
use stack::production::Production;

/// The options that `up`, `rush` and `soak` share.
#[derive(Args, Clone, Copy)]
pub struct LikeProduction {
    /// Several isolates of the Worker, Durable Objects of a bounded pace, time on the way, functions with their timeouts and
    /// their share of a processor, ticks that are late and repeated
    #[arg(long)]
    like_production: bool,
    /// Isolates of the Worker
    #[arg(long, value_name = "N", default_value_t = 4, requires = "like_production",
          value_parser = clap::value_parser!(u8).range(1..=32))]
    isolates: u8,
    /// Milliseconds from the Worker to a function, one way
    #[arg(long, value_name = "MS", default_value_t = 5, requires = "like_production",
          value_parser = clap::value_parser!(u64).range(0..=1_000))]
    function_ms: u64,
    /// Milliseconds from a function to the database, one way
    #[arg(long, value_name = "MS", default_value_t = 1, requires = "like_production",
          value_parser = clap::value_parser!(u64).range(0..=1_000))]
    database_ms: u64,
    /// Milliseconds from a function to a gateway, one way
    #[arg(long, value_name = "MS", default_value_t = 150, requires = "like_production",
          value_parser = clap::value_parser!(u64).range(0..=10_000))]
    gateway_ms: u64,
}

impl LikeProduction {
    pub fn asked(self) -> Option<Production> {
        let Self { like_production, isolates, function_ms, database_ms, gateway_ms } = self;
        like_production.then(|| Production { isolates: isolates.into(), function_ms, database_ms, gateway_ms })
    }

    /// What the ways are lengthened with.
    pub async fn detours(self) -> anyhow::Result<Option<Detours>> {
        match self.asked() {
            Some(_) => Ok(Some(Detours::new(vec![], None, None).await?)),
            None => Ok(None),
        }
    }
}
