//! The time after which a call is slow: it goes on, but nobody waits for it any more.
//!
//! Where peers answer within a few milliseconds, one that does not after a fifth of
//! a second is gone or busy, and waiting for each such peer half a second uses up the
//! time of the search.

use std::time::Duration;

/// Longest time after which a call is slow.
pub const SLOW_AFTER: Duration = Duration::from_millis(500);

/// A call is slow when it takes so many times as long as those before it took.
pub const SLOW_FACTOR: u32 = 4;

/// Shortest time after which a call is slow.
pub const SLOW_AFTER_MIN: Duration = Duration::from_millis(200);

/// The weight of the last call in the usual time: one in so many.
const LAST_CALL: u32 = 4;

/// The usual time of the calls of one search, from which follows when one is slow.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SlowAfter {
    usual: Option<Duration>,
}

impl SlowAfter {
    /// Notes the time of a call. One that nobody waited for says nothing of the others.
    pub(super) fn note(&mut self, took: Duration) {
        if took < SLOW_AFTER {
            self.usual = Some(match self.usual {
                Some(usual) => usual - usual / LAST_CALL + took / LAST_CALL,
                None => took,
            });
        }
    }

    /// Returns the time after which a call is slow.
    pub(super) fn time(self) -> Duration {
        self.usual.map_or(SLOW_AFTER, |usual| {
            (usual * SLOW_FACTOR).clamp(SLOW_AFTER_MIN, SLOW_AFTER)
        })
    }
}
