//! Origins (RFC 6454): which page made a request, and whether its cookie may authorize it.

/// Scheme, host and port of an address.
pub fn of(url: &str) -> &str {
    let after_scheme = url.find("://").map_or(url.len(), |at| at.saturating_add(3));
    let end = url.get(after_scheme..).and_then(|rest| rest.find(['/', '?', '#']));
    end.and_then(|end| url.get(..after_scheme.saturating_add(end))).unwrap_or(url)
}

/// Whether a cookie alone authorizes a request. A browser names the page that made a change in `Origin`; without that
/// it still sends `Sec-Fetch-Site`. A client that sends neither is no browser, so no page made it send the cookie.
pub fn may_use_a_cookie(method: &str, url: &str, origin: Option<&str>, site: Option<&str>, allowed: &[String]) -> bool {
    if matches!(method, "GET" | "HEAD" | "OPTIONS") {
        return true;
    }
    match origin {
        Some(origin) => origin == of(url) || allowed.iter().any(|one| one == origin),
        None => matches!(site, None | Some("same-origin" | "none")),
    }
}

/// Whether a URL names this machine: `localhost`, 127.0.0.0/8, `::1`.
pub fn is_loopback(url: &str) -> bool {
    let authority = of(url).split_once("://").map_or("", |(_, authority)| authority);
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let named = host == "localhost" || host.ends_with(".localhost");
    named || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_stands_before_the_path() {
        for (url, origin) in [
            ("https://shop.example/v1/x?y=z", "https://shop.example"),
            ("http://127.0.0.1:8787/", "http://127.0.0.1:8787"),
            ("https://shop.example", "https://shop.example"),
            ("https://shop.example?a=https://evil.example/", "https://shop.example"),
        ] {
            assert_eq!(of(url), origin);
        }
    }

    #[test]
    fn a_change_by_cookie_comes_from_a_page_of_ours_or_a_configured_one() {
        let allowed = ["https://www.example".to_owned()];
        let may = |method, origin, site| {
            may_use_a_cookie(method, "https://shop.example/v1/reservations", origin, site, &allowed)
        };
        for origin in ["https://shop.example", "https://www.example"] {
            assert!(may("POST", Some(origin), None) && may("DELETE", Some(origin), Some("cross-site")), "{origin}");
        }
        for origin in [
            "https://evil.example",
            "null",
            "",
            "http://shop.example",
            "https://shop.example:444",
            "https://a.shop.example",
        ] {
            for method in ["POST", "PATCH", "PUT", "DELETE"] {
                assert!(!may(method, Some(origin), None) && !may(method, Some(origin), Some("none")), "{origin}");
            }
            // To read is what CORS lets a page do or not.
            assert!(may("GET", Some(origin), Some("cross-site")) && may("HEAD", Some(origin), None), "{origin}");
        }
        assert!(may("POST", None, None) && may("POST", None, Some("same-origin")) && may("POST", None, Some("none")));
        assert!(!may("POST", None, Some("cross-site")) && !may("DELETE", None, Some("same-site")));
    }

    #[test]
    fn loopback_has_few_names() {
        for url in [
            "http://localhost/",
            "http://127.0.0.1:8787/a",
            "http://[::1]:1/",
            "http://a.localhost:9",
            "http://127.9.9.9",
        ] {
            assert!(is_loopback(url), "{url}");
        }
        for url in [
            "http://evil.example/",
            "http://localhost.evil.example/",
            "http://127.0.0.1.evil.example/",
            "http://10.0.0.1/",
            "http://[::]/",
            "http://0.0.0.0/",
            "http://evil.example/@localhost",
            "",
        ] {
            assert!(!is_loopback(url), "{url}");
        }
    }
}
