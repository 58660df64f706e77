//! What an answer of the shop means to a buyer.

use std::time::Duration;

use hyper::header::RETRY_AFTER;
use serde::Deserialize;

use super::http::Reply;
use super::tally::{GRANTED, PressResult};

#[derive(Deserialize)]
pub struct Hold {
    pub hold_id: String,
    pub total_amount: i64,
    pub currency: String,
}

#[derive(Deserialize)]
struct Problem {
    code: String,
    hold_id: Option<String>,
}

/// The response's content, if it is one, and what it counts as.
pub fn read(reply: &Reply) -> (Option<PressResult>, String) {
    if reply.status == 201 {
        return match (serde_json::from_slice::<Hold>(&reply.body), std::str::from_utf8(&reply.body)) {
            (Ok(hold), Ok(body)) => {
                let replayed = reply.headers.get("idempotent-replayed").is_some_and(|value| value == "true");
                (
                    Some(PressResult::Granted { hold_id: hold.hold_id, body: body.to_owned(), replayed }),
                    GRANTED.to_owned(),
                )
            }
            _ => (Some(refused(reply.status, "unreadable", None)), "unreadable".to_owned()),
        };
    }
    let Ok(Problem { code, hold_id }) = serde_json::from_slice(&reply.body) else {
        // Not one of ours: workerd itself, or something in between.
        let name = format!("{} without a problem", reply.status);
        return ((reply.status < 500).then(|| refused(reply.status, &name, None)), name);
    };
    let again = reply.status >= 500 || reply.status == 429 || code == "request_in_progress";
    ((!again).then(|| refused(reply.status, &code, hold_id)), code)
}

fn refused(status: u16, code: &str, hold_id: Option<String>) -> PressResult {
    PressResult::Refused { status, code: code.to_owned(), hold_id }
}

/// What an answer needed, by its `Server-Timing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needed {
    /// `lease`: the Worker alone.
    Worker,
    /// `gate`: a Durable Object, and no function.
    Gate,
    Function,
}

pub fn needed(reply: &Reply) -> Needed {
    let timing = reply.headers.get("server-timing").and_then(|value| value.to_str().ok()).unwrap_or_default();
    match timing {
        lease if lease.starts_with("lease") => Needed::Worker,
        gate if gate.starts_with("gate") => Needed::Gate,
        _ => Needed::Function,
    }
}

pub fn retry_after(reply: &Reply) -> Duration {
    let seconds = reply.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    seconds.map_or(Duration::ZERO, Duration::from_secs)
}
