//! How often the JSON of a reservation is read and printed between the client and the database, counted hop by hop with
//! the functions that the hops use. Six at most: each pass is a share of what every press costs.

use protocol::json;
use protocol::reserve::{Batch, BatchResponse, Reservation, ReserveOutcome};

use super::*;
use crate::gate::answer::{Verdict, answer};
use crate::gate::core::memory::Memory;
use crate::gate::message::Reply;
use crate::gate::testing::hold;
use crate::http::media_type::JSON;
use crate::http::response::Response;
use crate::lambda::invoke;
use crate::runtime::user_hash;

const PASSES_MAX: u32 = 6;

/// A press by a user of their own, answered by the database with `outcome`, or from the Gate's memory: the client's
/// response, and the passes that it took.
fn press(gate: &mut Memory<()>, user_id: &str, outcome: &ReserveOutcome) -> (Response, u32) {
    let _ = json::passes();
    // The Worker.
    let body = r#"{"items":[{"qty":1,"sku_id":"a"}],"sale_id":"spring-drop"}"#;
    let cart = crate::http::body::json::<Cart>(JSON, body.as_bytes()).expect("a cart");
    let key = checked(&cart, Some("k")).expect("it is in order");
    let asked = reservation(cart, user_id, key, Trace::default()).expect("it is printed");
    let message = Ask::Reserve { json: &asked.json }.text();
    // The Gate.
    let Some(Ask::Reserve { json: text, .. }) = Ask::read(&message) else { panic!("{message} is another message") };
    let charge = gate.charge(user_id, 0);
    gate.arrive(Reservation::read(text).expect("a reservation"), (), 0);
    if let Some(batch) = gate.take_batch(0) {
        let payload = batch.payload();
        // The function: Lambda's runtime reads its batch. The outcomes pass as the database says them: its text is scanned
        // for its end and copied, twice, which is no pass (see `protocol::json`).
        let read: Batch = json::read(&payload).expect("a batch");
        assert_eq!(read.reservations.len(), 1);
        let answered = format!(r#"{{"outcomes":[{}]}}"#, serde_json::to_string(outcome).expect("JSON"));
        // The Gate.
        let answered: BatchResponse = invoke::read(200, false, &answered).expect("an answer");
        gate.complete(&batch, Some(answered.outcomes), 0);
    }
    let verdict: Verdict = gate.drain().pop().expect("a verdict").1;
    let reply = Reply { charge, response: answer(charge, verdict), lease: None }.text();
    // The Worker.
    let response = Reply::read(&reply).expect("a reply").response;
    (response, json::passes())
}

#[test]
fn a_reservation_takes_six_json_passes_at_most() {
    let mut gate = Memory::new(20, 5, user_hash::Key::default());
    let granted = ReserveOutcome::Granted { hold: hold("h"), replayed: false };
    let (response, passes) = press(&mut gate, "ann", &granted);
    assert_eq!((response.status, passes), (201, PASSES_MAX));
    assert_eq!(serde_json::from_slice::<protocol::shop::Hold>(&response.body).expect("a hold"), hold("h"));
    // Again, from memory.
    let (response, passes) = press(&mut gate, "ann", &granted);
    assert_eq!((response.status, response.header("Idempotent-Replayed"), passes), (201, Some("true"), 4));
    let refused = ReserveOutcome::SoldOut { sku_id: "a".to_owned(), available: 0, max_per_user: 1, for_ms: 1_000 };
    let (response, passes) = press(&mut gate, "bob", &refused);
    assert_eq!((response.status, passes), (409, PASSES_MAX));
}

#[test]
fn the_hops_read_and_print_json_by_the_functions_that_count() {
    for (file, text) in [
        ("reserve.rs", include_str!("../reserve.rs")),
        ("gate/client.rs", include_str!("../../../gate/client.rs")),
        ("gate/object.rs", include_str!("../../../gate/object.rs")),
        ("gate/message.rs", include_str!("../../../gate/message.rs")),
        ("gate/answer.rs", include_str!("../../../gate/answer.rs")),
        ("http/response.rs", include_str!("../../../http/response.rs")),
        ("http/idempotency.rs", include_str!("../../../http/idempotency.rs")),
        ("lambda/invoke.rs", include_str!("../../../lambda/invoke.rs")),
        ("functions/src/bin/reserve.rs", include_str!("../../../../../functions/src/bin/reserve.rs")),
        ("functions/src/reservations.rs", include_str!("../../../../../functions/src/reservations.rs")),
    ] {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for call in ["serde_json::from_", "serde_json::to_"] {
            assert!(!code.contains(call), "{file} calls {call}…: use protocol::json, which counts");
        }
    }
}
