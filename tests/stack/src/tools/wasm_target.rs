//! A Rust toolchain that can compile for `wasm32-unknown-unknown`.
//!
//! The ordinary way is rustup's. Where rustup's server cannot be reached, Debian's own Rust packages hold a compiler and
//! the source of the standard library, which is then compiled for the target once (half a minute).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use super::{cache, is_root, registries_only, run, system};

const TARGET: &str = "wasm32-unknown-unknown";
/// Debian's compiler, its cargo, the library's source and a linker that can link Wasm.
const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-22"];
const DEBIAN_LINKER: &str = "/usr/bin/wasm-ld-22";
/// The workspace's `rust-version`: an older Debian compiler is no help.
const OLDEST: (u32, u32) = (1, 95);

pub enum WasmToolchain {
    /// The `rustc` and `cargo` of PATH.
    OnPath,
    /// Those in /usr/bin, which have to come first on PATH.
    Debian,
}

impl WasmToolchain {
    pub fn describe(&self) -> &'static str {
        match self {
            Self::OnPath => "the rustc on PATH",
            Self::Debian => "Debian's rustc in /usr/bin",
        }
    }

    /// Makes `command` compile for Wasm with this toolchain.
    pub fn apply<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        run::outside_cargo(command);
        if let Self::Debian = self {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let dirs = std::iter::once(PathBuf::from("/usr/bin")).chain(std::env::split_paths(&path));
            command.env("PATH", std::env::join_paths(dirs).unwrap_or(path));
            // This rustc expects a `rust-lld` that Debian does not ship; lld itself is what that would be.
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", DEBIAN_LINKER);
        }
        command
    }
}

pub fn wasm_toolchain() -> anyhow::Result<WasmToolchain> {
    if !registries_only() {
        if has_target(Path::new("rustc")) {
            return Ok(WasmToolchain::OnPath);
        }
        if debian_is_complete() {
            return Ok(WasmToolchain::Debian);
        }
        match by_rustup() {
            Ok(()) => return Ok(WasmToolchain::OnPath),
            Err(error) => println!("  {}", error.to_string().lines().next().unwrap_or_default()),
        }
    }
    if !debian_is_complete() {
        println!("  so the Rust standard library is compiled for Wasm with Debian's compiler");
        by_debian()?;
    }
    Ok(WasmToolchain::Debian)
}

fn by_rustup() -> anyhow::Result<()> {
    if system::on_path("rustup").is_none() {
        bail!("there is no rustup to add the target {TARGET}");
    }
    let mut command = Command::new("rustup");
    run::outside_cargo(&mut command).args(["target", "add", TARGET]).current_dir(crate::workspace::root());
    run::quietly(
        &format!("rustup target add {TARGET}, which the Worker is compiled for"),
        "install-wasm-target",
        &mut command,
    )
}

fn by_debian() -> anyhow::Result<()> {
    if !debian_has_packages() {
        system::apt_install(&DEBIAN_PACKAGES, "a Rust compiler with the source of its standard library")?;
    }
    if !debian_has_packages() {
        bail!("after installing {}, /usr/bin/rustc is still missing or too old", DEBIAN_PACKAGES.join(" "));
    }
    let libraries = target_libraries(Path::new("/usr/bin/rustc")).context("/usr/bin/rustc does not run")?;
    if !is_root() {
        bail!(
            "the standard library for {TARGET} has to be compiled once into {}, which only root may write: \
             run `sudo -E cargo dev tools` once",
            libraries.display()
        );
    }
    run::ask_before(&format!("the standard library for {TARGET} goes into {}", libraries.display()))?;
    let built = cache::installed("wasm-std", build_std)?;
    fs::create_dir_all(&libraries)?;
    let mut names: Vec<_> =
        fs::read_dir(&built)?.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| name.ends_with(".rlib") && !name.starts_with("libempty-"));
    // `has_target` looks for libstd: it comes last, so that a copy that was cut short is not taken for a whole one.
    names.sort_by_key(|name| name.starts_with("libstd-"));
    for name in names {
        fs::copy(built.join(&name), libraries.join(&name)).with_context(|| format!("cannot copy {name}"))?;
    }
    // Kept only in the one place where the compiler looks for it.
    fs::remove_dir_all(&built).with_context(|| format!("cannot remove {}", built.display()))
}

/// Compiles an empty crate together with the standard library, and leaves the libraries in `folder`.
fn build_std(folder: &Path) -> anyhow::Result<()> {
    let empty = folder.join("empty");
    fs::create_dir_all(empty.join("src"))?;
    fs::write(empty.join("src/lib.rs"), "#![no_std]\n")?;
    fs::write(empty.join("Cargo.toml"), "[package]\nname = \"empty\"\nedition = \"2024\"\n[workspace]\n")?;
    let mut command = Command::new("/usr/bin/cargo");
    WasmToolchain::Debian.apply(&mut command);
    command.args(["build", "--release", "--target", TARGET, "-Zbuild-std=std,panic_abort"]).current_dir(&empty);
    command.env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1").env("CARGO_TARGET_DIR", empty.join("target"));
    command.env("RUSTFLAGS", "-Cembed-bitcode=yes").env("CARGO_PROFILE_RELEASE_LTO", "off");
    run::quietly("the Rust standard library for Wasm, compiled once", "install-wasm-std", &mut command)?;
    let built = empty.join("target").join(TARGET).join("release/deps");
    for entry in fs::read_dir(&built).with_context(|| format!("cannot read {}", built.display()))? {
        let entry = entry?;
        fs::rename(entry.path(), folder.join(entry.file_name()))?;
    }
    fs::remove_dir_all(&empty).context("cannot remove the empty crate")
}

fn debian_has_packages() -> bool {
    let new_enough = version(Path::new("/usr/bin/rustc")).is_some_and(|version| version >= OLDEST);
    new_enough && Path::new("/usr/bin/cargo").exists() && Path::new(DEBIAN_LINKER).exists()
}

fn debian_is_complete() -> bool {
    debian_has_packages() && has_target(Path::new("/usr/bin/rustc"))
}

/// `rustc 1.96.0 (…)` → (1, 96).
fn version(rustc: &Path) -> Option<(u32, u32)> {
    let output = Command::new(rustc).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut numbers = text.split_whitespace().nth(1)?.split('.').map_while(|number| number.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

fn has_target(rustc: &Path) -> bool {
    let Some(libraries) = target_libraries(rustc).and_then(|libraries| fs::read_dir(libraries).ok()) else {
        return false;
    };
    libraries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
}

fn target_libraries(rustc: &Path) -> Option<PathBuf> {
    let mut command = Command::new(rustc);
    run::outside_cargo(&mut command).args(["--print", "target-libdir", "--target", TARGET]);
    let output =
        command.current_dir(crate::workspace::root()).output().ok().filter(|output| output.status.success())?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
}
