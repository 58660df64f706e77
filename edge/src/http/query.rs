//! The query of an API route: only its own parameters, each at most once. A misspelled filter must not return
//! everything.

use std::borrow::Cow;

use crate::http::percent;
use crate::runtime::limits::PARAMETER_SHOWN_CHARS;

/// What is wrong with the query of this URL, for a route with these parameters.
pub fn error(url: &str, known: &[&str]) -> Option<String> {
    let mut seen: Vec<Cow<str>> = Vec::new();
    for (name, _) in percent::query(url) {
        if !known.contains(&name.as_ref()) {
            return Some(unknown(&name, known));
        }
        if seen.contains(&name) {
            return Some(format!("Send the parameter `{name}` once."));
        }
        seen.push(name);
    }
    None
}

fn unknown(name: &str, known: &[&str]) -> String {
    let shown: String = name.chars().filter(|character| !character.is_control()).take(PARAMETER_SHOWN_CHARS).collect();
    match known {
        [] => format!("Leave the parameter `{shown}` out: this address has none."),
        known => format!("Leave the parameter `{shown}` out: this address has {}.", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(query: &str) -> Option<String> {
        error(&format!("https://edge/v1/admin/payments{query}"), &["state", "cursor"])
    }

    #[test]
    fn an_unknown_parameter_is_refused_by_name() {
        for query in ["", "?", "?state=paid", "?cursor=1&state=paid", "?state", "?&&", "?st%61te=paid#user_id=a"] {
            assert_eq!(of(query), None, "{query}");
        }
        for (query, name) in [
            ("?user_id=nobody", "`user_id`"),
            ("?state=paid&State=paid", "`State`"),
            ("?state=paid&utm_source", "`utm_source`"),
            ("?=x", "``"),
            ("?a%00%0ab=1", "`ab`"),
            ("?st%2561te=paid", "`st%61te`"),
        ] {
            let detail = of(query).unwrap_or_default();
            assert!(detail.contains(name) && detail.contains("state, cursor"), "{query}: {detail}");
        }
        assert!(of(&format!("?{}=1", "x".repeat(5_000))).unwrap_or_default().len() < 200);
    }

    #[test]
    fn a_repeated_parameter_is_refused_by_name() {
        for query in ["?state=paid&state=paid", "?state=paid&st%61te=ordered", "?state&state="] {
            assert!(of(query).unwrap_or_default().contains("`state` once"), "{query}");
        }
    }
}
