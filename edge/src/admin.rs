//! The operator's routes. Shapes are read here, and values too, but for a new sale's: its times and its currency are
//! judged by the `admin` function, which has a calendar.

use protocol::admin::{Adjustment, AdminOutcome, AdminRequest, Command, FieldError, NewSale, NewStatus, StatusChange};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::answer::Answer;
use crate::body::{self, Object};
use crate::call::{Answered, Call};
use crate::gate::forget::forget;
use crate::media::Media;
use crate::operate::{by, fault, reason_fault};
use crate::problem::{Code, Problem};
use crate::{bounds, idempotency, invoke, sales, text};

pub async fn create_sale(call: &mut Call) -> Answered {
    call.operator()?;
    let bytes = body::read(call).await?;
    let sale = new_sale(call.media(), &bytes)?;
    payable(&sale, call.config.gateways()).map_err(|fault| Problem::invalid(vec![fault]))?;
    let (by, sale_id) = (by(call, sale.reason.clone())?, sale.sale_id.clone());
    let answer = run(call, Command::CreateSale { by, sale }).await?;
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
        if payments::unit(gateway, currency).is_some() {
            return Ok(());
        }
        taken.push(format!("{gateway} takes {}", payments::currencies(gateway)));
    }
    let taken = if taken.is_empty() { "none is configured".to_owned() } else { taken.join("; ") };
    Err(fault("/currency", &format!("No gateway of this shop takes {currency}: {taken}.")))
}

pub async fn set_status(call: &mut Call, sale_id: String) -> Answered {
    call.operator()?;
    let StatusChange { status, reason } = call.json().await?;
    let status = NewStatus::named(&status)
        .ok_or_else(|| Problem::invalid(vec![fault("/status", "Set it to open, paused or closed.")]))?;
    let by = by(call, reason)?;
    let answer = run(call, Command::SetStatus { by, sale_id: sale_id.clone(), status }).await?;
    forget(call, &sale_id).await;
    Ok(answer)
}

pub async fn adjust_stock(call: &mut Call, sku_id: String) -> Answered {
    call.operator()?;
    let adjustment: Adjustment = call.json().await?;
    let faults = faults(&adjustment);
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    let idem_key = idempotency::key(call.header("Idempotency-Key"))?;
    let (by, sale_id) = (by(call, Some(adjustment.reason.clone()))?, adjustment.sale_id.clone());
    let answer = run(call, Command::AdjustStock { by, sku_id, idem_key, adjustment }).await?;
    forget(call, &sale_id).await;
    Ok(answer)
}

pub async fn report(call: &Call, sale_id: String) -> Answered {
    call.operator()?;
    run(call, Command::Report { sale_id }).await
}

pub async fn run(call: &Call, command: Command) -> Answered {
    tell(outcome(call, command).await?)
}

/// What the `admin` function did, for whoever has more to do with it than to tell it.
///
/// # Errors
/// `unavailable`: it did not answer.
pub async fn outcome(call: &Call, command: Command) -> Result<AdminOutcome, Problem> {
    let request = AdminRequest { trace: call.trace.clone(), command };
    Ok(invoke::call(&call.config.lambda, "admin", &request).await?)
}

fn faults(adjustment: &Adjustment) -> Vec<FieldError> {
    let Adjustment { sale_id, delta, reason } = adjustment;
    let pieces = -bounds::STOCK_DELTA_MAX..=bounds::STOCK_DELTA_MAX;
    [
        (text::is_slug(sale_id), "/sale_id", "Use 1 to 64 of a-z, 0-9 and -, not beginning with -."),
        (*delta != 0 && pieces.contains(delta), "/delta", "Put in 1 to 10^9 pieces, or, below zero, take them out."),
    ]
    .into_iter()
    .filter(|(holds, ..)| !holds)
    .map(|(_, pointer, detail)| fault(pointer, detail))
    .chain(reason_fault(Some(reason)))
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

pub fn tell(outcome: AdminOutcome) -> Answered {
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
            return Ok(Answer::json(201, &sale).with("Location", location));
        }
        AdminOutcome::Sale { sale, created: false } => return Ok(Answer::json(200, &sale)),
        AdminOutcome::Stock { stock, replayed } => {
            let answer = Answer::json(200, &stock);
            return Ok(if replayed { answer.with("Idempotent-Replayed", "true") } else { answer });
        }
        AdminOutcome::Order { order, replayed } => {
            let answer = Answer::json(200, &order).versioned(order.version);
            return Ok(if replayed { answer.with("Idempotent-Replayed", "true") } else { answer });
        }
        AdminOutcome::Payments { payments, next } => {
            return Ok(Answer::json(200, &serde_json::json!({"payments": payments, "next": next})));
        }
        AdminOutcome::Report { report } => return Ok(Answer::json(200, &report)),
        AdminOutcome::Operated { .. } => Problem::unavailable().because("admin answered another question"),
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
            let sale = new_sale(crate::media::JSON, body.as_bytes());
            sale.map_or_else(|problem| Answer::from(problem).status, |_| 200)
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
            let sale = new_sale(crate::media::JSON, sale.as_bytes()).expect("a sale");
            payable(&sale, gateways.iter().copied()).map_err(|fault| (fault.pointer, fault.detail))
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
            faults(&adjustment).into_iter().map(|fault| fault.pointer).collect()
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
        let told = |outcome| {
            let answer = tell(outcome).unwrap_or_else(Answer::from);
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
        let fault = FieldError { pointer: "/name".to_owned(), detail: "Name it.".to_owned() };
        assert_eq!(told(AdminOutcome::Sale { sale: sale(), created: true }), (201, Some("/v1/sales/s".to_owned())));
        assert_eq!(told(AdminOutcome::Sale { sale: sale(), created: false }), (200, None));
        assert_eq!(told(AdminOutcome::Stock { stock: stock(), replayed: false }), (200, None));
        assert_eq!(told(AdminOutcome::Stock { stock: stock(), replayed: true }), (200, Some("true".to_owned())));
        assert_eq!(told(AdminOutcome::InvalidRequest { errors: vec![fault] }).0, 422);
        assert_eq!(told(AdminOutcome::NotFound { sku_id: None }).0, 404);
        assert_eq!(told(AdminOutcome::NotFound { sku_id: Some("a".to_owned()) }).0, 404);
        assert_eq!(told(AdminOutcome::AlreadyExists).0, 409);
        assert_eq!(told(AdminOutcome::IdempotencyKeyReused).0, 422);
        assert_eq!(told(AdminOutcome::SoldOut { sku_id: "a".to_owned(), available: 0 }).0, 409);
    }
}
