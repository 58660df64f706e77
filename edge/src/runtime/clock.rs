//! The Worker's clock. `std::time` has none in Wasm; everything that is tested gets the time as an argument.

/// Unix time in milliseconds. Cloudflare lets it stand still between two I/O operations.
pub fn now_ms() -> u64 {
    worker::Date::now().as_millis()
}

/// A moment as RFC 3339 in UTC, to the millisecond.
pub fn rfc3339(at_ms: u64) -> String {
    let at = time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(at_ms).saturating_mul(1_000_000));
    let at = at.unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = at.to_calendar_date();
    let (hour, minute, second, milli) = at.to_hms_milli();
    format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z", u8::from(month))
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn a_moment_is_written_to_the_millisecond() {
        assert_eq!(rfc3339(1_768_453_200_007), "2026-01-15T05:00:00.007Z");
    }
}
