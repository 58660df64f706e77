//! `relay`: events reach their subscribers, signed, at least once, in order for one hold. The function is a process of
//! the test's own, behind an emulator of its own, on a database of its own.

mod aws;
mod killed;
mod letters;
mod outage;
mod sealed;

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_postgres::types::{Json, Type};
use uuid::Uuid;

use support::client::until;
use support::database::{Ask, Database, Paid, confirm, functions_password, release, reserve};
use support::emulator;
use support::invoke::invoke_at;
use support::receiver::{Behaviour, Receiver, in_order_for_each_hold};

/// Quick enough for a test: three attempts, a second apart.
const QUICK: [(&str, &str); 4] = [
    ("RELAY_RETRY_S", "0,1,1"),
    ("RELAY_DEADLINE_S", "1"),
    ("RELAY_BREAKER_OPEN_S", "1"),
    ("RELAY_ALLOW_PRIVATE", "on"),
];

/// 32 bytes of this test's own.
const SEAL_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// One instance of the function, and the emulator where it is invoked. Both end with the test.
struct Relay {
    process: Child,
    emulator: Arc<Emulator>,
}

struct Emulator {
    url: String,
    _process: emulator::Ended,
}

impl Emulator {
    async fn start() -> Arc<Self> {
        let port = emulator::free_port();
        let process = emulator::emulator(port);
        until("the emulator listens", 30, || async { std::net::TcpStream::connect(("127.0.0.1", port)).ok() }).await;
        Arc::new(Self { url: format!("http://127.0.0.1:{port}"), _process: process })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Relay {
    async fn start(database: &Database, env: &[(&str, &str)]) -> Self {
        Self::at(&Emulator::start().await, database, env)
    }

    fn at(emulator: &Arc<Emulator>, database: &Database, env: &[(&str, &str)]) -> Self {
        let url = stack::migrate::url_for_role(&database.url(), "holdfast_relay", &functions_password()).unwrap();
        let process = Command::new(stack::workspace::target_dir().join("debug/relay"))
            .env_clear()
            .env("DATABASE_URL", url)
            .env("AWS_LAMBDA_RUNTIME_API", format!("{}/.rt/relay", emulator.url))
            .env("AWS_LAMBDA_FUNCTION_NAME", "relay")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("RELAY_FOR_S", "0")
            .env("SEAL_KEY", SEAL_KEY)
            .envs(QUICK)
            .envs(env.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, emulator: Arc::clone(emulator) }
    }

    /// One tick of the scheduler: until nothing is due.
    async fn pass(&self) -> Value {
        invoke_at(&self.emulator.url, "relay", &json!({"job": "relay"})).await.unwrap()
    }

    /// Ticks until `done`.
    async fn until(&self, what: &str, deadline_s: u64, done: impl AsyncFn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(deadline_s);
        while !done().await {
            assert!(Instant::now() < deadline, "not within {deadline_s} s: {what}");
            self.pass().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A subscription to `types` (none: everything), with its secret.
async fn subscribe(database: &Database, kind: &str, endpoint: &str, types: &[&str]) -> (Uuid, String) {
    let admin = database.as_role("admin").await;
    let secret = (kind == "http").then(|| functions::events::sign::new_secret().unwrap());
    let by = Json(json!({"actor": "test", "reason": null, "request_id": "r"}));
    let rows = admin
        .query_typed(
            "select holdfast.create_subscription($1, $2, sha256(''), $3, $4, $5, $6, 100)",
            &[
                (&by, Type::JSON),
                (&Uuid::new_v4().to_string(), Type::TEXT),
                (&kind, Type::TEXT),
                (&endpoint, Type::TEXT),
                (&types, Type::TEXT_ARRAY),
                (&secret, Type::TEXT),
            ],
        )
        .await
        .unwrap();
    let answer = rows[0].get::<_, Json<Value>>(0).0;
    let id = answer["subscription"]["subscription_id"].as_str().unwrap().parse().unwrap();
    (id, secret.unwrap_or_default())
}

async fn subscription(database: &Database, id: Uuid) -> Value {
    let sql = "select holdfast.subscription_of($1) -> 'subscription'";
    database.owner.query_one(sql, &[&id]).await.unwrap().get::<_, Json<Value>>(0).0
}

/// `(event_id, hold_id)` of everything that happened to holds, in its order.
async fn events(database: &Database) -> Vec<(String, Option<String>)> {
    let sql = "select event_id::text, hold_id::text from holdfast.event_outbox where hold_id is not null order by seq";
    let rows = database.owner.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

async fn ids(database: &Database) -> BTreeSet<String> {
    let rows = database.owner.query("select event_id::text from holdfast.event_outbox", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Holds of new buyers: each is reserved, then paid or released. Two events a hold.
async fn holds(database: &Database, from: usize, count: usize) {
    let roles =
        (database.as_role("reserve").await, database.as_role("confirm").await, database.as_role("release").await);
    for n in from..from + count {
        let user = format!("u{n}");
        let ask = Ask { user: user.clone(), key: "k".into(), lines: vec![("a".into(), 1)] };
        let answers = reserve(&roles.0, true, &[ask]).await.unwrap();
        let hold = answers[0]["hold"]["hold_id"].as_str().unwrap_or_else(|| panic!("{answers:?}")).to_owned();
        if n % 2 == 0 {
            let paid = Paid { payment: format!("p{n}"), hold, user, amount: 100, currency: "KRW".into() };
            confirm(&roles.1, &paid).await.unwrap();
        } else {
            release(&roles.2, &user, &hold).await.unwrap();
        }
    }
}

async fn shop() -> Database {
    let database = Database::new().await;
    database.sale(3_600, &[("a", 100_000, 1)]).await;
    database
}

#[tokio::test]
async fn a_message_says_what_happened_when_it_happened_and_is_signed() {
    let (database, receiver) = (shop().await, Receiver::start().await);
    let (_, secret) = subscribe(&database, "http", &receiver.url(), &["OrderConfirmed"]).await;
    holds(&database, 0, 2).await;
    let relayed = Relay::start(&database, &[]).await.pass().await;
    assert_eq!((&relayed["fanned_out"], &relayed["delivered"]), (&json!(5), &json!(1)), "{relayed}");
    let taken = receiver.taken();
    let [seen] = taken.as_slice() else { panic!("{taken:?}") };
    assert!(seen.is_signed_with(&secret));
    let row = database.owner.query_one(
        "select event_id::text, holdfast.rfc3339(created_at), data from holdfast.event_outbox where event_type = 'OrderConfirmed'", &[]);
    let row = row.await.unwrap();
    assert_eq!(seen.id, row.get::<_, String>(0));
    assert_eq!(
        seen.body,
        json!({"type": "OrderConfirmed", "timestamp": row.get::<_, String>(1), "data": row.get::<_, Json<Value>>(2).0})
    );
    let report = database.checked_report().await;
    assert_eq!((&report["outbox"]["pending"], &report["outbox"]["dead"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn without_subscriptions_an_event_is_done_and_a_later_subscription_does_not_get_it() {
    let (database, receiver) = (shop().await, Receiver::start().await);
    let relay = Relay::start(&database, &[]).await;
    holds(&database, 0, 1).await;
    assert_eq!(database.checked_report().await["outbox"]["pending"], 3);
    assert_eq!(relay.pass().await["fanned_out"], 3);
    assert_eq!(database.checked_report().await["outbox"]["pending"], 0);
    subscribe(&database, "http", &receiver.url(), &[]).await;
    holds(&database, 1, 1).await;
    assert_eq!(relay.pass().await["delivered"], 2);
    assert_eq!(receiver.ids().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_relays_at_once_deliver_the_events_of_each_hold_in_order() {
    let (database, receiver) = (shop().await, Receiver::start().await);
    subscribe(&database, "http", &receiver.url(), &[]).await;
    receiver.behave(Behaviour::Slow(Duration::from_millis(5)));
    holds(&database, 0, 150).await;
    let relays = [Relay::start(&database, &[]).await, Relay::start(&database, &[]).await];
    tokio::join!(relays[0].pass(), relays[1].pass());
    relays[0].until("everything is there", 20, async || receiver.ids() == ids(&database).await).await;
    in_order_for_each_hold(&receiver.taken(), &events(&database).await);
    assert_eq!(receiver.taken().len(), ids(&database).await.len(), "no relay died: nothing is sent twice");
    let most = receiver.most_under_way();
    assert!((2..=16).contains(&most), "{most} at once");
}

#[tokio::test]
async fn a_failed_delivery_is_retried_and_the_next_ones_of_its_hold_wait() {
    let (database, receiver) = (shop().await, Receiver::start().await);
    subscribe(&database, "http", &receiver.url(), &[]).await;
    receiver.behave(Behaviour::Answers(400, vec![]));
    holds(&database, 0, 1).await;
    let relay = Relay::start(&database, &[]).await;
    relay.pass().await;
    // The hold's first event and the stock's: what follows in the hold has to wait.
    assert_eq!(receiver.all().len(), 2);
    receiver.behave(Behaviour::Takes);
    relay.until("it is taken", 10, async || receiver.ids() == ids(&database).await).await;
    in_order_for_each_hold(&receiver.taken(), &events(&database).await);
    let (first, again) = (&receiver.all()[0], &receiver.taken()[0]);
    assert!(again.at - first.at >= Duration::from_secs(1), "the schedule's pause");
    assert_eq!(
        receiver.all().iter().filter(|seen| seen.id == first.id).map(|seen| &seen.text).collect::<BTreeSet<_>>().len(),
        1
    );
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let (database, receiver, elsewhere) = (shop().await, Receiver::start().await, Receiver::start().await);
    subscribe(&database, "http", &receiver.url(), &["ReservationCreated"]).await;
    receiver.behave(Behaviour::Answers(307, vec![("location", elsewhere.url())]));
    holds(&database, 0, 1).await;
    let relay = Relay::start(&database, &[]).await;
    relay.until("it is given up", 10, async || database.checked_report().await["outbox"]["dead"] == 1).await;
    assert_eq!((receiver.all().len(), elsewhere.all().len()), (3, 0));
    let reason = "select last_error from holdfast.delivery where status = 'DEAD'";
    let reason: String = database.owner.query_one(reason, &[]).await.unwrap().get(0);
    assert_eq!(reason, "the receiver answered 307, and no redirect is followed");
}

#[tokio::test]
async fn a_dead_letter_lets_the_later_events_of_its_hold_pass() {
    let (database, receiver) = (shop().await, Receiver::start().await);
    subscribe(&database, "http", &receiver.url(), &["ReservationCreated", "OrderConfirmed"]).await;
    receiver.behave(Behaviour::Answers(422, vec![]));
    holds(&database, 0, 1).await;
    let relay = Relay::start(&database, &[]).await;
    relay.until("the first is given up", 10, async || database.checked_report().await["outbox"]["dead"] == 1).await;
    receiver.behave(Behaviour::Takes);
    relay.until("the second passes", 10, async || receiver.taken().len() == 1).await;
    assert_eq!(receiver.taken()[0].body["type"], "OrderConfirmed");
}

#[tokio::test]
async fn an_event_that_fails_in_the_middle_holds_up_what_follows_in_its_hold_and_nothing_else() {
    let (database, receiver) = (shop().await, Receiver::start().await);
    subscribe(
        &database,
        "http",
        &receiver.url(),
        &["ReservationCreated", "ReservationExpired", "RefundRequired", "RefundCompleted"],
    )
    .await;
    let ask = Ask { user: "ann".into(), key: "k".into(), lines: vec![("a".into(), 1)] };
    let answers = reserve(&database.as_role("reserve").await, true, &[ask]).await.unwrap();
    let hold = answers[0]["hold"]["hold_id"].as_str().unwrap().to_owned();
    let lapse = "update holdfast.reservation_hold set created_at = created_at - interval '2 hours',
                 expire_at = expire_at - interval '2 hours'";
    database.owner.batch_execute(lapse).await.unwrap();
    support::database::sweep(&database.as_role("expire").await).await.unwrap();
    let paid = Paid { payment: "p".into(), hold, user: "ann".into(), amount: 100, currency: "KRW".into() };
    confirm(&database.as_role("confirm").await, &paid).await.unwrap();
    let done = "select holdfast.settle_refund('standard', 'p', 'done', null, 0)";
    database.as_role("refund").await.query_typed(done, &[]).await.unwrap();
    receiver.behave(Behaviour::Refuses("ReservationExpired"));
    holds(&database, 0, 3).await;
    let relay = Relay::start(&database, &[]).await;
    relay.pass().await;
    let types = |seen: Vec<support::receiver::Seen>| -> Vec<String> {
        seen.iter().map(|seen| seen.body["type"].as_str().unwrap().to_owned()).collect()
    };
    let all = types(receiver.all());
    assert_eq!(all.iter().filter(|one| *one == "ReservationExpired").count(), 1, "{all:?}");
    assert!(!all.contains(&"RefundRequired".to_owned()), "it stands behind what failed: {all:?}");
    assert_eq!(receiver.taken().len(), 4, "what other holds had to tell is told: {all:?}");
    receiver.behave(Behaviour::Takes);
    relay.until("all of it is taken", 10, async || receiver.taken().len() == 7).await;
    assert_eq!(types(receiver.taken())[4..], ["ReservationExpired", "RefundRequired", "RefundCompleted"]);
}

#[tokio::test]
async fn gone_disables_the_subscription_and_what_waits_becomes_dead_letters() {
    let (database, receiver) = (shop().await, Receiver::start().await);
    let (id, _) = subscribe(&database, "http", &receiver.url(), &[]).await;
    receiver.behave(Behaviour::Answers(410, vec![]));
    holds(&database, 0, 20).await;
    let relay = Relay::start(&database, &[("RELAY_AT_ONCE", "1")]).await;
    relay.until("it is buried", 10, async || database.checked_report().await["outbox"]["pending"] == 0).await;
    assert_eq!(receiver.all().len(), 1, "it was told once");
    let subscription = subscription(&database, id).await;
    assert_eq!((&subscription["status"], &subscription["dead"]), (&json!("disabled"), &json!(41)), "{subscription}");
    assert!(subscription["status_reason"].as_str().unwrap().contains("410"));
}

#[tokio::test]
async fn a_receivers_retry_after_is_kept() {
    let (database, receiver) = (shop().await, Receiver::start().await);
    let (id, _) = subscribe(&database, "http", &receiver.url(), &["ReservationCreated"]).await;
    receiver.behave(Behaviour::Answers(429, vec![("retry-after", "3".into())]));
    holds(&database, 0, 1).await;
    let relay = Relay::start(&database, &[]).await;
    relay.pass().await;
    assert_eq!(subscription(&database, id).await["breaker"], "open");
    receiver.behave(Behaviour::Takes);
    holds(&database, 1, 5).await;
    relay.until("all is taken", 15, async || receiver.taken().len() == 6).await;
    let (first, next) = (&receiver.all()[0], &receiver.all()[1]);
    assert!(next.at - first.at >= Duration::from_secs(3), "{:?}", next.at - first.at);
    assert_eq!(subscription(&database, id).await["breaker"], "closed");
}

#[tokio::test]
async fn while_an_old_secret_is_good_a_message_carries_both_signatures() {
    let (database, receiver) = (shop().await, Receiver::start().await);
    let (id, old) = subscribe(&database, "http", &receiver.url(), &["ReservationCreated"]).await;
    let new = functions::events::sign::new_secret().unwrap();
    let by = Json(json!({"actor": "test", "reason": null, "request_id": "r"}));
    let admin = database.as_role("admin").await;
    let rotate = "select holdfast.rotate_secret($1, null, null, $2, $3, 3600)";
    admin.query_typed(rotate, &[(&by, Type::JSON), (&id, Type::UUID), (&new, Type::TEXT)]).await.unwrap();
    let relay = Relay::start(&database, &[]).await;
    holds(&database, 0, 1).await;
    relay.pass().await;
    let past = "update holdfast.subscription set old_secret_until = clock_timestamp()";
    database.owner.batch_execute(past).await.unwrap();
    holds(&database, 1, 1).await;
    relay.pass().await;
    let taken = receiver.taken();
    let good = |n: usize| (taken[n].is_signed_with(&new), taken[n].is_signed_with(&old));
    assert_eq!((good(0), good(1)), ((true, true), (true, false)));
}

#[tokio::test]
async fn a_private_address_is_refused_at_delivery_too() {
    let (database, receiver) = (shop().await, Receiver::start().await);
    // As if it had been given when it was still allowed; and a name that leads inside, which no letters show.
    let port = receiver.url().rsplit_once(':').unwrap().1.to_owned();
    for endpoint in [format!("https://127.0.0.1:{port}"), format!("https://localhost:{port}"), receiver.url()] {
        subscribe(&database, "http", &endpoint, &["ReservationCreated"]).await;
    }
    holds(&database, 0, 1).await;
    let relay = Relay::start(&database, &[("RELAY_ALLOW_PRIVATE", "off")]).await;
    relay.until("all are given up", 10, async || database.checked_report().await["outbox"]["dead"] == 3).await;
    assert!(receiver.all().is_empty());
    let reasons = "select string_agg(last_error, '; ' order by subscription_id) from holdfast.delivery";
    let reasons: String = database.owner.query_one(reasons, &[]).await.unwrap().get(0);
    assert_eq!(reasons.matches("leads inside").count(), 2, "{reasons}");
    assert!(reasons.contains("it is not https"), "{reasons}");
}
