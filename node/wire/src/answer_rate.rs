//! `AnswerRate`: how fast an answer will come from a node that limits its uploads.
//!
//! Such a node says so with each answer that carries content, in the header [`HEADER`]:
//! its limit, divided by the answers that it is sending. The asker opens no second
//! connection to it, which would bring nothing, and does not take slow for stalled.
//! Book peers ignore the header.

use std::{fmt, num::NonZeroU64, time::Duration};

/// Name of the HTTP answer header that carries an [`AnswerRate`].
pub const HEADER: &str = "sixhop-rate";

/// Bytes a second, at least one.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct AnswerRate(NonZeroU64);

impl AnswerRate {
    /// Returns the rate of one of `answers` that share `limit` bytes a second.
    #[must_use]
    pub fn shared(limit: NonZeroU64, answers: usize) -> AnswerRate {
        let answers = u64::try_from(answers).unwrap_or(u64::MAX).max(1);
        AnswerRate(NonZeroU64::new(limit.get() / answers).unwrap_or(NonZeroU64::MIN))
    }

    /// Reads a header, a number in decimal digits. `None` for anything else.
    #[must_use]
    pub fn from_header(text: &str) -> Option<AnswerRate> {
        let is_number = (1..=18).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| text.parse().ok().map(AnswerRate))?
    }

    /// Returns the bytes a second.
    #[must_use]
    pub fn bytes_a_second(self) -> u64 {
        self.0.get()
    }

    /// Returns how long `bytes` take at this rate.
    #[must_use]
    pub fn time(self, bytes: u64) -> Duration {
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.0.get());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for AnswerRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_divide_the_limit_and_have_at_least_a_byte() {
        let limit = NonZeroU64::new(10_000).unwrap();
        for (answers, rate) in [(0, 10_000), (1, 10_000), (4, 2_500), (20_000, 1)] {
            let shared = AnswerRate::shared(limit, answers);
            assert_eq!(shared.bytes_a_second(), rate, "{answers}");
            assert_eq!(AnswerRate::from_header(&shared.to_string()), Some(shared));
        }
    }

    #[test]
    fn what_is_no_number_above_zero_is_no_rate() {
        for text in [
            "",
            "0",
            " 1",
            "+1",
            "-1",
            "1.0",
            "0x10",
            "१",
            "1000000000000000000",
        ] {
            assert_eq!(AnswerRate::from_header(text), None, "{text}");
        }
    }

    #[test]
    fn bytes_take_their_time() {
        let rate = AnswerRate::from_header("1024").unwrap();
        assert_eq!(rate.time(2_048), Duration::from_secs(2));
        assert_eq!(
            AnswerRate::from_header("1").unwrap().time(u64::MAX),
            Duration::from_nanos(u64::MAX)
        );
    }
}
