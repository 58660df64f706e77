//! An operator puts stock of a SKU in, or takes it out.

use protocol::admin::{Adjustment, Command, FieldError};

use crate::api::admin;
use crate::api::admin::deliveries::{actor, reason_error};
use crate::gate::forget::forget;
use crate::http::context::{HandlerResult, RequestContext};
use crate::http::problem::{Problem, field_error};
use crate::http::{idempotency, text};
use crate::runtime::limits;

pub async fn adjust(context: &mut RequestContext, sku_id: String) -> HandlerResult {
    let adjustment: Adjustment = context.json().await?;
    let errors = field_errors(&adjustment);
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let idem_key = idempotency::key(context.header("Idempotency-Key"))?;
    let (by, sale_id) = (actor(context, Some(adjustment.reason.clone()))?, adjustment.sale_id.clone());
    let answer = admin::run(context, Command::AdjustStock { by, sku_id, idem_key, adjustment }).await?;
    forget(context, &sale_id).await;
    Ok(answer)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adjustment_needs_a_delta_and_a_reason() {
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
}
