//! Noticing a transfer that crawls.
//!
//! A stalled or trickling peer must not hold a connection for ever, and an
//! honest slow one must not be cut. So bytes are counted over windows of
//! [`WINDOW`]: each must bring at least [`WINDOW_BYTES`].

use std::time::{Duration, Instant};

/// Length of a window.
pub const WINDOW: Duration = Duration::from_secs(20);

/// Fewest bytes that a window must bring: 1 KiB a second.
pub const WINDOW_BYTES: u64 = 20 * 1024;

/// Counts the bytes of the current window.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    started: Instant,
    bytes: u64,
}

/// The transfer is slower than it may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TooSlow;

impl Pace {
    /// A window that starts `now`.
    pub fn new(now: Instant) -> Pace {
        Pace {
            started: now,
            bytes: 0,
        }
    }

    /// When the current window ends.
    pub fn ends(&self) -> Instant {
        self.started + WINDOW
    }

    /// Counts bytes that moved.
    pub fn moved(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    /// Judges the window if it is over `now`, and starts the next one.
    pub fn judge(&mut self, now: Instant) -> Result<(), TooSlow> {
        if now < self.ends() {
            return Ok(());
        }
        if self.bytes < WINDOW_BYTES {
            return Err(TooSlow);
        }
        *self = Pace::new(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_judged_when_it_is_over_and_not_before() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert_eq!(pace.judge(start + WINDOW / 2), Ok(()));
        assert_eq!(pace.judge(start + WINDOW), Err(TooSlow));
        pace.moved(usize::try_from(WINDOW_BYTES).unwrap());
        assert_eq!(pace.judge(start + WINDOW), Ok(()));
        assert_eq!(pace.judge(start + WINDOW * 2), Err(TooSlow));
    }
}
