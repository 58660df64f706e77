//! `lookup` (schema/routines/lookup.sql, rankings.sql): everything that only reads.

use std::time::Instant;

use functions::runtime::database::{Database, InfraError};
use functions::runtime::limits::{HOLDERS_FOR_MS, LISTS_LOOK_MAX};
use functions::runtime::{config, handler};
use lambda_runtime::Error;
use protocol::lookup::{HOLDERS_MAX, LookupOutcome, LookupRequest, Page, Question};
use protocol::ranking::Ranking;
use protocol::shop::HoldStatus;
use serde::de::DeserializeOwned;
use tokio_postgres::types::Type;
use uuid::Uuid;

async fn answer(database: &Database, early_release: bool, question: Question) -> Result<LookupOutcome, InfraError> {
    let id = |id: &str| Uuid::parse_str(id).map_err(|_| InfraError::misuse("an id is not a UUID"));
    let outcome = match question {
        Question::Hold { user_id, hold_id } => database
            .json(
                "call holdfast.look_up_hold($1, $2, $3, null)",
                &[(&user_id, Type::TEXT), (&id(&hold_id)?, Type::UUID), (&early_release, Type::BOOL)],
            )
            .await?
            .map(|hold| LookupOutcome::Hold { hold }),
        Question::Order { user_id, order_id } => database
            .json("select holdfast.look_up_order($1, $2)", &[(&user_id, Type::TEXT), (&id(&order_id)?, Type::UUID)])
            .await?
            .map(|order| LookupOutcome::Order { order }),
        Question::OrderOfHold { user_id, hold_id } => database
            .json(
                "select holdfast.look_up_order_of_hold($1, $2)",
                &[(&user_id, Type::TEXT), (&id(&hold_id)?, Type::UUID)],
            )
            .await?
            .map(|order| LookupOutcome::Order { order }),
        Question::Holds { user_id, status, page } => {
            let (status, before) = (status.map(HoldStatus::name), before(&page)?);
            database
                .json(
                    "call holdfast.look_up_holds($1, $2, $3, $4, $5, $6, $7, null)",
                    &[
                        (&user_id, Type::TEXT),
                        (&page.sale_id, Type::TEXT),
                        (&status, Type::TEXT),
                        (&before, Type::UUID),
                        (&page.limit, Type::INT4),
                        (&LISTS_LOOK_MAX, Type::INT4),
                        (&early_release, Type::BOOL),
                    ],
                )
                .await?
        }
        Question::Orders { user_id, page } => {
            let before = before(&page)?;
            database
                .json(
                    "select holdfast.look_up_orders($1, $2, $3, $4, $5)",
                    &[
                        (&user_id, Type::TEXT),
                        (&page.sale_id, Type::TEXT),
                        (&before, Type::UUID),
                        (&page.limit, Type::INT4),
                        (&LISTS_LOOK_MAX, Type::INT4),
                    ],
                )
                .await?
        }
        Question::Sale { sale_id } => database
            .json("select holdfast.look_up_sale($1)", &[(&sale_id, Type::TEXT)])
            .await?
            .map(|sale| LookupOutcome::Sale { sale }),
        Question::Sales => {
            database.json("select holdfast.look_up_sales()", &[]).await?.map(|sales| LookupOutcome::Sales { sales })
        }
        Question::SkuRanking { window } => {
            ranking(database, window.name()).await?.map(|ranking| LookupOutcome::SkuRanking { ranking })
        }
        Question::SaleRanking => {
            ranking(database, "sales").await?.map(|ranking| LookupOutcome::SaleRanking { ranking })
        }
        Question::Holders { sale_id, shard, shards, key } => {
            Some(holders(database, &sale_id, (shard, shards), &key).await?)
        }
    };
    Ok(outcome.unwrap_or(LookupOutcome::NotFound))
}

async fn ranking<T: DeserializeOwned>(database: &Database, name: &str) -> Result<Option<Ranking<T>>, InfraError> {
    database.json("select holdfast.look_up_ranking($1)", &[(&name, Type::TEXT)]).await
}

fn before(page: &Page) -> Result<Option<Uuid>, InfraError> {
    let id = |id: &String| Uuid::parse_str(id).map_err(|_| InfraError::misuse("an id is not a UUID"));
    page.before.as_ref().map(id).transpose()
}

/// Holds granted meanwhile are known to the calling Gate: it granted them.
async fn holders(
    database: &Database,
    sale_id: &str,
    (shard, shards): (u64, u64),
    key: &str,
) -> Result<LookupOutcome, InfraError> {
    let key = hex::decode(key).map_err(|_| InfraError::misuse("the key is not hexadecimal"))?;
    let number = |number: u64| i64::try_from(number).map_err(|_| InfraError::misuse("a shard is out of bounds"));
    let (shard, shards) = (number(shard)?, number(shards.max(1))?);
    let rows = database
        .call(
            "select o_users, o_complete from holdfast.tell_holders($1, $2, $3, $4, $5, $6)",
            &[
                (&sale_id, Type::TEXT),
                (&key, Type::BYTEA),
                (&shard, Type::INT8),
                (&shards, Type::INT8),
                (&(HOLDERS_MAX as i32), Type::INT4),
                (&HOLDERS_FOR_MS, Type::INT4),
            ],
        )
        .await?;
    let row = rows.first().ok_or_else(|| InfraError::misuse("the call returned no row"))?;
    let users = row.try_get::<_, Vec<i64>>(0)?.into_iter().map(i64::unsigned_abs).collect();
    Ok(LookupOutcome::Holders { users, complete: row.try_get(1)? })
}

async fn lookup(database: &Database, early_release: bool, request: LookupRequest) -> Result<LookupOutcome, InfraError> {
    let began = Instant::now();
    let outcome = answer(database, early_release, request.question).await?;
    handler::log_outcome("lookup", &request.trace, outcome.name(), began);
    Ok(outcome)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    handler::log_as_json();
    let database = Database::from_env()?;
    let early_release = config::early_release()?;
    handler::serve(async |request| lookup(&database, early_release, request).await).await
}
