//! A connection to the database, by TLS unless it is on this machine, as the functions connect.

use anyhow::{Context, Result, anyhow};
use tokio_postgres::{Client, Config};

/// Connects, and drives the connection in the background until the client is dropped.
///
/// # Errors
/// The URL is none, the database cannot be reached, or it refuses the login.
pub async fn connect(url: &str) -> Result<Client> {
    // The parser's own message may quote the URL, and the URL holds a password.
    let mut config: Config = url.parse().map_err(|_| anyhow!("the database's address is no postgres:// URL"))?;
    functions::runtime::plaintext::only_here(&mut config).map_err(|what| anyhow!("the database's address {what}"))?;
    let connecting = config.connect(functions::runtime::tls::connector()?);
    let (client, connection) = connecting.await.context("connecting to the database")?;
    tokio::spawn(connection);
    Ok(client)
}
