//! In which unit each gateway counts each currency. Here money is a whole number of ISO 4217's minor unit; theirs is read
//! and written exactly, or not at all, and never as a float.

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

/// Three-decimal currencies that Stripe takes; of four-decimal ones it takes none.
const STRIPES_THREE_DECIMALS: [&str; 5] = ["BHD", "JOD", "KWD", "OMR", "TND"];

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

/// None: this gateway does not take this currency, or nobody here knows in which unit; nothing is guessed about money.
#[must_use]
pub fn unit(gateway: &str, currency: &str) -> Option<Unit> {
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    match (gateway, currency) {
        ("standard" | "portone", _) => Some(Unit::Minor),
        ("toss", "KRW") => Some(Unit::Minor),
        ("toss", "USD") => Some(Unit::Decimal(2)),
        // It counts these two in hundredths that neither has any more, and this one without the fifths that it has.
        ("stripe", "ISK" | "UGX") => Some(Unit::Finer(100)),
        ("stripe", "MGA") => Some(Unit::Coarser(100)),
        ("stripe", _) if decimals(currency) == 3 => STRIPES_THREE_DECIMALS.contains(&currency).then_some(Unit::Minor),
        ("stripe", _) if decimals(currency) > 3 => None,
        ("stripe", _) => Some(Unit::Minor),
        _ => None,
    }
}

/// The currencies that a gateway takes, for a person: what [`unit`] knows.
#[must_use]
pub fn taken_by(gateway: &str) -> &'static str {
    match gateway {
        "standard" | "portone" => "every currency of ISO 4217",
        "toss" => "KRW and USD",
        "stripe" => "every currency of ISO 4217 with up to three decimals, but IQD and LYD",
        _ => "none",
    }
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
    fn an_amount_is_turned_into_each_gateways_unit_and_back() {
        for (gateway, currency, ours, theirs) in [
            ("standard", "KRW", 1_000, "1000"),
            ("portone", "USD", 1_050, "1050"),
            ("toss", "KRW", 150_000, "150000"),
            ("toss", "USD", 1_050, "10.50"),
            ("toss", "USD", 5, "0.05"),
            ("toss", "USD", 900_719_925_474, "9007199254.74"),
            ("stripe", "KRW", 1_000, "1000"),
            ("stripe", "USD", 1_999, "1999"),
            ("stripe", "KWD", 1_230, "1230"),
            ("stripe", "ISK", 500, "50000"),
            ("stripe", "UGX", 500, "50000"),
            ("stripe", "MGA", 1_000, "10"),
        ] {
            let unit = unit(gateway, currency).expect(currency);
            assert_eq!(unit.write(ours).as_deref(), Some(theirs), "{gateway} {currency}");
            assert_eq!(unit.read(theirs), Some(ours), "{gateway} {currency}");
        }
    }

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

    #[test]
    fn what_a_gateway_does_not_take_is_not_guessed() {
        for (gateway, currency) in [
            ("toss", "JPY"),
            ("toss", "EUR"),
            ("stripe", "IQD"),
            ("stripe", "CLF"),
            ("other", "KRW"),
            ("standard", "krw"),
        ] {
            assert_eq!(unit(gateway, currency), None, "{gateway} {currency}");
        }
    }
}
