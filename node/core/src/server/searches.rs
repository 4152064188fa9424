//! Searches of others that are not over, by their cursors.
//!
//! # Invariants
//! - At most [`OPEN_MAX`] are open, asked about or not. A new one takes the
//!   place of the one that nobody has asked about for the longest time, of those of
//!   the address that has the most: a caller that opens many takes places from itself.
//! - One that nobody asks about for [`IDLE_MAX`] is forgotten.
//! - A cursor is 128 random bits, for one call; nobody without it can
//!   take hits from somebody else.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::Mutex,
    time::{Duration, Instant},
};

use tokio::time::timeout_at;

use crate::{
    clock::now,
    handlers::LiveAnswer,
    sync::lock,
    threads::{Place, Threads},
};

/// Most searches of others at a time; each has a thread.
const OPEN_MAX: usize = 32;

/// The time that a search waits to be asked about.
const IDLE_MAX: Duration = Duration::from_secs(15);

/// Bytes of a cursor.
const CURSOR: usize = 16;

/// The open searches.
#[derive(Debug)]
pub struct Searches {
    waiting: Mutex<HashMap<String, Waiting>>,
    threads: Threads,
}

/// A search of a peer.
#[derive(Debug)]
pub(super) struct OpenSearch {
    pub(super) live: LiveAnswer,
    /// Number of hits that the peer may still get.
    pub(super) left: usize,
}

/// A search that nobody asks about at the moment.
#[derive(Debug)]
struct Waiting {
    open: OpenSearch,
    /// The address that began it.
    from: IpAddr,
    since: Instant,
}

impl Default for Searches {
    fn default() -> Searches {
        Searches {
            waiting: Mutex::default(),
            threads: Threads::new("peer's search", OPEN_MAX),
        }
    }
}

impl Searches {
    /// Returns a place for a new search; `None` if there is none in time.
    pub(super) async fn place(&self, until: Instant) -> Option<Place> {
        self.forget_idle(now());
        if let Some(place) = self.threads.try_place() {
            return Some(place);
        }
        self.forget_oldest();
        timeout_at(until.into(), self.threads.place()).await.ok()
    }

    /// Keeps a search and gives its cursor; `None` if there is no randomness.
    pub(super) fn keep(&self, open: OpenSearch, from: IpAddr) -> Option<String> {
        let mut bytes = [0; CURSOR];
        getrandom::fill(&mut bytes).ok()?;
        let cursor = u128::from_be_bytes(bytes);
        let cursor = format!("{cursor:032x}");
        let waiting = Waiting {
            open,
            from,
            since: now(),
        };
        lock(&self.waiting).insert(cursor.clone(), waiting);
        Some(cursor)
    }

    /// Returns the search with this cursor.
    pub(super) fn take(&self, cursor: &str) -> Option<OpenSearch> {
        self.forget_idle(now());
        lock(&self.waiting)
            .remove(cursor)
            .map(|waiting| waiting.open)
    }

    /// Ends all of them.
    pub fn clear(&self) {
        lock(&self.waiting).clear();
    }

    fn forget_idle(&self, now: Instant) {
        lock(&self.waiting)
            .retain(|_, waiting| now.saturating_duration_since(waiting.since) < IDLE_MAX);
    }

    fn forget_oldest(&self) {
        let mut waiting = lock(&self.waiting);
        let ages = waiting
            .iter()
            .map(|(cursor, waiting)| (cursor, waiting.from, waiting.since));
        let removed = to_remove(ages).cloned();
        if let Some(cursor) = removed {
            waiting.remove(&cursor);
        }
    }
}

/// Returns the oldest search of the address that has the most.
fn to_remove<C: Clone>(open: impl Iterator<Item = (C, IpAddr, Instant)> + Clone) -> Option<C> {
    let mut counts: HashMap<IpAddr, usize> = HashMap::new();
    for (_, from, _) in open.clone() {
        *counts.entry(from).or_default() += 1;
    }
    let most = counts.values().copied().max()?;
    open.filter(|(_, from, _)| counts.get(from) == Some(&most))
        .min_by_key(|(_, _, since)| *since)
        .map(|(cursor, ..)| cursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_with_most_searches_loses_its_oldest_one() {
        let (many, few) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let begun = now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let open = [
            ("honest", few, at(0)),
            ("second", many, at(2)),
            ("first", many, at(1)),
            ("third", many, at(3)),
        ];
        assert_eq!(to_remove(open.iter().copied()), Some("first"));
        assert_eq!(to_remove(open[..1].iter().copied()), Some("honest"));
        assert_eq!(to_remove(open[..0].iter().copied()), None);
    }
}
