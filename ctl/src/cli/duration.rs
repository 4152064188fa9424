//! Durations as people write them: `500ms`, `30s`, `5m`, `2h`, `30d`.

use std::time::Duration;

/// Longest duration that is accepted: more is a slip of the keyboard.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// The error of a text that is not a duration.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum DurationError {
    #[error("a duration is a whole number and a unit, such as 500ms, 30s, 5m, 2h or 30d")]
    Form,
    #[error("a duration is more than nothing")]
    Zero,
    #[error("a duration is at most 365 days, 365d")]
    TooLong,
}

/// Reads a whole number with a unit: `ms`, `s`, `m`, `h` or `d`.
pub(crate) fn parse(text: &str) -> Result<Duration, DurationError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let milliseconds_per_unit = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 24 * 3_600_000,
        _ => return Err(DurationError::Form),
    };
    if number.is_empty() {
        return Err(DurationError::Form);
    }
    let number: u64 = number.parse().map_err(|_| DurationError::TooLong)?;
    let milliseconds = number.checked_mul(milliseconds_per_unit);
    match milliseconds.map(Duration::from_millis) {
        Some(Duration::ZERO) => Err(DurationError::Zero),
        Some(duration) if duration <= LONGEST => Ok(duration),
        _ => Err(DurationError::TooLong),
    }
}

/// Returns the duration in the largest unit that needs no fraction.
pub(crate) fn show(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    let units = [(3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let fits = |(size, _): &(u128, &str)| milliseconds > 0 && milliseconds.is_multiple_of(*size);
    match units.into_iter().find(fits) {
        Some((size, unit)) => format!("{}{unit}", milliseconds / size),
        None => format!("{milliseconds}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_units_are_read() {
        let cases = [
            ("500ms", 500),
            ("30s", 30_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("2d", 172_800_000),
        ];
        for (text, milliseconds) in cases {
            assert_eq!(
                parse(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
    }

    #[test]
    fn anything_else_is_refused_with_its_reason() {
        let form = [
            "", "5", "s", "-5s", "+5s", "1.5s", "5 s", "5S", "5w", "１s", "1m30s",
        ];
        for text in form {
            assert_eq!(parse(text), Err(DurationError::Form), "{text:?}");
        }
        assert_eq!(parse("0s"), Err(DurationError::Zero));
        for text in [
            "8761h",
            "366d",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            assert_eq!(parse(text), Err(DurationError::TooLong), "{text}");
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        for text in ["1ms", "1500ms", "30s", "90s", "5m", "8760h"] {
            assert_eq!(show(parse(text).unwrap()), text);
        }
    }
}
