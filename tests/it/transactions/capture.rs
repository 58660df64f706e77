//! Payments that are under way: which attempt at a hold each is, how long their hold waits for them, and when their
//! gateway is left alone.

mod lookups;

use serde_json::{Value, json};
use tokio_postgres::Client;
use tokio_postgres::types::Json;

use support::database::{Ask, Database, Paid, confirm_at, release, reserve, sweep};
use support::waiting::until_waiting;

struct Shop {
    database: Database,
    /// With the rights of the functions that report payments and look them up.
    confirm: Client,
    expire: Client,
}

async fn ask(client: &Client, sql: &str) -> Value {
    let rows = client.query_typed(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    rows[0].get::<_, Option<Json<Value>>>(0).map_or(Value::Null, |json| json.0)
}

impl Shop {
    async fn open() -> Self {
        let database = Database::new().await;
        database.sale(300, &[("a", 99, 9)]).await;
        let (confirm, expire) = (database.as_role("confirm").await, database.as_role("expire").await);
        Self { database, confirm, expire }
    }

    async fn hold(&self, user: &str) -> String {
        let buyer = self.database.as_role("reserve").await;
        let asks = [Ask { user: user.into(), key: user.into(), lines: vec![("a".into(), 1)] }];
        reserve(&buyer, true, &asks).await.unwrap()[0]["hold"]["hold_id"].as_str().expect("granted").to_owned()
    }

    /// A payment of this hold is not ready yet.
    async fn note(&self, payment: &str, hold: &str) {
        ask(&self.confirm, &noted(payment, hold)).await;
    }

    async fn secure(&self, payment: &str, hold: &str, user: &str) -> Value {
        let sql =
            format!("select holdfast.secure('toss', '{payment}', '{hold}', '{hold}', '{user}', 100, 'KRW', null)");
        ask(&self.confirm, &sql).await
    }

    async fn end(&self, payment: &str) {
        ask(&self.confirm, &format!("select holdfast.end_payment('toss', '{payment}', 'over')")).await;
    }

    /// State, number and hold.
    async fn attempt(&self, payment: &str) -> Value {
        let sql = format!(
            "select json_build_array(state, attempt, hold_id) from holdfast.payment_attempt where payment_id = '{payment}'"
        );
        ask(&self.database.owner, &sql).await
    }

    /// Every hold ends in a moment, and every payment under way is due to be asked about.
    async fn about_to_end(&self) {
        let soon = "update holdfast.reservation_hold set created_at = created_at - interval '1 hour',
                        expire_at = clock_timestamp() + interval '5 s' where status = 'HOLD';
                    update holdfast.payment_attempt set ask_at = clock_timestamp() where state <> 'ENDED'";
        self.database.owner.batch_execute(soon).await.unwrap();
    }

    /// What was promised is over, and what was added to it is not.
    async fn past_the_promise(&self) {
        let past = "update holdfast.reservation_hold set promised_until = clock_timestamp() - interval '1 s'
                    where status = 'HOLD' and promised_until is not null";
        self.database.owner.batch_execute(past).await.unwrap();
    }

    async fn claim(&self, gateway: &str, most: i32) -> usize {
        let sql = format!("select holdfast.claim_payments('{{{gateway}}}', {most}, 30)");
        ask(&self.expire, &sql).await.as_array().unwrap().len()
    }

    /// Holds that will not end for a while.
    async fn kept(&self) -> i64 {
        let sql = "select count(*) from holdfast.reservation_hold where expire_at > clock_timestamp() + interval '7 s'";
        self.database.owner.query_one(sql, &[]).await.unwrap().get(0)
    }
}

fn noted(payment: &str, hold: &str) -> String {
    format!("select holdfast.note_payment('toss', '{payment}', '{hold}', '{hold}', null, 100, 'KRW')")
}

#[tokio::test]
async fn two_payments_of_one_hold_reported_at_once_have_keys_of_their_own() {
    let shop = Shop::open().await;
    let hold = shop.hold("ann").await;
    let holder = stack::database::connect(&shop.database.url()).await.unwrap();
    holder.batch_execute("begin; select from holdfast.reservation_hold for update").await.unwrap();
    let (one, two) = (shop.database.as_role("confirm").await, shop.database.as_role("confirm").await);
    let (first, second) = (noted("p1", &hold), noted("p2", &hold));
    let release = async {
        until_waiting(&shop.database, 2).await;
        holder.batch_execute("commit").await.unwrap();
    };
    tokio::join!(ask(&one, &first), ask(&two, &second), release);
    let mut numbers = [shop.attempt("p1").await[1].clone(), shop.attempt("p2").await[1].clone()];
    numbers.sort_by_key(Value::as_i64);
    assert_eq!(numbers, [1, 2], "the number is the key of the capture, and one gateway compares nothing but that");
    assert_eq!(shop.secure("p1", &hold, "ann").await["result"], "secured");
    assert_eq!(shop.secure("p2", &hold, "ann").await["reason"], "payment_under_way");
}

#[tokio::test]
async fn a_payment_that_ended_and_begins_again_is_looked_up_before_its_hold_ends() {
    let shop = Shop::open().await;
    let hold = shop.hold("ann").await;
    shop.note("p1", &hold).await;
    shop.end("p1").await;
    assert_eq!(shop.attempt("p1").await, json!(["ENDED", 1, hold]));
    shop.note("p1", &hold).await;
    assert_eq!(shop.attempt("p1").await, json!(["UNDER_WAY", 2, hold]), "another try, and another key");
    shop.about_to_end().await;
    assert_eq!((shop.claim("toss", 50).await, shop.kept().await), (1, 1));
}

#[tokio::test]
async fn a_payment_reported_for_another_hold_is_another_attempt() {
    let shop = Shop::open().await;
    let (one, two) = (shop.hold("ann").await, shop.hold("bob").await);
    shop.note("p0", &two).await;
    assert_eq!(shop.secure("p1", &one, "ann").await["attempt"], 1);
    assert_eq!(shop.secure("p1", &two, "bob").await["attempt"], 2);
    assert_eq!(shop.attempt("p1").await, json!(["CAPTURING", 2, two]));
}

#[tokio::test]
async fn the_end_of_one_payment_does_not_end_a_hold_whose_other_one_is_polled() {
    let shop = Shop::open().await;
    let hold = shop.hold("ann").await;
    shop.note("p1", &hold).await;
    shop.note("p2", &hold).await;
    shop.about_to_end().await;
    assert_eq!(shop.claim("toss", 50).await, 2);
    shop.past_the_promise().await;
    shop.end("p1").await;
    assert_eq!(sweep(&shop.expire).await.unwrap(), 0, "p2 may be paid");
    shop.end("p2").await;
    assert_eq!(sweep(&shop.expire).await.unwrap(), 1);
    shop.database.checked_report().await;
}

#[tokio::test]
async fn only_holds_whose_payment_waits_for_a_lookup_are_extended() {
    let shop = Shop::open().await;
    for n in 0..5 {
        let hold = shop.hold(&format!("u{n}")).await;
        shop.note(&format!("p{n}"), &hold).await;
    }
    shop.hold("nobody pays").await;
    shop.about_to_end().await;
    assert_eq!((shop.claim("portone", 1).await, shop.kept().await), (0, 0), "another gateway's are not its own");
    assert_eq!((shop.claim("toss", 1).await, shop.kept().await), (1, 5));
    assert_eq!(shop.claim("toss", 50).await, 4, "what is taken is taken");
}

#[tokio::test]
async fn an_approved_capture_is_not_overtaken_while_the_hold_lasts() {
    let shop = Shop::open().await;
    let hold = shop.hold("ann").await;
    assert_eq!(shop.secure("p1", &hold, "ann").await["result"], "secured");
    // It is looked up, or an older message comes: the capture may happen at this moment.
    shop.note("p1", &hold).await;
    assert_eq!(shop.attempt("p1").await[0], "CAPTURING");
    assert_eq!(shop.secure("p2", &hold, "ann").await["reason"], "payment_under_way");
    let given_back = release(&shop.database.as_role("release").await, "ann", &hold).await.unwrap();
    assert_eq!(given_back["outcome"], "hold_not_active");
    let over = "update holdfast.reservation_hold set created_at = created_at - interval '1 hour',
                expire_at = clock_timestamp(), promised_until = null";
    shop.database.owner.batch_execute(over).await.unwrap();
    shop.note("p1", &hold).await;
    assert_eq!(shop.attempt("p1").await[0], "UNDER_WAY");
}

/// The answer of the capture is lost, the gateway cannot be asked, and the time is over: then it says that it was done.
#[tokio::test]
async fn money_captured_for_a_hold_that_ended_unnoticed_is_refunded() {
    let shop = Shop::open().await;
    let hold = shop.hold("ann").await;
    assert_eq!(shop.secure("p1", &hold, "ann").await["result"], "secured");
    shop.about_to_end().await;
    assert_eq!(shop.claim("toss", 50).await, 1);
    let over = "update holdfast.reservation_hold set promised_until = clock_timestamp() - interval '200 s',
                expire_at = clock_timestamp()";
    shop.database.owner.batch_execute(over).await.unwrap();
    assert_eq!(sweep(&shop.expire).await.unwrap(), 1, "a gateway that never answers keeps no stock for ever");
    shop.about_to_end().await;
    assert_eq!(shop.claim("toss", 50).await, 1, "it is asked about all the same");
    let paid = Paid { payment: "p1".into(), hold, user: "ann".into(), amount: 100, currency: "KRW".into() };
    let answer = confirm_at(&shop.confirm, "toss", &paid).await.unwrap();
    assert_eq!(answer, json!({"result": "refund_required", "reason": "hold_expired"}));
    assert_eq!(shop.attempt("p1").await[0], "ENDED");
    shop.database.checked_report().await;
}

#[tokio::test]
async fn a_failing_gateway_gets_no_requests_and_then_one_probe() {
    let shop = Shop::open().await;
    let health = async || ask(&shop.database.owner, "select holdfast.gateway_health() -> 0 -> 'breaker'").await;
    let admitted = async || ask(&shop.confirm, "select holdfast.look_at_payment('toss', 'p') -> 'admitted'").await;
    for failures in 1..=5 {
        assert_eq!(admitted().await, true, "{failures}");
        shop.confirm.query_typed("select holdfast.gateway_failed('toss', 'no answer')", &[]).await.unwrap();
        assert_eq!(health().await, if failures < 5 { "closed" } else { "open" });
    }
    assert_eq!((admitted().await, health().await), (json!(false), json!("open")));
    let later = "update holdfast.gateway_breaker set retry_at = clock_timestamp()";
    shop.database.owner.batch_execute(later).await.unwrap();
    assert_eq!((admitted().await, health().await), (json!(true), json!("half_open")));
    assert_eq!(admitted().await, false, "one is enough to find out");
    let others = ask(&shop.confirm, "select holdfast.look_at_payment('stripe', 'p') -> 'admitted'").await;
    assert_eq!(others, true);
    shop.confirm.query_typed("select holdfast.gateway_answered('toss')", &[]).await.unwrap();
    assert_eq!((admitted().await, health().await), (json!(true), json!("closed")));
}

/// It authorizes a capture at the gateway, and is deleted once the attempt is over.
#[tokio::test]
async fn a_token_is_kept_no_longer_than_its_attempt() {
    let shop = Shop::open().await;
    let token = async |payment: &str| {
        let sql = "select state, token from holdfast.payment_attempt where payment_id = $1";
        let row = shop.database.owner.query_one(sql, &[&payment]).await.unwrap();
        (row.get::<_, String>(0), row.get::<_, Option<String>>(1))
    };
    for (payment, user) in [("ended", "ann"), ("bought", "bob"), ("unanswered", "cid")] {
        let hold = shop.hold(user).await;
        let of_hold = format!("'portone', '{payment}', '{hold}', '{hold}', '{user}', 100, 'KRW'");
        let secured = ask(&shop.confirm, &format!("select holdfast.secure({of_hold}, 'a token')")).await;
        assert_eq!(secured["result"], "secured");
        assert_eq!(token(payment).await, ("CAPTURING".to_owned(), Some("a token".to_owned())));
        if payment == "ended" {
            ask(&shop.confirm, &format!("select holdfast.end_payment('portone', '{payment}', 'over')")).await;
        } else if payment == "unanswered" {
            for _ in 0..12 {
                let unanswered = format!("select holdfast.payment_unanswered('portone', '{payment}', '403')");
                ask(&shop.confirm, &unanswered).await;
            }
            let letters =
                ask(&shop.database.owner, "select holdfast.dead_letters(null, null, null, null, null, null, 9)").await;
            assert_eq!(letters["dead_letters"][0]["payment_id"], payment);
        } else {
            let bought = ask(&shop.confirm, &format!("select holdfast.confirm({of_hold})")).await;
            assert_eq!(bought["result"], "confirmed");
        }
        assert_eq!(token(payment).await, ("ENDED".to_owned(), None));
    }
}

/// A slow response that nothing was paid, or a reversed deposit: either comes after the payment was settled.
#[tokio::test]
async fn a_settled_payment_is_not_looked_up_again_whatever_is_recorded_of_it() {
    let shop = Shop::open().await;
    let hold = shop.hold("ann").await;
    shop.note("p1", &hold).await;
    let paid =
        Paid { payment: "p1".into(), hold: hold.clone(), user: "ann".into(), amount: 100, currency: "KRW".into() };
    let stored = confirm_at(&shop.confirm, "toss", &paid).await.unwrap();
    assert_eq!(stored["result"], "confirmed");
    assert_eq!(ask(&shop.confirm, &noted("p1", &hold)).await, stored);
    assert_eq!(shop.attempt("p1").await[0], "ENDED");
    let asked = "update holdfast.payment_attempt set dead_at = clock_timestamp(), ask_at = clock_timestamp()";
    shop.database.owner.batch_execute(asked).await.unwrap();
    let letter: String = "toss p1".bytes().map(|byte| format!("{byte:02x}")).collect();
    let again = format!("select to_json(holdfast.ask_again(array['asked-{letter}']))");
    assert_eq!(ask(&shop.database.owner, &again).await, 0, "its money came to rest: it is no letter");
    assert_eq!(shop.claim("toss", 50).await, 0);
}

/// Its gateway says another hold of it now, for which another payment's money is being taken.
#[tokio::test]
async fn a_capture_goes_on_for_the_hold_that_it_began_for_alone() {
    let shop = Shop::open().await;
    let (anns, bobs) = (shop.hold("ann").await, shop.hold("bob").await);
    assert_eq!(shop.secure("p1", &anns, "ann").await["result"], "secured");
    assert_eq!(shop.secure("p2", &bobs, "bob").await["result"], "secured");
    shop.note("p1", &bobs).await;
    assert_eq!(shop.attempt("p1").await, json!(["UNDER_WAY", 2, bobs]));
    assert_eq!(shop.attempt("p2").await, json!(["CAPTURING", 1, bobs]));
}
