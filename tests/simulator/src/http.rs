//! The HTTP client of the tests and their tools: it calls this machine only, so it needs neither a proxy nor authorities.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

/// With TLS set here: reqwest has no provider of its own in this workspace, and refuses to be built without one.
pub fn client() -> reqwest::ClientBuilder {
    #[expect(clippy::expect_used, reason = "ring has ciphers for both versions")]
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls)
}
