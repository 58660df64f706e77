//! Building what the stack runs: the functions as cargo builds them, and the Worker when its sources have changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use sha2::{Digest as _, Sha256};

use super::wrangler::Wrangler;
use crate::functions::INSTANCES;
use crate::{tools, workspace};

/// The functions, as ordinary processes; their tests and the stack run the same files. With `aws`, as they are deployed;
/// it makes a first build minutes longer.
///
/// No `--package`: cargo would resolve other features for the functions alone, and compile what they depend on once more.
pub fn functions(aws: bool) -> anyhow::Result<()> {
    let mut command = Command::new("cargo");
    tools::outside_cargo(&mut command).arg("build").args(INSTANCES.iter().flat_map(|(name, ..)| ["--bin", name]));
    if aws {
        command.args(["--features", "functions/aws"]);
    }
    command.current_dir(workspace::root());
    tools::quietly("building the functions", "build-functions", &mut command)
}

/// The Worker, as `wrangler.toml` says it is built. `worker-build` does all its work anew each time, so it runs only
/// when something that goes into the Worker has changed; whether it has.
pub fn worker(wrangler: &Wrangler) -> anyhow::Result<bool> {
    let root = workspace::root();
    let stamp = workspace::dev_dir().join("worker.stamp");
    let inputs = inputs()?;
    if fs::read_to_string(&stamp).is_ok_and(|built| built == inputs) && wrangler.built_in().join("index.js").exists() {
        return Ok(false);
    }
    let tools = tools::for_worker()?;
    let mut words = wrangler.build.command.split_whitespace();
    if words.next() != Some("worker-build") {
        bail!("wrangler.toml: [build] command is expected to be worker-build and its options");
    }
    let mut command = Command::new(&tools.worker_build);
    tools.apply(&mut command).args(words).current_dir(root.join(&wrangler.build.cwd));
    tools::quietly("building the Worker (a first time takes about 3 minutes)", "build-worker", &mut command)?;
    // What was read before the build is what was built: an edit during it makes the next start build again.
    fs::write(&stamp, inputs).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(true)
}

/// A digest of everything that goes into the Worker.
fn inputs() -> anyhow::Result<String> {
    let root = workspace::root();
    let mut files: Vec<PathBuf> =
        ["Cargo.toml", "Cargo.lock", "wrangler.toml"].iter().map(|name| root.join(name)).collect();
    collect(&root.join("edge"), &root.join("edge/build"), &mut files)?;
    for shared in ["functions/payments", "functions/protocol"] {
        collect(&root.join(shared), Path::new(""), &mut files)?;
    }
    files.sort();
    let mut digest = Sha256::new();
    for file in files {
        let contents = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        digest.update(file.as_os_str().as_encoded_bytes());
        digest.update((contents.len() as u64).to_le_bytes());
        digest.update(contents);
    }
    Ok(hex::encode(digest.finalize()))
}

fn collect(dir: &Path, except: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() && path != except {
            collect(&path, except, files)?;
        } else if path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}
