//! The query of an API route: only its own parameters, each at most once, as a type. A misspelled filter must not
//! return everything.

use std::borrow::Cow;

use crate::http::percent;
use crate::runtime::limits::{PAGE_DEFAULT, PAGE_MAX, PARAMETER_SHOWN_CHARS};

/// What a name without an equals sign is: `?limit`.
#[derive(Clone, Copy)]
pub enum Bare {
    LeftOut,
    Empty,
}

/// A query as a type: each parameter's text, `None` where it is left out. The table of routes has its `NAMES`, and a
/// handler `read`s it.
macro_rules! query {
    ($(#[$attribute:meta])* pub struct $name:ident { $($parameter:ident),+ }) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $(pub $parameter: Option<String>),+
        }

        impl $name {
            pub const NAMES: &'static [&'static str] = &[$(stringify!($parameter)),+];

            pub fn read(url: &str, bare: $crate::http::query::Bare) -> Self {
                Self { $($parameter: $crate::http::query::value(url, stringify!($parameter), bare)),+ }
            }
        }
    };
}
pub(crate) use query;

pub fn value(url: &str, name: &str, bare: Bare) -> Option<String> {
    match bare {
        Bare::LeftOut => percent::given(url, name).map(Cow::into_owned),
        Bare::Empty => {
            let mut given = percent::query(url).filter(|(given, _)| given == name);
            given.next().map(|(_, value)| value.unwrap_or_default().into_owned())
        }
    }
}

/// The limit of a page. None: it is out of bounds.
pub fn limit(given: Option<&str>) -> Option<i32> {
    let limit = given.map_or(Some(PAGE_DEFAULT), |limit| limit.parse().ok());
    limit.filter(|limit| (1..=PAGE_MAX).contains(limit))
}

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

    query! {
        pub struct Sample { state, cursor }
    }

    #[test]
    fn a_type_names_and_reads_its_parameters() {
        assert_eq!(Sample::NAMES, ["state", "cursor"]);
        let of = |query: &str, bare| Sample::read(&format!("https://edge/{query}"), bare);
        let read = Sample { state: Some("paid".to_owned()), cursor: None };
        assert_eq!(of("?limit=1&st%61te=paid", Bare::Empty), read);
        assert_eq!(of("?state=paid&cursor", Bare::LeftOut), read);
        assert_eq!(of("?state=paid&cursor", Bare::Empty), Sample { cursor: Some(String::new()), ..read });
        assert_eq!(
            [None, Some("1"), Some("100"), Some("0"), Some("101"), Some("")].map(limit),
            [Some(PAGE_DEFAULT), Some(1), Some(100), None, None, None]
        );
    }

    #[test]
    fn a_repeated_parameter_is_refused_by_name() {
        for query in ["?state=paid&state=paid", "?state=paid&st%61te=ordered", "?state&state="] {
            assert!(of(query).unwrap_or_default().contains("`state` once"), "{query}");
        }
    }
}
