//! Whom one search asks next.
//!
//! # Invariants
//! - Nobody is asked twice, we ourselves are not asked.
//! - Those that are nearer are asked first.
//! - No I/O and no clock; time is a parameter.

use std::{
    collections::{HashSet, VecDeque},
    time::{Duration, Instant},
};

use node_wire::{fault::MissReason, limits::HISTORY_MAX, peer_url::PeerUrl};

/// Most peers that one search asks.
pub(super) const BUDGET: usize = 64;

/// Calls in flight at a time, slow ones not counted.
const FAN_OUT: usize = 4;

/// Calls in flight at a time, slow ones counted.
const IN_FLIGHT_MAX: usize = 16;

/// A call that runs for longer than this is slow.
const SLOW_AFTER: Duration = Duration::from_millis(500);

/// Most peers that wait to be asked; more than the budget lets be asked.
const WAITING_MAX: usize = 2 * BUDGET;

/// A peer to ask, and how far away it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Target {
    pub(super) peer: PeerUrl,
    /// The peer that named it first; none for our own peers.
    pub(super) named_by: Option<PeerUrl>,
    hops: usize,
}

/// The state of one search.
#[derive(Debug)]
pub(super) struct Plan {
    /// Keys of the peers that wait, are asked or were.
    seen: HashSet<String>,
    waiting: VecDeque<Target>,
    in_flight: Vec<(String, Instant)>,
    asked: usize,
    lacking: Option<MissReason>,
}

impl Target {
    /// Whether it is a peer of ours, and not one that somebody named.
    pub(super) fn is_ours(&self) -> bool {
        self.hops == 1
    }
}

impl Plan {
    /// A search from `ourselves` that begins with our own `peers`.
    pub(super) fn new(ourselves: &PeerUrl, peers: Vec<PeerUrl>) -> Plan {
        let mut plan = Plan {
            seen: HashSet::from([ourselves.key()]),
            waiting: VecDeque::new(),
            in_flight: Vec::new(),
            asked: 0,
            lacking: None,
        };
        plan.add(peers, None, 1);
        plan
    }

    /// The next peer to ask `now`, if one is to be asked now.
    pub(super) fn next(&mut self, now: Instant) -> Option<Target> {
        let quick = self
            .in_flight
            .iter()
            .filter(|(_, since)| !is_slow(*since, now));
        if quick.count() >= FAN_OUT || self.in_flight.len() >= IN_FLIGHT_MAX {
            return None;
        }
        if self.asked == BUDGET && !self.waiting.is_empty() {
            self.waiting.clear();
            self.lacks(MissReason::Budget);
        }
        let target = self.waiting.pop_front()?;
        self.asked += 1;
        self.in_flight.push((target.peer.key(), now));
        Some(target)
    }

    /// When [`Plan::next`] may answer otherwise, if no call ends before.
    pub(super) fn look_again_at(&self, now: Instant) -> Option<Instant> {
        if self.waiting.is_empty() || self.in_flight.len() >= IN_FLIGHT_MAX {
            return None;
        }
        let slow_at = self.in_flight.iter().map(|(_, since)| *since + SLOW_AFTER);
        slow_at.filter(|at| *at > now).min()
    }

    /// A call ended.
    pub(super) fn ended(&mut self, target: &Target) {
        let key = target.peer.key();
        self.in_flight.retain(|(other, _)| *other != key);
    }

    /// The same peer is asked for more.
    pub(super) fn again(&mut self, target: &Target, now: Instant) {
        self.in_flight.push((target.peer.key(), now));
    }

    /// A peer named others.
    pub(super) fn named(&mut self, by: &Target, peers: impl IntoIterator<Item = PeerUrl>) {
        self.add(peers, Some(&by.peer), by.hops + 1);
    }

    /// A call failed.
    pub(super) fn failed(&mut self, late: bool) {
        if late {
            self.lacks(MissReason::Deadline);
        }
    }

    /// There is no time left.
    pub(super) fn give_up(&mut self) {
        if !self.in_flight.is_empty() || !self.waiting.is_empty() {
            self.lacks(MissReason::Deadline);
        }
        self.in_flight.clear();
        self.waiting.clear();
    }

    /// Number of peers asked so far.
    pub(super) fn asked(&self) -> usize {
        self.asked
    }

    /// Why more might be found than was.
    pub(super) fn verdict(&self) -> MissReason {
        self.lacking.unwrap_or(MissReason::NotFound)
    }

    fn add(
        &mut self,
        peers: impl IntoIterator<Item = PeerUrl>,
        named_by: Option<&PeerUrl>,
        hops: usize,
    ) {
        for peer in peers {
            if self.seen.contains(&peer.key()) {
                continue;
            }
            if hops > HISTORY_MAX {
                self.lacks(MissReason::HopLimit);
            } else if self.waiting.len() >= WAITING_MAX {
                self.lacks(MissReason::Budget);
            } else {
                self.seen.insert(peer.key());
                self.waiting.push_back(Target {
                    peer,
                    named_by: named_by.cloned(),
                    hops,
                });
            }
        }
    }

    /// The first reason is kept.
    fn lacks(&mut self, reason: MissReason) {
        self.lacking.get_or_insert(reason);
    }
}

fn is_slow(since: Instant, now: Instant) -> bool {
    now.saturating_duration_since(since) >= SLOW_AFTER
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn url(n: usize) -> PeerUrl {
        PeerUrl::parse(&format!("http://127.0.0.1:{}/", 10_000 + n)).unwrap()
    }

    #[test]
    fn four_are_asked_at_a_time_and_slow_ones_make_room() {
        let mut plan = Plan::new(&url(0), (0..10).map(url).collect());
        let start = Instant::now();
        for _ in 0..FAN_OUT {
            assert!(plan.next(start).is_some());
        }
        assert_eq!(plan.next(start), None);
        assert_eq!(plan.look_again_at(start), Some(start + SLOW_AFTER));
        assert!(plan.next(start + SLOW_AFTER).is_some());
    }

    #[test]
    fn a_search_ends_after_six_hops_and_says_so() {
        let mut plan = Plan::new(&url(0), vec![url(1)]);
        let now = Instant::now();
        let mut asked = Vec::new();
        while let Some(target) = plan.next(now) {
            asked.push(target.peer.clone());
            plan.ended(&target);
            plan.named(&target, [url(asked.len()), url(asked.len() + 1)]);
        }
        assert_eq!(asked, (1..=6).map(url).collect::<Vec<_>>());
        assert_eq!(plan.verdict(), MissReason::HopLimit);
    }

    #[test]
    fn a_complete_search_lacks_nothing() {
        let mut plan = Plan::new(&url(0), vec![url(1), url(1), url(0)]);
        let target = plan.next(Instant::now()).unwrap();
        plan.ended(&target);
        plan.named(&target, [url(0), url(1)]);
        assert_eq!(plan.next(Instant::now()), None);
        plan.give_up();
        assert_eq!((plan.asked(), plan.verdict()), (1, MissReason::NotFound));
    }

    #[test]
    fn who_named_a_peer_first_is_kept() {
        let mut plan = Plan::new(&url(0), vec![url(1), url(2)]);
        let now = Instant::now();
        let (first, second) = (plan.next(now).unwrap(), plan.next(now).unwrap());
        plan.named(&second, [url(3)]);
        plan.named(&first, [url(3), url(1)]);
        let third = plan.next(now).unwrap();
        assert_eq!((third.peer, third.named_by), (url(3), Some(url(2))));
        assert_eq!((first.named_by, second.named_by), (None, None));
    }

    proptest! {
        #[test]
        fn nobody_is_asked_twice_and_the_budget_holds(
            answers in proptest::collection::vec(proptest::collection::vec(0..400_usize, 0..32), 1..100),
        ) {
            let mut plan = Plan::new(&url(0), answers[0].iter().copied().map(url).collect());
            let mut asked = HashSet::new();
            let now = Instant::now();
            let mut turn = 0;
            while let Some(target) = plan.next(now) {
                prop_assert!(asked.insert(target.peer.key()));
                prop_assert!(target.peer != url(0));
                turn += 1;
                plan.ended(&target);
                plan.named(&target, answers[turn % answers.len()].iter().copied().map(url));
            }
            prop_assert!(asked.len() <= BUDGET);
            prop_assert_eq!(asked.len(), plan.asked());
        }
    }
}
