//! What is printed: numbers in columns, each with its ratio.

use super::arrivals::Waiting;
use super::crash::Crashes;
use super::edge::{Both, Measured as Edge};
use super::growth::Grown;
use super::t1::Cell;
use super::t2::Confirms;
use super::t3::Swept;
use super::variant::{BASELINE, VARIANTS};

/// Reservations a second of the ways of reserving, one column a number of clients, each with its ratio to one call at
/// as many clients.
#[must_use]
pub fn of_cells(cells: &[Cell]) -> String {
    let Some(first) = cells.first() else { return String::new() };
    let mut clients: Vec<usize> = cells.iter().map(|cell| cell.clients).collect();
    clients.dedup();
    let at =
        |variant: &str, clients: usize| cells.iter().find(|cell| cell.variant == variant && cell.clients == clients);

    let commit = of_commit(first.commit_ms);
    let skus = if first.skus == 1 { "one hot SKU".to_owned() } else { format!("{} SKUs", first.skus) };
    let mut text = format!("reservations a second, a commit {commit}, {skus}\n{:36}", "");
    for count in &clients {
        text += &format!("{:>17}", format!("{count} clients"));
    }
    text += "   p50 and p99 of a call\n";
    for variant in VARIANTS.iter().filter(|variant| cells.iter().any(|cell| cell.variant == variant.name)) {
        text += &format!("{:36}", variant.label);
        let mut last = None;
        for count in &clients {
            let Some(cell) = at(variant.name, *count) else { continue };
            let ratio = at(BASELINE, *count).map(|baseline| cell.reservations_per_s / baseline.reservations_per_s);
            let ratio = ratio.map_or_else(String::new, |ratio| format!(" {:>6}", times(ratio)));
            text += &format!("{:>17}", format!("{}{ratio}", whole(cell.reservations_per_s)));
            last = Some(cell);
        }
        if let Some(cell) = last {
            text += &format!("   {:.1} ms, {:.1} ms", cell.call_p50_ms, cell.call_p99_ms);
        }
        let failed: u64 = cells.iter().filter(|cell| cell.variant == variant.name).map(|cell| cell.failed).sum();
        if failed > 0 {
            text += &format!("   {} would have heard 503", whole(failed as f64));
        }
        text.push('\n');
    }
    text
}

/// `×0.43`, `×7.1`, `×62`.
#[must_use]
pub fn times(ratio: f64) -> String {
    match ratio {
        big if big >= 20.0 => format!("×{big:.0}"),
        middle if middle >= 2.0 => format!("×{middle:.1}"),
        small => format!("×{small:.2}"),
    }
}

/// A whole number with its thousands apart: `32 000`.
#[must_use]
pub fn whole(number: f64) -> String {
    let digits = format!("{:.0}", number.max(0.0));
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// What buyers waited, in a batch and alone.
#[must_use]
pub fn of_waiting(waiting: &Waiting) -> String {
    format!(
        "commit {}, {} calls in flight: batches do {} a second; of {} a second the p50 is {:.1} ms and the p99 {:.1} ms; one call alone has a p50 of {:.1} ms",
        of_commit(waiting.commit_ms),
        waiting.in_flight,
        whole(waiting.maximum_per_s),
        whole(waiting.arrivals_per_s),
        waiting.p50_ms,
        waiting.p99_ms,
        waiting.alone_p50_ms
    )
}

/// T2 at each number of clients.
#[must_use]
pub fn of_confirms(confirms: &[Confirms]) -> String {
    let line = |one: &Confirms| {
        let (clients, per_s) = (one.clients, whole(one.confirms_per_s));
        let commit = of_commit(one.commit_ms);
        format!(
            "{clients:>6} clients, commit {commit:9} {per_s:>9}   p50 {:.1} ms, p99 {:.1} ms\n",
            one.p50_ms, one.p99_ms
        )
    };
    confirms.iter().map(line).fold("confirms a second, holds on one SKU\n".to_owned(), |text, line| text + &line)
}

/// One sweep.
#[must_use]
pub fn of_sweep(swept: &Swept) -> String {
    let (holds, per_s, skus) = (whole(swept.holds as f64), whole(swept.holds_per_s), swept.skus);
    format!(
        "{holds} expired holds on {skus} SKUs swept, {per_s} a second; a transaction of 1 000: p50 {:.0} ms, p99 {:.0} ms",
        swept.p50_ms, swept.p99_ms
    )
}

/// Each transaction without history and with it.
#[must_use]
pub fn of_growth(growth: &[Grown], holds: i64) -> String {
    let line = |one: &Grown| {
        let (empty, grown) = (whole(one.empty_per_s), whole(one.grown_per_s));
        format!("{:36} {empty:>9} {grown:>9}   {} slower\n", one.what, times(one.slower))
    };
    let heading = format!("a second, empty and after {} holds\n", whole(holds as f64));
    growth.iter().map(line).fold(heading, |text, line| text + &line)
}

/// Acknowledged reservations that crashes lost.
#[must_use]
pub fn of_crashes(crashes: &[Crashes]) -> String {
    let line = |one: &Crashes| {
        let Crashes { what, crashes, acknowledged, lost } = one;
        format!("{what:36} {crashes} crashes, {acknowledged} acknowledged, {lost} lost\n")
    };
    crashes.iter().map(line).collect()
}

/// How long a commit takes.
#[must_use]
pub fn of_commit(commit_ms: u64) -> String {
    if commit_ms == 0 { "as it is".to_owned() } else { format!("of {commit_ms} ms") }
}

/// Every hop of the edge, and what it weighs.
#[must_use]
pub fn of_edge(found: &Edge) -> String {
    let mut text = format!("\n{:46} {:>12} {:>14}\n", "", "a second", "us of workerd");
    for row in &found.rows {
        text += &format!("{:46} {:12.0} {:14.0}  {}\n", row.name, row.per_s, row.cpu_us, row.note);
    }
    text += &format!(
        "\n{:46} {:12.1} KB\n",
        "the Wasm and its JavaScript, compressed",
        found.compressed_bytes as f64 / 1e3
    );
    text += &format!("{:46} {:12.0} ms\n", "from workerd's start to its first answer", found.first_answer_ms);
    text +=
        &format!("{:46} {:12.1} MB\n", format!("{} live keys at the Gates", found.keys), found.keys_bytes as f64 / 1e6);
    text += &format!("{:46} {:12.1} MB\n", "of that the Wasm's memory", found.keys_wasm_bytes as f64 / 1e6);
    text + &of_compared(found)
}

/// The whole path beside the plain service, and on a Worker that was just started.
fn of_compared(found: &Edge) -> String {
    let line = |what: &str, both: &Both, digits: usize| {
        let Both { whole, plain, ratio } = both;
        format!("{what:46} {whole:12.digits$} {plain:14.digits$}  {}\n", times(*ratio))
    };
    let mut text = format!("\n{:46} {:>12} {:>14}  {}\n", "", "whole path", "plain service", found.compared.plain);
    for one in &found.compared.granted {
        let what = format!("granted a second, {} clients, commit {}", one.clients, of_commit(one.commit_ms));
        text += &line(&what, &one.per_s, 0);
    }
    text += &line("a lone buyer's p50, ms", &found.compared.lone_p50_ms, 1);
    let cold = &found.cold;
    text += &format!("\n{:46} {:>12} {:>14}\n", "", "2 s", format!("second {}", cold.second));
    let of_cold = Both { whole: cold.first_per_s, plain: cold.later_per_s, ratio: cold.ratio };
    text + &line(&format!("granted a second after a start, {} clients", cold.clients), &of_cold, 0)
}
