//! TLS to the database, where its URL asks for it (`sslmode=require` checks the certificate and the host's name), and to
//! the gateways.

use std::env;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config::Misconfigured;

/// Trusts the web's authorities, which is who signs for Neon; and those in the file that `DATABASE_CA_FILE` names (PEM),
/// for a server with an authority of its own, as Aurora's is.
///
/// # Errors
/// `DATABASE_CA_FILE` is no file of certificates.
pub fn connector() -> Result<MakeRustlsConnect, Misconfigured> {
    Ok(MakeRustlsConnect::new(trust("DATABASE_CA_FILE")?))
}

/// The web's authorities, and those in the PEM file that the variable names, where it is set.
///
/// # Errors
/// The variable names no file of certificates.
pub fn trust(ca_file: &str) -> Result<ClientConfig, Misconfigured> {
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Ok(file) = env::var(ca_file) {
        let wrong = |error: &dyn std::fmt::Display| Misconfigured::new(ca_file, &format!("is {file}: {error}"));
        for certificate in CertificateDer::pem_file_iter(&file).map_err(|error| wrong(&error))? {
            let certificate = certificate.map_err(|error| wrong(&error))?;
            roots.add(certificate).map_err(|error| wrong(&error))?;
        }
    }
    Ok(ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Misconfigured::new(ca_file, &error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
