//! Points in time as people write them in queries.
//!
//! Days begin at midnight UTC, so that a query means the same at every node.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Units of time, in seconds or in months.
#[derive(Clone, Copy)]
enum Unit {
    Seconds(u64),
    Months(u64),
}

/// Parses the beginning of a day `2026-01-31`, a month `2026-01` or a year `2026`, of `today` or
/// `yesterday`; or a time before `now`: `12h`, `7d`, `2weeks`, `3months`, `1year`.
pub(super) fn parse(text: &str, now: SystemTime) -> Option<SystemTime> {
    let text = text.to_lowercase();
    let seconds = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let at = match text.as_str() {
        "now" => seconds,
        "today" => seconds / DAY * DAY,
        "yesterday" => (seconds / DAY * DAY).saturating_sub(DAY),
        _ => match calendar(&text) {
            Some(at) => at,
            None => ago(&text, seconds)?,
        },
    };
    UNIX_EPOCH.checked_add(Duration::from_secs(at))
}

/// Returns the time so long before `now`; longer ago than files are counted is the beginning of it.
fn ago(text: &str, now: u64) -> Option<u64> {
    let digits_end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits_end);
    let number = digits(number, 1..=6)?;
    let unit = unit
        .strip_suffix("ago")
        .unwrap_or(unit)
        .trim_matches(['-', '_', ' ']);
    let unit = match unit {
        "min" | "mins" | "minute" | "minutes" => Unit::Seconds(MINUTE),
        "h" | "hour" | "hours" => Unit::Seconds(HOUR),
        "d" | "day" | "days" => Unit::Seconds(DAY),
        "w" | "week" | "weeks" => Unit::Seconds(7 * DAY),
        "mo" | "month" | "months" => Unit::Months(1),
        "y" | "year" | "years" => Unit::Months(12),
        _ => return None,
    };
    match unit {
        Unit::Seconds(unit) => Some(now.saturating_sub(number.checked_mul(unit)?)),
        Unit::Months(unit) => Some(months_before(now, number * unit)),
    }
}

/// Returns the same time of the same day of the month, or its last one, so many months before.
fn months_before(now: u64, months: u64) -> u64 {
    let (mut year, mut month, mut day) = (1970, 1, now / DAY);
    while day >= days_of_year(year) {
        day -= days_of_year(year);
        year += 1;
    }
    while day >= days_of(year, month) {
        day -= days_of(year, month);
        month += 1;
    }
    let Some(then) = ((year - 1970) * 12 + month - 1).checked_sub(months) else {
        return 0;
    };
    let (year, month) = (1970 + then / 12, then % 12 + 1);
    let day = day.min(days_of(year, month) - 1) + 1;
    begin_of(year, month, day) + now % DAY
}

fn calendar(text: &str) -> Option<u64> {
    let mut fields = text.split(['-', '/']);
    let year = digits(fields.next()?, 4..=4).filter(|year| *year >= 1970)?;
    let month = fields
        .next()
        .map_or(Some(1), |month| digits(month, 2..=2))?;
    let day = fields.next().map_or(Some(1), |day| digits(day, 2..=2))?;
    if fields.next().is_some() || !(1..=12).contains(&month) {
        return None;
    }
    (1..=days_of(year, month))
        .contains(&day)
        .then(|| begin_of(year, month, day))
}

/// Returns the start of a day, in seconds.
fn begin_of(year: u64, month: u64, day: u64) -> u64 {
    let years = (1970..year).map(days_of_year);
    let months = (1..month).map(|month| days_of(year, month));
    (years.sum::<u64>() + months.sum::<u64>() + day - 1) * DAY
}

fn digits(text: &str, length: std::ops::RangeInclusive<usize>) -> Option<u64> {
    let right = length.contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit());
    right.then(|| text.parse().ok()).flatten()
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
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

    /// 9 September 2001, 01:46:40.
    const NOW: u64 = 1_000_000_000;

    fn seconds(text: &str) -> Option<u64> {
        let now = UNIX_EPOCH + Duration::from_secs(NOW);
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
            ("2026/11/25", 1_795_564_800),
            ("Today", 999_993_600),
            ("yesterday", 999_993_600 - DAY),
        ] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_time_ago_counts_from_now() {
        for (text, expected) in [
            ("12h", NOW - 12 * HOUR),
            ("90min", NOW - 90 * MINUTE),
            ("7d", NOW - 7 * DAY),
            ("1day", NOW - DAY),
            ("2w", NOW - 14 * DAY),
            ("2weeks", NOW - 14 * DAY),
            // 9 June 2001.
            ("3months", NOW - (30 + 31 + 31) * DAY),
            ("3mo", NOW - (30 + 31 + 31) * DAY),
            ("1year", NOW - 365 * DAY),
            ("3monthsago", NOW - (30 + 31 + 31) * DAY),
            ("999999w", 0),
            ("99y", 0),
        ] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn the_last_day_of_a_shorter_month_is_taken() {
        let march = begin_of(2024, 3, 31) + 5;
        assert_eq!(months_before(march, 1), begin_of(2024, 2, 29) + 5);
        assert_eq!(months_before(march, 13), begin_of(2023, 2, 28) + 5);
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
            "lately",
            "é",
            "+12h",
            "3m",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
