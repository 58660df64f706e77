//! The Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07, and the bare form that most clients send), and
//! the fingerprint of the request under it.

use protocol::json;
use serde::Serialize;

use crate::http::problem::{Code, Problem};
use crate::runtime::digest::sha256_hex;
use crate::runtime::limits;

/// The key, in either form: `"abc"` and `abc` are the same.
///
/// # Errors
/// `idempotency_key_missing`, `idempotency_key_invalid`.
pub fn key(header: Option<&str>) -> Result<String, Problem> {
    let Some(header) = header.map(str::trim) else {
        return Err(Problem::new(
            Code::IdempotencyKeyMissing,
            "Send an `Idempotency-Key`, a new one for each purchase and the same one when you ask again.",
        ));
    };
    let key = if header.starts_with('"') { quoted(header) } else { Some(header.to_owned()) };
    key.filter(|key| is_key(key)).ok_or_else(|| {
        Problem::new(Code::IdempotencyKeyInvalid, "Send an `Idempotency-Key` of 1 to 255 visible ASCII characters.")
    })
}

fn is_key(key: &str) -> bool {
    (1..=limits::IDEMPOTENCY_KEY_MAX_CHARS).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A structured field's string (RFC 9651) without parameters: the draft defines none.
fn quoted(header: &str) -> Option<String> {
    let mut text = String::new();
    let mut characters = header.strip_prefix('"')?.strip_suffix('"')?.chars();
    while let Some(character) = characters.next() {
        text.push(match character {
            '"' => return None,
            '\\' => characters.next().filter(|escaped| matches!(escaped, '"' | '\\'))?,
            other => other,
        });
    }
    Some(text)
}

/// SHA-256 of a request as [`printed`]: white space and the order of members do not change it.
pub fn fingerprint_of(printed: &str) -> String {
    sha256_hex(printed.as_bytes())
}

/// The parsed request as JSON, the members in the order of its type.
pub fn printed<T: Serialize>(asked: &T) -> Result<String, Problem> {
    json::print(asked).map_err(|error| Problem::unavailable().because(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_name_the_same_key() {
        let longest = "k".repeat(255);
        for (header, want) in [
            ("abc", "abc"),
            (r#""abc""#, "abc"),
            (r#""a\"b\\c""#, r#"a"b\c"#),
            (r#"a"b\c"#, r#"a"b\c"#),
            ("8e03978e-40d5-43e8-bc93-6894a57f9324", "8e03978e-40d5-43e8-bc93-6894a57f9324"),
            ("a,b;c=d", "a,b;c=d"),
            ("!~", "!~"),
            (&longest, &longest),
            (&format!("\"{longest}\""), &longest),
        ] {
            assert_eq!(key(Some(header)), Ok(want.to_owned()), "{header}");
        }
    }

    #[test]
    fn a_key_is_required_and_has_its_bounds() {
        let code = |header| key(header).map_err(|problem| problem.code).err();
        assert_eq!(code(None), Some(Code::IdempotencyKeyMissing));
        let long = "k".repeat(256);
        for header in [
            "",
            " ",
            r#""""#,
            "a b",
            r#""a b""#,
            r#""abc"#,
            r#""abc";a=1"#,
            r#""abc", "abc""#,
            "키",
            "a\tb",
            "a\u{7f}",
            "first, second",
            &long,
            &format!("\"{long}\""),
        ] {
            assert_eq!(code(Some(header)), Some(Code::IdempotencyKeyInvalid), "{header}");
        }
    }

    #[test]
    fn a_quoted_key_is_read_as_a_structured_field_is() {
        let by_the_book = |header: &str| -> Option<String> {
            let item: sfv::Item = sfv::Parser::new(header).parse().ok()?;
            let text = item.bare_item.as_string()?.as_str();
            (item.params.is_empty() && is_key(text)).then(|| text.to_owned())
        };
        // Every text of up to six of these characters.
        let mut headers = vec![String::new()];
        for _ in 0..6 {
            let longer =
                headers.iter().flat_map(|header| ['"', '\\', 'a', ';', ' ', '가'].map(|c| format!("{header}{c}")));
            headers = [String::new()].into_iter().chain(longer).collect();
        }
        for header in headers.iter().map(|header| format!("\"{header}")) {
            assert_eq!(key(Some(&header)).ok(), by_the_book(&header), "{header}");
        }
    }
}
