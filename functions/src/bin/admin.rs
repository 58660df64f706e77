//! `admin` (schema/routines/admin.sql): what an operator does on the day of the sale.

use std::time::Instant;

use functions::admin::request::{fingerprint, uuid};
use functions::admin::settings::Settings;
use functions::admin::{deliveries, new_sale};
use functions::runtime::database::{Database, InfraError};
use functions::runtime::handler;
use functions::runtime::limits::PAYMENTS_LOOK_MAX;
use lambda_runtime::Error;
use protocol::admin::{Adjustment, AdminOutcome, AdminRequest, Command, NewSale};
use protocol::deliveries::Actor;
use protocol::orders::NextStatus;
use protocol::payments::PaymentPage;
use tokio_postgres::types::{Json, Type};

async fn create_sale(database: &Database, by: &Actor, sale: NewSale) -> Result<Option<AdminOutcome>, InfraError> {
    let sale = match new_sale::checked(sale) {
        Ok(sale) => sale,
        Err(errors) => return Ok(Some(AdminOutcome::InvalidRequest { errors })),
    };
    // Of the checked body, defaults included: the same sale written differently is the same sale.
    let created_from = fingerprint(&sale)?;
    database
        .json(
            "select holdfast.create_sale($1, $2, $3)",
            &[(&Json(by), Type::JSON), (&Json(&sale), Type::JSON), (&created_from, Type::BYTEA)],
        )
        .await
}

async fn adjust_stock(
    database: &Database,
    mut by: Actor,
    sku_id: &str,
    idem_key: &str,
    adjustment: Adjustment,
) -> Result<Option<AdminOutcome>, InfraError> {
    let fingerprint = fingerprint(&(sku_id, &adjustment))?;
    by.reason = Some(adjustment.reason);
    database
        .json(
            "select holdfast.adjust_stock($1, $2, $3, $4, $5, $6)",
            &[
                (&Json(&by), Type::JSON),
                (&adjustment.sale_id, Type::TEXT),
                (&sku_id, Type::TEXT),
                (&adjustment.delta, Type::INT8),
                (&idem_key, Type::TEXT),
                (&fingerprint, Type::BYTEA),
            ],
        )
        .await
}

async fn cancel_order(
    database: &Database,
    by: &Actor,
    idem_key: &str,
    order_id: &str,
) -> Result<Option<AdminOutcome>, InfraError> {
    let fingerprint = fingerprint(&("cancel", order_id, &by.reason))?;
    let order_id = uuid(order_id)?;
    database
        .json(
            "select holdfast.cancel_order($1, $2, $3, $4)",
            &[(&Json(by), Type::JSON), (&idem_key, Type::TEXT), (&fingerprint, Type::BYTEA), (&order_id, Type::UUID)],
        )
        .await
}

async fn change_order(
    database: &Database,
    by: &Actor,
    order_id: &str,
    next: &NextStatus,
) -> Result<Option<AdminOutcome>, InfraError> {
    let (order_id, status) = (uuid(order_id)?, next.status.name());
    database
        .json(
            "select holdfast.change_order($1, $2, $3, $4, $5, $6)",
            &[
                (&Json(by), Type::JSON),
                (&order_id, Type::UUID),
                (&next.version, Type::INT8),
                (&status, Type::TEXT),
                (&next.tracking, Type::TEXT),
                (&next.restock, Type::BOOL),
            ],
        )
        .await
}

async fn list_payments(database: &Database, page: &PaymentPage) -> Result<Option<AdminOutcome>, InfraError> {
    let (sql, from) = match page.after {
        Some(after) => ("select holdfast.payment_page($1, $2, $3, $4)", Some(after)),
        None => ("select holdfast.newest_payments($1, $2, $3, $4)", page.before),
    };
    database
        .json(
            sql,
            &[
                (&page.state, Type::TEXT),
                (&from, Type::INT8),
                (&page.limit, Type::INT4),
                (&PAYMENTS_LOOK_MAX, Type::INT4),
            ],
        )
        .await
}

async fn admin(database: &Database, settings: &Settings, request: AdminRequest) -> Result<AdminOutcome, InfraError> {
    let began = Instant::now();
    let outcome = match request.command {
        Command::CreateSale { by, sale } => create_sale(database, &by, sale).await?,
        Command::SetStatus { by, sale_id, status } => {
            let status = status.name();
            let by = Json(&by);
            let params = [(&by as _, Type::JSON), (&sale_id as _, Type::TEXT), (&status as _, Type::TEXT)];
            database.json("select holdfast.set_sale_status($1, $2, $3)", &params).await?
        }
        Command::AdjustStock { by, sku_id, idem_key, adjustment } => {
            adjust_stock(database, by, &sku_id, &idem_key, adjustment).await?
        }
        Command::Operate { operation } => {
            Some(AdminOutcome::Operated { operated: deliveries::run(database, settings, operation).await? })
        }
        Command::CancelOrder { by, idem_key, order_id } => cancel_order(database, &by, &idem_key, &order_id).await?,
        Command::ChangeOrder { by, order_id, next } => change_order(database, &by, &order_id, &next).await?,
        Command::Order { order_id } => {
            let order_id = uuid(&order_id)?;
            database.json("select holdfast.order_of($1)", &[(&order_id, Type::UUID)]).await?
        }
        Command::ListPayments { page } => list_payments(database, &page).await?,
        Command::Report { sale_id } => database.json("select holdfast.report($1)", &[(&sale_id, Type::TEXT)]).await?,
    };
    let outcome = outcome.unwrap_or(AdminOutcome::NotFound { sku_id: None });
    handler::log_outcome("admin", &request.trace, outcome.name(), began);
    Ok(outcome)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    handler::log_as_json();
    let database = Database::from_env()?;
    let settings = Settings::from_env()?;
    handler::serve(async |request| admin(&database, &settings, request).await).await
}
