//! The steps of a search: the hits of each peer, and the end of each call.

use std::time::{Duration, Instant};

use node_api::search::AskedWhy;
use node_wire::{FindHit, FoundEnd, NodeName, peer_url::PeerUrl};

use crate::planner::Target;
use node_transport::{CallError, Destination, TransportError};

/// A peer and its hits.
#[derive(Clone, Debug, PartialEq)]
pub struct Holder {
    /// The peer that has it.
    pub peer: Destination,
    /// Its hits; the names are names of a share, or empty for content that
    /// was asked for by its digest.
    pub hits: Vec<FindHit>,
    /// The name that it gives itself.
    pub name: Option<NodeName>,
}

/// The result of one step of a search.
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
    /// The URL of the peer.
    pub peer: PeerUrl,
    /// The peer that named it first; none for a peer of this node.
    pub named_by: Option<PeerUrl>,
    /// The reason for asking it.
    pub why: AskedWhy,
    /// Its distance in hops, 1 for our own peers.
    pub hops: usize,
    /// The time when it was asked.
    pub begun: Instant,
    /// Time to its answer, or to its failure.
    pub took: Option<Duration>,
    /// Hits it gave.
    pub hits: usize,
    /// The name that it gives itself, once it has answered.
    pub name: Option<NodeName>,
    /// The end of its answer, as far as it has one.
    pub end: FoundEnd,
    /// The error, if it failed.
    pub error: Option<CallError>,
}

/// A node that may have something and cannot be reached from here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unreachable {
    /// The node.
    pub peer: PeerUrl,
    /// The peer that named it, and so may reach it.
    pub by: PeerUrl,
}

impl Step {
    /// Returns this node as one that cannot be reached, if it was named as one that may have it. `is_over`: nobody is
    /// waited for any more.
    pub(super) fn unreachable(&self, is_over: bool) -> Option<Unreachable> {
        let may_have = matches!(self.why, AskedWhy::Match | AskedWhy::Referral);
        let is_silent = match &self.error {
            None => is_over && self.took.is_none(),
            Some(CallError::Deadline) => true,
            Some(CallError::Transport(error)) => {
                matches!(
                    error,
                    TransportError::Connection(_)
                        | TransportError::Unreachable(_)
                        | TransportError::Resting
                        | TransportError::TooNear
                )
            }
            Some(_) => false,
        };
        let by = self.named_by.clone().filter(|_| may_have && is_silent)?;
        Some(Unreachable {
            peer: self.peer.clone(),
            by,
        })
    }

    /// Creates the step of a peer of ours that is asked with `query`.
    pub(crate) fn query(peer: PeerUrl, now: Instant) -> Step {
        Step {
            peer,
            named_by: None,
            why: AskedWhy::Query,
            hops: 1,
            begun: now,
            took: None,
            hits: 0,
            name: None,
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
            name: None,
            end: FoundEnd::Complete,
            error: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn url(port: u16) -> PeerUrl {
        PeerUrl::parse(&format!("http://127.0.0.1:{port}/")).unwrap()
    }

    #[test]
    fn a_named_node_that_does_not_answer_is_unreachable() {
        let refused = CallError::Transport(TransportError::Connection("refused".to_owned()));
        let step = |why, error: Option<CallError>, took| Step {
            named_by: Some(url(2)),
            why,
            took,
            error,
            ..Step::query(url(1), node_base::clock::now())
        };
        let took = Some(Duration::from_secs(1));
        let unreachable = Some(Unreachable {
            peer: url(1),
            by: url(2),
        });
        for (error, took) in [
            (Some(refused.clone()), took),
            (Some(CallError::Deadline), took),
            (Some(CallError::Transport(TransportError::TooNear)), took),
            (None, None),
        ] {
            assert_eq!(
                step(AskedWhy::Match, error, took).unreachable(true),
                unreachable
            );
        }
        let waits = step(AskedWhy::Match, None, None);
        assert_eq!(waits.unreachable(false), None, "it may answer still");
        for (why, error) in [
            (AskedWhy::Match, None),
            (AskedWhy::Match, Some(CallError::Private)),
            (AskedWhy::Match, Some(CallError::Busy(Duration::ZERO))),
            (AskedWhy::Sure, Some(refused.clone())),
        ] {
            assert_eq!(step(why, error, took).unreachable(true), None);
        }
        let ours = Step {
            named_by: None,
            ..step(AskedWhy::Match, Some(refused), took)
        };
        assert_eq!(ours.unreachable(true), None);
    }
}
