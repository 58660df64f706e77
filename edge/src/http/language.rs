//! Which of the shop's two languages a client prefers, by `Accept-Language`.

/// `ko` or `en`; English if neither is accepted.
pub fn of(accept_language: Option<&str>) -> &'static str {
    let mut best = ("en", 0.0);
    for range in accept_language.unwrap_or_default().split(',') {
        let mut parts = range.split(';').map(str::trim);
        let tag = parts.next().unwrap_or_default().to_ascii_lowercase();
        let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f64>);
        let quality = quality.ok().filter(|quality| (0.0..=1.0).contains(quality)).unwrap_or(0.0);
        let language = match tag.split('-').next() {
            Some("ko") => "ko",
            Some("en" | "*") => "en",
            _ => continue,
        };
        // Of equals, the first one wins.
        if quality > best.1 {
            best = (language, quality);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_ranked_language_is_chosen() {
        for (header, want) in [
            (None, "en"),
            (Some(""), "en"),
            (Some("ko"), "ko"),
            (Some("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7"), "ko"),
            (Some("KO-kr"), "ko"),
            (Some("en-US,en;q=0.9,ko;q=0.8"), "en"),
            (Some("fr, ko;q=0.5, en;q=0.4"), "ko"),
            (Some("fr,de"), "en"),
            (Some("ko;q=0, en;q=0.1"), "en"),
            (Some("ko;q=0"), "en"),
            (Some("*, ko;q=0.5"), "en"),
            (Some("ko;q=x, en;q=0.1"), "en"),
            (Some("korean"), "en"),
        ] {
            assert_eq!(of(header), want, "{header:?}");
        }
    }
}
