//! Keeping to a rate: bytes a second, whoever moves them.
//!
//! Whoever is about to move bytes takes them from the [`Rate`] first and waits
//! until it is their turn. Turns are given in the order in which they are
//! asked for, so that many transfers share the rate evenly if they ask for
//! pieces of like size.
//!
//! # Invariants
//! - Over any time, at most the rate times that time plus [`BURST`] of it pass.
//! - A rate of none never waits.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use tokio::time::sleep_until;

use crate::{clock::now, sync::lock};

/// What may pass at once after a pause, as time at the full rate.
pub const BURST: Duration = Duration::from_millis(100);

/// A greatest number of bytes a second, or none.
#[derive(Debug, Default)]
pub struct Rate {
    limit: Option<Limit>,
}

#[derive(Debug)]
struct Limit {
    bytes_a_second: u64,
    turns: Mutex<Turns>,
}

/// When the next bytes may pass.
#[derive(Clone, Copy, Debug)]
struct Turns {
    next: Instant,
}

impl Rate {
    /// A rate of `bytes_a_second`; 0 is none.
    #[must_use]
    pub fn new(bytes_a_second: u64) -> Rate {
        let limit = (bytes_a_second > 0).then(|| Limit {
            bytes_a_second,
            turns: Mutex::new(Turns { next: now() }),
        });
        Rate { limit }
    }

    /// Waits until `bytes` may pass. Whoever stops waiting has had them.
    pub async fn take(&self, bytes: usize) {
        if let Some(limit) = &self.limit {
            let turn = lock(&limit.turns).take(now(), limit.time(bytes));
            if turn > now() {
                sleep_until(turn.into()).await;
            }
        }
    }
}

impl Limit {
    /// How long `bytes` take at this rate.
    fn time(&self, bytes: usize) -> Duration {
        let nanos = bytes as u128 * 1_000_000_000 / u128::from(self.bytes_a_second);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

impl Turns {
    /// Gives the next turn, for what takes `time`.
    fn take(&mut self, now: Instant, time: Duration) -> Instant {
        let turn = self.next.max(now.checked_sub(BURST).unwrap_or(now));
        self.next = turn + time;
        turn
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bytes_pass_at_the_rate_whoever_moves_them() {
        let rate = Arc::new(Rate::new(1_000));
        let started = now();
        let movers: Vec<_> = (0..4)
            .map(|_| {
                let rate = Arc::clone(&rate);
                tokio::spawn(async move {
                    for _ in 0..10 {
                        rate.take(100).await;
                    }
                })
            })
            .collect();
        for mover in movers {
            mover.await.unwrap();
        }
        let taken = now() - started;
        // The last bytes start to pass when the 3900 before them have.
        assert!(taken >= Duration::from_millis(3_700), "{taken:?}");
        assert!(taken <= Duration::from_millis(4_000), "{taken:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_no_credit_beyond_the_burst() {
        let rate = Rate::new(1_000);
        rate.take(100).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let started = now();
        for _ in 0..11 {
            rate.take(100).await;
        }
        assert!(now() - started >= Duration::from_millis(850));
    }

    #[tokio::test(start_paused = true)]
    async fn no_rate_never_waits() {
        let rate = Rate::new(0);
        let started = now();
        for _ in 0..1_000 {
            rate.take(usize::MAX).await;
        }
        assert_eq!(now(), started);
    }
}
