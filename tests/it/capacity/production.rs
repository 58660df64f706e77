//! A small drop on a stack that behaves as the real platforms do: several isolates, distances, timeouts, shares of a processor,
//! ticks that are late and repeated, 500 buyers behind one address.

use std::time::Duration;

use load::rush::figures::Figures;
use load::rush::{self, Options};
use stack::Stack;
use stack::detours::Detours;
use stack::production::{BUYERS_PER_ADDRESS, Production};

const PRODUCTION: Production = Production { isolates: 3, function_ms: 5, database_ms: 1, gateway_ms: 150 };

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long"]
async fn a_drop_breaks_no_rule_where_everything_is_as_far_apart_as_it_will_be() {
    let mut stack = Stack::prepare(stack::Options {
        aws: false,
        production: Some(PRODUCTION),
        detours: Some(Detours::new(vec![], None, None).await.unwrap()),
        ..stack::Options::for_tests("test-production")
    })
    .unwrap();
    let report = stack.bring_up().await;
    let options = Options {
        buyers: 1_000,
        stock: 60,
        over: Duration::from_secs(8),
        pay: 0.7,
        skus: 1,
        seed: 42,
        per_address: BUYERS_PER_ADDRESS,
    };
    // Looked at when the stack is gone, whatever became of it.
    let played = match &report {
        Ok(report) => Some(rush::run(options, report, ()).await),
        Err(_) => None,
    };
    stack.stop().await;
    report.unwrap();
    let rush = played.unwrap().unwrap();
    assert!(rush.failed().is_empty(), "{:#?}", rush.checks);
    let figures = Figures::of(&rush);
    // All of them come from two addresses.
    assert!(figures.answers.keys().all(|answer| !answer.contains("rate_limited")), "{:#?}", figures.answers);
    assert!(figures.orders > 20, "{figures:#?}");
}
