//! Receivers' secrets: the database has them sealed, and a message is signed with what they are.

use functions::events::seal::Seal;

use super::{Relay, SEAL_KEY, holds, shop, subscribe};
use support::receiver::Receiver;

/// Another key, that the relay of these tests does not have.
const OTHER_KEY: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_clear_is_sealed_when_it_is_used_and_a_former_key_gives_way_to_the_present_one() {
    let database = shop().await;
    let receiver = Receiver::start().await;
    let (id, secret) = subscribe(&database, "http", &receiver.url(), &["ReservationCreated"]).await;
    let stored = async || -> String {
        let sql = "select secret from holdfast.subscription where subscription_id = $1";
        database.owner.query_one(sql, &[&id]).await.unwrap().get(0)
    };
    assert_eq!(stored().await, secret, "as an earlier release wrote it");
    holds(&database, 0, 1).await;
    let relay = Relay::start(&database, &[]).await;
    relay.until("it is told", 20, async || receiver.taken().len() == 1).await;
    assert!(receiver.taken()[0].is_signed_with(&secret));
    let sealed = stored().await;
    assert!(Seal::of(SEAL_KEY).unwrap().is_current(&sealed) && !sealed.contains(&secret), "{sealed}");
    drop(relay);

    let both = format!("{OTHER_KEY},{SEAL_KEY}");
    let relay = Relay::start(&database, &[("SEAL_KEY", &both)]).await;
    holds(&database, 1, 1).await;
    relay.until("it is told of the next", 20, async || receiver.taken().len() == 2).await;
    assert!(receiver.taken()[1].is_signed_with(&secret));
    assert!(Seal::of(OTHER_KEY).unwrap().is_current(&stored().await));
}
