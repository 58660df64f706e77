//! `confirm` takes a payment to its end: what a gateway signed is proven here, whoever calls; then the gateway is asked
//! (payment/confirm.rs, payment/flow.rs), and what was taken goes to T2 (schema/routines/confirm.sql). What needs no gateway is T2 at once
//! (schema/routines/pay.sql).

use std::time::Instant;

use functions::payment::gateways::Desk;
use functions::payment::webhook_secrets::WebhookSecrets;
use functions::payment::{confirm as payment, opening as opened, refund_account};
use functions::runtime::database::{Broken, Database, Param};
use functions::runtime::handler;
use lambda_runtime::Error;
use protocol::confirm::{Request, Settled};
use protocol::{opening, pay, refund};
use serde::{Deserialize, Serialize};
use tokio_postgres::types::Type;
use uuid::Uuid;

/// What T2 is called for.
#[derive(Deserialize)]
#[serde(untagged)]
enum Call {
    /// Of a buyer, who needs no gateway.
    Pay(pay::Request),
    /// Of a gateway.
    Confirm(Request),
}

/// To each kind of request its own.
#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    Paid(pay::Outcome),
    Settled(Settled),
    Opened(opening::Outcome),
    RefundTo(refund::AccountOutcome),
}

async fn answer(database: &Database, desk: &Desk, secrets: &WebhookSecrets, call: Call) -> Result<Answer, Broken> {
    match call {
        Call::Pay(request) => Ok(Answer::Paid(pay(database, &request).await?)),
        Call::Confirm(request) => confirm(database, desk, secrets, request).await,
    }
}

async fn pay(database: &Database, request: &pay::Request) -> Result<pay::Outcome, Broken> {
    let began = Instant::now();
    let hold_id = Uuid::parse_str(&request.hold_id).map_err(|_| Broken::misused("hold_id is not a UUID"))?;
    let method = request.pay_with.name();
    let params: [Param; 3] = [(&request.user_id, Type::TEXT), (&hold_id, Type::UUID), (&method, Type::TEXT)];
    let outcome: Option<pay::Outcome> = database.json("select holdfast.pay($1, $2, $3)", &params).await?;
    let outcome = outcome.ok_or_else(|| Broken::misused("the payment has no outcome"))?;
    handler::log_outcome("pay", &request.trace, outcome.name(), began);
    Ok(outcome)
}

async fn confirm(
    database: &Database,
    desk: &Desk,
    secrets: &WebhookSecrets,
    request: Request,
) -> Result<Answer, Broken> {
    let began = Instant::now();
    let (trace, settled) = match &request {
        Request::Signed(signed) => (&signed.trace, payment::settle_signed(database, desk, secrets, signed).await?),
        Request::Told(told) => (&told.trace, payment::settle(database, desk, told).await?),
        Request::Open(opening) => {
            let outcome = opened::open(database, desk, opening).await?;
            handler::log_outcome("open", &opening.trace, outcome.name(), began);
            return Ok(Answer::Opened(outcome));
        }
        Request::RefundTo(to) => {
            let outcome = refund_account::refund_to(database, desk, to).await?;
            handler::log_outcome("refund_to", &to.trace, outcome.name(), began);
            return Ok(Answer::RefundTo(outcome));
        }
    };
    handler::log_outcome("confirm", trace, settled.outcome.name(), began);
    Ok(Answer::Settled(settled))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    handler::log_as_json();
    let database = Database::from_env()?;
    let desk = Desk::from_env()?;
    let secrets = WebhookSecrets::from_env()?;
    handler::serve(async |call| answer(&database, &desk, &secrets, call).await).await
}
