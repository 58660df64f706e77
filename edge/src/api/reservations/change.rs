//! `PATCH /v1/reservations/{hold_id}`: a buyer changes the lines of a hold.

use protocol::change::{ChangeOutcome, ChangeRequest, Own};
use protocol::release::GiveBack;
use protocol::shop::Line;
use serde::Deserialize;

use crate::api::reservations::reserve::line_errors;
use crate::gate::answer;
use crate::gate::forget::forget;
use crate::http::body::Object;
use crate::http::context::{HandlerResult, RequestContext};
use crate::http::if_match;
use crate::http::problem::{Code, Problem};
use crate::http::response::Response;
use crate::lambda::invoke;

/// The body: what the hold is to have.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Lines {
    #[cfg_attr(test, schemars(with = "Vec<Line>"))]
    items: Vec<Object<Line>>,
}

pub async fn change(context: &mut RequestContext, hold_id: String) -> HandlerResult {
    let user_id = context.user_id()?;
    let Lines { items } = context.json().await?;
    let version = if_match::version(context.header("If-Match"))?;
    let items: Vec<Line> = items.into_iter().map(|Object(line)| line).collect();
    let errors = line_errors(items.iter());
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let version = if_match::required(version)?;
    let request = GiveBack::Lines(ChangeRequest { trace: context.trace.clone(), user_id, hold_id, version, items });
    let outcome: ChangeOutcome = invoke::call(&context.config.lambda, "release", &request).await?;
    if let ChangeOutcome::Own(Own::Changed { hold, returned: true }) = &outcome {
        forget(context, &hold.sale_id).await;
    }
    into_response(outcome)
}

fn into_response(outcome: ChangeOutcome) -> HandlerResult {
    Err(match outcome {
        ChangeOutcome::Own(Own::NoSuchHold) => Problem::not_found(),
        ChangeOutcome::Own(Own::HoldNotActive { hold_status }) => {
            Problem::new(Code::HoldNotActive, "It can be changed only while it is held and not being paid.")
                .with("hold_status", serde_json::json!(hold_status))
        }
        ChangeOutcome::Own(Own::PreconditionFailed { version }) => if_match::failed(version),
        ChangeOutcome::Own(Own::Changed { hold, .. }) => return Ok(Response::json(200, &hold).versioned(hold.version)),
        ChangeOutcome::Refused(outcome) => return Ok(answer::into_response(*outcome)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::reserve::ReserveOutcome;
    use protocol::shop::HoldStatus;

    #[test]
    fn outcomes_map_to_the_contracts_responses() {
        let answered = |outcome| {
            let answer = into_response(outcome).unwrap_or_else(Response::from);
            (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
        };
        let sold_out = ReserveOutcome::SoldOut { sku_id: "a".to_owned(), available: 1, max_per_user: 2, for_ms: 0 };
        for (outcome, status, member) in [
            (ChangeOutcome::Own(Own::NoSuchHold), 404, r#""code":"not_found""#),
            (
                ChangeOutcome::Own(Own::HoldNotActive { hold_status: HoldStatus::Expired }),
                409,
                r#""hold_status":"EXPIRED""#,
            ),
            (ChangeOutcome::Own(Own::PreconditionFailed { version: 2 }), 412, r#""version":2"#),
            (ChangeOutcome::Refused(Box::new(sold_out)), 409, r#""code":"sold_out","available":1,"sku_id":"a""#),
        ] {
            let (found, body) = answered(outcome);
            assert!(found == status && body.contains(member), "{found} {body}");
        }
        let hold = protocol::shop::Hold { version: 3, ..crate::gate::testing::hold("h") };
        let changed = ChangeOutcome::Own(Own::Changed { hold: Box::new(hold), returned: false });
        let changed = into_response(changed).unwrap_or_else(Response::from);
        assert_eq!((changed.status, changed.header("ETag")), (200, Some("\"3\"")));
    }
}
