//! What is printed: numbers in columns, each with its ratio.

use super::t1::Cell;
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

    let commit = if first.commit_ms == 0 { "as it is".to_owned() } else { format!("of {} ms", first.commit_ms) };
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
