//! Who knows whom, and how a query goes from node to node.
//!
//! # Participants
//! - [`PeerTable`]: the known peers and what is known of each.
//! - [`QueryMemory`]: the walks of queries that came by, so that none is walked
//!   twice here.
//! - [`Plan`]: whom one walk asks next.
//! - [`Planner`]: whom one search asks next, and how far it goes.
//! - [`Pointers`]: who had what not long ago, and who did not.
//! - [`Summaries`]: what peers have, in few bytes, as they told; the [`Poller`] asks.
//! - [`Finder`]: a search from here, over referrals, among nodes of our kind.
//! - [`Search`]: the same, and in the files of this node.
//! - [`Overlay`] puts the three to work: walks queries, introduces this node
//!   to its peers, saves the peers.
//!
//! # The walk of a query
//! A query carries its history, the URLs of the nodes it has passed. A node
//! that does not have the file appends its own URL; when the history is then
//! [`HISTORY_MAX`](node_wire::limits::HISTORY_MAX) long, it goes no further.
//! Otherwise the node asks its peers that are not in the history, a few at a
//! time, and the first that has the file wins. Each node gives those behind it
//! less time than it has itself, so that a stalled peer at the far end costs
//! its own branch only.
//!
//! # Non-goals
//! Routing a walk by what peers have: every peer is asked until one has the file.
//! A search does choose; see [`planner`].
//!
//! # Invariants
//! - The table, the memory and the plan are state machines without I/O and
//!   without a clock; time is a parameter.
//! - Every table has a greatest size; a walk has a budget and a deadline.
//! - Only a peer that cannot be reached is dropped, after
//!   [`FAILURES_MAX`] failures; a fault is an answer.
//! - A file never passes through here: a walk hands out the open answer of a
//!   peer, and whoever asked reads it.

mod files;
mod finder;
mod introduce;
mod memory;
mod peers;
mod plan;
pub mod planner;
mod pointers;
mod search;
pub(crate) mod summaries;
mod walk;

use std::sync::{Arc, Mutex, MutexGuard};

use node_wire::{Filter, FindWanted, dialect::Dialect, peer_url::PeerUrl};
use serde_json::json;
use tokio::sync::Notify;

use self::summaries::Question;
pub use self::{
    files::PeerFilesError,
    finder::{Finder, Holder, Step},
    introduce::{Introducer, PEERS_FILE},
    memory::{Enter, MEMORY_FOR, MEMORY_MAX, QueryMemory, WalkKey},
    peers::{Added, FAILURES_MAX, PEERS_MAX, PeerEntry, PeerTable, Source},
    plan::{BOOK_PATIENCE, BUDGET, Ended, FAN_OUT, IN_FLIGHT_MAX, Plan, SLOW_AFTER},
    planner::{PassedOver, Planner, Reach, Why},
    pointers::{MISS_AGE, MISSES_MAX, POINTER_AGE, POINTERS_MAX, Pointers},
    search::{Here, News, Search, SearchWanted},
    summaries::{NO_AGE, Poller, SUMMARIES_MAX, Summaries, YES_AGE},
    walk::{Asked, Walk},
};
use crate::{
    client::{CallError, Client, PeerKind},
    clock::now,
    counters::Counters,
    events::EventLog,
    sync::lock,
};

/// The peers of this node, and the walks among them.
#[derive(Debug)]
pub struct Overlay {
    ourselves: PeerUrl,
    client: Client,
    counters: Arc<Counters>,
    events: Arc<EventLog>,
    peers: Mutex<PeerTable>,
    memory: Mutex<QueryMemory>,
    pointers: Mutex<Pointers>,
    summaries: Mutex<Summaries>,
    /// Wakes the introducer: peers came or went.
    changed: Notify,
    /// Wakes the poller: a peer answered an introduction.
    met: Notify,
}

impl Overlay {
    /// An overlay of the node that peers reach at `ourselves`.
    #[must_use]
    pub fn new(
        ourselves: PeerUrl,
        client: Client,
        counters: Arc<Counters>,
        events: Arc<EventLog>,
    ) -> Overlay {
        Overlay {
            peers: Mutex::new(PeerTable::new(ourselves.clone())),
            memory: Mutex::default(),
            pointers: Mutex::default(),
            summaries: Mutex::default(),
            changed: Notify::new(),
            met: Notify::new(),
            ourselves,
            client,
            counters,
            events,
        }
    }

    /// URL under which peers reach this node.
    #[must_use]
    pub fn ourselves(&self) -> &PeerUrl {
        &self.ourselves
    }

    /// What calls peers.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Adds a peer, if it is new and there is room.
    pub fn add(&self, url: &PeerUrl, source: Source) -> Added {
        let added = self.peers().add(url, source, now());
        if added == Added::New {
            self.events.emit(
                "peer.added",
                json!({ "url": url.as_str(), "source": source }),
            );
            self.changed.notify_one();
        }
        added
    }

    /// Forgets a peer. Says whether it was known.
    pub fn remove(&self, url: &PeerUrl) -> bool {
        let removed = self.peers().remove(url);
        if removed {
            self.events
                .emit("peer.removed", json!({ "url": url.as_str() }));
            self.changed.notify_one();
        }
        removed
    }

    /// The known peers, sorted by URL.
    #[must_use]
    pub fn list(&self) -> Vec<PeerEntry> {
        self.peers().list()
    }

    /// Number of known peers.
    #[must_use]
    pub fn count(&self) -> usize {
        self.peers().len()
    }

    /// Who seems to have what is wanted, for somebody who asks.
    pub(crate) fn matching(&self, wanted: &FindWanted) -> Vec<PeerUrl> {
        lock(&self.summaries).matching(&Question::of(wanted), now())
    }

    /// The files of our peers that may be told on, each at most `bytes` long.
    pub(crate) fn near(&self, bytes: usize) -> Vec<(PeerUrl, Filter)> {
        lock(&self.summaries).near(now(), bytes)
    }

    fn peers(&self) -> MutexGuard<'_, PeerTable> {
        lock(&self.peers)
    }

    /// Notes that a peer answered, and in which dialect if that was seen.
    fn answered(&self, peer: &PeerUrl, kind: PeerKind, dialect: Option<Dialect>) {
        self.peers().answered(peer, kind, dialect);
    }

    /// Notes that a peer could not be reached; the third time drops it.
    fn failed(&self, peer: &PeerUrl, error: &CallError) {
        let text = error.to_string();
        let dropped = self.peers().failed(peer, &text, now());
        if dropped {
            self.counters.peers_dropped.one();
            self.changed.notify_one();
            self.events.emit(
                "peer.dropped",
                json!({ "url": peer.as_str(), "error": text }),
            );
            tracing::info!(peer = peer.as_str(), %error, "a peer is dropped after {FAILURES_MAX} failures");
        } else {
            tracing::debug!(peer = peer.as_str(), %error, "a peer did not answer");
        }
    }

    /// The URL by which a peer of this dialect knows us.
    fn our_url_for(&self, dialect: Option<Dialect>) -> PeerUrl {
        match dialect {
            Some(Dialect::Codes) => self.ourselves.codes(),
            Some(Dialect::Faults) | None => self.ourselves.clone(),
        }
    }
}
