//! `coverage ROOT PROFILES PROGRAM…`: reads what the programs, built with `-C instrument-coverage`, have counted in the
//! folder PROFILES, and prints each file below ROOT with the share of its lines that were reached, the least first. `cargo
//! dev coverage` calls it. It reads the compiler's own formats, so that no LLVM of the same version need be installed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use llvm_profparser::{CoverageMapping, CoverageResult, merge_profiles};

/// A file's lines with code, and those of them that were reached.
struct File {
    name: String,
    lines: usize,
    reached: usize,
}

impl File {
    fn percent(&self) -> f64 {
        100.0 * self.reached as f64 / self.lines.max(1) as f64
    }
}

fn main() -> anyhow::Result<()> {
    let mut words = std::env::args_os().skip(1).map(PathBuf::from);
    let (root, folder) = words.next().zip(words.next()).context("coverage ROOT PROFILES PROGRAM...")?;
    let programs: Vec<PathBuf> = words.collect();
    let mut profiles = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        profiles.push(entry?.path());
    }
    ensure!(!profiles.is_empty() && !programs.is_empty(), "no program has counted anything");
    let merged = merge_profiles(&profiles).context("a profile cannot be read")?;
    let report = CoverageMapping::new(&programs, &merged, true)?.generate_report()?;
    let mut files: Vec<File> = report.files.iter().filter_map(|(path, result)| file(&root, path, result)).collect();
    ensure!(!files.is_empty(), "none of the programs says what its lines are: another version of LLVM?");
    files.sort_by(|one, other| one.percent().total_cmp(&other.percent()).then_with(|| one.name.cmp(&other.name)));
    for file in &files {
        println!("{:6.1} %  {:>4} of {:>4}  {}", file.percent(), file.reached, file.lines, file.name);
    }
    let (lines, reached) = files.iter().fold((0, 0), |sum, file| (sum.0 + file.lines, sum.1 + file.reached));
    println!("{:6.1} %  {reached} of {lines} lines in {} files", 100.0 * reached as f64 / lines as f64, files.len());
    Ok(())
}

/// None: it is not of ours, or a test.
fn file(root: &Path, path: &Path, result: &CoverageResult) -> Option<File> {
    let name = path.strip_prefix(root).ok().or_else(|| path.is_relative().then_some(path))?.to_str()?.to_owned();
    let is_ours = ["edge/src", "functions/", "schema/src"].iter().any(|folder| name.starts_with(folder));
    if !is_ours || name.ends_with("tests.rs") {
        return None;
    }
    // A region that was not reached may stand in one that was: of those that begin a line, the innermost says.
    let mut lines: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    for (place, hits) in &result.hits {
        for line in place.line_start..=place.line_end {
            let length = place.line_end - place.line_start;
            let known = lines.entry(line).or_insert((length, *hits));
            if length <= known.0 {
                *known = (length, if length == known.0 { known.1.max(*hits) } else { *hits });
            }
        }
    }
    let reached = lines.values().filter(|(_, hits)| *hits > 0).count();
    Some(File { name, lines: lines.len(), reached })
}
