//! The small grammars of input: slugs, UUIDs, single lines. Printable names are in `protocol::printable`, which the
//! functions use too.

use crate::runtime::limits;

/// `[a-z0-9][a-z0-9-]{0,63}`: what an operator may call a sale or a SKU.
pub fn is_slug(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() <= limits::SLUG_MAX_CHARS
        && text.bytes().all(allowed)
        && !matches!(text.bytes().next(), None | Some(b'-'))
}

/// A UUID in its hyphenated form, in the lower case that the database answers with.
pub fn uuid(text: &str) -> Option<String> {
    // The parser also takes braces, URNs and no hyphens: forms that no answer has.
    let hyphenated = text.len() == 36;
    hyphenated.then(|| uuid::Uuid::try_parse(text).ok()).flatten().map(|id| id.to_string())
}

/// 1 to `max_chars` characters, none of them a control character. A gateway's ids need no more: a payment that could
/// not be named could not be refunded.
pub fn is_line(text: &str, max_chars: usize) -> bool {
    !text.is_empty() && text.chars().count() <= max_chars && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_lower_case_letters_digits_and_inner_hyphens() {
        let longest = "a".repeat(64);
        for slug in ["a", "0", "spring-drop", "a-", longest.as_str()] {
            assert!(is_slug(slug), "{slug}");
        }
        let too_long = "a".repeat(65);
        for other in ["", "-a", "A", "a_b", "a b", "봄", "a\0", "a/b", "a%20b", too_long.as_str()] {
            assert!(!is_slug(other), "{other}");
        }
    }

    #[test]
    fn a_uuid_is_hyphenated_and_becomes_lower_case() {
        let id = "019a9e7c-4b5a-7c3d-8e9f-0123456789ab";
        assert_eq!(uuid(id).as_deref(), Some(id));
        assert_eq!(uuid(&id.to_uppercase()).as_deref(), Some(id));
        for other in ["", "1", "{019a9e7c-4b5a-7c3d-8e9f-0123456789a}", &id.replace('-', ""), &format!("{id}a")] {
            assert_eq!(uuid(other), None, "{other}");
        }
    }

    #[test]
    fn a_line_is_of_any_script_and_has_no_control_characters() {
        for text in ["홍길동", "a", "🎉", "a b", "\u{200b}"] {
            assert!(is_line(text, 128), "{text}");
        }
        let (longest, too_long) = ("가".repeat(128), "가".repeat(129));
        assert!(is_line(&longest, 128));
        for text in ["", "a\0", "a\n", "\u{7f}", "\u{85}", too_long.as_str()] {
            assert!(!is_line(text, 128), "{text:?}");
        }
    }
}
