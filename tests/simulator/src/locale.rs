//! Korean and English: which one a buyer reads, how money and times are written in it, and every sentence of the page.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locale {
    Ko,
    En,
}

impl Locale {
    /// The one of the two that `Accept-Language` ranks higher; the first named of equals; English where it names neither.
    pub fn of(headers: &HeaderMap) -> Self {
        let asked = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut best = (Self::En, 0.0);
        for range in asked.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let locale = match parts.next().unwrap_or_default().split('-').next() {
                Some(tag) if tag.eq_ignore_ascii_case("ko") => Self::Ko,
                Some(tag) if tag.eq_ignore_ascii_case("en") => Self::En,
                _ => continue,
            };
            let weight = parts.find_map(|p| p.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f32>).unwrap_or(0.0);
            if weight > best.1 {
                best = (locale, weight);
            }
        }
        best.0
    }

    pub fn tag(self) -> &'static str {
        match self {
            Self::Ko => "ko",
            Self::En => "en",
        }
    }

    /// `150,000원`, `₩150,000`; other currencies by their code: `USD 12.34`, `12.34 USD`.
    pub fn money(self, amount: i64, currency: &str) -> String {
        let decimals = decimals(currency);
        let digits = format!("{:0>width$}", amount.unsigned_abs(), width = decimals + 1);
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        let sign = if amount < 0 { "-" } else { "" };
        let point = if decimals > 0 { "." } else { "" };
        let number = format!("{}{point}{fraction}", grouped(whole));
        match (self, currency) {
            (Self::Ko, "KRW") => format!("{sign}{number}원"),
            (Self::En, "KRW") => format!("{sign}₩{number}"),
            (Self::Ko, _) => format!("{sign}{number} {currency}"),
            (Self::En, _) => format!("{currency} {sign}{number}"),
        }
    }

    /// What the button that pays says.
    pub fn pay(self, money: &str) -> String {
        match self {
            Self::Ko => format!("{money} 결제하기"),
            Self::En => format!("Pay {money}"),
        }
    }

    /// A time of day by Korea's clock, which has had no summer time since 1988: `오후 2:05:00`, `2:05:00 PM KST`.
    pub fn time(self, at: Timestamp) -> String {
        let local = at.to_zoned(TimeZone::fixed(Offset::constant(9)));
        let (hour, minute, second) = ((local.hour() + 11) % 12 + 1, local.minute(), local.second());
        let morning = local.hour() < 12;
        match self {
            Self::Ko => format!("{} {hour}:{minute:02}:{second:02}", if morning { "오전" } else { "오후" }),
            Self::En => format!("{hour}:{minute:02}:{second:02} {} KST", if morning { "AM" } else { "PM" }),
        }
    }

    /// The sentence of this name, if there is one.
    pub fn say(self, name: &str) -> Option<&'static str> {
        let (_, ko, en) = SENTENCES.iter().find(|(known, ..)| *known == name)?;
        Some(match self {
            Self::Ko => ko,
            Self::En => en,
        })
    }
}

/// ISO 4217's exceptions from two decimals.
fn decimals(currency: &str) -> usize {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND"
        | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    }
}

fn grouped(digits: &str) -> String {
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Name, Korean, English.
const SENTENCES: &[(&str, &str, &str)] = &[
    ("title", "결제", "Payment"),
    ("gateway", "홀드패스트 페이", "Holdfast Pay"),
    ("play", "연습용 · 실제로 결제되지 않아요", "Practice only · no real money"),
    ("amount", "결제 금액", "Amount to pay"),
    ("buyer", "구매자", "Buyer"),
    ("hold", "예약 번호", "Reservation"),
    ("deadline", "결제 기한", "Pay by"),
    ("left", "남은 시간", "Time left"),
    (
        "over",
        "예약 시간이 끝났어요. 지금 결제하면 주문되지 않고 환불돼요.",
        "The reservation has ended. A payment now becomes a refund, not an order.",
    ),
    ("unnamed", "주문 상품", "Your order"),
    ("decline", "결제 거절하기", "Decline"),
    ("tools", "테스트 도구", "Test tools"),
    (
        "tools_about",
        "실제 결제창에는 없는 기능이에요. 쇼핑몰이 까다로운 상황을 잘 처리하는지 확인할 때 쓰세요.",
        "A real payment page has none of these. They show whether the shop copes with awkward payments.",
    ),
    ("twice", "두 번 결제", "Pay twice"),
    ("twice_about", "같은 예약에 서로 다른 결제 두 건", "Two different payments for one reservation"),
    ("late", "예약이 끝난 뒤 결제", "Pay too late"),
    ("late_about", "기한이 지나고 1초 뒤에 알림 전송", "The shop hears of it 1 s after the deadline"),
    ("wrong", "다른 금액 결제", "Pay another amount"),
    ("delay", "알림 늦추기", "Delay the webhook"),
    ("delay_field", "늦출 시간(초)", "Delay in seconds"),
    ("delay_unit", "초 뒤 전송", "s later"),
    ("repeat", "알림 반복", "Repeat the webhook"),
    ("repeat_field", "반복 횟수", "Number of times"),
    ("repeat_unit", "번 동시에", "times at once"),
    ("repeat_same", "같은 ID로", "Same id"),
    ("repeat_fresh", "매번 새 ID로", "Fresh ids"),
    ("run", "실행", "Run"),
    ("refused", "결제를 시작할 수 없어요", "This payment cannot start"),
    (
        "refused_about",
        "쇼핑몰로 돌아가서 다시 시도해 주세요. 돈은 빠져나가지 않았어요.",
        "Go back to the shop and try again. No money was taken.",
    ),
    ("refused_field", "사용할 수 없는 값", "Value that cannot be used"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_as_its_readers_write_it() {
        let rows = [
            (150_000, "KRW", "150,000원", "₩150,000"),
            (999, "KRW", "999원", "₩999"),
            (1, "KRW", "1원", "₩1"),
            (12_345_678, "KRW", "12,345,678원", "₩12,345,678"),
            (-1_000, "KRW", "-1,000원", "-₩1,000"),
            (1_234_567, "JPY", "1,234,567 JPY", "JPY 1,234,567"),
            (5, "USD", "0.05 USD", "USD 0.05"),
            (123_456, "USD", "1,234.56 USD", "USD 1,234.56"),
            (1_234, "KWD", "1.234 KWD", "KWD 1.234"),
            (i64::MAX, "KRW", "9,223,372,036,854,775,807원", "₩9,223,372,036,854,775,807"),
        ];
        for (amount, currency, ko, en) in rows {
            assert_eq!(
                (Locale::Ko.money(amount, currency), Locale::En.money(amount, currency)),
                (ko.into(), en.into())
            );
        }
    }

    #[test]
    fn the_language_is_the_one_the_browser_ranks_higher() {
        let rows = [
            ("", Locale::En),
            ("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", Locale::Ko),
            ("en-US,en;q=0.9,ko;q=0.8", Locale::En),
            ("fr, ko;q=0.2", Locale::Ko),
            ("en;q=0.1, KO", Locale::Ko),
            ("ko;q=0, de", Locale::En),
            ("kok, en", Locale::En),
        ];
        for (asked, expected) in rows {
            let headers = HeaderMap::from_iter([(ACCEPT_LANGUAGE, asked.parse().unwrap())]);
            assert_eq!(Locale::of(&headers), expected, "{asked}");
        }
    }

    #[test]
    fn times_are_korean_times() {
        let rows = [
            ("2026-01-15T05:05:00Z", "오후 2:05:00", "2:05:00 PM KST"),
            ("2026-01-15T15:00:09Z", "오전 12:00:09", "12:00:09 AM KST"),
            ("2026-01-15T03:59:59.9Z", "오후 12:59:59", "12:59:59 PM KST"),
        ];
        for (at, ko, en) in rows {
            let at = at.parse().unwrap();
            assert_eq!((Locale::Ko.time(at), Locale::En.time(at)), (ko.into(), en.into()));
        }
    }
}
