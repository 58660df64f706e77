//! The programs that the stack and the tests run, and how each is got when it is missing.
//!
//! Every function here answers where a program is, and installs it first when it is not there: the ordinary way, then a
//! way that needs package registries only. `HOLDFAST_REGISTRIES_ONLY=1` goes straight to the second, to try it out.
//! What is installed for Holdfast alone goes to a versioned cache of the user's (`cache`), so a second clone installs
//! nothing twice. These functions block; call them where that is allowed.

mod cache;
mod cargo_installed;
mod cargo_lambda;
mod npm;
mod postgres;
mod python;
mod run;
mod system;
mod wasm_target;
mod worker;

pub use cargo_installed::{cargo_deny, wasm_bindgen, worker_build};
pub use cargo_lambda::cargo_lambda;
pub use npm::{binaryen_wasm_opt, esbuild, libraries, node, workerd};
pub use postgres::{Postgres, Unprivileged, postgres};
pub use python::{cfn_lint, schemathesis};
pub use run::{answer_yes, interrupt, outside_cargo, quietly};
pub use system::{chromedriver, chromium, libfaketime, pgbouncer};
pub use wasm_target::{WasmToolchain, wasm_toolchain};
pub use worker::{WorkerTools, for_worker, wrangler};

/// True when only package registries may be used, whatever else this machine could reach.
pub fn registries_only() -> bool {
    std::env::var_os("HOLDFAST_REGISTRIES_ONLY").is_some_and(|value| !value.is_empty() && value != "0")
}

/// True when this process may write where the system's packages live.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
