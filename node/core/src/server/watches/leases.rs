//! The places that others have for their queries.
//!
//! A state machine without I/O; time is a parameter.
//!
//! # Invariants
//! - A watcher that does not call for [`LEASE`] has no place any more.
//! - At most [`QUERIES_MAX`] queries stand, and of one node, or of one address without a proved identity, at most
//!   [`QUERIES_OF_ONE`]; all that comes from one address has at most [`QUERIES_OF_ADDRESS`].
//! - When all places are taken, the address with the most queries loses the lease that was renewed the longest time ago.
//! - A later call of a watcher ends the one before: nobody has two calls that wait.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use node_base::bucket::source_of;
use node_wire::NodeId;

/// The time for which a place is kept without a call.
pub(crate) const LEASE: Duration = Duration::from_secs(60 * 60);

/// Most queries that stand.
const QUERIES_MAX: usize = 4_096;

/// Most queries of one node.
const QUERIES_OF_ONE: usize = 128;

/// Most queries of all that come from one address.
const QUERIES_OF_ADDRESS: usize = 1_024;

/// The least that a watcher takes, so that empty ones are bounded too.
const LEAST: usize = 1;

/// Somebody who watches.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct WatcherKey {
    /// Its address, or the network that counts as one.
    source: IpAddr,
    /// Its identity, if its connection shows one.
    id: Option<NodeId>,
    /// The name that it gives itself.
    watcher: String,
}

/// There is no place for so many queries.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("there is no place for more queries")]
pub(crate) struct NoPlace;

/// The places of all.
#[derive(Debug, Default)]
pub(super) struct Leases {
    of: HashMap<WatcherKey, Lease>,
    calls: u64,
}

#[derive(Debug)]
struct Lease {
    queries: usize,
    renewed: Instant,
    /// The number of its last call.
    call: u64,
}

impl WatcherKey {
    pub(crate) fn new(address: IpAddr, id: Option<NodeId>, watcher: String) -> WatcherKey {
        WatcherKey {
            source: source_of(address),
            id,
            watcher,
        }
    }

    /// Returns whether another watcher is of the same node.
    fn is_of_same(&self, other: &WatcherKey) -> bool {
        match (self.id, other.id) {
            (None, None) => self.source == other.source,
            (one, other) => one == other,
        }
    }
}

impl Leases {
    /// Renews the lease of a watcher for so many queries. Returns the number of the call.
    ///
    /// # Errors
    /// [`NoPlace`] if it has too many, or others have and keep them.
    pub(super) fn renew(
        &mut self,
        key: &WatcherKey,
        queries: usize,
        now: Instant,
    ) -> Result<u64, NoPlace> {
        let queries = queries.max(LEAST);
        let is_kept = |lease: &Lease| now.saturating_duration_since(lease.renewed) < LEASE;
        self.of.retain(|_, lease| is_kept(lease));
        let of_one = self.queries(|other| other != key && other.is_of_same(key));
        let of_address = self.queries(|other| other != key && other.source == key.source);
        if of_one + queries > QUERIES_OF_ONE || of_address + queries > QUERIES_OF_ADDRESS {
            return Err(NoPlace);
        }
        while self.queries(|other| other != key) + queries > QUERIES_MAX {
            self.end_one(key)?;
        }
        self.calls += 1;
        let lease = Lease {
            queries,
            renewed: now,
            call: self.calls,
        };
        self.of.insert(key.clone(), lease);
        Ok(self.calls)
    }

    /// Returns whether this is the last call of a watcher that has a lease.
    pub(super) fn is_current(&self, key: &WatcherKey, call: u64) -> bool {
        self.of.get(key).is_some_and(|lease| lease.call == call)
    }

    fn queries(&self, counts: impl Fn(&WatcherKey) -> bool) -> usize {
        let leases = self.of.iter().filter(|(key, _)| counts(key));
        leases.map(|(_, lease)| lease.queries).sum()
    }

    /// Ends the oldest lease of the address that has the most queries, if that is another one than of `key`.
    fn end_one(&mut self, key: &WatcherKey) -> Result<(), NoPlace> {
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        for (other, lease) in &self.of {
            *counts.entry(other.source).or_default() += lease.queries;
        }
        let most = counts.into_iter().max_by_key(|(_, queries)| *queries);
        let (source, _) = most
            .filter(|(source, _)| *source != key.source)
            .ok_or(NoPlace)?;
        let of_source = self.of.iter().filter(|(other, _)| other.source == source);
        let oldest = of_source.min_by_key(|(_, lease)| lease.renewed);
        let oldest = oldest.map(|(other, _)| other.clone()).ok_or(NoPlace)?;
        self.of.remove(&oldest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(address: u8, id: Option<u8>, watcher: &str) -> WatcherKey {
        let id = id.map(|id| NodeId([id; 32]));
        WatcherKey::new(IpAddr::from([192, 0, 2, address]), id, watcher.to_owned())
    }

    #[test]
    fn a_later_call_of_a_watcher_ends_the_one_before() {
        let (mut leases, now) = (Leases::default(), Instant::now());
        let (one, other) = (key(1, Some(1), "a"), key(1, Some(1), "b"));
        let first = leases.renew(&one, 1, now).unwrap();
        leases.renew(&other, 1, now).unwrap();
        assert!(leases.is_current(&one, first));
        let second = leases.renew(&one, 1, now).unwrap();
        assert!(!leases.is_current(&one, first));
        assert!(leases.is_current(&one, second));
    }

    #[test]
    fn a_lease_ends_after_its_time_unless_it_is_renewed() {
        let (mut leases, now) = (Leases::default(), Instant::now());
        let (kept, left) = (key(1, Some(1), ""), key(2, Some(2), ""));
        leases.renew(&kept, 1, now).unwrap();
        let call = leases.renew(&left, 1, now).unwrap();
        leases.renew(&kept, 1, now + LEASE / 2).unwrap();
        let renewed = leases.renew(&kept, 1, now + LEASE).unwrap();
        assert!(leases.is_current(&kept, renewed));
        assert!(!leases.is_current(&left, call));
    }

    #[test]
    fn a_thousand_leases_of_one_node_take_no_place_from_others() {
        let (mut leases, now) = (Leases::default(), Instant::now());
        let honest = key(1, Some(9), "");
        let call = leases.renew(&honest, 4, now).unwrap();
        let taken = (0..1_000).filter(|n| {
            leases
                .renew(&key(1, Some(1), &n.to_string()), 1, now)
                .is_ok()
        });
        assert_eq!(taken.count(), QUERIES_OF_ONE);
        assert!(leases.is_current(&honest, call));
        assert!(leases.renew(&honest, 8, now).is_ok());
        assert!(leases.renew(&honest, QUERIES_OF_ONE + 1, now).is_err());
    }

    #[test]
    fn full_table_takes_from_the_address_with_the_most() {
        let (mut leases, now) = (Leases::default(), Instant::now());
        let honest = key(200, Some(200), "");
        let call = leases.renew(&honest, 1, now).unwrap();
        for address in 1..=4 {
            for id in 0..8 {
                let attacker = key(address, Some(address * 8 + id), "");
                leases.renew(&attacker, QUERIES_OF_ONE, now).ok();
            }
        }
        assert!(leases.is_current(&honest, call));
        let late = key(201, Some(201), "");
        assert!(leases.renew(&late, 16, now).is_ok());
        assert!(leases.queries(|_| true) <= QUERIES_MAX);
    }

    proptest! {
        #[test]
        fn tables_stay_within_their_limits(
            steps in proptest::collection::vec((0..6_u8, 0..40_u8, 0..6_u8, 0..70_usize, 0..2_000_u64), 1..300),
        ) {
            let (mut leases, mut now) = (Leases::default(), Instant::now());
            for (address, id, watcher, queries, seconds) in steps {
                now += Duration::from_secs(seconds);
                let key = key(address, (id > 0).then_some(id), &watcher.to_string());
                if let Ok(call) = leases.renew(&key, queries, now) {
                    prop_assert!(leases.is_current(&key, call));
                }
                prop_assert!(leases.queries(|_| true) <= QUERIES_MAX);
                prop_assert!(leases.queries(|other| other.source == key.source) <= QUERIES_OF_ADDRESS);
                prop_assert!(leases.queries(|other| other.is_of_same(&key)) <= QUERIES_OF_ONE);
            }
        }
    }
}
