//! Percent-decoding (RFC 3986), once: a URL may encode more than it has to, and is the same URL. And the query, as the
//! URL Standard reads it.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// None: invalid encoding, or not UTF-8.
pub fn decoded(text: &str) -> Option<Cow<'_, str>> {
    // The library leaves a percent sign without two digits as it is.
    let encodes = |rest: &str| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if !text.split('%').skip(1).all(encodes) {
        return None;
    }
    percent_decode_str(text).decode_utf8().ok()
}

/// One segment of a path. It contains no slash, encoded or not.
pub fn segment(text: &str) -> Option<Cow<'_, str>> {
    decoded(text).filter(|decoded| !decoded.contains('/'))
}

/// The names and values of a URL's query, in order; a plus is a space. A name may have no value: `form_urlencoded` alone
/// reads `?limit` as `?limit=`. What cannot be decoded stays as it is, or becomes U+FFFD: no parameter contains either.
pub fn query(url: &str) -> impl Iterator<Item = (Cow<'_, str>, Option<Cow<'_, str>>)> {
    let query = url.split('#').next().and_then(|url| url.split_once('?')).map_or("", |(_, query)| query);
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = form_urlencoded::parse(pair.as_bytes()).next().unwrap_or_default();
        (name, pair.contains('=').then_some(value))
    })
}

/// The first value of that name.
pub fn given<'a>(url: &'a str, name: &str) -> Option<Cow<'a, str>> {
    query(url).filter(|(given, _)| given == name).find_map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded_once() {
        for (text, want) in [
            ("", Some("")),
            ("plain-text", Some("plain-text")),
            ("%73p%72ing", Some("spring")),
            ("a%2Db%2dc", Some("a-b-c")),
            ("%ED%99%8D길", Some("홍길")),
            ("%2561", Some("%61")),
            ("a+b", Some("a+b")),
            ("%00", Some("\0")),
            ("%", None),
            ("a%2", None),
            ("%zz", None),
            ("%+1", None),
            ("%-1", None),
            ("%가", None),
            ("%ff", None),
            ("%ED%99", None),
            ("%C0%AF", None),
        ] {
            assert_eq!(decoded(text).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn a_segment_has_no_slash_however_it_is_written() {
        assert_eq!(segment("s%61les").as_deref(), Some("sales"));
        assert_eq!((segment("a%2Fb"), segment("a%2fb")), (None, None));
    }

    #[test]
    fn a_query_is_names_and_values() {
        let of =
            |url| query(url).map(|(name, value)| format!("{name}={}", value.unwrap_or_default())).collect::<Vec<_>>();
        assert_eq!(of("http://a/b?c=%64&%65=f%3D&&g#h?i=j"), ["c=d", "e=f=", "g="]);
        assert_eq!(of("http://a/b?c=%zz&d=a+b%2B&e=+%zz"), ["c=%zz", "d=a b+", "e= %zz"]);
        assert_eq!(of("http://a/b?c=%ff&d=a%2"), ["c=\u{fffd}", "d=a%2"]);
        assert!(of("http://a/b").is_empty() && of("http://a/b?").is_empty());
        assert_eq!(given("http://a/b?d&c=1&d=2&d=3", "d").as_deref(), Some("2"));
    }
}
