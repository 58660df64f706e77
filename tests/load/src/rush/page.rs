//! The rush as one page that needs nothing else: the verdict, the plots, what was checked, every figure.

use std::fmt::Write as _;

use super::Rush;
use super::clock::us;
use super::figures::{self, Figures};
use super::plot::{Axis, Plot, Series};
use super::series;
use super::tally::{GRANTED, NO_ANSWER, SOLD_OUT_FROM_MEMORY};
use super::text;

const CSS: &str = include_str!("page.css");

/// A plot with what is needed to read it.
struct Shown {
    title: &'static str,
    svg: String,
    legend: Vec<(&'static str, String)>,
    caption: String,
}

pub fn html(rush: &Rush, figures: &Figures) -> String {
    let (state, word) = if figures.passed { ("passed", "Passed") } else { ("failed", "Failed") };
    let title = if figures.passed { "Sold exactly" } else { "This rush broke a rule" };
    let headline = text::headline(figures);
    let warning =
        if figures.tool_kept_up { String::new() } else { format!("<p class=\"warning\">{}</p>", text::TOO_SLOW) };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{word}: {headline}</title><style>{CSS}</style></head>\n\
         <body><header><p class=\"badge {state}\">{word}</p><h1>{title}</h1><p class=\"lead\">{headline}.</p>{warning}</header>\n\
         <main><ul class=\"tiles\">"
    );
    for (name, value) in tiles(figures) {
        let _ = write!(page, "<li><b>{value}</b>{name}</li>");
    }
    page += "</ul>\n<div class=\"plots\">";
    for Shown { title, svg, legend, caption } in
        [stock(rush), answers(rush, figures), over_time(rush), distribution(rush)]
    {
        let _ = write!(page, "<figure><h2>{title}</h2><ul class=\"legend\">");
        for (colour, name) in legend {
            let _ = write!(page, "<li><i class=\"{colour}\"></i>{name}</li>");
        }
        let _ = writeln!(page, "</ul>{svg}<figcaption>{caption}</figcaption></figure>");
    }
    page += "</div>\n<section><h2>What was checked</h2><table class=\"checks\">";
    for check in &figures.checks {
        let (state, mark) = if check.holds { ("passed", "✓") } else { ("failed", "✗") };
        let (rule, found) = (check.rule, escaped(&check.found));
        let _ =
            writeln!(page, "<tr><td class=\"{state}\">{mark}</td><th scope=\"row\">{rule}</th><td>{found}</td></tr>");
    }
    page += "</table></section>\n<section><h2>Figures</h2><table>";
    for (name, value) in text::rows(figures) {
        let _ = writeln!(page, "<tr><th scope=\"row\">{name}</th><td>{}</td></tr>", escaped(&value));
    }
    let _ = writeln!(
        page,
        "</table><p class=\"note\">Waits are counted from the moment a buyer pressed, not from when the tool got round \
         to sending. Buyers come by a plan that was drawn before the opening, and wait for nobody's answer.</p>\
         </section></main><footer>{}</footer></body></html>",
        jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC")
    );
    page
}

fn tiles(figures: &Figures) -> Vec<(&'static str, String)> {
    let Figures { buyers, stock, holds, orders, held, winners, losers, .. } = figures;
    let oversold = (*held + *orders as i64 - i64::from(*stock)).max(0);
    vec![
        ("buyers", text::grouped(*buyers as u64)),
        ("pieces", text::grouped(u64::from(*stock))),
        ("holds granted", text::grouped(*holds as u64)),
        ("orders paid", text::grouped(*orders as u64)),
        ("oversold", text::grouped(oversold as u64)),
        ("errors and silences", text::grouped(figures.server_errors + figures.silences)),
        ("half of the winners knew within", text::time(winners.p50_ms)),
        ("the longest wait", text::time(winners.max_ms.max(losers.max_ms))),
    ]
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

fn stock(rush: &Rush) -> Shown {
    let last = |unix_us: i64| unix_us.saturating_sub(rush.run.clock.opening_unix_us).max(0) as u64;
    let moved = rush.truth.ledger.iter().map(|entry| last(entry.at_unix_us));
    let end_us = moved.chain(rush.truth.orders.values().map(|order| last(order.at_unix_us))).max().unwrap_or(1);
    let pieces = series::pieces(&rush.run, &rush.truth, (end_us / 300).max(1), end_us);
    let of = |name: &str, colour, value: fn(&series::Pieces) -> i64| Series {
        name: name.to_owned(),
        colour,
        points: pieces.iter().map(|at| (seconds(at.at_us), value(at) as f64)).collect(),
    };
    let all = [
        of("sold", "granted", |at| at.sold),
        of("held", "held", |at| at.held),
        of("available", "available", |at| at.available),
    ];
    let plot = Plot {
        title: "Stock over time",
        x: Axis::up_to("s since the opening", seconds(end_us)),
        y: Axis::up_to("pieces", f64::from(rush.run.options.stock)),
    };
    let gone = pieces.iter().find(|at| at.available == 0).map_or_else(
        || "There was always something left.".to_owned(),
        |at| format!("The last piece was held {:.1} s after the opening.", seconds(at.at_us)),
    );
    let caption = format!("{gone} Every piece is available, held or sold at every moment: the height never changes.");
    Shown { title: plot.title, svg: plot.stacked(&all), legend: legend(&all), caption }
}

fn answers(rush: &Rush, figures: &Figures) -> Shown {
    let last_us = rush.run.book.heard.iter().map(|heard| heard.at_us).max().unwrap_or(1);
    let step_us = (last_us / 60).clamp(50_000, 1_000_000);
    let end_us = last_us + 1;
    let a_second = 1e6 / step_us as f64;
    let points = |counts: &[u64]| {
        let middle = |step: usize| seconds(step as u64 * step_us + step_us / 2);
        counts.iter().enumerate().map(|(step, n)| (middle(step), *n as f64 * a_second)).collect()
    };
    let series = series::answers(&rush.run, step_us, end_us);
    let all: Vec<Series> = figures::codes_in_order(&figures.answers)
        .into_iter()
        .map(|code| Series { colour: colour(&code), points: points(&series[&code]), name: code })
        .collect();
    let due = series::due(&rush.run, step_us, end_us);
    let due = Series { name: "presses".to_owned(), colour: "presses", points: points(&due) };
    let top = |counts: &[u64]| counts.iter().max().copied().unwrap_or_default() as f64 * a_second;
    let steps = due.points.len();
    let sums: Vec<u64> = (0..steps).map(|step| series.values().map(|counts| counts[step]).sum()).collect();
    let most = due.points.iter().map(|(_, y)| *y).fold(top(&sums), f64::max);
    let plot = Plot {
        title: "Answers a second",
        x: Axis::up_to("s since the opening", seconds(end_us)),
        y: Axis::up_to("a second", most),
    };
    let mut legend = legend(&all);
    legend.push(("presses dashed", "presses".to_owned()));
    let caption = format!(
        "At its height {} presses and {} answers a second.",
        text::grouped(due.points.iter().map(|(_, y)| *y).fold(0.0, f64::max) as u64),
        text::grouped(top(&sums) as u64)
    );
    Shown { title: plot.title, svg: plot.stacked_under(&all, &due), legend, caption }
}

fn over_time(rush: &Rush) -> Shown {
    let over_us = us(rush.run.options.over);
    let step_us = (over_us / 40).clamp(50_000, 1_000_000);
    let latencies = series::latencies(&rush.run, step_us, &[0.5, 0.9, 0.99]);
    let of = |name: &str, colour, n: usize| Series {
        name: name.to_owned(),
        colour,
        points: latencies.iter().map(|(at, waits)| (seconds(*at), waits[n] / 1e3)).collect(),
    };
    let all = [of("p50", "half", 0), of("p90", "ninety", 1), of("p99", "most", 2)];
    let most = latencies.iter().flat_map(|(_, waits)| waits).fold(0.0, |a: f64, b| a.max(*b)) / 1e3;
    let plot = Plot {
        title: "How long a press waited, by when it was made",
        x: Axis::up_to("s since the opening", rush.run.options.over.as_secs_f64()),
        y: Axis::up_to("s", most),
    };
    let caption = "Half, nine in ten and 99 in 100 of those who pressed then waited no longer than this.".to_owned();
    Shown { title: plot.title, svg: plot.lines(&all), legend: legend(&all), caption }
}

fn distribution(rush: &Rush) -> Shown {
    const POINTS: usize = 200;
    let (winners, losers) = figures::waits(rush);
    let (least, most) = winners.iter().chain(&losers).fold((f64::MAX, 0.0_f64), |(a, b), ms| (a.min(*ms), b.max(*ms)));
    let of = |name: &str, colour, waits: &[f64]| Series {
        name: name.to_owned(),
        colour,
        points: (0..=POINTS)
            .filter_map(|n| {
                let at = n * waits.len().saturating_sub(1) / POINTS;
                waits.get(at).map(|ms| (*ms, (at + 1) as f64 / waits.len() as f64 * 100.0))
            })
            .collect(),
    };
    let all = [of("winners", "granted", &winners), of("losers", "losers", &losers)];
    let plot = Plot {
        title: "Who had an answer after how long",
        x: Axis::decades("ms", least, most),
        y: Axis::up_to("% of them", 100.0),
    };
    let caption = "Steep and far to the left is good: every response is quick.".to_owned();
    Shown { title: plot.title, svg: plot.lines(&all), legend: legend(&all), caption }
}

fn legend(series: &[Series]) -> Vec<(&'static str, String)> {
    series.iter().map(|one| (one.colour, one.name.clone())).collect()
}

fn colour(code: &str) -> &'static str {
    match code {
        GRANTED => "granted",
        "sold_out" => "losers",
        SOLD_OUT_FROM_MEMORY => "memory",
        "already_holding" => "held",
        "limit_reached" => "limit",
        "rate_limited" => "slowed",
        "unavailable" => "unavailable",
        NO_ANSWER => "silent",
        _ => "other",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
