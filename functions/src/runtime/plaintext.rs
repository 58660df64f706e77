//! Unencrypted connections are allowed to this machine only: on any other network a password, a secret or an order
//! could be read.

use std::net::IpAddr;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// Requires TLS for every connection that leaves this machine, whatever the URL says.
///
/// # Errors
/// The URL forbids it.
pub fn only_here(config: &mut Config) -> Result<(), &'static str> {
    let here = |host: &Host| match host {
        Host::Tcp(name) => is_loopback(name),
        Host::Unix(_) => true,
    };
    // Where `hostaddr` is given, it is what is connected to.
    let addresses = config.get_hostaddrs();
    let stays = if addresses.is_empty() {
        config.get_hosts().iter().all(here)
    } else {
        addresses.iter().all(IpAddr::is_loopback)
    };
    if stays {
        return Ok(());
    }
    if config.get_ssl_mode() == SslMode::Disable {
        return Err("has sslmode=disable, and its host is not this machine");
    }
    config.ssl_mode(SslMode::Require);
    Ok(())
}

/// Whether a base URL may be used: `https`, or `http` to this machine.
#[must_use]
pub fn is_safe(url: &str) -> bool {
    match url::Url::parse(url) {
        Ok(url) if url.scheme() == "https" => true,
        Ok(url) if url.scheme() == "http" => url.host_str().is_some_and(is_loopback),
        _ => false,
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse().is_ok_and(|address: IpAddr| address.is_loopback());
    address || host == "localhost" || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> Result<SslMode, &'static str> {
        let mut config: Config = url.parse().map_err(|_| "no URL")?;
        only_here(&mut config)?;
        Ok(config.get_ssl_mode())
    }

    #[test]
    fn a_database_elsewhere_is_reached_by_tls_or_not_at_all() {
        for url in [
            "postgres://a@db.example/b",
            "postgres://a@db.example/b?sslmode=prefer",
            "postgres://a@db.example/b?sslmode=require",
            "postgres://a@10.0.0.1:5432/b",
            "postgres://a@127.0.0.1,db.example/b",
            "postgres://a@localhost/b?hostaddr=10.0.0.1",
            "postgres://a@localhost.example/b",
        ] {
            assert_eq!(mode(url), Ok(SslMode::Require), "{url}");
        }
        for url in ["postgres://a@db.example/b?sslmode=disable", "postgres://a@[2001:db8::1]/b?sslmode=disable"] {
            assert!(mode(url).is_err(), "{url}");
        }
    }

    #[test]
    fn this_machine_is_reached_as_its_url_says() {
        for (url, as_said) in [
            ("postgres://a@127.0.0.1:5432/b", SslMode::Prefer),
            ("postgres://a@localhost/b?sslmode=disable", SslMode::Disable),
            ("postgres://a@[::1]/b", SslMode::Prefer),
            ("postgres://a@%2Frun%2Fpostgresql/b?sslmode=disable", SslMode::Disable),
            ("postgres://a@db.example/b?hostaddr=127.0.0.1", SslMode::Prefer),
        ] {
            assert_eq!(mode(url), Ok(as_said), "{url}");
        }
    }

    #[test]
    fn a_gateway_elsewhere_is_https() {
        for url in ["https://api.stripe.com", "http://127.0.0.1:8790", "http://localhost:1/x", "http://[::1]:2"] {
            assert!(is_safe(url), "{url}");
        }
        for url in ["http://api.stripe.com", "http://10.0.0.1", "http://localhost.example", "ftp://127.0.0.1", "", "x"]
        {
            assert!(!is_safe(url), "{url}");
        }
    }
}
