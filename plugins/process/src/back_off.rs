//! The pause before a program that failed is started again.
//!
//! A state machine without a clock: the time is a parameter.

use std::time::{Duration, Instant};

/// Pause after the first failure.
pub const BACK_OFF_FIRST: Duration = Duration::from_millis(500);

/// Longest pause; each failure doubles it up to here.
pub const BACK_OFF_MAX: Duration = Duration::from_secs(60);

/// The pause before a program may be started again.
#[derive(Debug, Default)]
pub(crate) struct BackOff {
    pause: Option<Duration>,
    until: Option<Instant>,
}

impl BackOff {
    /// Notes that its process had to be ended, or ended by itself.
    pub(crate) fn failed(&mut self, now: Instant) {
        let pause = self.pause.map_or(BACK_OFF_FIRST, |pause| {
            pause.saturating_mul(2).min(BACK_OFF_MAX)
        });
        self.pause = Some(pause);
        self.until = Some(now + pause);
    }

    /// Notes that it gave an answer.
    pub(crate) fn worked(&mut self) {
        *self = BackOff::default();
    }

    /// Returns the time that it still has to rest.
    pub(crate) fn left(&self, now: Instant) -> Option<Duration> {
        let left = self.until?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_limit_and_an_answer_ends_them() {
        let mut back_off = BackOff::default();
        let mut now = Instant::now();
        assert_eq!(back_off.left(now), None);
        let mut pauses = Vec::new();
        for _ in 0..10 {
            back_off.failed(now);
            let pause = back_off.left(now).unwrap();
            pauses.push(pause);
            now += pause;
            assert_eq!(back_off.left(now), None, "it is over after {pause:?}");
        }
        assert_eq!(pauses[..3], [1, 2, 4].map(|n| BACK_OFF_FIRST * n));
        assert_eq!(pauses[9], BACK_OFF_MAX);
        back_off.failed(now);
        back_off.worked();
        assert_eq!(back_off.left(now), None);
        back_off.failed(now);
        assert_eq!(back_off.left(now), Some(BACK_OFF_FIRST));
    }
}
