//! How long a hold waits for a lookup, how often one is sent, and what follows if it is not answered.

use serde_json::{Value, json};

use super::{Shop, ask};
use support::database::{Paid, confirm_at, release};

impl Shop {
    /// Seconds by which the hold's end is beyond what was promised.
    async fn beyond(&self) -> f64 {
        let sql = "select extract(epoch from expire_at - coalesce(promised_until, expire_at))::float8
                   from holdfast.reservation_hold where status = 'HOLD'";
        self.database.owner.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Every hold ends in two seconds, and was this long.
    async fn ends_soon(&self, length: &str) {
        let soon = format!(
            "update holdfast.reservation_hold set expire_at = clock_timestamp() + interval '2 s',
                 created_at = clock_timestamp() + interval '2 s' - interval '{length}' where status = 'HOLD';
             update holdfast.payment_attempt set ask_at = clock_timestamp() where state <> 'ENDED'"
        );
        self.database.owner.batch_execute(&soon).await.unwrap();
    }

    async fn deposit_noted(&self, payment: &str, hold: &str) {
        let sql =
            format!("select holdfast.note_payment('toss', '{payment}', '{hold}', '{hold}', null, 100, 'KRW', true)");
        ask(&self.confirm, &sql).await;
    }

    async fn unanswered(&self, payment: &str) {
        ask(&self.confirm, &format!("select holdfast.payment_unanswered('toss', '{payment}', '403')")).await;
    }
}

#[tokio::test]
async fn a_hold_waits_for_a_lookup_in_flight_and_has_its_own_end_again_after_the_response() {
    let shop = Shop::open().await;
    let hold = shop.hold("ann").await;
    shop.note("p1", &hold).await;
    shop.ends_soon("300 s").await;
    assert_eq!(shop.claim("toss", 50).await, 1);
    let beyond = shop.beyond().await;
    assert!((5.0..=10.0).contains(&beyond), "{beyond} s: as long as a question may take");
    shop.note("p1", &hold).await;
    assert!(shop.beyond().await.abs() < 0.001, "the gateway answered that it is not paid");
}

#[tokio::test]
async fn a_short_hold_waits_no_longer_than_it_was_long() {
    let shop = Shop::open().await;
    let hold = shop.hold("ann").await;
    shop.note("p1", &hold).await;
    shop.ends_soon("3 s").await;
    assert_eq!(shop.claim("toss", 50).await, 1);
    let beyond = shop.beyond().await;
    assert!((0.5..=3.0).contains(&beyond), "{beyond} s");
    assert_eq!(shop.secure("p1", &hold, "ann").await["result"], "secured");
    shop.ends_soon("3 s").await;
    assert_eq!(shop.claim("toss", 50).await, 1);
    let beyond = shop.beyond().await;
    assert!((20.0..=30.0).contains(&beyond), "{beyond} s: money may be taken at this moment");
}

#[tokio::test]
async fn a_payment_of_another_amount_leaves_the_hold_its_own_end() {
    let shop = Shop::open().await;
    let hold = shop.hold("ann").await;
    shop.note("p1", &hold).await;
    shop.ends_soon("300 s").await;
    assert_eq!(shop.claim("toss", 50).await, 1);
    let paid = |amount: i64, payment: &str| Paid {
        payment: payment.into(),
        hold: hold.clone(),
        user: "ann".into(),
        amount,
        currency: "KRW".into(),
    };
    let answer = confirm_at(&shop.confirm, "toss", &paid(99, "p1")).await.unwrap();
    assert_eq!(answer["reason"], "amount_mismatch");
    assert!(shop.beyond().await.abs() < 0.001, "the hold does not wait for that payment any more");
    let seen = ask(&shop.database.owner, &format!("select holdfast.read_hold('ann', '{hold}')")).await;
    assert_eq!((&seen["status"], &seen["refund"]["reason"]), (&json!("HOLD"), &json!("amount_mismatch")));
    assert_eq!(confirm_at(&shop.confirm, "toss", &paid(100, "p2")).await.unwrap()["result"], "confirmed");
}

#[tokio::test]
async fn a_lookup_without_a_response_is_retried_at_growing_intervals_and_ends_at_an_operator() {
    let shop = Shop::open().await;
    let hold = shop.hold("ann").await;
    shop.note("p1", &hold).await;
    let mut last = 0.0;
    for n in 1..12 {
        shop.unanswered("p1").await;
        let sql = "select extract(epoch from ask_at - clock_timestamp())::float8 from holdfast.payment_attempt";
        let next: f64 = shop.database.owner.query_one(sql, &[]).await.unwrap().get(0);
        assert!(next > last && next <= 3_600.0 || next > 3_599.0, "the {n}th: {next} s after {last} s");
        last = next;
    }
    shop.unanswered("p1").await;
    assert_eq!(shop.attempt("p1").await[0], "ENDED");
    let letters = async || {
        let found =
            ask(&shop.database.owner, "select holdfast.dead_letters(null, null, null, null, null, null, 9)").await;
        found["dead_letters"].as_array().unwrap().clone()
    };
    let letter = letters().await[0].clone();
    assert_eq!((&letter["kind"], &letter["payment_id"]), (&json!("unanswered_payment"), &json!("p1")));
    let replay = format!("select holdfast.ask_again(array['{}'])", letter["id"].as_str().unwrap());
    let again: i64 = shop.database.owner.query_one(&replay, &[]).await.unwrap().get(0);
    assert_eq!((again, shop.claim("toss", 50).await, letters().await.len()), (1, 1, 0));
    // A payment that is not recorded cannot become a dead letter.
    for _ in 0..20 {
        shop.unanswered("a stranger").await;
    }
    assert!(letters().await.is_empty());
}

/// Else its buyer could never be forgotten: nobody is shown a letter about money that came to rest.
#[tokio::test]
async fn what_nobody_answered_and_was_paid_after_all_is_no_letter_and_keeps_nobody() {
    let shop = Shop::open().await;
    let hold = shop.hold("ann").await;
    shop.note("p1", &hold).await;
    for _ in 0..12 {
        shop.unanswered("p1").await;
    }
    let by = r#"{"actor": "minji", "reason": "asked", "request_id": "r"}"#;
    let forgotten = async || {
        let sql = format!("select holdfast.forget_user('{by}', 'ann', 100, 0, 0)");
        ask(&shop.database.as_role("admin").await, &sql).await["forgotten"]["status"].clone()
    };
    assert_eq!(forgotten().await, "waiting", "an operator has to decide");
    let paid = Paid { payment: "p1".into(), hold, user: "ann".into(), amount: 100, currency: "KRW".into() };
    assert_eq!(confirm_at(&shop.confirm, "toss", &paid).await.unwrap()["result"], "confirmed");
    let id = hex::encode("toss p1");
    for decide in
        ["replay_dead_letter('{by}', null, null, '{id}')", "decide_dead_letter('{by}', null, null, '{id}', 'dismiss')"]
    {
        let sql = format!("select holdfast.{}", decide.replace("{by}", by).replace("{id}", &format!("asked-{id}")));
        let decided = ask(&shop.database.as_role("admin").await, &sql).await;
        assert_eq!(decided["letter"]["status"], "ended", "{decide}");
    }
    assert_eq!(forgotten().await, "done");
    let named = "select to_json(count(*)) from holdfast.payment_attempt where user_id = 'ann'";
    assert_eq!(ask(&shop.database.owner, named).await, 0);
}

#[tokio::test]
async fn a_gateway_that_throttles_is_polled_less_and_no_buyer_is_refused() {
    let shop = Shop::open().await;
    let hold = shop.hold("ann").await;
    shop.note("p1", &hold).await;
    shop.ends_soon("300 s").await;
    for _ in 0..9 {
        shop.confirm.query_typed("select holdfast.gateway_slowed('toss', 60)", &[]).await.unwrap();
    }
    assert_eq!(shop.claim("toss", 50).await, 0, "what may wait waits");
    assert!(shop.beyond().await > 5.0, "and its hold with it");
    let known = ask(&shop.confirm, "select holdfast.look_at_payment('toss', 'p2')").await;
    assert_eq!((&known["admitted"], &known["slowed"], &known["shaky"]), (&json!(true), &json!(true), &json!(false)));
    let over = "update holdfast.gateway_breaker set ask_after = clock_timestamp()";
    shop.database.owner.batch_execute(over).await.unwrap();
    assert_eq!(shop.claim("toss", 50).await, 1);
}

#[tokio::test]
async fn an_issued_account_leaves_the_buyer_free_to_pay_otherwise_or_to_release() {
    let shop = Shop::open().await;
    let hold = shop.hold("ann").await;
    assert_eq!(shop.secure("p1", &hold, "ann").await["result"], "secured");
    shop.deposit_noted("p1", &hold).await;
    assert_eq!(shop.attempt("p1").await[0], "UNDER_WAY", "no capture is under way any more");
    assert_eq!(shop.secure("p2", &hold, "ann").await["result"], "secured");
    shop.end("p2").await;
    let given_back = release(&shop.database.as_role("release").await, "ann", &hold).await.unwrap();
    assert_eq!(given_back["outcome"], "released");
}

#[tokio::test]
async fn an_opened_payment_page_is_polled_before_and_after_the_end_and_given_up_in_a_day() {
    let shop = Shop::open().await;
    let hold = shop.hold("ann").await;
    let open = async |user: &str| {
        ask(&shop.confirm, &format!("select holdfast.open_payment('{user}', '{hold}', 'toss')")).await
    };
    let first = open("ann").await;
    let reference = first["payment_id"].as_str().unwrap().to_owned();
    assert_eq!(reference, format!("{}01", hold.replace('-', "")));
    assert_eq!((open("ann").await, open("bob").await["outcome"].clone()), (first, json!("not_found")));
    let noted = || format!("select to_json(holdfast.note_opened('toss', '{reference}')::text)");
    for (moved, claimed) in [("2 s", 1), ("-2 s", 1), ("-1 hour", 1), ("-25 hours", 1), ("-26 hours", 0)] {
        let at = format!(
            "update holdfast.reservation_hold set created_at = clock_timestamp() - interval '2 days',
                 promised_until = null, expire_at = clock_timestamp() + interval '{moved}';
             update holdfast.payment_attempt set ask_at = clock_timestamp() where state <> 'ENDED'"
        );
        shop.database.owner.batch_execute(&at).await.unwrap();
        assert_eq!(shop.claim("toss", 50).await, claimed, "{moved}");
        ask(&shop.expire, &noted()).await;
    }
    let over = ask(&shop.database.owner, "select json_agg(outcome) from holdfast.payment_attempt").await;
    assert_eq!(over, Value::from(vec!["never paid"]));
}
