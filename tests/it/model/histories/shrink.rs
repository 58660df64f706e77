//! A history that fails, made short: whatever can be left out while it still fails is left out.

use model::{Command, World, check};

/// A race may come out well; a history with one is tried so often before it counts as one that does not fail.
const TRIES: usize = 6;

/// Runs histories one after the other in one database, each with names of its own.
pub struct Runner<'a> {
    pub world: &'a World,
    pub runs: usize,
}

impl Runner<'_> {
    /// Why it fails, if it does.
    async fn fails(&mut self, history: &[Command]) -> Option<String> {
        let races = history.iter().any(|command| matches!(command, Command::Race(_)));
        for _ in 0..if races { TRIES } else { 1 } {
            self.runs += 1;
            let prefix = format!("s{}-", self.runs);
            // What a run that failed has left is nobody's to sweep.
            let leftovers = "update holdfast.reservation_hold set expire_at = '2100-01-01' where status = 'HOLD'";
            self.world.owner().batch_execute(leftovers).await.unwrap();
            if let Err(why) = check::run(self.world, &prefix, history, |_, _| ()).await {
                return Some(why);
            }
        }
        None
    }

    /// The shortest that is found, and why it fails. `None`: it did not fail again.
    pub async fn shortest(&mut self, history: &[Command]) -> Option<(Vec<Command>, String)> {
        let mut why = self.fails(history).await?;
        let mut shortest = history.to_vec();
        // Larger pieces first, then smaller ones, then what is left inside a command.
        let mut piece = shortest.len() / 2;
        while piece > 0 {
            let mut at = 0;
            while at < shortest.len() {
                let mut shorter = shortest.clone();
                shorter.drain(at..(at + piece).min(shortest.len()));
                match self.fails(&shorter).await {
                    Some(reason) => (shortest, why) = (shorter, reason),
                    None => at += piece,
                }
            }
            piece /= 2;
        }
        while let Some((shorter, reason)) = self.simpler(&shortest).await {
            (shortest, why) = (shorter, reason);
        }
        Some((shortest, why))
    }

    /// The first history with one command made simpler that still fails.
    async fn simpler(&mut self, history: &[Command]) -> Option<(Vec<Command>, String)> {
        for (at, command) in history.iter().enumerate() {
            for simpler in simpler_than(command) {
                let mut shorter = history.to_vec();
                shorter[at] = simpler;
                if let Some(why) = self.fails(&shorter).await {
                    return Some((shorter, why));
                }
            }
        }
        None
    }
}

/// The same with a part of it left out.
fn simpler_than(command: &Command) -> Vec<Command> {
    let without = |n: usize, from: &[Command]| -> Vec<Command> {
        from.iter().enumerate().filter(|(other, _)| *other != n).map(|(_, one)| one.clone()).collect()
    };
    match command {
        Command::Race(racers) => (0..racers.len())
            .map(|n| match without(n, racers).as_slice() {
                [one] => one.clone(),
                more => Command::Race(more.to_vec()),
            })
            .collect(),
        Command::Reserve { sale, asks } => {
            let mut simpler = Vec::new();
            for n in 0..asks.len() {
                if asks.len() > 1 {
                    let mut asks = asks.clone();
                    asks.remove(n);
                    simpler.push(Command::Reserve { sale: sale.clone(), asks });
                }
                for line in 0..asks[n].lines.len() {
                    let mut asks = asks.clone();
                    if asks[n].lines.len() > 1 {
                        asks[n].lines.remove(line);
                        simpler.push(Command::Reserve { sale: sale.clone(), asks });
                    }
                }
            }
            simpler
        }
        Command::NewSale { skus, .. } if skus.len() > 1 => (0..skus.len())
            .map(|n| {
                let mut simpler = command.clone();
                if let Command::NewSale { skus, .. } = &mut simpler {
                    skus.remove(n);
                }
                simpler
            })
            .collect(),
        _ => vec![],
    }
}
