//! Printable text: the one rule for untrusted names, of users as of sales.

/// 1 to `max_chars` characters of any script, one of them at least no white space and none of them hidden.
#[must_use]
pub fn is_printable(text: &str, max_chars: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= max_chars && !text.chars().any(is_hidden)
}

/// Characters that are invisible, reverse the text, or have a private meaning: with them two names would look the same.
/// The joiners stay, for without them neither Persian nor every emoji can be written.
#[must_use]
pub fn is_hidden(character: char) -> bool {
    let known = matches!(
        character,
        '\u{ad}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            // For private use, and no characters.
            | '\u{e000}'..='\u{f8ff}'
            | '\u{fdd0}'..='\u{fdef}'
            | '\u{f0000}'..
    );
    // The last two of every plane are no characters either.
    known || character.is_control() || u32::from(character) & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_script_are_printable() {
        let longest = "가".repeat(128);
        for text in [
            "홍길동",
            "a",
            "🎉",
            "a b",
            " a",
            "نمی\u{200c}خواهم",
            "👩\u{200d}👩\u{200d}👧",
            "日本\u{fffd}",
            "é",
            &longest,
        ] {
            assert!(is_printable(text, 128), "{text:?}");
        }
        assert!(!is_printable(&"가".repeat(129), 128));
    }

    #[test]
    fn invisible_and_ambiguous_characters_are_not_printable() {
        for text in ["", " ", "\u{3000}\u{a0}"] {
            assert!(!is_printable(text, 128), "{text:?}");
        }
        let hidden = [
            0x00, 0x0a, 0x1f, 0x7f, 0x85, 0x9f, 0xad, 0x200b, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202e, 0x2060,
            0x2066, 0x206f, 0xe000, 0xf8ff, 0xfdd0, 0xfdef, 0xfeff, 0xfff9, 0xfffb, 0xfffe, 0xffff, 0x1_fffe, 0x5_ffff,
            0xf_0000, 0xf_ffff, 0x10_0000, 0x10_fffd, 0x10_ffff,
        ];
        for character in hidden.into_iter().filter_map(char::from_u32) {
            assert!(!is_printable(&format!("a{character}b"), 128), "{character:?}");
        }
        let beside = [
            0x20, 0x7e, 0xa0, 0xac, 0xae, 0x200a, 0x200c, 0x200d, 0x2010, 0x2027, 0x202f, 0x205f, 0x2070, 0xd7ff,
            0xf900, 0xfdcf, 0xfdf0, 0xfefe, 0xff01, 0xfff8, 0xfffc, 0xfffd, 0x1_fffd, 0xe_0061, 0xe_fffd,
        ];
        for character in beside.into_iter().filter_map(char::from_u32) {
            assert!(is_printable(&format!("a{character}b"), 128), "{character:?}");
        }
    }
}
