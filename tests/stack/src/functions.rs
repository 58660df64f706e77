//! The Lambda emulator and the function instances that work for it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use deployment::FUNCTIONS;
use deployment::function::Function;
use rustix::process::Signal;

use super::children::{Children, Spec};
use super::state::Secrets;
use super::{Options, ready};
use crate::{migrate, workspace};

/// Every function that runs behind the emulator, and its instances.
pub const INSTANCES: [(&str, usize); FUNCTIONS.len()] = {
    let mut instances = [("", 0); FUNCTIONS.len()];
    let mut i = 0;
    while i < instances.len() {
        instances[i] = (FUNCTIONS[i].name, FUNCTIONS[i].local_instances);
        i += 1;
    }
    instances
};

/// `cargo lambda watch` as nothing but the Invoke API and the runtime API between it and our processes.
pub async fn start_emulator(cargo_lambda: PathBuf, at: SocketAddr, children: &Children) -> anyhow::Result<()> {
    let root = workspace::root();
    // The limit is for an instance that waits for work, too, and one that reaches it ends: it has to be longer than any
    // stack stands idle. Who waits for an instance that was killed while it worked has a deadline of its own.
    let args = [
        "lambda",
        "watch",
        "--only-lambda-apis",
        "--timeout",
        "86400",
        // No foreign page may read these responses.
        "--disable-cors",
        "--manifest-path",
    ];
    let mut args: Vec<_> = args.into_iter().map(Into::into).collect();
    args.extend([root.join("Cargo.toml").into(), "--invoke-address".into(), at.ip().to_string().into()]);
    args.extend(["--invoke-port".into(), at.port().to_string().into()]);
    children.start(Spec {
        name: "lambda".to_owned(),
        part: "lambda",
        program: cargo_lambda,
        args,
        env: vec![],
        user: None,
        stop: Signal::TERM,
        patience: Duration::from_secs(5),
        prepare: Box::new(|| Ok(())),
    })?;
    ready::listening_at(at, Duration::from_secs(30), "the Lambda emulator").await
}

/// What the instances are given that the table of the deployment does not say: the stack's own addresses and secrets.
pub struct Given<'a> {
    pub emulator: SocketAddr,
    pub database_url: &'a str,
    pub secrets: &'a Secrets,
    /// The gateways' addresses and secrets.
    pub gateways: &'a [(String, String)],
}

/// Starts every instance. Each polls the emulator for work, as it would poll Lambda.
pub fn start_instances(options: &Options, given: &Given, children: &Children) -> anyhow::Result<()> {
    for function in &FUNCTIONS {
        let password = &given.secrets.functions_password;
        let url = migrate::url_for_role(given.database_url, &function.role(), password)?;
        for number in 1..=function.local_instances {
            let url = match &options.detours {
                Some(detours) => detours.database_url(&url, &format!("{}-{number}", function.name))?,
                None => url.clone(),
            };
            children.start(instance(options, function, number, given, &url))?;
        }
    }
    Ok(())
}

fn instance(options: &Options, function: &Function, number: usize, given: &Given, database_url: &str) -> Spec {
    let built = || workspace::target_dir().join("debug");
    let functions = options.detours.as_ref().and_then(|detours| detours.functions.clone()).unwrap_or_else(built);
    let detoured = options.detours.as_ref().map(|detours| detours.env.clone()).unwrap_or_default();
    let of_table = function.environment().into_iter().filter_map(|entry| {
        let value = value(options, given, database_url, &entry.name);
        let value = value.or_else(|| function.local_value(&entry.name).map(str::to_owned))?;
        Some((entry.name, value))
    });
    Spec {
        name: format!("{}-{number}", function.name),
        part: function.name,
        program: functions.join(function.name),
        args: vec![],
        env: of_lambda(function, given.emulator).into_iter().chain(of_table).chain(detoured).collect(),
        user: None,
        stop: Signal::TERM,
        patience: Duration::from_secs(3),
        prepare: Box::new(|| Ok(())),
    }
}

/// What Lambda itself tells a function.
fn of_lambda(function: &Function, emulator: SocketAddr) -> [(String, String); 4] {
    [
        // The emulator keeps its runtime API under this path, one for each function.
        ("AWS_LAMBDA_RUNTIME_API", format!("http://{emulator}/.rt/{}", function.name)),
        ("AWS_LAMBDA_FUNCTION_NAME", function.name.to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_mb.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
}

/// The stack's own value of a variable; the table has the others.
fn value(options: &Options, given: &Given, database_url: &str, name: &str) -> Option<String> {
    let of_gateway = || given.gateways.iter().find(|(one, _)| one == name).map(|(_, value)| value.clone());
    match name {
        "DATABASE_URL" => Some(database_url.to_owned()),
        "SEAL_KEY" => Some(given.secrets.seal_key.clone()),
        "CONFIRM_KEY" => Some(given.secrets.confirm_key.clone()),
        "EARLY_RELEASE" => Some(if options.early_release { "on" } else { "off" }.to_owned()),
        "SWEEP_INTERVAL_S" => Some(options.sweep_interval_s.to_string()),
        "REFUND_RETRY_S" => Some(options.refund_retry_s.to_owned()),
        // The gateway simulator forgets its payments when it is restarted.
        "RECONCILE_SINCE" => Some(jiff::Timestamp::now().to_string()),
        // To see a dead letter soon: RELAY_RETRY_S=0,1,2 cargo dev up.
        _ if name.starts_with("RELAY_") => std::env::var(name).ok(),
        _ => of_gateway(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use deployment::function::Kind;
    use serde_json::json;

    use super::*;

    /// The names of the variables that one instance is started with.
    fn variables(function: &Function) -> anyhow::Result<Vec<String>> {
        let secrets = ["session_secret", "admin_token", "webhook_secret", "postgres_password", "functions_password"];
        let secrets = secrets.map(|name| (name.to_owned(), json!("x"))).into_iter().collect();
        let secrets: Secrets = serde_json::from_value(serde_json::Value::Object(secrets))?;
        let simulated = simulator::Config::keys("whsec_c2VjcmV0");
        let webhooks = simulated.webhook_env().into_iter().map(|(name, value)| (name.to_owned(), value));
        let gateways: Vec<_> = simulated.functions_env("http://127.0.0.1:1").into_iter().chain(webhooks).collect();
        let emulator = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let given = Given { emulator, database_url: "", secrets: &secrets, gateways: &gateways };
        let spec = instance(&Options::for_tests("functions"), function, 1, &given, "postgres://127.0.0.1/shop");
        Ok(spec.env.into_iter().map(|(name, _)| name).collect())
    }

    #[test]
    fn an_instance_has_the_secrets_that_the_table_gives_it_and_no_others() -> anyhow::Result<()> {
        for function in &FUNCTIONS {
            let has = variables(function)?;
            let known = function.environment();
            for entry in known.iter().filter(|entry| entry.kind == Kind::Secret) {
                assert!(has.contains(&entry.name), "{} has no {}", function.name, entry.name);
            }
            for name in has.iter().filter(|name| !name.starts_with("AWS_LAMBDA_")) {
                assert!(known.iter().any(|entry| entry.name == *name), "the table gives {} no {name}", function.name);
            }
        }
        Ok(())
    }

    #[test]
    fn a_receivers_secret_and_a_persons_proof_are_read_by_those_who_need_them_alone() -> anyhow::Result<()> {
        for (secret, who) in [("SEAL_KEY", &["admin", "relay"][..]), ("CONFIRM_KEY", &["confirm"])] {
            for function in &FUNCTIONS {
                let has = variables(function)?.iter().any(|name| name == secret);
                assert_eq!(has, who.contains(&function.name), "{secret} of {}", function.name);
            }
        }
        Ok(())
    }
}
