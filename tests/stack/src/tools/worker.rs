//! What building and publishing the Worker takes, put together.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use super::{WasmToolchain, npm, run};
use super::{binaryen_wasm_opt, esbuild, wasm_bindgen, wasm_toolchain, worker_build};
use crate::workspace;

/// Everything that building the Worker needs.
pub struct WorkerTools {
    toolchain: WasmToolchain,
    pub worker_build: PathBuf,
    wasm_bindgen: PathBuf,
    wasm_opt: PathBuf,
    esbuild: PathBuf,
}

pub fn for_worker() -> anyhow::Result<WorkerTools> {
    Ok(WorkerTools {
        wasm_opt: binaryen_wasm_opt()?,
        esbuild: esbuild()?,
        toolchain: wasm_toolchain()?,
        wasm_bindgen: wasm_bindgen()?,
        worker_build: worker_build()?,
    })
}

impl WorkerTools {
    /// Lets `command`, which is or calls `worker-build`, find these tools in place of downloading its own.
    pub fn apply<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        self.toolchain.apply(run::outside_cargo(command));
        command.env("WASM_BINDGEN_BIN", &self.wasm_bindgen);
        command.env("WASM_OPT_BIN", &self.wasm_opt).env("ESBUILD_BIN", &self.esbuild)
    }
}

/// wrangler, ready to be given its arguments: on a Node that is new enough, able to build the Worker as `wrangler.toml`
/// asks, silent towards its maker.
pub fn wrangler() -> anyhow::Result<Command> {
    let tools = for_worker()?;
    let mut command = Command::new(npm::wrangler()?);
    tools.apply(&mut command);
    let mut dirs: Vec<PathBuf> = npm::modern_node_dir()?.into_iter().collect();
    dirs.extend(tools.worker_build.parent().map(PathBuf::from));
    dirs.extend(std::env::split_paths(&path_of(&command)));
    command.env("PATH", std::env::join_paths(dirs)?);
    command.env("CI", "1").env("WRANGLER_SEND_METRICS", "false").current_dir(workspace::root());
    Ok(command)
}

/// The PATH that `command` would run with.
fn path_of(command: &Command) -> OsString {
    let set = command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, value)| value);
    set.map_or_else(|| std::env::var_os("PATH").unwrap_or_default(), OsString::from)
}
