//! The order in which one walk asks peers.
//!
//! Sixhop nodes are asked a few at a time. Chapter peers come after
//! them and one at a time: they serve one call after the other and wait without
//! end, so two of them that know each other and are asked at once ask each
//! other and wait for ever.
//!
//! A walk has a [`Budget`]. Each call takes one of it; what is left beyond one call
//! for each peer that waits is shared out among the Sixhop nodes, for the calls
//! that they make in turn, and what they give back is there for the others.
//!
//! # Invariants
//! - What was given away and not given back, and the calls made here, are together
//!   no more than the budget.
//! - As long as it lasts, no peer of ours is passed over because another one was given
//!   too much.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use node_wire::{budget::Budget, fault::MissReason};

use super::peers::PeerEntry;
use node_transport::PeerKind;

/// Calls of one walk in flight at a time, slow ones not counted.
pub const FAN_OUT: usize = 4;

/// A call that runs for longer than this is slow: it keeps running, but no
/// longer keeps others waiting.
pub const SLOW_AFTER: Duration = Duration::from_millis(500);

/// Calls of one walk in flight at a time, slow ones counted.
pub const IN_FLIGHT_MAX: usize = 16;

/// The time for which a chapter peer keeps the next one waiting.
pub const BOOK_PATIENCE: Duration = Duration::from_secs(2);

/// The end of a call of a walk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// The peer has the file, or knows who has, and sends it.
    Found,
    /// The peer does not find it; why, if it says so.
    Missed(Option<MissReason>),
    /// The peer refuses.
    Refused,
    /// The peer was not reached.
    Failed,
    /// The peer answered with something that cannot be read.
    Unreadable,
    /// There was no time left for an answer.
    Late,
}

/// A call that runs.
#[derive(Debug)]
struct InFlight {
    key: String,
    since: Instant,
    granted: usize,
}

/// The state of one walk at one node.
#[derive(Debug)]
pub struct Plan {
    /// Sixhop nodes.
    nodes: VecDeque<PeerEntry>,
    /// Chapter peers, and those of which the kind is not known yet.
    books: VecDeque<PeerEntry>,
    in_flight: Vec<InFlight>,
    asked: usize,
    /// Calls that may still be made, by us or by others for us.
    budget: usize,
    /// The reason why more might be found: the strongest seen.
    lacking: Option<MissReason>,
    /// True if a peer could not be reached, or did not say why it found nothing.
    unsure: bool,
}

impl Plan {
    /// Creates a walk that asks `peers`, those of each kind in this order.
    #[must_use]
    pub fn new(peers: Vec<PeerEntry>, budget: Budget) -> Plan {
        let is_node = |peer: &PeerEntry| peer.kind == Some(PeerKind::Sixhop);
        let (nodes, books): (Vec<_>, Vec<_>) = peers.into_iter().partition(is_node);
        Plan {
            nodes: nodes.into(),
            books: books.into(),
            in_flight: Vec::new(),
            asked: 0,
            budget: budget.calls(),
            lacking: None,
            unsure: false,
        }
    }

    /// Returns a walk that asks nobody, for this reason.
    #[must_use]
    pub fn nobody(reason: MissReason, budget: Budget) -> Plan {
        Plan {
            lacking: Some(reason),
            ..Plan::new(Vec::new(), budget)
        }
    }

    /// Returns the next peer to ask `now`, if one is to be asked now, and the calls that it
    /// may make in turn.
    pub fn next(&mut self, now: Instant) -> Option<(PeerEntry, Budget)> {
        if !self.is_anyone_waiting() || !self.may_ask(now) {
            return None;
        }
        if self.is_spent() {
            // What is in flight may give something back.
            if self.in_flight.is_empty() {
                self.forget_waiting();
                self.lacks(MissReason::Budget);
            }
            return None;
        }
        let peer = self.nodes.pop_front().or_else(|| self.books.pop_front())?;
        self.asked += 1;
        self.budget = self.budget.saturating_sub(1);
        let granted = self.share_of(&peer);
        self.budget -= granted.calls();
        self.in_flight.push(InFlight {
            key: peer.url.key(),
            since: now,
            granted: granted.calls(),
        });
        Some((peer, granted))
    }

    /// Takes back calls that the peer with this key, whose call is in flight, did not need
    /// of those that it was given.
    pub fn given_back(&mut self, key: &str, left: Budget) {
        if let Some(call) = self.in_flight.iter_mut().find(|call| call.key == key) {
            let left = left.calls().min(call.granted);
            call.granted -= left;
            self.budget += left;
        }
    }

    /// Takes back the call to the peer with this key, which is not made after all.
    pub fn left_out(&mut self, key: &str) {
        let calls = self.in_flight.iter().filter(|call| call.key == key);
        self.budget += calls.map(|call| call.granted + 1).sum::<usize>();
        self.asked = self.asked.saturating_sub(1);
        self.in_flight.retain(|call| call.key != key);
    }

    /// Returns the calls that were not needed.
    #[must_use]
    pub fn left(&self) -> Budget {
        Budget::of(self.budget)
    }

    /// Returns the time at which [`Plan::next`] may answer otherwise, if no call ends before.
    #[must_use]
    pub fn look_again_at(&self, now: Instant) -> Option<Instant> {
        if !self.is_anyone_waiting() || self.in_flight.len() >= IN_FLIGHT_MAX {
            return None;
        }
        let patience = self.patience();
        self.in_flight
            .iter()
            .map(|call| call.since + patience)
            .filter(|at| *at > now)
            .min()
    }

    /// Ends the call to the peer with this key.
    pub fn ended(&mut self, key: &str, how: Ended) {
        self.in_flight.retain(|call| call.key != key);
        match how {
            // One that gives no reason may have lacked hops, or may not: there is
            // nothing to tell people, but another walk may find more.
            Ended::Missed(None) | Ended::Failed => self.unsure = true,
            Ended::Missed(Some(MissReason::NotFound | MissReason::Seen))
            | Ended::Refused
            | Ended::Found => {}
            Ended::Missed(Some(reason)) => self.lacks(reason),
            Ended::Late => self.lacks(MissReason::Deadline),
            Ended::Unreadable => self.lacks(MissReason::Unreadable),
        }
    }

    /// Returns true if the call to the peer with this key is in flight.
    #[must_use]
    pub fn is_in_flight(&self, key: &str) -> bool {
        self.in_flight.iter().any(|call| call.key == key)
    }

    /// Returns the number of peers asked so far.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.asked
    }

    /// Returns true if no peer is left to ask or to answer.
    #[must_use]
    pub fn is_over(&self) -> bool {
        !self.is_anyone_waiting() && self.in_flight.is_empty()
    }

    /// Stops: there was no time to ask further.
    pub fn give_up(&mut self) {
        if !self.is_over() {
            self.forget_waiting();
            self.in_flight.clear();
            self.lacks(MissReason::Deadline);
        }
    }

    /// Returns the reason why nothing was found.
    #[must_use]
    pub fn verdict(&self) -> MissReason {
        self.lacking.unwrap_or(MissReason::NotFound)
    }

    /// Returns true if more hops, more time or another way would find no more.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.lacking.is_none() && !self.unsure
    }

    fn may_ask(&self, now: Instant) -> bool {
        let most = if self.nodes.is_empty() { 1 } else { FAN_OUT };
        let patience = self.patience();
        let fresh = self
            .in_flight
            .iter()
            .filter(|call| now < call.since + patience)
            .count();
        fresh < most && self.in_flight.len() < IN_FLIGHT_MAX
    }

    /// Returns true if not even one more call may be made.
    fn is_spent(&self) -> bool {
        self.budget == 0
    }

    /// Returns the budget for the peer that is asked now: its part of what is not needed
    /// for those that wait.
    fn share_of(&self, peer: &PeerEntry) -> Budget {
        if peer.kind == Some(PeerKind::Book) {
            return Budget::NONE;
        }
        let waiting = self.nodes.len() + self.books.len();
        let spare = self.budget.saturating_sub(waiting);
        Budget::of(spare.div_ceil(self.nodes.len() + 1))
    }

    /// Returns the time that a call keeps the next peer waiting.
    fn patience(&self) -> Duration {
        if self.nodes.is_empty() {
            BOOK_PATIENCE
        } else {
            SLOW_AFTER
        }
    }

    fn is_anyone_waiting(&self) -> bool {
        !(self.nodes.is_empty() && self.books.is_empty())
    }

    fn forget_waiting(&mut self) {
        self.nodes.clear();
        self.books.clear();
    }

    fn lacks(&mut self, reason: MissReason) {
        let strength = |reason| match reason {
            MissReason::NotFound | MissReason::Seen => 0,
            MissReason::HopLimit => 1,
            MissReason::Budget => 2,
            MissReason::Deadline => 3,
            MissReason::Unreadable => 4,
        };
        if self
            .lacking
            .is_none_or(|now| strength(now) < strength(reason))
        {
            self.lacking = Some(reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use node_wire::peer_url::PeerUrl;
    use proptest::prelude::*;

    use super::*;
    use crate::peers::{KnownFrom, PeerTable};

    fn plan(peers: usize) -> Plan {
        mixed(peers, 0)
    }

    /// Returns a plan with so many Sixhop nodes and chapter peers.
    fn mixed(nodes: usize, books: usize) -> Plan {
        let ourselves = PeerUrl::parse("http://127.0.0.1:1").unwrap();
        let mut table = PeerTable::new(ourselves);
        for n in 0..nodes + books {
            let url = PeerUrl::parse(&format!("http://127.0.0.1:{}", 2 + n)).unwrap();
            table.add(&url, KnownFrom::Hello, Instant::now());
            let kind = if n < nodes {
                PeerKind::Sixhop
            } else {
                PeerKind::Book
            };
            table.answered(&url, kind, None);
        }
        Plan::new(table.list(), Budget::WHOLE)
    }

    fn ask_all(plan: &mut Plan, now: Instant) -> Vec<String> {
        std::iter::from_fn(|| plan.next(now).map(|(peer, _)| peer.url.key())).collect()
    }

    #[test]
    fn a_few_are_asked_at_a_time_and_the_next_one_when_one_ends() {
        let (mut plan, now) = (plan(6), Instant::now());
        let first = ask_all(&mut plan, now);
        assert_eq!(first.len(), FAN_OUT);
        plan.ended(&first[0], Ended::Missed(Some(MissReason::NotFound)));
        assert_eq!(ask_all(&mut plan, now).len(), 1);
    }

    #[test]
    fn slow_peers_do_not_keep_others_waiting_but_are_bounded_too() {
        let (mut plan, now) = (plan(40), Instant::now());
        let mut at = now;
        let mut asked = 0;
        for _ in 0..10 {
            asked += ask_all(&mut plan, at).len();
            at += SLOW_AFTER;
        }
        assert_eq!(asked, IN_FLIGHT_MAX);
        assert_eq!(plan.look_again_at(at), None);
    }

    #[test]
    fn peers_of_the_chapter_come_last_and_one_at_a_time() {
        let (mut plan, now) = (mixed(2, 3), Instant::now());
        let nodes = ask_all(&mut plan, now);
        assert_eq!(nodes.len(), 2);
        plan.ended(&nodes[0], Ended::Missed(Some(MissReason::NotFound)));
        assert!(
            ask_all(&mut plan, now).is_empty(),
            "a node of our kind may still answer"
        );
        plan.ended(&nodes[1], Ended::Missed(Some(MissReason::NotFound)));
        for _ in 0..3 {
            let books = ask_all(&mut plan, now);
            assert_eq!(books.len(), 1);
            plan.ended(&books[0], Ended::Missed(None));
        }
        assert!(plan.is_over());
    }

    #[test]
    fn a_silent_peer_of_the_chapter_is_given_up_after_a_while() {
        let (mut plan, now) = (mixed(0, 2), Instant::now());
        assert_eq!(ask_all(&mut plan, now).len(), 1);
        assert_eq!(plan.look_again_at(now), Some(now + BOOK_PATIENCE));
        assert!(ask_all(&mut plan, now + BOOK_PATIENCE / 2).is_empty());
        assert_eq!(ask_all(&mut plan, now + BOOK_PATIENCE).len(), 1);
    }

    #[test]
    fn the_plan_says_when_to_look_again() {
        let (mut plan, now) = (plan(6), Instant::now());
        ask_all(&mut plan, now);
        assert_eq!(plan.look_again_at(now), Some(now + SLOW_AFTER));
    }

    #[test]
    fn a_walk_has_a_budget_and_says_so() {
        let (mut plan, now) = (plan(Budget::WHOLE.calls() + 1), Instant::now());
        let mut asked = 0;
        while let Some((peer, granted)) = plan.next(now) {
            asked += 1;
            plan.given_back(&peer.url.key(), granted);
            plan.ended(&peer.url.key(), Ended::Missed(Some(MissReason::NotFound)));
        }
        assert_eq!(asked, Budget::WHOLE.calls());
        assert_eq!(plan.verdict(), MissReason::Budget);
    }

    #[test]
    fn each_node_gets_a_share_and_a_peer_of_the_chapter_none() {
        let (mut plan, now) = (mixed(2, 1), Instant::now());
        let granted: Vec<_> = std::iter::from_fn(|| plan.next(now))
            .map(|(_, granted)| granted.calls())
            .collect();
        // 64 less one call; one for each of two that wait; half of the rest.
        assert_eq!(granted, [31, 30]);
        for peer in [2, 3] {
            let key = format!("http://127.0.0.1:{peer}/");
            let key = PeerUrl::parse(&key).unwrap().key();
            plan.ended(&key, Ended::Missed(Some(MissReason::NotFound)));
        }
        let (_, granted) = plan.next(now).unwrap();
        assert_eq!((granted, plan.left()), (Budget::NONE, Budget::NONE));
    }

    #[test]
    fn returned_budget_serves_others_and_is_bounded_by_the_grant() {
        let (mut plan, now) = (plan(1), Instant::now());
        let (peer, granted) = plan.next(now).unwrap();
        assert_eq!((granted.calls(), plan.left()), (63, Budget::NONE));
        for _ in 0..2 {
            plan.given_back(&peer.url.key(), Budget::WHOLE);
            assert_eq!(plan.left().calls(), 63);
        }
    }

    #[test]
    fn a_walk_without_calls_says_so() {
        let mut plan = Plan::new(plan(1).nodes.into(), Budget::NONE);
        assert!(plan.next(Instant::now()).is_none());
        assert!(plan.is_over());
        assert_eq!(plan.verdict(), MissReason::Budget);
    }

    #[test]
    fn a_peer_that_is_not_reached_leaves_the_walk_incomplete() {
        let (mut plan, now) = (plan(1), Instant::now());
        let (peer, _) = plan.next(now).unwrap();
        plan.ended(&peer.url.key(), Ended::Failed);
        assert!(plan.is_over() && !plan.is_complete());
        assert_eq!(plan.verdict(), MissReason::NotFound);
    }

    #[test]
    fn miss_without_a_reason_is_plain_and_may_be_asked_again() {
        let (mut plan, now) = (mixed(0, 1), Instant::now());
        let (peer, _) = plan.next(now).unwrap();
        plan.ended(&peer.url.key(), Ended::Missed(None));
        assert!(plan.is_over() && !plan.is_complete());
        assert_eq!(plan.verdict(), MissReason::NotFound);
    }

    #[test]
    fn the_verdict_is_the_strongest_reason() {
        use MissReason::{Deadline, HopLimit, NotFound, Seen, Unreadable};
        for (ends, verdict) in [
            (
                vec![
                    Ended::Missed(Some(NotFound)),
                    Ended::Missed(Some(Seen)),
                    Ended::Refused,
                ],
                NotFound,
            ),
            (
                vec![Ended::Missed(Some(HopLimit)), Ended::Missed(Some(NotFound))],
                HopLimit,
            ),
            (vec![Ended::Unreadable], Unreadable),
            (vec![Ended::Late, Ended::Unreadable], Unreadable),
            (vec![Ended::Late, Ended::Missed(Some(HopLimit))], Deadline),
        ] {
            let (mut plan, now) = (plan(ends.len()), Instant::now());
            for end in ends {
                let (peer, _) = plan.next(now).unwrap();
                plan.ended(&peer.url.key(), end);
            }
            assert!(plan.is_over());
            assert_eq!(plan.verdict(), verdict);
            assert_eq!(plan.is_complete(), verdict == NotFound);
        }
    }

    proptest! {
        #[test]
        fn all_calls_here_and_behind_are_no_more_than_the_budget(
            nodes in 0usize..80,
            books in 0usize..8,
            budget in 0usize..=64,
            needs in proptest::collection::vec(0usize..70, 100),
        ) {
            let mut plan = Plan::new(mixed(nodes, books).nodes.into(), Budget::of(budget));
            let mut now = Instant::now();
            let (mut made, mut running) = (0, Vec::new());
            let mut needs = needs.into_iter().cycle();
            while !plan.is_over() {
                running.extend(std::iter::from_fn(|| plan.next(now)));
                if let Some((peer, granted)) = running.pop() {
                    let needed = needs.next().unwrap().min(granted.calls());
                    made += 1 + needed;
                    let left = Budget::of(granted.calls() - needed);
                    plan.given_back(&peer.url.key(), left);
                    plan.ended(&peer.url.key(), Ended::Missed(Some(MissReason::NotFound)));
                }
                now += SLOW_AFTER;
            }
            prop_assert!(made <= budget, "{} calls of {}", made, budget);
            prop_assert_eq!(made + plan.left().calls(), budget);
        }

        #[test]
        fn every_peer_is_asked_at_most_once_and_the_walk_ends(
            peers in 0usize..100,
            steps in proptest::collection::vec((any::<bool>(), 0u64..700), 0..300),
        ) {
            let mut plan = plan(peers);
            let mut now = Instant::now();
            let mut running: Vec<String> = Vec::new();
            let mut asked: Vec<String> = Vec::new();
            for (end, wait) in steps {
                now += Duration::from_millis(wait);
                let new = ask_all(&mut plan, now);
                running.extend(new.iter().cloned());
                asked.extend(new);
                prop_assert!(running.len() <= IN_FLIGHT_MAX);
                if end && !running.is_empty() {
                    plan.ended(&running.remove(0), Ended::Missed(Some(MissReason::NotFound)));
                }
            }
            while !plan.is_over() {
                now += SLOW_AFTER;
                let new = ask_all(&mut plan, now);
                running.extend(new.iter().cloned());
                asked.extend(new);
                if !running.is_empty() {
                    plan.ended(&running.remove(0), Ended::Missed(Some(MissReason::NotFound)));
                }
            }
            let total = asked.len();
            asked.sort();
            asked.dedup();
            prop_assert_eq!(asked.len(), total);
            prop_assert_eq!(total, peers.min(Budget::WHOLE.calls()));
        }
    }
}
