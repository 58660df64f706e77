//! The embedded Postgres 18: its data folder, its configuration, its process.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::Signal;

use super::children::{Children, Spec};
use super::state::{Secrets, State};
use super::{leftovers, ports};
use crate::tools::{self, Postgres};
use crate::{database, workspace};

/// Not `holdfast`: a user sees tables in a schema of its own name before those in `public`.
const USER: &str = "postgres";
const DATABASE: &str = "holdfast";
/// The file in the state's folder that says where the data is, when it is elsewhere.
const WHERE: &str = "postgres.where";
/// A restart after `kill -9` replays the log and waits for the old processes first.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// How a server is to run.
#[derive(Clone, Copy, Default)]
pub struct How<'a> {
    /// Made new, whatever there is.
    pub fresh: bool,
    /// They come after the stack's own, and win.
    pub settings: &'a [&'a str],
    /// Where a new one keeps its log, if not among its data: an empty folder of its user's.
    pub log_dir: Option<&'a Path>,
}

/// Starts the server, made new when there is none yet; answers its URL.
pub async fn start(state: &State, secrets: &Secrets, how: How<'_>, children: &Children) -> anyhow::Result<String> {
    let programs = tokio::task::spawn_blocking(tools::postgres).await??;
    let is_known = state.path(WHERE).exists();
    let data = data_dir(state, &programs)?;
    // Data outside the state's folder outlives it, and its password went with that folder: nobody can log in any more.
    let is_orphan = programs.user.is_some() && !is_known;
    if (how.fresh || is_orphan) && data.exists() {
        if !how.fresh {
            println!("  {} is of a state that was removed; making it anew", data.display());
        }
        end_server_of(&data);
        fs::remove_dir_all(&data).with_context(|| format!("cannot remove {}", data.display()))?;
    }
    if !data.exists() {
        make(&programs, &data, &secrets.postgres_password, how.log_dir)?;
    }
    let port = remembered_port(state)?;
    children.start(server(programs, data, port, how.settings))?;
    let url = |name: &str| format!("postgres://{USER}:{}@127.0.0.1:{port}/{name}", secrets.postgres_password);
    create_database(&url("postgres")).await?;
    Ok(url(DATABASE))
}

/// In the state's folder; or, as root, where the user that Postgres runs as may reach it. A file says where.
pub fn data_dir(state: &State, programs: &Postgres) -> anyhow::Result<PathBuf> {
    let Some(user) = programs.user else { return Ok(state.path("postgres")) };
    let name = state.dir().file_name().context("the state's folder has no name")?;
    let parent = Path::new("/var/lib/holdfast").join(workspace::short_hash()).join(name);
    fs::create_dir_all(&parent).with_context(|| format!("cannot create {}", parent.display()))?;
    chown(&parent, Some(user.uid), Some(user.gid)).with_context(|| format!("cannot give away {}", parent.display()))?;
    let data = parent.join("postgres");
    fs::write(state.path(WHERE), format!("{}\n", data.display()))?;
    Ok(data)
}

/// `initdb` in a folder that gets its name only when complete.
fn make(programs: &Postgres, data: &Path, password: &str, log_dir: Option<&Path>) -> anyhow::Result<()> {
    let unfinished = data.with_extension("unfinished");
    let password_file = data.with_extension("password");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)?;
    }
    fs::write(&password_file, password)?;
    fs::set_permissions(&password_file, fs::Permissions::from_mode(0o600))?;
    let mut command = Command::new(programs.bin.join("initdb"));
    command.arg("--pgdata").arg(&unfinished).arg("--pwfile").arg(&password_file).args(["--username", USER]);
    command.args(["--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]);
    command.args(["--locale=C", "--no-instructions", "--data-checksums"]);
    if let Some(log_dir) = log_dir {
        command.arg("--waldir").arg(log_dir);
    }
    if let Some(user) = programs.user {
        chown(&password_file, Some(user.uid), Some(user.gid))?;
        command.uid(user.uid).gid(user.gid).current_dir("/");
    }
    let made = tools::quietly("an empty Postgres 18", "initdb", &mut command);
    fs::remove_file(&password_file).context("cannot remove the file that held Postgres's password")?;
    made?;
    fs::rename(&unfinished, data).with_context(|| format!("cannot finish {}", data.display()))
}

fn server(programs: Postgres, data: PathBuf, port: u16, more: &[&str]) -> Spec {
    // Everything that makes a commit durable stays on: what is promised here has to survive kill -9.
    let settings = [
        format!("port={port}"),
        "listen_addresses=127.0.0.1".to_owned(),
        "unix_socket_directories=".to_owned(),
        "fsync=on".to_owned(),
        "synchronous_commit=on".to_owned(),
        "full_page_writes=on".to_owned(),
        "max_connections=100".to_owned(),
        "shared_buffers=128MB".to_owned(),
        // How often each of our procedures was called: what an invocation counts as, and what a rush is billed by.
        "track_functions=pl".to_owned(),
        "timezone=UTC".to_owned(),
        "log_timezone=UTC".to_owned(),
    ];
    let mut args = vec!["-D".into(), data.clone().into_os_string()];
    let settings = settings.into_iter().chain(more.iter().map(|setting| (*setting).to_owned()));
    args.extend(settings.flat_map(|setting| ["-c".into(), setting.into()]));
    Spec {
        name: "postgres".to_owned(),
        part: "postgres",
        program: programs.bin.join("postgres"),
        args,
        env: vec![],
        user: programs.user,
        // A fast shutdown: sessions are cut off, everything is written down.
        stop: Signal::INT,
        patience: Duration::from_secs(15),
        prepare: Box::new(move || {
            end_server_of(&data);
            Ok(())
        }),
    }
}

/// A server that still has this data folder is from a killed run: it is ended. A lock file whose process is another
/// program by now would keep Postgres from starting for ever: it is removed. After `kill -9` the lock file stays, for
/// Postgres itself finds there whether its old processes are gone.
fn end_server_of(data: &Path) {
    let lock = data.join("postmaster.pid");
    let Ok(text) = fs::read_to_string(&lock) else { return };
    let Some(pid) = text.lines().next().and_then(|line| line.trim().parse::<u32>().ok()) else { return };
    let Some(line) = leftovers::command_line(pid).filter(|line| !line.trim().is_empty()) else { return };
    if !line.contains(&*data.to_string_lossy()) {
        let _ = fs::remove_file(&lock);
        return;
    }
    println!("  a Postgres of an earlier run still has this clone's data; ending it (process {pid})");
    leftovers::signal(pid, Signal::INT);
    for _ in 0..500 {
        if !lock.exists() || leftovers::command_line(pid).is_none() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The same port at each start, so that what is open in a SQL client stays good; another one when it has been taken.
fn remembered_port(state: &State) -> anyhow::Result<u16> {
    let path = state.path("postgres.port");
    let remembered = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
    if let Some(port) = remembered.filter(|port| ports::is_free(*port)) {
        return Ok(port);
    }
    let port = ports::free()?;
    fs::write(&path, port.to_string()).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(port)
}

/// Waits until the server answers and sees to it that Holdfast's database is there.
async fn create_database(url: &str) -> anyhow::Result<()> {
    let client = super::ready::within(READY_WITHIN, "Postgres", || database::connect(url)).await?;
    let exists = client.query_opt("select from pg_database where datname = $1", &[&DATABASE]).await?;
    if exists.is_none() {
        client.batch_execute(&format!("create database {DATABASE}")).await.context("cannot create the database")?;
    }
    Ok(())
}

/// Starts an external database from nothing: everything that Holdfast has made in it is dropped.
pub async fn empty(url: &str) -> anyhow::Result<()> {
    let client = database::connect(url).await?;
    let host = url.rsplit_once('@').map_or(url, |(_, host)| host);
    println!("  --fresh: dropping what Holdfast has in the database at {host}");
    let drop = "drop schema if exists holdfast cascade;
                drop table if exists public.holdfast_current_file, public.refinery_schema_history";
    if let Err(error) = client.batch_execute(drop).await {
        bail!("cannot empty the database: {error}");
    }
    Ok(())
}
