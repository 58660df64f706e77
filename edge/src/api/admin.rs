//! The operator's routes. Each has its own file; what they share is the call of the `admin` function, which judges what
//! needs a calendar or the database, and its outcomes as HTTP.

pub mod actions;
pub mod dead_letters;
pub mod deliveries;
pub mod orders;
pub mod payments;
pub mod sales;
pub mod stock;
pub mod subscriptions;
pub mod users;

use protocol::admin::{AdminOutcome, AdminRequest, Command};

use crate::http::context::{HandlerResult, RequestContext};
use crate::http::if_match;
use crate::http::problem::{Code, Problem};
use crate::http::response::Response;
use crate::lambda::invoke;

/// Runs one command of the `admin` function.
///
/// # Errors
/// What it was refused for; `unavailable`.
pub async fn run(context: &RequestContext, command: Command) -> HandlerResult {
    into_response(outcome(context, command).await?)
}

/// The outcome of one command, for a handler that has more to do with it than to answer it.
///
/// # Errors
/// `unavailable`: it did not answer.
pub async fn outcome(context: &RequestContext, command: Command) -> Result<AdminOutcome, Problem> {
    let request = AdminRequest { trace: context.trace.clone(), command };
    Ok(invoke::call(&context.config.lambda, "admin", &request).await?)
}

pub fn into_response(outcome: AdminOutcome) -> HandlerResult {
    Err(match outcome {
        AdminOutcome::InvalidRequest { errors } => Problem::invalid(errors),
        AdminOutcome::NotFound { sku_id: None } => {
            Problem::new(Code::NotFound, "Check the id: there is no such sale, and no such order.")
        }
        AdminOutcome::NotFound { sku_id: Some(sku_id) } => {
            Problem::new(Code::NotFound, "Check `sku_id`: the sale has no such SKU.").with("sku_id", sku_id)
        }
        AdminOutcome::AlreadyExists => {
            Problem::new(Code::AlreadyExists, "Choose another `sale_id`: this one is a sale with other contents.")
        }
        AdminOutcome::IdempotencyKeyReused => {
            Problem::new(Code::IdempotencyKeyReused, "Use a new Idempotency-Key for another request.")
        }
        AdminOutcome::SoldOut { sku_id, available } => {
            Problem::new(Code::SoldOut, "Take out no more than is `available`.")
                .with("sku_id", sku_id)
                .with("available", available)
        }
        AdminOutcome::Sale { sale, created: true } => {
            let location = format!("/v1/sales/{}", sale.sale_id);
            return Ok(Response::json(201, &sale).with("Location", location));
        }
        AdminOutcome::Sale { sale, created: false } => return Ok(Response::json(200, &sale)),
        AdminOutcome::Stock { stock, replayed } => {
            let answer = Response::json(200, &stock);
            return Ok(if replayed { answer.with("Idempotent-Replayed", "true") } else { answer });
        }
        AdminOutcome::Order { order, replayed } => {
            let answer = Response::json(200, &order).versioned(order.version);
            return Ok(if replayed { answer.with("Idempotent-Replayed", "true") } else { answer });
        }
        AdminOutcome::PreconditionFailed { version } => if_match::failed(version),
        AdminOutcome::TransitionNotAllowed { order_status } => {
            Problem::new(Code::TransitionNotAllowed, "An order that is `order_status` cannot change so.")
                .with("order_status", order_status.name())
        }
        AdminOutcome::Payments { payments, next } => {
            return Ok(Response::json(200, &serde_json::json!({"payments": payments, "next": next})));
        }
        AdminOutcome::Report { report } => return Ok(Response::json(200, &report)),
        AdminOutcome::Operated { .. } => Problem::unavailable().because("admin answered another question"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::admin::Stock;

    use crate::http::problem::field_error;

    #[test]
    fn outcomes_map_to_the_contracts_responses() {
        let answered = |outcome| {
            let answer = into_response(outcome).unwrap_or_else(Response::from);
            (answer.status, answer.header("Location").or(answer.header("Idempotent-Replayed")).map(str::to_owned))
        };
        let sale = || protocol::shop::Sale {
            sale_id: "s".to_owned(),
            name: "봄 🎉".to_owned(),
            status: protocol::shop::SaleStatus::Open,
            opens_at: String::new(),
            closes_at: None,
            hold_ttl_s: 300,
            currency: "KRW".to_owned(),
            currency_decimals: 0,
            buyer_cancel: false,
            skus: Vec::new(),
        };
        let stock = || Stock { sale_id: "s".to_owned(), sku_id: "a".to_owned(), total: 1, available: 1 };
        let error = field_error("/name", "Name it.");
        assert_eq!(answered(AdminOutcome::Sale { sale: sale(), created: true }), (201, Some("/v1/sales/s".to_owned())));
        assert_eq!(answered(AdminOutcome::Sale { sale: sale(), created: false }), (200, None));
        assert_eq!(answered(AdminOutcome::Stock { stock: stock(), replayed: false }), (200, None));
        assert_eq!(answered(AdminOutcome::Stock { stock: stock(), replayed: true }), (200, Some("true".to_owned())));
        assert_eq!(answered(AdminOutcome::InvalidRequest { errors: vec![error] }).0, 422);
        assert_eq!(answered(AdminOutcome::NotFound { sku_id: None }).0, 404);
        assert_eq!(answered(AdminOutcome::NotFound { sku_id: Some("a".to_owned()) }).0, 404);
        assert_eq!(answered(AdminOutcome::AlreadyExists).0, 409);
        assert_eq!(answered(AdminOutcome::IdempotencyKeyReused).0, 422);
        assert_eq!(answered(AdminOutcome::PreconditionFailed { version: 2 }).0, 412);
        let order_status = protocol::shop::OrderStatus::Shipped;
        assert_eq!(answered(AdminOutcome::TransitionNotAllowed { order_status }).0, 409);
        assert_eq!(answered(AdminOutcome::SoldOut { sku_id: "a".to_owned(), available: 0 }).0, 409);
    }
}
