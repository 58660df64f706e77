//! The rules of this house that no compiler knows.

use std::path::{Path, PathBuf};
use std::process::Command;

fn tracked() -> Vec<PathBuf> {
    let root = stack::workspace::root();
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(&root)
        .output()
        .unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    let files: Vec<PathBuf> = listed.lines().map(|line| root.join(line)).filter(|file| file.is_file()).collect();
    assert!(files.len() > 50, "git lists the files of this clone");
    files
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap()
}

fn with_extension(extension: &str) -> Vec<PathBuf> {
    tracked().into_iter().filter(|file| file.extension().is_some_and(|found| found == extension)).collect()
}

#[test]
fn a_file_is_short_enough_to_be_read_whole() {
    let tests = stack::workspace::root().join("tests");
    for file in [with_extension("rs"), with_extension("js"), with_extension("sql")].concat() {
        // A quarter of SQL is comments, and one transaction is one file.
        let is_sql = file.extension().is_some_and(|extension| extension == "sql");
        let most = if is_sql || file.starts_with(&tests) { 500 } else { 300 };
        let lines = read(&file).lines().count();
        assert!(lines <= most, "{} has {lines} lines; {most} are enough", file.display());
    }
}

/// What belongs to the runtime is not changed; with one exception, which an operator can switch off.
#[test]
fn the_product_changes_the_runtimes_own_functions_only_behind_a_variable() {
    let root = stack::workspace::root();
    let changed: Vec<(PathBuf, String)> = with_extension("js")
        .into_iter()
        .filter(|file| file.starts_with(root.join("edge")))
        .flat_map(|file| {
            let text = read(&file);
            let names = text.lines().filter_map(|line| line.trim().strip_prefix("globalThis.")?.split_once(" = "));
            names.map(|(name, _)| (file.clone(), name.to_owned())).collect::<Vec<_>>()
        })
        .collect();
    let main = root.join("edge/main.js");
    assert_eq!(changed, [(main.clone(), "queueMicrotask".to_owned())]);
    let text = read(&main);
    let (_, block) = text.split_once("if (env.WAKE_BY_PROMISE === \"on\") {\n").expect("the variable is asked");
    assert!(block.split("\n}").next().unwrap().contains("globalThis.queueMicrotask"), "{block}");
    assert!(read(&root.join("wrangler.toml")).contains("\nWAKE_BY_PROMISE = "), "the variable is declared");
}

#[test]
fn every_source_file_says_its_one_job() {
    for file in with_extension("rs") {
        assert!(read(&file).starts_with("//!"), "{} begins with no //!", file.display());
    }
    for file in with_extension("sql") {
        assert!(read(&file).starts_with("-- "), "{} begins with no comment", file.display());
    }
}

#[test]
fn nothing_has_a_name_that_says_nothing() {
    for file in tracked() {
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        let empty = ["util", "utils", "helper", "helpers", "common", "misc", "scripts"];
        assert!(!empty.contains(&stem.as_str()), "{}", file.display());
    }
}

/// functions/Cargo.toml builds no tests of its programs.
#[test]
fn no_program_of_the_functions_has_a_test_that_would_never_run() {
    let programs = stack::workspace::root().join("functions/src/bin");
    let with_tests: Vec<PathBuf> = with_extension("rs")
        .into_iter()
        .filter(|file| {
            file.starts_with(&programs) && (read(file).contains("#[cfg(test)]") || read(file).contains("#[test]"))
        })
        .collect();
    assert_eq!(with_tests, Vec::<PathBuf>::new(), "move them to the library of functions");
}

#[test]
fn a_test_is_left_out_only_because_it_takes_long() {
    for file in with_extension("rs") {
        for line in read(&file).lines().map(str::trim).filter(|line| line.starts_with("#[ignore")) {
            assert_eq!(line, "#[ignore = \"long\"]", "{}", file.display());
        }
    }
}

#[test]
fn a_transaction_says_its_locks_its_invariant_its_isolation_and_what_a_retry_gets() {
    let routines = stack::workspace::root().join("schema/routines");
    let is_transaction = |file: &PathBuf| {
        // JSON for the transactions, in which it runs.
        file.starts_with(&routines) && file.file_name().is_some_and(|name| name != "shop.sql")
    };
    let files: Vec<PathBuf> = with_extension("sql").into_iter().filter(is_transaction).collect();
    assert!(files.len() >= 24, "{} files in schema/routines", files.len());
    for file in files {
        let (text, name) = (read(&file), file.display());
        let head: String = text.lines().take_while(|line| line.starts_with("--")).collect();
        for word in ["Locks:", "Keeps:", "Isolation:", "A retry:"] {
            assert!(head.contains(word), "{name} does not say {word}");
        }
        assert!(!text.contains("execute format") && !text.contains("create trigger"), "{name}");
    }
}

#[test]
fn a_verb_has_one_stem_wherever_it_appears() {
    let root = stack::workspace::root();
    for (room, verb) in [
        ("reservations/", "reserve"),
        ("payments/", "confirm"),
        ("reservations/", "release"),
        ("", "lookup"),
        ("", "admin"),
    ] {
        for file in [
            format!("edge/src/api/{room}{verb}.rs"),
            format!("functions/protocol/src/{verb}.rs"),
            format!("functions/src/bin/{verb}.rs"),
            format!("schema/routines/{verb}.sql"),
        ] {
            assert!(root.join(&file).is_file(), "{file}");
        }
    }
}

#[test]
fn statements_live_in_schema_and_not_in_the_functions() {
    let functions = stack::workspace::root().join("functions");
    for file in with_extension("rs").into_iter().filter(|file| file.starts_with(&functions)) {
        for word in ["insert into", "update holdfast", "delete from", "select * from"] {
            assert!(!read(&file).to_lowercase().contains(word), "{} has {word}", file.display());
        }
    }
}
