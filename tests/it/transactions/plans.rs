//! No call of ours reads a large table from one end to the other: neither when there is history, nor in a session that
//! made its plans while the tables were still empty.

use serde_json::Value;
use tokio_postgres::Client;
use tokio_postgres::types::{Json, Type};
use uuid::Uuid;

use support::database::{Ask, Database, Paid, confirm, release, reserve, sweep};

/// Tables that grow with every reservation; the others stay as small as what is on sale.
const LARGE: [&str; 15] = [
    "buyer_history",
    "delivery",
    "event_outbox",
    "idempotency",
    "inventory_ledger",
    "order_items",
    "order_ledger",
    "orders",
    "payment",
    "payment_attempt",
    "refund",
    "refund_attempt",
    "reservation_hold",
    "reservation_hold_item",
    "user_active_hold",
];
/// What is a user's own.
const LISTS: [&str; 4] = [
    "call holdfast.look_up_holds($1, 'drop', 'HOLD', null, 50, 1000, true, null)",
    "call holdfast.look_up_holds($1, null, null, null, 50, 1000, true, null)",
    "select holdfast.look_up_orders($1, 'drop', null, 50, 1000)",
    "select holdfast.look_up_orders($1, null, null, 50, 1000)",
];
/// What a function's login may call and nothing here calls by itself. A new routine is called in `Calls`; its name is added
/// here only if it reads no large table.
const LEFT_OUT: &str = "advance_reconcile assert_durable barrier begin_refund_to claim_reconcile claim_refund_to compare_listed \
    decide_dead_letter end_opened fail_reconcile forget_due forget_user gateway_answered gateway_failed \
    gateway_slowed is_payment_of list_holds list_payments look_again look_up_holders look_up_sales note_opened \
    open_payment operator_actions order_of park payment_page payment_unanswered read_hold reclaim_lapsed \
    record_present recorded_dispute refund_needs_account remove_holds replay_dead_letter replay_refund reseal \
    reserve reserve_batch rotate_secret set_sale_status set_subscription_status settle_refund_to stay_reconcile \
    subscription_of subscriptions unlisted_payments";
const RANKINGS: [&str; 2] = ["select holdfast.rank(0)", "select holdfast.remove_sold(10)"];
/// Past holds: enough that a scan of all of them is never the cheaper plan.
const HISTORY: u32 = 50_000;

/// The functions' calls, each on a connection of its role that stays open, as a function instance's does.
struct Calls {
    database: Database,
    reserve: Client,
    confirm: Client,
    expire: Client,
    release: Client,
    lookup: Client,
    admin: Client,
    audit: Client,
    refund: Client,
    relay: Client,
    round: u32,
}

impl Calls {
    async fn new() -> Self {
        let database = Database::new().await;
        for sql in [include_str!("../../load/bench/tables.sql"), include_str!("../../load/bench/fill.sql")] {
            database.owner.batch_execute(sql).await.unwrap();
        }
        // The first temporary table of a session makes a schema, at which every session makes all of its plans again: of
        // `bench.fill` it would hide each plan that is made while the tables are empty.
        database.owner.batch_execute("create temporary table first_of_this_session ()").await.unwrap();
        database.sale(300, &[("a", 1_000_000, 3), ("b", 40, 3)]).await;
        Self {
            reserve: database.as_role("reserve").await,
            confirm: database.as_role("confirm").await,
            expire: database.as_role("expire").await,
            release: database.as_role("release").await,
            lookup: database.as_role("lookup").await,
            admin: database.as_role("admin").await,
            audit: database.as_role("audit").await,
            refund: database.as_role("refund").await,
            relay: database.as_role("relay").await,
            round: 0,
            database,
        }
    }

    async fn owner(&self, sql: &str) {
        self.database.owner.batch_execute(sql).await.unwrap();
    }

    /// What a past sale and another of today leave behind: orders, holds that ended, holds that wait for payment.
    async fn history(&self) {
        self.owner(&format!("call bench.past_sale(1, {HISTORY})")).await;
        self.owner("call bench.open_sale('busy', 4, 1000000, 300)").await;
        self.owner(&format!("call bench.fill('busy', {HISTORY}, 'HOLD', '0', '1 hour')")).await;
    }

    async fn lapse(&self, hold: &str) {
        let sql = format!(
            "update holdfast.reservation_hold set created_at = created_at - interval '1 hour',
             expire_at = expire_at - interval '1 hour' where hold_id = '{hold}'"
        );
        self.owner(&sql).await;
    }

    /// Every path through T1, T2, T3 and release, refusals too: an order, and what it was made of.
    async fn sell(&mut self) -> (Paid, Uuid, String) {
        self.round += 1;
        let round = self.round;
        let ask = |n: u32, sku: &str| Ask {
            user: format!("user-{round}-{n}"),
            key: "k".into(),
            lines: vec![(sku.to_owned(), 1), ("a".to_owned(), 1)][..if sku == "a" { 1 } else { 2 }].to_vec(),
        };
        let batch: Vec<Ask> = (0..100).map(|n| ask(n, if n % 10 == 0 { "b" } else { "a" })).collect();
        let granted = reserve(&self.reserve, true, &batch).await.unwrap();
        let hold = |n: usize| granted[n]["hold"]["hold_id"].as_str().unwrap().to_owned();
        // A replay, a user who holds one already, an unknown SKU, and one more than there are.
        let mut again = vec![ask(1, "a"), ask(2, "a"), ask(200, "none")];
        again[1].key = "another".into();
        again.push(Ask { user: "greedy".into(), key: "k".into(), lines: vec![("b".into(), 3)] });
        reserve(&self.reserve, true, &again).await.unwrap();

        let paid = Paid {
            payment: format!("p{round}"),
            hold: hold(1),
            user: format!("user-{round}-1"),
            amount: 100,
            currency: "KRW".into(),
        };
        let order = confirm(&self.confirm, &paid).await.unwrap();
        assert_eq!(confirm(&self.confirm, &paid).await.unwrap(), order, "a repeat");
        let late = Paid { payment: format!("late{round}"), ..paid.clone() };
        assert_eq!(confirm(&self.confirm, &late).await.unwrap()["reason"], "already_paid");
        release(&self.release, &format!("user-{round}-2"), &hold(2)).await.unwrap();

        self.lapse(&hold(3)).await;
        // Its own user comes back before the sweep does, which takes the lapsed hold out of the way.
        let mut back = ask(3, "a");
        back.key = "k2".into();
        assert_eq!(reserve(&self.reserve, true, &[back]).await.unwrap()[0]["outcome"], "granted");
        self.lapse(&hold(4)).await;
        assert!(sweep(&self.expire).await.unwrap() >= 1);
        (paid, Uuid::parse_str(order["order_id"].as_str().unwrap()).unwrap(), hold(5))
    }

    /// Every path through every call.
    async fn all(&mut self) {
        let (paid, order_id, another) = self.sell().await;
        let round = self.round;
        let user = format!("user-{round}-1");
        let hold_id = Uuid::parse_str(&paid.hold).unwrap();
        let user = (&user as &(dyn tokio_postgres::types::ToSql + Sync), Type::TEXT);
        let of_hold = "call holdfast.look_up_hold($1, $2, true, null)";
        self.lookup.query_typed(of_hold, &[user.clone(), (&hold_id, Type::UUID)]).await.unwrap();
        let order_of_hold = "select holdfast.look_up_order_of_hold($1, $2)";
        self.lookup.query_typed(order_of_hold, &[user.clone(), (&hold_id, Type::UUID)]).await.unwrap();
        self.lookup
            .query_typed("select holdfast.look_up_order($1, $2)", &[user, (&order_id, Type::UUID)])
            .await
            .unwrap();
        self.lookup.query_typed("select holdfast.look_up_sale('drop')", &[]).await.unwrap();
        for sql in LISTS {
            let user = format!("user-{round}-1");
            self.lookup.query_typed(sql, &[(&user, Type::TEXT)]).await.unwrap();
        }
        for part in protocol::audit::PARTS {
            let look = "select holdfast.audit_write(holdfast.audit_look($1, 1000, 86400))";
            self.audit.query_typed(look, &[(&part as _, Type::TEXT)]).await.unwrap();
        }
        let adjust = "select holdfast.adjust_stock('drop', 'b', 10, 'more', $1, sha256('more'))";
        self.admin.query_typed(adjust, &[(&format!("more {round}"), Type::TEXT)]).await.unwrap();
        let pay = format!("select holdfast.pay('user-{round}-5', '{another}', 'free')");
        Self::call(&self.confirm, &pay).await;
        self.money(&another, &format!("user-{round}-5")).await;
        self.change(&format!("user-{round}-6"), &format!("user-{round}-7")).await;
        self.cancel(order_id).await;
        self.relay().await;
    }

    /// One statement of a role, whatever it answers.
    async fn call(client: &Client, sql: &str) {
        client.query_typed(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// A payment that is under way, is looked up, locked and voided; and refunds that are begun and ended.
    async fn money(&self, hold: &str, user: &str) {
        let round = self.round;
        let attempt = format!("'toss', 'under way {round}'");
        let of_hold = format!("{attempt}, '{hold}', '{hold}', '{user}', 100, 'KRW'");
        for sql in [
            format!("select holdfast.look_at_payment({attempt})"),
            format!("select holdfast.note_payment({of_hold})"),
            format!("select holdfast.secure({of_hold}, 'token')"),
            format!("select holdfast.hold_of_payment({attempt})"),
            format!("select holdfast.end_payment({attempt}, 'let go')"),
        ] {
            Self::call(&self.confirm, &sql).await;
        }
        Self::call(&self.expire, "select holdfast.claim_payments('{standard,toss}', 50, 30)").await;
        let due = format!("'standard', 'late{round}'");
        for sql in [
            "select holdfast.claim_refunds('{standard}', 8, 0)".to_owned(),
            format!("select holdfast.begin_refund({due}, 100)"),
            format!("select holdfast.settle_refund({due}, 'unknown', 'no answer', 0)"),
            format!("select holdfast.settle_refund({due}, 'refused', 'never', null)"),
        ] {
            Self::call(&self.refund, &sql).await;
        }
    }

    /// A hold becomes more, something else, and more than there is.
    async fn change(&self, user: &str, other: &str) {
        for (user, version, lines) in [
            (user, 1, "'{a}', '{2}'"),
            (user, 2, "'{b,a}', '{1,1}'"),
            (other, 1, "'{b}', '{3}'"),
            (user, 9, "'{a}', '{3}'"),
        ] {
            let of = "select coalesce((select h.hold_id from holdfast.reservation_hold h where h.user_id = $1
                      and h.status = 'HOLD' limit 1), uuidv7())";
            let hold: Uuid = self.database.owner.query_one(of, &[&user]).await.unwrap().get(0);
            let sql = format!("call holdfast.change_hold('{user}', '{hold}', {version}, {lines}, null)");
            Self::call(&self.release, &sql).await;
            let sql = format!("select holdfast.change_lines('{user}', '{hold}', 99, {lines}, true)");
            Self::call(&self.release, &sql).await;
        }
    }

    async fn cancel(&self, order: Uuid) {
        let by = r#"'{"actor": "a", "reason": "r", "request_id": "i"}'"#;
        let key = self.round;
        let own = format!("select holdfast.cancel_own_order('user-{key}-1', '{order}', 'r')");
        Self::call(&self.release, &own).await;
        for sql in [
            format!("select holdfast.change_order({by}, '{order}', 1, 'PREPARING', null, true)"),
            format!("select holdfast.cancel_order({by}, 'cancel {key}', sha256('x'), '{order}')"),
            "select holdfast.newest_payments('unsettled', null, 100, 5000)".to_owned(),
            "select holdfast.dead_letters(null, null, null, 'drop', null, null, 100)".to_owned(),
            format!(
                "select holdfast.replay_dead_letters({by}, 'replay {key}', sha256('x'), 'refund', null, null, null, 10)"
            ),
        ] {
            Self::call(&self.admin, &sql).await;
        }
    }

    /// Events for a receiver that takes them and for one that does not.
    async fn relay(&self) {
        if self.round == 1 {
            let by = r#"'{"actor": "a", "reason": null, "request_id": "i"}'"#;
            for name in ["good", "bad"] {
                let sql = format!(
                    "select holdfast.create_subscription({by}, '{name}', sha256(''), 'http', 'https://{name}', '{{}}', 'whsec_a', 9)"
                );
                Self::call(&self.admin, &sql).await;
            }
        }
        Self::call(&self.relay, "select holdfast.fan_out(500)").await;
        for sql in RANKINGS {
            Self::call(&self.relay, sql).await;
        }
        Self::call(&self.lookup, "select holdfast.look_up_ranking('7d')").await;
        let due: Vec<Uuid> =
            self.relay.query_typed("select holdfast.due_subscriptions(1)", &[]).await.unwrap()[0].get(0);
        for (subscription, outcome) in due.iter().zip(["delivered", "dead"]) {
            let sql = "select holdfast.claim_deliveries($1, 5, 20, 1)";
            let claimed = self.relay.query_typed(sql, &[(subscription, Type::UUID)]).await.unwrap();
            let Some(Json(claimed)) = claimed[0].get::<_, Option<Json<Value>>>(0) else { continue };
            let claim = claimed["claim"].as_str().unwrap();
            for delivery in claimed["deliveries"].as_array().unwrap() {
                let sql = format!(
                    "select holdfast.settle_deliveries('{subscription}', '{{{claim}}}', '{{{}}}', '{{{outcome}}}', '{{500}}',
                     '{{no}}', '{{1}}', '{{true}}', '{{null}}', 5, 30, 300)",
                    delivery["delivery_id"]
                );
                Self::call(&self.relay, &sql).await;
            }
        }
        for sql in ["select holdfast.remove_sent(10, 604800, 604800)", "select holdfast.remove_keys(10, 86400)"] {
            Self::call(&self.relay, sql).await;
        }
    }

    /// What is asked before there is anything: the impatient, and those who ask for what is not theirs.
    async fn nothing_yet(&self) {
        self.owner("update holdfast.sale set status = 'paused'").await;
        let ask = Ask { user: "early".into(), key: "k".into(), lines: vec![("a".into(), 1)] };
        assert_eq!(reserve(&self.reserve, true, &[ask]).await.unwrap()[0]["outcome"], "sale_not_open");
        self.owner("update holdfast.sale set status = 'open'").await;
        let nobody = Uuid::new_v4();
        assert_eq!(release(&self.release, "early", &nobody.to_string()).await.unwrap()["outcome"], "not_found");
        assert_eq!(sweep(&self.expire).await.unwrap(), 0);
        self.money(&nobody.to_string(), "early").await;
        self.change("early", "early").await;
        self.cancel(nobody).await;
        for sql in [
            "select holdfast.fan_out(500)",
            "select holdfast.due_subscriptions(1)",
            "select holdfast.remove_sent(10, 604800, 604800)",
            "select holdfast.remove_keys(10, 86400)",
        ]
        .into_iter()
        .chain(RANKINGS)
        {
            Self::call(&self.relay, sql).await;
        }
        let (user, nobody) =
            ((&"early" as &(dyn tokio_postgres::types::ToSql + Sync), Type::TEXT), (&nobody as _, Type::UUID));
        for sql in LISTS {
            self.lookup.query_typed(sql, std::slice::from_ref(&user)).await.unwrap();
        }
        for sql in [
            "call holdfast.look_up_hold($1, $2, true, null)",
            "select holdfast.look_up_order_of_hold($1, $2)",
            "select holdfast.look_up_order($1, $2)",
        ] {
            self.lookup.query_typed(sql, &[user.clone(), nobody.clone()]).await.unwrap();
        }
    }

    async fn report(&self) {
        let sql = "select holdfast.report('drop') -> 'report' -> 'audit'";
        let rows = self.admin.query_typed(sql, &[]).await.unwrap();
        assert_eq!(rows[0].get::<_, Json<Value>>(0).0["ok"], true);
    }

    /// The large tables that were scanned whole since the last time, and how often.
    async fn scanned(&self) -> Vec<String> {
        self.count().await;
        let sql = "select relname || ' ' || seq_scan from pg_stat_user_tables
                   where schemaname = 'holdfast' and seq_scan > 0 and relname::text = any ($1) order by 1";
        let rows = self.database.owner.query(sql, &[&LARGE.as_slice()]).await.unwrap();
        self.owner("select pg_stat_reset()").await;
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// The entries of the large tables' indexes that were read since the last time: in all, and in words.
    async fn read(&self) -> (i64, Vec<String>) {
        self.count().await;
        let sql = "select indexrelname || ' ' || idx_tup_read, idx_tup_read from pg_stat_user_indexes
                   where schemaname = 'holdfast' and idx_tup_read > 0 and relname::text = any ($1) order by 2 desc";
        let rows = self.database.owner.query(sql, &[&LARGE.as_slice()]).await.unwrap();
        self.owner("select pg_stat_reset()").await;
        (rows.iter().map(|row| row.get::<_, i64>(1)).sum(), rows.iter().map(|row| row.get(0)).collect())
    }

    /// Each session keeps its counts to itself for up to a second unless it is asked.
    async fn count(&self) {
        let calls = [&self.reserve, &self.confirm, &self.expire, &self.release, &self.lookup, &self.admin];
        for client in calls.into_iter().chain([&self.refund, &self.relay, &self.audit]) {
            client.simple_query("select pg_stat_force_next_flush()").await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_routine_of_a_function_is_called_here_or_left_out_by_name() {
    let database = Database::new().await;
    let granted = "select distinct p.proname::text from pg_proc p, aclexplode(p.proacl) a join pg_roles r on r.oid = a.grantee
                   where p.pronamespace = 'holdfast'::regnamespace and r.rolname ~ '^holdfast_' and r.rolname <> 'holdfast_owner'";
    let granted = database.owner.query(granted, &[]).await.unwrap();
    let calls = [include_str!("plans.rs"), include_str!("../support/database.rs")].concat();
    let names = granted.iter().map(|row| row.get::<_, &str>(0));
    let mut uncalled: Vec<&str> = names.filter(|name| !calls.contains(&format!("holdfast.{name}("))).collect();
    uncalled.sort_unstable();
    assert_eq!(uncalled, LEFT_OUT.split_whitespace().collect::<Vec<_>>());
}

#[tokio::test]
async fn with_history_no_call_scans_a_large_table() {
    let mut calls = Calls::new().await;
    calls.history().await;
    calls.owner("vacuum (analyze)").await;
    calls.scanned().await;
    // More than five, after which PL/pgSQL keeps a plan that serves every call.
    for _ in 0..8 {
        calls.all().await;
    }
    assert_eq!(calls.scanned().await, Vec::<String>::new());
}

#[tokio::test]
#[ignore = "long"]
async fn without_its_index_a_call_is_seen_scanning() {
    for (index, table, drop) in [
        ("reservation_hold_to_expire", "reservation_hold", "drop index holdfast.reservation_hold_to_expire"),
        ("idempotency_pkey", "idempotency", "alter table holdfast.idempotency drop constraint idempotency_pkey"),
    ] {
        let mut calls = Calls::new().await;
        calls.history().await;
        calls.owner(drop).await;
        calls.owner("vacuum (analyze)").await;
        calls.scanned().await;
        calls.all().await;
        let scanned = calls.scanned().await;
        assert!(scanned.iter().any(|found| found.starts_with(table)), "without {index}: {scanned:?}");
    }
}

#[tokio::test]
#[ignore = "long"]
async fn plans_made_while_the_tables_were_empty_scan_none_once_they_are_full() {
    let mut calls = Calls::new().await;
    // Nor does an ANALYZE come by and have the plans made again.
    for table in LARGE {
        calls.owner(&format!("alter table holdfast.{table} set (autovacuum_enabled = off)")).await;
    }
    // So that the planner knows how empty they are; then the impatient ask until their plans are kept.
    calls.owner("vacuum (analyze)").await;
    for _ in 0..8 {
        calls.nothing_yet().await;
    }
    calls.history().await;
    calls.scanned().await;
    for _ in 0..8 {
        calls.all().await;
    }
    assert_eq!(calls.scanned().await, Vec::<String>::new());
}

/// No scan of a table is no proof: an index can be read from one end to the other, too, to find three rows of it.
#[tokio::test]
#[ignore = "long"]
async fn no_call_scans_all_holds_to_find_one_users() {
    const ROUNDS: i64 = 4;
    let mut calls = Calls::new().await;
    for table in LARGE {
        calls.owner(&format!("alter table holdfast.{table} set (autovacuum_enabled = off)")).await;
    }
    // Every statement is planned while there is next to nothing, and kept: a plan for all calls is made at once.
    for round in 0..2 + ROUNDS {
        if round == 2 {
            calls.history().await;
            calls.read().await;
        }
        let (_, _, hold) = calls.sell().await;
        let pay = format!("select holdfast.pay('user-{}-5', '{hold}', 'free')", calls.round);
        Calls::call(&calls.confirm, &pay).await;
        calls.money(&hold, &format!("user-{}-5", calls.round)).await;
        for sql in LISTS {
            let user = format!("user-{}-5", calls.round);
            calls.lookup.query_typed(sql, &[(&user, Type::TEXT)]).await.unwrap();
        }
    }
    let (entries, which) = calls.read().await;
    // 107 requests a round, of which a hundred are granted, and not the 50 000 who hold something.
    assert!(entries < ROUNDS * 2_000, "{entries}: {which:#?}");
}

/// What T1, T2 and T3, retention and a Gate's question read of the indexes for a buyer with many keys, who has bought and
/// let go in this sale as often, is what they read for one without.
#[tokio::test]
async fn no_call_scans_a_users_history() {
    const PAST: u32 = 20_000;
    let mut calls = Calls::new().await;
    for table in LARGE {
        calls.owner(&format!("alter table holdfast.{table} set (autovacuum_enabled = off)")).await;
    }
    let mut entries = Vec::new();
    for (round, many) in [(0, false), (0, false), (0, true)] {
        if many {
            calls.owner(&format!("call bench.past_of('drop', 'a', 'user-{}-1', {PAST})", calls.round + 1)).await;
            calls.owner(&format!("update holdfast.sku set max_per_user = {PAST} + {round} + 9")).await;
        }
        calls.read().await;
        calls.sell().await;
        for _ in 0..4 {
            Calls::call(&calls.relay, "select holdfast.remove_keys(100, 0)").await;
        }
        let holders = "select holdfast.tell_holders('drop', sha256(''), 0, 4, 200000, 0)";
        Calls::call(&calls.lookup, holders).await;
        let (read, which) = calls.read().await;
        entries.push(read);
        assert!(read < 3_000, "{read}: {which:#?}");
    }
    // Each round adds a hundred buyers, whom a Gate's question lists.
    assert!(entries[2] - entries[1] < entries[1] - entries[0] + 50, "{entries:?}");
}

#[tokio::test]
#[ignore = "long"]
async fn the_report_reads_its_own_sale_only() {
    let calls = Calls::new().await;
    calls.history().await;
    calls.owner("vacuum (analyze)").await;
    calls.scanned().await;
    calls.report().await;
    assert_eq!(calls.scanned().await, Vec::<String>::new());
}
