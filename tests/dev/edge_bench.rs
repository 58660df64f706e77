//! `cargo dev bench-edge`: what each hop of a reservation costs at the edge.

use std::path::PathBuf;

use clap::Args;
use harness::bench::edge;

#[derive(Args)]
pub struct EdgeBench {
    /// Seconds that each row is measured in a round
    #[arg(long, value_name = "S", default_value_t = 4.0)]
    seconds: f64,
    /// Rounds; each row's figure is the median
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// Compares the Gate of this clone with that of another build of the Worker (a folder with its index.js), and no more
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
}

impl EdgeBench {
    pub fn run(self) -> anyhow::Result<()> {
        // One thread: what the driver takes, the edge does not have.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        if let Some(other) = &self.against {
            for (name, this, of_other) in runtime.block_on(edge::against(other, self.seconds, self.rounds))? {
                println!("{name:46} {this:.0} us of workerd, there {of_other:.0}: {:.2}", this / of_other);
            }
            return Ok(());
        }
        let found = runtime.block_on(edge::run(self.seconds, self.rounds))?;
        println!("\n{:46} {:>12} {:>14}", "", "a second", "us of workerd");
        for row in &found.rows {
            println!("{:46} {:12.0} {:14.0}  {}", row.name, row.per_s, row.cpu_us, row.note);
        }
        println!("\ncompressed                {:.1} KB", found.compressed_bytes as f64 / 1e3);
        println!("start to first answer     {:.0} ms", found.first_answer_ms);
        println!("{} live keys       {:.1} MB", found.keys, found.keys_bytes as f64 / 1e6);
        Ok(())
    }
}
