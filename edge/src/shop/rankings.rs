//! `GET /rankings`: what sells best and what was sold out fastest, as the Worker draws it. Its script asks for the page again.

use protocol::ranking::{RankedSale, RankedSku, Window};

use super::frame::{Data, Page};
use super::html::escape;
use super::money::grouped;
use super::preview::preview;
use super::texts::{filled, text};
use super::{address, busy, compressed, data};
use crate::api::rankings;
use crate::http::context::{HandlerResult, RequestContext};
use crate::http::{language, percent};

/// `GET /rankings`.
pub async fn page(context: &RequestContext) -> HandlerResult {
    let language = language::of(context.header("Accept-Language"));
    let window = window(&context.head.url);
    let (title, members) = (text(language, "rankings_title"), data(context, "rankings", &[]));
    let page = Page {
        language,
        status: 200,
        title: format!("{title} · Holdfast"),
        state: "rankings",
        meta_html: preview(address(context), language, title, text(language, "rankings_about"), None),
        hero_html: format!(r#"<h1 id="title">{}</h1>{}"#, escape(title), windows(language, window)),
        is_rankings: true,
        ..Page::default()
    };
    let (skus, sales) = match rankings::for_page(context, window).await {
        Ok(ranked) => ranked,
        Err(problem) => return busy(context, problem, page, members),
    };
    let say = |name| if skus.is_empty() { text(language, name).to_owned() } else { String::new() };
    let page = Page {
        heading: say("h_no_ranking"),
        message: say("m_no_ranking"),
        panel_html: lists(language, &skus, &sales),
        data: Some(Data { members, said: None }),
        ..page
    };
    Ok(compressed(page.answer(), context.header("Accept-Encoding")))
}

/// The window that the address names; a page has one whatever it says.
fn window(url: &str) -> Window {
    percent::given(url, "window").and_then(|name| Window::named(&name)).unwrap_or(Window::Day)
}

/// The choice of the window.
fn windows(language: &str, chosen: Window) -> String {
    let links: String = Window::ALL
        .into_iter()
        .map(|window| {
            let (name, current) = (window.name(), if window == chosen { r#" aria-current="page""# } else { "" });
            let words = escape(text(language, &format!("window_{name}")));
            format!(r#"<a href="/rankings?window={name}"{current}>{words}</a>"#)
        })
        .collect();
    format!(r#"<nav class="windows" aria-label="{}">{links}</nav>"#, escape(text(language, "rankings_windows")))
}

/// Both lists; empty ones are left out.
fn lists(language: &str, skus: &[RankedSku], sales: &[RankedSale]) -> String {
    let of_skus = skus.iter().map(|sku| Row {
        id: format!("sku-{}-{}", sku.sale_id, sku.sku_id),
        rank: sku.rank,
        sale_id: &sku.sale_id,
        name: if sku.name.is_empty() { &sku.sku_id } else { &sku.name },
        below: &sku.sale_name,
        words: filled(language, "sold_pieces", "n", &grouped(&sku.sold.to_string())),
    });
    let of_sales = sales.iter().map(|sale| Row {
        id: format!("sale-{}", sale.sale_id),
        rank: sale.rank,
        sale_id: &sale.sale_id,
        name: &sale.name,
        below: "",
        words: filled(language, "sold_out_within", "time", &duration(language, sale.sold_out_in_s)),
    });
    list(text(language, "rankings_skus"), of_skus) + &list(text(language, "rankings_sales"), of_sales)
}

struct Row<'a> {
    id: String,
    rank: u32,
    sale_id: &'a str,
    name: &'a str,
    below: &'a str,
    words: String,
}

fn list<'a>(title: &str, rows: impl Iterator<Item = Row<'a>>) -> String {
    let rows: String = rows.map(|row| row.html()).collect();
    if rows.is_empty() {
        return String::new();
    }
    format!(r#"<h3>{}</h3><ol class="ranks">{rows}</ol>"#, escape(title))
}

impl Row<'_> {
    fn html(&self) -> String {
        let below =
            if self.below.is_empty() { String::new() } else { format!("<small>{}</small>", escape(self.below)) };
        format!(
            r#"<li><a class="option" id="{}" href="/sales/{}"><span class="place">{}</span><span class="what"><b>{}</b>{below}</span><span class="price">{}</span></a></li>"#,
            escape(&self.id),
            escape(self.sale_id),
            self.rank,
            escape(self.name),
            escape(&self.words),
        )
    }
}

/// `2분 5초`, `3 d 4 h`: the largest unit and the one below it.
fn duration(language: &str, seconds: u64) -> String {
    let units = [
        ("days", seconds / 86_400),
        ("hours", seconds / 3_600 % 24),
        ("minutes", seconds / 60 % 60),
        ("seconds", seconds % 60),
    ];
    let from = units.iter().position(|(_, n)| *n > 0).unwrap_or(units.len().saturating_sub(1));
    let shown = units.iter().skip(from).take(2).filter(|(name, n)| *n > 0 || *name == "seconds" && seconds == 0);
    shown.map(|(name, n)| filled(language, name, "n", &n.to_string())).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_its_two_largest_units() {
        for (seconds, ko, en) in [
            (0, "0초", "0 s"),
            (59, "59초", "59 s"),
            (60, "1분", "1 min"),
            (125, "2분 5초", "2 min 5 s"),
            (3_600, "1시간", "1 h"),
            (273_600, "3일 4시간", "3 d 4 h"),
            (86_459, "1일", "1 d"),
        ] {
            assert_eq!((duration("ko", seconds).as_str(), duration("en", seconds).as_str()), (ko, en), "{seconds}");
        }
    }

    #[test]
    fn names_are_text_and_the_window_of_the_address_is_marked() {
        let sku = RankedSku {
            rank: 1,
            sale_id: "s".to_owned(),
            sku_id: "a".to_owned(),
            name: "<b>".to_owned(),
            sold: 12_345,
            sale_name: "Spring & Sons".to_owned(),
        };
        let html = lists("en", &[sku], &[]);
        assert!(
            html.contains("&lt;b&gt;") && html.contains("Spring &amp; Sons") && html.contains("12,345 sold"),
            "{html}"
        );
        assert!(!html.contains("Fastest sold out"), "{html}");
        assert_eq!(window("https://a.example/rankings?window=7d"), Window::Week);
        assert_eq!(window("https://a.example/rankings?window=x"), Window::Day);
        assert!(windows("ko", Window::Hour).contains(r#"window=1h" aria-current="page">1시간<"#));
    }
}
