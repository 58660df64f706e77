//! Two short soaks on a stack of their own: one seed that is always the same, and one that never was before.

use std::time::Duration;

use load::soak::{self, Options};

/// With what comes before and after it some 30 s.
const STORM: Duration = Duration::from_secs(15);

async fn soak_of(seed: u64) {
    let options = Options {
        name: "test-soak".to_owned(),
        lasts: STORM,
        seed,
        clients: 48,
        wholesalers: 1,
        players: 2,
        version: None,
        production: None,
    };
    let soak = soak::run(options, |_| (), std::future::pending()).await.unwrap();
    // What there is to say of a run that failed, the seed above all.
    println!("{}", soak.text());
    println!(
        "| seed {seed}: {} asked, {} reserved through the shop and {} by batches, {} faults, {} crashes, {} checks; not possible here: {:?}",
        soak.commands,
        soak.by_shop,
        soak.by_batches,
        soak.faults.values().sum::<u64>(),
        soak.crashes,
        soak.verdict.checks(),
        soak.left_out
    );
    assert_eq!(soak.verdict.violations, 0, "{:#?}", soak.verdict.words);
    let (played, unknown) = (soak.played.commands, soak.played.outcomes().all());
    println!("| {played} commands held against the model, {unknown} tries with an unknown outcome");
    assert!(played > 300, "{}", soak.text());
    assert!(soak.by_shop > 50 && soak.by_batches > 50 && soak.crashes > 0 && soak.payments > 0, "{}", soak.text());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long"]
async fn a_short_soak_with_a_seed_that_is_always_the_same_breaks_no_rule() {
    soak_of(4).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long"]
async fn a_short_soak_with_a_fresh_seed_breaks_no_rule() {
    soak_of(u64::from(uuid::Uuid::new_v4().as_fields().0)).await;
}
