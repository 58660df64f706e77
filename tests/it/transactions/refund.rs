//! How a refund is claimed, and what is written of each try.

use serde_json::{Value, json};
use tokio_postgres::Client;
use tokio_postgres::types::Json;

use support::database::{Database, Paid, confirm};

struct World {
    database: Database,
    refund: Client,
}

impl World {
    /// A payment of 100 that is to be refunded.
    async fn new() -> Self {
        let database = Database::new().await;
        database.sale(300, &[("a", 9, 3)]).await;
        let paid =
            Paid { payment: "p1".into(), hold: "none".into(), user: "ann".into(), amount: 100, currency: "KRW".into() };
        confirm(&database.as_role("confirm").await, &paid).await.unwrap();
        let refund = database.as_role("refund").await;
        Self { database, refund }
    }

    async fn owner(&self, sql: &str) {
        self.database.owner.batch_execute(sql).await.unwrap();
    }

    /// Its one try ends so; what is written of the refund then, and in how many seconds it is due again.
    async fn settled(&self, outcome: &str, again_s: f64) -> (Value, f64) {
        let settle = format!("select holdfast.settle_refund('standard', 'p1', '{outcome}', 'said', {again_s})");
        self.refund.query_typed(&settle, &[]).await.unwrap();
        let written = "select json_build_array(status, requested_at is not null, attempts, failure),
                           extract(epoch from next_attempt_at - clock_timestamp())::float8 from holdfast.refund";
        let row = self.database.owner.query_one(written, &[]).await.unwrap();
        (row.get::<_, Json<Value>>(0).0, row.get(1))
    }

    async fn begin(&self, amount: i64) -> Value {
        let begin = format!("select holdfast.begin_refund('standard', 'p1', {amount})");
        self.refund.query_typed(&begin, &[]).await.unwrap()[0].get::<_, Json<Value>>(0).0
    }
}

#[tokio::test]
async fn a_refund_that_waits_for_a_dispute_has_sent_nothing_and_is_polled_at_growing_intervals() {
    let world = World::new().await;
    for (ago, pause_s) in [("0 s", 5.0), ("4 minutes", 120.0), ("3 days", 600.0)] {
        world.owner(&format!("update holdfast.refund set created_at = clock_timestamp() - interval '{ago}'")).await;
        let (written, next_s) = world.settled("waits", 5.0).await;
        assert_eq!(written, json!(["REQUIRED", false, 0, "said"]));
        assert!((pause_s - 5.0..pause_s + 5.0).contains(&next_s), "{ago}: {next_s} s");
    }
    world.begin(60).await;
    assert_eq!(world.settled("partly_waits", 5.0).await.0, json!(["REQUIRED", false, 0, "said"]));
    let paid = "select sum(amount)::bigint from holdfast.refund_attempt where succeeded and ended_at is not null";
    assert_eq!(world.database.owner.query_one(paid, &[]).await.unwrap().get::<_, i64>(0), 60);
    assert_eq!(world.begin(40).await["attempt"], 2, "the rest has a key of its own");
}

/// The key of an open request is its own: with another account it would be answered as it was before.
#[tokio::test]
async fn a_refund_whose_last_request_may_still_run_is_not_sent_to_another_account() {
    let world = World::new().await;
    let confirm = world.database.as_role("confirm").await;
    let letter: String = "standard p1".bytes().map(|byte| format!("{byte:02x}")).collect();
    let named = async || {
        let claim = format!("select holdfast.claim_refund_to(null, null, 'refund-{letter}', 0)");
        confirm.query_typed(&claim, &[]).await.unwrap()[0].get::<_, Json<Value>>(0).0["result"].clone()
    };
    let claimed = async || {
        world.owner("update holdfast.refund set next_attempt_at = clock_timestamp()").await;
        let claim = "select holdfast.claim_refunds('{standard}', 9, 0)";
        world.refund.query_typed(claim, &[]).await.unwrap()[0].get::<_, Json<Value>>(0).0[0]["attempt_open"].clone()
    };
    world.owner("update holdfast.refund set account_needed = true").await;
    assert_eq!((claimed().await, named().await), (json!(false), json!("due")));
    world.begin(100).await;
    assert_eq!((claimed().await, named().await), (json!(true), json!("in_progress")));
    world.settled("unknown", 0.0).await;
    assert_eq!((claimed().await, named().await), (json!(true), json!("in_progress")));
    world.settled("refused", 0.0).await;
    assert_eq!((claimed().await, named().await), (json!(false), json!("due")));
}
