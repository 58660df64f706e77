//! A small drop on the real stack: it breaks no rule, and a database that was tampered with does.

use std::time::Duration;

use load::rush::figures::Figures;
use load::rush::{self, Options, Rush, page};
use stack::Report;

use support::database;

fn stack() -> Report {
    serde_json::from_value(database::stack()).unwrap()
}

fn failed(rush: &Rush) -> Vec<&'static str> {
    rush.failed().iter().map(|check| check.rule).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long"]
async fn a_drop_is_sold_exactly_and_the_verdict_sees_what_is_changed_by_hand() {
    let stack = stack();
    let options =
        Options { buyers: 300, stock: 40, over: Duration::from_secs(6), pay: 0.7, skus: 2, seed: 42, per_address: 1 };
    let mut rush = rush::run(options, &stack, ()).await.unwrap();
    assert!(rush.failed().is_empty(), "{:#?}", rush.checks);

    let figures = Figures::of(&rush);
    assert!(figures.passed && figures.holds >= 40 && figures.orders > 15, "{figures:#?}");
    assert_eq!(figures.held + figures.available + figures.orders as i64, 40);
    assert!(figures.winners.count >= 40 && figures.losers.count > 150, "{figures:#?}");
    // Each call of a function was seen, and no press took two.
    let calls = figures.invocations.as_ref().unwrap();
    assert!(calls["reserve"] > 0 && calls["confirm"] >= figures.orders as i64, "{calls:?}");
    assert!(figures.invocations_a_reservation.unwrap() <= 1.0, "{calls:?}");
    assert!(figures.transactions > calls["reserve"], "{figures:#?}");
    let html = page::html(&rush, &figures);
    assert!(html.contains("Passed") && html.matches("<svg").count() == 4 && !html.contains("NaN"));
    assert!(!html.contains("<script") && !html.contains("src=") && !html.contains("@import"));

    let owner = stack::database::connect(&stack.database_url).await.unwrap();
    let sale_id = rush.run.sale_id.clone();
    let one = "(sale_id, sku_id) = ($1, 'piece-1')";
    let by = |n: i32| {
        format!("update holdfast.inventory_counter set available = available + {n}, total = total + {n} where {one}")
    };
    assert_eq!(owner.execute(&by(1), &[&sale_id]).await.unwrap(), 1);
    rush.judge_again(&stack).await.unwrap();
    assert_eq!(failed(&rush), ["Sold exactly", "The audit finds nothing"]);

    assert_eq!(owner.execute(&by(-1), &[&sale_id]).await.unwrap(), 1);
    rush.judge_again(&stack).await.unwrap();
    assert_eq!(failed(&rush), [""; 0]);
}
