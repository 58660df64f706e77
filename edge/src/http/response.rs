//! A response as plain data. It becomes the runtime's only in `lib.rs`, so that every status, header and body is tested
//! without a Worker.

use protocol::json;
use serde::Serialize;

use crate::http::code::Code;

#[derive(Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// The code of a refusal, for the log.
    pub code: Option<Code>,
    /// Details for the log only.
    pub internal: Option<String>,
}

impl Response {
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), code: None, internal: None }
    }

    pub fn json<T: Serialize>(status: u16, value: &T) -> Self {
        match json::print(value) {
            Ok(body) => Self::bytes(status, "application/json", body.into_bytes()),
            // Our own types always serialize. If one does not, that is a bug, which only the log can use.
            Err(error) => Self { code: Some(Code::Unavailable), internal: Some(error.to_string()), ..Self::empty(503) },
        }
    }

    /// With the version as `ETag`, for `If-Match`.
    pub fn versioned(self, version: i64) -> Self {
        self.with("ETag", format!("\"{version}\""))
    }

    pub fn bytes(status: u16, content_type: &str, body: Vec<u8>) -> Self {
        Self { body, ..Self::empty(status) }.with("Content-Type", content_type)
    }

    /// Sets a header, in place of one of the same name.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.headers.push((name, value.into()));
        self
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The same response as 304 if the client already has it.
    pub fn unless_known(self, if_none_match: Option<&str>) -> Self {
        match (self.header("ETag"), if_none_match) {
            (Some(etag), Some(known)) if matches(known, etag) => {
                let mut answer = Self { status: 304, body: Vec::new(), ..self };
                answer.headers.retain(|(name, _)| *name != "Content-Type");
                answer
            }
            _ => self,
        }
    }
}

/// RFC 9110's weak comparison: what `If-None-Match` uses.
fn matches(if_none_match: &str, etag: &str) -> bool {
    if_none_match.split(',').map(str::trim).any(|known| known == "*" || known.trim_start_matches("W/") == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_with_the_current_version_gets_304_without_a_body() {
        let answer = || Response::json(200, &1).with("ETag", "\"a\"").with("Cache-Control", "public");
        for known in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*"] {
            let known = answer().unless_known(Some(known));
            assert_eq!((known.status, known.body.len(), known.header("content-type")), (304, 0, None));
            assert_eq!(known.header("cache-control"), Some("public"));
        }
        for other in [None, Some("\"b\""), Some("a"), Some("")] {
            assert_eq!(answer().unless_known(other), answer());
        }
    }

    #[test]
    fn a_header_is_there_once() {
        let answer = Response::empty(200).with("Vary", "Origin").with("vary", "Accept-Language");
        assert_eq!(answer.headers, [("vary", "Accept-Language".to_owned())]);
    }
}
