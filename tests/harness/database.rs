//! A connection to the database, by TLS where its URL asks for it (Neon and Aurora do).

use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::Client;
use tokio_postgres_rustls::MakeRustlsConnect;

/// Connects and drives the connection in the background until the client is dropped.
///
/// # Errors
/// The database cannot be reached or refuses the login.
pub async fn connect(url: &str) -> Result<Client> {
    let roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connecting = tokio_postgres::connect(url, MakeRustlsConnect::new(config));
    let (client, connection) = connecting.await.context("connecting to the database")?;
    tokio::spawn(connection);
    Ok(client)
}
