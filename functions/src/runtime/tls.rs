//! TLS to the database, where its URL requires it (`sslmode=require` checks the certificate and the host's name), to
//! gateways and to subscribers.

use std::env;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::runtime::config::ConfigError;

/// For the database, with the authorities in `DATABASE_CA_FILE`.
///
/// # Errors
/// `DATABASE_CA_FILE` is no file of certificates.
pub fn connector() -> Result<MakeRustlsConnect, ConfigError> {
    Ok(MakeRustlsConnect::new(trusting("DATABASE_CA_FILE")?))
}

/// Trusts the web's authorities, which is who signs for Neon and for most receivers; and those in the file that the
/// variable names (PEM), for a server with an authority of its own, as Aurora's is.
///
/// # Errors
/// The variable names no file of certificates.
pub fn trusting(variable: &str) -> Result<ClientConfig, ConfigError> {
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Ok(file) = env::var(variable) {
        let wrong = |error: &dyn std::fmt::Display| ConfigError::new(variable, &format!("is {file}: {error}"));
        for certificate in CertificateDer::pem_file_iter(&file).map_err(|error| wrong(&error))? {
            let certificate = certificate.map_err(|error| wrong(&error))?;
            roots.add(certificate).map_err(|error| wrong(&error))?;
        }
    }
    Ok(ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| ConfigError::new(variable, &error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
