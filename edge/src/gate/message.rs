//! The messages between Worker and Gate: texts in whose first line stands what the Gate needs to know, so that what the
//! Worker only passes on is not read again.
//!
//! Two releases exchange them while one is replaced by the other: what is added here is read where it is expected and
//! ignored where it is not.

use std::str::FromStr;

use crate::auth::rate_limit::Charge;
use crate::http::code::Code;
use crate::http::response::Response;

/// A request of the Worker.
#[derive(Debug, PartialEq, Eq)]
pub enum Ask<'a> {
    /// Takes a token of the user's: for a reservation that is refused before the Gate, and for what costs as much as
    /// one.
    Charge { user_id: &'a str },
    /// A reservation as JSON ([`protocol::reserve::Reservation`]).
    Reserve { json: &'a str },
    /// Stock of these sales came back, or they opened or closed: drop what is remembered of them. Concerns no user, and
    /// is answered with an empty string.
    Forget { sale_ids: Vec<&'a str> },
}

impl<'a> Ask<'a> {
    pub fn text(&self) -> String {
        match self {
            Self::Charge { user_id } => format!("charge\n{user_id}"),
            Self::Reserve { json } => format!("reserve\n{json}"),
            Self::Forget { sale_ids } => format!("forget\n{}", sale_ids.join("\n")),
        }
    }

    /// None: no such message.
    pub fn read(text: &'a str) -> Option<Self> {
        let (verb, rest) = text.split_once('\n')?;
        Some(match verb {
            "charge" => Self::Charge { user_id: rest },
            "reserve" => Self::Reserve { json: rest },
            "forget" => Self::Forget { sale_ids: rest.split('\n').filter(|sale_id| !sale_id.is_empty()).collect() },
            _ => return None,
        })
    }
}

/// What the Gate answers: the client's response, which the Worker sends as it is.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    pub charge: Charge,
    pub response: Response,
    /// A [`crate::gate::lease::Lease`] as JSON.
    pub lease: Option<String>,
}

/// The headers that a Gate's response may have; the others are the Worker's.
const HEADERS: [&str; 6] = ["Content-Type", "Location", "ETag", "Idempotent-Replayed", "Retry-After", "Server-Timing"];

impl Reply {
    /// Charge, status, code and the lease, if there is one, in one line, the log's detail in the next, a header a line, an
    /// empty line, the body.
    pub fn text(&self) -> String {
        let Self { charge: Charge { admitted, remaining, reset_s }, response, lease } = self;
        let Response { status, headers, body, code, internal } = response;
        let code = code.map_or("-", Code::name);
        let internal = internal.as_deref().unwrap_or_default().replace('\n', " ");
        let mut text = format!("{} {remaining} {reset_s} {status} {code}", u8::from(*admitted));
        // JSON as it is printed has no line break.
        text.extend(lease.iter().flat_map(|lease| [" ", lease.as_str()]));
        text.extend(["\n", internal.as_str(), "\n"]);
        for (name, value) in headers {
            text.extend([*name, " ", value.as_str(), "\n"]);
        }
        text.push('\n');
        text.push_str(&String::from_utf8_lossy(body));
        text
    }

    /// None: the text is no reply.
    pub fn read(text: &str) -> Option<Self> {
        let (first, rest) = text.split_once('\n')?;
        let (internal, mut rest) = rest.split_once('\n')?;
        let mut words = first.splitn(6, ' ');
        let admitted = number::<u8>(words.next())? == 1;
        let charge = Charge { admitted, remaining: number(words.next())?, reset_s: number(words.next())? };
        let mut response = Response::empty(number(words.next())?);
        response.code = words.next().and_then(Code::of_name);
        let lease = words.next().map(str::to_owned);
        response.internal = Some(internal.to_owned()).filter(|internal| !internal.is_empty());
        loop {
            let (line, after) = rest.split_once('\n')?;
            rest = after;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(' ')?;
            let name = HEADERS.into_iter().find(|known| *known == name)?;
            response.headers.push((name, value.to_owned()));
        }
        response.body = rest.as_bytes().to_vec();
        Some(Self { charge, response, lease })
    }
}

fn number<T: FromStr>(word: Option<&str>) -> Option<T> {
    word?.parse().ok()
}

#[cfg(test)]
mod tests {
    use protocol::reserve::ReserveOutcome;

    use super::*;
    use crate::gate::answer::{Verdict, answer, counted};
    use crate::gate::testing::hold;

    #[test]
    fn a_request_to_the_gate_round_trips() {
        for ask in [
            Ask::Charge { user_id: "홍길동\n{}" },
            Ask::Reserve { json: "{\"user_id\":\"a\"}" },
            Ask::Forget { sale_ids: vec!["a", "b-1"] },
            Ask::Forget { sale_ids: vec![] },
        ] {
            assert_eq!(Ask::read(&ask.text()), Some(ask));
        }
        assert_eq!((Ask::read("reserve"), Ask::read("other\n{}")), (None, None));
    }

    /// As the releases before leases wrote and read them.
    #[test]
    fn the_messages_of_the_release_before_are_understood() {
        let charge = Charge { admitted: true, remaining: 19, reset_s: 1 };
        let counted = Reply { charge, response: counted(charge), lease: None };
        assert_eq!(counted.text(), "1 19 1 204 -\n\n\n");
        assert_eq!(Reply::read("1 19 1 204 -\n\n\n"), Some(counted));
        let refused =
            Reply::read("1 19 1 409 sold_out\n\nContent-Type application/problem+json\n\n{}").expect("a reply");
        assert_eq!((refused.response.status, refused.response.body, refused.lease), (409, b"{}".to_vec(), None));
        assert_eq!(Ask::Reserve { json: "{}" }.text(), "reserve\n{}");
    }

    #[test]
    fn every_response_of_the_gate_round_trips() {
        let charge = Charge { admitted: true, remaining: 19, reset_s: 1 };
        for verdict in [
            Verdict::Charged,
            Verdict::Unavailable,
            Verdict::TooMany,
            Verdict::Outcome(ReserveOutcome::Granted { hold: hold("k"), replayed: true }),
            Verdict::Outcome(ReserveOutcome::NotFound { sku_id: None }),
            Verdict::Outcome(ReserveOutcome::RequestInProgress),
            Verdict::Outcome(ReserveOutcome::TooLate),
            Verdict::Remembered(ReserveOutcome::IdempotencyKeyReused),
            Verdict::Remembered(ReserveOutcome::Granted { hold: hold("k"), replayed: true }),
        ] {
            for charge in [charge, Charge { admitted: false, ..charge }] {
                for lease in [None, Some("{\"skus\":[\"a b\"]}".to_owned())] {
                    let reply = Reply { charge, response: answer(charge, verdict.clone()), lease };
                    assert_eq!(Reply::read(&reply.text()), Some(reply), "{verdict:?}");
                }
            }
        }
        let reply = Reply { charge, response: counted(charge), lease: None };
        assert_eq!(Reply::read(&reply.text()), Some(reply));
        for wrong in ["", "1 2 3", "1 2 3 x -\n\n\n", "1 2 3 200 -\n\nSet-Cookie a\n\n", "1 2 3 200 -\n\nETag 1"] {
            assert_eq!(Reply::read(wrong), None, "{wrong}");
        }
    }
}
