//! T1, reserve: a batch of reservations in, an outcome for each of them out, in the same order.

use serde::{Deserialize, Serialize};

use crate::shop::Line;
use crate::{Trace, json};

#[cfg(any(test, feature = "describe"))]
mod examples;
mod outcome;

#[cfg(any(test, feature = "describe"))]
pub use examples::examples;
pub use outcome::{Refusal, ReserveOutcome};

/// Reservations a call carries at most: one call is one transaction.
pub const BATCH_MAX: usize = 100;

/// Maximum age of a call before it begins; one that seems older was sent by a wrong clock.
pub const CLOCKS_DISAGREE_MS: u64 = 30_000;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Batch {
    /// 1 to [`BATCH_MAX`], in the order of their arrival; a user at most once.
    pub reservations: Vec<Reservation>,
    /// When it was sent, in milliseconds of the edge's clock, and how long its response is awaited. Missing from an
    /// edge of the previous release: without limit.
    #[serde(default)]
    pub sent_ms: Option<u64>,
    #[serde(default)]
    pub within_ms: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// As in `Trace`. Flattened, it would make serde keep a copy of every member until it knows whose it is.
    pub request_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    pub user_id: String,
    pub idem_key: String,
    /// SHA-256 of the request, 64 hexadecimal digits: the same key with another one is refused.
    pub fingerprint: String,
    pub sale_id: String,
    pub items: Vec<Line>,
    /// The JSON of all this, which is passed on as it is; empty where it is not passed on.
    #[serde(skip)]
    pub json: String,
}

/// The members of a reservation that are not the cart's, in the form in which they are sent.
#[derive(Serialize)]
struct Envelope<'a> {
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
    user_id: &'a str,
    idem_key: &'a str,
    fingerprint: &'a str,
}

impl Reservation {
    /// With its JSON, made around `cart`: the JSON object of `sale_id` and `items`, which the edge has printed for the
    /// fingerprint already.
    ///
    /// # Errors
    /// None of its members can cause one.
    pub fn around(self, cart: &str) -> serde_json::Result<Self> {
        let Self { request_id, traceparent, user_id, idem_key, fingerprint, .. } = &self;
        let traceparent = traceparent.as_deref();
        let mut json = serde_json::to_string(&Envelope { request_id, traceparent, user_id, idem_key, fingerprint })?;
        json.pop();
        json.push(',');
        json.push_str(cart.trim_start_matches('{'));
        Ok(Self { json, ..self })
    }

    /// Reads one, and keeps its JSON.
    ///
    /// # Errors
    /// The text is no reservation.
    pub fn read(text: &str) -> serde_json::Result<Self> {
        let read: Self = json::read(text)?;
        Ok(Self { json: text.to_owned(), ..read })
    }

    #[must_use]
    pub fn trace(&self) -> Trace {
        Trace { request_id: self.request_id.clone(), traceparent: self.traceparent.clone() }
    }
}

impl Batch {
    /// The JSON of a batch, of reservations that have theirs.
    #[must_use]
    pub fn json_of(reservations: &[Reservation], sent_ms: u64, within_ms: u64) -> String {
        let reservations: Vec<&str> = reservations.iter().map(|one| one.json.as_str()).collect();
        format!(r#"{{"sent_ms":{sent_ms},"within_ms":{within_ms},"reservations":[{}]}}"#, reservations.join(","))
    }

    /// How long its response is still awaited, at `now_ms` of the caller's clock, which may differ from the edge's by
    /// `skew_ms`. None: without limit; 0: no longer. A clock that is far off must not close the shop.
    #[must_use]
    pub fn left_ms(&self, now_ms: u64, skew_ms: u64) -> Option<u64> {
        let within_ms = self.within_ms?;
        let age_ms = now_ms.saturating_sub(self.sent_ms?).saturating_sub(skew_ms);
        Some(if age_ms > CLOCKS_DISAGREE_MS { within_ms } else { within_ms.saturating_sub(age_ms) })
    }
}

/// `reserve` passes the outcomes on as the database says them, without reading them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BatchResponse<O = Vec<ReserveOutcome>> {
    pub outcomes: O,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_around_its_cart_is_the_same_as_printed_whole() {
        let cart = r#"{"sale_id":"s","items":[{"sku_id":"a","qty":2}]}"#;
        for traceparent in [None, Some("00-\"\u{2028}".to_owned())] {
            let (request_id, user_id) = ("r".to_owned(), "홍\"길\\동{".to_owned());
            let (idem_key, fingerprint, sale_id) = ("k\"".to_owned(), "f".to_owned(), "s".to_owned());
            let items = vec![Line { sku_id: "a".to_owned(), qty: 2 }];
            let json = String::new();
            let one = Reservation { request_id, traceparent, user_id, idem_key, fingerprint, sale_id, items, json };
            let whole = serde_json::to_string(&one).unwrap();
            let one = one.around(cart).unwrap();
            assert_eq!(one.json, whole);
            assert_eq!(Reservation::read(&one.json).unwrap(), one);
            let batch = Batch::json_of(&[one.clone(), one.clone()], 7, 8);
            let batch: Batch = serde_json::from_str(&batch).unwrap();
            assert_eq!((batch.sent_ms, batch.within_ms, batch.reservations.len()), (Some(7), Some(8), 2));
            assert_eq!(batch.reservations[1], Reservation { json: String::new(), ..one });
        }
    }

    #[test]
    fn a_batchs_deadline_counts_from_its_departure_and_clocks_may_differ() {
        let batch = |sent_ms, within_ms| Batch { reservations: Vec::new(), sent_ms, within_ms };
        let left = |now_ms| batch(Some(10_000), Some(4_000)).left_ms(now_ms, 500);
        assert_eq!([left(9_000), left(10_500), left(11_500)], [Some(4_000), Some(4_000), Some(3_000)]);
        assert_eq!([left(14_499), left(14_500), left(40_500)], [Some(1), Some(0), Some(0)]);
        assert_eq!(left(40_501), Some(4_000), "a clock that is wrong");
        assert_eq!([batch(None, Some(1)).left_ms(9, 0), batch(Some(1), None).left_ms(9, 0)], [None, None]);
    }
}
