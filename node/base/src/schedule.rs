//! Bytes a second by the time of day, as people write them: `2M; 08:00-18:00 500K`.
//!
//! The first rate holds when no span does. A span begins with its first minute and ends before its last; one that ends
//! before it begins goes over midnight. Spans do not overlap, so that each minute has one rate.
//!
//! Pure: the time of day is a parameter. [`TimeOfDay::now`] alone asks the system.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, de};

use crate::size::{Size, SizeError};

/// Most spans of a schedule.
pub const SPANS_MAX: usize = 24;

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// A minute of the day, in local time.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct TimeOfDay(u16);

/// Bytes a second at each time of the day; 0 is no limit.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RateSchedule {
    otherwise: u64,
    spans: Vec<Span>,
}

/// A rate between two times.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Span {
    from: TimeOfDay,
    to: TimeOfDay,
    rate: u64,
}

/// The error of a text that is no schedule.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ScheduleError {
    /// A rate is no size.
    #[error("`{0}` is no rate: {1}")]
    Rate(String, #[source] SizeError),
    /// A part has another form.
    #[error(
        "`{0}` is no time and rate; write one as 08:00-18:00 500K, behind the rate for the rest of the day and `;`"
    )]
    Form(String),
    /// A time is none.
    #[error("`{0}` is no time of the day; write one from 00:00 to 24:00")]
    Time(String),
    /// A span has no minute.
    #[error("`{0}` begins and ends at the same time; for the whole day give one rate alone")]
    Empty(String),
    /// Two spans have a minute in common.
    #[error("`{0}` and `{1}` overlap; give each time one rate")]
    Overlap(String, String),
    /// There are too many spans.
    #[error("a day has at most {SPANS_MAX} times with a rate of their own")]
    TooMany,
}

impl TimeOfDay {
    /// Returns the minute that begins at `hour` and `minute`, if there is one.
    #[must_use]
    pub fn new(hour: u16, minute: u16) -> Option<TimeOfDay> {
        (hour < 24 && minute < 60).then_some(TimeOfDay(hour * 60 + minute))
    }

    /// Returns the time of day here and now.
    #[must_use]
    pub fn now() -> TimeOfDay {
        let now = jiff::ZonedDateTime::now();
        let minutes = i32::from(now.hour()) * 60 + i32::from(now.minute());
        TimeOfDay(u16::try_from(minutes).unwrap_or(0))
    }
}

impl RateSchedule {
    /// Creates a schedule of one rate all day; 0 is no limit.
    #[must_use]
    pub fn always(bytes_a_second: u64) -> RateSchedule {
        RateSchedule {
            otherwise: bytes_a_second,
            spans: Vec::new(),
        }
    }

    /// Returns the rate at a time of the day.
    #[must_use]
    pub fn at(&self, time: TimeOfDay) -> u64 {
        let span = self.spans.iter().find(|span| span.covers(time));
        span.map_or(self.otherwise, |span| span.rate)
    }

    /// Returns the lowest limit of the day; 0 if there is none all day.
    #[must_use]
    pub fn lowest(&self) -> u64 {
        let rates = self.spans.iter().map(|span| span.rate);
        let limits = rates.chain([self.otherwise]).filter(|rate| *rate > 0);
        limits.min().unwrap_or(0)
    }

    /// Returns whether the rate changes in the course of a day.
    #[must_use]
    pub fn changes(&self) -> bool {
        !self.spans.is_empty()
    }
}

impl Span {
    fn covers(self, time: TimeOfDay) -> bool {
        if self.from < self.to {
            (self.from..self.to).contains(&time)
        } else {
            time >= self.from || time < self.to
        }
    }

    fn overlaps(self, other: Span) -> bool {
        self.covers(other.from) || other.covers(self.from)
    }
}

impl FromStr for RateSchedule {
    type Err = ScheduleError;

    /// Reads a rate, and behind it times with other rates, separated by `;`.
    fn from_str(text: &str) -> Result<RateSchedule, ScheduleError> {
        let mut parts = text.split(';').map(str::trim);
        let otherwise = rate(parts.next().unwrap_or_default())?;
        let mut spans = Vec::new();
        for part in parts {
            if spans.len() == SPANS_MAX {
                return Err(ScheduleError::TooMany);
            }
            let span = span(part)?;
            if let Some(other) = spans.iter().find(|other: &&Span| other.overlaps(span)) {
                return Err(ScheduleError::Overlap(other.times(), span.times()));
            }
            spans.push(span);
        }
        Ok(RateSchedule { otherwise, spans })
    }
}

fn rate(text: &str) -> Result<u64, ScheduleError> {
    let size = text.parse::<Size>();
    size.map(Size::bytes)
        .map_err(|error| ScheduleError::Rate(text.to_owned(), error))
}

fn span(text: &str) -> Result<Span, ScheduleError> {
    let form = || ScheduleError::Form(text.to_owned());
    let (times, size) = text.split_once(char::is_whitespace).ok_or_else(form)?;
    let (from, to) = times.split_once('-').ok_or_else(form)?;
    let (from, to) = (time(from)?, time(to)?);
    if from == to {
        return Err(ScheduleError::Empty(times.to_owned()));
    }
    Ok(Span {
        from,
        to,
        rate: rate(size.trim_start())?,
    })
}

/// Reads `HH:MM`; `24:00` is midnight.
fn time(text: &str) -> Result<TimeOfDay, ScheduleError> {
    let wrong = || ScheduleError::Time(text.to_owned());
    let number = |text: &str| {
        let is_number = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| text.parse::<u16>().ok())?
    };
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    if minute.len() != 2 {
        return Err(wrong());
    }
    match (number(hour), number(minute)) {
        (Some(24), Some(0)) => Ok(TimeOfDay(0)),
        (Some(hour), Some(minute)) => TimeOfDay::new(hour, minute).ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

impl Span {
    fn times(self) -> String {
        format!("{}-{}", self.from, self.to)
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.0 % DAY;
        write!(f, "{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

/// Rates in the configuration file: a number of bytes, a text, or `false`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Set(bool),
    Bytes(u64),
    Text(String),
}

impl<'de> Deserialize<'de> for RateSchedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RateSchedule, D::Error> {
        match Written::deserialize(deserializer)? {
            Written::Set(false) => Ok(RateSchedule::always(0)),
            Written::Set(true) => Err(de::Error::custom("give a rate, such as \"2M\", or false")),
            Written::Bytes(bytes) => Ok(RateSchedule::always(bytes)),
            Written::Text(text) => text.parse().map_err(de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(hour: u16, minute: u16) -> TimeOfDay {
        TimeOfDay::new(hour, minute).unwrap()
    }

    fn schedule(text: &str) -> RateSchedule {
        text.parse().unwrap()
    }

    #[test]
    fn span_has_its_first_minute_and_not_its_last() {
        let rates = schedule("2M; 08:00-18:00 500K");
        for (time, rate) in [
            (at(7, 59), 2 << 20),
            (at(8, 0), 500 << 10),
            (at(17, 59), 500 << 10),
            (at(18, 0), 2 << 20),
            (at(0, 0), 2 << 20),
        ] {
            assert_eq!(rates.at(time), rate, "{time}");
        }
        assert!(rates.changes());
        assert_eq!(rates.lowest(), 500 << 10);
    }

    #[test]
    fn span_goes_over_midnight() {
        let rates = schedule("100K; 22:30-06:15 0");
        for (time, rate) in [
            (at(22, 29), 100 << 10),
            (at(22, 30), 0),
            (at(23, 59), 0),
            (at(0, 0), 0),
            (at(6, 14), 0),
            (at(6, 15), 100 << 10),
        ] {
            assert_eq!(rates.at(time), rate, "{time}");
        }
        assert_eq!(rates.lowest(), 100 << 10);
    }

    #[test]
    fn one_rate_holds_all_day() {
        for (text, rate) in [("0", 0), ("2M", 2 << 20), ("4096", 4096)] {
            let rates = schedule(text);
            assert_eq!(rates, RateSchedule::always(rate));
            assert_eq!((rates.at(at(3, 0)), rates.lowest()), (rate, rate));
            assert!(!rates.changes());
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_part_that_is_wrong() {
        for (text, part) in [
            ("", "`` is no rate"),
            ("fast", "`fast`"),
            ("2M;", "`` is no time and rate"),
            ("2M; 500K", "`500K`"),
            ("2M; 08:00 500K", "`08:00 500K`"),
            ("2M; 8-18 500K", "`8`"),
            ("2M; 08:00-24:01 500K", "`24:01`"),
            ("2M; 08:60-10:00 500K", "`08:60`"),
            ("2M; 08:00-08:00 500K", "`08:00-08:00`"),
            ("2M; 08:00-10:00 quick", "`quick`"),
            ("2M; 08:00-10:00 1K; 09:59-11:00 2K", "overlap"),
            ("2M; 22:00-06:00 1K; 05:00-07:00 2K", "overlap"),
            ("08:00-18:00 500K", "`08:00-18:00 500K`"),
        ] {
            let error = text.parse::<RateSchedule>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        let many: String = (0..25)
            .map(|n| format!("; 00:{n:02}-00:{:02} 1", n + 1))
            .collect();
        assert_eq!(
            format!("1{many}").parse::<RateSchedule>(),
            Err(ScheduleError::TooMany)
        );
    }

    proptest! {
        #[test]
        fn each_minute_has_the_rate_of_its_span_alone(
            from in 0..DAY, length in 1..DAY, minute in 0..DAY,
        ) {
            let to = (from + length) % DAY;
            let text = format!("7; {}-{} 9", TimeOfDay(from), TimeOfDay(to));
            let in_span = (minute + DAY - from) % DAY < length;
            let expected = if in_span { 9 } else { 7 };
            prop_assert_eq!(schedule(&text).at(TimeOfDay(minute)), expected);
        }

        #[test]
        fn no_text_panics(text in "[0-9:; KM-]{0,40}") {
            let _ = text.parse::<RateSchedule>();
        }
    }
}
