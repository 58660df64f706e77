//! Compares each gateway's own lists with our payments, in both directions, and settles or records what no webhook
//! reported (schema/routines/reconcile.sql). It works a page at a time; a finished page stays finished if the function dies.

use std::time::Instant;

use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use payments::{Entry, EntryDetail, ListPage, Listed};
use protocol::Trace;
use protocol::confirm::{ConfirmOutcome, PaymentHint};
use protocol::reconcile::Reconciled;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_postgres::types::{Json, Type};
use tracing::{info, warn};

use crate::payment::gateways::{GatewayClient, Gateways};
use crate::payment::{hints, recheck};
use crate::runtime::database::{Database, InfraError};
use crate::runtime::limits::{AT_ONCE_MAX, LIST_DEADLINE_MS, RECONCILE_LEASE_S, RECONCILE_LOOK};

/// The last part of every pass: our payments that no list contained.
const OURS: &str = "ours";

/// When passes run and how far they go back.
pub struct Settings {
    /// Seconds from the start of one pass to the start of the next.
    pub every_s: f64,
    /// How far back the lists go, in days.
    pub days: f64,
    /// RFC 3339; payments before it are not compared. None: all of them are.
    pub since: Option<String>,
}

/// A pass that this invocation has claimed, with its position.
#[derive(Deserialize)]
struct Pass {
    gateway: String,
    list: String,
    cursor: String,
    from_s: i64,
    until_s: i64,
}

#[derive(Deserialize)]
struct Ours {
    payment_ids: Vec<String>,
    looked: i64,
    next: Option<String>,
}

/// # Errors
/// The database cannot answer. A gateway that does not answer is tried again at growing intervals; the others do not
/// wait for it.
pub async fn run(
    database: &Database,
    gateways: &Gateways,
    how: &Settings,
    stop: Instant,
) -> Result<Reconciled, InfraError> {
    let names = gateways.names();
    let passes: Option<Vec<Pass>> = database
        .json(
            "select holdfast.claim_reconcile($1, $2, $3, $4, $5)",
            &[
                (&names.as_slice(), Type::TEXT_ARRAY),
                (&how.every_s, Type::FLOAT8),
                (&how.days, Type::FLOAT8),
                (&how.since, Type::TEXT),
                (&RECONCILE_LEASE_S, Type::INT4),
            ],
        )
        .await?;
    let passes = passes.unwrap_or_default().into_iter().map(|pass| go_on(database, gateways, pass, stop));
    let all: Result<Vec<Reconciled>, InfraError> = join_all(passes).await.into_iter().collect();
    Ok(all?.into_iter().fold(Reconciled::default(), Reconciled::and))
}

/// Works on one gateway's pass until it ends, the gateway fails, or the time is over.
async fn go_on(
    database: &Database,
    gateways: &Gateways,
    mut pass: Pass,
    stop: Instant,
) -> Result<Reconciled, InfraError> {
    let mut done = Reconciled::default();
    let Some(client) = gateways.client(&pass.gateway) else { return Ok(done) };
    loop {
        let order: Vec<&str> = client.api.lists().iter().copied().chain([OURS]).collect();
        let list = if pass.list.is_empty() { order[0] } else { pass.list.as_str() };
        let page = if list == OURS {
            ours(database, &pass).await?
        } else {
            theirs(database, gateways, client, &pass, list).await?
        };
        let Some(Page { looked, payment_ids, next }) = page else {
            done.failed += 1;
            return Ok(done);
        };
        if !settle_page(database, gateways, &pass, &payment_ids).await? {
            done.failed += 1;
            return Ok(done);
        }
        done.looked += u64::try_from(looked).unwrap_or(0);
        done.differed += payment_ids.len() as u64;
        let following = order.iter().position(|one| *one == list).and_then(|index| order.get(index + 1));
        let (to, cursor) = match (&next, following) {
            (Some(cursor), _) => (Some(list), cursor.as_str()),
            (None, following) => (following.copied(), ""),
        };
        let again = advance(database, &pass, to, cursor, (looked, payment_ids.len()), Instant::now() < stop).await?;
        let (Some(to), true) = (to, again) else {
            done.through += u64::from(to.is_none());
            return Ok(done);
        };
        (pass.list, pass.cursor) = (to.to_owned(), cursor.to_owned());
        if Instant::now() >= stop {
            return Ok(done);
        }
    }
}

/// The result of one page.
struct Page {
    looked: i64,
    /// Payments that differ or that we do not have.
    payment_ids: Vec<String>,
    next: Option<String>,
}

/// A page of one of the gateway's lists, compared with ours. None: the gateway does not answer.
async fn theirs(
    database: &Database,
    gateways: &Gateways,
    client: &GatewayClient,
    pass: &Pass,
    list: &str,
) -> Result<Option<Page>, InfraError> {
    let page = ListPage { list, from_s: pass.from_s, until_s: pass.until_s, cursor: &pass.cursor };
    let response = match gateways.send(client, &client.api.list(&page), LIST_DEADLINE_MS).await {
        Ok(response) => {
            gateways.record_slowed(database, client, &response).await?;
            client.api.listed(&page, &response.as_gateway_response())
        }
        Err(no_response) => Err(no_response.0),
    };
    let Listed { entries, unread, next } = match response {
        Ok(listed) => listed,
        Err(why) => {
            warn!(verb = "reconcile", gateway = client.name, list, %why, "a gateway does not list");
            let params = &[(&pass.gateway as _, Type::TEXT), (&why as _, Type::TEXT)];
            database.call("select holdfast.fail_reconcile($1, $2)", params).await?;
            return Ok(None);
        }
    };
    if unread > 0 {
        warn!(verb = "reconcile", gateway = client.name, list, unread, "entries that cannot be read are left out");
    }
    let looked = i64::try_from(entries.len()).unwrap_or(i64::MAX);
    // Test payments are not compared in a live shop.
    let real =
        |entry: &Entry| !matches!(&entry.detail, EntryDetail::Snapshot(snapshot) if gateways.live && !snapshot.live);
    let lines: Value = entries.iter().filter(|entry| real(entry)).map(line).collect();
    let differing: Option<Vec<String>> = database
        .json("select holdfast.compare_listed($1, $2)", &[(&pass.gateway, Type::TEXT), (&Json(&lines), Type::JSON)])
        .await?;
    Ok(Some(Page { looked, payment_ids: differing.unwrap_or_default(), next }))
}

/// An entry in the terms of schema/routines/reconcile.sql.
fn line(entry: &Entry) -> Value {
    let mut line = json!({"payment_id": entry.payment_id, "ours": payments::hold_id(&entry.hold_ref).is_some()});
    match &entry.detail {
        EntryDetail::Snapshot(snapshot) => {
            let (state, dispute, disputed) = recheck::facts(snapshot);
            let waits = snapshot.state == payments::State::Authorised;
            let asks = snapshot.disputed == payments::Disputed::NeedsLookup;
            line["told"] = json!({"state": if waits { "authorised" } else { state }, "amount": snapshot.amount,
                "refunded": snapshot.refunded, "currency": snapshot.currency,
                "dispute": if asks { Some("ask") } else { dispute }, "disputed_amount": disputed});
        }
        EntryDetail::Taken => line["told"] = json!({"state": "taken"}),
        EntryDetail::Disputed(dispute) => {
            line["told"] =
                json!({"state": "disputed", "dispute": dispute.state.name(), "disputed_amount": dispute.amount});
        }
        EntryDetail::Changed { at_s: Some(at_s) } => line["told"] = json!({"state": "changed", "at_s": at_s}),
        EntryDetail::Changed { at_s: None } => {}
    }
    line
}

/// Our payments that no list of this pass contained.
async fn ours(database: &Database, pass: &Pass) -> Result<Option<Page>, InfraError> {
    let params =
        &[(&pass.gateway as _, Type::TEXT), (&pass.cursor as _, Type::TEXT), (&RECONCILE_LOOK as _, Type::INT4)];
    let page: Option<Ours> = database.json("select holdfast.unlisted_payments($1, $2, $3)", params).await?;
    Ok(page.map(|Ours { payment_ids, looked, next }| Page { looked, payment_ids, next }))
}

/// Settles the differences of a page, and retries the lookups that failed. False: the page comes again later, because
/// its gateway fails or throttles.
async fn settle_page(
    database: &Database,
    gateways: &Gateways,
    pass: &Pass,
    payment_ids: &[String],
) -> Result<bool, InfraError> {
    let mut left = payment_ids.to_vec();
    for _ in 0..2 {
        left = settle_all(database, gateways, &pass.gateway, &left).await;
        if left.is_empty() {
            return Ok(true);
        }
        let why = format!("{} payments of a page could not be asked about", left.len());
        let params = &[
            (&pass.gateway as _, Type::TEXT),
            (&pass.list as _, Type::TEXT),
            (&pass.cursor as _, Type::TEXT),
            (&why as _, Type::TEXT),
        ];
        let stays: Option<bool> =
            database.json("select to_json(holdfast.stay_reconcile($1, $2, $3, $4))", params).await?;
        if stays.unwrap_or(false) {
            warn!(verb = "reconcile", gateway = pass.gateway, %why);
            return Ok(false);
        }
    }
    // It concerns these payments alone; the next pass finds them once more.
    Ok(true)
}

/// Settles each of them as if a webhook had come. Returns those that could not be looked up.
async fn settle_all(database: &Database, gateways: &Gateways, gateway: &str, payment_ids: &[String]) -> Vec<String> {
    let lookups = stream::iter(payment_ids).map(async |payment_id| {
        let (trace, gateway, payment_id) = (Trace::default(), gateway.to_owned(), payment_id.clone());
        let hint = PaymentHint { trace, gateway, payment_id, later: true, ..PaymentHint::default() };
        let outcome = hints::settle(database, gateways, &hint).await;
        let name = outcome.as_ref().map_or("broken", |settled| settled.outcome.name());
        match &outcome {
            Err(_) | Ok(protocol::confirm::Settled { outcome: ConfirmOutcome::Unreachable, .. }) => {
                warn!(verb = "reconcile", gateway = hint.gateway, payment_id = hint.payment_id, outcome = name);
                Some(hint.payment_id)
            }
            Ok(_) => {
                info!(verb = "reconcile", gateway = hint.gateway, payment_id = hint.payment_id, outcome = name);
                None
            }
        }
    });
    let all: Vec<Option<String>> = lookups.buffer_unordered(AT_ONCE_MAX).collect().await;
    all.into_iter().flatten().collect()
}

/// Moves the pass on. False: another invocation has claimed it.
async fn advance(
    database: &Database,
    pass: &Pass,
    to: Option<&str>,
    cursor: &str,
    (looked, differed): (i64, usize),
    goes_on: bool,
) -> Result<bool, InfraError> {
    let differed = i64::try_from(differed).unwrap_or(i64::MAX);
    let lease_s = if goes_on { RECONCILE_LEASE_S } else { 0 };
    let params = &[
        (&pass.gateway as _, Type::TEXT),
        (&pass.list as _, Type::TEXT),
        (&pass.cursor as _, Type::TEXT),
        (&to as _, Type::TEXT),
        (&cursor as _, Type::TEXT),
        (&looked as _, Type::INT8),
        (&differed as _, Type::INT8),
        (&lease_s as _, Type::INT4),
    ];
    let moved: Option<bool> =
        database.json("select to_json(holdfast.advance_reconcile($1, $2, $3, $4, $5, $6, $7, $8))", params).await?;
    Ok(moved.unwrap_or(false))
}
