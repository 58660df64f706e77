//! A sale as the first screen shows it: name, price, clock, state, the choice. The page's script draws the same, and goes
//! on from there; see `browse.js`.

use serde::Deserialize;

use super::html::escape;
use super::moment::{digits, moment, parse_ms};
use super::money::{grouped, money};
use super::texts::{filled, text};

/// So many left are called few.
const FEW: i64 = 5;

/// What a page needs to know of a sale; other members of the API's answer are the script's to read.
#[derive(Deserialize)]
pub struct Sale {
    pub sale_id: String,
    pub name: String,
    status: String,
    opens_at: Option<String>,
    closes_at: Option<String>,
    currency: String,
    currency_decimals: usize,
    pub description: Option<String>,
    pub image_url: Option<String>,
    skus: Vec<Sku>,
}

#[derive(Deserialize)]
struct Sku {
    sku_id: String,
    name: String,
    unit_price: i64,
    /// Not said before the opening where the operator does not wish it.
    available: Option<i64>,
    max_per_user: Option<i64>,
}

/// The link that signs a buyer in, where one is needed; the script adds the way to pay.
pub struct SignIn<'a> {
    pub needed: bool,
    pub url: Option<&'a str>,
}

impl Sale {
    /// The page's state: what the sale is at this moment, and whether anything is left.
    pub fn state(&self, now_ms: u64) -> &'static str {
        let now_ms = i64::try_from(now_ms).unwrap_or(i64::MAX);
        let past = |at: &Option<String>| at.as_deref().and_then(parse_ms).is_some_and(|at_ms| at_ms <= now_ms);
        match self.status.as_str() {
            "paused" => "paused",
            "closed" => "closed",
            _ if past(&self.closes_at) => "closed",
            _ if self.opens_at.is_some() && !past(&self.opens_at) => "scheduled",
            _ if self.skus.iter().all(|sku| sku.available.is_some_and(|left| left <= 0)) => "sold_out",
            _ => "open",
        }
    }

    /// Pill, name, times, picture, description.
    pub fn hero(&self, language: &str, now_ms: u64) -> String {
        let state = self.state(now_ms);
        let picture = self
            .image_url
            .as_deref()
            .filter(|url| super::frame::origin(url).is_some())
            .map_or_else(String::new, |url| {
                format!(r#"<img class="picture" src="{}" alt="" decoding="async">"#, escape(url))
            });
        let description = self
            .description
            .as_deref()
            .map_or_else(String::new, |description| format!(r#"<p class="description">{}</p>"#, escape(description)));
        format!(
            r#"{}<h1 id="title">{}</h1><p class="facts" id="facts">{}</p>{picture}{description}"#,
            pill(language, state),
            escape(&self.name),
            escape(&self.facts(language, state)),
        )
    }

    /// When it opens or ends.
    pub fn facts(&self, language: &str, state: &str) -> String {
        let (name, at) = if state == "scheduled" { ("opens", &self.opens_at) } else { ("closes", &self.closes_at) };
        let at = at.as_deref().and_then(parse_ms).and_then(|at_ms| moment(language, at_ms));
        let ends = state != "closed" || name == "opens";
        at.filter(|_| ends)
            .map_or_else(String::new, |at| filled(language, name, "time", &format!("{at}{}", text(language, "zone"))))
    }

    /// The countdown before the opening, and the choice.
    pub fn panel(&self, language: &str, now_ms: u64) -> String {
        let state = self.state(now_ms);
        let now_ms = i64::try_from(now_ms).unwrap_or(i64::MAX);
        let left_ms = self.opens_at.as_deref().and_then(parse_ms).and_then(|at_ms| at_ms.checked_sub(now_ms));
        let clock = match left_ms {
            Some(left_ms) if state == "scheduled" => countdown(language, left_ms.saturating_add(999) / 1_000),
            _ => String::new(),
        };
        let chosen = self.skus.iter().position(|sku| sku.available != Some(0)).unwrap_or_default();
        let rows: String =
            self.skus.iter().enumerate().map(|(at, sku)| self.row(language, state, sku, at == chosen)).collect();
        let only = if self.skus.len() == 1 { " only" } else { "" };
        let closed = if state == "closed" { " disabled" } else { "" };
        format!(
            r#"{clock}<fieldset class="options{only}"{closed}><legend>{}</legend>{rows}</fieldset>"#,
            escape(text(language, "choose")),
        )
    }

    fn row(&self, language: &str, state: &str, sku: &Sku, chosen: bool) -> String {
        let (stock, words) = match sku.available {
            Some(left) if left <= 0 && matches!(state, "open" | "sold_out") => {
                ("none_left", text(language, "none_left").to_owned())
            }
            Some(left) if state == "open" => {
                let name = if left <= FEW { "few_left" } else { "left" };
                (name, filled(language, name, "n", &grouped(&left.to_string())))
            }
            _ => ("", String::new()),
        };
        let name = if sku.name.is_empty() { &sku.sku_id } else { &sku.name };
        format!(
            r#"<label class="option" data-stock="{stock}"><input type="radio" name="sku" value="{0}" id="sku-{0}"{1}><span class="what"><b>{2}</b><small>{3}</small></span><span class="price">{4}</span></label>"#,
            escape(&sku.sku_id),
            if chosen { " checked" } else { "" },
            escape(name),
            escape(&words),
            escape(&self.price(language, sku.unit_price)),
        )
    }

    /// The button, which the script turns on; or the way to sign in, which needs no script.
    pub fn bar(&self, language: &str, now_ms: u64, sign_in: &SignIn) -> String {
        let state = self.state(now_ms);
        if sign_in.needed && state != "closed" {
            let early = if state == "scheduled" { "n_sign_in_early" } else { "n_sign_in" };
            let link = sign_in.url.map_or_else(String::new, |url| {
                let words = text(language, if state == "open" { "sign_in_buy" } else { "sign_in" });
                format!(r#"<a class="primary" id="sign-in" href="{}">{}</a>"#, escape(url), escape(words))
            });
            return format!(r#"<p class="note">{}</p>{link}"#, escape(text(language, early)));
        }
        let free = self.skus.iter().all(|sku| sku.unit_price == 0);
        let label = match state {
            "open" if free => "buy_free",
            "open" => "buy",
            "sold_out" => "none_left",
            "scheduled" => "pill_scheduled",
            "paused" => "pill_paused",
            _ => "pill_closed",
        };
        format!(r#"<button class="primary" id="buy" type="button" disabled>{}</button>"#, escape(text(language, label)))
    }

    /// The lowest price and, where there are several, that it is the lowest.
    pub fn price_line(&self, language: &str) -> String {
        let prices = || self.skus.iter().map(|sku| sku.unit_price);
        let (Some(low), Some(high)) = (prices().min(), prices().max()) else { return String::new() };
        let amount = self.price(language, low);
        if low == high { amount } else { filled(language, "price_from", "amount", &amount) }
    }

    fn price(&self, language: &str, amount: i64) -> String {
        if amount == 0 {
            return text(language, "free").to_owned();
        }
        money(language, amount, &self.currency, self.currency_decimals)
    }

    /// Whether there is one thing to buy and one of it.
    pub fn message(&self, language: &str, state: &str) -> &'static str {
        let free = self.skus.iter().all(|sku| sku.unit_price == 0);
        let one = matches!(self.skus.as_slice(), [only] if only.max_per_user.unwrap_or(1) < 2);
        match state {
            "open" if free => text(language, "m_open_free"),
            "open" if one => text(language, "m_open_one"),
            other => text(language, &format!("m_{other}")),
        }
    }

    /// A card of the front page.
    pub fn card(&self, language: &str, now_ms: u64) -> String {
        let state = self.state(now_ms);
        format!(
            r#"<li><a class="card" id="sale-{0}" href="/sales/{0}">{1}<h2>{2}</h2><p class="price">{3}</p><p>{4}</p></a></li>"#,
            escape(&self.sale_id),
            pill(language, state),
            escape(&self.name),
            escape(&self.price_line(language)),
            escape(&self.facts(language, state)),
        )
    }
}

fn pill(language: &str, state: &str) -> String {
    let words = text(language, &format!("pill_{state}"));
    format!(r#"<p class="pill" data-status="{state}">{}</p>"#, escape(words))
}

fn countdown(language: &str, left_s: i64) -> String {
    let days = left_s / 86_400;
    let words = if days > 0 { format!("{} ", filled(language, "days", "n", &days.to_string())) } else { String::new() };
    let long = match left_s {
        86_400.. => "days",
        3_600.. => "hours",
        _ => "",
    };
    format!(
        r#"<p class="countdown" id="countdown" role="timer" data-long="{long}">{}{}</p>"#,
        escape(&words),
        digits(left_s)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_795_755_900_000;

    fn sale(status: &str, opens_at: &str, available: &str) -> Sale {
        let json = format!(
            r#"{{"sale_id":"s","name":"<Drop>","status":"{status}","opens_at":"{opens_at}","closes_at":null,"hold_ttl_s":300,
                "currency":"RSD","currency_decimals":2,"skus":[{{"sku_id":"a","name":"A","unit_price":1500,"available":{available},"max_per_user":1}},
                {{"sku_id":"b","name":"","unit_price":0,"available":0,"max_per_user":1}}]}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    const PAST: &str = "2026-11-27T05:04:00Z";
    const SOON: &str = "2026-11-27T05:06:05Z";

    #[test]
    fn the_state_is_the_sales_at_this_moment_and_sold_out_is_no_sale() {
        for (status, opens_at, available, want) in [
            ("open", PAST, "3", "open"),
            ("open", PAST, "0", "sold_out"),
            ("scheduled", PAST, "3", "open"),
            ("scheduled", SOON, "0", "scheduled"),
            ("scheduled", SOON, "null", "scheduled"),
            ("paused", PAST, "0", "paused"),
            ("closed", PAST, "3", "closed"),
        ] {
            assert_eq!(sale(status, opens_at, available).state(NOW_MS), want, "{status} {available}");
        }
    }

    #[test]
    fn few_left_is_said_only_while_it_can_be_bought() {
        let panel = |status, opens_at| sale(status, opens_at, "3").panel("en", NOW_MS);
        assert!(panel("open", PAST).contains("Few left · 3") && panel("open", PAST).contains("Sold out"));
        for (status, opens_at) in [("scheduled", SOON), ("paused", PAST), ("closed", PAST)] {
            assert!(
                !panel(status, opens_at).contains("left") && !panel(status, opens_at).contains("Sold out"),
                "{status}"
            );
        }
        assert!(panel("scheduled", SOON).contains(">01:05</p>"), "{}", panel("scheduled", SOON));
    }

    #[test]
    fn what_is_shown_is_text_and_prices_are_whole() {
        let sale = sale("open", PAST, "3");
        assert!(sale.hero("en", NOW_MS).contains("<h1 id=\"title\">&lt;Drop&gt;</h1>"));
        assert!(sale.panel("en", NOW_MS).contains("RSD\u{a0}15.00") && sale.panel("ko", NOW_MS).contains("무료"));
        assert_eq!(sale.price_line("en"), "From Free");
        assert!(sale.card("ko", NOW_MS).contains("판매 중"));
    }

    #[test]
    fn the_page_asks_for_sign_in_before_the_opening() {
        let bar = |needed, url| sale("scheduled", SOON, "3").bar("ko", NOW_MS, &SignIn { needed, url });
        let link = "href=\"https://a.example/?b=&quot;\"";
        assert!(bar(true, Some("https://a.example/?b=\"")).contains(link));
        assert!(bar(true, None).contains("미리 로그인") && !bar(true, None).contains("href"));
        assert!(bar(false, None).contains("disabled"));
    }
}
