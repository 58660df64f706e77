//! Parts that are killed by their pid, as `stack.json` names it, in the middle of a sale.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use support::client::{Client, until};
use support::{database, sold_out};

/// The processes of a part, as `stack.json` names them now.
fn pids(part: &str) -> Vec<i64> {
    match &database::stack()["pids"][part] {
        Value::Array(pids) => pids.iter().filter_map(Value::as_i64).collect(),
        pid => pid.as_i64().into_iter().collect(),
    }
}

fn kill(pid: i64) {
    signal("-9", pid);
}

fn signal(signal: &str, pid: i64) {
    // Of the stack that was booted for this run, by the pid it wrote down.
    let status = std::process::Command::new("kill").args([signal, &pid.to_string()]).status().unwrap();
    assert!(status.success(), "kill {signal} {pid}");
}

fn items() -> Value {
    json!([{"sku_id": "pair", "qty": 1}])
}

/// A new process has replaced the killed one, and the shop answers from the database.
async fn until_well(client: &Client, part: &str, dead: &[i64]) {
    until(&format!("{part} is started again"), 30, || async {
        let now = pids(part);
        (now.len() >= dead.len() && dead.iter().all(|pid| !now.contains(pid))).then_some(())
    })
    .await;
    until("the shop answers", 30, || async {
        // Of a sale that was not requested before, or it would be answered from the cache.
        let path = format!("/v1/sales/none-{}", Uuid::new_v4());
        let request = client.request(Method::GET, &path).send().await.ok()?;
        (request.status() == 404).then_some(())
    })
    .await;
}

#[derive(Clone)]
struct Acknowledged {
    user: String,
    hold_id: String,
}

/// Buyers who press again with the same key until they get a result; what each was answered.
async fn reserve_all(client: &Arc<Client>, sale: &str, buyers: usize, underway: &Arc<AtomicBool>) -> Vec<Acknowledged> {
    let mut crowd = JoinSet::new();
    for n in 0..buyers {
        let (client, sale, underway) = (Arc::clone(client), sale.to_owned(), Arc::clone(underway));
        crowd.spawn(async move {
            let user = format!("buyer-{n}");
            for _ in 0..200 {
                let request = client.reserving(&user, "the-key", &sale, items());
                let Ok(response) = request.send().await else {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                };
                let (status, retry_after) =
                    (response.status().as_u16(), response.headers().contains_key("retry-after"));
                let Ok(body) = response.json::<Value>().await else { continue };
                match (status, body["code"].as_str()) {
                    (201, _) => {
                        underway.store(true, Ordering::Relaxed);
                        return Some(Acknowledged { user, hold_id: body["hold_id"].as_str().unwrap().to_owned() });
                    }
                    (409, Some("sold_out")) => return None,
                    (503, Some("unavailable")) | (429, Some("rate_limited")) => {
                        assert!(retry_after, "{body}");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                    other => panic!("{other:?}: {body}"),
                }
            }
            panic!("{user} never got an answer");
        });
    }
    crowd.join_all().await.into_iter().flatten().collect()
}

/// Every 201 that a client received is there, and the counters agree.
async fn nothing_is_lost(client: &Client, sale: &str, stock: i64, told: &[Acknowledged]) {
    assert_eq!(told.len() as i64, stock);
    let mut ids: Vec<&str> = told.iter().map(|one| one.hold_id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len() as i64, stock, "one hold each");
    for one in told {
        let hold = client.get(&one.user, &format!("/v1/reservations/{}", one.hold_id)).await.ok(200);
        assert_eq!(hold["status"], "HOLD");
    }
    let report = client.report(sale).await;
    assert_eq!(report["skus"][0], json!({"sku_id": "pair", "total": stock, "available": 0, "held": stock, "sold": 0}));
}

async fn killed_in_the_middle(part: &str) {
    let client = Arc::new(Client::new());
    let sale = client.sale(3_600, &[("pair", 100, 1)]).await;
    let (underway, dead) = (Arc::new(AtomicBool::new(false)), pids(part));
    assert!(!dead.is_empty(), "stack.json names no {part}");
    let crowd = {
        let (client, sale, underway) = (Arc::clone(&client), sale.clone(), Arc::clone(&underway));
        tokio::spawn(async move { reserve_all(&client, &sale, 600, &underway).await })
    };
    until("a client got 201", 30, || async { underway.load(Ordering::Relaxed).then_some(()) }).await;
    for pid in &dead {
        kill(*pid);
    }
    let told = crowd.await.unwrap();
    until_well(&client, part, &dead).await;
    nothing_is_lost(&client, &sale, 100, &told).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long"]
async fn postgres_killed_in_the_middle_of_the_crowd_loses_nothing_that_was_promised() {
    killed_in_the_middle("postgres").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long"]
async fn every_reserve_function_killed_in_the_middle_of_the_crowd() {
    killed_in_the_middle("reserve").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long"]
async fn the_worker_and_with_it_every_gate_killed_in_the_middle_of_the_crowd() {
    killed_in_the_middle("edge").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long"]
async fn a_key_is_answered_by_the_database_when_the_gate_has_forgotten_it() {
    let client = Client::new();
    let sale = client.sale(3_600, &[("pair", 1, 1)]).await;
    let first = client.reserve("ann", "k", &sale, items()).await;
    let dead = pids("edge");
    dead.iter().for_each(|pid| kill(*pid));
    until_well(&client, "edge", &dead).await;
    let again = client.reserve("ann", "k", &sale, items()).await;
    assert_eq!((again.status, &again.text), (201, &first.text));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long"]
async fn requests_while_the_worker_is_away_get_503_with_a_retry_after() {
    let (client, dead) = (Client::new(), pids("edge"));
    dead.iter().for_each(|pid| kill(*pid));
    let away = std::sync::atomic::AtomicUsize::new(0);
    until("the shop answers", 30, || async {
        let answer = client.send(client.request(Method::GET, "/v1/sales/no-such-sale")).await;
        if answer.status == 404 {
            return Some(());
        }
        assert_eq!(answer.refusal(), (503, "unavailable".to_owned()), "{}", answer.text);
        for name in ["retry-after", "x-request-id", "x-server-time"] {
            assert!(answer.header(name).is_some(), "{name}");
        }
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        away.fetch_add(1, Ordering::Relaxed);
        None
    })
    .await;
    assert!(away.into_inner() > 0, "it was never away, or this proves nothing");
    until_well(&client, "edge", &dead).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long"]
async fn a_webhook_that_finds_no_function_is_answered_503_and_confirmed_when_it_comes_again() {
    let client = Client::new();
    let sale = client.sale(3_600, &[("pair", 1, 1)]).await;
    let hold = client.reserve("ann", "k", &sale, items()).await.ok(201);
    let (payment, dead) = (format!("pay_{}", uuid::Uuid::new_v4()), pids("postgres"));
    dead.iter().for_each(|pid| kill(*pid));
    // Until the database is back it says so; then the same payment is confirmed.
    let answer = until("the payment is confirmed", 30, || async {
        let answer = client.pay(&payment, &hold, "ann").await;
        match answer.status {
            200 => Some(answer.body),
            503 => {
                assert!(answer.header("retry-after").is_some());
                None
            }
            other => panic!("{other}: {}", answer.text),
        }
    })
    .await;
    assert_eq!(answer["result"], "confirmed");
    until_well(&client, "postgres", &dead).await;
    assert_eq!(client.report(&sale).await["orders"]["CONFIRMED"], 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long"]
async fn a_restarted_gate_refuses_no_holder_as_sold_out() {
    let client = Client::new();
    let (sale, held, bought) = sold_out::with_something(&client).await;
    let dead = pids("edge");
    dead.iter().for_each(|pid| kill(*pid));
    until_well(&client, "edge", &dead).await;
    sold_out::earlier_refusals(&client, &sale, &held, &bought).await;
}

/// Reserves one pair, kills Postgres the moment that is answered, and says whether the hold is there afterwards. The
/// log is written only by the session that waits for it: its background writer sleeps.
async fn is_there_after_a_crash(client: &Client, user: &str, sale: &str) -> bool {
    let hold = client.reserve(user, "k", sale, items()).await.ok(201);
    is_there_after(client, user, &hold).await
}

/// Kills Postgres and says whether the hold is there once it is back.
async fn is_there_after(client: &Client, user: &str, hold: &Value) -> bool {
    let dead = pids("postgres");
    dead.iter().for_each(|pid| kill(*pid));
    until_well(client, "postgres", &dead).await;
    let path = format!("/v1/reservations/{}", hold["hold_id"].as_str().unwrap());
    match client.get(user, &path).await.status {
        200 => true,
        404 => false,
        other => panic!("{other}"),
    }
}

/// The logins that a lone reservation does not need, shut: no commit of a scheduled function writes the log to disk.
/// Sessions that are open end.
const SHUT_OTHER_LOGINS: &str = "do $$ declare v_role name; begin
    for v_role in select rolname from pg_roles where rolcanlogin and rolname ~ '^holdfast_' and rolname not in
        ('holdfast_reserve', 'holdfast_lookup') loop execute format('alter role %I nologin', v_role); end loop; end $$;
    select pg_terminate_backend(pid, 5000) from pg_stat_activity
    where usename ~ '^holdfast_' and usename not in ('holdfast_reserve', 'holdfast_lookup')";

/// How often the control is tried.
const CONTROLS: usize = 5;

/// The control: reserves without the barrier while no other session commits, and kills Postgres. It counts only if
/// nothing of it was on disk at the kill: the log's own positions say so just before, and whatever is there afterwards
/// was on disk all the same. Something else that writes the log out in between has it tried again. True: a hold was
/// lost.
async fn is_lost_without_the_barrier(client: &Client, sale: &str) -> bool {
    run_sql(client, SHUT_OTHER_LOGINS).await;
    for n in 0..CONTROLS {
        let owner = stack::database::connect(client.setting("database_url")).await.unwrap();
        // An ordinary commit: whatever was written before it is on disk.
        let sql = "select pg_logical_emit_message(true, 'test', 'flushed')";
        owner.execute(sql, &[]).await.unwrap();
        let begin: String = owner.query_one("select pg_current_wal_insert_lsn()::text", &[]).await.unwrap().get(0);
        let user = format!("lost-{n}");
        let hold = client.reserve(&user, "k", sale, items()).await.ok(201);
        let sql =
            "select pg_current_wal_flush_lsn() <= $1::text::pg_lsn and pg_current_wal_insert_lsn() > $1::text::pg_lsn";
        let only_in_memory: bool = owner.query_one(sql, &[&begin]).await.unwrap().get(0);
        if only_in_memory && !is_there_after(client, &user, &hold).await {
            return true;
        }
    }
    false
}

/// Whatever the test has changed is as it was, and every other test goes on, however this one ended.
async fn restore(client: &Client, roles: &[String], routines: &str) {
    until("Postgres is there", 30, || async {
        stack::database::connect(client.setting("database_url")).await.ok().map(drop)
    })
    .await;
    let reopen: Vec<String> = roles.iter().map(|role| format!("alter role \"{role}\" login;")).collect();
    run_sql(client, &reopen.concat()).await;
    run_sql(client, routines).await;
    run_sql(client, "alter system reset wal_writer_delay -- next statement:\n select pg_reload_conf()").await;
}

async fn run_sql(client: &Client, sql: &str) {
    let owner = stack::database::connect(client.setting("database_url")).await.unwrap();
    for statement in sql.split("-- next statement:") {
        owner.batch_execute(statement).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long"]
async fn acknowledged_outcomes_survive_a_crash_and_without_the_barrier_they_do_not() {
    let client = Arc::new(Client::new());
    let owner = stack::database::connect(client.setting("database_url")).await.unwrap();
    let sql = "select rolname::text from pg_roles where rolcanlogin and rolname ~ '^holdfast_'";
    let roles: Vec<String> = owner.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert!(roles.len() >= 10, "{roles:?}");
    drop(owner);
    let source = include_str!("../../../schema/routines/reserve.sql");
    // A task of its own: what panics in it is put right as well.
    let played = tokio::spawn({
        let client = Arc::clone(&client);
        async move {
            let sale = client.sale(3_600, &[("pair", 10, 1)]).await;
            let patient = "alter system set wal_writer_delay = '10s' -- next statement:\n select pg_reload_conf()";
            run_sql(&client, patient).await;
            for round in 0..3 {
                assert!(is_there_after_a_crash(&client, &format!("told-{round}"), &sale).await, "round {round}");
            }
            let mutant =
                source.replace("perform holdfast.barrier();", "perform set_config('synchronous_commit', 'off', true);");
            assert_ne!(source, mutant);
            run_sql(&client, &mutant).await;
            (is_lost_without_the_barrier(&client, &sale).await, sale)
        }
    })
    .await;
    restore(&client, &roles, source).await;
    let (lost, sale) = played.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    assert!(lost, "without the barrier it must be lost here, or this proves nothing");
    client.report(&sale).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long"]
async fn during_a_lookup_outage_the_public_page_is_served_from_its_last_copy() {
    let client = Client::new();
    let sale = client.sale(3_600, &[("pair", 1, 1)]).await;
    let looking = || client.send(client.request(Method::GET, &format!("/v1/sales/{sale}")));
    let before = looking().await.ok(200);
    let stopped = pids("lookup");
    assert!(!stopped.is_empty(), "stack.json names no lookup");
    stopped.iter().for_each(|pid| signal("-STOP", *pid));
    let (began, mut seen) = (Instant::now(), Vec::new());
    while began.elapsed() < Duration::from_secs(6) {
        let asked = Instant::now();
        let answer = looking().await;
        seen.push((answer.status, asked.elapsed()));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stopped.iter().for_each(|pid| signal("-CONT", *pid));
    assert!(seen.iter().all(|(status, _)| *status == 200), "{seen:?}");
    // One request at a time waits for the function; the others need not.
    let slow = seen.iter().filter(|(_, waited)| *waited > Duration::from_secs(1)).count();
    assert!(slow <= 5 && seen.iter().all(|(_, waited)| *waited < Duration::from_secs(4)), "{seen:?}");
    assert_eq!(before["skus"][0]["available"], 1);
    client.reserve("ann", "k", &sale, items()).await.ok(201);
    until("the page shows what is there now", 15, || async {
        (looking().await.ok(200)["skus"][0]["available"] == 0).then_some(())
    })
    .await;
}

/// A crowd behind one address that follows a link to one sale while `lookup` hangs: it gets 503, and not that it asks
/// too much.
#[tokio::test(flavor = "multi_thread")]
async fn during_a_lookup_outage_a_crowd_behind_one_address_is_not_rate_limited() {
    const CROWD: usize = 150;
    let client = Arc::new(Client::new());
    let sale = client.sale(3_600, &[("pair", 1, 1)]).await;
    let address = format!("203.0.113.{}", 1 + Uuid::new_v4().as_bytes()[0] % 250);
    let stopped = pids("lookup");
    stopped.iter().for_each(|pid| signal("-STOP", *pid));
    let mut statuses = Vec::new();
    for _ in 0..2 {
        let mut crowd = JoinSet::new();
        for _ in 0..CROWD {
            let (client, path, address) = (Arc::clone(&client), format!("/v1/sales/{sale}"), address.clone());
            crowd.spawn(async move {
                let request = client.request(Method::GET, &path).header("CF-Connecting-IP", address);
                client.send(request).await.status
            });
        }
        statuses.extend(crowd.join_all().await);
    }
    stopped.iter().for_each(|pid| signal("-CONT", *pid));
    // And never 429.
    assert!(statuses.iter().all(|status| *status == 503), "{statuses:?}");
    let looking = || client.send(client.request(Method::GET, &format!("/v1/sales/{sale}")));
    until("the sale is shown", 30, || async { (looking().await.status == 200).then_some(()) }).await;
}
