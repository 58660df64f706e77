//! The Worker in workerd: `wrangler.toml` as a configuration of workerd's own, and the process.

mod configuration;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::Signal;

use super::children::{Children, Spec};
use super::ready;
use super::state::Secrets;
use super::wrangler::Wrangler;
use crate::workspace;
use simulator::{self, Dialect};

/// What a local Worker is given in place of what `wrangler.toml` says for Cloudflare.
#[derive(Clone)]
pub struct Local {
    /// One an isolate.
    pub ports: Vec<u16>,
    /// The Durable Objects are in an isolate of their own and have a bounded pace; an isolate's memory is bounded.
    pub like_production: bool,
    /// Replace [vars] of the same name.
    pub vars: BTreeMap<&'static str, String>,
    /// Values for [secrets]: in workerd's environment, where neither its command line nor its configuration shows them.
    pub secrets: BTreeMap<&'static str, String>,
    /// A folder whose file `off` says by how many seconds the Worker's clock is off.
    pub clock: Option<PathBuf>,
}

impl Local {
    pub fn new(ports: Vec<u16>, lambda_url: &str, gateway_url: &str, secrets: &Secrets) -> Self {
        let gateway = simulator::Config::keys(&secrets.webhook_secret);
        let vars = BTreeMap::from([
            ("ENVIRONMENT", "development".to_owned()),
            ("LAMBDA_URL", lambda_url.to_owned()),
            // The emulator knows neither a prefix nor an alias.
            ("FUNCTION_PREFIX", String::new()),
            ("FUNCTION_QUALIFIER", String::new()),
            ("PAYMENT_PAGE_URL", format!("{gateway_url}/pay")),
            ("GATEWAYS", Dialect::ALL.map(Dialect::name).join(",")),
        ]);
        let mut secrets = BTreeMap::from([
            ("SESSION_SECRET", secrets.session_secret.clone()),
            ("CONFIRM_KEY", secrets.confirm_key.clone()),
            ("ADMIN_TOKEN", secrets.admin_token.clone()),
            ("ADMIN_TOKENS", secrets.admin_tokens.variable()),
            // The emulator checks no signature; the Worker signs all the same.
            ("AWS_ACCESS_KEY_ID", "local".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
        ]);
        secrets.extend(gateway.webhook_env());
        Self { ports, like_production: false, vars, secrets, clock: None }
    }
}

/// Starts workerd on a copy of the built Worker, in `dir`: a build for something else does not touch a running stack.
pub async fn start(
    workerd: PathBuf,
    wrangler: &Wrangler,
    local: Local,
    dir: &Path,
    children: &Children,
) -> anyhow::Result<()> {
    let _ = fs::remove_dir_all(dir);
    let config = lay_out(wrangler, &local, dir)?;
    let env = local.secrets.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    children.start(Spec {
        name: "edge".to_owned(),
        part: "edge",
        program: workerd,
        args: vec!["serve".into(), config.into()],
        env,
        user: None,
        stop: Signal::TERM,
        // workerd waits for open connections, and a browser keeps some open.
        patience: Duration::from_secs(2),
        prepare: Box::new(|| Ok(())),
    })?;
    for port in local.ports {
        ready::listening(port, Duration::from_secs(30), "the Worker").await?;
    }
    Ok(())
}

/// Copies what workerd runs to `dir`, and writes its configuration; its path. What a Durable Object has stored there
/// outlives its process as on Cloudflare; a new stack begins with nothing.
///
/// # Errors
/// A file cannot be copied or written.
pub fn lay_out(wrangler: &Wrangler, local: &Local, dir: &Path) -> anyhow::Result<PathBuf> {
    let modules = copy_modules(wrangler, dir)?;
    let gates = dir.join("gates");
    fs::create_dir_all(&gates).with_context(|| format!("cannot create {}", gates.display()))?;
    for script in ["rate_limit.js", "overload.js", "clock.js"] {
        fs::copy(workspace::root().join("tests/stack/js").join(script), dir.join(script))
            .with_context(|| format!("cannot copy tests/stack/js/{script}"))?;
    }
    fs::write(dir.join("objects.js"), bounded_objects(wrangler)?).context("cannot write objects.js")?;
    let config = dir.join("workerd.capnp");
    fs::write(&config, configuration::configuration(wrangler, local, &modules, &gates)?)
        .with_context(|| format!("cannot write {}", config.display()))?;
    Ok(config)
}

/// The names of the Worker's modules, the main one first: it imports the build from a folder beside it.
fn copy_modules(wrangler: &Wrangler, dir: &Path) -> anyhow::Result<Vec<String>> {
    fs::create_dir_all(dir.join("build")).with_context(|| format!("cannot create {}", dir.display()))?;
    let main = workspace::root().join(&wrangler.main);
    let mut files = vec![("main.js".to_owned(), main)];
    let built = wrangler.built_in();
    for entry in fs::read_dir(&built).with_context(|| format!("cannot read {}", built.display()))? {
        let path = entry?.path();
        if path.is_file() && path.extension().is_some_and(|extension| extension == "js" || extension == "wasm") {
            let name = path.file_name().and_then(|name| name.to_str()).context("a module without a name")?.to_owned();
            files.push((format!("build/{name}"), path));
        }
    }
    for (name, path) in &files {
        fs::copy(path, dir.join(name)).with_context(|| format!("cannot copy {}", path.display()))?;
    }
    Ok(files.into_iter().map(|(name, _)| name).collect())
}

/// tests/stack/js/objects.js, with the classes of `wrangler.toml`.
fn bounded_objects(wrangler: &Wrangler) -> anyhow::Result<String> {
    let path = workspace::root().join("tests/stack/js/objects.js");
    let mut script = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    for class in wrangler.classes() {
        script.push_str(&format!("export class {class} extends bounded(worker.{class}) {{}}\n"));
    }
    Ok(script)
}
