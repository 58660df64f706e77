//! The messages between Worker and Gate.

use protocol::reserve::{Reservation, ReserveOutcome};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// Takes a token of the user's: for a reservation that is refused before the Gate, and for what costs as much as
    /// one.
    Charge {
        user_id: String,
    },
    Reserve(Reservation),
    /// Stock of these sales came back, or they opened or closed: drop what is remembered of them. Concerns no user, and
    /// is answered with an empty string.
    Forget {
        sale_ids: Vec<String>,
    },
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    pub charge: Charge,
    pub verdict: Verdict,
}

/// The state of the user's token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    pub admitted: bool,
    /// Whole tokens left.
    pub remaining: u32,
    /// Until the next token.
    pub reset_s: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The user was charged, or not admitted. Nothing else was done.
    Charged,
    Outcome(ReserveOutcome),
    /// Answered from memory: a granted key, a SKU that is sold out, a sale that is not open.
    Remembered(ReserveOutcome),
    /// The user has too many requests waiting.
    TooMany,
    /// No outcome: the call failed, or there is no room. Asking again with the same key shows what happened.
    Unavailable,
}

impl Verdict {
    /// The same verdict for a repeated request.
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
