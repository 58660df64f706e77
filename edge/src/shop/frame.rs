//! What every page of the shop has: the frame in `page.html`, filled, and the headers that let nothing else in.

use serde_json::{Map, Value};

use super::html::{data_block, escape, fill};
use super::texts::text;
use crate::http::response::Response;

const PAGE: &str = include_str!("../../shop/page.html");
const CSS: &str = include_str!(concat!(env!("OUT_DIR"), "/shop_css"));
const BOOT: &str = include_str!(concat!(env!("OUT_DIR"), "/shop_boot"));

const CURRENT: &str = r#" aria-current="page""#;
/// The names under which the script of each language and the icon are served.
pub const SCRIPTS: [(&str, &str); 2] = [("ko", env!("SHOP_JS_KO")), ("en", env!("SHOP_JS_EN"))];
pub const ICON: &str = env!("SHOP_ICON");

/// One page; what is HTML already is called so, and everything else is text.
#[derive(Default)]
pub struct Page<'a> {
    pub language: &'static str,
    pub status: u16,
    pub title: String,
    pub state: &'a str,
    pub meta_html: String,
    pub hero_html: String,
    pub heading: String,
    pub message: String,
    pub panel_html: String,
    pub bar_html: String,
    /// Whether it is where "my orders" leads.
    pub is_orders: bool,
    /// Whether it is where "rankings" leads.
    pub is_rankings: bool,
    /// For the script; none: it needs none.
    pub data: Option<Data<'a>>,
    /// Where a form of the page may send the buyer, and whose pictures it shows.
    pub payment_page_url: &'a str,
    pub image_url: Option<&'a str>,
}

/// What the script finds in the page: members, and what the API said, as it said it.
pub struct Data<'a> {
    pub members: Map<String, Value>,
    pub said: Option<(&'static str, &'a [u8])>,
}

impl Page<'_> {
    pub fn answer(self) -> Response {
        let language = self.language;
        let html = fill(PAGE, |name| match name {
            "lang" => language.to_owned(),
            "title" => escape(&self.title),
            "state" => escape(self.state),
            "meta" => self.meta_html.clone(),
            "css" => CSS.to_owned(),
            "boot" => BOOT.to_owned(),
            "script" if self.data.is_none() => String::new(),
            "script" => format!(r#"<script src="/assets/{}" defer></script>"#, script_of(language)),
            "icon" => ICON.to_owned(),
            "current" if self.is_orders => CURRENT.to_owned(),
            "current_rankings" if self.is_rankings => CURRENT.to_owned(),
            "current" | "current_rankings" => String::new(),
            "hero" => self.hero_html.clone(),
            "heading" => escape(&self.heading),
            "message" => escape(&self.message),
            "panel" => self.panel_html.clone(),
            "bar" => self.bar_html.clone(),
            "data" => self.data.as_ref().map_or_else(|| "{}".to_owned(), Data::json),
            sentence => escape(text(language, sentence)),
        });
        Response::bytes(self.status, "text/html; charset=utf-8", html.into_bytes())
            .with("Content-Language", language)
            .with("Vary", "Accept-Language, Cookie")
            .with("Cache-Control", "private, no-cache")
            .with("Content-Security-Policy", policy(self.payment_page_url, self.image_url))
    }
}

impl Data<'_> {
    fn json(&self) -> String {
        let members = serde_json::to_string(&self.members).unwrap_or_default();
        let said = self.said.and_then(|(name, json)| Some((name, std::str::from_utf8(json).ok()?)));
        let json = match (said, members.strip_suffix('}')) {
            (Some((name, json)), Some(open)) if !self.members.is_empty() => format!(r#"{open},"{name}":{json}}}"#),
            _ => members,
        };
        data_block(&json)
    }
}

fn script_of(language: &str) -> &'static str {
    let [(_, korean), (_, english)] = SCRIPTS;
    if language == "ko" { korean } else { english }
}

/// Nothing but our own script runs; what is part of the page is known by its hash. A form may go to the payment page, and
/// nowhere else.
fn policy(payment_page_url: &str, image_url: Option<&str>) -> String {
    let also = |url: Option<String>| url.map(|origin| format!(" {origin}")).unwrap_or_default();
    let payment = also(origin(payment_page_url));
    let image = also(image_url.and_then(origin));
    format!(
        "default-src 'none'; script-src 'self' 'sha256-{}'; style-src 'sha256-{}'; img-src 'self'{image}; \
         connect-src 'self'; form-action 'self'{payment}; base-uri 'none'; frame-ancestors 'none'",
        env!("SHOP_BOOT_SHA256"),
        env!("SHOP_CSS_SHA256"),
    )
}

/// Of an absolute address of the web. (A whole URL parser, with the scripts of all domain names, is a fifth of a
/// Worker, and this is written by the operator.)
pub fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))?;
    let host = rest.split(['/', '?', '#']).next()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    (!host.is_empty() && host.bytes().all(plain)).then(|| format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(payment_page_url: &str) -> Response {
        let members = Map::from_iter([("sale_id".to_owned(), "</script>".into())]);
        let data = Some(Data { members, said: Some(("sale", br#"{"name":"<b>"}"#)) });
        Page { language: "ko", status: 200, title: "<i>".to_owned(), data, payment_page_url, ..Page::default() }
            .answer()
    }

    #[test]
    fn a_page_is_filled_in_and_nothing_is_left_open() {
        let answer = page("");
        let html = String::from_utf8_lossy(&answer.body);
        assert!(html.contains("<html lang=\"ko\">") && html.contains("<title>&lt;i&gt;</title>"), "{html}");
        assert!(html.contains(r#"{"sale_id":"\u003c/script>","sale":{"name":"\u003cb>"}}</script>"#), "{html}");
        assert!(!html.contains("{{") && html.contains("내 주문"), "{html}");
        assert_eq!(answer.header("Content-Language"), Some("ko"));
        assert_eq!(answer.header("Vary"), Some("Accept-Language, Cookie"));
    }

    #[test]
    fn a_form_may_go_to_the_payment_page_and_what_is_inline_has_a_hash() {
        let of = |url| page(url).header("Content-Security-Policy").map(str::to_owned).unwrap_or_default();
        let policy = of("https://pay.example:8443/checkout");
        assert!(policy.contains("form-action 'self' https://pay.example:8443;"), "{policy}");
        assert!(!policy.contains("unsafe") && policy.matches("'sha256-").count() == 2, "{policy}");
        for nowhere in
            ["", "/pay", "javascript:alert(1)", "https://", "https://a b/", "https://a;script-src *", "data://x"]
        {
            assert!(of(nowhere).contains("form-action 'self';"), "{nowhere}");
        }
    }
}
