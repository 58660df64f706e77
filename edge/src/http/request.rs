//! What came with a request before its body: method, address, headers.

use worker::web_sys;

use crate::runtime::js;

/// A request's method, address and headers.
pub struct RequestHead {
    /// By how many milliseconds the isolate was late when it arrived.
    pub late_ms: u64,
    pub method: String,
    pub url: String,
    headers: Vec<(String, String)>,
}

impl RequestHead {
    pub fn of(request: &web_sys::Request) -> Self {
        Self::from(&js::head(request))
    }

    fn from(lines: &str) -> Self {
        let mut lines = lines.split('\n').map(str::to_owned);
        let mut next = || lines.next();
        let late_ms = next().and_then(|late_ms| late_ms.parse().ok()).unwrap_or_default();
        let (method, url) = (next().unwrap_or_default(), next().unwrap_or_default());
        let mut headers = Vec::new();
        while let (Some(name), Some(value)) = (next(), next()) {
            headers.push((name, value));
        }
        Self { late_ms, method, url, headers }
    }

    /// A header by its name in small letters; one that came several times is joined with commas.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The path of the URL.
    pub fn path(&self) -> &str {
        let after_scheme = self.url.split_once("://").map_or("", |(_, rest)| rest);
        let host_and_path = after_scheme.split(['?', '#']).next().unwrap_or_default();
        host_and_path.find('/').and_then(|start| host_and_path.get(start..)).unwrap_or("/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_from_its_lines() {
        let head =
            RequestHead::from("12\nPOST\nhttps://a.example/v1/x?y=/z#w\nidempotency-key\nk\nempty\n\ncookie\na=b; c=d");
        assert_eq!((head.late_ms, head.method.as_str(), head.path()), (12, "POST", "/v1/x"));
        assert_eq!(head.header("Idempotency-Key"), Some("k"));
        assert_eq!((head.header("Empty"), head.header("cookie")), (Some(""), Some("a=b; c=d")));
        assert_eq!(head.header("authorization"), None);
        for (url, path) in [("http://a", "/"), ("http://a/", "/"), ("http://a?b=/c", "/"), ("http://a:1/b?c", "/b")] {
            assert_eq!(RequestHead::from(&format!("0\nGET\n{url}")).path(), path, "{url}");
        }
    }
}
