//! What Postgres does inside each call, statement by statement, with history behind it: `EXPLAIN (ANALYZE, BUFFERS)` of
//! the statements as the functions run them, and of those that stand on an index, once more without it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use functions::reservations;
use futures_util::{StreamExt as _, stream};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Row};
use uuid::Uuid;

use super::ask::{Ask, Crowd};
use super::call::batch;
use super::place::Place;

/// What these plans taught, at the head of what is written.
const LEARNED: &str = "\
Every statement of T1, T2, T3, release, the lookups and the report, with history behind it: cargo dev bench plans

What was learned:

1. A plan is kept while its tables grow. A connection plans on the tables as they are, and a sale begins with empty ones.
   There the cheapest way to three rows is to read all of them, and it stays the plan when there are millions. So the
   functions' roles (roles.sql) plan by the shape of a query alone: no scan of a table, no join that reads one whole, no
   bitmap, one plan for every call.
2. That is not enough: an index can be read from one end to the other, too. `status = 'HOLD'` is what the partial index of
   live holds promises, so on empty tables it was taken in place of the primary key, and a release read everybody's live
   holds to find its own. Where rows are known by their key they are looked up in a subquery of its own (offset 0) and then
   taken by their place (expire.sql): no other plan is possible.
3. The same for joins: deleting a thousand active holds went through all active holds of the sale and compared a million
   pairs. With 2 and 3 mended a sweep of 200 000 holds went from 10 000 a second to more than 20 000.
4. clock_timestamp() moves, so no index can end there: `expire_at <= clock_timestamp()` read the index of live holds to its
   end, at each sweep and at each 'sold out'. Put into a variable first, it is where the index ends.
5. What a CASE does not reach is not looked up; what a lateral join computes is, even if its condition fails afterwards: a
   batch of users without any row cost three lookups a line (reserve.sql).
6. A report wants one sale of a table that grows by sales: a block range index finds it and costs a reservation nothing that
   could be measured (V2__by_sale.sql).
7. EXISTS in an expression, and not in a WHERE, may be answered by a table that is read whole once and hashed; on empty tables
   that is the cheaper plan. A batch read every key. `(select true from ... )` is looked up row by row (reserve.sql).
8. On an empty table every index looks as good as the key. One on payment that began with the gateway was taken to find one
   payment, and read all of its gateway's (V16__reconciled.sql).

The tables, then call by call what runs inside; at the end the same without the index that it stands on.

";

/// Plans are reported to the session that requests them, nested statements too; the sixth call and later ones run the
/// kept plan.
const EXPLAINING: &str = "load 'auto_explain';
    set auto_explain.log_min_duration = 0; set auto_explain.log_analyze = on; set auto_explain.log_buffers = on;
    set auto_explain.log_timing = on; set auto_explain.log_parameter_max_length = 0; set auto_explain.log_nested_statements = on; set auto_explain.log_level = notice;
    set client_min_messages = notice";

/// One call, an index that it stands on, and how that is taken away. Those by which a call detects a conflict (`on
/// conflict on constraint`) cannot be.
const STANDS_ON: [(&str, &str, &str); 6] = [
    (
        "T1, a key that was used",
        "idempotency_pkey",
        "alter table holdfast.idempotency drop constraint idempotency_pkey",
    ),
    ("T1, lapsed holds in the way", "reservation_hold_to_expire", "drop index holdfast.reservation_hold_to_expire"),
    (
        "T2, the hold and its lines",
        "reservation_hold_pkey",
        "alter table holdfast.reservation_hold drop constraint reservation_hold_pkey cascade",
    ),
    ("T3, what is to be swept", "reservation_hold_to_expire", "drop index holdfast.reservation_hold_to_expire"),
    (
        "release",
        "reservation_hold_item_pkey",
        "alter table holdfast.reservation_hold_item drop constraint reservation_hold_item_pkey",
    ),
    (
        "lookup of a hold's order",
        "orders_one_per_hold",
        "alter table holdfast.orders drop constraint orders_one_per_hold",
    ),
];

/// One statement as it was run.
#[derive(Clone)]
struct Run {
    statement: String,
    plan: String,
}

struct Session {
    client: Client,
    told: Arc<Mutex<Vec<Run>>>,
    /// Holds of the sale `drop` that a call may end.
    holds: Vec<(Uuid, String)>,
}

/// All of it as text.
///
/// # Errors
/// A call fails.
pub async fn explain(place: &Place) -> anyhow::Result<String> {
    place.owner.batch_execute("call bench.fill('drop', 5000, 'HOLD', '0', '1 hour')").await?;
    place.owner.batch_execute("call bench.fill('drop', 3000, 'HOLD', '10 min', '5 min')").await?;
    place.owner.batch_execute("analyze").await?;
    let mut session = Session::open(place).await?;
    let mut text = format!("{LEARNED}{}\n", session.rows().await?);
    for name in [
        "T1",
        "T1, lapsed holds in the way",
        "T2",
        "T3",
        "release",
        "lookup of a hold",
        "lookup of a hold's order",
        "report",
    ] {
        session.plan_as(name).await?;
        // Until PL/pgSQL has settled for a plan that serves every call.
        for _ in 0..6 {
            session.call(name).await?;
        }
        text += &format!("\n\n======== {name}\n");
        for run in session.runs(name).await? {
            text += &format!("\n{}\n\n{}\n", run.statement, run.plan);
        }
    }
    for (name, index, without) in STANDS_ON {
        session.plan_as(name).await?;
        let with = session.runs(name).await?;
        session.client.batch_execute(&format!("begin; {without}")).await?;
        let bare = session.runs(name).await?;
        session.client.batch_execute("rollback").await?;
        text += &format!("\n\n======== {name}: {without}\n");
        for run in with.iter().filter(|run| run.plan.contains(index)) {
            let after = bare.iter().find(|known| known.statement == run.statement);
            let after = after.map_or("(it is not run then)", |known| &known.plan);
            text += &format!("\n{}\n\nwith:\n{}\nwithout:\n{after}\n", run.statement, run.plan);
        }
    }
    Ok(text)
}

impl Session {
    async fn open(place: &Place) -> anyhow::Result<Self> {
        let (client, mut connection) = tokio_postgres::connect(&place.url, tokio_postgres::NoTls).await?;
        let told = Arc::new(Mutex::new(Vec::new()));
        let telling = Arc::clone(&told);
        tokio::spawn(async move {
            let mut messages = stream::poll_fn(move |context| connection.poll_message(context));
            while let Some(Ok(message)) = messages.next().await {
                let AsyncMessage::Notice(notice) = message else { continue };
                if let Some(run) = Run::of(notice.message()) {
                    telling.lock().unwrap_or_else(PoisonError::into_inner).push(run);
                }
            }
        });
        let sql = "select hold_id, user_id from holdfast.reservation_hold where sale_id = 'drop' and status = 'HOLD'
                   and expire_at > clock_timestamp() order by hold_id desc limit 1000";
        let holds = place.owner.query(sql, &[]).await?.iter().map(|row| (row.get(0), row.get(1))).collect();
        Ok(Self { client, told, holds })
    }

    /// Has the owner's plans made by the settings of the role whose call it is; the role itself may not explain.
    async fn plan_as(&self, name: &str) -> anyhow::Result<()> {
        let role = match name {
            t1 if t1.starts_with("T1") => "holdfast_reserve",
            t2 if t2.starts_with("T2") => "holdfast_confirm",
            t3 if t3.starts_with("T3") => "holdfast_expire",
            "release" => "holdfast_release",
            "report" => "holdfast_admin",
            _ => "holdfast_lookup",
        };
        self.client.batch_execute("reset all").await?;
        self.client.batch_execute("discard plans").await?;
        let sql = "select format('set %s = %L', split_part(s, '=', 1), split_part(s, '=', 2))
                   from pg_db_role_setting d, unnest(d.setconfig) as s
                   where d.setrole = $1::text::regrole and d.setdatabase = 0 and s !~ '_timeout='";
        for row in self.client.query(sql, &[&role]).await? {
            self.client.batch_execute(row.get(0)).await?;
        }
        Ok(self.client.batch_execute(EXPLAINING).await?)
    }

    /// How large it all is.
    async fn rows(&self) -> anyhow::Result<String> {
        let sql = "select string_agg(format('%-24s %10s rows  %s', relname, to_char(reltuples, 'FM999999999'),
                       pg_size_pretty(pg_total_relation_size(oid))), E'\\n' order by relname)
                   from pg_class where relnamespace = 'holdfast'::regnamespace and relkind = 'r'";
        Ok(self.client.query_one(sql, &[]).await?.get(0))
    }

    async fn runs(&mut self, name: &str) -> anyhow::Result<Vec<Run>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.call(name).await?;
        let told = std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner));
        // What runs once for each of a batch is shown once.
        let mut seen = BTreeSet::new();
        Ok(told.into_iter().filter(|run| seen.insert(run.statement.clone())).collect())
    }

    async fn call(&mut self, name: &str) -> anyhow::Result<()> {
        let client = &self.client;
        let mut hold = || self.holds.pop().context("there are holds enough");
        let done = match name {
            "T1" => self.reserve(100).await,
            "T1, a key that was used" => self.reserve(2).await,
            "T1, lapsed holds in the way" => {
                let asks = Crowd::new(1).asks(100);
                let (users, skus) = users_and_skus(&asks);
                let line_of: Vec<i32> = (1..=100).collect();
                let sql = "select holdfast.reclaim_lapsed('drop', $1, $2, $3, array_fill(1, array[100]))";
                let params: [(&(dyn ToSql + Sync), Type); 3] =
                    [(&users, Type::TEXT_ARRAY), (&line_of, Type::INT4_ARRAY), (&skus, Type::TEXT_ARRAY)];
                client.query_typed(sql, &params).await
            }
            "T2" | "T2, the hold and its lines" => {
                let (id, user) = hold()?;
                let sql = "select holdfast.confirm('standard', 'pay_' || $1, $1::text, $1, $2, 150000, 'KRW')";
                client.query_typed(sql, &[(&id, Type::UUID), (&user, Type::TEXT)]).await
            }
            "T3" | "T3, what is to be swept" => client.query_typed("select holdfast.expire(100)", &[]).await,
            "release" => {
                let (id, user) = hold()?;
                client.query_typed("select holdfast.release($2, $1)", &[(&id, Type::UUID), (&user, Type::TEXT)]).await
            }
            "lookup of a hold" => {
                let (id, user) = hold()?;
                client.query_typed("select holdfast.read_hold($2, $1)", &[(&id, Type::UUID), (&user, Type::TEXT)]).await
            }
            "lookup of a hold's order" => {
                let (id, user) = hold()?;
                let sql = "select holdfast.look_up_order_of_hold($2, $1)";
                client.query_typed(sql, &[(&id, Type::UUID), (&user, Type::TEXT)]).await
            }
            _ => client.query_typed("select holdfast.report('drop')", &[]).await,
        };
        done.with_context(|| name.to_owned()).map(drop)
    }

    /// With an ordinary commit, which is the caller's: it can be rolled back.
    async fn reserve(&self, count: usize) -> Result<Vec<Row>, tokio_postgres::Error> {
        let asks = Crowd::new(1).asks(count);
        let batch = batch(&asks, false);
        self.client.query_typed(reservations::CALL, &batch.params()).await
    }
}

fn users_and_skus(asks: &[Ask]) -> (Vec<&str>, Vec<&str>) {
    asks.iter().map(|ask| (ask.user.as_str(), ask.sku.as_str())).unzip()
}

impl Run {
    /// `duration: 0.5 ms  plan:\nQuery Text: select …\nSeq Scan on …`. PL/pgSQL's own expressions have no plan worth a line.
    fn of(notice: &str) -> Option<Self> {
        let (_, rest) = notice.split_once("Query Text: ")?;
        let at = rest.find("(cost=")?;
        let from = rest[..at].rfind('\n')? + 1;
        let (statement, plan) = rest.split_at(from);
        let trivial = plan.starts_with("Result") && plan.lines().count() < 4;
        (!trivial).then(|| Self { statement: statement.trim().to_owned(), plan: plan.trim_end().to_owned() })
    }
}
