//! The shop's page and its files: fixed at build time, so that nothing is read and nothing can be missing.

use crate::answer::Answer;
use crate::call::Answered;
use crate::config::Config;
use crate::digest::fnv1a;
use crate::problem::Problem;
use crate::{bounds, language};

const PAGE: &str = include_str!("../shop/shop.html");

struct Asset {
    name: &'static str,
    content_type: &'static str,
    body: &'static [u8],
    version: u64,
}

const JS: &str = "text/javascript; charset=utf-8";

macro_rules! assets {
    ($($name:literal: $content_type:expr),* $(,)?) => {
        [$({
            const BODY: &[u8] = include_bytes!(concat!("../shop/", $name));
            const VERSION: u64 = fnv1a(BODY);
            Asset { name: $name, content_type: $content_type, body: BODY, version: VERSION }
        }),*]
    };
}

static ASSETS: [Asset; 15] = assets! {
    "shop.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "api.js": JS,
    "browse.js": JS,
    "clock.js": JS,
    "dom.js": JS,
    "list.js": JS,
    "reserve.js": JS,
    "sale.js": JS,
    "shop.js": JS,
    "states.js": JS,
    "store.js": JS,
    "texts.js": JS,
    "ticket.js": JS,
    "view.js": JS,
};

/// `GET /` and `GET /sales/{sale_id}`: one page; its scripts ask for what it shows.
pub fn page(config: &Config, accept_language: Option<&str>, sale_id: Option<&str>) -> Answer {
    let language = language::of(accept_language);
    let html = PAGE
        .replace("{{lang}}", language)
        .replace("{{environment}}", &escape(&config.environment))
        .replace("{{payment_page_url}}", &escape(&config.payment_page_url))
        .replace("{{sale_id}}", &escape(sale_id.unwrap_or_default()));
    Answer::bytes(200, "text/html; charset=utf-8", html.into_bytes())
        .with("Content-Language", language)
        .with("Vary", "Accept-Language")
        .with("Cache-Control", "no-cache")
        .with("Content-Security-Policy", policy(&config.payment_page_url))
}

/// # Errors
/// `not_found`.
pub fn asset(name: &str, if_none_match: Option<&str>) -> Answered {
    let asset = ASSETS.iter().find(|asset| asset.name == name).ok_or_else(Problem::not_found)?;
    Ok(Answer::bytes(200, asset.content_type, asset.body.to_vec())
        .with("ETag", format!("\"{:016x}\"", asset.version))
        .with("Cache-Control", format!("public, max-age={}", bounds::ASSET_MAX_AGE_S))
        .unless_known(if_none_match))
}

/// Nothing but our own files runs or is shown; a form may go to the payment page, and nowhere else.
fn policy(payment_page_url: &str) -> String {
    let payment = origin(payment_page_url).map(|origin| format!(" {origin}")).unwrap_or_default();
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'{payment}; base-uri 'none'; frame-ancestors 'none'"
    )
}

/// Of an absolute address of the web. (A whole URL parser, with the scripts of all domain names, is a fifth of a
/// Worker, and this is written by whoever deploys it.)
fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))?;
    let host = rest.split(['/', '?', '#']).next()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    (!host.is_empty() && host.bytes().all(plain)).then(|| format!("{scheme}://{host}"))
}

/// For an attribute in double quotes.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(payment_page_url: &str) -> Config {
        Config::from(|name| (name == "PAYMENT_PAGE_URL").then(|| payment_page_url.to_owned()))
    }

    #[test]
    fn the_page_is_filled_in_and_nothing_is_left_open() {
        let answer = page(&config("http://127.0.0.1:8790/pay?a=1&b=\"2\""), Some("ko"), Some("spring-drop"));
        let html = String::from_utf8_lossy(&answer.body);
        assert!(html.contains("<html lang=\"ko\""), "{html}");
        assert!(html.contains("\"http://127.0.0.1:8790/pay?a=1&amp;b=&quot;2&quot;\""), "{html}");
        assert!(html.contains("\"spring-drop\"") && !html.contains("{{"), "{html}");
        assert_eq!((answer.header("Content-Language"), answer.header("Vary")), (Some("ko"), Some("Accept-Language")));
    }

    #[test]
    fn a_form_may_go_to_the_payment_page_and_no_script_is_inline() {
        let of = |url| page(&config(url), None, None).header("Content-Security-Policy").map(str::to_owned);
        let policy = of("https://pay.example:8443/checkout").unwrap_or_default();
        assert!(policy.contains("form-action 'self' https://pay.example:8443;"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        for nowhere in
            ["", "/pay", "javascript:alert(1)", "https://", "https://a b/", "https://a;script-src *", "data://x"]
        {
            assert!(of(nowhere).unwrap_or_default().contains("form-action 'self';"), "{nowhere}");
        }
    }

    #[test]
    fn every_file_the_page_and_its_scripts_name_is_served() {
        let texts = ASSETS.iter().map(|asset| String::from_utf8_lossy(asset.body).into_owned());
        for text in texts.chain([PAGE.to_owned()]) {
            let named = text.split("\"/assets/").skip(1).chain(text.split("from \"./").skip(1));
            for name in named.filter_map(|rest| rest.split('"').next()) {
                let answer = asset(name, None).unwrap_or_else(Answer::from);
                assert_eq!(answer.status, 200, "{name}");
                let etag = answer.header("ETag").map(str::to_owned);
                assert_eq!(asset(name, etag.as_deref()).map(|answer| answer.status), Ok(304));
            }
        }
        assert!(asset("shop.html", None).is_err() && asset("../Cargo.toml", None).is_err());
    }
}
