//! The check of a new sale. It needs a calendar and a list of currencies, and reports all errors at once, each with its
//! JSON Pointer.

use std::collections::HashSet;

use iso_currency::Currency;
use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::fmt::temporal::Pieces;
use protocol::admin::{
    FieldError, HOLD_TTL_S_MAX, LAPSE_COOLDOWN_S_MAX, NAME_MAX_CHARS, NewSale, PER_USER_MAX, SKUS_MAX, STOCK_MAX,
    UNIT_PRICE_MAX,
};
use protocol::printable::is_printable;

/// Returns the sale with defaults filled in and times in UTC. Whether a sale that opens now is already closed is left
/// to the database, which has the clock and knows sales created before.
///
/// # Errors
/// Every fault.
pub fn checked(mut sale: NewSale) -> Result<NewSale, Vec<FieldError>> {
    let mut faults = FieldErrors::default();
    faults.slug("/sale_id", &sale.sale_id);
    faults.text("/name", &sale.name, NAME_MAX_CHARS);
    match Currency::from_code(&sale.currency) {
        None => faults.add("/currency", "is no ISO 4217 code, for example KRW"),
        // Amounts are in the minor unit, so a currency without one cannot be shown.
        Some(currency) if currency.exponent().is_none() => faults.add("/currency", "has no minor unit in ISO 4217"),
        Some(_) => {}
    }
    let opens_at = faults.time("/opens_at", &mut sale.opens_at);
    let closes_at = faults.time("/closes_at", &mut sale.closes_at);
    if let (Some(opens_at), Some(closes_at)) = (opens_at, closes_at)
        && opens_at >= closes_at
    {
        faults.add("/closes_at", "must be later than opens_at, which is now unless given");
    }
    let hold_ttl_s = *sale.hold_ttl_s.get_or_insert(300);
    faults.range("/hold_ttl_s", hold_ttl_s, 1, HOLD_TTL_S_MAX);
    if sale.skus.is_empty() || sale.skus.len() > SKUS_MAX {
        faults.add("/skus", "must have 1 to 100 SKUs");
    }
    match sale.late_payment.as_deref() {
        // Given or left out, it is the same sale.
        None | Some("refund") => sale.late_payment = None,
        Some("retake") => {}
        Some(_) => faults.add("/late_payment", "must be refund or retake"),
    }
    match sale.status.as_deref() {
        None | Some("open") => sale.status = None,
        Some("draft") => {}
        Some(_) => faults.add("/status", "must be open or draft"),
    }
    match sale.stock_before_opening.as_deref() {
        None | Some("shown") => sale.stock_before_opening = None,
        Some("hidden") => {}
        Some(_) => faults.add("/stock_before_opening", "must be shown or hidden"),
    }
    sale.buyer_cancel = sale.buyer_cancel.filter(|lets| *lets);
    faults.range("/lapse_cooldown_s", sale.lapse_cooldown_s.unwrap_or(0), 0, LAPSE_COOLDOWN_S_MAX);
    sale.lapse_cooldown_s = sale.lapse_cooldown_s.filter(|seconds| *seconds != 0);
    let mut seen = HashSet::new();
    for (i, sku) in sale.skus.iter_mut().enumerate() {
        faults.slug(&format!("/skus/{i}/sku_id"), &sku.sku_id);
        if !seen.insert(sku.sku_id.clone()) {
            faults.add(&format!("/skus/{i}/sku_id"), "is in the list already");
        }
        faults.text(&format!("/skus/{i}/name"), &sku.name, NAME_MAX_CHARS);
        faults.range(&format!("/skus/{i}/unit_price"), sku.unit_price, 0, UNIT_PRICE_MAX);
        faults.range(&format!("/skus/{i}/stock"), sku.stock, 0, STOCK_MAX);
        let max_per_user = *sku.max_per_user.get_or_insert(1);
        faults.range(&format!("/skus/{i}/max_per_user"), max_per_user, 1, PER_USER_MAX);
    }
    if faults.0.is_empty() { Ok(sale) } else { Err(faults.0) }
}

#[derive(Default)]
struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    fn add(&mut self, pointer: &str, detail: &str) {
        self.0.push(FieldError { pointer: pointer.to_owned(), detail: detail.to_owned() });
    }

    fn slug(&mut self, pointer: &str, value: &str) {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !(1..=64).contains(&value.len()) || value.starts_with('-') || !value.bytes().all(inner) {
            self.add(pointer, "must match [a-z0-9][a-z0-9-]{0,63}");
        }
    }

    fn text(&mut self, pointer: &str, value: &str, max: usize) {
        if !is_printable(value, max) {
            self.add(pointer, &format!("must be 1 to {max} printable characters"));
        }
    }

    fn range(&mut self, pointer: &str, value: i64, min: i64, max: i64) {
        if !(min..=max).contains(&value) {
            self.add(pointer, &format!("must be from {min} to {max}"));
        }
    }

    fn time(&mut self, pointer: &str, value: &mut Option<String>) -> Option<DateTime> {
        let text = value.as_mut()?;
        let time = in_utc(text);
        match time {
            Some(time) => *text = format!("{time}Z"),
            None => self.add(
                pointer,
                "must be a time of the years 1 to 9999 as RFC 3339 writes it, for example 2026-01-15T05:00:00Z",
            ),
        }
        time
    }
}

/// An RFC 3339 time in UTC, in the years 1 to 9999: RFC 3339 has a year 0, the database has none. It is a civil time
/// because `jiff::Timestamp` ends a day before the year 9999 does.
pub fn in_utc(text: &str) -> Option<DateTime> {
    let pieces = is_rfc3339(text).then(|| Pieces::parse(text).ok()).flatten()?;
    let ahead = SignedDuration::from_secs(pieces.to_numeric_offset()?.seconds().into());
    let time = pieces.date().to_datetime(pieces.time()?).checked_sub(ahead).ok()?;
    (time.year() >= 1).then_some(time)
}

/// Checks the form only, because no library does: `jiff` accepts an offset over a day or without minutes and a zone's name,
/// `time` any separator before the hour, and it makes a leap second the last fraction of the second before.
fn is_rfc3339(text: &str) -> bool {
    let is_like = |text: &str, form: &str| {
        let like = |(byte, form): (u8, u8)| match form {
            b'0' => byte.is_ascii_digit(),
            b'T' => matches!(byte, b'T' | b't' | b' '),
            other => byte == other,
        };
        text.len() == form.len() && text.bytes().zip(form.bytes()).all(like)
    };
    let Some((time, rest)) = text.split_at_checked(19) else { return false };
    let offset = match rest.strip_prefix('.') {
        Some(rest) => rest.trim_start_matches(|digit: char| digit.is_ascii_digit()),
        None => rest,
    };
    let hours = offset.get(1..3).unwrap_or_default();
    let is_offset = offset.eq_ignore_ascii_case("z") || is_like(offset, "+00:00") || is_like(offset, "-00:00");
    is_like(time, "0000-00-00T00:00:00") && is_offset && hours < "24"
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    fn sale_with(path: &str, value: Value) -> Result<protocol::admin::NewSale, Vec<String>> {
        let mut sale = json!({"sale_id": "drop", "name": "봄 🌸", "currency": "KRW", "skus": [
            {"sku_id": "a", "name": "A", "unit_price": 1, "stock": 1},
            {"sku_id": "b", "name": "B", "unit_price": 1, "stock": 1}]});
        if let Some(place) = sale.pointer_mut(path) {
            *place = value;
        } else {
            sale[path.trim_start_matches('/')] = value;
        }
        let Ok(sale) = serde_json::from_value(sale) else { return Err(vec!["malformed".to_owned()]) };
        super::checked(sale).map_err(|faults| faults.into_iter().map(|fault| fault.pointer).collect())
    }

    #[test]
    fn a_field_error_names_its_pointer() {
        for (path, value) in [
            ("/sale_id", json!("Drop")),
            ("/sale_id", json!("")),
            ("/sale_id", json!("-a")),
            ("/name", json!("a\u{0}b")),
            ("/name", json!(" ")),
            ("/name", json!("a\u{200b}b")),
            ("/skus/0/name", json!("\u{202e}A")),
            ("/currency", json!("WON")),
            ("/currency", json!("XAU")),
            ("/currency", json!("XXX")),
            ("/opens_at", json!("tomorrow")),
            ("/opens_at", json!("0000-12-31T23:59:59Z")),
            ("/opens_at", json!("-009999-01-02T00:00:00Z")),
            ("/opens_at", json!("2026-12-01T00:00:00+25:00")),
            ("/closes_at", json!("9999-12-31T23:59:59-00:01")),
            ("/hold_ttl_s", json!(0)),
            ("/hold_ttl_s", json!(1e9)),
            ("/skus", json!([])),
            ("/skus/1/sku_id", json!("a")),
            ("/skus/0/unit_price", json!(-1)),
            ("/skus/0/stock", json!(1e18)),
            ("/skus/1/max_per_user", json!(0)),
        ] {
            let faults = if path.ends_with("max_per_user") {
                sale_with(
                    "/skus/1",
                    json!({"sku_id": "b", "name": "B", "unit_price": 1, "stock": 1, "max_per_user": 0}),
                )
            } else {
                sale_with(path, value.clone())
            };
            assert_eq!(faults.err(), Some(vec![path.to_owned()]), "{path} {value}");
        }
    }

    #[test]
    fn a_time_is_as_rfc_3339_writes_it() {
        for (text, utc) in [
            ("2026-01-15T14:00:00+09:00", Some("2026-01-15T05:00:00")),
            ("2026-01-15t05:00:00.500z", Some("2026-01-15T05:00:00.5")),
            ("2026-01-15 05:00:00-00:00", Some("2026-01-15T05:00:00")),
            ("2026-12-01T00:00:00+23:59", Some("2026-11-30T00:01:00")),
            ("2016-12-31T23:59:60Z", Some("2016-12-31T23:59:59")),
            ("0001-01-01T00:00:00Z", Some("0001-01-01T00:00:00")),
            ("9999-12-31T23:59:59Z", Some("9999-12-31T23:59:59")),
            ("9999-12-31T23:59:59-00:01", None),
            ("0001-01-01T00:00:00+00:01", None),
            ("2026-12-01T00:00:00+24:00", None),
            ("2026-12-01T00:00:00-25:00", None),
            ("2026-12-01T00:00:00+23:60", None),
            ("2026-12-01T00:00:00+09", None),
            ("2026-12-01T00:00:00+0900", None),
            ("2026-12-01T00:00:00", None),
            ("2026-12-01T00:00Z", None),
            ("2026-12-01T00:00:00.Z", None),
            ("2026-12-01T24:00:00Z", None),
            ("2026-02-29T00:00:00Z", None),
            ("2026-12-01T00:00:00Z[UTC]", None),
            ("20261201T000000Z", None),
            ("+002026-12-01T00:00:00Z", None),
            ("２026-12-01T00:00:00Z", None),
            ("", None),
        ] {
            assert_eq!(super::in_utc(text).map(|time| time.to_string()).as_deref(), utc, "{text}");
        }
    }

    #[test]
    fn an_end_before_the_beginning_is_a_field_error_and_one_before_now_is_left_to_the_database() {
        let times = |opens_at: Value, closes_at: Value| {
            let sale = json!({"sale_id": "drop", "name": "A", "currency": "KRW", "opens_at": opens_at,
                "closes_at": closes_at, "skus": [{"sku_id": "a", "name": "A", "unit_price": 1, "stock": 1}]});
            let sale = serde_json::from_value(sale).unwrap();
            super::checked(sale).map(|_| ()).map_err(|faults| faults.into_iter().map(|fault| fault.pointer).collect())
        };
        let fault = Err(vec!["/closes_at".to_owned()]);
        assert_eq!(times(json!("2020-01-01T09:00:00+09:00"), json!("2020-01-01T00:00:00Z")), fault);
        assert_eq!(times(json!("2020-01-01T09:00:00+09:00"), json!("2020-01-01T00:00:01Z")), Ok(()));
        assert_eq!(times(Value::Null, json!("2020-01-01T00:00:00Z")), Ok(()));
    }

    #[test]
    fn defaults_are_filled_in_and_times_brought_to_utc() -> Result<(), Vec<String>> {
        let sale = sale_with("/opens_at", json!("2026-01-15T14:00:00+09:00"))?;
        assert_eq!(sale.opens_at.as_deref(), Some("2026-01-15T05:00:00Z"));
        assert_eq!((sale.hold_ttl_s, sale.skus[0].max_per_user), (Some(300), Some(1)));
        Ok(())
    }
}
