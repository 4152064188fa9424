//! What a search found where, and how each call of it went.

use std::time::{Duration, Instant};

use node_wire::{FindHit, FoundEnd, peer_url::PeerUrl};

use crate::planner::{Target, Why};
use node_transport::{CallError, Destination};

/// A peer and what it has.
#[derive(Clone, Debug, PartialEq)]
pub struct Holder {
    /// Who has it.
    pub peer: Destination,
    /// What it has; the names are names of a share, or empty for content that
    /// was asked for by its digest.
    pub hits: Vec<FindHit>,
}

/// What one step of a search brought.
#[derive(Clone, Debug, PartialEq)]
pub enum Advance {
    /// A peer that has something.
    Found(Holder),
    /// Nothing yet.
    Going,
    /// Nothing, and nobody is left.
    Over,
}

/// A peer that was asked, and how that went so far.
#[derive(Clone, Debug)]
pub struct Step {
    /// Who.
    pub peer: PeerUrl,
    /// The peer that named it first; none for a peer of this node.
    pub named_by: Option<PeerUrl>,
    /// Why it was asked.
    pub why: Why,
    /// How far away it is.
    pub hops: usize,
    /// When it was asked.
    pub begun: Instant,
    /// Time to its answer, or to its failure.
    pub took: Option<Duration>,
    /// Hits it gave.
    pub hits: usize,
    /// How its answer ended, as far as it has.
    pub end: FoundEnd,
    /// Why it gave none, if it failed.
    pub error: Option<CallError>,
}

impl Step {
    /// A peer of ours is asked with `query`.
    pub(crate) fn query(peer: PeerUrl, now: Instant) -> Step {
        Step {
            peer,
            named_by: None,
            why: Why::Query,
            hops: 1,
            begun: now,
            took: None,
            hits: 0,
            end: FoundEnd::Complete,
            error: None,
        }
    }

    pub(super) fn begun(target: &Target<Destination>, now: Instant) -> Step {
        Step {
            peer: target.peer.url().clone(),
            named_by: target.named_by.as_ref().map(|by| by.url().clone()),
            why: target.why,
            hops: target.hops,
            begun: now,
            took: None,
            hits: 0,
            end: FoundEnd::Complete,
            error: None,
        }
    }
}
