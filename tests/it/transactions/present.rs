//! What a gateway has of a payment later: recorded once, in the order of the lookups, and a refund that failed after
//! all is due again.

use serde_json::{Value, json};
use tokio_postgres::Client;
use tokio_postgres::types::{Json, Type};

use support::database::{Ask, Database, Paid, confirm, release, reserve};

struct World {
    database: Database,
    confirm: Client,
}

/// A gateway's snapshot, and the time of its lookup.
struct Says<'a> {
    asked_at: &'a str,
    state: &'a str,
    refunded: i64,
    dispute: Option<(&'a str, i64)>,
}

/// Looked up now, and unchanged.
fn paid() -> Says<'static> {
    Says { asked_at: "now", state: "paid", refunded: 0, dispute: Some(("none", 0)) }
}

impl World {
    /// Two holds of 100, `p1` an order and `p2` a refund.
    async fn new() -> Self {
        let database = Database::new().await;
        database.sale(300, &[("a", 9, 3)]).await;
        let buyer = database.as_role("reserve").await;
        let confirming = database.as_role("confirm").await;
        for (user, payment) in [("ann", "p1"), ("bob", "p2")] {
            let ask = Ask { user: user.into(), key: "k".into(), lines: vec![("a".into(), 1)] };
            let granted = reserve(&buyer, true, &[ask]).await.unwrap();
            let hold = granted[0]["hold"]["hold_id"].as_str().unwrap().to_owned();
            if user == "bob" {
                release(&database.as_role("release").await, user, &hold).await.unwrap();
            }
            let paid = Paid { payment: payment.into(), hold, user: user.into(), amount: 100, currency: "KRW".into() };
            confirm(&confirming, &paid).await.unwrap();
        }
        Self { database, confirm: confirming }
    }

    async fn now(&self) -> String {
        self.database.owner.query_one("select clock_timestamp()::text", &[]).await.unwrap().get(0)
    }

    async fn record(&self, payment: &str, says: Says<'_>) {
        let asked_at = if says.asked_at == "now" { self.now().await } else { says.asked_at.to_owned() };
        let (dispute, disputed) = says.dispute.filter(|(_, amount)| *amount > 0).unzip();
        let dispute = dispute.or(says.dispute.map(|_| "none"));
        let params = [
            (&payment as _, Type::TEXT),
            (&asked_at as _, Type::TEXT),
            (&says.state as _, Type::TEXT),
            (&says.refunded as _, Type::INT8),
            (&dispute as _, Type::TEXT),
            (&disputed as _, Type::INT8),
        ];
        let sql = "select holdfast.record_present('standard', $1, $2, $3, 100, $4, 'KRW', $5, $6)";
        let answer: Option<Json<Value>> = self.confirm.query_typed(sql, &params).await.unwrap()[0].get(0);
        assert_eq!(answer.map(|Json(answer)| answer), Some(json!({"result": "recorded"})));
    }

    /// Of a payment: what was refunded outside, its dispute, whether its deposit was reversed.
    async fn shown(&self, payment: &str) -> (i64, Option<String>, bool) {
        let sql =
            "select refunded_outside, dispute, reversed_at is not null from holdfast.payment where payment_id = $1";
        let row = self.database.owner.query_one(sql, &[&payment]).await.unwrap();
        (row.get(0), row.get(1), row.get(2))
    }

    async fn ledger(&self, payment: &str) -> String {
        let sql = "select string_agg(event_type || ' ' || amount, ', ' order by entry_id) from holdfast.order_ledger
                   where payment_id = $1 and event_type not in ('ORDER_CONFIRMED', 'REFUND_REQUIRED')";
        self.database.owner.query_one(sql, &[&payment]).await.unwrap().get::<_, Option<String>>(0).unwrap_or_default()
    }

    async fn owner(&self, sql: &str) {
        self.database.owner.batch_execute(sql).await.unwrap();
    }

    /// What `refund` does of `p2`: an attempt, and how it ends.
    async fn attempt(&self, amount: i64, outcome: &str) {
        let end = if outcome == "open" {
            String::new()
        } else {
            format!("select holdfast.settle_refund('standard', 'p2', '{outcome}', null, 1)")
        };
        self.owner(&format!("select holdfast.begin_refund('standard', 'p2', {amount}); {end}")).await;
    }

    async fn refund(&self) -> (String, i32) {
        let sql = "select r.status, (select count(*)::int from holdfast.refund_attempt a where a.succeeded) from holdfast.refund r";
        let row = self.database.owner.query_one(sql, &[]).await.unwrap();
        (row.get(0), row.get(1))
    }

    /// Nothing that the audit would find.
    async fn sound(&self) {
        self.database.checked_report().await;
        let look = "select (holdfast.audit_look('payments', 100, 3600)) -> 'found'";
        let Json(found): Json<Value> = self.database.owner.query_one(look, &[]).await.unwrap().get(0);
        assert_eq!(found, json!([]));
    }
}

#[tokio::test]
async fn a_change_is_recorded_once_and_an_older_snapshot_not_at_all() {
    let world = World::new().await;
    let before = world.now().await;
    for _ in 0..3 {
        world.record("p1", Says { refunded: 30, dispute: Some(("open", 70)), ..paid() }).await;
    }
    assert_eq!(world.shown("p1").await, (30, Some("open".into()), false));
    // An answer that was under way all the time.
    world.record("p1", Says { asked_at: &before, ..paid() }).await;
    assert_eq!(world.shown("p1").await, (30, Some("open".into()), false));
    world.record("p1", Says { refunded: 100, dispute: Some(("lost", 70)), ..paid() }).await;
    world.record("p1", Says { refunded: 60, dispute: Some(("none", 0)), ..paid() }).await;
    assert_eq!(world.shown("p1").await, (60, Some("lost".into()), false), "a refund failed; what was lost stays lost");
    world.record("p1", Says { state: "gone", dispute: None, ..paid() }).await;
    world.record("p1", Says { refunded: 60, dispute: None, ..paid() }).await;
    assert_eq!(
        world.ledger("p1").await,
        "PAYMENT_DISPUTED 70, PAYMENT_REFUNDED_OUTSIDE 30, DISPUTE_LOST 70, PAYMENT_REFUNDED_OUTSIDE 70, \
         PAYMENT_REFUNDED_OUTSIDE -40, PAYMENT_REVERSED 100, PAYMENT_RESTORED 100"
    );
    world.sound().await;
}

#[tokio::test]
async fn our_own_refund_does_not_count_as_external_whether_its_outcome_is_known_or_not() {
    let world = World::new().await;
    world.record("p2", Says { refunded: 30, ..paid() }).await;
    assert_eq!(world.shown("p2").await.0, 30);
    world.attempt(70, "open").await;
    for refunded in [30, 100] {
        world.record("p2", Says { refunded, ..paid() }).await;
        assert_eq!(world.shown("p2").await.0, 30, "of {refunded}");
    }
    world.owner("select holdfast.settle_refund('standard', 'p2', 'done', null, null)").await;
    world.record("p2", Says { refunded: 100, ..paid() }).await;
    assert_eq!(world.shown("p2").await.0, 30);
    world.sound().await;
}

#[tokio::test]
async fn a_refund_that_failed_after_all_is_due_again_but_not_by_an_older_snapshot() {
    let world = World::new().await;
    let before = world.now().await;
    world.attempt(60, "partly").await;
    world.attempt(40, "done").await;
    assert_eq!(world.refund().await, ("COMPLETED".into(), 2));
    world.record("p2", Says { asked_at: &before, ..paid() }).await;
    assert_eq!(world.refund().await.0, "COMPLETED", "it was asked before");
    world.record("p2", Says { refunded: 60, ..paid() }).await;
    assert_eq!(world.refund().await, ("REQUIRED".into(), 1), "the first one stands");
    assert_eq!(world.shown("p2").await.0, 0);
    let key = |n: i32| format!("select idem_key from holdfast.refund_attempt where attempt = {n}");
    world.attempt(40, "done").await;
    let (second, third): (String, String) = (
        world.database.owner.query_one(&key(2), &[]).await.unwrap().get(0),
        world.database.owner.query_one(&key(3), &[]).await.unwrap().get(0),
    );
    assert_ne!(second, third, "the old key would only repeat the old answer");
    world.record("p2", Says { refunded: 100, ..paid() }).await;
    assert_eq!(world.ledger("p2").await, "REFUND_COMPLETED 100, REFUND_REOPENED 40, REFUND_COMPLETED 100");
    world.sound().await;
    // What a dispute took no refund has to.
    world.record("p2", Says { refunded: 60, dispute: Some(("lost", 40)), ..paid() }).await;
    assert_eq!(world.refund().await.0, "COMPLETED");
}

#[tokio::test]
async fn a_closed_dispute_is_won_or_lost_only_where_the_gateway_or_an_operator_says_so() {
    let world = World::new().await;
    let over = |refunded| Says { refunded, dispute: Some(("resolved", 100)), ..paid() };
    for payment in ["p1", "p2"] {
        world.record(payment, Says { dispute: Some(("open", 70)), ..paid() }).await;
        world.record(payment, over(0)).await;
        assert_eq!(world.shown(payment).await.1.as_deref(), Some("resolved"), "the money is still there");
    }
    // An operator has the refund sent: one by one, and not many at once.
    world.owner("select holdfast.settle_refund('standard', 'p2', 'refused', 'its dispute is over', null)").await;
    let letter: String = "standard p2".bytes().map(|byte| format!("{byte:02x}")).collect();
    let by = r#"{"actor": "minji", "reason": "the bank's letter", "request_id": "r"}"#.replace('\'', "''");
    world
        .owner(&format!(
            "select holdfast.replay_dead_letters('{by}', 'many', sha256('many'), 'refund', null, null, null, 9)"
        ))
        .await;
    assert_eq!((world.refund().await.0, world.shown("p2").await.1), ("REQUIRED".into(), Some("resolved".into())));
    world.owner("select holdfast.settle_refund('standard', 'p2', 'refused', 'its dispute is over', null)").await;
    world.owner(&format!("select holdfast.replay_dead_letter('{by}', 'one', sha256('one'), 'refund-{letter}')")).await;
    assert_eq!((world.refund().await.0, world.shown("p2").await.1), ("REQUIRED".into(), Some("won".into())));
    world.record("p2", over(0)).await;
    assert_eq!(world.shown("p2").await.1.as_deref(), Some("won"), "the message comes again");
    // Where nothing is left, the bank has it.
    world.record("p1", over(100)).await;
    assert_eq!(world.shown("p1").await.1.as_deref(), Some("lost"));
    assert_eq!(
        world.ledger("p1").await,
        "PAYMENT_DISPUTED 70, DISPUTE_RESOLVED 70, DISPUTE_LOST 70, PAYMENT_REFUNDED_OUTSIDE 100"
    );
    world.sound().await;
}

/// What is done to the database behind every constraint, and the check that has to see it.
pub const DOCTORED: [(&str, &str); 5] = [
    ("update payment set refunded_outside = 31 where payment_id = 'p1'", "payment_outside"),
    ("update payment set dispute = 'won' where payment_id = 'p1'", "payment_dispute"),
    ("update payment set reversed_at = null where payment_id = 'p1'", "payment_reversed"),
    ("delete from event_outbox where event_type = 'PaymentDisputed'", "payment_change_told"),
    ("update payment set seen_left = 10, reversed_at = null where payment_id = 'p1'", "payment_left"),
];

#[tokio::test]
async fn the_audit_finds_what_is_not_recorded_as_the_gateway_reported_it() {
    for (doctored, expected) in DOCTORED {
        let world = World::new().await;
        world.record("p1", Says { refunded: 30, dispute: Some(("open", 70)), ..paid() }).await;
        if expected == "payment_reversed" {
            world.record("p1", Says { state: "gone", dispute: None, ..paid() }).await;
        }
        world.sound().await;
        world.owner(&format!("set search_path = holdfast; {doctored}; reset search_path")).await;
        let look = "select json_agg(f ->> 'check_name') from json_array_elements(
            (holdfast.audit_look('payments', 100, 3600)) -> 'found') f";
        let Json(found): Json<Value> = world.database.owner.query_one(look, &[]).await.unwrap().get(0);
        assert!(found.as_array().unwrap().contains(&json!(expected)), "{doctored}: {found}");
    }
}

#[tokio::test]
async fn an_operators_manual_refund_is_not_repeated() {
    let world = World::new().await;
    world.record("p2", paid()).await;
    world.owner("update holdfast.refund set status = 'COMPLETED', finalized_at = clock_timestamp()").await;
    world.record("p2", paid()).await;
    assert_eq!(world.refund().await.0, "COMPLETED", "the gateway has the money, as it had it all the time");
    // What went back in the console, and comes back, is due.
    world.record("p2", Says { refunded: 100, ..paid() }).await;
    world.record("p2", paid()).await;
    assert_eq!(world.refund().await.0, "REQUIRED");
}
