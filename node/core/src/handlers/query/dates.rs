//! Points in time as people write them in queries.
//!
//! Days begin at midnight UTC, so that a query means the same at every node.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// The beginning of a day `2026-01-31`, a month `2026-01` or a year `2026`; or a
/// time before `now`, in hours, days or weeks: `12h`, `7d`, `2w`.
pub(super) fn parse(text: &str, now: SystemTime) -> Option<SystemTime> {
    match text.as_bytes().last()? {
        b'h' | b'd' | b'w' => ago(text, now),
        _ => calendar(text),
    }
}

fn ago(text: &str, now: SystemTime) -> Option<SystemTime> {
    let (number, unit) = text.split_at(text.len() - 1);
    let unit = match unit {
        "h" => HOUR,
        "d" => DAY,
        _ => 7 * DAY,
    };
    let seconds = digits(number, 1..=6)?.checked_mul(unit)?;
    let then = now.checked_sub(Duration::from_secs(seconds));
    // Longer ago than files are counted is the beginning of it.
    Some(then.unwrap_or(UNIX_EPOCH).max(UNIX_EPOCH))
}

fn calendar(text: &str) -> Option<SystemTime> {
    let mut fields = text.split('-');
    let year = digits(fields.next()?, 4..=4).filter(|year| *year >= 1970)?;
    let month = fields
        .next()
        .map_or(Some(1), |month| digits(month, 2..=2))?;
    let day = fields.next().map_or(Some(1), |day| digits(day, 2..=2))?;
    if fields.next().is_some() || !(1..=12).contains(&month) {
        return None;
    }
    if !(1..=days_of(year, month)).contains(&day) {
        return None;
    }
    let years = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 });
    let months = (1..month).map(|month| days_of(year, month));
    let days = years.sum::<u64>() + months.sum::<u64>() + day - 1;
    UNIX_EPOCH.checked_add(Duration::from_secs(days * DAY))
}

fn digits(text: &str, length: std::ops::RangeInclusive<usize>) -> Option<u64> {
    let right = length.contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit());
    right.then(|| text.parse().ok()).flatten()
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<u64> {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let time = parse(text, now)?;
        Some(time.duration_since(UNIX_EPOCH).unwrap().as_secs())
    }

    #[test]
    fn days_months_and_years_begin_at_midnight_utc() {
        for (text, expected) in [
            ("1970", 0),
            ("1970-02", 31 * DAY),
            ("2000-03-01", 951_868_800),
            ("2024-02-29", 1_709_164_800),
            ("2026-11-25", 1_795_564_800),
        ] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_time_ago_counts_from_now() {
        assert_eq!(seconds("12h"), Some(1_000_000_000 - 12 * HOUR));
        assert_eq!(seconds("7d"), Some(1_000_000_000 - 7 * DAY));
        assert_eq!(seconds("2w"), Some(1_000_000_000 - 14 * DAY));
        assert_eq!(seconds("999999w"), Some(0));
    }

    #[test]
    fn anything_else_is_no_time() {
        for text in [
            "",
            "d",
            "-1d",
            "1.5d",
            "1969",
            "20260",
            "2026-13",
            "2026-00",
            "2026-02-29",
            "2026-1-1",
            "2026-01-01-01",
            "today",
            "é",
            "+12h",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
