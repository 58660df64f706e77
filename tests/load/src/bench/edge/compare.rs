//! The whole path and a plain service, side by side: the same presses on the same Postgres, in turns, each of which
//! begins when nothing of the one before is left to do.

use std::time::Duration;

use anyhow::ensure;
use serde::Serialize;
use stack::{Report, Stack, database, ready};
use tokio_postgres::Client;

use super::crowd::{Crowd, SALE, Sent, Until};
use super::plain::{Plain, Program};
use super::{How, PAIR, RESERVATIONS, median, sale_of};
use crate::bench::server;

const CLIENTS: [usize; 3] = [16, 64, 256];
/// 0: as it is.
const COMMIT_MS: [u64; 2] = [0, 3];
const WARM_UP_CLIENTS: usize = 64;
const WARM_UP_MIN: Duration = Duration::from_secs(1);
/// For the events of one turn.
const QUIET_WITHIN: Duration = Duration::from_secs(60);

/// A value of each, and of each round's whole path against its plain service: the medians.
#[derive(Clone, Copy, Serialize)]
pub struct Both {
    pub whole: f64,
    pub plain: f64,
    pub ratio: f64,
}

#[derive(Serialize)]
pub struct Granted {
    pub clients: usize,
    /// 0: as it is.
    pub commit_ms: u64,
    pub per_s: Both,
}

#[derive(Serialize)]
pub struct Compared {
    /// The parts of the plain service, with their versions.
    pub plain: String,
    pub granted: Vec<Granted>,
    /// Of one buyer who presses again when answered.
    pub lone_p50_ms: Both,
}

/// Which of the two.
#[derive(Clone, Copy)]
enum Side {
    Whole,
    Plain,
}

struct Turns<'a> {
    owner: Client,
    whole_url: &'a str,
    plain_url: &'a str,
    secret: &'a str,
    how: How,
}

/// Starts the plain service beside `stack`, compares the two, and ends it.
///
/// # Errors
/// The plain service does not start, or an answer is not the one that was asked for.
pub async fn run(stack: &Stack, report: &Report, program: Program, how: How) -> anyhow::Result<Compared> {
    let plain = Plain::start(program, report, &sale_of(SALE, None), stack.children()).await?;
    let turns = Turns {
        owner: database::connect(&report.database_url).await?,
        whole_url: &report.edge_url,
        plain_url: &plain.url,
        secret: &report.session_secret,
        how,
    };
    let compared = turns.all(plain.made_of.clone()).await;
    plain.stop().await;
    compared
}

impl Turns<'_> {
    async fn all(&self, plain: String) -> anyhow::Result<Compared> {
        println!("the whole path and a plain service ({plain}), in turns");
        for side in [Side::Whole, Side::Plain] {
            self.press(side, WARM_UP_CLIENTS, self.how.time().max(WARM_UP_MIN)).await?;
        }
        let lone_p50_ms = self.in_turns(1, Sent::p50_ms).await?;
        println!("  a lone buyer waits {:.1} ms, {:.1} ms", lone_p50_ms.whole, lone_p50_ms.plain);
        let mut granted = Vec::new();
        for commit_ms in COMMIT_MS {
            println!("  a lone commit takes {:.2} ms", server::commit_takes(&self.owner, commit_ms).await?);
            for clients in CLIENTS {
                let per_s = self.in_turns(clients, Sent::per_s).await?;
                println!("  {clients} clients are granted {:.0} a second, {:.0} a second", per_s.whole, per_s.plain);
                granted.push(Granted { clients, commit_ms, per_s });
            }
        }
        server::commit_takes(&self.owner, 0).await?;
        Ok(Compared { plain, granted, lone_p50_ms })
    }

    /// Every round has a turn of each; which is first alternates.
    async fn in_turns(&self, clients: usize, value: impl Fn(&Sent) -> f64) -> anyhow::Result<Both> {
        let (mut whole, mut plain) = (Vec::new(), Vec::new());
        for round in 0..self.how.rounds {
            let mut sides = [Side::Whole, Side::Plain];
            sides.rotate_left(round % 2);
            for side in sides {
                self.until_quiet().await?;
                let sent = self.press(side, clients, self.how.time()).await?;
                match side {
                    Side::Whole => whole.push(value(&sent)),
                    Side::Plain => plain.push(value(&sent)),
                }
            }
        }
        let ratio = median(whole.iter().zip(&plain).map(|(whole, plain)| whole / plain));
        Ok(Both { whole: median(whole.into_iter()), plain: median(plain.into_iter()), ratio })
    }

    async fn press(&self, side: Side, clients: usize, time: Duration) -> anyhow::Result<Sent> {
        let url = match side {
            Side::Whole => self.whole_url,
            Side::Plain => self.plain_url,
        };
        let crowd = Crowd { url, secret: self.secret, path: RESERVATIONS, sale: SALE, sku: PAIR, qty: 1, status: 201 };
        crowd.press(clients, Until::Time(time)).await
    }

    /// Until every event is fanned out, and every page is written: neither is the other's to wait for.
    async fn until_quiet(&self) -> anyhow::Result<()> {
        ready::within(QUIET_WITHIN, "the fan-out of the last event", async || {
            let left = "select from holdfast.event_outbox where fanned_out_at is null limit 1";
            ensure!(self.owner.query_opt(left, &[]).await?.is_none(), "some events are not fanned out");
            Ok(())
        })
        .await?;
        Ok(self.owner.batch_execute("checkpoint").await?)
    }
}
