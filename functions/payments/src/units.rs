//! Units of money. Holdfast counts in whole numbers of ISO 4217's minor unit; a gateway's amount is converted exactly or not at
//! all, and never as a float.

/// How a gateway writes an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Whole minor units.
    Minor,
    /// This many of theirs are one minor unit.
    Finer(i64),
    /// One of theirs is this many minor units.
    Coarser(i64),
    /// Major units with so many decimals: `10.50`.
    Decimal(u32),
}

/// Decimals of a currency's minor unit, as ISO 4217 has them.
#[must_use]
pub fn decimals(currency: &str) -> u32 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND"
        | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    }
}

/// Whether it has the form of an ISO 4217 code: three capital letters.
#[must_use]
pub fn is_code(currency: &str) -> bool {
    currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase())
}

impl Unit {
    /// A gateway's number in minor units. None: it is no such amount, or is not one exactly.
    #[must_use]
    pub fn read(self, text: &str) -> Option<i64> {
        match self {
            Self::Minor => decimal(text, 0),
            Self::Finer(times) => decimal(text, 0).filter(|theirs| theirs % times == 0).map(|theirs| theirs / times),
            Self::Coarser(by) => decimal(text, 0)?.checked_mul(by),
            Self::Decimal(places) => decimal(text, places),
        }
    }

    /// Minor units as the gateway's number. None: it has no such amount.
    #[must_use]
    pub fn write(self, amount: i64) -> Option<String> {
        match self {
            Self::Minor => Some(amount.to_string()),
            Self::Finer(times) => amount.checked_mul(times).map(|theirs| theirs.to_string()),
            Self::Coarser(by) => (amount % by == 0).then(|| (amount / by).to_string()),
            Self::Decimal(places) => {
                let one = 10_i64.checked_pow(places)?;
                let width = usize::try_from(places).ok()?;
                (amount >= 0).then(|| format!("{}.{:0width$}", amount / one, amount % one))
            }
        }
    }
}

/// A number of JSON, `10`, `10.5` or `10.50`, times ten to the power of `places`; none where that is no whole number, is
/// below zero, or is larger than any JSON reader keeps exactly.
fn decimal(text: &str, places: u32) -> Option<i64> {
    const MOST: i64 = 9_007_199_254_740_991;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || (text.contains('.') && !digits(fraction)) {
        return None;
    }
    let kept = usize::try_from(places).ok()?;
    let (kept, rest) = fraction.split_at(kept.min(fraction.len()));
    if rest.bytes().any(|digit| digit != b'0') {
        return None;
    }
    let missing = places.checked_sub(u32::try_from(kept.len()).ok()?)?;
    let number: i64 = format!("{whole}{kept}").parse().ok()?;
    number.checked_mul(10_i64.checked_pow(missing)?).filter(|number| *number <= MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_exactly_an_amount_is_none() {
        let dollars = Unit::Decimal(2);
        for (text, amount) in [
            ("10", Some(1_000)),
            ("10.5", Some(1_050)),
            ("10.500", Some(1_050)),
            ("0", Some(0)),
            ("10.505", None),
            ("10.", None),
            (".5", None),
            ("1e2", None),
            ("-1", None),
            ("+1", None),
            ("", None),
            ("1.2.3", None),
            ("\"1\"", None),
            ("١", None),
            ("90071992547409.92", None),
            ("99999999999999999999999", None),
        ] {
            assert_eq!(dollars.read(text), amount, "{text}");
        }
        assert_eq!((Unit::Minor.read("1.0"), Unit::Minor.read("1.5")), (Some(1), None));
        // Half a krona, and a fifth of an ariary that Stripe does not count.
        assert_eq!((Unit::Finer(100).read("50050"), Unit::Coarser(100).write(1_020)), (None, None));
    }
}
