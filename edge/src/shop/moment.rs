//! Points in time as the first screen writes them. The Worker does not know the reader's time zone, and says which one it
//! uses; the page's script then writes the reader's own.

/// Korea has had no summer time since 1988.
const KOREA_MS: i64 = 9 * 3_600_000;
const DAY_MS: i64 = 86_400_000;

/// Unix time in ms of an RFC 3339 time in UTC, which is all that the database writes.
pub fn parse_ms(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    if !text.ends_with('Z') || text.get(10..11) != Some("T") {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let seconds = hour.checked_mul(3_600)?.checked_add(minute.checked_mul(60)?)?.checked_add(second)?;
    days(year, month, day)?.checked_mul(DAY_MS)?.checked_add(seconds.checked_mul(1_000)?)
}

/// Days from 1970-01-01; the year begins with March, so that February's end is the year's.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let months = if month > 2 { month.checked_sub(3)? } else { month.checked_add(9)? };
    let leaps = year.div_euclid(4).checked_sub(year.div_euclid(100))?.checked_add(year.div_euclid(400))?;
    let day_of_year = months.checked_mul(153)?.checked_add(2)?.div_euclid(5).checked_add(day)?.checked_sub(1)?;
    year.checked_mul(365)?.checked_add(leaps)?.checked_add(day_of_year)?.checked_sub(719_468)
}

/// `11월 27일 (금) 오후 2:05` in Korea's time, `Fri, Nov 27, 2:05 PM` in UTC.
pub fn moment(language: &str, at_ms: i64) -> Option<String> {
    let korean = language == "ko";
    let local_ms = if korean { at_ms.checked_add(KOREA_MS)? } else { at_ms };
    let (day, in_day_ms) = (local_ms.div_euclid(DAY_MS), local_ms.rem_euclid(DAY_MS));
    let (month, day_of_month) = date(day)?;
    let weekday = usize::try_from(day.checked_add(4)?.rem_euclid(7)).ok()?;
    let (hour, minute) = (in_day_ms.div_euclid(3_600_000), in_day_ms.div_euclid(60_000).rem_euclid(60));
    let twelve = match hour.rem_euclid(12) {
        0 => 12,
        other => other,
    };
    let name = |names: &'static str, at: usize| names.split(' ').nth(at);
    Some(if korean {
        let weekday = name("일 월 화 수 목 금 토", weekday)?;
        let half = if hour < 12 { "오전" } else { "오후" };
        format!("{month}월 {day_of_month}일 ({weekday}) {half} {twelve}:{minute:02}")
    } else {
        let weekday = name("Sun Mon Tue Wed Thu Fri Sat", weekday)?;
        let month =
            name("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec", usize::try_from(month).ok()?.checked_sub(1)?)?;
        let half = if hour < 12 { "AM" } else { "PM" };
        format!("{weekday}, {month} {day_of_month}, {twelve}:{minute:02} {half}")
    })
}

/// Month and day of the month of a day since 1970-01-01: the inverse of `days`.
fn date(day: i64) -> Option<(i64, i64)> {
    let day = day.checked_add(719_468)?.rem_euclid(146_097);
    let leaps = day.div_euclid(1_460).checked_sub(day.div_euclid(36_524))?.checked_add(day.div_euclid(146_096))?;
    let year = day.checked_sub(leaps)?.div_euclid(365);
    let before = year.checked_mul(365)?.checked_add(year.div_euclid(4))?.checked_sub(year.div_euclid(100))?;
    let day_of_year = day.checked_sub(before)?;
    let months = day_of_year.checked_mul(5)?.checked_add(2)?.div_euclid(153);
    let begun = months.checked_mul(153)?.checked_add(2)?.div_euclid(5);
    let month = if months < 10 { months.checked_add(3)? } else { months.checked_sub(9)? };
    Some((month, day_of_year.checked_sub(begun)?.checked_add(1)?))
}

/// 65 s as `01:05`, 3661 s as `01:01:01`; whole days are written as a sentence by the caller.
pub fn digits(left_s: i64) -> String {
    let (hours, minutes, seconds) = (left_s / 3_600 % 24, left_s / 60 % 60, left_s % 60);
    if left_s >= 3_600 { format!("{hours:02}:{minutes:02}:{seconds:02}") } else { format!("{minutes:02}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_is_read_and_written_as_a_calendar_does() {
        for day in 0..60_000_i64 {
            let at = jiff::Timestamp::from_millisecond(day * DAY_MS + 50_700_000).unwrap();
            assert_eq!(parse_ms(&at.to_string()), Some(at.as_millisecond()));
            assert_eq!(moment("en", at.as_millisecond()), Some(at.strftime("%a, %b %-d, %-I:%M %p").to_string()));
        }
        assert_eq!(moment("ko", 1_795_755_900_000).as_deref(), Some("11월 27일 (금) 오후 2:05"));
        for other in ["", "2026-11-27", "2026-11-27T05:05:00+09:00", "2026-11-27T0x:05:00Z"] {
            assert_eq!(parse_ms(other), None, "{other}");
        }
        assert_eq!(parse_ms("2026-11-27T05:05:00.123456Z"), Some(1_795_755_900_000));
    }

    #[test]
    fn what_is_left_is_written_as_a_clock_does() {
        for (left_s, want) in [(0, "00:00"), (65, "01:05"), (3_661, "01:01:01"), (90_000, "01:00:00")] {
            assert_eq!(digits(left_s), want);
        }
    }
}
