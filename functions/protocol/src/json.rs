//! JSON on the way of a reservation. Each pass over a cart or a hold costs every buyer time, so the passes are counted,
//! and a test of the edge holds their number (edge/src/api/reservations/reserve/passes.rs).
//!
//! A pass makes values of a text, or a text of values: it allocates for every member. What finds the end of a value and
//! passes its text on as it is (`RawValue`) is none: `reserve` does so with the outcomes that the database prints, and
//! Lambda's runtime copies that text into its response: one text is allocated, whatever the outcomes have.

use std::cell::Cell;

use serde::{Deserialize, Serialize};

thread_local! {
    static PASSES: Cell<u32> = const { Cell::new(0) };
}

fn count() {
    PASSES.set(PASSES.get().wrapping_add(1));
}

/// Reads a value.
///
/// # Errors
/// The text is no JSON of that type.
pub fn read<'a, T: Deserialize<'a>>(text: &'a str) -> serde_json::Result<T> {
    count();
    serde_json::from_str(text)
}

/// Prints a value.
///
/// # Errors
/// The type has no JSON: a map whose keys are no strings.
pub fn print<T: Serialize>(value: &T) -> serde_json::Result<String> {
    count();
    serde_json::to_string(value)
}

/// Passes of this thread since the last call.
#[must_use]
pub fn passes() -> u32 {
    PASSES.take()
}
