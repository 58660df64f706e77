//! What a stolen login of a function can do: its own calls, and nothing that affects others for long.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tokio_postgres::types::Type;
use tokio_postgres::{Client, SimpleQueryMessage};

use stack::migrate::{self, FUNCTIONS};
use support::client::until;
use support::database::{Ask, Database, Paid, confirm, functions_password, release, reserve, sweep};

/// Logged in as the function is, with all that its role's settings say.
async fn login(database: &Database, function: &str) -> Client {
    let role = format!("holdfast_{function}");
    let url = migrate::url_for_role(&database.url(), &role, &functions_password()).unwrap();
    stack::database::connect(&url).await.unwrap()
}

fn ask(user: &str) -> Ask {
    Ask { user: user.into(), key: "k".into(), lines: vec![("a".into(), 1)] }
}

async fn shop() -> Database {
    let database = Database::new().await;
    database.sale(300, &[("a", 10_000, 1)]).await;
    database
}

#[tokio::test]
async fn a_stolen_login_reads_no_table_makes_none_and_writes_nothing_of_its_own() {
    let database = shop().await;
    reserve(&database.as_role("reserve").await, true, &[ask("ann")]).await.unwrap();
    // A copy of a database has not its rights.
    migrate::run(&database.url()).await.unwrap();
    for function in FUNCTIONS {
        let client = login(&database, function).await;
        for refused in [
            "select * from holdfast.reservation_hold",
            "select * from holdfast.subscription",
            "select last_value from holdfast.event_seq",
            "create temporary table t (a int)",
            "create table public.t (a int)",
            "create table holdfast.t (a int)",
            "select lo_create(0)",
            "select lo_from_bytea(0, 'x')",
            "select pg_logical_emit_message(false, 'x', repeat('x', 1000000))",
            "select pg_advisory_lock(1)",
            "set role holdfast_owner",
            "do $$ begin lock table holdfast.sale; end $$",
            "set session authorization holdfast_owner",
        ] {
            let error = client.batch_execute(refused).await.expect_err(refused);
            let code = error.code().map(|code| code.code().to_owned());
            assert!(code.as_deref() == Some("42501"), "{function}: {refused}: {error:?}");
        }
    }
}

#[tokio::test]
async fn every_role_has_its_bounds_and_the_owner_of_the_definers_is_no_superuser() {
    let database = Database::new().await;
    let sql = "select r.rolname, r.rolconnlimit, r.rolsuper or r.rolcreaterole or r.rolcreatedb or r.rolbypassrls or r.rolreplication,
                      array_to_string(s.setconfig, ' '),
                      pg_has_role('holdfast_owner', r.oid, 'member')
               from pg_roles r left join pg_db_role_setting s on s.setrole = r.oid and s.setdatabase = 0
               where r.rolname = 'holdfast_' || $1::text";
    for function in FUNCTIONS {
        let row = database.owner.query_one(sql, &[&function]).await.unwrap();
        let (limit, mighty, settings): (i32, bool, String) = (row.get(1), row.get(2), row.get(3));
        assert!((1..=300).contains(&limit), "{function}: {limit} connections");
        assert!(!mighty, "{function}");
        // It ends stuck transactions of those roles alone that it is a member of.
        assert!(row.get::<_, bool>(4), "{function}: the owner is no member of its role");
        for setting in [
            "lock_timeout=1500ms",
            "statement_timeout=2500ms",
            "idle_in_transaction_session_timeout=5s",
            "transaction_timeout=10s",
            "synchronous_commit=on",
        ] {
            assert!(settings.contains(setting), "{function}: {setting} is not in {settings}");
        }
    }
    let row = database.owner.query_one(sql, &[&"owner"]).await.unwrap();
    assert!(!row.get::<_, bool>(2), "it owns the schema and no more");
    let others = "select string_agg(what, ' ') from (
        select p.oid::regprocedure::text as what from pg_proc p
        where p.pronamespace = 'holdfast'::regnamespace and p.proowner <> 'holdfast_owner'::regrole
        union all select c.relname from pg_class c
        where c.relnamespace = 'holdfast'::regnamespace and c.relowner <> 'holdfast_owner'::regrole
        union all select nspname from pg_namespace where nspname = 'holdfast' and nspowner <> 'holdfast_owner'::regrole
        union all select 'it can log in' from pg_roles where rolname = 'holdfast_owner' and rolcanlogin) others";
    assert_eq!(database.owner.query_one(others, &[]).await.unwrap().get::<_, Option<String>>(0), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_keeps_its_time_outs_keeps_no_lock_longer_than_they_say() {
    let database = shop().await;
    let thief = login(&database, "reserve").await;
    let began = Instant::now();
    thief.batch_execute("begin").await.unwrap();
    take_the_counter(&thief).await;
    assert!(reserve(&login(&database, "reserve").await, true, &[ask("bob")]).await.is_err(), "the counter is taken");
    until("the lock is gone", 12, || async { granted(&database, "bob").await.then_some(()) }).await;
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_disables_its_time_outs_is_terminated_by_the_sweep() {
    let database = shop().await;
    let thief = login(&database, "reserve").await;
    thief
        .batch_execute(
            "set statement_timeout = 0; set lock_timeout = 0; set idle_in_transaction_session_timeout = 0;
             set transaction_timeout = 0; begin",
        )
        .await
        .unwrap();
    take_the_counter(&thief).await;
    let honest = login(&database, "lookup").await;
    let sweeper = login(&database, "expire").await;
    let swept = async || sweeper.query_typed("select holdfast.expire(1000)", &[]).await;
    swept().await.unwrap();
    assert!(!thief.is_closed(), "a transaction that has just begun is left alone");
    until("the thief is gone", 25, || async {
        let _ = swept().await;
        thief.is_closed().then_some(())
    })
    .await;
    assert!(granted(&database, "bob").await);
    honest.query_typed("select holdfast.look_up_sale('drop')", &[]).await.unwrap();
}

/// T1's work without the commit of `reserve`: the counter is locked until the transaction ends.
async fn take_the_counter(client: &Client) {
    let batch =
        "select (holdfast.reserve_batch('drop', array['thief'], array['k'], array[sha256('x')], array[1], array['a'],
                 array[1], false)).o_told";
    client.batch_execute(batch).await.unwrap();
}

async fn granted(database: &Database, user: &str) -> bool {
    let answers = reserve(&login(database, "reserve").await, true, &[ask(user)]).await;
    answers.is_ok_and(|answers| answers[0]["outcome"] == "granted")
}

#[tokio::test]
async fn one_call_takes_a_batch_and_no_more() {
    let database = shop().await;
    let client = login(&database, "reserve").await;
    let users: Vec<String> = (0..101).map(|n| format!("u{n}")).collect();
    let batch: Vec<Ask> = users.iter().map(|user| ask(user)).collect();
    let refused = reserve(&client, true, &batch).await.expect_err("101 in one call");
    assert_eq!(refused.code().unwrap().code(), "54000");
    assert_eq!(reserve(&client, true, &batch[..100]).await.unwrap().len(), 100);
    let reclaimed = "select holdfast.reclaim_lapsed('drop', $1, $2, $3, $4)";
    let many = vec![1_i32; 1_001];
    let skus = vec!["a"; 1_001];
    let refused = client
        .query_typed(
            reclaimed,
            &[
                (&users, Type::TEXT_ARRAY),
                (&many, Type::INT4_ARRAY),
                (&skus, Type::TEXT_ARRAY),
                (&many, Type::INT4_ARRAY),
            ],
        )
        .await
        .expect_err("1 001 lines in one call");
    assert_eq!(refused.code().unwrap().code(), "54000");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_answers_where_a_commit_does_not_wait_for_the_disk() {
    let database = shop().await;
    let client = login(&database, "reserve").await;
    assert_eq!(reserve(&client, true, &[ask("ann")]).await.unwrap()[0]["outcome"], "granted");
    for early_release in [true, false] {
        client.batch_execute("set synchronous_commit = off").await.unwrap();
        let refused = reserve(&client, early_release, &[ask("bob")]).await.expect_err("nothing waits for the disk");
        assert_eq!(refused.code().unwrap().code(), "55000");
    }
    let reader = login(&database, "lookup").await;
    reader.batch_execute("set synchronous_commit = off").await.unwrap();
    let hold = "select hold_id from holdfast.reservation_hold";
    let hold: uuid::Uuid = database.owner.query_one(hold, &[]).await.unwrap().get(0);
    let look = "call holdfast.look_up_hold('ann', $1, true, null)";
    let refused = reader.query_typed(look, &[(&hold, Type::UUID)]).await.expect_err("nor for a reader");
    assert_eq!(refused.code().unwrap().code(), "55000");

    // A role has it on whatever the database says; a setting of a role in this database is found.
    let set = format!("alter database {} set synchronous_commit = off", database.name);
    database.owner.batch_execute(&set).await.unwrap();
    let client = login(&database, "reserve").await;
    assert_eq!(reserve(&client, true, &[ask("cho")]).await.unwrap()[0]["outcome"], "granted");
    let found = migrate::durability(&database.url()).await.unwrap();
    assert!(!found.holds() && found.synchronous_commit == "off", "{found}");
    let reset = format!(
        "alter database {0} reset synchronous_commit; alter role holdfast_confirm in database {0} set synchronous_commit = off",
        database.name
    );
    database.owner.batch_execute(&reset).await.unwrap();
    let found = migrate::durability(&database.url()).await.unwrap();
    assert!(!found.holds() && found.weaker == [format!("holdfast_confirm in {}", database.name)], "{found}");
    let confirm = login(&database, "confirm").await;
    let refused =
        confirm.query_typed("select holdfast.assert_durable()", &[]).await.expect_err("a function asks first");
    assert_eq!(refused.code().unwrap().code(), "55000");
}

/// What a login sets for its own role outlives its sessions, so every migration puts it back.
#[tokio::test]
async fn what_a_login_changes_of_its_own_role_is_put_back_by_a_migration() {
    let database = shop().await;
    for function in FUNCTIONS {
        let set = format!(
            "alter role current_user in database {0} set lock_timeout = 1;
             alter role current_user in database {0} set default_transaction_read_only = on",
            database.name
        );
        login(&database, function).await.batch_execute(&set).await.unwrap();
    }
    let stopped = reserve(&login(&database, "reserve").await, true, &[ask("ann")]).await.expect_err("it may not write");
    assert_eq!(stopped.code().unwrap().code(), "25006");
    let done = migrate::run(&database.url()).await.unwrap();
    assert!(done.applied.is_empty(), "{done:?}");
    assert_eq!(done.put_back.len(), FUNCTIONS.len(), "{done:?}");
    let own = format!("holdfast_reserve in {}: lock_timeout=1, default_transaction_read_only=on", database.name);
    assert!(done.put_back.contains(&own), "{done:?}");
    assert!(granted(&database, "ann").await);
    assert_eq!(migrate::run(&database.url()).await.unwrap().put_back, Vec::<String>::new());

    // Those of the whole server, in a transaction that no other test sees.
    let roles = migrate::REPEATABLE.iter().find(|file| file.is_of_roles()).unwrap().text;
    let settings = "select string_agg(r.rolname || ' ' || d.setconfig::text, E'\n' order by r.rolname)
                    from pg_db_role_setting d join pg_roles r on r.oid = d.setrole
                    where d.setdatabase = 0 and r.rolname like 'holdfast\\_%'";
    let of_the_server = async || database.owner.query_one(settings, &[]).await.unwrap().get::<_, String>(0);
    let right = of_the_server().await;
    database.owner.batch_execute("begin").await.unwrap();
    for change in ["set statement_timeout = 0", "set search_path = pg_temp", "reset all"] {
        database.owner.batch_execute(&format!("alter role holdfast_audit {change}")).await.unwrap();
        assert_ne!(of_the_server().await, right, "{change}");
        database.owner.batch_execute(roles).await.unwrap();
        assert_eq!(of_the_server().await, right, "{change}");
    }
    database.owner.batch_execute("rollback").await.unwrap();
}

/// Every call that `lookup` may make, by a thief who has a hold of their own. `$hold`, `$order`: another user's.
const LOOKS: [(&str, &str); 15] = [
    ("assert_durable()", "select holdfast.assert_durable()"),
    ("barrier()", "select holdfast.barrier()"),
    (
        "list_holds(text,text,text,uuid,integer,integer)",
        "select holdfast.list_holds('thief', null, null, null, 1000000, 1000000)",
    ),
    ("look_up_hold(text,uuid,boolean,json)", "call holdfast.look_up_hold('thief', '$hold', false, null)"),
    (
        "look_up_holders(text,bytea,bigint,bigint,text[],integer)",
        "select * from holdfast.look_up_holders('drop', '', 0, 1, array['', '', ''], 1)",
    ),
    ("look_up_holders(text,integer)", "select holdfast.look_up_holders('drop', 1000)"),
    (
        "look_up_holds(text,text,text,uuid,integer,integer,boolean,json)",
        "call holdfast.look_up_holds('thief', null, null, null, 1000000, 1000000, false, null)",
    ),
    ("look_up_order(text,uuid)", "select holdfast.look_up_order('thief', '$order')"),
    ("look_up_order_of_hold(text,uuid)", "select holdfast.look_up_order_of_hold('thief', '$hold')"),
    (
        "look_up_orders(text,text,uuid,integer,integer)",
        "select holdfast.look_up_orders('thief', null, null, 1000000, 1000000)",
    ),
    ("look_up_ranking(text)", "select holdfast.look_up_ranking('7d')"),
    ("look_up_sale(text)", "select holdfast.look_up_sale('drop')"),
    ("look_up_sales()", "select holdfast.look_up_sales()"),
    ("read_hold(text,uuid)", "select holdfast.read_hold('thief', '$hold')"),
    (
        "tell_holders(text,bytea,bigint,bigint,integer,integer)",
        "select * from holdfast.tell_holders('drop', '', 0, 1, 1000000, 1000000)",
    ),
];

/// What an answer says, whatever its types are.
async fn answer(client: &Client, sql: &str) -> String {
    let messages = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let mut text = String::new();
    for message in messages {
        let SimpleQueryMessage::Row(row) = message else { continue };
        (0..row.len()).for_each(|n| text += row.get(n).unwrap_or_default());
    }
    text
}

/// A call for a user's holds needs that user's id.
#[tokio::test]
async fn the_login_of_lookup_cannot_list_users() {
    let database = shop().await;
    let users = ["thief", "victim-holds", "victim-bought", "victim-gave-back", "victim-forgot-to-pay"];
    let buyer = database.as_role("reserve").await;
    let answers = reserve(&buyer, true, &users.map(ask)).await.unwrap();
    let hold = |n: usize| answers[n]["hold"]["hold_id"].as_str().unwrap().to_owned();
    let (payment, user) = ("p".to_owned(), users[2].to_owned());
    let paid = Paid { payment, hold: hold(2), user, amount: 100, currency: "KRW".into() };
    let order = confirm(&database.as_role("confirm").await, &paid).await.unwrap();
    release(&database.as_role("release").await, users[3], &hold(3)).await.unwrap();
    let lapse = format!(
        "update holdfast.reservation_hold set created_at = created_at - interval '1 hour', expire_at = now() - interval '1 minute' where hold_id = '{}'",
        hold(4)
    );
    database.owner.batch_execute(&lapse).await.unwrap();
    sweep(&database.as_role("expire").await).await.unwrap();

    let granted = "select p.oid::regprocedure::text from pg_proc p, aclexplode(p.proacl) a
                   where p.pronamespace = 'holdfast'::regnamespace and a.grantee = 'holdfast_lookup'::regrole";
    let granted = database.owner.query(granted, &[]).await.unwrap();
    let granted: BTreeSet<String> =
        granted.iter().map(|row| row.get::<_, String>(0).trim_start_matches("holdfast.").to_owned()).collect();
    assert_eq!(granted, LOOKS.map(|(routine, _)| routine.to_owned()).into(), "a new one has its line here");
    let client = database.as_role("lookup").await;
    for (routine, sql) in LOOKS {
        let sql = sql.replace("$order", order["order_id"].as_str().unwrap()).replace("$hold", &hold(2));
        let answer = answer(&client, &sql).await;
        assert!(!answer.contains("victim"), "{routine}: {answer}");
    }
    // No login may call the routines that return the users themselves.
    let piece = "select * from holdfast.holders_piece('drop', '', 0, 1, array['', '', ''], 1)";
    assert!(answer(&database.owner, piece).await.contains("victim"), "the test can see them");
    let refused = client.simple_query(piece).await.err().and_then(|error| error.code().cloned());
    assert_eq!(refused.as_ref().map(|code| code.code()), Some("42501"));
}

/// Routines that return users by design: to operators, to receivers, and to the readers of a finding.
const SHOW_USERS: [&str; 3] = ["admin", "audit", "relay"];
/// Guesses of an intruder who knows the public sale and no user, hold or payment.
const GUESSES: [&str; 6] = ["''", "'drop'", "'standard'", "'thief'", "'a'", "null"];

/// Values for a routine's arguments, of which its text ones are all combinations of guesses.
fn guessed(types: &[String]) -> Vec<Vec<String>> {
    let mut calls = vec![vec![]];
    // Beyond three texts each gets the same.
    let many = types.iter().filter(|one| *one == "text").count() > 3;
    for of in types {
        let values: Vec<String> = match of.as_str() {
            "text" if many => vec!["'drop'".into()],
            "text" => GUESSES.map(ToOwned::to_owned).into(),
            "text[]" => vec!["array['standard', 'toss', 'portone', 'stripe']".into()],
            "integer" => vec!["1000000".into()],
            "bigint" => vec!["1000".into()],
            "double precision" => vec!["1e6".into()],
            "boolean" => vec!["true".into()],
            "uuid" => vec!["gen_random_uuid()".into(), "null".into()],
            "json" => vec!["'[]'".into(), "'{}'".into()],
            other => vec![format!("null::{other}")],
        };
        calls = calls
            .iter()
            .flat_map(|call| values.iter().map(move |value| [&call[..], std::slice::from_ref(value)].concat()))
            .collect();
    }
    calls
}

/// With guesses, by a function's login: whether any of its calls returned a user.
async fn shows_a_user(database: &Database, function: &str) -> Option<String> {
    let granted = "select p.oid::regprocedure::text, p.prokind::text,
                       coalesce((select array_agg(format_type(t, null) order by n) from unnest(p.proargtypes) with ordinality as a (t, n)), '{}')
                   from pg_proc p, aclexplode(p.proacl) a
                   where p.pronamespace = 'holdfast'::regnamespace and a.grantee = ('holdfast_' || $1::text)::regrole";
    let granted = database.owner.query(granted, &[&function]).await.unwrap();
    assert!(granted.len() > 1, "{function}");
    let client = database.as_role(function).await;
    for row in granted {
        let (routine, kind, types): (String, String, Vec<String>) = (row.get(0), row.get(1), row.get(2));
        let (name, _) = routine.split_once('(').unwrap();
        for arguments in guessed(&types) {
            // A procedure may end its transaction itself.
            let arguments = arguments.join(", ");
            let sql = match kind.as_str() {
                "p" => format!("call {name}({arguments})"),
                _ => format!("begin; select {name}({arguments}); rollback"),
            };
            let Ok(messages) = client.simple_query(&sql).await else {
                // A refused call returns no user.
                client.simple_query("rollback").await.unwrap();
                continue;
            };
            for message in messages {
                let SimpleQueryMessage::Row(row) = message else { continue };
                if (0..row.len()).any(|n| row.get(n).is_some_and(|text| text.contains("victim"))) {
                    return Some(sql);
                }
            }
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn the_logins_of_functions_without_lists_cannot_list_users() {
    let database = shop().await;
    let users = ["victim-holds", "victim-bought", "victim-late"];
    let answers = reserve(&database.as_role("reserve").await, true, &users.map(ask)).await.unwrap();
    let hold = |n: usize| answers[n]["hold"]["hold_id"].as_str().unwrap().to_owned();
    release(&database.as_role("release").await, users[2], &hold(2)).await.unwrap();
    let confirming = database.as_role("confirm").await;
    for n in [1, 2] {
        let (payment, user) = (format!("of-{n}"), users[n].to_owned());
        let paid = Paid { payment, hold: hold(n), user, amount: 100, currency: "KRW".into() };
        confirm(&confirming, &paid).await.unwrap();
    }
    // One is being paid, and one whose hold has ended and is not swept.
    let more = format!(
        "insert into holdfast.payment_attempt (gateway, payment_id, hold_ref, hold_id, user_id, amount, currency, attempt, state, ask_at)
         values ('standard', 'of-0', '{0}', '{0}', 'victim-holds', 100, 'KRW', 1, 'UNDER_WAY', clock_timestamp());
         update holdfast.reservation_hold set created_at = created_at - interval '1 hour',
             expire_at = clock_timestamp() - interval '1 minute' where hold_id = '{0}';
         insert into holdfast.subscription (kind, endpoint, secret) values ('http', 'https://a.example/', 'whsec_')",
        hold(0)
    );
    database.owner.batch_execute(&more).await.unwrap();
    assert_ne!(shows_a_user(&database, "admin").await, None, "the test can see them");
    for function in FUNCTIONS.into_iter().filter(|function| !SHOW_USERS.contains(function)) {
        assert_eq!(shows_a_user(&database, function).await, None, "{function}");
    }
}
