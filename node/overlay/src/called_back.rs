//! A check that peers which this node introduces itself to can call it back.
//!
//! A node with a wrong URL calls others without trouble, and nobody ever calls it. A peer
//! that was met says whether it has reached this node; it does so a moment after the
//! `hello`, so it is asked again for a while.
//!
//! # Invariants
//! - One peer that reached this node is enough; one that did not may have reasons of its
//!   own, so its word counts only while there is no other.
//! - What is said is said once, until it changes.

use std::time::Duration;

use node_base::{clock::now, events::Event, sync::lock};
use node_transport::Destination;
use node_wire::peer_url::PeerUrl;
use tokio::time::sleep;

use super::Overlay;

/// The time that a peer has to call this node back: its longest introduction, and the
/// first pause after which it tries again.
const PATIENCE: Duration = Duration::from_secs(6);

/// Pauses between two questions: this, and twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Longest time for one question.
const QUESTION: Duration = Duration::from_secs(4);

/// The evidence so far that peers can call this node back.
#[derive(Debug, Default)]
pub(super) enum CalledBack {
    /// Nothing yet.
    #[default]
    Unknown,
    /// A peer is being asked.
    Asked,
    /// A peer has reached this node.
    Reached,
    /// A peer could not reach this node.
    NotReached {
        /// The peer.
        by: PeerUrl,
        /// The URL at which it was to call.
        at: PeerUrl,
    },
}

impl CalledBack {
    /// Returns true if a peer is still to be asked.
    pub(super) fn is_open(&self) -> bool {
        matches!(self, CalledBack::Unknown | CalledBack::NotReached { .. })
    }
}

impl Overlay {
    /// Returns the reason why peers do not reach this node, with advice, if they do not.
    #[must_use]
    pub fn not_called_back(&self) -> Option<String> {
        match &*lock(&self.called_back) {
            CalledBack::NotReached { by, at } => Some(not_reached(by, at)),
            _ => None,
        }
    }

    /// Notes a peer's word on its call back.
    pub(super) fn call_back_heard(&self, reached: Option<bool>) {
        if reached == Some(true) {
            *lock(&self.called_back) = CalledBack::Reached;
        }
    }

    /// Waits until a peer that was met has called this node back. Returns the fault if
    /// it has not in time; nothing for peers that do not say.
    pub async fn called_back_by(&self, peer: &PeerUrl) -> Option<String> {
        let entry = self.peers().get(peer).cloned()?;
        entry.id?;
        let own = self.own.towards(entry.address.or_else(|| peer.ip()));
        {
            let mut called_back = lock(&self.called_back);
            if let CalledBack::Unknown = *called_back {
                *called_back = CalledBack::Asked;
            }
        }
        let reached = self.ask_for_call_back(peer, &own).await;
        let mut called_back = lock(&self.called_back);
        match reached {
            Some(false) => {}
            Some(true) => {
                *called_back = CalledBack::Reached;
                return None;
            }
            None => {
                if let CalledBack::Asked = *called_back {
                    *called_back = CalledBack::Unknown;
                }
                return None;
            }
        }
        if let CalledBack::Unknown | CalledBack::Asked = *called_back {
            tracing::warn!("{}", not_reached(peer, &own));
            self.events.emit(&Event::PeerNotCalledBack {
                url: own.as_str().to_owned(),
                peer: peer.as_str().to_owned(),
            });
            *called_back = CalledBack::NotReached {
                by: peer.clone(),
                at: own.clone(),
            };
        }
        Some(not_reached(peer, &own))
    }

    /// Asks a peer until it has called this node back, or had time enough.
    async fn ask_for_call_back(&self, peer: &PeerUrl, own: &PeerUrl) -> Option<bool> {
        let peer = Destination::of_owner(peer.clone());
        let until = now() + PATIENCE;
        let mut pause = FIRST_PAUSE;
        loop {
            let asked = self.prove(&peer, own, now() + QUESTION).await;
            let reached = asked.ok()?.reached?;
            if reached || now() + pause > until {
                return Some(reached);
            }
            sleep(pause).await;
            pause *= 2;
        }
    }
}

fn not_reached(by: &PeerUrl, at: &PeerUrl) -> String {
    format!(
        "{by} could not call this node back at {at}; others find its files only if they reach it there: \
         check --url, --listen and the firewall"
    )
}
