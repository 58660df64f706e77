//! Whom a Gate must ask T1 about: all of its users who may have something, however many they are and however much one of
//! them has, and none of them by name.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};
use tokio_postgres::types::Type;

use support::database::{Ask, Database, Paid, confirm, release, reserve};

const KEY: [u8; 32] = [0; 32];
const SHARDS: i64 = 4;

/// As edge/src/runtime/user_hash.rs makes it.
fn hash(user: &str) -> i64 {
    let digest = Sha256::new().chain_update(KEY).chain_update(user).finalize();
    i64::from_be_bytes(digest[..8].try_into().unwrap()) & i64::MAX
}

/// What all Gates of a sale are told, in statements of so many steps; and how many statements they were.
async fn told(database: &Database, steps: i32) -> (BTreeSet<i64>, usize) {
    let client = database.as_role("lookup").await;
    let (mut users, mut statements) = (BTreeSet::new(), 0);
    for shard in 0..SHARDS {
        let mut after = Some(vec![Some(String::new()); 3]);
        while let Some(from) = after {
            let sql = "select o_users, o_after from holdfast.look_up_holders('drop', $1, $2, $3, $4, $5)";
            let rows = client
                .query_typed(
                    sql,
                    &[
                        (&KEY.as_slice(), Type::BYTEA),
                        (&shard, Type::INT8),
                        (&SHARDS, Type::INT8),
                        (&from, Type::TEXT_ARRAY),
                        (&steps, Type::INT4),
                    ],
                )
                .await
                .unwrap();
            let some: Vec<i64> = rows[0].get(0);
            assert!(some.iter().all(|user| user.rem_euclid(SHARDS) == shard), "each Gate is told of its own");
            users.extend(some);
            after = rows[0].get(1);
            statements += 1;
        }
    }
    (users, statements)
}

fn hashes(users: impl IntoIterator<Item = String>) -> BTreeSet<i64> {
    users.into_iter().map(|user| hash(&user)).collect()
}

#[test]
fn the_hash_is_the_edges() {
    assert_eq!(hash("홍길동"), 1_016_084_569_214_216_481);
}

#[tokio::test]
async fn whoever_has_a_key_a_hold_or_an_order_is_told_of_and_nobody_else() {
    let database = Database::new().await;
    database.sale(300, &[("a", 50, 3)]).await;
    let buyer = database.as_role("reserve").await;
    let ask = |user: &str| Ask { user: user.into(), key: "k".into(), lines: vec![("a".into(), 1)] };
    let answers = reserve(&buyer, true, &["홍길동", "gave-back", "bought"].map(ask)).await.unwrap();
    let hold = |n: usize| answers[n]["hold"]["hold_id"].as_str().unwrap().to_owned();
    release(&database.as_role("release").await, "gave-back", &hold(1)).await.unwrap();
    let paid = Paid { payment: "p".into(), hold: hold(2), user: "bought".into(), amount: 100, currency: "KRW".into() };
    confirm(&database.as_role("confirm").await, &paid).await.unwrap();
    let all = ["홍길동", "gave-back", "bought"].map(str::to_owned);
    assert_eq!(told(&database, 100).await.0, hashes(all));
    // A key that is gone leaves the hold, and the order.
    database.owner.batch_execute("delete from holdfast.idempotency").await.unwrap();
    assert_eq!(told(&database, 100).await.0, hashes(["홍길동", "bought"].map(str::to_owned)));
}

#[tokio::test]
async fn a_hundred_thousand_buyers_and_one_with_as_many_keys_cut_nobody_off() {
    let database = Database::new().await;
    database.sale(300, &[("a", 50, 3)]).await;
    let keys = |rows: &str| {
        format!(
            "insert into holdfast.idempotency (user_id, idem_key, fingerprint, hold_id)
             select {rows}, sha256('asked'), uuidv7() from generate_series(1, 100000) as n"
        )
    };
    for rows in ["'u' || n, 'k'", "'u5', 'n' || n"] {
        database.owner.batch_execute(&keys(rows)).await.unwrap();
    }
    let (users, statements) = told(&database, 2_000).await;
    assert_eq!(users.len(), 100_000);
    assert_eq!(users, hashes((1..=100_000).map(|n| format!("u{n}"))));
    // Statements go on where the one before stopped; that one user's keys are one step.
    assert_eq!(statements, 2 * SHARDS as usize);
}
