//! What the documents name is there: files, folders, commands of `cargo dev` with their options, headings that are linked
//! to; and the files that the comments of the code name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use stack::workspace;

fn documents() -> Vec<PathBuf> {
    let root = workspace::root();
    let listed = ["ls-files", "--cached", "--others", "--exclude-standard", "*.md"];
    let output = Command::new("git").args(listed).current_dir(&root).output().unwrap();
    let files: Vec<PathBuf> = String::from_utf8(output.stdout).unwrap().lines().map(|line| root.join(line)).collect();
    assert!(files.len() >= 8, "git lists the documents of this clone");
    files.into_iter().filter(|file| file.is_file()).collect()
}

/// What stands between `open` and `close`, each time.
fn between<'a>(text: &'a str, open: &'a str, close: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(open).skip(1).filter_map(move |rest| rest.split_once(close).map(|(inner, _)| inner))
}

/// As the hosts of such documents make it of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept: String = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_')).collect();
    kept.replace(' ', "-")
}

fn anchors(document: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(document).unwrap();
    text.lines().filter(|line| line.starts_with('#')).map(|line| anchor(line.trim_start_matches('#'))).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut dead = Vec::new();
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        for link in between(&text, "](", ")").filter(|link| !link.contains("://") && !link.contains(' ')) {
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let to = if path.is_empty() { document.clone() } else { document.parent().unwrap().join(path) };
            let there = to.exists() && (heading.is_empty() || anchors(&to).contains(heading));
            if !there {
                dead.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{}", dead.join("\n"));
}

#[test]
fn every_named_path_exists() {
    let root = workspace::root();
    let mut missing = Vec::new();
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        for named in text.split('`').skip(1).step_by(2) {
            let is_path =
                ["edge/", "functions/", "schema/", "tests/", "docs/"].iter().any(|top| named.starts_with(top));
            // A pattern, or a file that is yet to be written.
            let is_open = named.contains(['<', '*', '{', ' ', '…']);
            if is_path && !is_open && !root.join(named.trim_end_matches('/')).exists() {
                missing.push(format!("{}: {named}", document.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// How far back Stripe's lists go, as the code has it: `const NAME: i64 = days * 86_400;`.
#[test]
fn the_documented_reach_of_a_gateways_lists_is_the_codes() {
    let read = |file: &str| std::fs::read_to_string(workspace::root().join(file)).unwrap();
    let (code, said) = (read("functions/payments/src/stripe/lists.rs"), read("docs/payments-later.md"));
    let days = |name: &str| {
        let named = format!("const {name}: i64 = ");
        between(&code, &named, " * 86_400;").next().unwrap_or_else(|| panic!("{name}")).to_owned()
    };
    let sentence = format!(
        "`/v1/refunds` of the last {} days and `/v1/disputes` of the last {},",
        days("REFUND_S"),
        days("DISPUTE_S")
    );
    assert!(said.contains(&sentence), "docs/payments-later.md: {sentence}");
}

/// The paths that a line's comment names: words with a slash, and with the end of a file's name.
fn paths_of_comment(line: &str) -> Vec<&str> {
    let comment = line.trim_start().strip_prefix("//").or_else(|| line.split_once(" // ").map(|(_, comment)| comment));
    let words = comment.unwrap_or_default().split(|c: char| c.is_whitespace() || "`()[]{}<>\"',;:*".contains(c));
    let words = words.map(|word| word.trim_end_matches('.'));
    let ends = [".rs", ".sql", ".js", ".toml", ".md", ".txt", ".json", ".css"];
    let is_path = |word: &&str| word.contains('/') && word.starts_with(|c: char| c.is_ascii_lowercase());
    words.filter(is_path).filter(|word| ends.iter().any(|end| word.ends_with(end))).collect()
}

/// From the workspace's root, or from a folder on the way to the file that names it, or its `src`.
#[test]
fn every_path_that_a_comment_names_exists() {
    let root = workspace::root();
    let (mut seen, mut missing) = (0, Vec::new());
    for file in sources(&["*.rs"]) {
        let text = std::fs::read_to_string(root.join(&file)).unwrap();
        // What is built is not there in a fresh clone. An address may end like a file.
        let is_ours = |path: &&str| !path.starts_with("target/") && !path.starts_with("v1/");
        for named in text.lines().flat_map(paths_of_comment).filter(is_ours) {
            seen += 1;
            let folders = Path::new(&file).ancestors().skip(1);
            if !folders.into_iter().any(|folder| {
                root.join(folder).join(named).exists() || root.join(folder).join("src").join(named).exists()
            }) {
                missing.push(format!("{file}: {named}"));
            }
        }
    }
    assert!(seen > 50, "{seen} paths");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// What `cargo dev`, or one of its commands, says of itself.
fn help(command: Option<&str>) -> String {
    let dev = std::env::var("HOLDFAST_DEV").unwrap();
    let output = Command::new(dev).args(command).arg("--help").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The words of a text that are options.
fn options(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.filter(|word| word.starts_with("--") && word.len() > 2).collect()
}

#[test]
fn every_named_command_exists_with_the_named_options() {
    let general = help(None);
    let listed = general.split_once("Commands:").and_then(|(_, rest)| rest.split_once("\n\n"));
    let names = listed.unwrap().0.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let known: BTreeMap<&str, String> =
        names.filter(|name| !matches!(*name, "" | "help")).map(|name| (name, help(Some(name)))).collect();
    let all: BTreeSet<&str> = known.values().chain([&general]).flat_map(|text| options(text)).collect();
    let mut wrong = Vec::new();
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        for rest in text.split("cargo dev ").skip(1) {
            // To the end of its line or its code span.
            let rest = rest.split(['\n', '`']).next().unwrap_or_default();
            let name: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
            if name.is_empty() || name.starts_with('-') {
                continue;
            }
            match known.get(name.as_str()) {
                None => wrong.push(format!("{}: cargo dev {name}", document.display())),
                Some(help) => wrong.extend(
                    options(rest)
                        .difference(&options(help))
                        .map(|option| format!("{}: cargo dev {name} has no {option}", document.display())),
                ),
            }
        }
        // An option that is named alone belongs to a command that is named somewhere near.
        for span in text.split('`').skip(1).step_by(2).filter(|span| span.starts_with("--")) {
            wrong.extend(
                options(span).difference(&all).map(|option| format!("{}: no command has {option}", document.display())),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The Rust files that git knows or would add, of these patterns.
fn sources(patterns: &[&str]) -> Vec<String> {
    let root = workspace::root();
    let listed = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(listed).args(patterns).current_dir(&root).output().unwrap();
    let files = String::from_utf8(output.stdout).unwrap();
    files.lines().filter(|file| root.join(file).is_file()).map(str::to_owned).collect()
}

/// The compiler does not read a file that no `mod` names, and a test that looks for a text in all files finds it there.
#[test]
fn every_source_file_is_a_module() {
    let root = workspace::root();
    let programs = std::fs::read_to_string(root.join("tests/it/Cargo.toml")).unwrap();
    for folder in std::fs::read_dir(root.join("tests/it")).unwrap().map(|entry| entry.unwrap().path()) {
        let area = folder.file_name().unwrap().to_str().unwrap();
        let is_program = programs.contains(&format!("path = \"{area}/main.rs\""));
        assert!(is_program || !folder.join("main.rs").exists(), "tests/it/Cargo.toml has no [[test]] for {area}");
    }
    let is_root = |file: &str| file.ends_with("/main.rs") || file.ends_with("/lib.rs") || file.contains("/src/bin/");
    let mut files = sources(&["tests/it/*.rs", ":(glob)**/src/**/*.rs"]);
    assert!(files.len() > 300, "git lists the sources of this clone");
    files.retain(|file| !is_root(file));
    for file in files {
        let path = root.join(&file);
        let is_folder = path.file_stem().unwrap() == "mod";
        let module = if is_folder { path.parent().unwrap() } else { &path };
        let name = module.file_stem().unwrap().to_str().unwrap();
        let folder = module.parent().unwrap();
        let parents =
            [folder.join("main.rs"), folder.join("lib.rs"), folder.join("mod.rs"), folder.with_extension("rs")];
        let declares = |line: &str| {
            let (visibility, declared) = line.split_once("mod ").unwrap_or_default();
            declared == format!("{name};") && (visibility.is_empty() || visibility.starts_with("pub"))
        };
        let mut texts = parents.iter().filter_map(|parent| std::fs::read_to_string(parent).ok());
        let named = texts.any(|text| text.lines().any(|line| declares(line.trim())));
        assert!(named, "no file has `mod {name};` for {file}: nothing of it is compiled");
    }
}
