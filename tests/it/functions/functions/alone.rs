//! One instance of a function by itself, with an environment and a database of its own.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::invoke_at;
use simulator::Dialect;
use support::client::{Client, paid, until};
use support::database::{Ask, Database, Paid, confirm, reserve};
use support::emulator::{Ended, emulator, free_port, secrets};
use support::gateways::{OwnGateways, by_the_shop};

struct Alone {
    lambda: String,
    _parts: [Ended; 2],
}

impl Alone {
    /// `database_url` is the owner's: the instance logs in as its own role.
    async fn start(function: &str, database_url: &str, env: &[(&str, String)]) -> Self {
        let port = free_port();
        let emulator = emulator(port);
        until("the emulator listens", 20, || async { std::net::TcpStream::connect(("127.0.0.1", port)).ok() }).await;
        let password = secrets()["functions_password"].as_str().unwrap().to_owned();
        let role = format!("holdfast_{function}");
        let url = stack::migrate::url_for_role(database_url, &role, &password).unwrap();
        let lambda = format!("http://127.0.0.1:{port}");
        let instance = Command::new(stack::workspace::target_dir().join("debug").join(function))
            .env_clear()
            .env("DATABASE_URL", url)
            .env("AWS_LAMBDA_RUNTIME_API", format!("{lambda}/.rt/{function}"))
            .env("AWS_LAMBDA_FUNCTION_NAME", function)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("SWEEP_FOR_S", "0")
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { lambda, _parts: [emulator, Ended(instance)] }
    }

    async fn invoke(&self, function: &str, payload: &Value) -> Result<Value, String> {
        invoke_at(&self.lambda, function, payload).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_server_has_closed_is_replaced() {
    let client = Client::new();
    let (name, url) = (format!("closed-{}", uuid::Uuid::new_v4()), client.setting("database_url"));
    let lookup = Alone::start("lookup", &format!("{url}?application_name={name}"), &[]).await;
    let owner = stack::database::connect(url).await.unwrap();
    let question = json!({"request_id": "r", "question": "sale", "sale_id": "no-such-sale"});
    for _ in 0..4 {
        assert_eq!(lookup.invoke("lookup", &question).await.unwrap(), json!({"outcome": "not_found"}));
        // Until it has gone: one that is going may still take a call and break it off.
        let closing = "select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity where application_name = $1";
        let closed: i64 = owner.query_one(closing, &[&name]).await.unwrap().get(0);
        assert!(closed > 0, "it has no connection of that name");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_idle_for_too_long_is_replaced_before_it_is_used() {
    let client = Client::new();
    let name = format!("idle-{}", uuid::Uuid::new_v4());
    let url = client.setting("database_url");
    let env = [("DATABASE_IDLE_MAX_S", "1".to_owned()), ("PGAPPNAME", name.clone())];
    let lookup = Alone::start("lookup", &format!("{url}?application_name={name}"), &env).await;
    let owner = stack::database::connect(url).await.unwrap();
    let question = json!({"request_id": "r", "question": "sale", "sale_id": "no-such-sale"});
    let connection = async || {
        assert_eq!(lookup.invoke("lookup", &question).await.unwrap(), json!({"outcome": "not_found"}));
        let sql = "select max(pid) from pg_stat_activity where application_name = $1 and backend_start =
                   (select max(backend_start) from pg_stat_activity where application_name = $1)";
        owner.query_one(sql, &[&name]).await.unwrap().get::<_, Option<i32>>(0).unwrap()
    };
    let (first, again) = (connection().await, connection().await);
    assert_eq!(first, again, "what is used often is kept");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_ne!(connection().await, first, "the server has not closed it, and the call does not wait to find out");
}

/// A payment of this hold that was not reported.
async fn noted(database: &Database, gateway: &str, payment: &str, hold: &str) {
    let sql = "insert into holdfast.payment_attempt
                   (gateway, payment_id, hold_ref, hold_id, amount, currency, attempt, state, ask_at)
               values ($1, $2, $3, $3::uuid, 100, 'KRW', 1, 'UNDER_WAY', clock_timestamp())";
    let id: uuid::Uuid = hold.parse().unwrap();
    database.owner.execute(&sql.replace("$3::uuid", "$4"), &[&gateway, &payment, &hold, &id]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_whose_payments_cannot_be_claimed_stops_no_sweep_and_no_other_gateway() {
    let gateways = OwnGateways::start().await;
    let database = Database::new().await;
    database.sale(300, &[("a", 9, 9)]).await;
    let buyer = database.as_role("reserve").await;
    let asks = ["ann", "bob"].map(|user| Ask { user: user.into(), key: user.into(), lines: vec![("a".into(), 1)] });
    let answers = reserve(&buyer, true, &asks).await.unwrap();
    let hold = |n: usize| answers[n]["hold"]["hold_id"].as_str().unwrap().to_owned();
    let silent = json!({"webhooks": {"delay_ms": 3_600_000}});
    let made = gateways.pay("standard", &hold(0), "ann", 100, silent).await;
    noted(&database, "standard", made["payment_id"].as_str().unwrap(), &hold(0)).await;
    let over = "update holdfast.reservation_hold set created_at = created_at - interval '1 hour',
                expire_at = clock_timestamp() - interval '1 s' where user_id = 'bob'";
    database.owner.batch_execute(over).await.unwrap();
    // One claim fails, whatever the reason: a lock, a time-out, a row that cannot be.
    let broken = "alter function holdfast.claim_payments rename to claim_payments_of;
        create function holdfast.claim_payments(p_gateways text[], p_most integer, p_lease_s integer) returns json
        language plpgsql security definer set search_path = holdfast, pg_temp as $$ begin
            if 'portone' = any (p_gateways) then raise exception 'no' using errcode = '55P03'; end if;
            return claim_payments_of(p_gateways, p_most, p_lease_s);
        end $$;
        grant execute on function holdfast.claim_payments to holdfast_expire;";
    database.owner.batch_execute(broken).await.unwrap();

    let env = gateways.functions_env();
    let env: Vec<(&str, String)> = env.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    let expire = Alone::start("expire", &database.url(), &env).await;
    let swept = expire.invoke("expire", &json!({"job": "expire"})).await.expect("T3 is not the gateway's to stop");
    assert_eq!(swept["expired"], 1, "{swept}");
    let holds = "select string_agg(user_id || ' ' || status, ', ' order by user_id) from holdfast.reservation_hold";
    let holds: String = database.owner.query_one(holds, &[]).await.unwrap().get(0);
    assert_eq!(holds, "ann COMMITTED, bob EXPIRED", "and the other gateway was asked to the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_whose_refunds_cannot_be_claimed_drops_no_refund_of_another() {
    let gateways = OwnGateways::start().await;
    let database = Database::new().await;
    // Money for no hold of this database: at the shop's own service it is refunded at once.
    let hold = uuid::Uuid::new_v4().to_string();
    let made = gateways.pay("standard", &hold, "ann", 1_000, json!({"webhooks": {"times": 0}})).await;
    let payment = made["payment_id"].as_str().unwrap().to_owned();
    let paid = Paid { payment: payment.clone(), hold, user: "ann".into(), amount: 1_000, currency: "KRW".into() };
    let told = confirm(&database.as_role("confirm").await, &paid).await.unwrap();
    assert_eq!(told["reason"], "hold_unknown");
    let broken = "alter function holdfast.claim_refunds rename to claim_refunds_of;
        create function holdfast.claim_refunds(p_gateways text[], p_most integer, p_lease_s integer) returns json
        language plpgsql security definer set search_path = holdfast, pg_temp as $$ begin
            if 'portone' = any (p_gateways) then raise exception 'no' using errcode = '55P03'; end if;
            return claim_refunds_of(p_gateways, p_most, p_lease_s);
        end $$;
        grant execute on function holdfast.claim_refunds to holdfast_refund;";
    database.owner.batch_execute(broken).await.unwrap();
    // The request is under way when the other claim fails.
    gateways.fault("standard", "refund", 1, "slow").await;

    let env = gateways.functions_env().into_iter().chain([("REFUND_FOR_S".to_owned(), "0".to_owned())]);
    let env: Vec<(String, String)> = env.collect();
    let env: Vec<(&str, String)> = env.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    let refund = Alone::start("refund", &database.url(), &env).await;
    let run = refund.invoke("refund", &json!({"job": "refund"})).await;
    assert!(run.is_err(), "and the failure is told: {run:?}");
    let status = "select status from holdfast.refund where payment_id = $1";
    let status: String = database.owner.query_one(status, &[&payment]).await.unwrap().get(0);
    assert_eq!(status, "COMPLETED");
    assert_eq!(by_the_shop(&gateways.payment(&payment).await), [1_000]);
}

/// A reservation whose commit does not wait for the disk must not be acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn a_function_whose_commits_do_not_wait_for_the_disk_does_nothing() {
    let client = Client::new();
    let database = Database::new().await;
    database.sale(300, &[("a", 9, 9)]).await;
    let ask = Ask { user: "ann".into(), key: "k".into(), lines: vec![("a".into(), 1)] };
    let answers = reserve(&database.as_role("reserve").await, true, &[ask]).await.unwrap();
    let hold = answers[0]["hold"]["hold_id"].as_str().unwrap();
    let weaker = format!("alter role holdfast_confirm in database {} set synchronous_commit = off", database.name);
    database.owner.batch_execute(&weaker).await.unwrap();
    let env = [("WEBHOOK_SECRET", client.setting("webhook_secret").to_owned())];
    let confirm = Alone::start("confirm", &database.url(), &env).await;
    let event = client.signed(Dialect::Standard, &paid("p1", hold, "ann", 100).to_string());
    assert_eq!(confirm.invoke("confirm", &event).await, Err("Retryable".into()));
    let written = "select count(*) from holdfast.payment";
    assert_eq!(database.owner.query_one(written, &[]).await.unwrap().get::<_, i64>(0), 0);
    // Nor does the function keep such a connection.
    let reset = format!("alter role holdfast_confirm in database {} reset synchronous_commit", database.name);
    database.owner.batch_execute(&reset).await.unwrap();
    assert_eq!(confirm.invoke("confirm", &event).await.unwrap()["result"], "confirmed");
}
