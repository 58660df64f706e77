//! Postgres's programs, and whom they run as. Postgres refuses to run as root, so root lends it another user.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use super::{cache, is_root, npm, run};

const VERSION: &str = "18.4.0-beta.17";
/// Root's own cache is in a home that other users cannot enter.
const ROOT_CACHE: &str = "/var/cache/holdfast";

pub struct Postgres {
    /// The folder with `postgres` and `initdb`.
    pub bin: PathBuf,
    /// Whom to run them as; none when we are an ordinary user already.
    pub user: Option<Unprivileged>,
}

/// The user `nobody`: in every passwd file, and the owner of nothing.
#[derive(Clone, Copy)]
pub struct Unprivileged {
    pub uid: u32,
    pub gid: u32,
}

pub fn postgres() -> anyhow::Result<Postgres> {
    let native = npm::modules()?.join("@embedded-postgres").join(npm::platform()?).join("native");
    if !is_root() {
        return Ok(Postgres { bin: native.join("bin"), user: None });
    }
    let copy = cache::installed_under(Path::new(ROOT_CACHE), &format!("postgres-{VERSION}"), |unfinished| {
        let mut command = Command::new("cp");
        command.arg("-R").arg("-P").arg("-p").arg(native.join(".")).arg(unfinished);
        run::quietly("a copy of Postgres where the user `nobody` can read it", "install-postgres", &mut command)?;
        let mut readable = Command::new("chmod");
        readable.args(["-R", "a+rX"]).arg(unfinished);
        run::quietly("its permissions", "install-postgres", &mut readable)
    })?;
    Ok(Postgres { bin: copy.join("bin"), user: Some(nobody()?) })
}

fn nobody() -> anyhow::Result<Unprivileged> {
    let id = |which: &str| -> anyhow::Result<u32> {
        let output = Command::new("id").args([which, "nobody"]).output().context("cannot run `id`")?;
        let text = String::from_utf8(output.stdout)?;
        let text = text.trim();
        if text.is_empty() {
            bail!("there is no user `nobody` for Postgres to run as, and it refuses to run as root");
        }
        // A Mac's is -2.
        Ok(text.parse::<i64>()? as u32)
    };
    Ok(Unprivileged { uid: id("-u")?, gid: id("-g")? })
}
