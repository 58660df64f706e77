//! How a link to a page is shown where people talk: the description and the properties of the Open Graph protocol.

use super::html::escape;
use crate::runtime::limits;

/// For the head of the page at `address`.
pub fn preview(address: &str, language: &str, title: &str, about: &str, image_url: Option<&str>) -> String {
    let locale = if language == "ko" { "ko_KR" } else { "en_US" };
    let about: String = about.chars().take(limits::PREVIEW_MAX_CHARS).collect();
    let mut properties = vec![
        ("og:site_name", "Holdfast"),
        ("og:type", "website"),
        ("og:title", title),
        ("og:description", &about),
        ("og:url", address),
        ("og:locale", locale),
    ];
    properties.extend(image_url.map(|url| ("og:image", url)));
    let tag =
        |(property, content): (&str, &str)| format!(r#"<meta property="{property}" content="{}">"#, escape(content));
    let tags: String = properties.into_iter().map(tag).collect();
    format!(r#"<meta name="description" content="{}">{tags}"#, escape(&about))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_has_a_title_words_an_address_a_language_and_a_picture_if_there_is_one() {
        let html = preview("https://shop.example/sales/a?b&c", "ko", r#"봄 "한정판" <1>"#, "가격 & 시간", None);
        assert_eq!(
            html,
            r#"<meta name="description" content="가격 &amp; 시간"><meta property="og:site_name" content="Holdfast"><meta property="og:type" content="website"><meta property="og:title" content="봄 &quot;한정판&quot; &lt;1&gt;"><meta property="og:description" content="가격 &amp; 시간"><meta property="og:url" content="https://shop.example/sales/a?b&amp;c"><meta property="og:locale" content="ko_KR">"#
        );
        let with_picture = preview("https://a.example/", "en", "t", "a", Some("https://a.example/a.png?x=\"y"));
        let image = r#"<meta property="og:image" content="https://a.example/a.png?x=&quot;y">"#;
        assert!(with_picture.contains(r#"content="en_US""#) && with_picture.ends_with(image), "{with_picture}");
    }

    #[test]
    fn a_long_description_is_cut_between_characters() {
        let html = preview("", "ko", "", &"글".repeat(limits::PREVIEW_MAX_CHARS + 1), None);
        let words = "글".repeat(limits::PREVIEW_MAX_CHARS);
        assert_eq!(html.matches(&format!(r#"content="{words}">"#)).count(), 2, "{html}");
    }
}
