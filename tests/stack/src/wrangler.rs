//! `wrangler.toml`, the one source of the Worker's configuration, as far as the local stack follows it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::workspace;

/// A key that is not here stops the start: a binding that Cloudflare would give and the local stack would not is found
/// now, and not as a Worker that behaves differently.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wrangler {
    #[serde(rename = "name")]
    _name: String,
    pub main: String,
    pub compatibility_date: String,
    #[serde(default)]
    pub compatibility_flags: Vec<String>,
    /// Which addresses it has besides its own domain.
    #[serde(rename = "workers_dev")]
    _workers_dev: bool,
    #[serde(rename = "preview_urls")]
    _preview_urls: bool,
    pub build: Build,
    #[serde(default)]
    pub vars: BTreeMap<String, String>,
    pub assets: Assets,
    pub secrets: Secrets,
    pub durable_objects: DurableObjects,
    pub migrations: Vec<Migration>,
    #[serde(default)]
    pub ratelimits: Vec<RateLimit>,
    /// Where logs go on Cloudflare; here they go to a file.
    #[serde(default, rename = "observability")]
    _observability: toml::Table,
    /// A build of the Worker in another folder than the product's.
    #[serde(skip)]
    pub built: Option<PathBuf>,
}

#[derive(Deserialize)]
pub struct Build {
    pub cwd: String,
    pub command: String,
}

/// A folder whose files the Worker reads by a binding.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assets {
    pub directory: String,
    pub binding: String,
    /// Whether a file's own path reaches the Worker; here it always does.
    #[serde(rename = "run_worker_first")]
    _run_worker_first: bool,
}

#[derive(Deserialize)]
pub struct Secrets {
    pub required: Vec<String>,
}

#[derive(Deserialize)]
pub struct DurableObjects {
    pub bindings: Vec<DurableObject>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DurableObject {
    pub name: String,
    pub class_name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Migration {
    pub tag: String,
    #[serde(default)]
    pub new_sqlite_classes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    pub name: String,
    #[serde(rename = "namespace_id")]
    _namespace_id: String,
    pub simple: Simple,
}

/// So many, in so many seconds.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Simple {
    pub limit: u32,
    pub period: u32,
}

impl Wrangler {
    /// The classes of Durable Objects.
    pub fn classes(&self) -> impl Iterator<Item = &str> {
        self.migrations.iter().flat_map(|migration| &migration.new_sqlite_classes).map(String::as_str)
    }

    pub fn read() -> anyhow::Result<Self> {
        let path = workspace::root().join("wrangler.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} has something the local stack does not know", path.display()))
    }

    /// The folder that `build` writes.
    pub fn built_in(&self) -> PathBuf {
        self.built.clone().unwrap_or_else(|| workspace::root().join(&self.build.cwd).join("build"))
    }

    /// One more Durable Object than the product has.
    pub fn also_serve(&mut self, name: &str, class_name: &str) {
        let (name, class_name) = (name.to_owned(), class_name.to_owned());
        let new_sqlite_classes = vec![class_name.clone()];
        self.durable_objects.bindings.push(DurableObject { name, class_name });
        self.migrations.push(Migration { tag: String::new(), new_sqlite_classes });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_durable_object_has_its_class_its_migration_and_its_rust_side() -> anyhow::Result<()> {
        let wrangler = Wrangler::read()?;
        let main = fs::read_to_string(workspace::root().join(&wrangler.main))?;
        let rust = rust_files(&workspace::root().join("edge/src"))?;
        let classes: Vec<(&str, &str)> = main
            .split("\nexport class ")
            .skip(1)
            .filter_map(|rest| rest.split_once(" extends DurableObject {"))
            .collect();
        assert_eq!(classes.len(), main.matches("export class ").count(), "edge/main.js: a class extends DurableObject");
        // `import { default as worker, Gate as Rust } from "./build/index.js";`
        let imported = main.split_once("import { default as worker,").and_then(|(_, rest)| rest.split_once('}'));
        let imported: Vec<(&str, &str)> = imported
            .map_or("", |(names, _)| names)
            .split(',')
            .filter_map(|name| name.trim().split_once(" as "))
            .collect();
        for DurableObject { name, class_name } in &wrangler.durable_objects.bindings {
            let made = wrangler.migrations.iter().flat_map(|one| &one.new_sqlite_classes);
            assert_eq!(
                made.filter(|one| *one == class_name).count(),
                1,
                "wrangler.toml: no migration makes {class_name}"
            );
            let class =
                classes.iter().find(|(class, _)| class == class_name).and_then(|(_, body)| body.split_once("\n}"));
            let Some((body, _)) = class else { panic!("edge/main.js does not export {class_name}") };
            assert!(body.contains("\n  ask("), "edge/main.js: {class_name} has no method `ask`");
            let of_rust = imported.iter().find(|(_, alias)| body.contains(&format!("new {alias}(ctx, env)")));
            let Some((of_rust, _)) = of_rust else {
                panic!("edge/main.js: {class_name} makes nothing that is imported")
            };
            let declared = format!("#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]\npub struct {of_rust} {{");
            assert!(
                rust.contains(&declared),
                "edge/src: {of_rust}, which edge/main.js imports, with #[wasm_bindgen(…)]"
            );
            assert!(rust.contains(&format!("BINDING: &str = \"{name}\"")), "edge/src: no BINDING is {name}");
        }
        for binding in rust.split("BINDING: &str = \"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let bound = wrangler.durable_objects.bindings.iter().any(|one| one.name == binding);
            assert!(bound, "wrangler.toml: no binding {binding}");
        }
        for (class, _) in classes {
            let bound = wrangler.durable_objects.bindings.iter().any(|one| one.class_name == class);
            assert!(bound, "wrangler.toml binds no class {class}, which edge/main.js exports");
        }
        Ok(())
    }

    /// Cloudflare applies a migration once, by its tag: a class that is added to an earlier one is never made.
    #[test]
    fn a_class_has_a_migration_of_its_own() -> anyhow::Result<()> {
        let migrations = Wrangler::read()?.migrations;
        for (n, Migration { tag, new_sqlite_classes }) in (1..).zip(&migrations) {
            assert_eq!(tag, &format!("v{n}"), "wrangler.toml: the tags of the migrations, in their order");
            assert_eq!(new_sqlite_classes.len(), 1, "wrangler.toml: {tag} makes {new_sqlite_classes:?}");
        }
        Ok(())
    }

    /// Every Rust file of a folder, as one text.
    fn rust_files(folder: &std::path::Path) -> std::io::Result<String> {
        let mut text = String::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                text.push_str(&rust_files(&path)?);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&fs::read_to_string(&path)?);
            }
        }
        Ok(text)
    }
}
