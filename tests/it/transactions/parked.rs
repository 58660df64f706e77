//! A hold in our form that this database does not have, at a gateway that others may share: its money waits for an
//! operator, who decides once.

use serde_json::{Value, json};
use tokio_postgres::Client;
use tokio_postgres::types::{Json, Type};

use support::database::{Ask, Database, Paid, confirm_at, reserve};

/// In our form, and no hold of this database.
const NOBODYS: &str = "01890000-0000-7000-8000-000000000000";
const BY: &str = r#"{"actor": "minji", "reason": "the other shop's", "request_id": "r"}"#;

struct Office {
    database: Database,
    gateway: Client,
    admin: Client,
}

impl Office {
    async fn open() -> Self {
        let database = Database::new().await;
        let (gateway, admin) = (database.as_role("confirm").await, database.as_role("admin").await);
        Self { database, gateway, admin }
    }

    async fn told(&self, gateway: &str, payment: &str) -> Value {
        let hold = NOBODYS.to_owned();
        let paid = Paid { payment: payment.into(), hold, user: "a guest".into(), amount: 100, currency: "KRW".into() };
        confirm_at(&self.gateway, gateway, &paid).await.unwrap()
    }

    /// Ann's, of one piece for 100.
    async fn hold(&self) -> String {
        self.database.sale(300, &[("a", 9, 9)]).await;
        let ask = Ask { user: "ann".into(), key: "k".into(), lines: vec![("a".into(), 1)] };
        let answers = reserve(&self.database.as_role("reserve").await, true, &[ask]).await.unwrap();
        answers[0]["hold"]["hold_id"].as_str().unwrap().to_owned()
    }

    fn paid(&self, hold: &str) -> Paid {
        let (hold, currency) = (hold.to_owned(), "KRW".to_owned());
        Paid { payment: "p1".into(), hold, user: "ann".into(), amount: 100, currency }
    }

    async fn ask(&self, client: &Client, sql: &str) -> Value {
        client.query_one(sql, &[]).await.unwrap().get::<_, Option<Json<Value>>>(0).map_or(Value::Null, |Json(one)| one)
    }

    async fn letters(&self, filter: &str) -> Vec<Value> {
        let sql = format!("select holdfast.dead_letters({filter}, null, null, null, null, null, 100)");
        self.ask(&self.admin, &sql).await["dead_letters"].as_array().unwrap().clone()
    }

    async fn decide(&self, gateway: &str, payment: &str, decision: &str) -> Value {
        let id = hex::encode(format!("{gateway} {payment}"));
        let sql = match decision {
            "replay" => format!("select holdfast.replay_dead_letter('{BY}', null, null, 'parked-{id}')"),
            _ => format!("select holdfast.decide_dead_letter('{BY}', null, null, 'parked-{id}', '{decision}')"),
        };
        let sql = sql.replace("shop's", "shop''s");
        self.ask(&self.admin, &sql).await["letter"]["status"].clone()
    }

    async fn count(&self, of: &str) -> i64 {
        self.database.owner.query_one(&format!("select count(*) from holdfast.{of}"), &[]).await.unwrap().get(0)
    }

    /// Nothing that the audit looks for.
    async fn is_in_order(&self) {
        for part in ["payments", "events"] {
            let look = format!("select holdfast.audit_look('{part}', 1000, 86400)");
            let found = self.ask(&self.database.as_role("audit").await, &look).await["found"].clone();
            assert_eq!(found, json!([]), "{part}");
        }
    }
}

#[tokio::test]
async fn money_for_a_hold_that_is_not_known_waits_for_an_operator() {
    let office = Office::open().await;
    for gateway in ["portone", "toss", "stripe"] {
        for _ in 0..2 {
            assert_eq!(office.told(gateway, "p1").await, json!({"result": "parked"}), "{gateway}");
        }
    }
    let counted = (office.count("payment").await, office.count("refund").await, office.count("event_outbox").await);
    assert_eq!(counted, (0, 0, 0));
    assert_eq!(office.letters("'unknown_hold'").await.len(), 3);
    assert_eq!((office.letters("null").await.len(), office.letters("'refund'").await.len()), (3, 0));
    // A replay of many refunds only what its filter names by kind.
    let many = |kind: &str| {
        format!(
            "select holdfast.replay_dead_letters('{}', null, null, {kind}, null, null, null, 2)",
            BY.replace('\'', "''")
        )
    };
    assert_eq!(office.ask(&office.admin, &many("null")).await["many"], json!({"replayed": 0, "more": false}));
    let two = office.ask(&office.admin, &many("'unknown_hold'")).await["many"].clone();
    assert_eq!(two, json!({"replayed": 2, "more": true}));
    assert_eq!((office.count("refund").await, office.letters("null").await.len()), (2, 1));
    // The shop's own service has no other shop's payments.
    assert_eq!(office.told("standard", "p1").await, json!({"result": "refund_required", "reason": "hold_unknown"}));
    office.is_in_order().await;
}

#[tokio::test]
async fn a_payment_without_an_id_of_our_form_is_not_recorded() {
    let office = Office::open().await;
    let said = "select holdfast.confirm('stripe', 'p1', 'room 12', null, 'a guest', 100, 'KRW')";
    assert_eq!(office.ask(&office.gateway, said).await, json!({"result": "ignored"}));
    assert_eq!((office.count("payment").await, office.count("parked_payment").await), (0, 0));
}

#[tokio::test]
async fn an_authorization_for_an_unknown_hold_is_neither_captured_nor_voided() {
    let office = Office::open().await;
    let secure = "select holdfast.secure('stripe', 'p1', '01890000-0000-7000-8000-000000000000',
                  '01890000-0000-7000-8000-000000000000', 'a guest', 100, 'KRW', null)";
    assert_eq!(office.ask(&office.gateway, secure).await, json!({"result": "hold_unknown"}));
    assert_eq!(office.count("payment_attempt").await, 0, "it is not to be voided");
    let park = |captured: bool| {
        format!("select holdfast.park('stripe', 'p1', '01890000-0000-7000-8000-000000000000', 100, 'KRW', {captured})")
    };
    office.ask(&office.gateway, &park(false)).await;
    assert_eq!(office.letters("null").await[0]["captured"], false);
    // The other shop takes it, and pays it back itself: nothing is left to decide.
    office.ask(&office.gateway, &park(true)).await;
    assert_eq!(office.letters("null").await[0]["captured"], true);
    office.ask(&office.gateway, "select holdfast.end_payment('stripe', 'p1', 'paid back at the gateway')").await;
    assert!(office.letters("null").await.is_empty());
}

#[tokio::test]
async fn an_operators_decision_is_final() {
    let office = Office::open().await;
    for (decision, first, again) in
        [("dismiss", "dismissed", "dismissed"), ("settle", "settled", "settled"), ("replay", "pending", "paid_back")]
    {
        office.told("toss", decision).await;
        assert_eq!(office.decide("toss", decision, decision).await, first);
        for other in ["dismiss", "settle", "replay"] {
            assert_eq!(office.decide("toss", decision, other).await, again, "{decision}, then {other}");
        }
        let told = office.told("toss", decision).await;
        assert_eq!(told["result"], if decision == "replay" { "refund_required" } else { "parked" });
    }
    assert!(office.letters("null").await.is_empty());
    assert_eq!((office.count("refund").await, office.count("operator_ledger").await), (1, 3));
    assert_eq!(office.decide("toss", "nobody's", "dismiss").await, Value::Null);
    office.is_in_order().await;
}

#[tokio::test]
async fn of_two_decisions_at_one_time_the_first_holds() {
    let office = Office::open().await;
    for first in ["dismiss", "replay"] {
        office.told("toss", first).await;
        let id = hex::encode(format!("toss {first}"));
        let replay = format!("select holdfast.replay_dead_letter($1, null, null, 'parked-{id}')");
        let by = Json(serde_json::from_str::<Value>(BY).unwrap());
        office.admin.batch_execute("begin").await.unwrap();
        office.decide("toss", first, first).await;
        let second = office.database.as_role("admin").await;
        let waiting = tokio::spawn(async move {
            let rows = second.query_typed(&replay, &[(&by, Type::JSON)]).await.unwrap();
            rows[0].get::<_, Json<Value>>(0).0["letter"]["status"].clone()
        });
        support::waiting::until_waiting(&office.database, 1).await;
        office.admin.batch_execute("commit").await.unwrap();
        let (says, refunds) = if first == "dismiss" { ("dismissed", 0) } else { ("paid_back", 1) };
        assert_eq!((waiting.await.unwrap(), office.count("refund").await), (json!(says), refunds), "{first}");
    }
    office.is_in_order().await;
}

#[tokio::test]
async fn a_manual_refund_is_completed_and_not_dismissed() {
    let office = Office::open().await;
    office.told("standard", "p1").await;
    let failed = "select holdfast.settle_refund('standard', 'p1', 'refused', 'account closed', null)";
    office.ask(&office.database.as_role("refund").await, failed).await;
    // Of the 100 others have refunded 30, and the bank has taken 40.
    let present =
        "select holdfast.record_present('standard', 'p1', clock_timestamp()::text, 'paid', 100, 30, 'KRW', 'lost', 40)";
    assert_eq!(office.ask(&office.gateway, present).await, json!({"result": "recorded"}));
    let id = office.letters("'refund'").await[0]["id"].as_str().unwrap().to_owned();
    let by = BY.replace('\'', "''");
    let decide =
        |decision: &str| format!("select holdfast.decide_dead_letter('{by}', null, null, '{id}', '{decision}')");
    assert_eq!(office.ask(&office.admin, &decide("dismiss")).await["outcome"], "invalid_request");
    assert_eq!(office.ask(&office.admin, &decide("settle")).await["letter"]["status"], "settled");
    assert_eq!(office.ask(&office.admin, &decide("settle")).await["letter"]["status"], "completed");
    let told = "select data from holdfast.event_outbox where event_type = 'RefundCompleted'";
    let told = office.ask(&office.database.owner, told).await;
    assert_eq!(
        (&told["by_hand"], &told["hold_id"], &told["hold_ref"]),
        (&json!(true), &Value::Null, &json!("01890000-0000-7000-8000-000000000000"))
    );
    assert_eq!((&told["amount"], &told["refunded_outside"]), (&json!(100), &json!(70)));
    office.is_in_order().await;
}

#[tokio::test]
async fn an_event_about_an_unknown_users_payment_names_no_user() {
    let office = Office::open().await;
    office.told("stripe", "pi_1").await;
    assert_eq!(office.decide("stripe", "pi_1", "replay").await, "pending");
    let present =
        "select holdfast.record_present('stripe', 'pi_1', clock_timestamp()::text, 'paid', 100, 30, 'KRW', 'open', 70)";
    assert_eq!(office.ask(&office.gateway, present).await, json!({"result": "recorded"}));
    // The shop's own service may say nothing of the user, too.
    let unknown = "select holdfast.confirm('standard', 'p1', 'no hold', null, '', 100, 'KRW')";
    assert_eq!(office.ask(&office.gateway, unknown).await["result"], "refund_required");
    let named = "event_outbox where data ->> 'user_id' = ''";
    assert_eq!(office.count(named).await, 0);
    assert_eq!(office.count("event_outbox where data::jsonb -> 'user_id' = 'null'").await, 4);
}

/// A gateway may report a payment for one hold, and then for another.
#[tokio::test]
async fn a_parked_payment_that_pays_for_a_hold_of_ours_waits_for_no_operator() {
    let office = Office::open().await;
    let hold = office.hold().await;
    assert_eq!(office.told("toss", "p1").await, json!({"result": "parked"}));
    assert_eq!(confirm_at(&office.gateway, "toss", &office.paid(&hold)).await.unwrap()["result"], "confirmed");
    assert!(office.letters("null").await.is_empty());
    assert_eq!(office.decide("toss", "p1", "replay").await, "gone", "it is an order");
    assert_eq!((office.count("payment").await, office.count("refund").await), (1, 0));
    office.is_in_order().await;
}

/// The operator comes first to what is parked, and the payment is told of for a hold of ours meanwhile: neither waits for
/// the other.
#[tokio::test]
async fn a_decision_and_a_payment_for_a_hold_of_ours_do_not_wait_for_each_other() {
    let office = Office::open().await;
    let hold = office.hold().await;
    office.told("toss", "p1").await;
    let keeper = stack::database::connect(&office.database.url()).await.unwrap();
    keeper.batch_execute("begin; select from holdfast.parked_payment for update").await.unwrap();
    let Office { database, gateway, admin } = office;
    let id = hex::encode("toss p1");
    let deciding = tokio::spawn(async move {
        let by = Json(serde_json::from_str::<Value>(BY).unwrap());
        let replay = format!("select holdfast.replay_dead_letter($1, null, null, 'parked-{id}')");
        let rows = admin.query_typed(&replay, &[(&by, Type::JSON)]).await.unwrap();
        (rows[0].get::<_, Json<Value>>(0).0["letter"]["status"].clone(), admin)
    });
    support::waiting::until_waiting(&database, 1).await;
    let paying = tokio::spawn(async move {
        let paid = Paid { payment: "p1".into(), hold, user: "ann".into(), amount: 100, currency: "KRW".into() };
        (confirm_at(&gateway, "toss", &paid).await.unwrap(), gateway)
    });
    support::waiting::until_waiting(&database, 2).await;
    keeper.batch_execute("commit").await.unwrap();
    let (decided, admin) = deciding.await.unwrap();
    let (paid, gateway) = paying.await.unwrap();
    assert_eq!((decided, paid), (json!("pending"), json!({"result": "refund_required", "reason": "hold_unknown"})));
    let office = Office { database, gateway, admin };
    assert_eq!((office.count("payment").await, office.count("refund").await), (1, 1));
    office.is_in_order().await;
}

/// Told of for two holds at one moment, one of them ours: parked it is, and an order.
#[tokio::test]
async fn what_was_parked_while_it_became_an_order_is_not_paid_back() {
    let office = Office::open().await;
    let hold = office.hold().await;
    let other = office.database.as_role("confirm").await;
    other.batch_execute("begin").await.unwrap();
    let told = Paid { hold: NOBODYS.into(), ..office.paid(&hold) };
    assert_eq!(confirm_at(&other, "toss", &told).await.unwrap()["result"], "parked");
    let paid = confirm_at(&office.gateway, "toss", &office.paid(&hold)).await.unwrap();
    assert_eq!(paid["result"], "confirmed");
    other.batch_execute("commit").await.unwrap();
    assert_eq!(office.decide("toss", "p1", "replay").await, "gone");
    assert!(office.letters("null").await.is_empty());
    assert_eq!((office.count("payment").await, office.count("refund").await), (1, 0));
    office.is_in_order().await;
}
