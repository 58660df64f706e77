//! Mutants: changes that break a promise, each a file in tests/mutants, and the test that has to see it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;

use stack::workspace;

#[derive(Clone, Debug)]
pub struct Mutant {
    /// The file's name without its extension.
    pub name: String,
    /// What no longer holds.
    pub says: String,
    pub catcher: Catcher,
    pub changes: Vec<Change>,
}

/// The test that has to fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Catcher {
    /// Of the tests that need the stack: an area of `tests/it`.
    Stack { area: String, test: String },
    /// A unit test of a package.
    Unit { package: String, test: String },
}

#[derive(Clone, Debug)]
pub struct Change {
    /// From the workspace's root.
    pub file: String,
    /// Text that is there exactly once.
    pub find: String,
    pub put: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    says: String,
    /// A package, or `it/` and an area of `tests/it`; then `module::test`.
    caught_by: String,
    change: Vec<Replacement>,
}

/// What a mutant breaks, in whichever file it stands: the text goes with the code that is moved.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Replacement {
    find: String,
    put: String,
}

/// Where mutants look for their text: the product, and the gateway simulator, whose pages a browser shows.
const SOURCES: [&str; 5] = ["edge", "functions", "schema", "wrangler.toml", "tests/simulator"];

/// Those of the sources that are code, each with its text.
fn sources() -> anyhow::Result<Vec<(String, String)>> {
    let root = workspace::root();
    let mut list = Command::new("git");
    list.args(["ls-files", "--cached", "--others", "--exclude-standard", "--"]).args(SOURCES).current_dir(&root);
    let output = list.output().context("cannot run git")?;
    ensure!(output.status.success(), "git ls-files: {}", output.status);
    let files = String::from_utf8(output.stdout)?;
    let is_code = |file: &&str| [".rs", ".sql", ".js", ".toml"].iter().any(|end| file.ends_with(end));
    // One that is deleted and not committed yet is listed, too.
    let there = files.lines().filter(is_code).filter(|file| root.join(file).is_file());
    there.map(|file| Ok((file.to_owned(), fs::read_to_string(root.join(file))?))).collect()
}

impl Replacement {
    /// With the one file that has its text.
    fn located(self, mutant: &str, sources: &[(String, String)]) -> anyhow::Result<Change> {
        let Self { find, put } = self;
        let found: Vec<&str> =
            sources.iter().flat_map(|(file, text)| text.matches(&find).map(move |_| file.as_str())).collect();
        match found.as_slice() {
            [file] => Ok(Change { file: (*file).to_owned(), find, put }),
            [] => bail!("{mutant}: its text is nowhere any more:\n{find}"),
            many => bail!("{mutant}: its text has to be there once, and is in {}:\n{find}", many.join(", ")),
        }
    }
}

/// All of them, by name.
///
/// # Errors
/// One of the files cannot be read, or its text is not there exactly once: then it no longer says what it meant.
pub fn all() -> anyhow::Result<Vec<Mutant>> {
    let sources = sources()?;
    let mut mutants = vec![];
    for entry in fs::read_dir(workspace::root().join("tests/mutants"))? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|stem| stem.to_str()).context("a mutant without a name")?.to_owned();
        let file: File = toml::from_str(&fs::read_to_string(&path)?).with_context(|| format!("the mutant {name}"))?;
        let (home, test) = file.caught_by.split_once(' ').context("caught_by names a package or an area first")?;
        let test = test.to_owned();
        let catcher = match home.strip_prefix("it/") {
            Some(area) => Catcher::Stack { area: area.to_owned(), test },
            None => Catcher::Unit { package: home.to_owned(), test },
        };
        let changes: anyhow::Result<_> = file.change.into_iter().map(|one| one.located(&name, &sources)).collect();
        mutants.push(Mutant { changes: changes?, name, says: file.says, catcher });
    }
    mutants.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(mutants)
}

impl Mutant {
    /// Changes its files in `root`, a copy of the workspace.
    ///
    /// # Errors
    /// The copy is not what the workspace is, or one of its changes is in the way of another.
    pub fn apply(&self, root: &Path) -> anyhow::Result<()> {
        for Change { file, find, put } in &self.changes {
            let path = root.join(file);
            let text = fs::read_to_string(&path).with_context(|| format!("{}: there is no {file}", self.name))?;
            let times = text.matches(find.as_str()).count();
            ensure!(times == 1, "{}: its text is in {file} {times} times", self.name);
            fs::write(&path, text.replacen(find, put, 1))?;
        }
        Ok(())
    }

    /// Puts its files back.
    ///
    /// # Errors
    /// They cannot be copied.
    pub fn revert(&self, root: &Path) -> anyhow::Result<()> {
        for Change { file, .. } in &self.changes {
            // Written and not copied with its time: what is built from it is built again.
            fs::write(root.join(file), fs::read(workspace::root().join(file))?)?;
        }
        Ok(())
    }

    /// Whether it changes nothing but what the database is given.
    #[must_use]
    pub fn is_sql(&self) -> bool {
        self.changes.iter().all(|change| change.file.starts_with("schema/"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Catcher, all};
    use stack::workspace;

    #[test]
    fn every_mutant_applies_and_names_an_existing_test() {
        let root = workspace::root();
        // Each text is looked for, and found once, by `all`.
        let mutants = all().unwrap();
        assert!(mutants.len() >= 20);
        for mutant in mutants {
            for change in &mutant.changes {
                assert_ne!(change.find, change.put, "{}", mutant.name);
            }
            let (Catcher::Stack { test, .. } | Catcher::Unit { test, .. }) = &mutant.catcher;
            let mut parts: Vec<&str> = test.split("::").filter(|part| *part != "tests").collect();
            let function = parts.pop().unwrap();
            let stem = parts.join("/");
            let places = match &mutant.catcher {
                Catcher::Stack { area, .. } => vec![format!("tests/it/{area}/{stem}.rs")],
                Catcher::Unit { package, .. } => {
                    let home = match package.as_str() {
                        "payments" | "protocol" => format!("functions/{package}"),
                        "edge" | "functions" | "schema" => package.clone(),
                        tests => format!("tests/{tests}"),
                    };
                    let whole = test.rsplit_once("::").map(|(module, _)| module.replace("::", "/")).unwrap_or_default();
                    [stem.clone(), format!("{stem}/tests"), whole].map(|file| format!("{home}/src/{file}.rs")).into()
                }
            };
            let source: String =
                places.iter().map(|place| std::fs::read_to_string(root.join(place)).unwrap_or_default()).collect();
            assert!(source.contains(&format!("fn {function}(")), "{}: there is no {test}", mutant.name);
        }
    }
}
