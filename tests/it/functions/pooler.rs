//! The functions behind a pooler that hands out its connections a transaction at a time (PgBouncer, as Neon's): fewer
//! connections than instances, and nothing that lives in a session; by TLS, with an authority of the test's own.

use std::path::Path;
use std::process::{Command, Stdio};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use simulator::Dialect;

use support::client::{Client, paid, until};
use support::emulator::{Ended, emulator, free_port, secrets};
use support::invoke::invoke_at;

/// An authority, as the file `ca.pem`, and a certificate for this machine that it has signed.
fn certificates(dir: &Path) {
    let (authority_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    std::fs::write(dir.join("ca.pem"), authority_certificate.pem()).unwrap();
    std::fs::write(dir.join("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(dir.join("key.pem"), key.serialize_pem()).unwrap();
}

/// One server connection a role, however many instances there are.
fn pooler(dir: &Path, port: u16, database_url: &str) -> Ended {
    let server = database_url.rsplit_once('@').unwrap().1;
    let (address, database) = server.split_once('/').unwrap();
    let (host, server_port) = address.split_once(':').unwrap();
    let users = stack::migrate::FUNCTIONS
        .map(|function| format!("\"holdfast_{function}\" \"{}\"\n", secrets()["functions_password"].as_str().unwrap()));
    std::fs::write(dir.join("users"), users.concat()).unwrap();
    let config = format!(
        "[databases]\n{database} = host={host} port={server_port} dbname={database}\n[pgbouncer]\npool_mode = transaction\n\
         listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\n\
         default_pool_size = 1\nmax_client_conn = 100\nclient_tls_sslmode = require\n\
         client_tls_cert_file = {}\nclient_tls_key_file = {}\n",
        dir.join("users").display(),
        dir.join("cert.pem").display(),
        dir.join("key.pem").display()
    );
    std::fs::write(dir.join("pgbouncer.ini"), config).unwrap();
    let mut command = Command::new(stack::tools::pgbouncer().unwrap());
    command.arg(dir.join("pgbouncer.ini")).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(user) = stack::tools::postgres().unwrap().user {
        use std::os::unix::process::CommandExt;
        std::os::unix::fs::chown(dir, Some(user.uid), Some(user.gid)).unwrap();
        command.uid(user.uid).gid(user.gid).current_dir("/");
    }
    Ended(command.spawn().unwrap())
}

/// An instance of `function`, connected through the pooler.
fn instance(client: &Client, lambda: &str, function: &str, pooler_port: u16, ca: Option<&Path>) -> Ended {
    let url = client.setting("database_url");
    let (_, database) = url.rsplit_once('/').unwrap();
    let url = format!(
        "postgres://holdfast_{function}:{}@127.0.0.1:{pooler_port}/{database}?sslmode=require",
        secrets()["functions_password"].as_str().unwrap()
    );
    let command = Command::new(stack::workspace::target_dir().join("debug").join(function))
        .env_clear()
        .env("DATABASE_URL", url)
        .env("AWS_LAMBDA_RUNTIME_API", format!("{lambda}/.rt/{function}"))
        .env("AWS_LAMBDA_FUNCTION_NAME", function)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("WEBHOOK_SECRET", client.setting("webhook_secret"))
        .env("SWEEP_FOR_S", "0")
        .env("RELAY_FOR_S", "0")
        .env("SEAL_KEY", secrets()["seal_key"].as_str().unwrap())
        .envs(ca.map(|ca| ("DATABASE_CA_FILE", ca)))
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
    let (port, lambda_port) = (free_port(), free_port());
    certificates(&dir);
    let _pooler = pooler(&dir, port, client.setting("database_url"));
    let _emulator = emulator(lambda_port);
    for port in [port, lambda_port] {
        until("it listens", 20, || async { std::net::TcpStream::connect(("127.0.0.1", port)).ok() }).await;
    }
    let lambda = &format!("http://127.0.0.1:{lambda_port}");
    let invoke = async |function: &str, payload: &Value| invoke_at(lambda, function, payload).await.unwrap();
    // A client that does not trust the authority does not connect.
    let stranger = instance(&client, lambda, "lookup", port, None);
    let sales = json!({"request_id": "r", "question": "sales"});
    assert_eq!(invoke_at(lambda, "lookup", &sales).await, Err("Retryable".into()));
    drop(stranger);
    let mut instances = Vec::new();
    for function in stack::migrate::FUNCTIONS {
        for _ in 0..if function == "reserve" { 3 } else { 1 } {
            instances.push(instance(&client, lambda, function, port, Some(&dir.join("ca.pem"))));
        }
    }

    let sale = client.sale(300, &[("a", 20, 1)]).await;
    // Three instances share one connection: batches of ten, six at once.
    let batches = (0..6).map(|batch| {
        let reservations: Vec<Value> = (0..10)
            .map(|n| {
                json!({"request_id": "r", "user_id": format!("u{batch}-{n}-{sale}"), "idem_key": "k", "sale_id": sale,
                       "fingerprint": "00".repeat(32), "items": [{"sku_id": "a", "qty": 1}]})
            })
            .collect();
        async move { invoke_at(lambda, "reserve", &json!({"reservations": reservations})).await.unwrap() }
    });
    let answers = futures_util::future::join_all(batches).await;
    let outcomes: Vec<&Value> = answers.iter().flat_map(|answer| answer["outcomes"].as_array().unwrap()).collect();
    let granted: Vec<&Value> = outcomes.iter().copied().filter(|outcome| outcome["outcome"] == "granted").collect();
    assert_eq!((outcomes.len(), granted.len()), (60, 20));

    let hold = &granted[0]["hold"];
    let question =
        |user: &str| json!({"request_id": "r", "question": "hold", "user_id": user, "hold_id": hold["hold_id"]});
    let mut owner = None;
    for n in 0..60 {
        let user = format!("u{}-{}-{sale}", n / 10, n % 10);
        if invoke("lookup", &question(&user)).await["outcome"] == "hold" {
            owner = Some(user);
            break;
        }
    }
    let owner = owner.expect("a hold's owner");
    let payment = format!("pay-{}", uuid::Uuid::new_v4());
    let event = paid(&payment, hold["hold_id"].as_str().unwrap(), &owner, 1000).to_string();
    assert_eq!(invoke("confirm", &client.signed(Dialect::Standard, &event)).await["result"], "confirmed");
    let release = json!({"request_id": "r", "user_id": owner, "hold_id": hold["hold_id"]});
    assert_eq!(invoke("release", &release).await["hold_status"], "COMMITTED");
    assert!(invoke("expire", &json!({"job": "expire"})).await["transactions"].is_number());
    assert!(invoke("relay", &json!({"job": "relay"})).await["fanned_out"].is_number());
    let report = invoke("admin", &json!({"request_id": "r", "command": "report", "sale_id": sale})).await;
    assert_eq!(report["report"]["skus"][0], json!({"sku_id": "a", "total": 20, "available": 0, "held": 19, "sold": 1}));
    let _ = std::fs::remove_dir_all(dir);
}
