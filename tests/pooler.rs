//! The functions behind a pooler that hands out its connections a transaction at a time (PgBouncer, as Neon's): fewer
//! connections than instances, and nothing that lives in a session.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::client::{Client, until};
use crate::functions::invoke;

/// Ends its process with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn secrets() -> Value {
    let dir = PathBuf::from(std::env::var("HOLDFAST_STACK").unwrap()).parent().unwrap().to_owned();
    serde_json::from_slice(&std::fs::read(dir.join("secrets.json")).unwrap()).unwrap()
}

/// One server connection a role, however many instances there are.
fn pooler(dir: &std::path::Path, port: u16, database_url: &str) -> Ended {
    let server = database_url.rsplit_once('@').unwrap().1;
    let (address, database) = server.split_once('/').unwrap();
    let (host, server_port) = address.split_once(':').unwrap();
    let users = harness::migrate::FUNCTIONS.map(|function| {
        format!("\"holdfast_{function}\" \"{}\"\n", secrets()["functions_password"].as_str().unwrap())
    });
    std::fs::write(dir.join("users"), users.concat()).unwrap();
    let config = format!(
        "[databases]\n{database} = host={host} port={server_port} dbname={database}\n[pgbouncer]\npool_mode = transaction\n\
         listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\n\
         default_pool_size = 1\nmax_client_conn = 100\n",
        dir.join("users").display()
    );
    std::fs::write(dir.join("pgbouncer.ini"), config).unwrap();
    let mut command = Command::new(harness::tools::pgbouncer().unwrap());
    command.arg(dir.join("pgbouncer.ini")).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(user) = harness::tools::postgres().unwrap().user {
        use std::os::unix::process::CommandExt;
        std::os::unix::fs::chown(dir, Some(user.uid), Some(user.gid)).unwrap();
        command.uid(user.uid).gid(user.gid).current_dir("/");
    }
    Ended(command.spawn().unwrap())
}

/// An instance of `function` under the name `pooled-{function}`, connected through the pooler.
fn instance(client: &Client, function: &str, pooler_port: u16) -> Ended {
    let url = client.setting("database_url");
    let (_, database) = url.rsplit_once('/').unwrap();
    let url = format!(
        "postgres://holdfast_{function}:{}@127.0.0.1:{pooler_port}/{database}",
        secrets()["functions_password"].as_str().unwrap()
    );
    let lambda = client.setting("lambda_url").trim_start_matches("http://").to_owned();
    let command = Command::new(harness::workspace::target_dir().join("debug").join(function))
        .env_clear()
        .env("DATABASE_URL", url)
        .env("AWS_LAMBDA_RUNTIME_API", format!("{lambda}/.rt/pooled-{function}"))
        .env("AWS_LAMBDA_FUNCTION_NAME", format!("pooled-{function}"))
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("SWEEP_FOR_S", "0")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    Ended(command)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_function_works_through_a_transaction_mode_pooler() {
    let client = Client::new();
    let dir = std::env::temp_dir().join(format!("holdfast-pooler-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(&dir).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let _pooler = pooler(&dir, port, client.setting("database_url"));
    until("the pooler listens", 20, || async { std::net::TcpStream::connect(("127.0.0.1", port)).ok() }).await;
    let mut instances = Vec::new();
    for function in harness::migrate::FUNCTIONS {
        for _ in 0..if function == "reserve" { 3 } else { 1 } {
            instances.push(instance(&client, function, port));
        }
    }

    let sale = client.sale(300, &[("a", 20, 1)]).await;
    // Three instances share one connection: batches of ten, six at once.
    let batches = (0..6).map(|batch| {
        let reservations: Vec<Value> = (0..10)
            .map(|n| {
                json!({"request_id": "r", "user_id": format!("u{batch}-{n}"), "idem_key": "k", "sale_id": sale,
                       "fingerprint": "00".repeat(32), "items": [{"sku_id": "a", "qty": 1}]})
            })
            .collect();
        async move { invoke("pooled-reserve", &json!({"reservations": reservations})).await.unwrap() }
    });
    let answers = futures_util::future::join_all(batches).await;
    let outcomes: Vec<&Value> = answers.iter().flat_map(|answer| answer["outcomes"].as_array().unwrap()).collect();
    let granted: Vec<&Value> = outcomes.iter().copied().filter(|outcome| outcome["outcome"] == "granted").collect();
    assert_eq!((outcomes.len(), granted.len()), (60, 20));

    let hold = &granted[0]["hold"];
    let question = |user: &str| json!({"request_id": "r", "question": "hold", "user_id": user, "hold_id": hold["hold_id"]});
    let mut owner = None;
    for n in 0..60 {
        let user = format!("u{}-{}", n / 10, n % 10);
        if invoke("pooled-lookup", &question(&user)).await.unwrap()["outcome"] == "hold" {
            owner = Some(user);
            break;
        }
    }
    let owner = owner.expect("somebody's hold");
    let payment = json!({"request_id": "r", "gateway": "standard", "payment_id": format!("pay-{}", uuid::Uuid::new_v4()),
                         "hold_id": hold["hold_id"], "user_id": owner, "amount": 1000, "currency": "KRW"});
    assert_eq!(invoke("pooled-confirm", &payment).await.unwrap()["result"], "confirmed");
    let release = json!({"request_id": "r", "user_id": owner, "hold_id": hold["hold_id"]});
    assert_eq!(invoke("pooled-release", &release).await.unwrap()["hold_status"], "COMMITTED");
    assert!(invoke("pooled-expire", &json!({"job": "expire"})).await.unwrap()["transactions"].is_number());
    let report = invoke("pooled-admin", &json!({"request_id": "r", "command": "report", "sale_id": sale})).await.unwrap();
    assert_eq!(report["report"]["skus"][0], json!({"sku_id": "a", "total": 20, "available": 0, "held": 19, "sold": 1}));
    let _ = std::fs::remove_dir_all(dir);
}
