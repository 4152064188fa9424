//! Decides whether a client still reads its answer.
//!
//! While writes wait, [`Reading`] looks every [`LOOK_TIME`] at what the client has
//! acknowledged. That is not what the system took to send: a client that reads
//! 100 KiB a second can leave the system with minutes of data, and takes no new
//! bytes meanwhile.
//!
//! # Invariants
//! - A client that acknowledges at least 1 KiB a second, in lumps of at most what
//!   [`Pace`] gives credit for, is never cut. A receiver reports room in lumps of half
//!   of its buffer, 32 KiB unless it asked for more.
//! - A client that acknowledges nothing is cut within [`pace::CREDIT_MAX`] and one look.
//! - Where the system does not tell, what it took counts.
//! - Only time in which writes wait counts: a node that is slow itself cuts
//!   nobody.
//! - No clock and no socket.
//!
//! [`pace::CREDIT_MAX`]: crate::pace::CREDIT_MAX

use std::time::{Duration, Instant};

use crate::pace::{Pace, TooSlow};

/// Time between two looks.
pub(super) const LOOK_TIME: Duration = Duration::from_secs(5);

/// A client's reading of the bytes that are written to it.
#[derive(Debug)]
pub(super) struct Reading {
    pace: Pace,
    /// Bytes that the system took.
    written: u64,
    /// Bytes that were acknowledged at the last look, while writes wait long.
    acked: Option<u64>,
    waiting: Option<Waiting>,
}

/// A write that waits.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    began: Instant,
    counted_until: Instant,
    look_at: Instant,
}

impl Reading {
    pub(super) fn new() -> Reading {
        Reading {
            pace: Pace::new(),
            written: 0,
            acked: None,
            waiting: None,
        }
    }

    /// Counts bytes that the system took at `now`.
    pub(super) fn wrote(&mut self, bytes: usize, now: Instant) {
        self.written += bytes as u64;
        if let Some(waiting) = self.waiting.take() {
            // It took some: if it was slow, the next look says how slow.
            let waited = now.saturating_duration_since(waiting.counted_until);
            let credit = self.pace.credit();
            let _ = self.pace.waited(waited.min(credit));
            if now.saturating_duration_since(waiting.began) < LOOK_TIME {
                self.acked = None;
            }
        }
        if self.acked.is_none() {
            self.pace.moved(bytes as u64);
        }
    }

    /// Returns whether a write waits.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Notes that a write waits at `now`. Returns when to call this again; `unacked` is asked for
    /// the bytes that the client has not acknowledged.
    ///
    /// # Errors
    /// Errors if the client reads too slowly.
    pub(super) fn waits(
        &mut self,
        now: Instant,
        unacked: impl FnOnce() -> Option<u64>,
    ) -> Result<Instant, TooSlow> {
        let waiting = self.waiting.get_or_insert(Waiting {
            began: now,
            counted_until: now,
            look_at: now + LOOK_TIME,
        });
        if now < waiting.look_at {
            return Ok(waiting.look_at);
        }
        let waited = now.saturating_duration_since(waiting.counted_until);
        if let Some(unacked) = unacked() {
            let acked = self.written.saturating_sub(unacked);
            let before = self.acked.replace(acked).unwrap_or(acked);
            self.pace.moved(acked.saturating_sub(before));
        }
        self.pace.waited(waited)?;
        waiting.counted_until = now;
        waiting.look_at = now + LOOK_TIME;
        Ok(waiting.look_at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pace::CREDIT_MAX;

    /// Bytes that the system takes before it makes the node wait.
    const SYSTEM: u64 = 4 << 20;

    /// Bytes of which the system must be rid before it takes more.
    const ROOM: u64 = SYSTEM / 3;

    /// Simulates a client that acknowledges `rate` bytes a second in lumps, until
    /// it stalls, behind a system that takes much ahead.
    fn cut_after(rate: u64, lump: u64, stalls_after: u64, seconds: u64) -> Option<u64> {
        let start = Instant::now();
        let (mut reading, mut written, mut acked) = (Reading::new(), 0_u64, 0_u64);
        for second in 0..seconds {
            let now = start + Duration::from_secs(second);
            if second <= stalls_after {
                acked = (second * rate / lump * lump).min(written);
            }
            let queued = written - acked;
            if written == 0 || queued <= SYSTEM - ROOM {
                let bytes = SYSTEM - queued;
                written += bytes;
                reading.wrote(usize::try_from(bytes).unwrap(), now);
            }
            if reading.waits(now, || Some(written - acked)).is_err() {
                return Some(second);
            }
        }
        assert!(acked <= written);
        None
    }

    #[test]
    fn a_reader_of_a_kibibyte_a_second_is_never_cut() {
        for rate in [1_024, 1_500, 10_000, 100_000, 150_000, 10_000_000] {
            for lump in [1, 1_448, 16_384, 32_768] {
                assert_eq!(
                    cut_after(rate, lump, u64::MAX, 3_600),
                    None,
                    "{rate}/{lump}"
                );
            }
        }
    }

    #[test]
    fn a_reader_that_stalls_is_cut() {
        for (rate, stalls_after) in [(0, 0), (100_000, 0), (100_000, 200), (10_000_000, 60)] {
            let cut = cut_after(rate.max(1), 1, stalls_after, 3_600).unwrap();
            let within = CREDIT_MAX + LOOK_TIME * 2;
            assert!(cut - stalls_after <= within.as_secs(), "{rate}: {cut}");
        }
    }

    #[test]
    fn a_reader_that_trickles_is_cut() {
        let cut = cut_after(300, 300, u64::MAX, 3_600);
        assert!(cut.is_some_and(|cut| cut < 120), "{cut:?}");
    }

    #[test]
    fn what_the_system_took_counts_where_it_does_not_tell() {
        let start = Instant::now();
        let mut reading = Reading::new();
        for second in 0..600 {
            let now = start + Duration::from_secs(second);
            reading.wrote(1_024, now);
            assert!(reading.waits(now, || None).is_ok());
        }
        let cut = (600..700).find(|second| {
            reading
                .waits(start + Duration::from_secs(*second), || None)
                .is_err()
        });
        assert!(cut.is_some());
    }

    #[test]
    fn a_node_that_has_nothing_to_send_cuts_nobody() {
        let start = Instant::now();
        let mut reading = Reading::new();
        reading.wrote(10, start);
        let later = start + Duration::from_secs(3_600);
        assert!(reading.waits(later, || Some(10)).is_ok());
        reading.wrote(10, later + Duration::from_secs(1));
        let much_later = later + Duration::from_secs(3_600);
        assert!(reading.waits(much_later, || Some(10)).is_ok());
    }

    proptest! {
        #[test]
        fn no_honest_reader_is_cut(
            rate in 1_024..5_000_000_u64, lump in 1..32_768_u64,
        ) {
            prop_assert_eq!(cut_after(rate, lump, u64::MAX, 900), None);
        }
    }
}
