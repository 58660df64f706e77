//! `wrangler.toml` and what is local, as a configuration of workerd: Cap'n Proto's text format.

use std::path::{Path, PathBuf};

use anyhow::bail;

use super::Local;
use crate::wrangler::Wrangler;
use crate::{production, workspace};

const RATE_LIMIT_MODULE: &str = "holdfast:rate-limit";
const OVERLOAD_MODULE: &str = "holdfast:overload";

/// Of the isolates: `worker` has the Durable Objects; like in production it takes no requests, and there are others that do.
pub(super) fn configuration(
    wrangler: &Wrangler,
    local: &Local,
    modules: &[String],
    gates: &Path,
) -> anyhow::Result<String> {
    let assets = workspace::root().join(&wrangler.assets.directory);
    let with_main = |main: Option<&str>| {
        let modules = main.map(str::to_owned).into_iter().chain(modules.iter().cloned());
        list(modules.map(|name| {
            let kind = if name.ends_with(".wasm") { "wasm" } else { "esModule" };
            let quoted = quoted(&name);
            format!("(name = {quoted}, {kind} = embed {quoted})")
        }))
    };
    let clock = local.clock.as_ref().map(|_| "clock.js");
    let namespaces = wrangler
        .classes()
        .map(quoted)
        .map(|class| format!("(className = {class}, uniqueKey = {class}, enableSql = true)"));
    let objects =
        format!("durableObjectNamespaces = {}, durableObjectStorage = (localDisk = \"gates\"),", list(namespaces));
    let entry = |at: usize| if local.like_production { format!("entry-{}", at + 1) } else { "worker".to_owned() };
    let entries = (0..local.ports.len()).filter(|_| local.like_production);
    let services = entries.map(|at| format!("(name = {}, worker = .entry)", quoted(&entry(at))));
    let sockets = local.ports.iter().enumerate().map(|(at, port)| {
        let name = quoted(&format!("http-{}", at + 1));
        format!("(name = {name}, address = \"127.0.0.1:{port}\", http = (), service = {})", quoted(&entry(at)))
    });
    let worker = |name: &str, main: Option<&str>, bindings: Vec<String>, objects: &str| {
        format!(
            "
const {name} :Workerd.Worker = (
  modules = {modules},
  compatibilityDate = {date},
  compatibilityFlags = {flags},
  bindings = {bindings},
  {objects}
);
",
            modules = with_main(main),
            date = quoted(&wrangler.compatibility_date),
            flags = list(wrangler.compatibility_flags.iter().map(|flag| quoted(flag))),
            bindings = list(bindings),
        )
    };
    let (mut home, mut entries) = (bindings(wrangler, local, Isolate::WithObjects)?, String::new());
    let (mut main, mut v8) = (clock, String::new());
    if local.like_production {
        home.push(format!("(name = \"OBJECT_BOUNDS\", text = {})", quoted(&bounds().to_string())));
        main = Some("objects.js");
        v8 = format!("\n  v8Flags = [\"--wasm-max-mem-pages={}\"],", production::WASM_PAGES_MAX);
        entries = worker("entry", clock, bindings(wrangler, local, Isolate::Entry)?, "");
    }
    Ok(format!(
        "# Made by `cargo dev` from wrangler.toml at each start.
using Workerd = import \"/workerd/workerd.capnp\";

const config :Workerd.Config = (
  services = [
    (name = \"worker\", worker = .worker),
    # The functions and the gateway are on this machine.
    (name = \"internet\", network = (allow = [\"public\", \"private\"], tlsOptions = (trustBrowserCas = true))),
    (name = \"assets\", disk = (path = {assets})),
    (name = \"gates\", disk = (path = {gates}, writable = true)),{clock}{services}
  ],
  sockets = {sockets},
  extensions = [(modules = [
    (name = {rate_limit}, internal = true, esModule = embed \"rate_limit.js\"),
    (name = {overload}, internal = true, esModule = embed \"overload.js\"),
  ])],{v8}
);
{worker}{entries}",
        clock = clock_service(local),
        services = services.map(|service| format!("\n    {service},")).collect::<String>(),
        assets = quoted(&assets.to_string_lossy()),
        gates = quoted(&gates.to_string_lossy()),
        sockets = list(sockets),
        rate_limit = quoted(RATE_LIMIT_MODULE),
        overload = quoted(OVERLOAD_MODULE),
        worker = worker("worker", main, home, &objects),
    ))
}

/// What tests/stack/js/objects.js reads.
fn bounds() -> serde_json::Value {
    serde_json::json!({
        "per_s": production::OBJECT_PER_S,
        "queue_max": production::OBJECT_QUEUE_MAX,
        "queue_max_bytes": production::OBJECT_QUEUE_MAX_BYTES,
        "queue_max_ms": production::OBJECT_QUEUE_MAX_MS,
        "window_s": production::OBJECT_WINDOW_S,
    })
}

/// Which isolate of a Worker.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Isolate {
    WithObjects,
    /// It reaches them in another.
    Entry,
}

fn bindings(wrangler: &Wrangler, local: &Local, isolate: Isolate) -> anyhow::Result<Vec<String>> {
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
        bindings.push(match isolate {
            Isolate::WithObjects => format!("(name = {name}, durableObjectNamespace = {class})"),
            Isolate::Entry => {
                let there = format!("(className = {class}, serviceName = \"worker\")");
                let inner = format!("[(name = \"namespace\", durableObjectNamespace = {there})]");
                let module = quoted(OVERLOAD_MODULE);
                format!("(name = {name}, wrapped = (moduleName = {module}, innerBindings = {inner}))")
            }
        });
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
