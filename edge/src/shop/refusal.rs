//! A refusal as a page, for a person who opened a link or an address: one sentence in their language, and one link
//! onward.

use super::frame::Page;
use super::html::escape;
use super::texts::{find, text};
use crate::http::problem::Code;
use crate::http::response::Response;

/// Whether a person reads the response: a browser's navigation accepts HTML, and a script's request does not.
pub fn is_for_a_person(method: &str, accept: Option<&str>) -> bool {
    matches!(method, "GET" | "HEAD") && accept.is_some_and(|accept| accept.contains("text/html"))
}

/// The same refusal of what is at `path`, with its status and headers, in `ko` or `en`.
pub fn page(language: &'static str, path: &str, refused: Response, code: Code) -> Response {
    let status = refused.status;
    let no_sale = status == 404 && path.starts_with("/sales/");
    let heading = match status {
        _ if no_sale => "h_missing",
        404 => "h_404",
        429 => "h_429",
        503 => "h_503",
        401 => "h_signed_out",
        _ => "h_error",
    };
    let sentence = if no_sale { "m_missing".to_owned() } else { format!("code_{}", code.name()) };
    let message = find(language, &sentence).unwrap_or_else(|| text(language, "m_error"));
    let again = matches!(status, 429 | 503);
    let (href, way) = if again { ("", "retry") } else { ("/", "all_sales") };
    let html = Page {
        language,
        status,
        title: format!("{} · Holdfast", text(language, heading)),
        state: "refused",
        meta_html: r#"<meta name="robots" content="noindex">"#.to_owned(),
        hero_html: format!("<h1>{}</h1>", escape(text(language, heading))),
        message: message.to_owned(),
        bar_html: format!(r#"<a class="primary" id="retry" href="{href}">{}</a>"#, escape(text(language, way))),
        ..Page::default()
    }
    .answer();
    let headers = refused.headers.into_iter().filter(|(name, _)| *name != "Content-Type");
    let mut answer = Response { code: Some(code), internal: refused.internal, ..html };
    for (name, value) in headers {
        answer = answer.with(name, value);
    }
    answer.with("Cache-Control", "no-store")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::code::TABLE;
    use crate::http::problem::Problem;

    #[test]
    fn every_refusal_has_a_page_in_both_languages_without_its_detail() {
        for (code, name, status, _) in TABLE {
            for language in ["ko", "en"] {
                let refused = Response::from(Problem::new(code, "An internal word.").header("Retry-After", "7"));
                let answer = page(language, "/nowhere", refused, code);
                let html = String::from_utf8_lossy(&answer.body).into_owned();
                assert_eq!((answer.status, answer.code, answer.header("Retry-After")), (status, Some(code), Some("7")));
                assert_eq!(answer.header("Content-Type"), Some("text/html; charset=utf-8"));
                assert!(html.contains("<h1>") && html.contains("id=\"retry\"") && !html.contains("internal"), "{html}");
                assert!(html.contains(&escape(text(language, &format!("code_{name}")))), "{html}");
            }
        }
    }

    #[test]
    fn a_browsers_navigation_gets_a_page_and_a_script_does_not() {
        let chrome = Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
        assert!(is_for_a_person("GET", chrome) && is_for_a_person("HEAD", chrome));
        for (method, accept) in
            [("POST", chrome), ("GET", None), ("GET", Some("*/*")), ("GET", Some("application/json"))]
        {
            assert!(!is_for_a_person(method, accept), "{method} {accept:?}");
        }
    }
}
