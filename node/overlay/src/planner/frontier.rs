//! The peers that a search heard of: those that wait, in order, and the others.

use std::collections::{BTreeMap, HashMap};

use super::{
    Origin, PassedOver, Peer, Target,
    rank::{Rank, Stage},
};

/// Peers that wait, for each that the budget lets be asked. More would never
/// have their turn.
const WAITING_FACTOR: usize = 2;

/// The state of a peer that was heard of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    /// It is asked, or was. So are we ourselves.
    Asked,
    /// It waits.
    Waits(Rank),
    RuledOut,
    NoHandler,
    TooFar,
    /// Too many are waiting before it.
    Left,
}

/// A peer that waits.
#[derive(Debug)]
struct Waiting<P> {
    peer: P,
    named_by: Option<P>,
    hops: usize,
    is_ours: bool,
}

/// The record of a peer that was heard of.
#[derive(Debug)]
struct Known {
    standing: Standing,
    /// Its place among those of the same rank: who was heard of first is first.
    order: u64,
}

#[derive(Debug)]
pub(super) struct Frontier<P: Peer> {
    known: HashMap<P::Key, Known>,
    waiting: BTreeMap<(Rank, u64), Waiting<P>>,
    waiting_max: usize,
    passed_over: PassedOver,
    heard: u64,
}

impl<P: Peer> Waiting<P> {
    fn new(peer: P, by: &Origin<'_, P>, hops: usize) -> Waiting<P> {
        let named_by = match by {
            Origin::Peer(by) => Some((*by).clone()),
            Origin::Ourselves | Origin::Pointer => None,
        };
        Waiting {
            peer,
            named_by,
            hops,
            is_ours: matches!(by, Origin::Ourselves),
        }
    }
}

impl<P: Peer> Frontier<P> {
    /// Creates an empty frontier, but for `ourselves`, who are not asked.
    pub(super) fn new(ourselves: P::Key, budget: usize) -> Frontier<P> {
        let standing = Standing::Asked;
        Frontier {
            known: HashMap::from([(ourselves, Known { standing, order: 0 })]),
            waiting: BTreeMap::new(),
            waiting_max: budget.saturating_mul(WAITING_FACTOR),
            passed_over: PassedOver::default(),
            heard: 0,
        }
    }

    pub(super) fn knows(&self, key: &P::Key) -> bool {
        self.known.contains_key(key)
    }

    /// Returns the stage of the first that waits.
    pub(super) fn first(&self) -> Option<Stage> {
        let ((rank, _), _) = self.waiting.first_key_value()?;
        Some(rank.stage)
    }

    /// Returns the first that waits; it does not any more.
    pub(super) fn take_first(&mut self) -> Option<Target<P>> {
        let ((rank, _), waiting) = self.waiting.pop_first()?;
        if let Some(known) = self.known.get_mut(&waiting.peer.key()) {
            known.standing = Standing::Asked;
        }
        Some(Target {
            why: rank.why(waiting.named_by.is_some()),
            stage: rank.stage,
            peer: waiting.peer,
            named_by: waiting.named_by,
            hops: waiting.hops,
            is_ours: waiting.is_ours,
        })
    }

    /// Adds a peer that was heard of. One that is known already changes only if it
    /// is asked sooner for it. That its own summary says no is known better here
    /// than by a peer that only names it.
    pub(super) fn put(&mut self, peer: P, by: &Origin<'_, P>, hops: usize, standing: Standing) {
        let key = peer.key();
        let Some(known) = self.known.get(&key) else {
            self.heard += 1;
            let order = self.heard;
            let known = Known { standing, order };
            self.known.insert(key, known);
            let waiting = Waiting::new(peer, by, hops);
            self.settle(waiting, standing, order);
            return;
        };
        let order = known.order;
        if let Standing::Waits(rank) = known.standing
            && let Some(waiting) = self.waiting.get_mut(&(rank, order))
        {
            waiting.peer.also_named(&peer);
        }
        let (Standing::Waits(new), before) = (standing, known.standing) else {
            return;
        };
        let waiting = match before {
            Standing::Asked | Standing::NoHandler => return,
            Standing::RuledOut if new.stage > Stage::Likely => return,
            Standing::Waits(old) if old <= new => return,
            Standing::Waits(old) if old.stage == Stage::Unlikely && new.stage > Stage::Likely => {
                return;
            }
            Standing::Waits(old) => self.waiting.remove(&(old, order)),
            _ => {
                *self.count(before) -= 1;
                None
            }
        };
        let waiting = waiting.unwrap_or_else(|| Waiting::new(peer, by, hops));
        self.settle(waiting, standing, order);
    }

    /// Stops believing what the peer with this key says of others.
    pub(super) fn demote(&mut self, by: &P::Key) {
        let is_claim = |rank: &Rank, waiting: &Waiting<P>| {
            rank.is_claim() && waiting.named_by.as_ref().is_some_and(|p| p.key() == *by)
        };
        let claims = self.waiting.iter();
        let claims = claims.filter(|((rank, _), waiting)| is_claim(rank, waiting));
        let claims: Vec<_> = claims.map(|(place, _)| *place).collect();
        for place in claims {
            if let Some(waiting) = self.waiting.remove(&place) {
                let standing = Standing::Waits(place.0.demoted());
                self.settle(waiting, standing, place.1);
            }
        }
    }

    /// Returns the numbers of peers heard of and not asked. Those that still wait are `left`.
    pub(super) fn passed_over(&self) -> PassedOver {
        let mut passed = self.passed_over;
        let unlikely = |rank: &Rank| rank.stage == Stage::Unlikely;
        let ruled_out = self.waiting.keys().filter(|(rank, _)| unlikely(rank));
        let ruled_out = ruled_out.count();
        passed.ruled_out += ruled_out;
        passed.left += self.waiting.len() - ruled_out;
        passed
    }

    /// Puts a peer where it belongs; if too many wait, the last one is left.
    fn settle(&mut self, waiting: Waiting<P>, standing: Standing, order: u64) {
        self.set(&waiting.peer.key(), standing);
        let Standing::Waits(rank) = standing else {
            *self.count(standing) += 1;
            return;
        };
        self.waiting.insert((rank, order), waiting);
        if self.waiting.len() > self.waiting_max
            && let Some((_, last)) = self.waiting.pop_last()
        {
            self.set(&last.peer.key(), Standing::Left);
            *self.count(Standing::Left) += 1;
        }
    }

    fn set(&mut self, key: &P::Key, standing: Standing) {
        if let Some(known) = self.known.get_mut(key) {
            known.standing = standing;
        }
    }

    fn count(&mut self, standing: Standing) -> &mut usize {
        match standing {
            Standing::RuledOut => &mut self.passed_over.ruled_out,
            Standing::NoHandler => &mut self.passed_over.no_handler,
            Standing::TooFar => &mut self.passed_over.too_far,
            Standing::Left | Standing::Asked | Standing::Waits(_) => &mut self.passed_over.left,
        }
    }
}
