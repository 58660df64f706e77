//! `If-Match` (RFC 9110, 13.1.1): the version that a change was made for. One strong tag, which is what `ETag` was.

use crate::http::problem::{Code, Problem};

/// The version of the tag; none: there is no such header. A tag that no version of ours has is 0, which nothing has.
///
/// # Errors
/// `malformed_request`: `*`, a weak tag, a list, or no tag at all. None of them names one version.
pub fn version(header: Option<&str>) -> Result<Option<i64>, Problem> {
    let Some(header) = header.map(str::trim) else { return Ok(None) };
    let tag = header.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    // RFC 9110 allows no quote, no white space and no control character in a tag.
    let tag = tag.filter(|tag| tag.chars().all(|c| c != '"' && !c.is_ascii_whitespace() && !c.is_control()));
    let Some(tag) = tag else {
        return Err(Problem::malformed("Send one strong tag as `If-Match`, as `ETag` has it: \"7\"."));
    };
    Ok(Some(tag.parse().ok().filter(|version: &i64| version.to_string() == tag && *version > 0).unwrap_or(0)))
}

/// # Errors
/// `precondition_required`.
pub fn required(version: Option<i64>) -> Result<i64, Problem> {
    version.ok_or_else(|| {
        Problem::new(
            Code::PreconditionRequired,
            "Send `If-Match` with the `ETag` of what you have seen and want to change.",
        )
    })
}

/// Another change came first.
pub fn failed(version: i64) -> Problem {
    Problem::new(Code::PreconditionFailed, "It was changed meanwhile: read it again, then decide again.")
        .with("version", version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::response::Response;

    #[test]
    fn one_strong_tag_is_a_version_and_nothing_else_is() {
        for (header, version) in [
            (None, Ok(None)),
            (Some("\"7\""), Ok(Some(7))),
            (Some(" \"7\" "), Ok(Some(7))),
            (Some("\"07\""), Ok(Some(0))),
            (Some("\"+7\""), Ok(Some(0))),
            (Some("\"-7\""), Ok(Some(0))),
            (Some("\"abc\""), Ok(Some(0))),
            (Some("\"\""), Ok(Some(0))),
            (Some("\"99999999999999999999\""), Ok(Some(0))),
            (Some("*"), Err(400)),
            (Some("7"), Err(400)),
            (Some(""), Err(400)),
            (Some("\""), Err(400)),
            (Some("W/\"7\""), Err(400)),
            (Some("\"7\", \"8\""), Err(400)),
            (Some("\"7\",\"7\""), Err(400)),
            (Some("\"7 8\""), Err(400)),
        ] {
            assert_eq!(super::version(header).map_err(|problem| Response::from(problem).status), version, "{header:?}");
        }
    }

    #[test]
    fn without_a_version_nothing_is_changed() {
        assert_eq!(required(Some(7)), Ok(7));
        assert_eq!(required(None).map_err(|problem| problem.code), Err(Code::PreconditionRequired));
        let failed = Response::from(failed(8));
        assert_eq!(failed.status, 412);
        assert!(String::from_utf8_lossy(&failed.body).contains(r#""version":8"#));
    }
}
