//! What the Worker asks a Gate, and what it answers.

use protocol::reserve::{Reservation, ReserveOutcome};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// A reservation that is refused anyway still counts against its user.
    Charge {
        user_id: String,
    },
    Reserve(Reservation),
    /// Stock of these sales came back, or they opened or closed: what was remembered of them is over. Of no user, and
    /// answered with nothing.
    Forget {
        sale_ids: Vec<String>,
    },
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    pub charge: Charge,
    pub verdict: Verdict,
}

/// What the user's token bucket says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    pub admitted: bool,
    /// Whole tokens left.
    pub remaining: u32,
    /// Until there is one more.
    pub reset_s: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Charged, or not admitted: nothing more was done.
    Charged,
    Outcome(ReserveOutcome),
    /// Known without a call: a key that was granted, a SKU that is sold out, a sale that is not open.
    Remembered(ReserveOutcome),
    /// Others of the user wait already.
    TooMany,
    /// No answer in time, or none to be had: the same key asked again will show what was.
    Unavailable,
}

impl Verdict {
    /// The same for whoever asked the same thing again.
    pub fn repeated(self) -> Self {
        match self {
            Self::Outcome(ReserveOutcome::Granted { hold, .. }) => {
                Self::Outcome(ReserveOutcome::Granted { hold, replayed: true })
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::testing::{hold, reservation};

    #[test]
    fn messages_survive_the_way_between_worker_and_gate() {
        let ask = Ask::Reserve(reservation("홍길동", "k", "fp"));
        let json = serde_json::to_string(&ask).unwrap_or_default();
        assert_eq!(format!("{:?}", serde_json::from_str::<Ask>(&json).ok()), format!("{:?}", Some(ask)));
        let charge = Charge { admitted: true, remaining: 19, reset_s: 1 };
        for verdict in [
            Verdict::Charged,
            Verdict::Unavailable,
            Verdict::TooMany,
            Verdict::Outcome(ReserveOutcome::Granted { hold: hold("k"), replayed: true }),
            Verdict::Outcome(ReserveOutcome::NotFound { sku_id: None }),
            Verdict::Remembered(ReserveOutcome::IdempotencyKeyReused),
        ] {
            let reply = Reply { charge, verdict };
            let json = serde_json::to_string(&reply).unwrap_or_default();
            assert_eq!(serde_json::from_str::<Reply>(&json).ok(), Some(reply), "{json}");
        }
    }
}
