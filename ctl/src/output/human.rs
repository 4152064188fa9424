//! Sizes, times and numbers of things as people read them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::json;

/// Formats a number of things: `1 file`, `2 files`.
pub(crate) fn plural(count: impl Into<u64>, one: &str, many: &str) -> String {
    match count.into() {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    }
}

/// Returns the part of the URL of a node that says where it is.
pub(crate) fn address(url: &str) -> &str {
    url.trim_start_matches("http://").trim_end_matches('/')
}

/// Formats a node by its name and its address: nothing proves the name, and others may have the same.
pub(crate) fn node(name: Option<&str>, url: &str) -> String {
    match name {
        Some(name) => format!("{name} ({})", address(url)),
        None => address(url).to_owned(),
    }
}

/// Returns the word of JSON for a state.
pub(crate) fn word(state: &impl Serialize) -> String {
    json!(state).as_str().unwrap_or("-").to_owned()
}

/// Returns the age of a time in Unix milliseconds, in its largest unit: `3 minutes ago`.
pub(crate) fn ago(milliseconds: u64, now: SystemTime) -> String {
    let then = UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds));
    let past = then.and_then(|then| now.duration_since(then).ok());
    let seconds = past.unwrap_or_default().as_secs();
    let text = match seconds {
        0..60 => plural(seconds, "second", "seconds"),
        60..3600 => plural(seconds / 60, "minute", "minutes"),
        3600..86_400 => plural(seconds / 3600, "hour", "hours"),
        _ => plural(seconds / 86_400, "day", "days"),
    };
    format!("{text} ago")
}

/// Formats a time in Unix milliseconds as RFC 3339 in UTC: `2026-02-03T04:05:06Z`.
pub(crate) fn timestamp(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Returns year, month and day of a number of days since 1970-01-01, in the Gregorian calendar.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // since 0000-03-01, so that a leap day ends a year
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153; // March is 0
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

/// Reads a day, `2026-01-31`, or a time in UTC, `2026-02-03T04:05:06Z`, as Unix milliseconds.
pub(crate) fn parse_time(text: &str) -> Option<u64> {
    let (day, time) = match text.split_once('T') {
        Some((day, time)) => (day, Some(time.strip_suffix('Z')?)),
        None => (text, None),
    };
    let number = |text: &str, digits: usize| {
        let is_number = text.len() == digits && text.bytes().all(|c| c.is_ascii_digit());
        text.parse::<u64>().ok().filter(|_| is_number)
    };
    let parts: Vec<&str> = day.split('-').collect();
    let [year, month, of_month] = parts[..] else {
        return None;
    };
    let (year, month) = (number(year, 4)?, number(month, 2)?);
    let days = days(year, month, number(of_month, 2)?)?;
    let seconds = match time {
        None => 0,
        Some(time) => {
            let parts: Vec<&str> = time.split(':').collect();
            let [hour, minute, second] = parts[..] else {
                return None;
            };
            let (hour, minute) = (number(hour, 2)?, number(minute, 2)?);
            let second = number(second, 2)?;
            (hour < 24 && minute < 60 && second < 60)
                .then_some(hour * 3600 + minute * 60 + second)?
        }
    };
    Some((days * 86_400 + seconds) * 1000)
}

/// Returns the number of days from 1970-01-01 to a day of the Gregorian calendar, if there is such a day.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    let (shifted_year, shifted_month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let of_year = (153 * shifted_month + 2) / 5 + day.checked_sub(1)?;
    let leap_days = shifted_year / 4 - shifted_year / 100 + shifted_year / 400;
    let days = (shifted_year * 365 + leap_days + of_year).checked_sub(719_468)?;
    // A day that the month does not have is one of the next month.
    (date(days) == (year, month, day)).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (951_868_799_999, "2000-02-29T23:59:59Z"),
            (1_772_323_199_000, "2026-02-28T23:59:59Z"),
            (1_772_323_200_000, "2026-03-01T00:00:00Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
        ];
        for (milliseconds, text) in cases {
            assert_eq!(timestamp(milliseconds), text);
        }
    }

    #[test]
    fn a_node_is_shown_by_its_name_beside_its_address() {
        let url = "http://192.168.1.6:4242/";
        assert_eq!(node(Some("nas"), url), "nas (192.168.1.6:4242)");
        assert_eq!(node(None, url), "192.168.1.6:4242");
    }

    #[test]
    fn one_thing_is_not_many() {
        let files = |count: u64| plural(count, "file", "files");
        assert_eq!(
            [files(0), files(1), files(2)],
            ["0 files", "1 file", "2 files"]
        );
    }

    #[test]
    fn a_time_ago_has_its_largest_unit() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        for (seconds, text) in [
            (1_000_000, "0 seconds ago"),
            (999_999, "1 second ago"),
            (999_939, "1 minute ago"),
            (990_000, "2 hours ago"),
            (2_000_000, "0 seconds ago"),
            (0, "11 days ago"),
        ] {
            assert_eq!(ago(seconds * 1000, now), text, "{seconds}");
        }
    }

    #[test]
    fn a_time_that_was_written_is_read_back() {
        for milliseconds in [0, 951_782_400_000, 1_772_323_199_000, 4_107_542_400_000] {
            let text = timestamp(milliseconds);
            assert_eq!(parse_time(&text), Some(milliseconds), "{text}");
        }
        assert_eq!(parse_time("2000-02-29"), Some(951_782_400_000));
        for wrong in [
            "",
            "2026",
            "2026-02-29",
            "2026-13-01",
            "2026-00-10",
            "2026-01-00",
            "2026-1-1",
            "2026-01-31T24:00:00Z",
            "2026-01-31T01:02:03",
            "+026-01-31",
            "1969-12-31",
        ] {
            assert_eq!(parse_time(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_last_times_do_not_overflow() {
        assert!(timestamp(u64::MAX).ends_with('Z'));
    }
}
