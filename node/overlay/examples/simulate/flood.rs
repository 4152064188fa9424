//! Attackers that ask as fast as they can, at one node, in simulated time.
//!
//! The node's own [`Quotas`] decide what it lets them cause; here are only the
//! calls, evenly spread over time, and how many of them a node hears at all.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use node_overlay::{Cause, Cost, Quotas};
use node_wire::{budget::Budget, methods, node_id::NodeId};

/// Calls a second that a node answers at most: a tenth of what a node was measured
/// to answer on two cores, each over a connection of its own. A sender of more
/// keeps others from being heard.
pub(crate) const HEARD_MAX: u64 = 2_000;

/// Time that is looked at.
const SECONDS: u64 = 60;

/// The way an attacker deals with its quota.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ids {
    /// It shows no id.
    None,
    /// It shows one, as an honest node does.
    One,
    /// It makes a new one whenever it is refused.
    Fresh,
}

/// The kind of call that an attacker makes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ask {
    /// `sixhop.find`: the node answers for itself.
    Find,
    /// `query` for a file that nobody has: the node asks others.
    Query,
}

/// The fate of the calls at one node, each second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Toll {
    pub(crate) sent: f64,
    pub(crate) answered: f64,
    pub(crate) refused: f64,
    /// The part of all calls, honest ones too, that the node does not hear in time.
    pub(crate) unheard: f64,
    /// Calls that the node makes itself for attackers.
    pub(crate) forwarded: f64,
}

/// One attacker, towards one node.
#[derive(Clone, Copy, Debug)]
struct Attacker {
    address: IpAddr,
    ask: Ask,
    ids: Ids,
    id: Option<NodeId>,
    /// Calls of the introduction that are left before it has an id.
    introducing: u32,
}

/// The fate of one call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Answered,
    Refused,
    /// It was a part of an introduction.
    Met,
}

/// Simulates `attackers` that send `calls` a second together to one node, in the way that gets them
/// most answers.
pub(crate) fn toll(attackers: usize, calls: f64) -> Toll {
    let heard = calls.min(HEARD_MAX as f64);
    let tolls =
        [Ids::None, Ids::One, Ids::Fresh].map(|ids| toll_with(Ask::Find, ids, attackers, heard));
    let best = tolls
        .into_iter()
        .max_by(|a, b| a.answered.total_cmp(&b.answered));
    Toll {
        sent: calls,
        unheard: 1.0 - heard / calls,
        ..best.unwrap_or_default()
    }
}

/// Simulates so many `query` a second at each node. Each that is answered has as many calls made
/// as one query may, and those are heard or not like all others.
pub(crate) fn queries(attackers: usize, calls: f64) -> Toll {
    let heard = HEARD_MAX as f64;
    let tolls = [Ids::None, Ids::One].map(|ids| {
        let toll = toll_with(Ask::Query, ids, attackers, calls.min(heard));
        (toll, toll.answered * budget(ids).calls() as f64)
    });
    let most = tolls.into_iter().max_by(|a, b| a.1.total_cmp(&b.1));
    let (all, forwarded) = most.unwrap_or_default();
    // A node hears the part f of the calls to it, `calls + forwarded * f` of them: as
    // many as it can hear, or all.
    let root = (calls * calls + 4.0 * forwarded * heard).sqrt();
    let part = ((root - calls) / (2.0 * forwarded)).min(1.0);
    Toll {
        sent: calls,
        answered: all.answered * part,
        refused: all.refused * part,
        unheard: 1.0 - part,
        forwarded: forwarded * part,
    }
}

/// Simulates the same with all calls heard and with these ids.
pub(crate) fn toll_with(ask: Ask, ids: Ids, attackers: usize, calls: f64) -> Toll {
    let (quotas, begun) = (Quotas::default(), Instant::now());
    let mut attackers: Vec<_> = (0..attackers).map(|n| Attacker::new(n, ask, ids)).collect();
    let all = (calls * SECONDS as f64) as usize;
    let (mut answered, mut refused) = (0_u32, 0_u32);
    for call in 0..all {
        let now = begun + Duration::from_secs_f64(call as f64 / calls);
        let number = call % attackers.len();
        match attackers[number].call(&quotas, call as u64, now) {
            Fate::Answered => answered += 1,
            Fate::Refused => refused += 1,
            Fate::Met => {}
        }
    }
    let each_second = |count| f64::from(count) / SECONDS as f64;
    Toll {
        sent: calls,
        answered: each_second(answered),
        refused: each_second(refused),
        ..Toll::default()
    }
}

impl Attacker {
    fn new(number: usize, ask: Ask, ids: Ids) -> Attacker {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        Attacker {
            address: Ipv4Addr::from_bits(0x0b00_0000 + number).into(),
            ask,
            ids,
            // It has met the node before.
            id: (ids != Ids::None).then(|| fresh(u64::MAX - u64::from(number))),
            introducing: 0,
        }
    }

    /// Handles the next call: a search, or a part of an introduction. `number` is one that
    /// no other call has.
    fn call(&mut self, quotas: &Quotas, number: u64, now: Instant) -> Fate {
        if self.introducing > 0 {
            let fate = self.take(quotas, Cost::of_method(methods::INTRODUCE), now);
            if fate == Fate::Answered {
                self.introducing -= 1;
            }
            if self.introducing == 0 {
                self.id = Some(fresh(number));
            }
            return if fate == Fate::Answered {
                Fate::Met
            } else {
                fate
            };
        }
        let cost = match self.ask {
            Ask::Find => Cost::of_method(methods::FIND),
            Ask::Query => Cost::Walk,
        };
        let mut fate = self.take(quotas, cost, now);
        if self.ask == Ask::Query && fate == Fate::Answered {
            let forwarded = quotas.forward_at(self.cause(), budget(self.ids), now);
            fate = forwarded.map_or(Fate::Refused, |()| Fate::Answered);
        }
        if fate == Fate::Refused && self.ids == Ids::Fresh {
            (self.id, self.introducing) = (None, 2);
        }
        fate
    }

    fn cause(&self) -> Cause {
        Cause {
            address: self.address,
            id: self.id,
        }
    }

    fn take(&self, quotas: &Quotas, cost: Cost, now: Instant) -> Fate {
        let cause = self.cause();
        let taken = quotas.take_at(cause, Cost::Call, now);
        let taken = taken.and_then(|()| quotas.take_at(cause, cost, now));
        taken.map_or(Fate::Refused, |()| Fate::Answered)
    }
}

/// Returns the calls that a query of theirs may cause.
fn budget(ids: Ids) -> Budget {
    match ids {
        Ids::None => Budget::UNSAID,
        Ids::One | Ids::Fresh => Budget::WHOLE,
    }
}

/// Returns an id that nobody has yet.
fn fresh(number: u64) -> NodeId {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&number.to_be_bytes());
    NodeId(id)
}
