//! The registry: every gateway has all it needs.

use super::*;

#[test]
fn every_gateway_has_both_halves_and_no_other_name_has_one() {
    let account = || Account { secret: "s".to_owned(), live: true };
    for name in NAMES {
        assert!(webhook(name).is_some() && api(name, account()).is_some(), "{name}");
    }
    assert!(webhook("other").is_none() && api("other", account()).is_none());
}
