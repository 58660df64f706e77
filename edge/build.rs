//! Makes the shop's files out of `shop/`: one script a language, the style, the first lines that run before the script,
//! and the names and hashes under which they are served. No tool but this one is needed.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Name, Korean, English.
type Texts = BTreeMap<String, [String; 2]>;

const LANGUAGES: [&str; 2] = ["ko", "en"];

fn main() -> Outcome<()> {
    println!("cargo::rerun-if-changed=shop");
    let out = env::var("OUT_DIR")?;
    let out = Path::new(&out);
    let texts: Texts = serde_json::from_str(&read("texts.json")?)?;
    let mut table = String::from("[\n");
    for (name, [ko, en]) in &texts {
        writeln!(table, "({name:?}, [{ko:?}, {en:?}]),")?;
    }
    fs::write(out.join("texts.rs"), table + "]")?;

    let common = script()?;
    for (at, language) in LANGUAGES.into_iter().enumerate() {
        let script = format!("{}{common}", words(language, at, &texts)?);
        let upper = language.to_uppercase();
        println!("cargo::rustc-env=SHOP_JS_{upper}=shop-{language}-{}.js", fingerprint(&script));
    }
    fs::write(out.join("shop.js"), common)?;
    let icon = read("icon.svg")?;
    println!("cargo::rustc-env=SHOP_ICON=icon-{}.svg", fingerprint(&icon));
    for (name, text) in [("SHOP_CSS", without_comments(&read("shop.css")?)), ("SHOP_BOOT", short(&read("boot.js")?)?)] {
        println!("cargo::rustc-env={name}_SHA256={}", BASE64_STANDARD.encode(Sha256::digest(text.as_bytes())));
        fs::write(out.join(name.to_lowercase()), text)?;
    }
    Ok(())
}

fn read(name: &str) -> Outcome<String> {
    let path = Path::new("shop").join(name);
    fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()).into())
}

fn fingerprint(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..8])
}

/// The sentences of one language, as the module that `texts.js` imports: see `words` in `src/shop.rs`, which writes the same.
fn words(language: &str, at: usize, texts: &Texts) -> Outcome<String> {
    let words: BTreeMap<&str, &str> =
        texts.iter().filter_map(|(name, both)| Some((name.as_str(), both.get(at)?.as_str()))).collect();
    let words = serde_json::to_string(&words)?;
    Ok(format!("\"use strict\";\nconst $words = {{ language: \"{language}\", words: {words} }};\n"))
}

/// All modules in one file, each in a function of its own, in the order in which they need each other.
fn script() -> Outcome<String> {
    let mut script = String::new();
    add("shop", &mut vec!["words".to_owned()], &mut script)?;
    Ok(script)
}

fn add(module: &str, done: &mut Vec<String>, script: &mut String) -> Outcome<()> {
    if done.iter().any(|other| other == module) {
        return Ok(());
    }
    done.push(module.to_owned());
    let mut body = String::new();
    let mut exports = Vec::new();
    for line in joined_imports(&read(&format!("{module}.js"))?).lines() {
        if let Some(rest) = line.strip_prefix("import ") {
            let (names, from) = rest.split_once(" from \"./").ok_or("an import without a name")?;
            let from = from.strip_suffix(".js\";").filter(|from| !from.contains('"')).ok_or_else(|| {
                format!("{module}.js: an import ends with `.js\";`, and its comment has a line of its own: {line}")
            })?;
            add(from, done, script)?;
            let names = names.trim_start_matches("* as ").replace(" as ", ": ");
            writeln!(body, "const {names} = ${from};")?;
        } else if let Some(rest) = line.strip_prefix("export ") {
            let declared = rest.trim_start_matches("async ");
            let (kind, declared) = declared.split_once(' ').ok_or("an export without a name")?;
            if !matches!(kind, "const" | "function") {
                return Err(format!("{module}.js exports a {kind}: only what never changes can be").into());
            }
            let name: String = declared.chars().take_while(|c| c.is_alphanumeric() || "_$".contains(*c)).collect();
            exports.push(name);
            writeln!(body, "{rest}")?;
        } else {
            writeln!(body, "{line}")?;
        }
    }
    let body = short(&body)?;
    write!(script, "const ${module} = (() => {{\n{body}return {{ {} }};\n}})();\n", exports.join(", "))?;
    Ok(())
}

/// An import that takes several lines, in one.
fn joined_imports(source: &str) -> String {
    let mut joined = String::new();
    let mut open = false;
    for line in source.lines() {
        open = (open || line.starts_with("import ")) && !line.ends_with(';');
        joined.push_str(line);
        joined.push(if open { ' ' } else { '\n' });
    }
    joined
}

/// Without indentation, empty lines and comments that have a line of their own.
fn short(source: &str) -> Outcome<String> {
    let mut text = String::new();
    for line in source.lines().map(str::trim) {
        if line.is_empty() || ["//", "/*", "* ", "*/"].iter().any(|start| line.starts_with(start)) || line == "*" {
            continue;
        }
        if !line.matches('`').count().is_multiple_of(2) {
            return Err(format!("a text over several lines would be changed: {line}").into());
        }
        let end = line.rfind("; // ").map_or(line.len(), |at| at.saturating_add(1));
        writeln!(text, "{}", line.get(..end).unwrap_or(line))?;
    }
    Ok(text)
}

fn without_comments(css: &str) -> String {
    let mut text = String::new();
    let mut rest = css;
    while let Some((before, comment)) = rest.split_once("/*") {
        text.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}
