//! The Worker in workerd: `wrangler.toml` as a configuration of workerd's own, and the process.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::Signal;

use super::children::{Children, Spec};
use super::ready;
use super::state::Secrets;
use super::wrangler::Wrangler;
use crate::workspace;
use simulator::{self, Dialect};

const RATE_LIMIT_MODULE: &str = "holdfast:rate-limit";

/// What a local Worker is given in place of what `wrangler.toml` says for Cloudflare.
#[derive(Clone)]
pub struct Local {
    pub port: u16,
    /// Replace [vars] of the same name.
    pub vars: BTreeMap<&'static str, String>,
    /// Values for [secrets]: in workerd's environment, where neither its command line nor its configuration shows them.
    pub secrets: BTreeMap<&'static str, String>,
    /// A folder whose file `off` says by how many seconds the Worker's clock is off.
    pub clock: Option<PathBuf>,
}

impl Local {
    pub fn new(port: u16, lambda_url: &str, gateway_url: &str, secrets: &Secrets) -> Self {
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
        Self { port, vars, secrets, clock: None }
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
    ready::listening(local.port, Duration::from_secs(30), "the Worker").await
}

/// Copies what workerd runs to `dir`, and writes its configuration; its path. What a Durable Object has stored there
/// outlives its process as on Cloudflare; a new stack begins with nothing.
///
/// # Errors
/// A file cannot be copied or written.
pub fn lay_out(wrangler: &Wrangler, local: &Local, dir: &Path) -> anyhow::Result<PathBuf> {
    let mut modules = copy_modules(wrangler, dir)?;
    let gates = dir.join("gates");
    fs::create_dir_all(&gates).with_context(|| format!("cannot create {}", gates.display()))?;
    fs::copy(workspace::root().join("tests/stack/js/rate_limit.js"), dir.join("rate_limit.js"))
        .context("cannot copy tests/stack/js/rate_limit.js")?;
    if local.clock.is_some() {
        fs::copy(workspace::root().join("tests/stack/js/clock.js"), dir.join("clock.js"))
            .context("cannot copy tests/stack/js/clock.js")?;
        // The main module is the first.
        modules.insert(0, "clock.js".to_owned());
    }
    let config = dir.join("workerd.capnp");
    fs::write(&config, configuration(wrangler, local, &modules, &gates)?)
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

fn configuration(wrangler: &Wrangler, local: &Local, modules: &[String], gates: &Path) -> anyhow::Result<String> {
    let assets = workspace::root().join(&wrangler.assets.directory);
    let modules = modules.iter().map(|name| {
        let kind = if name.ends_with(".wasm") { "wasm" } else { "esModule" };
        let quoted = quoted(name);
        format!("(name = {quoted}, {kind} = embed {quoted})")
    });
    let flags = wrangler.compatibility_flags.iter().map(|flag| quoted(flag));
    let namespaces = wrangler.migrations.iter().flat_map(|migration| &migration.new_sqlite_classes).map(|class| {
        let class = quoted(class);
        format!("(className = {class}, uniqueKey = {class}, enableSql = true)")
    });
    Ok(format!(
        "# Made by `cargo dev` from wrangler.toml at each start.
using Workerd = import \"/workerd/workerd.capnp\";

const config :Workerd.Config = (
  services = [
    (name = \"worker\", worker = .worker),
    # The functions and the gateway are on this machine.
    (name = \"internet\", network = (allow = [\"public\", \"private\"], tlsOptions = (trustBrowserCas = true))),
    (name = \"assets\", disk = (path = {assets})),
    (name = \"gates\", disk = (path = {gates}, writable = true)),{clock}
  ],
  sockets = [(name = \"http\", address = \"127.0.0.1:{port}\", http = (), service = \"worker\")],
  extensions = [(modules = [(name = {module}, internal = true, esModule = embed \"rate_limit.js\")])],
);

const worker :Workerd.Worker = (
  modules = {modules},
  compatibilityDate = {date},
  compatibilityFlags = {flags},
  bindings = {bindings},
  durableObjectNamespaces = {namespaces},
  durableObjectStorage = (localDisk = \"gates\"),
);
",
        port = local.port,
        clock = clock_service(local),
        assets = quoted(&assets.to_string_lossy()),
        gates = quoted(&gates.to_string_lossy()),
        module = quoted(RATE_LIMIT_MODULE),
        modules = list(modules),
        date = quoted(&wrangler.compatibility_date),
        flags = list(flags),
        bindings = list(bindings(wrangler, local)?),
        namespaces = list(namespaces),
    ))
}

fn bindings(wrangler: &Wrangler, local: &Local) -> anyhow::Result<Vec<String>> {
    let mut bindings = vec![];
    if let Some(unknown) = local.vars.keys().find(|name| !wrangler.vars.contains_key(**name)) {
        bail!("wrangler.toml has no variable {unknown}, which the local stack sets");
    }
    for (name, value) in &wrangler.vars {
        let value = local.vars.get(name.as_str()).unwrap_or(value);
        bindings.push(format!("(name = {}, text = {})", quoted(name), quoted(value)));
    }
    for name in &wrangler.secrets.required {
        if !local.secrets.contains_key(name.as_str()) {
            bail!("wrangler.toml requires the secret {name}, for which the local stack has no value");
        }
    }
    // The gateways' too, which are optional.
    for name in local.secrets.keys() {
        bindings.push(format!("(name = {0}, fromEnvironment = {0})", quoted(name)));
    }
    bindings.push(format!("(name = {}, service = \"assets\")", quoted(&wrangler.assets.binding)));
    for object in &wrangler.durable_objects.bindings {
        let (name, class) = (quoted(&object.name), quoted(&object.class_name));
        bindings.push(format!("(name = {name}, durableObjectNamespace = {class})"));
    }
    for rate_limit in &wrangler.ratelimits {
        let (name, simple) = (quoted(&rate_limit.name), quoted(&serde_json::to_string(&rate_limit.simple)?));
        let module = quoted(RATE_LIMIT_MODULE);
        let inner = format!("[(name = \"simple\", text = {simple})]");
        bindings.push(format!("(name = {name}, wrapped = (moduleName = {module}, innerBindings = {inner}))"));
    }
    bindings.extend(local.clock.as_ref().map(|_| "(name = \"CLOCK\", service = \"clock\")".to_owned()));
    Ok(bindings)
}

fn clock_service(local: &Local) -> String {
    let service =
        |dir: &PathBuf| format!("\n    (name = \"clock\", disk = (path = {})),", quoted(&dir.to_string_lossy()));
    local.clock.as_ref().map(service).unwrap_or_default()
}

/// A string as Cap'n Proto's text format writes it: as C does.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_ascii_control() => quoted.push_str(&format!("\\x{:02x}", u32::from(control))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

fn list(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| format!("\n    {item},")).collect();
    format!("[{}]", items.concat())
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_quote_a_backslash_and_a_newline_stay_inside_the_string() {
        assert_eq!(quoted("a\"b\\c\nd홍"), r#""a\"b\\c\x0ad홍""#);
    }
}
