//! A receiver's URL, checked twice: its text when an operator gives it, and the resolved addresses at every connection.
//! The checked addresses are the ones connected to, so that DNS rebinding has no effect.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Url;

use super::address::is_internal;

const INSIDE: &str = "its address leads inside, which RELAY_ALLOW_PRIVATE does not allow";

/// # Errors
/// What is wrong with it, as a sentence about the endpoint.
pub fn url(text: &str, allow_private: bool) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "it is no URL")?;
    match url.scheme() {
        "https" => {}
        "http" if allow_private => {}
        _ => return Err("it is not https"),
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err("it has a user, a password or a fragment: what is sent is signed instead");
    }
    let host = url.host_str().unwrap_or_default();
    // The parser has brought every spelling of an IPv4 address (127.1, 0x7f000001) to the usual one.
    let literal = host.trim_matches(['[', ']']).parse::<IpAddr>();
    if !allow_private && literal.is_ok_and(is_internal) {
        return Err(INSIDE);
    }
    Ok(url)
}

/// As the parser has written it, which is what every reader of it later reads; what is no URL stays as it is.
#[must_use]
pub fn as_parsed(text: &str) -> String {
    Url::parse(text).map_or_else(|_| text.to_owned(), String::from)
}

type LookupFuture = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// A resolver that fails if any address of a name is internal.
#[derive(Clone)]
pub struct GuardedResolver {
    allow_private: bool,
    look_up: Arc<dyn Fn(String) -> LookupFuture + Send + Sync>,
}

impl GuardedResolver {
    #[must_use]
    pub fn new(allow_private: bool) -> Self {
        let system = |name: String| async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) };
        Self::with(allow_private, move |name| Box::pin(system(name)))
    }

    /// With another way to look a name up than the system's.
    pub fn with(allow_private: bool, look_up: impl Fn(String) -> LookupFuture + Send + Sync + 'static) -> Self {
        Self { allow_private, look_up: Arc::new(look_up) }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (looked, allow_private) = ((self.look_up)(name.as_str().to_owned()), self.allow_private);
        Box::pin(async move {
            let addresses = looked.await.map_err(|_| "its name has no address")?;
            if !allow_private && addresses.iter().any(|address| is_internal(address.ip())) {
                return Err(INSIDE.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn what_is_kept_is_what_was_parsed() {
        for (given, kept) in [
            ("https://x/a\0b", "https://x/a%00b"),
            ("https://SHOP.example/\t a", "https://shop.example/%20a"),
            ("https://0x7f.1/", "https://127.0.0.1/"),
            ("arn:aws:events:ap-northeast-2:1:event-bus/shop", "arn:aws:events:ap-northeast-2:1:event-bus/shop"),
            ("default", "default"),
        ] {
            assert_eq!(as_parsed(given), kept);
        }
    }

    #[test]
    fn only_https_to_a_public_address_is_an_endpoint() {
        for good in ["https://shop.example/hooks?a=b", "https://1.1.1.1/", "https://[2606:4700::1111]:8443/"] {
            assert!(url(good, false).is_ok(), "{good}");
        }
        for bad in [
            "",
            "shop.example",
            "http://shop.example/",
            "ftp://shop.example/",
            "https://",
            "https://me:secret@shop.example/",
            "https://shop.example/#a",
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f.0.0.1/",
            "https://0177.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://169.254.169.254/latest/meta-data",
            "https://[fd00:ec2::254]/",
        ] {
            assert!(url(bad, false).is_err(), "{bad}");
        }
        assert!(url("http://127.0.0.1:8080/", true).is_ok());
    }

    async fn ask(resolver: &GuardedResolver, name: &str) -> Option<Vec<SocketAddr>> {
        Some(resolver.resolve(name.parse().ok()?).await.ok()?.collect())
    }

    /// A name that is outside when it is looked at and inside when it is connected to.
    #[tokio::test]
    async fn a_name_with_a_private_address_is_refused_at_each_lookup() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let rebinding = GuardedResolver::with(false, move |_| {
            let first = counted.fetch_add(1, Ordering::Relaxed) == 0;
            let address = if first { [8, 8, 8, 8] } else { [127, 0, 0, 1] };
            Box::pin(async move { Ok(vec![SocketAddr::from((address, 0))]) })
        });
        let first = ask(&rebinding, "rebinding.example").await;
        assert_eq!(first, Some(vec![SocketAddr::from(([8, 8, 8, 8], 0))]));
        assert!(ask(&rebinding, "rebinding.example").await.is_none());
        assert_eq!(asked.load(Ordering::Relaxed), 2, "one look a connection: what is checked is what is used");

        let two_faced = GuardedResolver::with(false, |_| {
            Box::pin(async { Ok(vec![SocketAddr::from(([8, 8, 8, 8], 0)), SocketAddr::from(([10, 0, 0, 1], 0))]) })
        });
        assert!(ask(&two_faced, "two-faced.example").await.is_none());
        assert!(ask(&GuardedResolver::new(false), "localhost").await.is_none());
        assert!(ask(&GuardedResolver::new(true), "localhost").await.is_some());
    }
}
