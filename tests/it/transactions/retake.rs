//! A payment after the end, where the sale wants it sold all the same: the stock is taken again and the order made in
//! one transaction, or the money goes back.

use serde_json::Value;
use tokio_postgres::types::Json;

use support::database::{Ask, Database, Paid, confirm, release, reserve, sweep};

struct Sale {
    database: Database,
}

impl Sale {
    async fn new(stock: i64, most: i64) -> Self {
        let database = Database::new().await;
        database.sale(300, &[("a", stock, most), ("b", 9, 9)]).await;
        database.owner.batch_execute("update holdfast.sale set late_payment = 'retake'").await.unwrap();
        Self { database }
    }

    async fn hold(&self, user: &str, key: &str, lines: &[(&str, i32)]) -> Value {
        let client = self.database.as_role("reserve").await;
        let lines = lines.iter().map(|(sku, qty)| ((*sku).to_owned(), *qty)).collect();
        let ask = Ask { user: user.into(), key: key.into(), lines };
        let answers = reserve(&client, true, &[ask]).await.unwrap();
        assert_eq!(answers[0]["outcome"], "granted", "{answers:?}");
        answers[0]["hold"].clone()
    }

    async fn lapse(&self) {
        let sql = "update holdfast.reservation_hold set created_at = created_at - interval '1 hour',
                   expire_at = expire_at - interval '1 hour' where status = 'HOLD'";
        self.database.owner.batch_execute(sql).await.unwrap();
    }

    async fn sweep(&self) {
        sweep(&self.database.as_role("expire").await).await.unwrap();
    }

    async fn pay(&self, payment: &str, hold: &Value, user: &str) -> Value {
        let paid = Paid {
            payment: payment.into(),
            hold: hold["hold_id"].as_str().unwrap().into(),
            user: user.into(),
            amount: hold["total_amount"].as_i64().unwrap(),
            currency: "KRW".into(),
        };
        let answer = confirm(&self.database.as_role("confirm").await, &paid).await.unwrap();
        self.database.checked_report().await;
        answer
    }

    async fn available(&self) -> Value {
        self.database.checked_report().await["skus"][0]["available"].clone()
    }
}

/// By ann, of one piece.
fn paid(payment: &str, hold: &Value) -> Paid {
    let hold = hold["hold_id"].as_str().unwrap().to_owned();
    Paid { payment: payment.into(), hold, user: "ann".into(), amount: 100, currency: "KRW".into() }
}

#[tokio::test]
async fn a_late_payment_takes_what_is_still_there_and_is_an_order() {
    let sale = Sale::new(2, 1).await;
    let hold = sale.hold("ann", "k", &[("a", 1), ("b", 2)]).await;
    sale.lapse().await;
    sale.sweep().await;
    assert_eq!(sale.available().await, 2);
    let answer = sale.pay("p1", &hold, "ann").await;
    assert_eq!(answer["result"], "confirmed");
    assert_eq!(sale.pay("p1", &hold, "ann").await, answer, "and told so again");
    assert_eq!(sale.available().await, 1);
    assert_eq!(sale.pay("p2", &hold, "ann").await["reason"], "already_paid");
}

#[tokio::test]
async fn a_late_payment_before_the_sweep_finds_its_own_stock() {
    let sale = Sale::new(1, 1).await;
    let hold = sale.hold("ann", "k", &[("a", 1)]).await;
    sale.lapse().await;
    assert_eq!(sale.pay("p1", &hold, "ann").await["result"], "confirmed");
    sale.sweep().await;
    assert_eq!(sale.available().await, 0);
}

#[tokio::test]
async fn a_late_payment_for_stock_that_another_user_has_is_refunded() {
    let sale = Sale::new(1, 1).await;
    let hold = sale.hold("ann", "k", &[("b", 1), ("a", 1)]).await;
    sale.lapse().await;
    sale.hold("bob", "k", &[("a", 1)]).await;
    assert_eq!(sale.pay("p1", &hold, "ann").await["reason"], "hold_expired");
    // Nothing of it is left in the buyer's way.
    sale.hold("ann", "k2", &[("b", 1)]).await;
}

#[tokio::test]
async fn an_active_hold_or_an_order_of_the_buyer_forbids_it() {
    let sale = Sale::new(9, 1).await;
    let late = sale.hold("ann", "k1", &[("a", 1)]).await;
    sale.lapse().await;
    sale.sweep().await;
    let next = sale.hold("ann", "k2", &[("a", 1)]).await;
    assert_eq!(sale.pay("p1", &late, "ann").await["reason"], "hold_expired", "another hold");
    assert_eq!(sale.pay("p2", &next, "ann").await["result"], "confirmed");
    assert_eq!(sale.pay("p3", &late, "ann").await["reason"], "hold_expired", "max_per_user is reached");
    assert_eq!(sale.available().await, 8);
}

#[tokio::test]
async fn another_amount_another_user_and_what_was_given_back_are_not_taken_again() {
    let sale = Sale::new(9, 9).await;
    let hold = sale.hold("ann", "k1", &[("a", 1)]).await;
    let given_back = sale.hold("bob", "k1", &[("a", 1)]).await;
    release(&sale.database.as_role("release").await, "bob", given_back["hold_id"].as_str().unwrap()).await.unwrap();
    sale.lapse().await;
    sale.sweep().await;
    let mut cheaper = hold.clone();
    cheaper["total_amount"] = 1.into();
    assert_eq!(sale.pay("p1", &cheaper, "ann").await["reason"], "hold_expired");
    assert_eq!(sale.pay("p2", &hold, "bob").await["reason"], "hold_expired");
    assert_eq!(sale.pay("p3", &given_back, "bob").await["reason"], "hold_released");
}

#[tokio::test]
async fn two_late_payments_and_a_buyer_at_once_get_the_last_piece_once() {
    for _ in 0..20 {
        let sale = Sale::new(1, 1).await;
        let hold = sale.hold("ann", "k", &[("a", 1)]).await;
        sale.lapse().await;
        sale.sweep().await;
        let (one, two) = (sale.database.as_role("confirm").await, sale.database.as_role("confirm").await);
        let buyer = sale.database.as_role("reserve").await;
        let paid = |payment: &str| Paid {
            payment: payment.into(),
            hold: hold["hold_id"].as_str().unwrap().into(),
            user: "ann".into(),
            amount: 100,
            currency: "KRW".into(),
        };
        let (first, second) = (paid("p1"), paid("p2"));
        let ask = [Ask { user: "bob".into(), key: "k".into(), lines: vec![("a".into(), 1)] }];
        let (a, b, c) = tokio::join!(confirm(&one, &first), confirm(&two, &second), reserve(&buyer, true, &ask));
        let sold = [a.unwrap(), b.unwrap()].iter().filter(|answer| answer["result"] == "confirmed").count();
        let granted = usize::from(c.unwrap()[0]["outcome"] == "granted");
        assert_eq!(sold + granted, 1);
        assert_eq!(sale.available().await, 0);
    }
}

#[tokio::test]
async fn beside_another_hold_a_late_payment_is_sold_what_the_limit_leaves() {
    let sale = Sale::new(9, 2).await;
    let late = sale.hold("ann", "k1", &[("a", 1), ("b", 1)]).await;
    let later = sale.hold("bob", "k1", &[("a", 2)]).await;
    sale.lapse().await;
    sale.sweep().await;
    let next = sale.hold("ann", "k2", &[("a", 1)]).await;
    sale.hold("bob", "k2", &[("a", 1)]).await;
    assert_eq!(sale.pay("p1", &late, "ann").await["result"], "confirmed");
    assert_eq!(sale.pay("p2", &next, "ann").await["result"], "confirmed", "which the other hold never stood for");
    assert_eq!(sale.pay("p3", &later, "bob").await["reason"], "hold_expired", "two and one are more than two");
    assert_eq!(sale.available().await, 6);
}

#[tokio::test]
async fn a_hold_that_has_lapsed_too_is_no_longer_in_the_way_and_the_limit_holds_for_both() {
    let sale = Sale::new(9, 1).await;
    let late = sale.hold("ann", "k1", &[("a", 1)]).await;
    sale.lapse().await;
    sale.sweep().await;
    let next = sale.hold("ann", "k2", &[("a", 1)]).await;
    sale.lapse().await;
    assert_eq!(sale.pay("p1", &late, "ann").await["result"], "confirmed");
    assert_eq!(sale.pay("p2", &next, "ann").await["reason"], "hold_expired", "although it is not swept");
    sale.sweep().await;
    assert_eq!(sale.available().await, 8);
}

#[tokio::test]
async fn a_sale_that_is_closed_or_paused_sells_nothing_to_a_late_payment() {
    for change in ["status = 'closed'", "status = 'paused'", "closes_at = clock_timestamp()"] {
        let sale = Sale::new(9, 9).await;
        let (one, two) = (sale.hold("ann", "k", &[("a", 1)]).await, sale.hold("bob", "k", &[("a", 1)]).await);
        sale.lapse().await;
        sale.database.owner.batch_execute(&format!("update holdfast.sale set {change}")).await.unwrap();
        assert_eq!(sale.pay("p1", &one, "ann").await["reason"], "hold_expired", "{change}: before the sweep");
        sale.sweep().await;
        assert_eq!(sale.pay("p2", &two, "bob").await["reason"], "hold_expired", "{change}");
        assert_eq!(sale.available().await, 9, "{change}");
    }
}

#[tokio::test]
async fn without_what_another_hold_has_a_limit_would_be_passed() {
    let source = include_str!("../../../schema/routines/confirm.sql");
    let guard = "and a.hold_id <> p_hold.hold_id) > k.max_per_user))";
    let mutant = source.replace(guard, "and false) > k.max_per_user))");
    assert_ne!(source, mutant);
    for (schema, bought) in [(source, 1), (mutant.as_str(), 2)] {
        let sale = Sale::new(9, 1).await;
        sale.database.owner.batch_execute(schema).await.unwrap();
        let late = sale.hold("ann", "k1", &[("a", 1)]).await;
        sale.lapse().await;
        sale.sweep().await;
        let next = sale.hold("ann", "k2", &[("a", 1)]).await;
        let client = sale.database.as_role("confirm").await;
        for (payment, hold) in [("p1", &late), ("p2", &next)] {
            confirm(&client, &paid(payment, hold)).await.unwrap();
        }
        let found = "select to_json(coalesce(sum(qty), 0)) from holdfast.order_items";
        let found: Json<Value> = sale.database.owner.query_one(found, &[]).await.unwrap().get(0);
        assert_eq!(found.0, bought, "without the guard a user must get more than the limit, or this proves nothing");
    }
}

/// Both are made to wait at the counter, if nothing makes the second wait before it.
#[tokio::test]
async fn two_late_payments_beside_a_hold_do_not_pass_the_limit_together() {
    let sale = Sale::new(9, 2).await;
    let mut late = Vec::new();
    for key in ["k1", "k2"] {
        late.push(sale.hold("ann", key, &[("a", 1)]).await);
        sale.lapse().await;
        sale.sweep().await;
    }
    sale.hold("ann", "k3", &[("a", 1)]).await;
    let somebody = stack::database::connect(&sale.database.url()).await.unwrap();
    somebody.batch_execute("begin; select from holdfast.inventory_counter for update").await.unwrap();
    let (one, two) = (sale.database.as_role("confirm").await, sale.database.as_role("confirm").await);
    let (first, second) = (paid("p1", &late[0]), paid("p2", &late[1]));
    let release = async {
        support::waiting::until_waiting(&sale.database, 2).await;
        somebody.batch_execute("commit").await.unwrap();
    };
    let (a, b, ()) = tokio::join!(confirm(&one, &first), confirm(&two, &second), release);
    let sold = [a.unwrap(), b.unwrap()].iter().filter(|answer| answer["result"] == "confirmed").count();
    assert_eq!(sold, 1, "one and the hold are two");
    assert_eq!(sale.available().await, 7);
}

#[tokio::test]
async fn a_payment_that_becomes_another_holds_meanwhile_takes_nothing_again() {
    let sale = Sale::new(1, 1).await;
    let hold = sale.hold("ann", "k", &[("a", 1)]).await;
    sale.lapse().await;
    sale.sweep().await;
    let somebody = stack::database::connect(&sale.database.url()).await.unwrap();
    let told = "begin; insert into holdfast.payment (gateway, payment_id, hold_ref, user_id, amount, currency, state, refund_reason)
                values ('standard', 'p1', 'another', 'ann', 100, 'KRW', 'REFUND_REQUIRED', 'hold_unknown');
                insert into holdfast.refund (gateway, payment_id, reason, amount, currency)
                values ('standard', 'p1', 'hold_unknown', 100, 'KRW');
                insert into holdfast.order_ledger (event_type, gateway, payment_id, amount, currency)
                values ('REFUND_REQUIRED', 'standard', 'p1', 100, 'KRW');
                insert into holdfast.event_outbox (event_type, data)
                values ('RefundRequired', '{\"gateway\": \"standard\", \"payment_id\": \"p1\", \"amount\": 100}')";
    somebody.batch_execute(told).await.unwrap();
    let client = sale.database.as_role("confirm").await;
    let paid = Paid {
        payment: "p1".into(),
        hold: hold["hold_id"].as_str().unwrap().into(),
        user: "ann".into(),
        amount: 100,
        currency: "KRW".into(),
    };
    let late = confirm(&client, &paid);
    let other = async {
        support::waiting::until_waiting(&sale.database, 1).await;
        somebody.batch_execute("commit").await.unwrap();
    };
    let (answer, ()) = tokio::join!(late, other);
    assert_eq!(answer.unwrap_err().code().map(|code| code.code()), Some("40001"), "the caller repeats it");
    assert_eq!(sale.available().await, 1);
    assert_eq!(confirm(&client, &paid).await.unwrap()["reason"], "hold_unknown");
}

#[tokio::test]
async fn above_read_committed_too_what_was_bought_meanwhile_forbids_it() {
    let sale = Sale::new(9, 1).await;
    let late = sale.hold("ann", "k1", &[("a", 1)]).await;
    sale.lapse().await;
    sale.sweep().await;
    let next = sale.hold("ann", "k2", &[("a", 1)]).await;
    let client = sale.database.as_role("confirm").await;
    client.batch_execute("begin isolation level repeatable read; select 1").await.unwrap();
    assert_eq!(sale.pay("p2", &next, "ann").await["result"], "confirmed");
    assert_eq!(confirm(&client, &paid("p1", &late)).await.unwrap()["reason"], "hold_expired");
    client.batch_execute("commit").await.unwrap();
    assert_eq!(sale.available().await, 8);
}
