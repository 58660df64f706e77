//! The shop's pages, rendered by the Worker with their data, and their two files. A page is readable without its
//! script; the script makes it live. Nothing is read from elsewhere at run time but the sale, so that nothing else can
//! be missing.

mod frame;
mod html;
mod moment;
mod money;
mod preview;
pub mod rankings;
pub mod refusal;
mod sale;
mod texts;

use serde_json::{Map, Value, json};

use crate::api::sales;
use crate::auth::{self, session};
use crate::http::context::{HandlerResult, RequestContext};
use crate::http::language;
use crate::http::problem::{Code, Problem};
use crate::http::response::Response;
use crate::runtime::digest::sha256_hex;
use crate::runtime::limits;
use frame::{Data, ICON, Page, SCRIPTS};
use html::{escape, query_value};
use preview::preview;
use sale::{Sale, SignIn};
use texts::text;

const JS: &str = "text/javascript; charset=utf-8";
const SCRIPT: &str = include_str!(concat!(env!("OUT_DIR"), "/shop.js"));
const ICON_SVG: &str = include_str!("../shop/icon.svg");

/// `GET /`: what is on sale.
pub async fn home(context: &RequestContext) -> HandlerResult {
    let language = language::of(context.header("Accept-Language"));
    let said = sales::list_json(context).await;
    let data = data(context, "home", &[]);
    let title = text(language, "home_title");
    let mut page = Page {
        language,
        status: 200,
        title: format!("{title} · Holdfast"),
        state: "list",
        meta_html: preview(address(context), language, title, text(language, "home_about"), None),
        hero_html: format!(r#"<h1 id="title">{}</h1>"#, escape(title)),
        payment_page_url: &context.config.payment_page_url,
        ..Page::default()
    };
    match said {
        Ok(json) => {
            let List { mut sales } =
                serde_json::from_slice(&json).map_err(|error| Problem::unavailable().because(error))?;
            let order = ["open", "scheduled", "paused", "sold_out", "closed"];
            sales.sort_by_key(|sale: &Sale| order.iter().position(|state| *state == sale.state(context.now_ms)));
            let cards: String = sales.iter().map(|sale| sale.card(language, context.now_ms)).collect();
            if sales.is_empty() {
                page.heading = text(language, "h_empty").to_owned();
                page.message = text(language, "m_empty").to_owned();
            } else {
                page.panel_html = format!(r#"<ul class="sales">{cards}</ul>"#);
            }
            page.data = Some(Data { members: data, said: Some(("said", &json)) });
            Ok(compressed(page.answer(), context.header("Accept-Encoding")))
        }
        Err(problem) => busy(context, problem, page, data),
    }
}

#[derive(serde::Deserialize)]
struct List {
    sales: Vec<Sale>,
}

/// `GET /sales/{sale_id}`.
pub async fn sale(context: &RequestContext, sale_id: String) -> HandlerResult {
    let language = language::of(context.header("Accept-Language"));
    let said = sales::one_json(context, &sale_id).await;
    let data = data(context, "sale", &[("sale_id", sale_id.into())]);
    let page = Page { language, status: 200, payment_page_url: &context.config.payment_page_url, ..Page::default() };
    let json = match said {
        Ok(json) => json.ok_or_else(Problem::not_found)?,
        Err(problem) => return busy(context, problem, page, data),
    };
    let sale: Sale = serde_json::from_slice(&json).map_err(|error| Problem::unavailable().because(error))?;
    let state = sale.state(context.now_ms);
    let sign_in_url = sign_in_url(context);
    let sign_in = SignIn { needed: needs_sign_in(context), url: sign_in_url.as_deref() };
    let about = format!("{} · {}", sale.price_line(language), text(language, &format!("pill_{state}")));
    let about = sale.description.clone().map_or(about.clone(), |words| format!("{about} · {words}"));
    let page = Page {
        title: format!("{} · {}", text(language, &format!("h_{state}")), sale.name),
        state,
        meta_html: preview(address(context), language, &sale.name, &about, sale.image_url.as_deref()),
        hero_html: sale.hero(language, context.now_ms),
        heading: text(language, &format!("h_{state}")).to_owned(),
        message: sale.message(language, state).to_owned(),
        panel_html: sale.panel(language, context.now_ms),
        bar_html: sale.bar(language, context.now_ms, &sign_in),
        data: Some(Data { members: data, said: Some(("said", &json)) }),
        image_url: sale.image_url.as_deref(),
        ..page
    };
    Ok(compressed(page.answer(), context.header("Accept-Encoding")))
}

/// `GET /orders` and `GET /orders/{order_id}`: the caller's own, which the script fetches.
pub fn orders(context: &RequestContext, order_id: Option<String>) -> Response {
    let language = language::of(context.header("Accept-Language"));
    let title = text(language, if order_id.is_some() { "order_title" } else { "orders_title" });
    let (name, members) = match order_id {
        Some(order_id) => ("order", vec![("order_id", Value::from(order_id))]),
        None => ("orders", vec![]),
    };
    let needed = needs_sign_in(context);
    let link = sign_in_url(context).filter(|_| needed).map_or_else(String::new, |url| {
        format!(r#"<a class="primary" id="sign-in" href="{}">{}</a>"#, escape(&url), escape(text(language, "sign_in")))
    });
    let say = |signed_out, otherwise| text(language, if needed { signed_out } else { otherwise }).to_owned();
    let page = Page {
        language,
        status: 200,
        title: format!("{title} · Holdfast"),
        state: if needed { "signed_out" } else { "loading" },
        meta_html: r#"<meta name="robots" content="noindex">"#.to_owned(),
        hero_html: format!(r#"<h1 id="title">{}</h1>"#, escape(title)),
        heading: say("h_signed_out", "h_loading"),
        message: say("m_signed_out", "m_loading"),
        bar_html: link,
        is_orders: name == "orders",
        data: Some(Data { members: data(context, name, &members), said: None }),
        ..Page::default()
    };
    compressed(page.answer(), context.header("Accept-Encoding"))
}

/// A file of the shop. Its name has its fingerprint, and what has another one is from before or after this deployment:
/// today's script works for yesterday's page, but is not cached under that name.
///
/// # Errors
/// `not_found`.
pub fn asset(name: &str, if_none_match: Option<&str>, accept_encoding: Option<&str>) -> HandlerResult {
    let [(_, korean), (_, english)] = SCRIPTS;
    let (today, content_type, body) = if name.starts_with("shop-ko-") {
        (korean, JS, script("ko"))
    } else if name.starts_with("shop-en-") {
        (english, JS, script("en"))
    } else if name.starts_with("icon-") {
        (ICON, "image/svg+xml", ICON_SVG.to_owned())
    } else {
        return Err(Problem::not_found());
    };
    let answer = compressed(Response::bytes(200, content_type, body.into_bytes()), accept_encoding);
    Ok(if name == today {
        let forever = format!("public, max-age={}, immutable", limits::ASSET_MAX_AGE_S);
        answer.with("ETag", format!("\"{name}\"")).with("Cache-Control", forever).unless_known(if_none_match)
    } else {
        answer.with("Cache-Control", "no-store")
    })
}

/// The sentences of a language and, the same for all, what says them: as build.rs took the fingerprint of.
fn script(language: &str) -> String {
    let words = texts::words(language);
    format!("\"use strict\";\nconst $words = {{ language: \"{language}\", words: {words} }};\n{SCRIPT}")
}

/// The runtime compresses a body whose header says so. A phone receives a third of the bytes.
fn compressed(answer: Response, accept_encoding: Option<&str>) -> Response {
    let takes_it = accept_encoding.is_some_and(|encodings| encodings.contains("gzip"));
    let vary =
        answer.header("Vary").map_or_else(|| "Accept-Encoding".to_owned(), |vary| format!("{vary}, Accept-Encoding"));
    let answer = answer.with("Vary", vary);
    if takes_it && !answer.body.is_empty() { answer.with("Content-Encoding", "gzip") } else { answer }
}

/// The sale cannot be read now: the page says so, has a button, and its script retries by itself.
///
/// # Errors
/// The problem, for a program.
fn busy(context: &RequestContext, problem: Problem, page: Page, members: Map<String, Value>) -> HandlerResult {
    if problem.code != Code::Unavailable || !refusal::is_for_a_person(&context.head.method, context.header("Accept")) {
        return Err(problem);
    }
    let language = page.language;
    let again = escape(text(language, "retry"));
    let hero_html = format!(r#"<h1 id="title">{}</h1>"#, escape(text(language, "h_503")));
    let html = Page {
        status: 503,
        title: format!("{} · Holdfast", text(language, "h_503")),
        state: "offline",
        hero_html: if page.hero_html.is_empty() { hero_html } else { page.hero_html },
        heading: text(language, "h_offline").to_owned(),
        message: format!("{} {}", text(language, "m_busy"), text(language, "m_offline")),
        bar_html: format!(r#"<a class="primary" id="retry" href="">{again}</a>"#),
        data: Some(Data { members, said: None }),
        ..page
    }
    .answer();
    let refused = Response::from(problem);
    let retry_after = refused.header("Retry-After").unwrap_or("1").to_owned();
    Ok(Response { code: refused.code, internal: refused.internal, ..html }.with("Retry-After", retry_after))
}

/// What every page's script needs to know.
fn data(context: &RequestContext, page: &str, more: &[(&str, Value)]) -> Map<String, Value> {
    let config = &context.config;
    let mut members = Map::new();
    members.insert("page".to_owned(), page.into());
    members.insert("now_ms".to_owned(), context.now_ms.into());
    members.insert("development".to_owned(), config.development.into());
    members.insert("signed_in".to_owned(), (!needs_sign_in(context)).into());
    let user_id = user_id(context);
    members.insert("user".to_owned(), json!(user_id.as_deref().map(user_mark)));
    // The local gateway's page wants it; in production the shop's own page knows whose session it is.
    members.insert("user_id".to_owned(), json!(user_id.filter(|_| config.development)));
    members.insert("sign_in_url".to_owned(), json!(sign_in_url(context)));
    members.insert("payment_page_url".to_owned(), config.payment_page_url.as_str().into());
    members.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    members
}

/// Whose session the page is drawn for. None: no user is signed in.
fn user_id(context: &RequestContext) -> Option<String> {
    let (bearer, cookie) = (context.header("Authorization"), context.header("Cookie"));
    Some(session::buyer(bearer, cookie, &context.config.session, context.now_ms).ok()?.user_id)
}

/// Distinguishes signed-in users of the same device without naming them: the script stores it beside a request of a
/// user that has no response yet.
fn user_mark(user_id: &str) -> String {
    sha256_hex(user_id.as_bytes()).chars().take(16).collect()
}

/// In development the page signs its visitor in.
fn needs_sign_in(context: &RequestContext) -> bool {
    !context.config.development && !auth::is_signed_in(context)
}

/// The shop's own sign-in, which sends the buyer back to this page.
fn sign_in_url(context: &RequestContext) -> Option<String> {
    let login = context.config.login_url.as_str();
    let usable = frame::origin(login).is_some() || (login.starts_with('/') && !login.starts_with("//"));
    let and = if login.contains('?') { '&' } else { '?' };
    usable.then(|| format!("{login}{and}return_to={}", query_value(address(context))))
}

/// This page's own address.
fn address(context: &RequestContext) -> &str {
    context.head.url.split(['?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_its_fingerprint_is_kept_for_ever_and_another_one_is_served_once() {
        for (_, name) in SCRIPTS.into_iter().chain([("", ICON)]) {
            let answer = asset(name, None, None).unwrap_or_else(Response::from);
            assert_eq!(answer.header("Cache-Control"), Some("public, max-age=31536000, immutable"), "{name}");
            let etag = answer.header("ETag").map(str::to_owned);
            assert_eq!(asset(name, etag.as_deref(), None).map(|answer| answer.status), Ok(304));
        }
        let older = asset("shop-ko-0123456789abcdef.js", None, Some("gzip, br")).unwrap_or_else(Response::from);
        assert_eq!((older.status, older.header("Cache-Control")), (200, Some("no-store")));
        assert_eq!((older.header("Content-Encoding"), older.header("Vary")), (Some("gzip"), Some("Accept-Encoding")));
        assert!(asset("shop.css", None, None).is_err() && asset("../Cargo.toml", None, None).is_err());
    }

    #[test]
    fn the_script_of_a_language_is_one_file_and_has_its_sentences_alone() {
        for (language, there, elsewhere) in [("ko", "구매하기", "Buy now"), ("en", "Buy now", "구매하기")] {
            let script = script(language);
            let fingerprint = &sha256_hex(script.as_bytes())[..16];
            assert!(SCRIPTS.contains(&(language, format!("shop-{language}-{fingerprint}.js").as_str())), "{SCRIPTS:?}");
            assert!(script.contains(there) && !script.contains(elsewhere));
            assert!(!script.contains("\nimport ") && !script.contains("\nexport "), "{script}");
            assert!(script.len() < 80_000, "{} bytes, of which a third is on the line", script.len());
        }
    }
}
