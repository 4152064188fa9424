//! Peers that were dropped because they could not be reached.
//!
//! When a network falls apart, each side drops the other one. So every dropped peer is
//! called again: after a minute, and each time in vain after a pause twice as long, up
//! to [`LOST_PAUSE_MAX`]. A peer that was away for some time is found again after at most
//! that time once more, and after ten minutes at the latest.
//!
//! # Invariants
//! - At most [`LOST_MAX`] are kept, the oldest make room; each for [`LOST_FOR`].
//! - No I/O and no clock; time is a parameter.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use node_wire::peer_url::PeerUrl;

use super::{Before, PeerEntry};
use node_transport::{PeerKind, TARGET_PAUSE};

/// Most lost peers.
pub const LOST_MAX: usize = 256;

/// The time for which a lost peer is called again.
pub const LOST_FOR: Duration = Duration::from_secs(24 * 3_600);

/// Longest pause between two calls to it.
pub const LOST_PAUSE_MAX: Duration = Duration::from_secs(600);

/// A peer that was dropped.
#[derive(Clone, Debug)]
pub struct Lost {
    /// Its URL.
    pub url: PeerUrl,
    /// The state of the peer before.
    pub before: Before,
    since: Instant,
    pause: Duration,
    call_at: Instant,
}

/// The lost peers, those that were lost first at the front.
#[derive(Debug, Default)]
pub(super) struct LostPeers(VecDeque<Lost>);

impl LostPeers {
    /// Keeps a peer that was dropped.
    pub(super) fn lose(&mut self, peer: &PeerEntry, now: Instant) {
        self.found(&peer.url);
        if self.0.len() >= LOST_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Lost {
            url: peer.url.clone(),
            before: Before {
                id: peer.id,
                kind: peer.kind,
                is_chosen: peer.is_chosen,
                namer: peer.namer,
            },
            since: now,
            pause: TARGET_PAUSE,
            call_at: now + TARGET_PAUSE,
        });
    }

    /// Forgets a peer that answered, or is not to be looked for. Returns true if it was lost.
    pub(super) fn found(&mut self, url: &PeerUrl) -> bool {
        let before = self.0.len();
        self.0.retain(|lost| !lost.url.same_peer(url));
        self.0.len() < before
    }

    /// Returns what kind of node a lost peer is, if that was known.
    pub(super) fn kind_of(&self, url: &PeerUrl) -> Option<PeerKind> {
        let lost = self.0.iter().find(|lost| lost.url.same_peer(url));
        lost.and_then(|lost| lost.before.kind)
    }

    /// Returns the peers to call now, and plans the next call to each.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Lost> {
        self.0.retain(|lost| now < lost.since + LOST_FOR);
        let due = self.0.iter_mut().filter(|lost| lost.call_at <= now);
        let due = due.map(|lost| {
            lost.pause = (lost.pause * 2).min(LOST_PAUSE_MAX);
            lost.call_at = now + lost.pause;
            lost.clone()
        });
        due.collect()
    }

    /// Returns the time of the next call.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.iter().map(|lost| lost.call_at).min()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Lost> {
        self.0.iter()
    }
}
