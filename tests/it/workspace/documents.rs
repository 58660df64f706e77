//! What the documents name is there: files, folders, commands of `cargo dev`, headings that are linked to.

use std::collections::BTreeSet;
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
fn every_path_that_is_named_is_there() {
    let root = workspace::root();
    let mut missing = Vec::new();
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        for named in text.split('`').skip(1).step_by(2) {
            let is_path =
                ["edge/", "functions/", "schema/", "tests/", "docs/"].iter().any(|top| named.starts_with(top));
            // A pattern, or a file that somebody is to write.
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
fn what_is_said_of_a_gateways_lists_is_what_is_asked_for() {
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

#[test]
fn every_command_that_is_named_is_there() {
    let dev = std::env::var("HOLDFAST_DEV").expect("`cargo dev test` names itself");
    let help = String::from_utf8(Command::new(dev).arg("--help").output().unwrap().stdout).unwrap();
    let known: BTreeSet<&str> = help.lines().filter_map(|line| line.trim().split(' ').next()).collect();
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        for rest in text.split("cargo dev ").skip(1) {
            let name: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
            let is_option = name.is_empty() || name.starts_with('-');
            assert!(is_option || known.contains(name.as_str()), "{}: cargo dev {name}", document.display());
        }
    }
}

#[test]
fn every_test_file_is_a_module() {
    let root = workspace::root();
    let output = Command::new("git").args(["ls-files", "tests/it/*.rs"]).current_dir(&root).output().unwrap();
    let files = String::from_utf8(output.stdout).unwrap();
    let files: Vec<&str> =
        files.lines().filter(|file| !file.ends_with("/main.rs") && !file.ends_with("/lib.rs")).collect();
    assert!(files.len() > 50, "git lists the tests of this clone");
    let programs = std::fs::read_to_string(root.join("tests/it/Cargo.toml")).unwrap();
    for folder in std::fs::read_dir(root.join("tests/it")).unwrap().map(|entry| entry.unwrap().path()) {
        let area = folder.file_name().unwrap().to_str().unwrap();
        let is_program = programs.contains(&format!("path = \"{area}/main.rs\""));
        assert!(is_program || !folder.join("main.rs").exists(), "tests/it/Cargo.toml has no [[test]] for {area}");
    }
    for file in files {
        let path = root.join(file);
        let is_folder = path.file_stem().unwrap() == "mod";
        let module = if is_folder { path.parent().unwrap() } else { &path };
        let name = module.file_stem().unwrap().to_str().unwrap();
        let folder = module.parent().unwrap();
        let parents =
            [folder.join("main.rs"), folder.join("lib.rs"), folder.join("mod.rs"), folder.with_extension("rs")];
        let named = parents
            .iter()
            .filter_map(|parent| std::fs::read_to_string(parent).ok())
            .any(|text| text.lines().any(|line| line.trim_start_matches("pub ").trim_end() == format!("mod {name};")));
        assert!(named, "no file has `mod {name};` for {file}: its tests do not run");
    }
}
