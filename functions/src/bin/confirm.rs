//! `confirm` takes a payment to its end: what a gateway signed is proven here, whoever calls; then the gateway is asked
//! (payment.rs, settle.rs), and what was taken goes to T2 (schema/confirm.sql). What needs no gateway is T2 at once
//! (schema/pay.sql).

use std::time::Instant;

use functions::database::{Broken, Database, Param};
use functions::desk::Desk;
use functions::webhooks::WebhookSecrets;
use functions::{payment, run};
use lambda_runtime::Error;
use serde::{Deserialize, Serialize};
use tokio_postgres::types::Type;
use uuid::Uuid;
use wire::confirm::{Request, Settled};
use wire::pay;

/// What T2 is called for.
#[derive(Deserialize)]
#[serde(untagged)]
enum Call {
    /// Of a buyer, who needs no gateway.
    Pay(pay::Request),
    /// Of a gateway.
    Confirm(Request),
}

#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    Paid(pay::Outcome),
    Confirmed(Settled),
}

async fn answer(database: &Database, desk: &Desk, secrets: &WebhookSecrets, call: Call) -> Result<Answer, Broken> {
    match call {
        Call::Pay(request) => Ok(Answer::Paid(pay(database, &request).await?)),
        Call::Confirm(request) => Ok(Answer::Confirmed(confirm(database, desk, secrets, request).await?)),
    }
}

async fn pay(database: &Database, request: &pay::Request) -> Result<pay::Outcome, Broken> {
    let began = Instant::now();
    let hold_id = Uuid::parse_str(&request.hold_id).map_err(|_| Broken::misused("hold_id is not a UUID"))?;
    let method = request.pay_with.name();
    let params: [Param; 3] = [(&request.user_id, Type::TEXT), (&hold_id, Type::UUID), (&method, Type::TEXT)];
    let outcome: Option<pay::Outcome> = database.json("select holdfast.pay($1, $2, $3)", &params).await?;
    let outcome = outcome.ok_or_else(|| Broken::misused("the payment has no outcome"))?;
    run::log_outcome("pay", &request.trace, outcome.name(), began);
    Ok(outcome)
}

async fn confirm(
    database: &Database,
    desk: &Desk,
    secrets: &WebhookSecrets,
    request: Request,
) -> Result<Settled, Broken> {
    let began = Instant::now();
    let (trace, settled) = match &request {
        Request::Signed(signed) => (&signed.trace, payment::settle_signed(database, desk, secrets, signed).await?),
        Request::Told(told) => (&told.trace, payment::settle(database, desk, told).await?),
    };
    run::log_outcome("confirm", trace, settled.outcome.name(), began);
    Ok(settled)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run::log_as_json();
    let database = Database::from_env()?;
    let desk = Desk::from_env()?;
    let secrets = WebhookSecrets::from_env()?;
    run::serve(async |call| answer(&database, &desk, &secrets, call).await).await
}
