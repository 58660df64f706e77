//! For which users a Gate must call T1: all of its users who may have something, however many they are and however much
//! one of them has, and none of them by name.

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

/// The answer to the Gate of this shard: no more users than `most`, searched no longer than so. And whether it is
/// complete.
async fn of_shard(database: &Database, (shard, shards): (i64, i64), most: i32, for_ms: i32) -> (Vec<i64>, bool) {
    let client = database.as_role("lookup").await;
    let sql = "select o_users, o_complete from holdfast.tell_holders('drop', $1, $2, $3, $4, $5)";
    let rows = client
        .query_typed(
            sql,
            &[
                (&KEY.as_slice(), Type::BYTEA),
                (&shard, Type::INT8),
                (&shards, Type::INT8),
                (&most, Type::INT4),
                (&for_ms, Type::INT4),
            ],
        )
        .await
        .unwrap();
    (rows[0].get(0), rows[0].get(1))
}

/// In this database the lookup may take as long as it needs: a test is about its result, not about how fast this
/// machine is.
async fn without_hurry(database: &Database) {
    replace(database, "least(p_for_ms, 1000)", "p_for_ms").await;
}

/// The question for holders with other words in it.
async fn replace(database: &Database, words: &str, by: &str) {
    let sql = "select pg_get_functiondef('holdfast.tell_holders(text, bytea, bigint, bigint, integer, integer)'::regprocedure)";
    let routine: String = database.owner.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(routine.matches(words).count(), 1, "{routine}");
    database.owner.batch_execute(&routine.replace(words, by)).await.unwrap();
}

const FOR_MS: i32 = 60_000;

/// The answers to all Gates of a sale.
async fn told(database: &Database) -> BTreeSet<i64> {
    let mut users = BTreeSet::new();
    for shard in 0..SHARDS {
        let (some, complete) = of_shard(database, (shard, SHARDS), 200_000, FOR_MS).await;
        assert!(complete);
        assert!(some.iter().all(|user| user.rem_euclid(SHARDS) == shard), "each Gate is told of its own");
        assert!(some.into_iter().all(|user| users.insert(user)), "each once");
    }
    users
}

fn hashes(users: impl IntoIterator<Item = String>) -> BTreeSet<i64> {
    users.into_iter().map(|user| hash(&user)).collect()
}

#[test]
fn the_hash_is_the_edges() {
    assert_eq!(hash("홍길동"), 1_016_084_569_214_216_481);
}

#[tokio::test]
async fn users_with_a_key_a_hold_or_an_order_are_listed_and_no_others() {
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
    assert_eq!(told(&database).await, hashes(all));
    // A key that is gone leaves the hold, and the order.
    database.owner.batch_execute("delete from holdfast.idempotency").await.unwrap();
    assert_eq!(told(&database).await, hashes(["홍길동", "bought"].map(str::to_owned)));
}

#[tokio::test]
async fn a_hundred_thousand_buyers_and_one_with_as_many_keys_truncate_nothing() {
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
    without_hurry(&database).await;
    let users = told(&database).await;
    assert_eq!(users.len(), 100_000);
    assert_eq!(users, hashes((1..=100_000).map(|n| format!("u{n}"))));
    // Beyond the bounds it says that there are more.
    let (some, complete) = of_shard(&database, (0, 1), 99_999, FOR_MS).await;
    assert_eq!((some.len(), complete), (99_999, false));
    let (some, complete) = of_shard(&database, (0, 1), 200_000, 0).await;
    assert!((1..100_000).contains(&some.len()) && !complete, "one piece: {}", some.len());
}

/// What a function of an earlier release makes of an answer: `lookup` stopped after a second, or when nothing was left to
/// go on with.
#[tokio::test]
async fn the_earlier_overloads_return_all_holders_or_say_that_there_are_more() {
    let database = Database::new().await;
    database.sale(300, &[("a", 50, 3)]).await;
    let buyer = database.as_role("reserve").await;
    let ask = Ask { user: "ann".into(), key: "k".into(), lines: vec![("a".into(), 1)] };
    reserve(&buyer, true, &[ask]).await.unwrap();
    let lookup = database.as_role("lookup").await;
    let sql = "select o_users, o_after from holdfast.look_up_holders('drop', $1, 0, 1, array['', '', ''], 1)";
    let row = async || lookup.query_typed(sql, &[(&KEY.as_slice(), Type::BYTEA)]).await.unwrap().remove(0);
    let whole = row().await;
    assert_eq!((whole.get::<_, Vec<i64>>(0), whole.get::<_, Option<Vec<String>>>(1)), (vec![hash("ann")], None));
    // More than there is time for.
    replace(&database, "v_after is null and", "false and").await;
    assert_eq!(row().await.get::<_, Option<Vec<Option<String>>>>(1), Some(vec![None; 3]));
    // The first of all takes as many as it asked for to be too many; and looked at them as text.
    for most in [1_i32, 100_000] {
        let rows = lookup.query_typed("select holdfast.look_up_holders('drop', $1)", &[(&most, Type::INT4)]).await;
        let users: Vec<String> = rows.unwrap()[0].get(0);
        assert_eq!(users, vec![String::new(); most as usize]);
    }
}
