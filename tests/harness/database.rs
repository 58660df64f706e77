//! A connection to the database, by TLS where its URL asks for it (Neon and Aurora do), as the functions connect.

use anyhow::{Context, Result};
use tokio_postgres::Client;

/// Connects and drives the connection in the background until the client is dropped.
///
/// # Errors
/// The database cannot be reached or refuses the login.
pub async fn connect(url: &str) -> Result<Client> {
    let connecting = tokio_postgres::connect(url, functions::tls::connector()?);
    let (client, connection) = connecting.await.context("connecting to the database")?;
    tokio::spawn(connection);
    Ok(client)
}
