//! Limits a stream of bytes to a number of bytes a second.
//!
//! Content takes its bytes from a [`Rate`] in turns and waits until each turn
//! may pass. [`Turns`] decides about the next one; it has no clock.
//!
//! # Invariants
//! - Over any time, at most the rate times that time, plus [`BURST`] of it and
//!   one turn, pass.
//! - Addresses that wait share the rate evenly, and so do the streams of one
//!   address, however many bytes each asks for.
//! - A turn is [`TURN_TIME`] of the rate, and never less than [`TURN_MIN`] bytes: of
//!   `n` streams each moves every `n` turns.
//! - A stream that stops waiting has taken nothing.
//! - Without a limit nothing waits.
//! - A limit that changes holds for streams that wait already.
//!
//! `governor` is not used here: its waiters have no order, so that one stream
//! can pass the others again and again, it does not know of addresses, and its
//! clock cannot be paused together with the runtime's.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{select, sync::Notify, time::sleep_until};

use crate::{clock::now, sync::lock};

/// The burst after a pause, as time at the full rate.
pub const BURST: Duration = Duration::from_millis(100);

/// Time that one turn takes.
pub const TURN_TIME: Duration = Duration::from_millis(50);

/// Fewest bytes of a turn.
pub const TURN_MIN: usize = 1024;

/// Most bytes of a turn.
pub const TURN_MAX: usize = 256 * 1024;

/// Limits bytes a second, or does not. Cheap to clone; clones share the limit.
#[derive(Clone, Debug)]
pub struct Rate(Arc<Limit>);

#[derive(Debug)]
struct Limit {
    /// 0 is no limit.
    bytes_a_second: AtomicU64,
    turns: Mutex<Turns<Arc<Notify>>>,
}

/// Orders the turns of all streams.
///
/// Each waiting turn has a start on a scale of bytes: where the last turn of
/// its address ends, but not before the turn that passed last. The lowest
/// start is next.
#[derive(Debug)]
struct Turns<W> {
    waiting: BTreeMap<Place, Waiting<W>>,
    /// The end of the last turn of each address, if that is still ahead.
    ends: HashMap<IpAddr, u64>,
    /// Start of the turn that passed last.
    passed: u64,
    last_number: u64,
    /// The time at which the next turn may pass.
    free_at: Instant,
}

/// The place of a turn: its start, and a number that no other turn has.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Place {
    start: u64,
    number: u64,
}

#[derive(Debug)]
struct Waiting<W> {
    address: IpAddr,
    bytes: u64,
    end: u64,
    waker: W,
}

/// The decision about a turn that waits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    /// It passes.
    Passes,
    /// It is next, and passes at this time.
    NextAt(Instant),
    /// Others are before it.
    Behind,
}

/// A turn that waits; it leaves the order when it is dropped.
struct Ticket<'a> {
    limit: &'a Limit,
    place: Place,
    waker: Arc<Notify>,
}

impl Default for Rate {
    /// Creates a rate without a limit.
    fn default() -> Rate {
        Rate::new(0)
    }
}

impl Rate {
    /// Creates a limit of `bytes_a_second`; 0 is no limit.
    #[must_use]
    pub fn new(bytes_a_second: u64) -> Rate {
        Rate(Arc::new(Limit {
            bytes_a_second: AtomicU64::new(bytes_a_second),
            turns: Mutex::new(Turns::new(now())),
        }))
    }

    /// Changes the limit to `bytes_a_second`, also for streams that wait; 0 is no limit.
    pub fn set(&self, bytes_a_second: u64) {
        self.0
            .bytes_a_second
            .store(bytes_a_second, Ordering::Relaxed);
        let mut turns = lock(&self.0.turns);
        // What passed last took its time at the limit of before.
        turns.free_at = turns.free_at.min(now());
        if let Some(next) = turns.next() {
            next.notify_one();
        }
    }

    /// Returns the limit in bytes a second, if there is one.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        Some(self.0.bytes_a_second()).filter(|limit| *limit > 0)
    }

    /// Returns the most bytes that pass in one turn.
    #[must_use]
    pub fn turn(&self) -> usize {
        self.limit().map_or(TURN_MAX, turn)
    }

    /// Returns the time that one turn takes; zero without a limit.
    #[must_use]
    pub fn turn_time(&self) -> Duration {
        time(self.turn() as u64, self.0.bytes_a_second())
    }

    /// Waits until `bytes` of a stream from or to `address` have passed.
    pub async fn take(&self, address: IpAddr, bytes: usize) {
        let mut left = bytes;
        while left > 0
            && let Some(limit) = self.limit()
        {
            let turn = left.min(turn(limit));
            self.0.pass(address, turn).await;
            left -= turn;
        }
    }
}

/// Returns the most bytes of one turn at a limit.
fn turn(bytes_a_second: u64) -> usize {
    let millis = u64::try_from(TURN_TIME.as_millis()).unwrap_or(u64::MAX);
    let bytes = bytes_a_second.saturating_mul(millis) / 1_000;
    usize::try_from(bytes).map_or(TURN_MAX, |bytes| bytes.clamp(TURN_MIN, TURN_MAX))
}

/// Returns how long `bytes` take at a limit; 0 is none.
fn time(bytes: u64, bytes_a_second: u64) -> Duration {
    let nanos = u128::from(bytes) * 1_000_000_000;
    let nanos = nanos.checked_div(u128::from(bytes_a_second)).unwrap_or(0);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

impl Limit {
    fn bytes_a_second(&self) -> u64 {
        self.bytes_a_second.load(Ordering::Relaxed)
    }

    async fn pass(&self, address: IpAddr, bytes: usize) {
        let ticket = self.enter(address, bytes);
        loop {
            let verdict = lock(&self.turns).judge(ticket.place, now(), self.bytes_a_second());
            match verdict {
                Verdict::Passes => return,
                Verdict::Behind => ticket.waker.notified().await,
                Verdict::NextAt(at) => select! {
                    () = sleep_until(at.into()) => {}
                    () = ticket.waker.notified() => {}
                },
            }
        }
    }

    fn enter(&self, address: IpAddr, bytes: usize) -> Ticket<'_> {
        let waker = Arc::new(Notify::new());
        let place = lock(&self.turns).enter(address, bytes as u64, Arc::clone(&waker));
        Ticket {
            limit: self,
            place,
            waker,
        }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut turns = lock(&self.limit.turns);
        turns.leave(self.place);
        if let Some(next) = turns.next() {
            next.notify_one();
        }
    }
}

impl<W> Turns<W> {
    fn new(now: Instant) -> Turns<W> {
        Turns {
            waiting: BTreeMap::new(),
            ends: HashMap::new(),
            passed: 0,
            last_number: 0,
            free_at: now,
        }
    }

    /// Adds a turn of `bytes`.
    fn enter(&mut self, address: IpAddr, bytes: u64, waker: W) -> Place {
        let end = self.ends.get(&address).copied().unwrap_or(0);
        let start = end.max(self.passed);
        let end = start.saturating_add(bytes);
        self.ends.insert(address, end);
        self.last_number += 1;
        let place = Place {
            start,
            number: self.last_number,
        };
        let waiting = Waiting {
            address,
            bytes,
            end,
            waker,
        };
        self.waiting.insert(place, waiting);
        place
    }

    /// Lets the turn at `place` pass if it is next and the time has come.
    fn judge(&mut self, place: Place, now: Instant, bytes_a_second: u64) -> Verdict {
        let first = self.waiting.first_entry();
        let Some(first) = first.filter(|first| *first.key() == place) else {
            return Verdict::Behind;
        };
        if now < self.free_at {
            return Verdict::NextAt(self.free_at);
        }
        let time = time(first.remove().bytes, bytes_a_second);
        let credit_from = now.checked_sub(BURST).unwrap_or(now);
        self.free_at = self.free_at.max(credit_from) + time;
        self.passed = place.start;
        let passed = self.passed;
        self.ends.retain(|_, end| *end > passed);
        Verdict::Passes
    }

    /// Removes the turn at `place`, if it has not passed.
    fn leave(&mut self, place: Place) {
        let Some(left) = self.waiting.remove(&place) else {
            return;
        };
        // The next turn of the address takes the place that is free now.
        if self.ends.get(&left.address) == Some(&left.end) {
            self.ends.insert(left.address, place.start);
        }
    }

    /// Returns what wakes the stream that is next.
    fn next(&self) -> Option<&W> {
        let (_, waiting) = self.waiting.first_key_value()?;
        Some(&waiting.waker)
    }
}

#[cfg(test)]
mod tests;
