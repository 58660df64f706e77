//! The Lambda emulator is no part of Holdfast, and what it does when instances die under it is not what Lambda does: it may
//! stop handing out invocations for good. Then it is started again, and counted.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::Hands;

const EVERY: Duration = Duration::from_secs(1);
/// An instance answers what it cannot read at once; one that waits for its database first, within its own deadline.
const PATIENCE: Duration = Duration::from_secs(6);

/// The functions that refuse a question without words; the scheduled ones would begin their work.
const ASKED: [&str; 5] = ["reserve", "confirm", "release", "lookup", "admin"];

pub const KIND: &str = "(the emulator hung, and was started again)";

/// Watches it until it is dropped.
pub async fn watch(hands: Arc<Hands>) {
    let Ok(client) = stack::http::client().build() else { return };
    loop {
        tokio::time::sleep(EVERY).await;
        let mut asked = JoinSet::new();
        for function in ASKED {
            let url = format!("{}/2015-03-31/functions/{function}/invocations", hands.lambda_url);
            let asking = client.post(url).timeout(PATIENCE).body("{}").send();
            asked.spawn(async move { asking.await.err().is_some_and(|error| error.is_timeout()) });
        }
        let hung = asked.join_all().await.contains(&true);
        if hung && hands.kill_uncounted("lambda") {
            hands.counts.count(KIND);
            let address = hands.lambda_url.trim_start_matches("http://");
            while TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}
