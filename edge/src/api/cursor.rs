//! The cursor of a list: an opaque text that names the last row shown, and is bound to the filters it was made with.

use crate::runtime::digest::fnv1a;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

const CHECK_BYTES: usize = 8;

/// The cursor of the page after `last`. `filters`: the list's name and its filters.
pub fn write(filters: &[&str], last: &str) -> String {
    let mut bytes = check(filters, last).to_vec();
    bytes.extend_from_slice(last.as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The last row that was shown. None: no cursor of this list and these filters.
pub fn read(filters: &[&str], cursor: &str) -> Option<String> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (checked, last) = bytes.split_at_checked(CHECK_BYTES)?;
    let last = std::str::from_utf8(last).ok()?;
    (checked == check(filters, last)).then(|| last.to_owned())
}

/// Not signed: a made-up cursor only skips rows of the caller's own list.
fn check(filters: &[&str], last: &str) -> [u8; CHECK_BYTES] {
    let parts = filters.iter().chain([&last]);
    let text: String = parts.flat_map(|part| [part, "\n"]).collect();
    fnv1a(text.as_bytes()).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_valid_only_with_its_own_filters() {
        let cursor = write(&["orders", "spring-drop"], "7");
        assert_eq!(read(&["orders", "spring-drop"], &cursor).as_deref(), Some("7"));
        for others in [&["orders", ""][..], &["holds", "spring-drop"], &["orders"], &["orders", "spring", "drop"]] {
            assert_eq!(read(others, &cursor), None, "{others:?}");
        }
    }

    #[test]
    fn a_malformed_cursor_is_refused() {
        let cursor = write(&["a"], "7");
        for other in ["", "7", "AAAA", "AAAAAAAAAAAAAAA", &format!("{cursor}="), &format!("{cursor}AA"), "\0", "홍"] {
            assert_eq!(read(&["a"], other), None, "{other}");
        }
    }
}
