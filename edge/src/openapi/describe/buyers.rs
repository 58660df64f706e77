//! Requests and responses of the buyers' routes about holds and orders.

use serde_json::json;

use super::operation::Operation;
use super::parameters::{cursor, hold_id_in_query, idempotency_key, if_match, in_query, limit, sale_id_in_query};
use super::schemas::Schemas;
use crate::http::problem::Code;

pub fn hold(operation: Operation, description: &str, schemas: &mut Schemas) -> Operation {
    operation
        .answers(200, description, schemas.answer::<protocol::shop::Hold>(), &["ETag"])
        .refuses(&[Code::NotFound])
        .asks()
}

pub fn change(operation: Operation, schemas: &mut Schemas) -> Operation {
    let mut operation = operation
        .with([if_match()])
        .reads(schemas.request::<crate::api::reservations::change::Lines>())
        .answers(
            200,
            "The hold with these lines; the same again gets the same response.",
            schemas.answer::<protocol::shop::Hold>(),
            &["ETag", "RateLimit", "RateLimit-Policy"],
        )
        .refuses(&[Code::InvalidRequest, Code::PreconditionRequired, Code::NotFound, Code::HoldNotActive])
        .refuses(&[Code::PreconditionFailed, Code::RequestInProgress, Code::SaleNotOpen, Code::AlreadyHolding])
        .refuses(&[Code::LimitReached, Code::SoldOut])
        .asks();
    operation.headers_of_refusals = vec!["RateLimit", "RateLimit-Policy"];
    operation
}

pub fn pay(operation: Operation, schemas: &mut Schemas) -> Operation {
    let mut operation = operation
        .reads(schemas.request::<crate::api::reservations::pay::ToPay>())
        .answers(
            200,
            "The order.",
            schemas.answer::<crate::api::reservations::pay::Paid>(),
            &["RateLimit", "RateLimit-Policy"],
        )
        .refuses(&[Code::NotFound, Code::InvalidRequest, Code::InsufficientBalance, Code::HoldNotActive])
        .asks();
    operation.headers_of_refusals = vec!["RateLimit", "RateLimit-Policy"];
    operation
}

pub fn order(operation: Operation, schemas: &mut Schemas) -> Operation {
    operation
        .answers(200, "The order.", schemas.answer::<protocol::shop::Order>(), &["ETag"])
        .refuses(&[Code::NotFound])
        .asks()
}

pub fn cancel(operation: Operation, schemas: &mut Schemas) -> Operation {
    let mut operation = operation
        .reads_if_any(schemas.request::<protocol::payments::Cancellation>())
        .answers(
            200,
            "The cancelled order.",
            schemas.answer::<protocol::shop::Order>(),
            &["ETag", "RateLimit", "RateLimit-Policy"],
        )
        .refuses(&[Code::NotFound, Code::InvalidRequest, Code::TransitionNotAllowed])
        .asks();
    operation.headers_of_refusals = vec!["RateLimit", "RateLimit-Policy"];
    operation
}

pub fn holds(operation: Operation, schemas: &mut Schemas) -> Operation {
    let status = schemas.answer::<protocol::shop::HoldStatus>();
    operation
        .with([sale_id_in_query(), in_query("status", false, status), cursor(), limit()])
        .answers(200, "A page, and the cursor of the next one.", schemas.answer::<crate::api::lists::HoldPage>(), &[])
        .refuses(&[Code::InvalidRequest])
        .asks()
}

pub fn orders(operation: Operation, schemas: &mut Schemas) -> Operation {
    let (page, one) = (schemas.answer::<crate::api::lists::OrderPage>(), schemas.answer::<protocol::shop::Order>());
    operation
        .with([hold_id_in_query(), sale_id_in_query(), cursor(), limit()])
        .answers(200, "A page, and the cursor of the next one.", json!({"oneOf": [page, one]}), &[])
        .refuses(&[Code::NotFound, Code::MalformedRequest, Code::InvalidRequest])
        .asks()
}

pub fn sku_ranking(operation: Operation, schemas: &mut Schemas) -> Operation {
    let window = schemas.answer::<protocol::ranking::Window>();
    operation
        .with([in_query("window", false, window), limit()])
        .answers(200, "The ranking.", schemas.answer::<crate::api::rankings::SkuRanking>(), &["ETag"])
        .kept()
        .refuses(&[Code::InvalidRequest])
        .asks()
}

pub fn sale_ranking(operation: Operation, schemas: &mut Schemas) -> Operation {
    operation
        .with([limit()])
        .answers(200, "The ranking.", schemas.answer::<crate::api::rankings::SaleRanking>(), &["ETag"])
        .kept()
        .refuses(&[Code::InvalidRequest])
        .asks()
}

pub fn reserve(operation: Operation, schemas: &mut Schemas) -> Operation {
    let mut operation = operation
        .with([idempotency_key()])
        .reads(schemas.request::<crate::api::reservations::reserve::Cart>())
        .answers(
            201,
            "Granted. The same key with the same body gets the same response.",
            schemas.answer::<protocol::shop::Hold>(),
            &["Location", "ETag", "Idempotent-Replayed", "RateLimit", "RateLimit-Policy", "Server-Timing"],
        )
        .refuses(&[Code::InvalidRequest, Code::IdempotencyKeyMissing, Code::IdempotencyKeyInvalid])
        .refuses(&[Code::IdempotencyKeyReused, Code::RequestInProgress, Code::NotFound, Code::SaleNotOpen])
        .refuses(&[Code::AlreadyHolding, Code::LimitReached, Code::SoldOut])
        .asks();
    operation.headers_of_refusals = vec!["RateLimit", "RateLimit-Policy", "Server-Timing"];
    operation
}
