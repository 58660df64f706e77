//! One program for every target: HOLDFAST_FUZZ names which. libFuzzer brings `main`, and the inputs.

#![no_main]

// Two files of `functions`, and not the crate: the rest of it is a database client, which takes minutes to build.
#[path = "../../functions/src/admin/new_sale.rs"]
mod new_sale;
#[path = "../../functions/src/admin/fuzz.rs"]
mod sales;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("HOLDFAST_FUZZ").unwrap_or_default();
    let known = edge::fuzz::TARGETS.into_iter().chain([("sale", sales::sale as fn(&[u8]))]);
    match known.into_iter().find(|(known, _)| *known == name) {
        Some((_, target)) => target,
        None => panic!("HOLDFAST_FUZZ names no target"),
    }
});

fuzz_target!(|data: &[u8]| TARGET(data));
