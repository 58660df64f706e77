//! The declared type of a request's body. It has to be JSON in UTF-8, unencoded: read in another way, the same bytes
//! would be another request than the one that was signed or fingerprinted.

use crate::http::problem::{Code, Problem};

#[derive(Clone, Copy)]
pub struct Media<'a> {
    pub content_type: Option<&'a str>,
    pub content_encoding: Option<&'a str>,
}

impl Media<'_> {
    /// # Errors
    /// `unsupported_media_type`, with what to send instead.
    pub fn must_be_json(self) -> Result<(), Problem> {
        let refused = |detail| Err(Problem::new(Code::UnsupportedMediaType, detail));
        let mut parts = self.content_type.unwrap_or_default().split(';').map(str::trim);
        if !parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) {
            return refused("Send JSON, with `Content-Type: application/json`.");
        }
        if !parts.filter_map(charset).all(is_utf_8) {
            return refused("Send JSON in UTF-8, with `Content-Type: application/json`.");
        }
        let mut encodings = self.content_encoding.unwrap_or_default().split(',').map(str::trim);
        if !encodings.all(|encoding| encoding.is_empty() || encoding.eq_ignore_ascii_case("identity")) {
            // RFC 9110 has this header say which encodings would do.
            return refused("Send the body as it is, without a `Content-Encoding`.")
                .map_err(|problem| problem.header("Accept-Encoding", "identity"));
        }
        Ok(())
    }
}

fn charset(parameter: &str) -> Option<&str> {
    let (name, value) = parameter.split_once('=')?;
    name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
}

/// By its name, and by the other one that is often taken for it.
fn is_utf_8(charset: &str) -> bool {
    charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8")
}

#[cfg(any(test, feature = "fuzz"))]
pub const JSON: Media<'static> = Media { content_type: Some("application/json"), content_encoding: None };

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::response::Response;

    fn refusal(media: Media) -> Option<(u16, Option<String>)> {
        let answer = Response::from(media.must_be_json().err()?);
        Some((answer.status, answer.header("Accept-Encoding").map(str::to_owned)))
    }

    #[test]
    fn json_is_a_content_type_in_any_case_and_with_any_parameters() {
        for json in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;Charset=\"UTF-8\"",
            "application/json; charset=utf8",
            " application/json ;a=b",
            "application/json;",
        ] {
            assert_eq!(refusal(Media { content_type: Some(json), ..JSON }), None, "{json}");
        }
        for other in [None, Some(""), Some("text/plain"), Some("application/jsonp"), Some("application/x+json")] {
            assert_eq!(refusal(Media { content_type: other, ..JSON }), Some((415, None)), "{other:?}");
        }
    }

    #[test]
    fn another_charset_is_another_text() {
        for charset in ["iso-8859-1", "UTF-16", "\"utf-16le\"", "us-ascii", "", "utf-8; charset=utf-16"] {
            let other = format!("application/json; charset={charset}");
            assert_eq!(refusal(Media { content_type: Some(&other), ..JSON }), Some((415, None)), "{other}");
        }
    }

    #[test]
    fn a_compressed_body_is_refused_with_the_accepted_encoding() {
        for plain in [None, Some(""), Some("identity"), Some("Identity, identity")] {
            assert_eq!(refusal(Media { content_encoding: plain, ..JSON }), None, "{plain:?}");
        }
        for packed in ["gzip", "br", "identity, gzip", "x"] {
            let refusal = refusal(Media { content_encoding: Some(packed), ..JSON });
            assert_eq!(refusal, Some((415, Some("identity".to_owned()))), "{packed}");
        }
    }
}
