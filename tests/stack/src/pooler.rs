//! PgBouncer in front of the stack's database, as Neon has one: connections by the transaction, few of them.

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::Signal;

use super::children::{Children, Spec};
use super::{ports, ready};
use crate::{migrate, tools, workspace};

/// Who may pause it.
pub const OPERATOR: &str = "pooler";

/// Starts it; answers its port.
pub async fn start(dir: &Path, database_url: &str, password: &str, children: &Children) -> anyhow::Result<u16> {
    let program = tokio::task::spawn_blocking(tools::pgbouncer).await??;
    let user = tokio::task::spawn_blocking(tools::postgres).await??.user;
    let (_, place) = database_url.rsplit_once('@').context("a database's URL has a user")?;
    let (address, database) = place.split_once('/').context("a database's URL has a path")?;
    let (host, server_port) = address.split_once(':').context("a database's URL has a port")?;
    let port = ports::free()?;

    // As root it runs as Postgres's user, who may not reach into the state's folder.
    let dir = match user {
        None => dir.to_path_buf(),
        Some(_) => {
            let name = dir.parent().and_then(Path::file_name).context("the state's folder has no name")?;
            Path::new("/var/lib/holdfast").join(workspace::short_hash()).join(name).join("pooler")
        }
    };
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let roles = migrate::FUNCTIONS.map(|function| format!("holdfast_{function}"));
    let users = roles.iter().map(String::as_str).chain([OPERATOR]);
    fs::write(dir.join("users"), users.map(|user| format!("\"{user}\" \"{password}\"\n")).collect::<String>())?;
    // A query that finds no connection waits no longer than its function does.
    let config = format!(
        "[databases]\n{database} = host={host} port={server_port} dbname={database}\n\
         * = host={host} port={server_port}\n[pgbouncer]\n\
         pool_mode = transaction\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
         auth_type = scram-sha-256\nauth_file = {}\nadmin_users = {OPERATOR}\ndefault_pool_size = 4\n\
         max_client_conn = 200\nquery_wait_timeout = 2\nserver_login_retry = 0.2\nserver_connect_timeout = 2\n",
        dir.join("users").display(),
    );
    let file = dir.join("pgbouncer.ini");
    fs::write(&file, config)?;
    if let Some(user) = user {
        for path in [&dir, &file, &dir.join("users")] {
            chown(path, Some(user.uid), Some(user.gid))
                .with_context(|| format!("cannot give away {}", path.display()))?;
        }
    }
    children.start(Spec {
        name: "pooler".to_owned(),
        part: "pooler",
        program,
        args: vec![file.into()],
        env: vec![],
        user,
        // At once: it would wait for its clients.
        stop: Signal::TERM,
        patience: Duration::from_secs(2),
        prepare: Box::new(|| Ok(())),
    })?;
    ready::listening(port, Duration::from_secs(10), "the pooler").await?;
    Ok(port)
}

/// The pooler's console, by its own database's name.
pub fn console_url(port: u16, password: &str) -> String {
    format!("postgres://{OPERATOR}:{password}@127.0.0.1:{port}/pgbouncer?sslmode=disable")
}
