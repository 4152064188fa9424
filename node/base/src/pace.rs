//! Notices a transfer that crawls.
//!
//! A stalled or trickling peer must not hold a connection for ever, and an
//! honest slow one must not be cut. So a transfer has credit: time that it may
//! still keep somebody waiting. Waiting takes from it, and each [`PACE_MIN`]
//! bytes give a second back.
//!
//! # Invariants
//! - A transfer that moves at least [`PACE_MIN`] bytes a second, in lumps of at most
//!   [`CREDIT_MAX`] of it, is never cut.
//! - A transfer that stalls is cut within [`CREDIT_MAX`].
//! - No clock; times are parameters.

use std::time::Duration;

/// Fewest bytes that a transfer must move in a second of waiting.
pub const PACE_MIN: u64 = 1024;

/// The time that a transfer may wait at the beginning.
pub const CREDIT_FIRST: Duration = Duration::from_secs(30);

/// The longest time that it may wait.
pub const CREDIT_MAX: Duration = Duration::from_secs(45);

/// The time that a transfer may still keep somebody waiting.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    credit: Duration,
    /// Bytes that give a second back.
    min: u64,
}

/// The transfer is slower than it may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TooSlow;

impl Default for Pace {
    fn default() -> Pace {
        Pace::new()
    }
}

impl Pace {
    /// Creates the pace of a transfer that has moved nothing.
    pub fn new() -> Pace {
        Pace::at_least(PACE_MIN)
    }

    /// Creates the pace of a transfer that may move only `min` bytes a second.
    pub fn at_least(min: u64) -> Pace {
        Pace {
            credit: CREDIT_FIRST,
            min: min.max(1),
        }
    }

    /// Returns how long it may still wait.
    pub fn credit(&self) -> Duration {
        self.credit
    }

    /// Counts bytes that moved.
    pub fn moved(&mut self, bytes: u64) {
        let millis = bytes.saturating_mul(1_000) / self.min;
        let earned = Duration::from_millis(millis);
        self.credit = self.credit.saturating_add(earned).min(CREDIT_MAX);
    }

    /// Counts time that was waited.
    ///
    /// # Errors
    /// Errors if that is more than it may wait.
    pub fn waited(&mut self, time: Duration) -> Result<(), TooSlow> {
        self.credit = self.credit.checked_sub(time).ok_or(TooSlow)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_transfer_that_stalls_is_cut_when_its_credit_is_used_up() {
        let mut pace = Pace::new();
        assert_eq!(pace.waited(CREDIT_FIRST), Ok(()));
        assert_eq!(pace.waited(SECOND), Err(TooSlow));
        let mut fast = Pace::new();
        fast.moved(u64::MAX);
        assert_eq!(fast.credit(), CREDIT_MAX);
        assert_eq!(fast.waited(CREDIT_MAX + SECOND), Err(TooSlow));
    }

    #[test]
    fn a_trickle_below_the_pace_is_cut() {
        let mut pace = Pace::new();
        let seconds = (0..600).find(|_| {
            pace.moved(PACE_MIN / 2);
            pace.waited(SECOND).is_err()
        });
        assert!(seconds.is_some_and(|seconds| seconds <= 120), "{seconds:?}");
    }

    #[test]
    fn who_may_be_slower_is_not_cut_for_it() {
        let mut pace = Pace::at_least(100);
        for _ in 0..600 {
            pace.moved(110);
            assert_eq!(pace.waited(SECOND), Ok(()));
        }
    }

    proptest! {
        #[test]
        fn an_honest_transfer_is_never_cut(lumps in proptest::collection::vec(0..30_u64, 1..200)) {
            let mut pace = Pace::new();
            for seconds in lumps {
                // So long nothing comes, and then all of it at once.
                prop_assert_eq!(pace.waited(SECOND * u32::try_from(seconds).unwrap()), Ok(()));
                pace.moved(seconds * PACE_MIN);
            }
        }
    }
}
