//! The one shop that this gateway works for: where its webhooks go, and which addresses a buyer may be sent back to.

use anyhow::{Context, ensure};
use reqwest::Url;

#[derive(Clone, Debug)]
pub struct Shop(Url);

impl Shop {
    pub fn new(edge_url: &str) -> anyhow::Result<Self> {
        let url = Url::parse(edge_url).with_context(|| format!("the shop's address {edge_url:?} cannot be read"))?;
        ensure!(matches!(url.scheme(), "http" | "https"), "the shop's address {edge_url:?} is not http(s)");
        Ok(Self(url))
    }

    /// `http://host:port`, as the Content-Security-Policy wants it.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    pub fn webhook_url(&self, path: &str) -> String {
        format!("{}{path}", self.0.as_str().trim_end_matches('/'))
    }

    /// The address to send the buyer back to, or nothing where it would lead out of the shop: compared after parsing,
    /// because `//elsewhere`, `/\elsewhere` and `http://shop@elsewhere` only then show where they lead. A path is
    /// resolved against the shop.
    pub fn return_to(&self, return_url: &str) -> Option<Url> {
        let url = self.0.join(return_url).ok()?;
        let inside = url.origin() == self.0.origin() && url.username().is_empty() && url.password().is_none();
        inside.then_some(url)
    }
}

/// Adds the outcome to the query, keeping what the shop had put there and replacing an outcome of an earlier try.
pub fn with_result(mut url: Url, payment_id: &str, result: &str) -> Url {
    let ours = |name: &str| matches!(name, "payment_id" | "result");
    if url.query_pairs().any(|(name, _)| ours(&name)) {
        let kept: Vec<_> = url.query_pairs().into_owned().filter(|(name, _)| !ours(name)).collect();
        url.query_pairs_mut().clear().extend_pairs(kept);
    }
    url.query_pairs_mut().append_pair("payment_id", payment_id).append_pair("result", result);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop() -> Shop {
        Shop::new("http://127.0.0.1:8787").unwrap()
    }

    #[test]
    fn a_return_url_outside_the_shop_is_refused() {
        let refused = [
            "http://evil.example/",
            "https://127.0.0.1:8787/",
            "http://127.0.0.1:8788/",
            "http://127.0.0.1:8787.evil.example/",
            "http://127.0.0.1:8787@evil.example/",
            "http://someone:secret@127.0.0.1:8787/",
            "//evil.example/",
            "/\\evil.example/",
            "\\\\evil.example/",
            "\t//evil.example/",
            "javascript:alert(1)",
            "data:text/html,x",
            "http://",
        ];
        for return_url in refused {
            assert_eq!(shop().return_to(return_url), None, "{return_url:?} was let through");
        }
    }

    #[test]
    fn the_outcome_is_added_to_what_the_shop_had() {
        let rows = [
            ("/", "/?payment_id=pay_1&result=paid"),
            ("", "/?payment_id=pay_1&result=paid"),
            ("/sales/spring?hold=1&b=%26", "/sales/spring?hold=1&b=%26&payment_id=pay_1&result=paid"),
            ("http://127.0.0.1:8787/a?x=1#top", "/a?x=1&payment_id=pay_1&result=paid#top"),
            ("/a?result=declined&x=1&payment_id=pay_0", "/a?x=1&payment_id=pay_1&result=paid"),
        ];
        for (return_url, expected) in rows {
            let url = with_result(shop().return_to(return_url).unwrap(), "pay_1", "paid");
            assert_eq!(url.as_str(), format!("http://127.0.0.1:8787{expected}"));
        }
    }

    #[test]
    fn a_shop_that_is_not_http_is_refused() {
        for url in ["", "shop", "ftp://127.0.0.1/", "file:///tmp"] {
            assert!(Shop::new(url).is_err(), "{url:?} was accepted");
        }
    }
}
