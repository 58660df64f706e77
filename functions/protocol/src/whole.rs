//! A whole number as JSON Schema's `integer` means it: `1`, `1.0` and `1e0` are one. A number too large for the
//! type is still a number: it is read as the nearest bound, and the check of the value's range refuses it by name.

use std::fmt;

use serde::de::{Deserializer, Error, Visitor};

/// For `#[serde(deserialize_with)]`.
///
/// # Errors
/// Anything but a whole number.
pub fn number<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    from.deserialize_any(Whole)
}

/// The same where the field may be left out (with `#[serde(default)]`); `null` is not a number.
///
/// # Errors
/// Anything but a whole number.
pub fn optional<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    number(from).map(Some)
}

struct Whole;

impl Visitor<'_> for Whole {
    type Value = i64;

    fn expecting(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str("a whole number")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<i64, E> {
        Ok(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<i64, E> {
        Ok(i64::try_from(value).unwrap_or(i64::MAX))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<i64, E> {
        if value.fract() != 0.0 {
            return Err(E::invalid_type(serde::de::Unexpected::Float(value), &self));
        }
        // `as` saturates: 1e300 becomes the largest number there is, which no bound admits.
        Ok(value as i64)
    }
}

#[cfg(test)]
mod tests {
    use crate::shop::Line;

    fn qty(json: &str) -> Option<i64> {
        serde_json::from_str::<Line>(&format!(r#"{{"sku_id":"a","qty":{json}}}"#)).map(|line| line.qty).ok()
    }

    #[test]
    fn a_whole_number_is_read_however_it_is_written() {
        for (json, want) in [
            ("1", Some(1)),
            ("1.0", Some(1)),
            ("1e2", Some(100)),
            ("-1", Some(-1)),
            ("1e300", Some(i64::MAX)),
            ("18446744073709551615", Some(i64::MAX)),
            ("1.5", None),
            ("\"1\"", None),
            ("null", None),
            ("true", None),
        ] {
            assert_eq!(qty(json), want, "{json}");
        }
    }
}
