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
    #[serde(rename = "tag")]
    _tag: String,
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
        self.migrations.push(Migration { _tag: String::new(), new_sqlite_classes });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_durable_object_has_its_class_its_migration_and_its_rust_side() -> anyhow::Result<()> {
        let wrangler = Wrangler::read()?;
        let main = fs::read_to_string(workspace::root().join(&wrangler.main))?;
        let migrated: Vec<&String> = wrangler.migrations.iter().flat_map(|one| &one.new_sqlite_classes).collect();
        let rust = rust_files(&workspace::root().join("edge/src"))?;
        for DurableObject { name, class_name } in &wrangler.durable_objects.bindings {
            assert!(migrated.contains(&class_name), "wrangler.toml: no migration makes {class_name}");
            let class = format!("export class {class_name} extends DurableObject");
            assert!(main.contains(&class), "edge/main.js does not export {class_name}");
            assert!(rust.contains(&format!("BINDING: &str = \"{name}\"")), "edge/src: no BINDING is {name}");
        }
        for binding in rust.split("BINDING: &str = \"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let bound = wrangler.durable_objects.bindings.iter().any(|one| one.name == binding);
            assert!(bound, "wrangler.toml: no binding {binding}");
        }
        // `import { default as worker, Gate as Rust } from "./build/index.js";`
        let imported = main.lines().find_map(|line| line.strip_prefix("import { default as worker, "));
        let imported = imported.and_then(|rest| rest.split_once(" }")).map_or("", |(names, _)| names);
        for class in imported.split(", ").filter_map(|name| name.split(' ').next()) {
            assert!(
                rust.contains(&format!("pub struct {class} ")),
                "edge/src has no {class}, which edge/main.js imports"
            );
        }
        for class in main.split("export class ").skip(1).filter_map(|rest| rest.split(' ').next()) {
            let bound = wrangler.durable_objects.bindings.iter().any(|one| one.class_name == class);
            assert!(bound, "wrangler.toml binds no class {class}, which edge/main.js exports");
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
