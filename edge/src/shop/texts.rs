//! Every sentence the shop says, in Korean and English: `edge/shop/texts.json`, which the page's script is made from too.

use std::collections::BTreeMap;

/// Name, then Korean and English; in the order of the names.
static TEXTS: &[(&str, [&str; 2])] = &include!(concat!(env!("OUT_DIR"), "/texts.rs"));

/// The sentence of that name in `ko` or `en`. None: there is no such sentence.
pub fn find(language: &str, name: &str) -> Option<&'static str> {
    let at = TEXTS.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
    let (_, [ko, en]) = TEXTS.get(at)?;
    Some(if language == "ko" { ko } else { en })
}

/// Empty where there is no such sentence: a test says that there is one of each name that is used.
pub fn text(language: &str, name: &str) -> &'static str {
    find(language, name).unwrap_or_default()
}

/// The sentence with its one `{place}` filled.
pub fn filled(language: &str, name: &str, place: &str, value: &str) -> String {
    text(language, name).replace(&format!("{{{place}}}"), value)
}

/// All of a language as a JSON object, for the script.
pub fn words(language: &str) -> String {
    let words: BTreeMap<&str, &str> = TEXTS.iter().map(|(name, _)| (*name, text(language, name))).collect();
    serde_json::to_string(&words).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPTS: &[&str] = &[
        include_str!("../../shop/account.js"),
        include_str!("../../shop/api.js"),
        include_str!("../../shop/browse.js"),
        include_str!("../../shop/list.js"),
        include_str!("../../shop/orders.js"),
        include_str!("../../shop/rankings.js"),
        include_str!("../../shop/refusals.js"),
        include_str!("../../shop/sale.js"),
        include_str!("../../shop/shop.js"),
        include_str!("../../shop/change.js"),
        include_str!("../../shop/ticket.js"),
        include_str!("../../shop/view.js"),
    ];

    #[test]
    fn every_refusal_has_its_sentence_in_both_languages() {
        for (_, code, ..) in crate::http::code::TABLE {
            for language in ["ko", "en"] {
                let sentence = find(language, &format!("code_{code}")).unwrap_or_default();
                assert!(sentence.ends_with('.'), "edge/shop/texts.json has no code_{code} in {language}: {sentence:?}");
            }
        }
    }

    #[test]
    fn a_sentence_has_the_same_places_in_both_languages_and_korean_is_korean() {
        let places = |text: &str| {
            let mut places: Vec<String> =
                text.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0.to_owned())).collect();
            places.sort();
            places
        };
        for (name, [ko, en]) in TEXTS {
            assert_eq!(places(ko), places(en), "{name}");
            assert!(!en.chars().any(|c| ('가'..='힣').contains(&c)), "{name}: {en}");
        }
    }

    #[test]
    fn every_sentence_that_a_script_names_is_there() {
        // `t` alone is the function; `get("` ends with the same letters.
        let called = |script: &'static str| {
            script.match_indices("t(\"").filter_map(move |(at, call)| {
                let before = script.get(..at)?.chars().next_back()?;
                (!before.is_alphanumeric()).then(|| script.get(at + call.len()..)).flatten()
            })
        };
        for name in SCRIPTS.iter().flat_map(|script| called(script)) {
            let name = name.split('"').next().unwrap_or_default();
            assert!(find("ko", name).is_some(), "a script says {name}, which edge/shop/texts.json has not");
        }
        let states = include_str!("../../shop/states.js");
        let states =
            states.split_once("STATES = {").and_then(|(_, rest)| rest.split_once("\n};")).unwrap_or_default().0;
        let names: Vec<&str> =
            states.lines().filter_map(|line| line.trim().split_once(": {")).map(|(name, _)| name).collect();
        assert!(names.len() > 10, "{names:?}");
        for name in names {
            assert!(find("ko", &format!("h_{name}")).is_some(), "h_{name}");
        }
    }

    #[test]
    fn a_buyer_can_choose_every_bank_that_a_refund_can_go_to() {
        let named: Vec<&str> = TEXTS.iter().filter_map(|(name, _)| name.strip_prefix("bank_")).collect();
        let banks: Vec<&str> = payments::BANKS.iter().map(|(name, _)| *name).collect();
        assert_eq!(named, banks);
    }

    #[test]
    fn a_place_is_filled() {
        assert_eq!(filled("ko", "per_user", "n", "2"), "1인당 최대 2개");
        assert_eq!((filled("en", "per_user", "n", "2").as_str(), text("en", "none")), ("Up to 2 per person", ""));
    }
}
