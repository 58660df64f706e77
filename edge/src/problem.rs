//! Every refusal the edge can give: its code, status and title in one table, and the document a client gets
//! (RFC 9457). What a client reads and what only the log may say are two fields.

use std::fmt::Display;

use protocol::admin::FieldError;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::answer::Answer;

/// In the order in which they are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    NotFound,
    MethodNotAllowed,
    RateLimited,
    Unauthenticated,
    Forbidden,
    PayloadTooLarge,
    SignatureInvalid,
    UnsupportedMediaType,
    MalformedRequest,
    InvalidRequest,
    IdempotencyKeyMissing,
    IdempotencyKeyInvalid,
    IdempotencyKeyReused,
    RequestInProgress,
    SaleNotOpen,
    AlreadyHolding,
    LimitReached,
    SoldOut,
    InsufficientBalance,
    HoldNotActive,
    AlreadyExists,
    Unavailable,
}

/// Code, name, status, title; README's table is checked against this one.
pub const TABLE: [(Code, &str, u16, &str); 22] = [
    (Code::NotFound, "not_found", 404, "Not found"),
    (Code::MethodNotAllowed, "method_not_allowed", 405, "Method not allowed"),
    (Code::RateLimited, "rate_limited", 429, "Too many requests"),
    (Code::Unauthenticated, "unauthenticated", 401, "Not authenticated"),
    (Code::Forbidden, "forbidden", 403, "Forbidden"),
    (Code::PayloadTooLarge, "payload_too_large", 413, "Body too large"),
    (Code::SignatureInvalid, "signature_invalid", 401, "Signature invalid"),
    (Code::UnsupportedMediaType, "unsupported_media_type", 415, "Not JSON"),
    (Code::MalformedRequest, "malformed_request", 400, "Malformed request"),
    (Code::InvalidRequest, "invalid_request", 422, "Invalid request"),
    (Code::IdempotencyKeyMissing, "idempotency_key_missing", 400, "Idempotency-Key is missing"),
    (Code::IdempotencyKeyInvalid, "idempotency_key_invalid", 400, "Idempotency-Key is invalid"),
    (Code::IdempotencyKeyReused, "idempotency_key_reused", 422, "Idempotency-Key is already used"),
    (Code::RequestInProgress, "request_in_progress", 409, "A request is outstanding for this Idempotency-Key"),
    (Code::SaleNotOpen, "sale_not_open", 403, "The sale is not open"),
    (Code::AlreadyHolding, "already_holding", 409, "Already holding"),
    (Code::LimitReached, "limit_reached", 409, "Limit reached"),
    (Code::SoldOut, "sold_out", 409, "Sold out"),
    (Code::InsufficientBalance, "insufficient_balance", 409, "Insufficient balance"),
    (Code::HoldNotActive, "hold_not_active", 409, "The hold is not active"),
    (Code::AlreadyExists, "already_exists", 409, "Already exists"),
    (Code::Unavailable, "unavailable", 503, "Unavailable"),
];

impl Code {
    fn row(self) -> (&'static str, u16, &'static str) {
        let row = TABLE.iter().find(|(code, ..)| *code == self);
        // A test says that every code has its row.
        row.map_or(("unavailable", 503, "Unavailable"), |(_, name, status, title)| (name, *status, title))
    }

    pub fn name(self) -> &'static str {
        self.row().0
    }
}

#[derive(Debug, PartialEq)]
pub struct Problem {
    pub code: Code,
    /// For the client: what to do now.
    detail: String,
    extensions: Map<String, Value>,
    headers: Vec<(&'static str, String)>,
    /// For the log, and never for the client.
    internal: Option<String>,
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    #[serde(flatten)]
    extensions: &'a Map<String, Value>,
}

impl Problem {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), extensions: Map::new(), headers: Vec::new(), internal: None }
    }

    /// Adds a member to the document.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extensions.insert(name.to_owned(), value.into());
        self
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn because(mut self, reason: impl Display) -> Self {
        self.internal = Some(reason.to_string());
        self
    }

    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "There is nothing here for you; check the address.")
    }

    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(Code::MalformedRequest, detail)
    }

    /// All faults of a request at once, so that it can be put right in one go.
    pub fn invalid(faults: Vec<FieldError>) -> Self {
        let errors: Vec<Value> = faults
            .into_iter()
            .map(|fault| serde_json::json!({"pointer": fault.pointer, "detail": fault.detail}))
            .collect();
        Self::new(Code::InvalidRequest, "Correct what `errors` names, then send it again.").with("errors", errors)
    }

    pub fn unavailable() -> Self {
        Self::new(Code::Unavailable, "Try again in a moment, with the same Idempotency-Key where there is one.")
            .header("Retry-After", "1")
    }
}

impl From<worker::Error> for Problem {
    fn from(error: worker::Error) -> Self {
        Self::unavailable().because(error)
    }
}

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Self {
        let (code, status, title) = problem.code.row();
        let detail = &problem.detail;
        let r#type = format!("/problems/{code}");
        let document = Document { r#type, title, status, detail, code, extensions: &problem.extensions };
        // A map of JSON values is JSON: were it not, an empty body with the right status would still be an answer.
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut answer = Answer::bytes(status, "application/problem+json", body);
        answer.headers.extend(problem.headers);
        Answer { code: Some(problem.code), internal: problem.internal, ..answer }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_row_in_the_order_of_the_contract() {
        for (index, (code, name, status, title)) in TABLE.into_iter().enumerate() {
            assert_eq!((code as usize, code.row()), (index, (name, status, title)));
        }
        assert_eq!(TABLE.len(), Code::Unavailable as usize + 1);
    }

    #[test]
    fn the_readme_lists_every_code_with_its_status_in_this_order() {
        let listed: Vec<(&str, &str)> = include_str!("../../README.md")
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
            .filter_map(|(code, rest)| Some((code, rest.split_once(" |")?.0)))
            .filter(|(_, status)| status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit()))
            .collect();
        let table = TABLE.map(|(_, name, status, _)| (name, status.to_string()));
        let table: Vec<(&str, &str)> = table.iter().map(|(name, status)| (*name, status.as_str())).collect();
        assert_eq!(listed, table);
    }

    #[test]
    fn a_refusal_is_a_problem_document_and_keeps_its_reason_to_the_log() {
        let answer = Answer::from(Problem::unavailable().with("sku_id", "a").because("password=1"));
        let body = String::from_utf8_lossy(&answer.body);
        let (head, tail) = body.split_once(r#","detail":""#).unwrap_or_default();
        assert_eq!(head, r#"{"type":"/problems/unavailable","title":"Unavailable","status":503"#);
        assert!(tail.ends_with(r#"","code":"unavailable","sku_id":"a"}"#) && !tail.contains("password"), "{body}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!(answer.internal.as_deref(), Some("password=1"));
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let fault = |pointer: &str| FieldError { pointer: pointer.to_owned(), detail: "no".to_owned() };
        let answer = Answer::from(Problem::invalid(vec![fault("/a"), fault("/b")]));
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        assert_eq!(answer.status, 422);
        assert_eq!(
            body.get("errors"),
            Some(&serde_json::json!([{"pointer":"/a","detail":"no"},{"pointer":"/b","detail":"no"}]))
        );
    }
}
