//! Money as a person writes it, by the currency's own decimals (ISO 4217), as the page's script does.

/// `150,000원`, `₩150,000`, `$19.99`, `IQD 1.500`; the caller writes the word for `free`.
pub fn money(language: &str, amount: i64, currency: &str, decimals: usize) -> String {
    let digits = format!("{:0>width$}", amount.unsigned_abs(), width = decimals.saturating_add(1));
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(decimals));
    let sign = if amount < 0 { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    let number = format!("{}{point}{fraction}", grouped(whole));
    let korean = language == "ko";
    match (korean, currency) {
        (true, "KRW") => format!("{sign}{number}원"),
        (_, "KRW") => format!("{sign}₩{number}"),
        (true, "USD") => format!("{sign}US${number}"),
        (_, "USD") => format!("{sign}${number}"),
        (true, "JPY") => format!("{sign}JP¥{number}"),
        (_, "JPY") => format!("{sign}¥{number}"),
        (_, "EUR") => format!("{sign}€{number}"),
        (_, "GBP") => format!("{sign}£{number}"),
        _ => format!("{sign}{currency}\u{a0}{number}"),
    }
}

/// `1234567` as `1,234,567`.
pub fn grouped(digits: &str) -> String {
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && digits.len().saturating_sub(at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_written_with_its_currencys_decimals() {
        for (language, amount, currency, decimals, want) in [
            ("ko", 150_000, "KRW", 0, "150,000원"),
            ("en", 150_000, "KRW", 0, "₩150,000"),
            ("en", 1_999, "USD", 2, "$19.99"),
            ("ko", 5, "USD", 2, "US$0.05"),
            ("en", 1_500, "IQD", 3, "IQD\u{a0}1.500"),
            ("en", 123_456_789, "RSD", 2, "RSD\u{a0}1,234,567.89"),
            ("en", -150, "HUF", 2, "-HUF\u{a0}1.50"),
            ("ko", 0, "JPY", 0, "JP¥0"),
        ] {
            assert_eq!(money(language, amount, currency, decimals), want);
        }
    }
}
