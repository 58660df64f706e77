//! An operator's sales: creating one, opening and closing it, its report. The shape of a new sale is read here; its times
//! and its currency are judged by the `admin` function.

use protocol::admin::{Command, FieldError, NewSale, NewStatus, StatusChange};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::api::admin::deliveries::actor;
use crate::api::{admin, sales};
use crate::gate::forget::forget;
use crate::http::body::{self, Object};
use crate::http::context::{HandlerResult, RequestContext};
use crate::http::media_type::Media;
use crate::http::problem::{Problem, field_error};

pub async fn create(context: &mut RequestContext) -> HandlerResult {
    let bytes = context.bytes().await?;
    let sale = new_sale(context.media(), &bytes)?;
    payable(&sale, context.config.gateways()).map_err(|error| Problem::invalid(vec![error]))?;
    let (by, sale_id) = (actor(context, sale.reason.clone())?, sale.sale_id.clone());
    let answer = admin::run(context, Command::CreateSale { by, sale }).await?;
    sales::made(&sale_id);
    Ok(answer)
}

/// Whether a configured gateway takes the sale's currency: a sale that cannot be paid for is refused. The function
/// reports text that is no currency at all, with its other field errors.
fn payable<'a>(sale: &NewSale, gateways: impl Iterator<Item = &'a str>) -> Result<(), FieldError> {
    let currency = sale.currency.as_str();
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Ok(());
    }
    let mut taken = Vec::new();
    for gateway in gateways {
        if ::payments::unit(gateway, currency).is_some() {
            return Ok(());
        }
        taken.push(format!("{gateway} takes {}", ::payments::currencies(gateway)));
    }
    let taken = if taken.is_empty() { "none is configured".to_owned() } else { taken.join("; ") };
    Err(field_error("/currency", &format!("No gateway of this shop takes {currency}: {taken}.")))
}

pub async fn set_status(context: &mut RequestContext, sale_id: String) -> HandlerResult {
    let StatusChange { status, reason } = context.json().await?;
    let status = NewStatus::named(&status)
        .ok_or_else(|| Problem::invalid(vec![field_error("/status", "Set it to open, paused or closed.")]))?;
    let by = actor(context, reason)?;
    let answer = admin::run(context, Command::SetStatus { by, sale_id: sale_id.clone(), status }).await?;
    forget(context, &sale_id).await;
    Ok(answer)
}

pub async fn report(context: &RequestContext, sale_id: String) -> HandlerResult {
    admin::run(context, Command::Report { sale_id }).await
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::response::Response;

    #[test]
    fn the_edge_checks_a_sales_shape_and_the_function_checks_its_values() {
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
    fn a_currency_without_a_gateway_is_refused_by_name() {
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
}
