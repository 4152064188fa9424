//! The order in which one search asks peers.
//!
//! # Participants
//! A [`Planner`] takes peers ([`Candidate`]: a peer and what is known of
//! it before it is asked), the ends of calls and the hits; it returns the peers to ask
//! now ([`Target`]: the peer, the reason, and its distance). The node and the simulator drive
//! the same one; a [`Peer`] is whatever they call their nodes by.
//!
//! # Stages
//! *Likely* peers come first: recent holders ([`Hint::Pointer`]) or peers whose
//! summaries say so ([`Hint::Match`]). Only if that does not bring enough the
//! search *widens*, to peers of which nothing decides and to those that may lead
//! to others. Last, and only to be [`SearchReach::Sure`], it asks peers whose summaries
//! say no. A stage begins when no quick call of the one before it is left, so that
//! a hit costs the calls of its holders and no others. Within a stage nearer peers
//! come first, then those that did not say no a moment ago.
//!
//! # Claims
//! That a peer further away has it is the word of the peer that named it. Only
//! [`CLAIMS_MAX`] such claims of one answer count, and none any more when
//! [`FALSE_CLAIMS_MAX`] more of them were wrong than right.
//!
//! # Invariants
//! - Nobody is asked twice, we ourselves are not asked.
//! - No more calls than the budget, or some more of likely peers as long as nothing
//!   was found, none after the deadline, none further than
//!   [`HISTORY_MAX`] hops.
//! - Each peer that was heard of is either asked or counted in [`PassedOver`].
//! - Who named a peer first is kept.
//! - No I/O and no clock; time is a parameter. What is kept grows with the answers
//!   to the calls of the budget, and with nothing else.
//!
//! # Non-goals
//! The aim of the search, and the meaning of summaries: the caller makes the hints.

mod frontier;
mod rank;
mod reach;
mod slow;

use std::{
    collections::HashMap,
    hash::Hash,
    time::{Duration, Instant},
};

use node_api::search::{AskedWhy, SearchReach};
use node_transport::Destination;
use node_wire::{fault::MissReason, limits::HISTORY_MAX};

use self::{
    frontier::{Frontier, Standing},
    rank::{Rank, Stage},
    slow::SlowAfter,
};
pub use self::{
    rank::Hint,
    reach::Limits,
    slow::{SLOW_AFTER, SLOW_AFTER_MIN, SLOW_FACTOR},
};

/// Calls in flight at a time, slow ones not counted.
pub const FAN_OUT: usize = 4;

/// Calls in flight at a time, slow ones counted: half of the usual budget, so that
/// half of the network may be gone.
pub const IN_FLIGHT_MAX: usize = 32;

/// Most peers of one answer that count as likely because it says so.
pub const CLAIMS_MAX: usize = 8;

/// The number of wrong claims of a peer beyond its right ones, before none count.
pub const FALSE_CLAIMS_MAX: usize = 2;

/// A name of a node, as a search uses it.
pub trait Peer: Clone {
    /// The same for the same node, however it is written.
    type Key: Clone + Eq + Hash;

    /// Returns the key that identifies the node.
    fn key(&self) -> Self::Key;

    /// Notes that another peer named the same node, as `other`.
    fn also_named(&mut self, other: &Self);
}

impl Peer for Destination {
    type Key = String;

    fn key(&self) -> String {
        self.url().key()
    }

    fn also_named(&mut self, other: &Destination) {
        self.also_named_as(other);
    }
}

/// A peer that may be asked.
#[derive(Clone, Debug)]
pub struct Candidate<P> {
    /// The name of the peer.
    pub peer: P,
    /// The hint about it.
    pub hint: Hint,
    /// Of two that are alike, the one with the lower penalty is asked first.
    pub penalty: u32,
}

/// A peer to ask.
#[derive(Clone, Debug, PartialEq)]
pub struct Target<P> {
    /// The name of the peer.
    pub peer: P,
    /// The peer that named it first; none for our own peers and for pointers.
    pub named_by: Option<P>,
    /// The reason for asking it.
    pub why: AskedWhy,
    /// Its distance in hops: 1 for our own peers and for pointers.
    pub hops: usize,
    /// True if it is one of our own peers, and not one that others named.
    pub is_ours: bool,
    stage: Stage,
}

/// The source of a peer's name.
enum Origin<'a, P> {
    Ourselves,
    Pointer,
    Peer(&'a P),
}

/// The numbers of peers that were heard of and not asked, by reason.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct PassedOver {
    /// Their summaries say that they do not have it.
    pub ruled_out: usize,
    /// They do not have the handler.
    pub no_handler: usize,
    /// They are further away than a search goes.
    pub too_far: usize,
    /// There was enough, or no budget or time for them.
    pub left: usize,
}

/// A call that runs.
#[derive(Debug)]
struct InFlight<K> {
    key: K,
    since: Instant,
    stage: Stage,
}

/// The numbers of right and wrong claims that a peer made about others.
#[derive(Clone, Copy, Debug, Default)]
struct Claims {
    right: usize,
    wrong: usize,
}

/// The state of one search.
#[derive(Debug)]
pub struct Planner<P: Peer> {
    limits: Limits,
    deadline: Instant,
    frontier: Frontier<P>,
    in_flight: Vec<InFlight<P::Key>>,
    claims: HashMap<P::Key, Claims>,
    slow_after: SlowAfter,
    asked: usize,
    found: usize,
    lacking: Option<MissReason>,
    is_over: bool,
}

impl PassedOver {
    /// Returns the sum of them all.
    #[must_use]
    pub fn all(&self) -> usize {
        self.ruled_out + self.no_handler + self.too_far + self.left
    }
}

impl<P: Peer> Planner<P> {
    /// Creates a search from `ourselves` that begins `now` and knows nobody yet.
    #[must_use]
    pub fn new(ourselves: &P, limits: Limits, now: Instant) -> Planner<P> {
        Planner {
            deadline: now + limits.time,
            frontier: Frontier::new(ourselves.key(), limits.budget),
            limits,
            in_flight: Vec::new(),
            claims: HashMap::new(),
            slow_after: SlowAfter::default(),
            asked: 0,
            found: 0,
            lacking: None,
            is_over: false,
        }
    }

    /// Adds peers of ours.
    pub fn add(&mut self, peers: impl IntoIterator<Item = Candidate<P>>) {
        for candidate in peers {
            self.consider(candidate, &Origin::Ourselves, 1);
        }
    }

    /// Adds others that are said to have it, by a memory or a directory.
    pub fn point_to(&mut self, peers: impl IntoIterator<Item = P>) {
        for peer in peers {
            let candidate = Candidate {
                peer,
                hint: Hint::Pointer,
                penalty: 0,
            };
            self.consider(candidate, &Origin::Pointer, 1);
        }
    }

    /// Takes the names from a peer that was asked, or that is one of ours and was not.
    pub fn named(&mut self, by: &P, hops: usize, peers: impl IntoIterator<Item = Candidate<P>>) {
        let mut claims = CLAIMS_MAX;
        let trusted = self.is_trusted(&by.key());
        for mut candidate in peers {
            if candidate.hint == Hint::Match {
                if claims == 0 || !trusted {
                    candidate.hint = Hint::Open;
                }
                claims = claims.saturating_sub(1);
            }
            self.consider(candidate, &Origin::Peer(by), hops + 1);
        }
    }

    /// Returns the next peer to ask `now`, if one is to be asked now.
    pub fn next(&mut self, now: Instant) -> Option<Target<P>> {
        let stage = self.frontier.first()?;
        if self.is_over || stage > self.limits.last_stage() {
            return None;
        }
        if now >= self.deadline {
            self.lacks(MissReason::Deadline);
            return None;
        }
        if !self.has_room(now) || !self.may_begin(stage, now) {
            return None;
        }
        if self.asked >= self.calls_max(stage) {
            self.lacks(MissReason::Budget);
            return None;
        }
        let target = self.frontier.take_first()?;
        self.asked += 1;
        self.fly(&target, now);
        Some(target)
    }

    /// Returns the time at which [`Planner::next`] may answer otherwise, if no call ends before.
    #[must_use]
    pub fn look_again_at(&self, now: Instant) -> Option<Instant> {
        if self.frontier.first().is_none() || self.in_flight.len() >= IN_FLIGHT_MAX {
            return None;
        }
        let slow_after = self.slow_after.time();
        let slow_at = self.in_flight.iter().map(|call| call.since + slow_after);
        slow_at.filter(|at| *at > now).min()
    }

    /// Ends a call `now`.
    pub fn ended(&mut self, target: &Target<P>, now: Instant) {
        let key = target.peer.key();
        let ended = self.in_flight.iter().position(|call| call.key == key);
        if let Some(call) = ended.map(|at| self.in_flight.swap_remove(at)) {
            self.slow_after.note(call.time(now));
        }
    }

    /// Asks the same peer for more.
    pub fn again(&mut self, target: &Target<P>, now: Instant) {
        self.fly(target, now);
    }

    /// Takes the answer of a peer, with so many hits.
    pub fn answered(&mut self, target: &Target<P>, hits: usize) {
        self.found += hits;
        if let (AskedWhy::Match, Some(by)) = (target.why, &target.named_by) {
            let claims = self.claims.entry(by.key()).or_default();
            if hits > 0 {
                claims.right += 1;
            } else {
                claims.wrong += 1;
            }
            if !self.is_trusted(&by.key()) {
                self.frontier.demote(&by.key());
            }
        }
    }

    /// Notes that a call failed.
    pub fn failed(&mut self, target: &Target<P>, late: bool) {
        if late {
            self.lacks(MissReason::Deadline);
        }
        self.answered(target, 0);
    }

    /// Stops: there is no time left.
    pub fn give_up(&mut self) {
        let last = self.limits.last_stage();
        let waits = self.frontier.first();
        if !self.in_flight.is_empty() || waits.is_some_and(|stage| stage <= last) {
            self.lacks(MissReason::Deadline);
        }
        self.in_flight.clear();
        self.is_over = true;
    }

    /// Sets the number of wanted hits: a search that stopped because it had enough may
    /// go on.
    pub fn want(&mut self, enough: usize) {
        self.limits.enough = enough;
    }

    /// Returns true if the file seems to be rare: then it is time to ask an index of
    /// single copies. No likely peer is left, and some were asked in vain.
    #[must_use]
    pub fn is_rare(&self) -> bool {
        let likely = |stage| stage == Stage::Likely;
        self.found == 0
            && self.asked >= self.limits.rare_after
            && !self.frontier.first().is_some_and(likely)
    }

    /// Returns the number of peers asked so far.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.asked
    }

    /// Returns the number of hits so far.
    #[must_use]
    pub fn found(&self) -> usize {
        self.found
    }

    /// Returns the time at which the search ends.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Returns the reason why more might be found; a peer that was passed over because its
    /// summary says no is not one.
    #[must_use]
    pub fn verdict(&self) -> MissReason {
        self.lacking.unwrap_or(MissReason::NotFound)
    }

    /// Returns the numbers of peers that would not be asked if the search ended now.
    #[must_use]
    pub fn passed_over(&self) -> PassedOver {
        self.frontier.passed_over()
    }

    /// Returns the number of calls after which a peer of this stage is left out.
    fn calls_max(&self, stage: Stage) -> usize {
        let is_wanted = self.found == 0 && stage == Stage::Likely;
        self.limits.budget + if is_wanted { self.limits.more } else { 0 }
    }

    fn has_room(&self, now: Instant) -> bool {
        let slow_after = self.slow_after.time();
        let calls = self.in_flight.iter();
        let quick = calls.filter(|call| call.time(now) < slow_after);
        quick.count() < FAN_OUT && self.in_flight.len() < IN_FLIGHT_MAX
    }

    /// Returns true if the stage may begin: there is not enough, and no likelier peer is awaited.
    fn may_begin(&self, stage: Stage, now: Instant) -> bool {
        if stage == Stage::Likely {
            return true;
        }
        let slow_after = self.slow_after.time();
        let mut before = self.in_flight.iter().filter(|call| call.stage < stage);
        self.found < self.limits.enough && before.all(|call| call.time(now) >= slow_after)
    }

    fn fly(&mut self, target: &Target<P>, now: Instant) {
        self.in_flight.push(InFlight {
            key: target.peer.key(),
            since: now,
            stage: target.stage,
        });
    }

    fn consider(&mut self, candidate: Candidate<P>, by: &Origin<'_, P>, hops: usize) {
        let is_named = matches!(by, Origin::Peer(_));
        let Candidate {
            peer,
            hint,
            penalty,
        } = candidate;
        let standing = match hint {
            _ if hops > HISTORY_MAX => {
                if !self.frontier.knows(&peer.key()) {
                    self.lacks(MissReason::HopLimit);
                }
                Standing::TooFar
            }
            Hint::NoHandler => Standing::NoHandler,
            // A peer of ours told its own peers with its summary; one further
            // away may lead to nodes of which we know nothing.
            Hint::RuledOut if !is_named && self.limits.reach != SearchReach::Sure => {
                Standing::RuledOut
            }
            hint => {
                let rank = Rank::of(hint, is_named, hops, penalty);
                Standing::Waits(rank)
            }
        };
        self.frontier.put(peer, by, hops, standing);
    }

    fn is_trusted(&self, key: &P::Key) -> bool {
        let claims = self.claims.get(key).copied().unwrap_or_default();
        claims.wrong < claims.right + FALSE_CLAIMS_MAX
    }

    /// Notes a reason; the first one is kept.
    fn lacks(&mut self, reason: MissReason) {
        self.lacking.get_or_insert(reason);
    }
}

impl<K> InFlight<K> {
    /// Returns the running time of the search.
    fn time(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }
}

#[cfg(test)]
mod tests;
