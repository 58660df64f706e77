//! Where a function is invoked: its name as it is deployed, and its alias.

use std::fmt::Write as _;

use crate::lambda::sigv4;
use crate::runtime::config::Lambda;

/// Where a function is invoked. The alias is named because a deployment moves it in a moment, back as well, while the
/// function's own name means what was uploaded last.
pub fn of(lambda: &Lambda, function: &str) -> String {
    let mut url = format!("{}/2015-03-31/functions/{}{function}/invocations", lambda.url, lambda.prefix);
    if let Some(qualifier) = &lambda.qualifier {
        // Writing to a String does not fail.
        let _ = write!(url, "?Qualifier={}", sigv4::encoded(qualifier));
    }
    url
}

#[cfg(test)]
mod tests {
    use crate::runtime::config::Config;

    #[test]
    fn a_function_is_invoked_by_its_alias_where_one_is_configured() {
        let of = |variables: &'static [(&str, &str)]| {
            let value =
                |name: &str| variables.iter().find(|(one, _)| *one == name).map(|(_, value)| (*value).to_owned());
            let lambda = Config::from(value).lambda;
            super::of(lambda.for_function("admin"), "admin")
        };
        assert_eq!(
            of(&[
                ("LAMBDA_URL", "https://lambda.example/"),
                ("FUNCTION_PREFIX", "holdfast-"),
                ("FUNCTION_QUALIFIER", "live"),
                // The operators' key pair calls the same alias.
                ("ADMIN_AWS_ACCESS_KEY_ID", "a"),
                ("ADMIN_AWS_SECRET_ACCESS_KEY", "b"),
            ]),
            "https://lambda.example/2015-03-31/functions/holdfast-admin/invocations?Qualifier=live"
        );
        assert_eq!(
            of(&[("LAMBDA_URL", "https://l.example"), ("FUNCTION_QUALIFIER", "")]),
            "https://l.example/2015-03-31/functions/admin/invocations"
        );
        assert!(of(&[("FUNCTION_QUALIFIER", "a&b=c")]).ends_with("?Qualifier=a%26b%3Dc"));
    }
}
