//! What a stack keeps on disk: its folder, held by one process at a time, and its secrets.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

/// The folder of one stack. While this value lives, no other process can have it.
pub struct State {
    dir: PathBuf,
    _lock: File,
}

impl State {
    pub fn open(dir: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(dir.join("logs")).with_context(|| format!("cannot create {}", dir.display()))?;
        let path = dir.join("lock");
        let mut lock = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        if lock.try_lock().is_err() {
            let mut owner = String::new();
            lock.read_to_string(&mut owner)?;
            bail!("this clone's stack is running already, as process {}; stop that one first", owner.trim());
        }
        lock.set_len(0)?;
        write!(lock, "{}", std::process::id())?;
        Ok(Self { dir: dir.to_path_buf(), _lock: lock })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn logs(&self) -> PathBuf {
        self.dir.join("logs")
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

/// Made at a stack's first start, kept out of git, the same at each later start: a token given to a buyer yesterday is
/// still good today.
#[derive(Clone, Serialize, Deserialize)]
pub struct Secrets {
    pub session_secret: String,
    pub admin_token: String,
    /// A token for each role, beside the owner's above.
    #[serde(default = "Roles::made")]
    pub admin_tokens: Roles,
    #[serde(default = "token")]
    pub metrics_token: String,
    pub webhook_secret: String,
    /// What `admin` and `relay` seal receivers' secrets with.
    #[serde(default = "seal_key")]
    pub seal_key: String,
    /// By which the Worker proves to `confirm` that a request is of a person.
    #[serde(default = "token")]
    pub confirm_key: String,
    pub postgres_password: String,
    pub functions_password: String,
}

/// The operators' tokens that are not the owner's one named `admin`.
#[derive(Clone, Serialize, Deserialize)]
pub struct Roles {
    pub viewer: String,
    pub operator: String,
    pub owner: String,
}

impl Roles {
    fn made() -> Self {
        Self { viewer: token(), operator: token(), owner: token() }
    }

    /// As the Worker's `ADMIN_TOKENS` has them; each is named as its role.
    pub fn variable(&self) -> String {
        let Self { viewer, operator, owner } = self;
        format!("viewer:viewer:{viewer} operator:operator:{operator} owner:owner:{owner}")
    }
}

/// For a default, which may not fail: without randomness the token is empty, and admits no request.
fn token() -> String {
    random().map(|bytes| URL_SAFE_NO_PAD.encode(bytes)).unwrap_or_default()
}

fn seal_key() -> String {
    random().map(|bytes| STANDARD.encode(bytes)).unwrap_or_default()
}

impl Secrets {
    pub fn of(state: &State) -> anyhow::Result<Self> {
        let path = state.path("secrets.json");
        if let Ok(text) = fs::read_to_string(&path) {
            let kept: Self =
                serde_json::from_str(&text).with_context(|| format!("{} is damaged; remove it", path.display()))?;
            // What an older stack did not have was made just now.
            write_private(&path, &serde_json::to_vec_pretty(&kept)?)?;
            return Ok(kept);
        }
        let secrets = Self {
            session_secret: URL_SAFE_NO_PAD.encode(random()?),
            admin_token: URL_SAFE_NO_PAD.encode(random()?),
            admin_tokens: Roles::made(),
            metrics_token: token(),
            seal_key: seal_key(),
            confirm_key: token(),
            webhook_secret: format!("whsec_{}", STANDARD.encode(random()?)),
            postgres_password: URL_SAFE_NO_PAD.encode(random()?),
            // Letters and digits only: it is written into a statement.
            functions_password: hex::encode(random()?),
        };
        write_private(&path, &serde_json::to_vec_pretty(&secrets)?)?;
        Ok(secrets)
    }
}

/// Writes a file that only this user may read, whole or not at all.
pub fn write_private(path: &Path, contents: &[u8]) -> anyhow::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let write = || {
        // The mode counts only for a file that is made here.
        let _ = fs::remove_file(&unfinished);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
        file.write_all(contents)?;
        fs::rename(&unfinished, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

fn random() -> anyhow::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("cannot read /dev/urandom")?;
    Ok(bytes)
}
