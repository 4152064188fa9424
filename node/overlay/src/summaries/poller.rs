//! Asking peers for their summaries.
//!
//! Each Sixhop peer holds one call open until its summary changes, so that what
//! is known here is seldom older than a second. If there are more than
//! [`SUMMARIES_MAX`], the [`steady`] view is asked.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use node_wire::{Summarize, Summary, limits::SUMMARY_WAIT_MAX};
use tokio::{select, time::sleep_until};
use tokio_util::sync::CancellationToken;

use super::SUMMARIES_MAX;
use crate::{Overlay, PeerEntry, steady};
use node_base::{clock::now, sync::lock};
use node_transport::{Answered, CallError, Destination, PeerKind};

/// Time for an answer beside the time that the peer may wait.
const ANSWER: Duration = Duration::from_secs(10);

/// Shortest time between two calls to the same peer.
const PAUSE: Duration = Duration::from_secs(1);

/// The same after a failure.
const PAUSE_FAILED: Duration = Duration::from_secs(5);

/// The same for a peer that does not know the call.
const PAUSE_UNKNOWN: Duration = Duration::from_secs(600);

/// Longest time without a look at the table of peers.
const LOOK_EVERY: Duration = Duration::from_secs(30);

type Reply = Result<Answered<Summary>, CallError>;

/// A call that ended.
struct Polled {
    peer: Destination,
    begun: Instant,
    reply: Reply,
}

/// The task that asks.
pub struct Poller {
    overlay: Arc<Overlay>,
    calls: FuturesUnordered<BoxFuture<'static, Polled>>,
    /// The time of the next question to each peer; those that are being asked are not here.
    due: HashMap<String, Instant>,
    asked: HashMap<String, Destination>,
    /// The hasher that draws lots among peers, when there are too many; its seed is secret.
    lots: RandomState,
}

impl Poller {
    /// Asks the peers of `overlay`.
    #[must_use]
    pub fn new(overlay: Arc<Overlay>) -> Poller {
        Poller {
            overlay,
            calls: FuturesUnordered::new(),
            due: HashMap::new(),
            asked: HashMap::new(),
            lots: RandomState::new(),
        }
    }

    /// Works until it is cancelled.
    pub async fn run(mut self, cancel: CancellationToken) {
        loop {
            self.ask_all();
            let next = self.due.values().min().copied();
            let (soon, far) = (now() + PAUSE / 4, now() + LOOK_EVERY);
            let next = next.map_or(far, |due| due.clamp(soon, far));
            select! {
                () = cancel.cancelled() => return,
                Some(polled) = self.calls.next() => self.take(polled),
                () = self.overlay.to_poll.notified() => {}
                () = sleep_until(next.into()) => {}
            }
        }
    }

    fn ask_all(&mut self) {
        let now = now();
        let peers = self.overlay.peers().to_ask(&[], now);
        let nodes = peers
            .into_iter()
            .filter(|peer| peer.kind == Some(PeerKind::Sixhop) && peer.last_answer.is_some());
        let lot = |peer: &PeerEntry| self.lots.hash_one(peer.url.key());
        let nodes = steady(nodes, SUMMARIES_MAX, |peer| peer.since, lot);
        let peers: Vec<Destination> = nodes.iter().map(PeerEntry::destination).collect();
        let keys: Vec<String> = peers.iter().map(|peer| peer.key()).collect();
        self.due.retain(|key, due| keys.contains(key) || *due > now);
        lock(&self.overlay.summaries).keep(|peer| keys.contains(&peer.key()));
        for (peer, key) in peers.into_iter().zip(keys) {
            let is_due = self.due.get(&key).is_none_or(|due| *due <= now);
            if is_due && !self.asked.contains_key(&key) && self.asked.len() < SUMMARIES_MAX {
                self.due.remove(&key);
                self.asked.insert(key, peer.clone());
                self.ask(peer, now);
            }
        }
    }

    fn ask(&self, peer: Destination, begun: Instant) {
        let version = lock(&self.overlay.summaries).version(&peer);
        let wanted = Summarize {
            version,
            in_full: true,
            wait: SUMMARY_WAIT_MAX,
        };
        let client = self.overlay.client().clone();
        let deadline = begun + Duration::from_millis(SUMMARY_WAIT_MAX.into()) + ANSWER;
        self.calls.push(Box::pin(async move {
            let reply = client.summary(&peer, &wanted, deadline).await;
            Polled { peer, begun, reply }
        }));
    }

    fn take(&mut self, polled: Polled) {
        let Polled { peer, begun, reply } = polled;
        let key = peer.key();
        self.asked.remove(&key);
        let due = match reply {
            Ok(answered) => {
                self.overlay.peers().refuses(&peer, None);
                lock(&self.overlay.summaries).told(&peer, answered.value, answered.from, now());
                begun + PAUSE
            }
            Err(CallError::Unknown(_)) => now() + PAUSE_UNKNOWN,
            Err(error @ CallError::Private) => {
                self.overlay.is_private(&peer, &error);
                now() + PAUSE_UNKNOWN
            }
            Err(error) => {
                tracing::debug!(peer = peer.as_str(), %error, "a peer does not tell what it has");
                now() + PAUSE_FAILED
            }
        };
        self.due.insert(key, due);
    }
}

impl std::fmt::Debug for Poller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Poller").finish_non_exhaustive()
    }
}
