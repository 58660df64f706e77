//! A refusal and the problem document that a client gets (RFC 9457). What the client reads and what only the log may
//! say are two fields.

use std::fmt::Display;

use protocol::admin::FieldError;
use protocol::json;
use serde::Serialize;
use serde_json::{Map, Value};

pub use crate::http::code::Code;
use crate::http::response::Response;

#[derive(Debug, PartialEq)]
pub struct Problem {
    pub code: Code,
    /// For the client: what to do next.
    detail: String,
    extensions: Map<String, Value>,
    headers: Vec<(&'static str, String)>,
    /// For the log only.
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
        Self::new(Code::NotFound, "No such resource. Check the path and the signed-in account.")
    }

    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(Code::MalformedRequest, detail)
    }

    /// All errors of a request at once, so that a client can fix them in one go.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let errors: Vec<Value> = errors
            .into_iter()
            .map(|error| serde_json::json!({"pointer": error.pointer, "detail": error.detail}))
            .collect();
        Self::new(Code::InvalidRequest, "Correct what `errors` names, then send it again.").with("errors", errors)
    }

    pub fn unavailable() -> Self {
        Self::new(Code::Unavailable, "Try again in a moment, with the same Idempotency-Key where there is one.")
            .header("Retry-After", "1")
    }
}

/// What is wrong with one member of a request: a JSON pointer to it, and what to send instead.
pub fn field_error(pointer: &str, detail: &str) -> FieldError {
    FieldError { pointer: pointer.to_owned(), detail: detail.to_owned() }
}

impl From<worker::Error> for Problem {
    fn from(error: worker::Error) -> Self {
        Self::unavailable().because(error)
    }
}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Self {
        let (code, status, title) = problem.code.row();
        let detail = &problem.detail;
        let r#type = format!("/problems/{code}");
        let document = Document { r#type, title, status, detail, code, extensions: &problem.extensions };
        // A map of JSON values always serializes; if it did not, an empty body with the right status would do.
        let body = json::print(&document).unwrap_or_default();
        let mut answer = Response::bytes(status, "application/problem+json", body.into_bytes());
        answer.headers.extend(problem.headers);
        Response { code: Some(problem.code), internal: problem.internal, ..answer }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_a_problem_document_and_its_reason_is_only_logged() {
        let answer = Response::from(Problem::unavailable().with("sku_id", "a").because("password=1"));
        let body = String::from_utf8_lossy(&answer.body);
        let (head, tail) = body.split_once(r#","detail":""#).unwrap_or_default();
        assert_eq!(head, r#"{"type":"/problems/unavailable","title":"Unavailable","status":503"#);
        assert!(tail.ends_with(r#"","code":"unavailable","sku_id":"a"}"#) && !tail.contains("password"), "{body}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!(answer.internal.as_deref(), Some("password=1"));
    }

    #[test]
    fn all_field_errors_are_listed_at_once() {
        let no = |pointer: &str| field_error(pointer, "no");
        let answer = Response::from(Problem::invalid(vec![no("/a"), no("/b")]));
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        assert_eq!(answer.status, 422);
        assert_eq!(
            body.get("errors"),
            Some(&serde_json::json!([{"pointer":"/a","detail":"no"},{"pointer":"/b","detail":"no"}]))
        );
    }
}
