//! Percent-decoding (RFC 3986), once: a URL may encode more than it has to, and is the same URL.

use std::borrow::Cow;

/// None: invalid encoding, or not UTF-8.
pub fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        rest = others;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, others) = others.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = others;
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// One segment of a path. It contains no slash, encoded or not.
pub fn segment(text: &str) -> Option<Cow<'_, str>> {
    decoded(text).filter(|decoded| !decoded.contains('/'))
}

/// The names and values of a URL's query, in order. A name may have no value; a plus is a space, as browsers write it.
/// What cannot be decoded stays as it is: no parameter contains a percent sign.
pub fn query(url: &str) -> impl Iterator<Item = (Cow<'_, str>, Option<Cow<'_, str>>)> {
    let query = url.split('#').next().and_then(|url| url.split_once('?')).map_or("", |(_, query)| query);
    let part = |text| query_part(text).unwrap_or(Cow::Borrowed(text));
    query.split('&').filter(|pair| !pair.is_empty()).map(move |pair| match pair.split_once('=') {
        Some((name, value)) => (part(name), Some(part(value))),
        None => (part(pair), None),
    })
}

fn query_part(text: &str) -> Option<Cow<'_, str>> {
    if text.contains('+') { Some(decoded(&text.replace('+', " "))?.into_owned().into()) } else { decoded(text) }
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
        assert_eq!(of("http://a/b?c=%zz&d=a+b%2B&e=+%zz"), ["c=%zz", "d=a b+", "e=+%zz"]);
        assert!(of("http://a/b").is_empty() && of("http://a/b?").is_empty());
        assert_eq!(given("http://a/b?d&c=1&d=2&d=3", "d").as_deref(), Some("2"));
    }
}
