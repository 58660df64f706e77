//! Figures as words: for the terminal, and for the page's tables.

use super::figures::Figures;
use crate::percentile::Percentiles;

/// What has to be known before any wait can be trusted.
pub const TOO_SLOW: &str = "This machine could not send the presses in time: what is said of waits, silences and 5xx is \
                            the tool's doing as well as the shop's.";

/// The verdict and the figures, a line each.
pub fn summary(figures: &Figures) -> String {
    let checks = figures.checks.iter().map(|check| {
        let mark = if check.holds { "ok    " } else { "FAILED" };
        format!("  {mark}  {}: {}\n", check.rule, check.found)
    });
    let rows = rows(figures);
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let rows = rows.into_iter().map(|(name, value)| format!("  {name:width$}  {value}\n"));
    let kept_up = if figures.tool_kept_up { String::new() } else { format!("  {TOO_SLOW}\n\n") };
    let verdict = if figures.passed { "passed" } else { "FAILED" };
    format!(
        "\n  {verdict}: {}\n\n{kept_up}{}\n{}",
        headline(figures),
        checks.collect::<String>(),
        rows.collect::<String>()
    )
}

/// The whole of it in one sentence.
pub fn headline(figures: &Figures) -> String {
    let Figures { buyers, stock, over_s, holds, orders, available, held, .. } = figures;
    let (buyers, stock, holds) = (grouped(*buyers as u64), grouped(u64::from(*stock)), grouped(*holds as u64));
    format!(
        "{buyers} buyers within {over_s} s for {stock} pieces: {holds} holds, {} orders, {} still held, {} left",
        grouped(*orders as u64),
        count(*held),
        count(*available)
    )
}

/// Every figure with its name, in the order in which they are shown.
pub fn rows(figures: &Figures) -> Vec<(&'static str, String)> {
    let known = |value: Option<f64>, say: &dyn Fn(f64) -> String| {
        value.map_or_else(|| "not counted by this Postgres (track_functions)".to_owned(), say)
    };
    let calls = |calls: &std::collections::BTreeMap<String, i64>| {
        let calls: Vec<String> = calls.iter().map(|(name, n)| format!("{name} {}", count(*n))).collect();
        calls.join(", ")
    };
    let invocations = known(figures.invocations_a_reservation, &|n| {
        format!("{n:.3} ({})", figures.invocations.as_ref().map(calls).unwrap_or_default())
    });
    let answers: Vec<String> = figures.answers.iter().map(|(code, n)| format!("{code} {}", grouped(*n))).collect();
    let share = |share: Option<f64>| {
        share.map_or_else(|| "never sold out".to_owned(), |share| format!("{:.1} %", share * 100.0))
    };
    let incomplete = if figures.counts_complete { "" } else { ", and Postgres had not told all of them in time" };
    vec![
        ("answers to a press", answers.join(", ")),
        ("given back and offered again", count(figures.given_back)),
        ("refunds", grouped(figures.refunds as u64)),
        ("pressed again", grouped(figures.pressed_again)),
        ("winners waited", waited(&figures.winners)),
        ("losers waited", waited(&figures.losers)),
        ("not sent in time by the tool", {
            let late = figures.not_sent_in_time as u64;
            let Percentiles { p99_ms, max_ms, count, .. } = figures.sent_after;
            format!(
                "{} of {} (over 100 ms; p99 {}, latest {})",
                grouped(late),
                grouped(count as u64),
                time(p99_ms),
                time(max_ms)
            )
        }),
        ("invocations of reserve a press", invocations),
        (
            "database transactions a press",
            format!(
                "{:.3} ({}, payments and sweeps included{incomplete})",
                figures.transactions_a_reservation,
                count(figures.transactions)
            ),
        ),
        (
            "answers without a function, after sold out",
            format!(
                "{} (without a Durable Object: {})",
                share(figures.from_memory_after_sold_out),
                share(figures.by_worker_after_sold_out)
            ),
        ),
        ("processor time of the stack a press", {
            let parts = figures.cpu_us_a_press.iter().filter(|(_, us)| **us >= 1.0);
            let parts: Vec<String> = parts.map(|(part, us)| format!("{part} {us:.0} µs")).collect();
            if parts.is_empty() {
                "not known: its processes are not on this machine".to_owned()
            } else {
                parts.join(", ")
            }
        }),
        (
            "the tool's own processor time a request",
            format!("{:.0} µs over {} requests", figures.tool_cpu_us_a_request, grouped(figures.requests)),
        ),
        ("sale and seed", format!("{}, --seed {}", figures.sale_id, figures.seed)),
    ]
}

fn waited(of: &Percentiles) -> String {
    let Percentiles { count, p50_ms, p90_ms, p99_ms, max_ms } = *of;
    format!(
        "p50 {}, p90 {}, p99 {}, max {} ({})",
        time(p50_ms),
        time(p90_ms),
        time(p99_ms),
        time(max_ms),
        grouped(count as u64)
    )
}

/// With as many digits as mean something.
pub fn time(ms: f64) -> String {
    match ms {
        ms if ms >= 1_000.0 => format!("{:.2} s", ms / 1_000.0),
        ms if ms >= 10.0 => format!("{ms:.0} ms"),
        ms => format!("{ms:.1} ms"),
    }
}

/// Thousands set apart by a thin space that no line breaks at.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

pub fn count(number: i64) -> String {
    let sign = if number < 0 { "−" } else { "" };
    format!("{sign}{}", grouped(number.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_times_have_their_unit() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1\u{202f}000"), (1_234_567, "1\u{202f}234\u{202f}567")]
        {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(count(-1_000), "−1\u{202f}000");
        for (ms, text) in [(0.4, "0.4 ms"), (12.3, "12 ms"), (999.0, "999 ms"), (1_234.0, "1.23 s")] {
            assert_eq!(time(ms), text);
        }
    }
}
