//! The operator's routes. Shapes are read here, and values too, but for a new sale's: its times and its currency are
//! judged by the `admin` function, which has a calendar.

pub mod actions;
pub mod dead_letters;
pub mod deliveries;
pub mod payments;
pub mod subscriptions;
pub mod users;

use protocol::admin::{Adjustment, Command, Fault as FieldError, NewSale, NewStatus, Outcome, Request, StatusChange};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::api::admin::deliveries::{actor, reason_error};
use crate::api::sales;
use crate::auth;
use crate::gate::forget::forget;
use crate::http::body::Object;
use crate::http::context::{HandlerResult, RequestContext};
use crate::http::media_type::Media;
use crate::http::problem::{Code, Problem, field_error};
use crate::http::response::Response;
use crate::http::{body, idempotency, text};
use crate::lambda::invoke;
use crate::runtime::limits;

pub async fn create_sale(context: &mut RequestContext) -> HandlerResult {
    auth::operator(context)?;
    let bytes = context.bytes().await?;
    let sale = new_sale(context.media(), &bytes)?;
    payable(&sale, context.config.gateways()).map_err(|error| Problem::invalid(vec![error]))?;
    let (by, sale_id) = (actor(context, sale.reason.clone())?, sale.sale_id.clone());
    let answer = run(context, Command::CreateSale { by, sale }).await?;
    sales::made(&sale_id);
    Ok(answer)
}

/// Whether any of the gateways that are listened to takes the sale's currency: what nobody can pay for is not sold. What is
/// no currency at all the function says, with whatever else is wrong.
fn payable<'a>(sale: &NewSale, gateways: impl Iterator<Item = &'a str>) -> Result<(), FieldError> {
    let currency = sale.currency.as_str();
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Ok(());
    }
    let mut taken = Vec::new();
    for gateway in gateways {
        if ::payments::units::unit(gateway, currency).is_some() {
            return Ok(());
        }
        taken.push(format!("{gateway} takes {}", ::payments::units::taken_by(gateway)));
    }
    let taken = if taken.is_empty() { "none is configured".to_owned() } else { taken.join("; ") };
    Err(field_error("/currency", &format!("No gateway of this shop takes {currency}: {taken}.")))
}

pub async fn set_status(context: &mut RequestContext, sale_id: String) -> HandlerResult {
    auth::operator(context)?;
    let StatusChange { status, reason } = context.json().await?;
    let status = NewStatus::named(&status)
        .ok_or_else(|| Problem::invalid(vec![field_error("/status", "Set it to open, paused or closed.")]))?;
    let by = actor(context, reason)?;
    let answer = run(context, Command::SetStatus { by, sale_id: sale_id.clone(), status }).await?;
    forget(context, &sale_id).await;
    Ok(answer)
}

pub async fn adjust_stock(context: &mut RequestContext, sku_id: String) -> HandlerResult {
    auth::operator(context)?;
    let adjustment: Adjustment = context.json().await?;
    let errors = field_errors(&adjustment);
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let idem_key = idempotency::key(context.header("Idempotency-Key"))?;
    let (by, sale_id) = (actor(context, Some(adjustment.reason.clone()))?, adjustment.sale_id.clone());
    let answer = run(context, Command::AdjustStock { by, sku_id, idem_key, adjustment }).await?;
    forget(context, &sale_id).await;
    Ok(answer)
}

pub async fn report(context: &RequestContext, sale_id: String) -> HandlerResult {
    auth::operator(context)?;
    run(context, Command::Report { sale_id }).await
}

pub async fn run(context: &RequestContext, command: Command) -> HandlerResult {
    into_response(outcome(context, command).await?)
}

/// What the `admin` function did, for whoever has more to do with it than to tell it.
///
/// # Errors
/// `unavailable`: it did not answer.
pub async fn outcome(context: &RequestContext, command: Command) -> Result<Outcome, Problem> {
    let request = Request { trace: context.trace.clone(), command };
    Ok(invoke::call(&context.config.lambda, "admin", &request).await?)
}

fn field_errors(adjustment: &Adjustment) -> Vec<FieldError> {
    let Adjustment { sale_id, delta, reason } = adjustment;
    let pieces = -limits::STOCK_DELTA_MAX..=limits::STOCK_DELTA_MAX;
    [
        (text::is_slug(sale_id), "/sale_id", "Use 1 to 64 of a-z, 0-9 and -, not beginning with -."),
        (*delta != 0 && pieces.contains(delta), "/delta", "Put in 1 to 10^9 pieces, or, below zero, take them out."),
    ]
    .into_iter()
    .filter(|(holds, ..)| !holds)
    .map(|(_, pointer, detail)| field_error(pointer, detail))
    .chain(reason_error(Some(reason)))
    .collect()
}

fn new_sale(media: Media, bytes: &[u8]) -> Result<NewSale, Problem> {
    /// The message's own type would take a SKU written as an array of its fields.
    #[derive(Deserialize)]
    struct Shape {
        #[serde(rename = "skus")]
        _skus: Vec<Object<IgnoredAny>>,
    }
    let sale = body::json(media, bytes)?;
    body::json::<Shape>(media, bytes)?;
    Ok(sale)
}

pub fn into_response(outcome: Outcome) -> HandlerResult {
    Err(match outcome {
        Outcome::InvalidRequest { errors } => Problem::invalid(errors),
        Outcome::NotFound { sku_id: None } => {
            Problem::new(Code::NotFound, "Check the id: there is no such sale, and no such order.")
        }
        Outcome::NotFound { sku_id: Some(sku_id) } => {
            Problem::new(Code::NotFound, "Check `sku_id`: the sale has no such SKU.").with("sku_id", sku_id)
        }
        Outcome::AlreadyExists => {
            Problem::new(Code::AlreadyExists, "Choose another `sale_id`: this one is a sale with other contents.")
        }
        Outcome::IdempotencyKeyReused => {
            Problem::new(Code::IdempotencyKeyReused, "Use a new Idempotency-Key for another request.")
        }
        Outcome::SoldOut { sku_id, available } => Problem::new(Code::SoldOut, "Take out no more than is `available`.")
            .with("sku_id", sku_id)
            .with("available", available),
        Outcome::Sale { sale, created: true } => {
            let location = format!("/v1/sales/{}", sale.sale_id);
            return Ok(Response::json(201, &sale).with("Location", location));
        }
        Outcome::Sale { sale, created: false } => return Ok(Response::json(200, &sale)),
        Outcome::Stock { stock, replayed } => {
            let answer = Response::json(200, &stock);
            return Ok(if replayed { answer.with("Idempotent-Replayed", "true") } else { answer });
        }
        Outcome::Order { order, replayed } => {
            let answer = Response::json(200, &order).versioned(order.version);
            return Ok(if replayed { answer.with("Idempotent-Replayed", "true") } else { answer });
        }
        Outcome::Payments { payments, next } => {
            return Ok(Response::json(200, &serde_json::json!({"payments": payments, "next": next})));
        }
        Outcome::Report { report } => return Ok(Response::json(200, &report)),
        Outcome::Operated { .. } => Problem::unavailable().because("admin answered another question"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::admin::Stock;

    #[test]
    fn a_sale_is_read_by_its_shape_and_its_values_are_the_functions_business() {
        let sale = |skus: &str| format!(r#"{{"sale_id":"A B","name":"","currency":"x","skus":{skus}}}"#);
        let status = |body: &str| {
            let sale = new_sale(crate::http::media_type::JSON, body.as_bytes());
            sale.map_or_else(|problem| Response::from(problem).status, |_| 200)
        };
        let sku = r#"{"sku_id":"","name":"","unit_price":-1,"stock":1e12}"#;
        for (skus, want) in [
            ("[]".to_owned(), 200),
            (format!("[{sku}]"), 200),
            (r#"[["a","b",1,1]]"#.to_owned(), 400),
            (format!("[{}]", sku.replace("stock", "stocks")), 400),
            (format!("[{}]", sku.replace("-1", "1.5")), 400),
            ("null".to_owned(), 400),
        ] {
            assert_eq!(status(&sale(&skus)), want, "{skus}");
        }
        assert_eq!(status("[]"), 400);
    }

    #[test]
    fn a_currency_that_no_gateway_takes_is_refused_by_its_name() {
        let of = |currency: &str, gateways: &[&'static str]| {
            let sale = format!(r#"{{"sale_id":"a","name":"A","currency":"{currency}","skus":[]}}"#);
            let sale = new_sale(crate::http::media_type::JSON, sale.as_bytes()).expect("a sale");
            payable(&sale, gateways.iter().copied()).map_err(|error| (error.pointer, error.detail))
        };
        assert_eq!(of("KRW", &["toss"]), Ok(()));
        assert_eq!(of("JPY", &["toss", "stripe"]), Ok(()));
        assert_eq!(of("won", &["toss"]), Ok(()), "the function says what is wrong with it");
        let (pointer, detail) = of("JPY", &["toss"]).expect_err("refused");
        assert_eq!(
            (pointer.as_str(), detail.as_str()),
            ("/currency", "No gateway of this shop takes JPY: toss takes KRW and USD.")
        );
        assert!(of("IQD", &["stripe"]).is_err());
    }

    #[test]
    fn an_adjustment_moves_something_for_a_reason() {
        let pointers = |delta: i64, reason: &str| -> Vec<String> {
            let adjustment = Adjustment { sale_id: "s".to_owned(), delta, reason: reason.to_owned() };
            field_errors(&adjustment).into_iter().map(|error| error.pointer).collect()
        };
        assert_eq!(pointers(-5, "두 상자를 더 찾음"), [""; 0]);
        assert_eq!(pointers(0, "x"), ["/delta"]);
        assert_eq!(pointers(i64::MAX, "x"), ["/delta"]);
        assert_eq!(pointers(i64::MIN, " "), ["/delta", "/reason"]);
        for unreadable in ["", "a\0b", "a\u{202e}b", "a\u{200b}b", "\u{feff}"] {
            assert_eq!(pointers(1, unreadable), ["/reason"], "{unreadable:?}");
        }
    }

    #[test]
    fn outcomes_become_the_contracts_answers() {
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
            skus: Vec::new(),
        };
        let stock = || Stock { sale_id: "s".to_owned(), sku_id: "a".to_owned(), total: 1, available: 1 };
        let error = FieldError { pointer: "/name".to_owned(), detail: "Name it.".to_owned() };
        assert_eq!(answered(Outcome::Sale { sale: sale(), created: true }), (201, Some("/v1/sales/s".to_owned())));
        assert_eq!(answered(Outcome::Sale { sale: sale(), created: false }), (200, None));
        assert_eq!(answered(Outcome::Stock { stock: stock(), replayed: false }), (200, None));
        assert_eq!(answered(Outcome::Stock { stock: stock(), replayed: true }), (200, Some("true".to_owned())));
        assert_eq!(answered(Outcome::InvalidRequest { errors: vec![error] }).0, 422);
        assert_eq!(answered(Outcome::NotFound { sku_id: None }).0, 404);
        assert_eq!(answered(Outcome::NotFound { sku_id: Some("a".to_owned()) }).0, 404);
        assert_eq!(answered(Outcome::AlreadyExists).0, 409);
        assert_eq!(answered(Outcome::IdempotencyKeyReused).0, 422);
        assert_eq!(answered(Outcome::SoldOut { sku_id: "a".to_owned(), available: 0 }).0, 409);
    }
}
