//! Recent holders of files, and peers that recently lacked them.
//!
//! A pointer saves a search: a recent holder of a file probably still has it. A miss saves
//! nothing by itself, because a file may come at any time; it only says which peers to ask
//! last, so that a second search looks where the first one did not.
//!
//! # Invariants
//! - At most [`POINTERS_MAX`] things with [`HOLDERS_MAX`] holders each, for
//!   [`POINTER_AGE`]; at most [`MISSES_MAX`] misses, for [`MISS_AGE`]. What was not
//!   used for longest makes room.
//! - Nothing here is believed: a pointer is asked like anybody, and held to the scope
//!   of who named it.
//! - No I/O and no clock; time is a parameter.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    time::{Duration, Instant},
};

use node_transport::Destination;
use node_wire::{FindWanted, peer_url::PeerUrl};

/// Most things of which a holder is remembered.
pub const POINTERS_MAX: usize = 4_096;

/// Most holders of one thing.
const HOLDERS_MAX: usize = 4;

/// The time that a holder is remembered.
pub const POINTER_AGE: Duration = Duration::from_secs(30 * 60);

/// Most misses that are remembered.
pub const MISSES_MAX: usize = 8_192;

/// The time that a miss is remembered.
pub const MISS_AGE: Duration = Duration::from_secs(30);

/// The two memories.
#[derive(Debug)]
pub struct Pointers {
    holders: Aged<String, Vec<Destination>>,
    misses: Aged<(String, String), ()>,
}

impl Default for Pointers {
    fn default() -> Pointers {
        Pointers {
            holders: Aged::new(POINTERS_MAX, POINTER_AGE),
            misses: Aged::new(MISSES_MAX, MISS_AGE),
        }
    }
}

impl Pointers {
    /// Notes that a peer has it.
    pub fn found(&mut self, wanted: &FindWanted, peer: &Destination, now: Instant) {
        let Some(key) = key(wanted) else { return };
        let held = self.holders.get(&key, now).cloned();
        let mut holders = held.unwrap_or_default();
        holders.retain(|holder| !holder.same_peer(peer));
        holders.insert(0, peer.clone());
        holders.truncate(HOLDERS_MAX);
        self.misses.remove(&(key.clone(), peer.key()));
        self.holders.put(key, holders, now);
    }

    /// Notes that a peer does not have it.
    pub fn missed(&mut self, wanted: &FindWanted, peer: &PeerUrl, now: Instant) {
        let Some(key) = key(wanted) else { return };
        if let Some(held) = self.holders.get(&key, now) {
            let mut holders = held.clone();
            holders.retain(|holder| !holder.same_peer(peer));
            self.holders.put(key.clone(), holders, now);
        }
        self.misses.put((key, peer.key()), (), now);
    }

    /// Returns the recent holders, the last one first.
    #[must_use]
    pub fn holders(&self, wanted: &FindWanted, now: Instant) -> Vec<Destination> {
        let held = key(wanted).and_then(|key| self.holders.get(&key, now).cloned());
        held.unwrap_or_default()
    }

    /// Returns true if the peer did not have it a moment ago.
    #[must_use]
    pub fn was_missed(&self, wanted: &FindWanted, peer: &PeerUrl, now: Instant) -> bool {
        let key = key(wanted).map(|key| (key, peer.key()));
        key.is_some_and(|key| self.misses.get(&key, now).is_some())
    }
}

/// Returns the key of names and content. Queries are too many and have none.
fn key(wanted: &FindWanted) -> Option<String> {
    match wanted {
        FindWanted::Name(name) => Some(format!("name {name}")),
        FindWanted::Digest(digest) => Some(format!("digest {digest}")),
        FindWanted::Query(_) => None,
    }
}

/// A table that forgets: what is old, and when it is full what was put first.
#[derive(Debug)]
struct Aged<K, V> {
    values: HashMap<K, (V, Instant)>,
    /// The keys in the order in which they were put; one that was put again
    /// stands here twice and counts where it stands last.
    order: VecDeque<(K, Instant)>,
    most: usize,
    age: Duration,
}

impl<K: Clone + Eq + Hash, V> Aged<K, V> {
    fn new(most: usize, age: Duration) -> Aged<K, V> {
        Aged {
            values: HashMap::new(),
            order: VecDeque::new(),
            most,
            age,
        }
    }

    fn get(&self, key: &K, now: Instant) -> Option<&V> {
        let (value, since) = self.values.get(key)?;
        (now.saturating_duration_since(*since) < self.age).then_some(value)
    }

    fn put(&mut self, key: K, value: V, now: Instant) {
        self.order.push_back((key.clone(), now));
        self.values.insert(key, (value, now));
        while self.values.len() > self.most || self.order.len() > 2 * self.most {
            self.forget_first();
        }
    }

    fn remove(&mut self, key: &K) {
        self.values.remove(key);
    }

    fn forget_first(&mut self) {
        let Some((key, put)) = self.order.pop_front() else {
            return;
        };
        if self
            .values
            .get(&key)
            .is_some_and(|(_, since)| *since == put)
        {
            self.values.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use node_wire::scope::Scope;

    use super::*;

    fn url(n: usize) -> PeerUrl {
        PeerUrl::parse(&format!("http://127.0.0.1:{}/", 10_000 + n)).unwrap()
    }

    fn to(n: usize) -> Destination {
        Destination::heard(url(n), Scope::Machine)
    }

    fn name(n: usize) -> FindWanted {
        FindWanted::Name(n.to_string())
    }

    #[test]
    fn a_holder_is_remembered_until_it_is_old_or_says_no() {
        let (mut pointers, now) = (Pointers::default(), Instant::now());
        for n in 0..=HOLDERS_MAX {
            pointers.found(&name(1), &to(n), now);
        }
        pointers.found(&name(1), &to(2), now);
        let holders = pointers.holders(&name(1), now);
        assert_eq!((holders.len(), &holders[0]), (HOLDERS_MAX, &to(2)));
        pointers.missed(&name(1), &url(2), now);
        assert!(!pointers.holders(&name(1), now).contains(&to(2)));
        assert!(pointers.holders(&name(2), now).is_empty());
        assert!(pointers.holders(&name(1), now + POINTER_AGE).is_empty());
    }

    #[test]
    fn a_miss_is_remembered_for_a_moment_and_a_hit_ends_it() {
        let (mut pointers, now) = (Pointers::default(), Instant::now());
        pointers.missed(&name(1), &url(1), now);
        assert!(pointers.was_missed(&name(1), &url(1), now));
        assert!(!pointers.was_missed(&name(1), &url(2), now));
        assert!(!pointers.was_missed(&name(1), &url(1), now + MISS_AGE));
        pointers.found(&name(1), &to(1), now);
        assert!(!pointers.was_missed(&name(1), &url(1), now));
    }

    #[test]
    fn the_first_makes_room() {
        let (mut pointers, now) = (Pointers::default(), Instant::now());
        for n in 0..POINTERS_MAX {
            pointers.found(&name(n), &to(1), now + Duration::from_millis(n as u64));
        }
        let later = now + Duration::from_secs(5);
        pointers.found(&name(0), &to(1), later);
        pointers.found(&name(POINTERS_MAX), &to(1), later);
        let kept = |n| !pointers.holders(&name(n), later).is_empty();
        assert!(kept(0) && !kept(1) && kept(2) && kept(POINTERS_MAX));
    }

    #[test]
    fn the_memory_stays_within_its_bounds() {
        let (mut pointers, now) = (Pointers::default(), Instant::now());
        for n in 0..5 * MISSES_MAX {
            pointers.missed(&name(n % 7), &url(n % 50_000), now);
            pointers.found(&name(n % 3), &to(1), now);
        }
        assert!(pointers.misses.values.len() <= MISSES_MAX);
        assert!(pointers.misses.order.len() <= 2 * MISSES_MAX);
        assert!(pointers.holders.order.len() <= 2 * POINTERS_MAX);
    }
}
