//! Draws the payment page: fills the HTML files beside this one, and sends them with headers that let nothing else in.

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::http::header::{X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use axum::http::{HeaderName, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use jiff::Timestamp;

use super::locale::Locale;
use super::pay::{DELAY_MAX_S, Order, PageQuery, REPEAT_MAX, wrong};

const CHECKOUT: &str = include_str!("pay.html");
const REFUSAL: &str = include_str!("refusal.html");

pub async fn css() -> impl IntoResponse {
    asset("text/css; charset=utf-8", include_str!("pay.css"))
}

/// The countdown only. Everything else of the page works without it.
pub async fn js() -> impl IntoResponse {
    asset("text/javascript; charset=utf-8", include_str!("pay.js"))
}

/// `no-cache`: a stand-in is started again more often than its pages change, and then the new ones are wanted.
fn asset(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache"), (X_CONTENT_TYPE_OPTIONS, "nosniff")], text)
}

pub fn checkout(
    locale: Locale,
    shop_origin: &str,
    asked: &PageQuery,
    order: &Order,
    checkout: &str,
    now: Timestamp,
) -> Response {
    let left_ms = order.expire_at.duration_since(now).as_millis().max(0);
    let money = |amount| locale.money(amount, &order.charge.currency);
    let html = fill(CHECKOUT, locale, |name| {
        Some(match name {
            "name" if order.name.trim().is_empty() => locale.say("unnamed")?.to_owned(),
            "name" => order.name.clone(),
            "user_id" => order.charge.user_id.clone(),
            "hold_id" => order.charge.hold_id.clone(),
            "money" => money(order.charge.amount),
            "pay_money" => locale.pay(&money(order.charge.amount)),
            "wrong_money" => money(wrong(order.charge.amount)),
            "until" => locale.time(order.expire_at),
            "expire_at" => order.expire_at.to_string(),
            "left_ms" => left_ms.to_string(),
            "deadline_class" => if left_ms == 0 { "over" } else { "running" }.to_owned(),
            "delay_max_s" => DELAY_MAX_S.to_string(),
            "repeat_max" => REPEAT_MAX.to_string(),
            "&fields" => fields(asked, checkout),
            _ => return None,
        })
    });
    guarded(StatusCode::OK, shop_origin, html)
}

/// A page for a payment that cannot start; `field` says what of the order is wrong.
pub fn refusal(locale: Locale, status: StatusCode, field: &str) -> Response {
    let html = fill(REFUSAL, locale, |name| (name == "field").then(|| field.to_owned()));
    guarded(status, "'self'", html)
}

fn guarded(status: StatusCode, shop_origin: &str, html: String) -> Response {
    // A browser holds the redirect that answers a form to `form-action` too, so the shop's origin is named there.
    let policy = format!(
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; form-action 'self' {shop_origin}; \
         base-uri 'none'; frame-ancestors 'none'"
    );
    let headers: [(HeaderName, &str); 5] = [
        (CONTENT_SECURITY_POLICY, &policy),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        // With "no-referrer" its own form would come from the origin "null".
        (REFERRER_POLICY, "same-origin"),
        // Coming back to a page that was paid from shows a new one, and not the old button.
        (CACHE_CONTROL, "no-store"),
    ];
    (status, headers, Html(html)).into_response()
}

/// The order and the page's own id, for each of the page's forms to send.
fn fields(asked: &PageQuery, checkout: &str) -> String {
    let rows = [
        ("hold_id", &*asked.hold_id),
        ("user_id", &asked.user_id),
        ("amount", &asked.amount),
        ("currency", &asked.currency),
        ("name", &asked.name),
        ("expire_at", &asked.expire_at),
        ("return_url", &asked.return_url),
        ("checkout", checkout),
    ];
    rows.iter()
        .map(|(name, value)| format!(r#"<input type="hidden" name="{name}" value="{}">"#, escaped(value)))
        .collect()
}

/// Replaces each `{{name}}` by its escaped value, in one pass: a value that looks like a name is not looked at again.
/// `{{&name}}` is put in as it is. A name that `value` does not know is a sentence of the locale.
fn fill(template: &str, locale: Locale, value: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        let text = match name {
            "lang" => locale.tag().to_owned(),
            _ => value(name).or_else(|| locale.say(name).map(str::to_owned)).unwrap_or_default(),
        };
        out.push_str(before);
        out.push_str(&if name.starts_with('&') { text } else { escaped(&text) });
        rest = after;
    }
    out + rest
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_and_looked_at_once() {
        let filled = fill("<p>{{a}} {{&a}} {{title}}</p>", Locale::En, |name| match name {
            "a" => Some("<b>\"{{b}}\" & 'c'".to_owned()),
            "&a" => Some("<i>".to_owned()),
            _ => None,
        });
        assert_eq!(filled, "<p>&lt;b&gt;&quot;{{b}}&quot; &amp; &#39;c&#39; <i> Payment</p>");
    }
}
