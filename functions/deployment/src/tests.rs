//! The table against itself and against the files that are made from it, or that repeat a part of it.

mod files;
mod mistakes_in_template;
mod mistakes_in_wrangler;

use serde_json::Value;

fn path(file: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file)
}

fn read(file: &str) -> String {
    std::fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// wrangler.toml, with values as JSON has them.
fn wrangler() -> Value {
    let toml: toml::Table = toml::from_str(&read("wrangler.toml")).unwrap();
    serde_json::to_value(toml).unwrap()
}
