//! Text as HTML: data is only ever text, whatever characters it has.

use std::fmt::Write as _;

/// For an element's text, and for an attribute in double quotes.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// JSON for a data block: no `<` is left that could end it.
pub fn data_block(json: &str) -> String {
    json.replace('<', "\\u003c")
}

/// For one value of an address's query.
pub fn query_value(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Replaces each `{{name}}` in one pass: a value that looks like a name is not looked at again.
pub fn fill(template: &str, value: impl Fn(&str) -> String) -> String {
    let mut out = String::with_capacity(template.len().saturating_mul(2));
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        out.push_str(before);
        out.push_str(&value(name));
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        assert_eq!(escape("<b a=\"1\" b='2'>&"), "&lt;b a=&quot;1&quot; b=&#39;2&#39;&gt;&amp;");
        assert_eq!(data_block(r#"{"a":"</script><!--"}"#), r#"{"a":"\u003c/script>\u003c!--"}"#);
        assert_eq!(query_value("https://a.example/판?b=c&d"), "https%3A%2F%2Fa.example%2F%ED%8C%90%3Fb%3Dc%26d");
    }

    #[test]
    fn a_value_is_not_looked_at_again() {
        assert_eq!(fill("a{{x}}b{{y}}", |name| format!("<{name}{{{{x}}}}>")), "a<x{{x}}>b<y{{x}}>");
        assert_eq!(fill("a{{x", |name| name.to_owned()), "ax");
    }
}
