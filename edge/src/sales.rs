//! `GET /v1/sales` and `/v1/sales/{sale_id}`: what everybody looks at and few may ask the database for. An isolate
//! keeps a copy for a second; while one request fetches the next, the others get the copy or wait for it; and while nobody can
//! be asked, everybody gets the last one for half a minute.

pub mod copies;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use protocol::lookup::{LookupOutcome, Question};
use protocol::shop::Sale;
use serde::Serialize;
use worker::Delay;

use crate::answer::Answer;
use crate::call::{Answered, Call};
use crate::digest::fnv1a;
use crate::lookup;
use crate::problem::Problem;
use crate::sales::copies::{Copies, Fetched, Look};
use crate::{address, bounds, clock};

thread_local! {
    static COPIES: RefCell<Copies<Rc<[u8]>>> = RefCell::default();
}

/// JSON, or none where there is no such sale.
type Body = Option<Rc<[u8]>>;

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct List {
    sales: Vec<Sale>,
}

pub async fn list(call: &Call) -> Answered {
    // No sale has an empty name.
    cached(call, "", Question::Sales).await
}

pub async fn one(call: &Call, sale_id: String) -> Answered {
    cached(call, &sale_id, Question::Sale { sale_id: sale_id.clone() }).await
}

/// An operator has just made this sale: here nobody is told any more that it is not there.
pub fn made(sale_id: &str) {
    COPIES.with_borrow_mut(|copies| copies.made(sale_id));
}

/// What [`list`] answers, for the front page.
pub async fn list_json(call: &Call) -> Result<Rc<[u8]>, Problem> {
    copy(call, "", Question::Sales).await?.ok_or_else(Problem::not_found)
}

/// What [`one`] answers, for the sale's page. None: there is no such sale.
pub async fn one_json(call: &Call, sale_id: &str) -> Result<Option<Rc<[u8]>>, Problem> {
    copy(call, sale_id, Question::Sale { sale_id: sale_id.to_owned() }).await
}

async fn cached(call: &Call, name: &str, question: Question) -> Answered {
    tell(copy(call, name, question).await?, call.header("If-None-Match"))
}

async fn copy(call: &Call, name: &str, question: Question) -> Result<Body, Problem> {
    let give_up_ms = call.now_ms.saturating_add(bounds::SALE_WAIT_MS);
    loop {
        let now_ms = clock::now_ms();
        match COPIES.with_borrow_mut(|copies| copies.look(name, now_ms)) {
            Look::Use(body) => return Ok(Some(body)),
            Look::Missing => return Ok(None),
            // Another request's fetch cannot be awaited in a Worker, but what it leaves behind can be seen.
            Look::Wait | Look::Busy if now_ms < give_up_ms => {
                Delay::from(Duration::from_millis(bounds::SALE_POLL_MS)).await;
            }
            Look::Busy => return Err(Problem::unavailable().because("too many sales that nobody knows are asked for")),
            Look::Wait => return fetch(call, name, question, false).await,
            Look::Fetch { known } => return fetch(call, name, question, known).await,
        }
    }
}

async fn fetch(call: &Call, name: &str, question: Question, known: bool) -> Result<Body, Problem> {
    let body = ask(call, name, question, known).await;
    let fetched = match &body {
        Ok(Some(body)) => Fetched::Found(Rc::clone(body)),
        Ok(None) => Fetched::Missing,
        Err(_) => Fetched::Failed,
    };
    COPIES.with_borrow_mut(|copies| copies.fetched(name, fetched, clock::now_ms()));
    body.or_else(|problem| last_resort(name, problem))
}

async fn ask(call: &Call, name: &str, question: Question, known: bool) -> Result<Body, Problem> {
    if known {
        return lookup::ask_within(call, question, bounds::SALE_REFRESH_MS).await.and_then(body);
    }
    // Who makes names up is counted; the list has none.
    if !name.is_empty() {
        address::count(call, &address::STRANGERS).await?;
    }
    lookup::ask(call, question).await.and_then(body)
}

/// What there was is better than nothing.
fn last_resort(name: &str, problem: Problem) -> Result<Body, Problem> {
    COPIES.with_borrow(|copies| copies.last_resort(name, clock::now_ms())).map(Some).ok_or(problem)
}

fn body(outcome: LookupOutcome) -> Result<Body, Problem> {
    let json = match outcome {
        LookupOutcome::NotFound => return Ok(None),
        LookupOutcome::Sale { sale } => serde_json::to_vec(&sale),
        LookupOutcome::Sales { sales } => serde_json::to_vec(&List { sales }),
        LookupOutcome::Hold { .. }
        | LookupOutcome::Order { .. }
        | LookupOutcome::Holds { .. }
        | LookupOutcome::Orders { .. }
        | LookupOutcome::Holders { .. } => {
            return Err(Problem::unavailable().because("lookup answered another question"));
        }
    };
    json.map(|json| Some(json.into())).map_err(|error| Problem::unavailable().because(error))
}

fn tell(body: Body, if_none_match: Option<&str>) -> Answered {
    let body = body.ok_or_else(Problem::not_found)?;
    let etag = format!("\"{:016x}\"", fnv1a(&body));
    Ok(Answer::bytes(200, "application/json", body.to_vec())
        .with("ETag", etag)
        .with("Cache-Control", format!("public, max-age={}", bounds::SALE_MAX_AGE_S))
        .unless_known(if_none_match))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sale_may_be_kept_for_a_second_and_asked_for_again_by_its_tag() {
        let answer = tell(Some(b"{}".as_slice().into()), None).unwrap_or_else(Answer::from);
        assert_eq!((answer.status, answer.header("Cache-Control")), (200, Some("public, max-age=1")));
        let etag = answer.header("ETag").map(str::to_owned);
        let again = tell(Some(b"{}".as_slice().into()), etag.as_deref()).unwrap_or_else(Answer::from);
        assert_eq!((again.status, again.body.len()), (304, 0));
        let changed = tell(Some(b"{ }".as_slice().into()), etag.as_deref()).unwrap_or_else(Answer::from);
        assert_eq!(changed.status, 200);
    }

    #[test]
    fn a_list_is_an_object_and_no_sale_is_not_found() {
        let text = |body: Option<Body>| body.flatten().map(|body| String::from_utf8_lossy(&body).into_owned());
        assert_eq!(text(body(LookupOutcome::Sales { sales: Vec::new() }).ok()).as_deref(), Some(r#"{"sales":[]}"#));
        assert_eq!(body(LookupOutcome::NotFound), Ok(None));
        assert_eq!(tell(None, None).map_err(|problem| Answer::from(problem).status), Err(404));
    }
}
