//! Where things are in this clone.

use std::path::{Path, PathBuf};

/// The folder of the workspace's Cargo.toml.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// Where cargo puts what it builds; what Holdfast itself keeps is always under `target` (see `dev_dir`).
pub fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// What `cargo dev` writes: `stack.json`, secrets, logs, state.
pub fn dev_dir() -> PathBuf {
    root().join("target/dev")
}

/// A short name for this clone, for what has to live outside it.
pub fn short_hash() -> String {
    short_hash_of(root().as_os_str().as_encoded_bytes())
}

/// Twelve hexadecimal digits of SHA-256: enough to distinguish versions of one file in a folder's name.
pub fn short_hash_of(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    hex::encode(&sha2::Sha256::digest(bytes)[..6])
}
