//! The Lambda emulator and the function instances that work for it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;

use super::children::{Children, Spec};
use super::state::Secrets;
use super::{Options, ready};
use crate::{migrate, workspace};

/// Every function that runs behind the emulator, and its instances: Lambda runs several of each at once, and so do we,
/// or nothing that goes wrong between two of them would ever be seen here.
pub const INSTANCES: [(&str, usize); 10] = [
    ("reserve", 3),
    // One more than UNSIGNED_AT_ONCE and BUYERS_AT_ONCE (wrangler.toml), so that a signed payment finds one.
    ("confirm", 7),
    ("expire", 2),
    ("release", 2),
    ("lookup", 2),
    ("admin", 2),
    ("relay", 2),
    ("refund", 2),
    ("reconcile", 1),
    ("audit", 2),
];

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

/// Starts every instance. Each polls the emulator for work, as it would poll Lambda.
pub fn start_instances(
    options: &Options,
    emulator: SocketAddr,
    database_url: &str,
    secrets: &Secrets,
    gateways: &[(String, String)],
    children: &Children,
) -> anyhow::Result<()> {
    for (function, instances) in INSTANCES {
        let url = migrate::url_for_role(database_url, &format!("holdfast_{function}"), &secrets.functions_password)?;
        for number in 1..=instances {
            let url = match &options.detours {
                Some(detours) => detours.database_url(&url, &format!("{function}-{number}"))?,
                None => url.clone(),
            };
            let mut one = instance(options, function, number, emulator, &url, gateways);
            // No other function can open a receiver's secret.
            if matches!(function, "admin" | "relay") {
                one.env.push(("SEAL_KEY".to_owned(), secrets.seal_key.clone()));
            }
            if function == "confirm" {
                one.env.push(("CONFIRM_KEY".to_owned(), secrets.confirm_key.clone()));
            }
            children.start(one)?;
        }
    }
    Ok(())
}

fn instance(
    options: &Options,
    function: &'static str,
    number: usize,
    emulator: SocketAddr,
    database_url: &str,
    gateways: &[(String, String)],
) -> Spec {
    let env = [
        ("DATABASE_URL", database_url.to_owned()),
        // The emulator keeps its runtime API under this path, one for each function.
        ("AWS_LAMBDA_RUNTIME_API", format!("http://{emulator}/.rt/{function}")),
        ("AWS_LAMBDA_FUNCTION_NAME", function.to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
        ("RUST_LOG", "info".to_owned()),
        ("EARLY_RELEASE", if options.early_release { "on" } else { "off" }.to_owned()),
        // The scheduler here is as quick as the sweep should be: one sweep an invocation.
        ("SWEEP_FOR_S", "0".to_owned()),
        ("SWEEP_INTERVAL_S", options.sweep_interval_s.to_string()),
        ("RELAY_FOR_S", "0".to_owned()),
        // Receivers are on this machine too.
        ("RELAY_ALLOW_PRIVATE", "on".to_owned()),
        // Nor does this one wait for another beat; it goes on while there is something to refund, or a crowd's refunds
        // would come eight a second.
        ("REFUND_FOR_S", "5".to_owned()),
        ("REFUND_RETRY_S", options.refund_retry_s.to_owned()),
        // A pass a tick; and the gateway simulator forgets its payments when it is restarted.
        ("RECONCILE_EVERY_S", "0".to_owned()),
        ("RECONCILE_SINCE", jiff::Timestamp::now().to_string()),
    ];
    let built = || workspace::target_dir().join("debug");
    let functions = options.detours.as_ref().and_then(|detours| detours.functions.clone()).unwrap_or_else(built);
    let detoured = options.detours.as_ref().map(|detours| detours.env.clone()).unwrap_or_default();
    // To see a dead letter soon: RELAY_RETRY_S=0,1,2 cargo dev up.
    let wished = std::env::vars().filter(|(name, _)| name.starts_with("RELAY_"));
    Spec {
        name: format!("{function}-{number}"),
        part: function,
        program: functions.join(function),
        args: vec![],
        env: env
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            // What is proven is proven by `confirm` alone.
            .chain(
                gateways.iter().filter(|(name, _)| function == "confirm" || !name.ends_with("WEBHOOK_SECRET")).cloned(),
            )
            .chain(wished)
            .chain(detoured)
            .collect(),
        user: None,
        stop: Signal::TERM,
        patience: Duration::from_secs(3),
        prepare: Box::new(|| Ok(())),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::migrate::FUNCTIONS;
    use crate::scheduler;

    fn read(file: &str) -> String {
        fs::read_to_string(workspace::root().join(file)).unwrap_or_default()
    }

    fn count(text: &str, word: &str) -> usize {
        let is_more = |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        text.split(word).skip(1).filter(|rest| !is_more(rest)).count()
    }

    #[test]
    fn every_binary_of_the_functions_runs_here() -> std::io::Result<()> {
        let files = fs::read_dir(workspace::root().join("functions/src/bin"))?.collect::<Result<Vec<_>, _>>()?;
        let stem = |file: fs::DirEntry| file.path().file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let mut binaries: Vec<String> = files.into_iter().filter_map(stem).collect();
        let mut known = FUNCTIONS;
        binaries.sort_unstable();
        known.sort_unstable();
        assert_eq!(binaries, known, "functions/src/bin and INSTANCES");
        Ok(())
    }

    /// What stands between the two, however the lines are broken.
    fn between(text: &str, from: &str, to: &str) -> String {
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let rest = words.split_once(from).map(|(_, rest)| rest).unwrap_or_default();
        let found = rest.split_once(to).map(|(found, _)| found.to_owned()).unwrap_or_default();
        assert!(!found.is_empty(), "nothing stands between {from:?} and {to:?}");
        found
    }

    #[test]
    fn every_function_has_its_role_and_its_place_in_the_documents() {
        let (roles, guard) = (read("schema/roles.sql"), read("schema/routines/guard.sql"));
        let durable = between(&guard, "grant execute on function holdfast.assert_durable()", ";");
        let (integrating, deploying) = (read("docs/integrating.md"), read("docs/deploying.md"));
        let (logins, deployed) =
            (between(&integrating, "give the roles", "a login"), between(&integrating, "then deploy", "(runtime"));
        let readme = read("functions/README.md");
        for function in FUNCTIONS {
            let role = format!("holdfast_{function}");
            assert_eq!(
                roles.matches(&format!("('{role}', ")).count(),
                1,
                "schema/roles.sql: the list of roles, {role}"
            );
            assert_ne!(count(&durable, &role), 0, "schema/routines/guard.sql: assert_durable for {role}");
            assert_ne!(count(&logins, &role), 0, "docs/integrating.md: the login of {role}");
            assert_ne!(count(&deployed, &format!("`{function}`")), 0, "docs/integrating.md: deploy `{function}`");
            assert!(readme.contains(&format!("\n| `{function}` | ")), "functions/README.md: a row for `{function}`");
            assert_ne!(
                count(&deploying, &format!(":function:{function}")),
                0,
                "docs/deploying.md: who may invoke {function}"
            );
        }
    }

    #[test]
    fn every_scheduled_function_is_documented_with_its_schedule() {
        let (integrating, deploying) = (read("docs/integrating.md"), read("docs/deploying.md"));
        let scheduled = between(&integrating, "Have EventBridge Scheduler", "each with its own name");
        let policy = between(&deploying, "and of the scheduler's role: ```json", "```");
        let beats = scheduler::beats(&Options::for_tests("x")).map(|(name, _)| name);
        let here: Vec<&str> = beats.into_iter().chain([scheduler::SWEEP]).collect();
        for function in FUNCTIONS {
            let takes_tick = count(&read(&format!("functions/src/bin/{function}.rs")), "Tick") > 0;
            assert_eq!(here.contains(&function), takes_tick, "`beats` of tests/stack/src/scheduler.rs: {function}");
        }
        for function in here {
            let named = format!("`{function}`");
            assert_ne!(count(&scheduled, &named), 0, "docs/integrating.md: the schedule of {function}");
            let resource = format!(":function:{function}");
            assert_ne!(count(&policy, &resource), 0, "docs/deploying.md: the scheduler may invoke {function}");
        }
    }
}
