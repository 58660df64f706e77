//! The pass through a gateway's lists: one call's at a time, continued where it stopped, and only differences are
//! looked up.

use serde_json::{Value, json};
use tokio_postgres::Client;
use tokio_postgres::types::{Json, Type};

use support::database::{Ask, Database, Paid, confirm, reserve};

async fn asked(client: &Client, sql: &str) -> Value {
    let answer: Option<Json<Value>> = client.query_typed(sql, &[]).await.unwrap()[0].get(0);
    answer.map_or(Value::Null, |Json(answer)| answer)
}

/// Passes that are due now: once a day, three days back.
async fn claim(client: &Client) -> Vec<Value> {
    let sql = "select holdfast.claim_reconcile(array['toss', 'stripe'], 72000, 3, null, 90)";
    asked(client, sql).await.as_array().unwrap().clone()
}

async fn advance(client: &Client, gateway: &str, from: (&str, &str), to: &str) -> Value {
    let (list, cursor) = from;
    let sql = format!("select to_json(holdfast.advance_reconcile('{gateway}', '{list}', '{cursor}', {to}, 1, 1, 90))");
    asked(client, &sql).await
}

#[tokio::test]
async fn a_pass_is_one_calls_and_goes_on_where_it_stopped_and_begins_again_the_next_day() {
    let database = Database::new().await;
    let client = database.as_role("reconcile").await;
    let first = claim(&client).await;
    let gateways: Vec<&Value> = first.iter().map(|pass| &pass["gateway"]).collect();
    assert_eq!(gateways, [&json!("stripe"), &json!("toss")]);
    let days = (first[0]["until_s"].as_i64().unwrap() - first[0]["from_s"].as_i64().unwrap()) / 86_400;
    assert_eq!((days, &first[0]["list"], &first[0]["cursor"]), (3, &json!(""), &json!("")));
    assert!(claim(&client).await.is_empty(), "another call has them");

    assert_eq!(advance(&client, "toss", ("", ""), "'transactions', 'tx_50'").await, true);
    assert_eq!(
        advance(&client, "toss", ("", ""), "'transactions', 'tx_50'").await,
        Value::Null,
        "it was moved already"
    );
    let dead = "update holdfast.reconcile_pass set next_at = clock_timestamp()";
    database.owner.batch_execute(dead).await.unwrap();
    let again = claim(&client).await;
    assert_eq!(
        (&again[1]["list"], &again[1]["cursor"]),
        (&json!("transactions"), &json!("tx_50")),
        "of who died with it"
    );
    assert_eq!(again[1]["until_s"], first[1]["until_s"], "the same days");

    assert_eq!(advance(&client, "toss", ("transactions", "tx_50"), "null, ''").await, true);
    client.query("select holdfast.fail_reconcile('stripe', '503')", &[]).await.unwrap();
    assert!(claim(&client).await.is_empty(), "through, and not yet to be asked again");
    let next_day = "update holdfast.reconcile_pass set began_at = began_at - interval '1 day' where gateway = 'toss';
                    update holdfast.reconcile_pass set next_at = clock_timestamp() where gateway = 'stripe';
                    insert into holdfast.gateway_breaker (gateway, state) values ('stripe', 'open')";
    database.owner.batch_execute(next_day).await.unwrap();
    let next = claim(&client).await;
    let passes: Vec<(&Value, &Value)> = next.iter().map(|pass| (&pass["gateway"], &pass["list"])).collect();
    assert_eq!(passes, [(&json!("toss"), &json!(""))], "stripe fails to answer buyers");
}

#[tokio::test]
async fn after_an_outage_a_pass_begins_where_the_last_one_ended() {
    let database = Database::new().await;
    let client = database.as_role("reconcile").await;
    let second = |pass: &Value, name: &str| pass[name].as_i64().unwrap();
    for (days, back) in [(9, None), (200, Some(90))] {
        let list_failed = format!(
            "update holdfast.reconcile_pass set from_at = from_at - interval '{days} days', next_at = clock_timestamp(),
                 until_at = until_at - interval '{days} days', began_at = began_at - interval '{days} days'"
        );
        claim(&client).await;
        database.owner.batch_execute(&list_failed).await.unwrap();
        let late = claim(&client).await;
        assert_eq!(late.len(), 2, "they go on, and are {days} days old");
        for gateway in ["stripe", "toss"] {
            assert_eq!(advance(&client, gateway, ("", ""), "null, ''").await, true);
        }
        let next = claim(&client).await;
        let to = second(&next[0], "until_s");
        let expected = back.map_or(second(&late[0], "until_s"), |back| to - back * 86_400);
        assert!((second(&next[0], "from_s") - expected).abs() <= 1, "{days} days: {next:?} after {late:?}");
        assert!(claim(&client).await.is_empty());
        for gateway in ["stripe", "toss"] {
            assert_eq!(advance(&client, gateway, ("", ""), "null, ''").await, true);
        }
        database.owner.batch_execute("delete from holdfast.reconcile_pass").await.unwrap();
    }
}

/// The report and the audit say so: nothing else would, because a gateway that lists nothing may serve buyers well.
#[tokio::test]
async fn a_pass_that_does_not_end_in_time_is_in_the_report_and_is_found() {
    let database = Database::new().await;
    database.sale(300, &[("a", 9, 3)]).await;
    let client = database.as_role("reconcile").await;
    let audit = database.as_role("audit").await;
    let health = async |gateway: usize| {
        asked(&database.owner, &format!("select holdfast.report('drop') #> '{{report,gateways,{gateway}}}'")).await
    };
    let found = async || {
        let sql = "select holdfast.audit_write(holdfast.audit_look('reconciliation', 100, 3600))";
        asked(&audit, sql).await["found"].clone()
    };
    let later = async |hours: i64| {
        let sql = format!(
            "update holdfast.reconcile_pass set overdue_at = overdue_at - interval '{hours} hours',
                 began_at = began_at - interval '{hours} hours', next_at = clock_timestamp()"
        );
        database.owner.batch_execute(&sql).await.unwrap();
    };
    assert_eq!(claim(&client).await.len(), 2);
    client.query("select holdfast.fail_reconcile('toss', '403 Forbidden')", &[]).await.unwrap();
    assert_eq!(advance(&client, "stripe", ("", ""), "null, ''").await, true);
    let toss = health(1).await;
    assert_eq!(
        (&toss["gateway"], &toss["breaker"], &toss["reconciled_until"], &toss["reconciliation_overdue"]),
        (&json!("toss"), &json!("closed"), &Value::Null, &json!(false)),
        "{toss}"
    );
    assert_eq!(toss["reconciliation_error"], "403 Forbidden");
    let stripe = health(0).await;
    assert!(stripe["reconciled_until"].is_string() && stripe["reconciliation_error"].is_null(), "{stripe}");

    // Twice the time between two passes: 40 hours. A day later the one begins again, and the other goes on.
    later(24).await;
    assert_eq!(claim(&client).await.len(), 2);
    assert_eq!(advance(&client, "stripe", ("", ""), "null, ''").await, true);
    later(15).await;
    assert_eq!(found().await, 0);
    later(2).await;
    assert_eq!(found().await, 1);
    assert_eq!(
        (&health(1).await["reconciliation_overdue"], &health(0).await["reconciliation_overdue"]),
        (&json!(true), &json!(false))
    );
    let finding = "select json_build_array(check_name, subject, saw ->> 'last_error') from holdfast.audit_finding where gone_at is null";
    assert_eq!(asked(&database.owner, finding).await, json!(["gateway_reconciled", "toss", "403 Forbidden"]));

    // Until it is through and the next has begun, or the gateway is not configured any more.
    assert_eq!(advance(&client, "toss", ("", ""), "null, ''").await, true);
    assert_eq!(claim(&client).await.len(), 1, "stripe's is not due yet");
    assert_eq!(found().await, 0);
    later(48).await;
    assert_eq!(found().await, 2, "no pass has begun: the function was not invoked");
    asked(&client, "select holdfast.claim_reconcile(array['stripe'], 72000, 3, null, 90)").await;
    assert_eq!(found().await, 0);
    database.checked_report().await;
}

#[tokio::test]
async fn a_page_is_compared_and_only_differences_are_looked_up() {
    let database = Database::new().await;
    database.sale(300, &[("a", 9, 3)]).await;
    let (buyer, gateway) = (database.as_role("reserve").await, database.as_role("confirm").await);
    for (user, payment) in [("ann", "p1"), ("bob", "p2"), ("eve", "p3")] {
        let ask = Ask { user: user.into(), key: "k".into(), lines: vec![("a".into(), 1)] };
        let granted = reserve(&buyer, true, &[ask]).await.unwrap();
        let hold = granted[0]["hold"]["hold_id"].as_str().unwrap().to_owned();
        let paid = Paid { payment: payment.into(), hold, user: user.into(), amount: 100, currency: "KRW".into() };
        confirm(&gateway, &paid).await.unwrap();
    }
    let told = |state: &str, refunded: i64, dispute: Value| {
        json!({"state": state, "amount": 100, "refunded": refunded, "currency": "KRW", "dispute": dispute,
               "disputed_amount": if dispute == "open" { Some(100) } else { None }})
    };
    let client = database.as_role("reconcile").await;
    let compare = async |payment: &str, ours: bool, told: Value| {
        let lines = json!([{"payment_id": payment, "ours": ours, "told": told}]);
        let params = [(&Json(&lines) as _, Type::JSON)];
        let rows = client.query_typed("select holdfast.compare_listed('standard', $1)", &params).await.unwrap();
        let Json(found): Json<Value> = rows[0].get(0);
        found == json!([payment])
    };
    for (payment, ours, says, differs) in [
        ("p1", true, told("paid", 0, json!("none")), false),
        ("p1", true, told("paid", 0, Value::Null), false),
        ("p1", true, json!({"state": "taken"}), false),
        ("p1", true, told("paid", 30, json!("none")), true),
        ("p1", true, told("paid", 0, json!("open")), true),
        ("p1", true, told("paid", 0, json!("ask")), true),
        ("p1", true, told("gone", 0, json!("none")), true),
        ("p1", true, json!({"state": "changed", "at_s": 1}), true),
        ("p1", true, Value::Null, true),
        // Not ours so far.
        ("new", true, told("paid", 0, json!("none")), true),
        ("new", true, told("authorised", 0, json!("none")), true),
        ("new", true, json!({"state": "taken"}), true),
        // The list does not say what there is now: a deposit.
        ("new", true, Value::Null, true),
        ("new", true, told("paid", 100, json!("none")), false),
        ("new", true, told("gone", 0, json!("none")), false),
        ("new", false, told("paid", 0, json!("none")), false),
        ("new", false, Value::Null, false),
    ] {
        assert_eq!(compare(payment, ours, says.clone()).await, differs, "{payment} {says}");
    }

    let lost = |amount: i64| json!({"state": "disputed", "dispute": "lost", "disputed_amount": amount});
    assert!(compare("p1", false, lost(100)).await, "no dispute is recorded");
    let recorded = "update holdfast.payment set dispute = 'lost', disputed_amount = 100 where payment_id = 'p1'";
    database.owner.batch_execute(recorded).await.unwrap();
    assert!(!compare("p1", false, lost(100)).await && compare("p1", false, lost(60)).await);
    assert!(!compare("new", false, lost(100)).await, "what is not ours is not asked about");

    // The other direction: what no list had, a bounded piece at a time.
    let pass = "select holdfast.claim_reconcile(array['standard'], 72000, 3, null, 90)";
    assert_eq!(asked(&client, pass).await.as_array().unwrap().len(), 1);
    compare("p2", true, told("paid", 0, json!("none"))).await;
    let (mut cursor, mut found) = (String::new(), vec![]);
    for _ in 0..4 {
        let piece = asked(&client, &format!("select holdfast.unlisted_payments('standard', '{cursor}', 1)")).await;
        found.extend(piece["payment_ids"].as_array().unwrap().clone());
        let Some(next) = piece["next"].as_str() else { break };
        cursor = next.to_owned();
    }
    assert_eq!(found, [json!("p1"), json!("p3")], "the list had the other one since the pass began");
}

#[tokio::test]
async fn a_page_of_a_failing_or_throttling_gateway_is_retried_and_a_healthy_gateways_goes_on() {
    let database = Database::new().await;
    let client = database.as_role("reconcile").await;
    assert_eq!(claim(&client).await.len(), 2);
    let stays = async |cursor: &str| {
        let sql = format!("select to_json(holdfast.stay_reconcile('toss', '', '{cursor}', 'no answer'))");
        asked(&client, &sql).await
    };
    let due = "update holdfast.reconcile_pass set next_at = clock_timestamp()";
    let claimed = async || {
        database.owner.batch_execute(due).await.unwrap();
        let passes = claim(&client).await;
        passes.iter().map(|pass| pass["gateway"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(stays("").await, Value::Null, "the gateway is well: it concerns these payments alone");

    client.query("select holdfast.gateway_slowed('toss', 60)", &[]).await.unwrap();
    assert_eq!(stays("elsewhere").await, Value::Null, "another call has moved it");
    assert_eq!(stays("").await, true);
    assert!(claim(&client).await.is_empty(), "not yet");
    assert_eq!(claimed().await, ["stripe"], "nor is it asked for a list");
    let quiet = "update holdfast.gateway_breaker set ask_after = null";
    database.owner.batch_execute(quiet).await.unwrap();
    assert_eq!(claimed().await, ["stripe", "toss"], "the same page again");

    // Now and then it fails: five times, then these payments may be the reason.
    client.query("select holdfast.gateway_failed('toss', '503')", &[]).await.unwrap();
    for _ in 0..4 {
        assert_eq!(stays("").await, true);
    }
    assert_eq!(stays("").await, Value::Null);
    // No request is answered: that is no payment's fault.
    database.owner.batch_execute("update holdfast.gateway_breaker set state = 'open'").await.unwrap();
    assert_eq!(stays("").await, true);
    let row = "select failures, last_error, finished_at is null from holdfast.reconcile_pass where gateway = 'toss'";
    let row = database.owner.query_one(row, &[]).await.unwrap();
    assert_eq!((row.get::<_, i32>(0), row.get::<_, &str>(1), row.get::<_, bool>(2)), (6, "no answer", true));
}

#[tokio::test]
async fn a_settled_payment_says_whether_its_gateway_throttles() {
    let database = Database::new().await;
    let (gateway, hold) = (database.as_role("confirm").await, "no hold".to_owned());
    let paid = Paid { payment: "p".into(), hold, user: "ann".into(), amount: 100, currency: "KRW".into() };
    assert_eq!(confirm(&gateway, &paid).await.unwrap()["reason"], "hold_unknown");
    let looked = async || asked(&gateway, "select holdfast.look_again('standard', 'p')").await;
    assert_eq!(looked().await["slowed"], false);
    gateway.query("select holdfast.gateway_slowed('standard', 60)", &[]).await.unwrap();
    let known = looked().await;
    assert_eq!((&known["slowed"], &known["admitted"]), (&json!(true), &json!(true)));
}
