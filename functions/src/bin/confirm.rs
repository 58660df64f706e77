//! `confirm` settles payments: it verifies webhooks itself, whatever its caller, looks payments up at the gateway
//! (payment/hints.rs, payment/confirm.rs, payment/flow.rs) and records what was captured (T2,
//! schema/routines/confirm.sql). A payment without a gateway goes to T2 at once (schema/routines/pay.sql).

use std::time::Instant;

use functions::payment::gateways::Gateways;
use functions::payment::proof::ProofKeys;
use functions::payment::webhook_secrets::WebhookSecrets;
use functions::payment::{hints, opening as opened, refund_account};
use functions::runtime::database::{Database, InfraError, Param};
use functions::runtime::handler;
use lambda_runtime::Error;
use protocol::confirm::{ConfirmRequest, Settled};
use protocol::proven::{Personal, Proven};
use protocol::{opening, pay, refund};
use serde::{Deserialize, Serialize};
use tokio_postgres::types::Type;
use uuid::Uuid;

/// The requests that this function takes.
#[derive(Deserialize)]
#[serde(untagged)]
enum Request {
    /// Of a person, proven by the Worker.
    Proven(Proven),
    /// A payment at a gateway.
    Confirm(Box<ConfirmRequest>),
}

/// The response to each kind of request.
#[derive(Serialize)]
#[serde(untagged)]
enum Response {
    Paid(pay::PayOutcome),
    Settled(Settled),
    Opened(opening::OpenPaymentOutcome),
    RefundTo(refund::AccountOutcome),
}

async fn route(
    database: &Database,
    gateways: &Gateways,
    secrets: &WebhookSecrets,
    keys: &ProofKeys,
    request: Request,
) -> Result<Response, InfraError> {
    match request {
        Request::Proven(request) => match keys.open(&request)? {
            Personal::Pay(request) => Ok(Response::Paid(pay(database, &request).await?)),
            Personal::RefundTo(request) => Ok(Response::RefundTo(refund_to(database, gateways, &request).await?)),
            Personal::Payment(request) => {
                let began = Instant::now();
                let settled = hints::settle_of_buyer(database, gateways, &request).await?;
                handler::log_outcome("confirm", &request.trace, settled.outcome.name(), began);
                Ok(Response::Settled(settled))
            }
        },
        Request::Confirm(request) => confirm(database, gateways, secrets, *request).await,
    }
}

async fn pay(database: &Database, request: &pay::PayRequest) -> Result<pay::PayOutcome, InfraError> {
    let began = Instant::now();
    let hold_id = Uuid::parse_str(&request.hold_id).map_err(|_| InfraError::misuse("hold_id is not a UUID"))?;
    let method = request.pay_with.name();
    let params: [Param; 3] = [(&request.user_id, Type::TEXT), (&hold_id, Type::UUID), (&method, Type::TEXT)];
    let outcome: Option<pay::PayOutcome> = database.json("select holdfast.pay($1, $2, $3)", &params).await?;
    let outcome = outcome.ok_or_else(|| InfraError::misuse("the payment has no outcome"))?;
    handler::log_outcome("pay", &request.trace, outcome.name(), began);
    Ok(outcome)
}

async fn refund_to(
    database: &Database,
    gateways: &Gateways,
    request: &refund::RefundTo,
) -> Result<refund::AccountOutcome, InfraError> {
    let began = Instant::now();
    let outcome = refund_account::refund_to(database, gateways, request).await?;
    handler::log_outcome("refund_to", &request.trace, outcome.name(), began);
    Ok(outcome)
}

async fn confirm(
    database: &Database,
    gateways: &Gateways,
    secrets: &WebhookSecrets,
    request: ConfirmRequest,
) -> Result<Response, InfraError> {
    let began = Instant::now();
    let (trace, settled) = match &request {
        ConfirmRequest::Signed(signed) => {
            (&signed.trace, hints::settle_signed(database, gateways, secrets, signed).await?)
        }
        ConfirmRequest::Hint(hint) => (&hint.trace, hints::settle(database, gateways, hint).await?),
        ConfirmRequest::Open(opening) => {
            let outcome = opened::open(database, gateways, opening).await?;
            handler::log_outcome("open", &opening.trace, outcome.name(), began);
            return Ok(Response::Opened(outcome));
        }
    };
    handler::log_outcome("confirm", trace, settled.outcome.name(), began);
    Ok(Response::Settled(settled))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    handler::log_as_json();
    let database = Database::from_env()?;
    let gateways = Gateways::from_env()?;
    let secrets = WebhookSecrets::from_env()?;
    let keys = ProofKeys::from_env();
    handler::serve(async |request| route(&database, &gateways, &secrets, &keys, request).await).await
}
