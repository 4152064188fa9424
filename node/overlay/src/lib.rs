//! The overlay network: known peers, and the way of a query from node to node.
//!
//! # Participants
//! - [`PeerTable`]: the known peers and their state; the calls that
//!   strangers cause, within limits.
//! - [`QueryMemory`]: the walks of queries that came by, so that none is walked
//!   twice here.
//! - [`Plan`]: the peers that one walk asks next.
//! - [`Planner`]: the peers that one search asks next, and how far it goes.
//! - [`Pointers`]: recent holders of files, and peers that recently lacked them.
//! - [`Summaries`]: what peers have, in few bytes, by their own word; the [`Poller`] asks.
//! - [`Finder`]: a search from here, over referrals, among Sixhop nodes.
//! - [`Quotas`]: limits on the work that others may cause here.
//! - [`Providers`]: an external index of the holders of files.
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
//! - What a stranger names counts when it has answered, and not before.
//! - Only a peer that cannot be reached is dropped, after
//!   [`FAILURES_MAX`] failures; a fault is an answer.
//! - A file never passes through here: a walk hands out the open answer of a
//!   peer, and the caller reads it.

mod called_back;
mod finder;
mod introduce;
mod meetings;
mod memory;
mod own_urls;
mod peers;
mod plan;
pub mod planner;
mod pointers;
mod prove;
mod providers;
mod quotas;
pub mod summaries;
mod walk;

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use node_wire::{
    Filter, FindWanted, NodeAddress, NodeName, PeerAddress, dialect::Dialect, node_id::NodeId,
    peer_url::PeerUrl, scope::Scope,
};
use tokio::{sync::Notify, time::timeout_at};

use self::{
    called_back::CalledBack,
    providers::Liars,
    summaries::{NoHandlers, Question},
};
pub use self::{
    finder::{Advance, Finder, Holder, Step, Unreachable},
    introduce::{Introducer, Meeting, PEERS_FILE, PINS_FILE},
    meetings::{Meetings, PROOF_TIME, TOKEN_TIME, Visitor},
    memory::{Enter, MEMORY_FOR, MEMORY_MAX, Means, QueryMemory, WalkKey},
    own_urls::OwnUrls,
    peers::{
        ACTIVE_MAX, Added, Before, CANDIDATES_MAX, FAILURES_MAX, Introduction, KnownFrom, LOST_FOR,
        LOST_MAX, LOST_PAUSE_MAX, Lost, Met, NETWORK_MAX, Outcome, PEERS_MAX, PeerEntry, PeerTable,
        RESERVE_MAX, Stranger, active, steady,
    },
    plan::{BOOK_PATIENCE, Ended, FAN_OUT, IN_FLIGHT_MAX, Plan, SLOW_AFTER},
    planner::{PassedOver, Planner},
    pointers::{MISS_AGE, MISSES_MAX, POINTER_AGE, POINTERS_MAX, Pointers},
    prove::{NotProved, Telling},
    providers::Providers,
    quotas::{ADDRESS, Cause, Cost, FORWARDED, NODE, Quotas, STRANGER},
    summaries::{
        LocalHandlers, NEAR_BYTES_MAX, NO_AGE, Poller, QueryKeys, SUMMARIES_MAX, Summaries, YES_AGE,
    },
    walk::{Excluded, WALK, Walk, WalkQuery},
};
use node_base::{
    clock::now,
    counters::Counters,
    events::{Event, EventLog},
    sync::lock,
};
use node_transport::{
    CallError, CallScope, Client, Destination, KindListener, PeerKind, PeerPath, Pins,
    identity::NodeKey, nearest_for,
};

/// Longest time that a search waits for peers that are just being met.
const MEETING: Duration = Duration::from_millis(1_500);

/// A stranger named a host that is nearer to this node than to the stranger.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("this URL names a machine or network that only who is in it may introduce")]
pub struct TooNear;

/// The peers of this node, and the walks among them.
#[derive(Debug)]
pub struct Overlay {
    own: OwnUrls,
    standing: Standing,
    client: Client,
    counters: Arc<Counters>,
    events: Arc<EventLog>,
    peers: Arc<Peers>,
    memory: Mutex<QueryMemory>,
    pointers: Mutex<Pointers>,
    summaries: Mutex<Summaries>,
    /// Wakes the introducer: peers came or went.
    changed: Notify,
    /// Wakes the poller: a peer answered an introduction.
    to_poll: Notify,
    /// Wakes waiters for peers that are being met.
    met: Notify,
    /// Notifies waiters for a peer that was away.
    came_back: Notify,
    meetings: Mutex<Meetings>,
    providers: Option<Arc<dyn Providers>>,
    liars: Mutex<Liars>,
    called_back: Mutex<CalledBack>,
}

/// The known peers, which the client tells what kind of node each answer is from.
#[derive(Debug)]
struct Peers(Mutex<PeerTable>);

impl KindListener for Peers {
    fn answered_as(&self, peer: &PeerUrl, kind: PeerKind) {
        lock(&self.0).answered_as(peer, kind);
    }
}

/// The public side of a node: its identity, scope and abilities.
pub struct Standing {
    /// Its key.
    pub key: Arc<NodeKey>,
    /// The name under which people see it.
    pub name: Option<NodeName>,
    /// The nodes that were met, by place; none if this node speaks no TLS.
    pub pins: Option<Pins>,
    /// The scope of the hosts that it may call.
    pub call_scope: Arc<CallScope>,
    /// The handlers that answer for it.
    pub handlers: Arc<dyn LocalHandlers>,
}

impl Default for Standing {
    /// Returns an anonymous node: fresh key, unrestricted call scope, no features. For tests.
    fn default() -> Standing {
        Standing {
            key: Arc::new(NodeKey::random()),
            name: None,
            pins: None,
            call_scope: Arc::default(),
            handlers: Arc::new(NoHandlers),
        }
    }
}

impl Standing {
    /// Returns the same, under this name.
    #[must_use]
    pub fn named(mut self, name: Option<NodeName>) -> Standing {
        self.name = name;
        self
    }
}

impl std::fmt::Debug for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Standing")
            .field("key", &self.key)
            .field("call_scope", &self.call_scope)
            .finish_non_exhaustive()
    }
}

impl Overlay {
    /// Creates an overlay of the node that peers reach at `ourselves`.
    #[must_use]
    pub fn new(
        ourselves: PeerUrl,
        client: Client,
        counters: Arc<Counters>,
        events: Arc<EventLog>,
    ) -> Overlay {
        let own = OwnUrls::one(ourselves);
        Overlay::with_standing(Standing::default(), own, client, counters, events)
    }

    /// Creates an overlay with an explicit identity.
    #[must_use]
    pub fn with_standing(
        standing: Standing,
        own: OwnUrls,
        client: Client,
        counters: Arc<Counters>,
        events: Arc<EventLog>,
    ) -> Overlay {
        let table = PeerTable::with_dials(own.main().clone(), client.dials().clone());
        let peers = Arc::new(Peers(Mutex::new(table)));
        let client = client
            .with_call_scope(Arc::clone(&standing.call_scope))
            .with_kind_listener(Arc::clone(&peers) as Arc<dyn KindListener>);
        Overlay {
            peers,
            memory: Mutex::default(),
            pointers: Mutex::default(),
            summaries: Mutex::default(),
            changed: Notify::new(),
            met: Notify::new(),
            came_back: Notify::new(),
            to_poll: Notify::new(),
            meetings: Mutex::default(),
            standing,
            providers: None,
            liars: Mutex::default(),
            called_back: Mutex::default(),
            own,
            client,
            counters,
            events,
        }
    }

    /// Returns the same overlay, with an external index of the holders of files.
    #[must_use]
    pub fn with_providers(mut self, providers: Option<Arc<dyn Providers>>) -> Overlay {
        self.providers = providers;
        self
    }

    /// Returns the URL under which peers reach this node, where nobody in particular asks.
    #[must_use]
    pub fn ourselves(&self) -> &PeerUrl {
        self.own.main()
    }

    /// Returns the URLs under which peers reach this node.
    #[must_use]
    pub fn own_urls(&self) -> &OwnUrls {
        &self.own
    }

    /// Returns the name under which people see this node.
    #[must_use]
    pub fn name(&self) -> Option<&NodeName> {
        self.standing.name.as_ref()
    }

    /// Returns the name that the node at `url` gives itself, this one included, as far as it is known.
    #[must_use]
    pub fn name_at(&self, url: &PeerUrl) -> Option<NodeName> {
        if self.own.main().same_peer(url) {
            return self.standing.name.clone();
        }
        self.peers().get(url).and_then(|peer| peer.name.clone())
    }

    /// Returns the identity of this node.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.standing.key.id()
    }

    /// Returns the address by which others may meet this node.
    #[must_use]
    pub fn invitation(&self) -> NodeAddress {
        NodeAddress {
            id: self.id(),
            at: vec![self.own.main().clone()],
            relay: None,
        }
    }

    /// Returns the client that calls peers.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Adds a peer, if it is new and there is room. One that the owner did not
    /// choose counts when it has answered.
    pub fn add(&self, url: &PeerUrl, source: KnownFrom) -> Added {
        self.add_as(url, None, source)
    }

    /// Adds a peer that is named by its URL, or a node in each place where it may be
    /// reached. What the owner says of who is there holds from now on.
    pub fn add_address(&self, address: &PeerAddress, source: KnownFrom) {
        match address {
            PeerAddress::Url(url) => {
                self.add(url, source);
            }
            PeerAddress::Node(node) => {
                // One that answers elsewhere needs no other places.
                let answers = self.peers().has_answered(node.id);
                for url in &node.at {
                    if !answers || self.peers().get(url).is_some() {
                        self.add_as(url, Some(node.id), source);
                    }
                }
            }
        }
    }

    /// Adds a peer of which it is said who it is.
    pub fn add_as(&self, url: &PeerUrl, id: Option<NodeId>, source: KnownFrom) -> Added {
        if id == Some(self.id()) {
            return Added::Ourselves;
        }
        if self.own.has(url) {
            return Added::Ourselves;
        }
        let is_of_machine = || Scope::of_host(url) == Scope::Machine;
        if matches!(source, KnownFrom::Lan | KnownFrom::Dht)
            && self.own.is_everywhere()
            && is_of_machine()
        {
            // Nobody in this machine said so.
            return Added::Ourselves;
        }
        if source.is_owner() {
            self.standing.call_scope.trust(url);
            if let (Some(pins), Some(id)) = (&self.standing.pins, id) {
                pins.choose(url, id);
            }
        }
        let added = self.peers().named_as(url, id, source, None, now());
        if added == Added::New {
            self.tell_added(url, source);
        }
        self.changed.notify_one();
        added
    }

    /// Hears of a peer from somebody at the address `from`.
    ///
    /// # Errors
    /// Errors if the stranger may not make this node call that host.
    pub fn hear(&self, url: &PeerUrl, source: KnownFrom, from: IpAddr) -> Result<Added, TooNear> {
        self.hear_as(url, None, source, from)
    }

    /// Hears of a peer, with the identity that is said to be there.
    ///
    /// # Errors
    /// Errors if the stranger may not make this node call that host.
    pub fn hear_as(
        &self,
        url: &PeerUrl,
        id: Option<NodeId>,
        source: KnownFrom,
        from: IpAddr,
    ) -> Result<Added, TooNear> {
        if !self.may_name(url, from) {
            return Err(TooNear);
        }
        if self.own.has(url) || id == Some(self.id()) {
            return Ok(Added::Ourselves);
        }
        let (added, is_due) = {
            let mut peers = self.peers();
            let added = peers.named_as(url, id, source, Some(from), now());
            (added, peers.get(url).is_some_and(|peer| peer.is_due(now())))
        };
        if added == Added::New {
            self.tell_added(url, source);
        }
        if is_due {
            self.changed.notify_one();
        }
        Ok(added)
    }

    /// Waits for peers that are just being met, for a moment: a client that introduces
    /// a peer and then asks for its files expects them. Those of the history wait for
    /// this node and are not waited for.
    pub async fn met(&self, history: &[String]) {
        self.wait_for_meetings(history, false).await;
    }

    /// Waits likewise for the owner, and also until those that have answered have proved
    /// their identity: before that they do not hear what the owner looks for.
    pub async fn met_for_owner(&self) {
        self.wait_for_meetings(&[], true).await;
    }

    async fn wait_for_meetings(&self, history: &[String], for_owner: bool) {
        loop {
            let met = self.met.notified();
            tokio::pin!(met);
            met.as_mut().enable();
            let Some(until) = self.peers().meeting(history, for_owner, MEETING, now()) else {
                return;
            };
            if timeout_at(until.into(), met).await.is_err() {
                return;
            }
        }
    }

    /// Returns true if a peer at the address `from` may make this node call that host.
    fn may_name(&self, url: &PeerUrl, from: IpAddr) -> bool {
        Scope::of_host(url) >= nearest_for(Some(from), self.standing.call_scope.nearest())
    }

    fn tell_added(&self, url: &PeerUrl, source: KnownFrom) {
        self.events.emit(&Event::PeerAdded {
            url: url.as_str().to_owned(),
            source: source.name().to_owned(),
        });
    }

    /// Forgets a peer for the owner. Says whether it was known.
    pub fn remove(&self, url: &PeerUrl) -> bool {
        let was_pinned = (self.standing.pins.as_ref()).is_some_and(|pins| pins.remove(url));
        let removed = self.peers().remove_for_owner(url, now()) || was_pinned;
        if removed {
            self.events.emit(&Event::PeerRemoved {
                url: url.as_str().to_owned(),
            });
            self.changed.notify_one();
        }
        removed
    }

    /// Returns what carries the calls to a peer.
    #[must_use]
    pub fn path_to(&self, peer: &PeerUrl) -> PeerPath {
        match self.pinned(peer) {
            Some(_) => PeerPath::Tls,
            None => PeerPath::Plain,
        }
    }

    /// Returns the node at a URL that was met there, or that a peer says is there.
    #[must_use]
    pub fn id_at(&self, url: &PeerUrl) -> Option<NodeId> {
        let said = || lock(&self.summaries).id_at(url, now());
        self.pinned(url).or_else(said)
    }

    /// Returns the node that was met at the host and port of a URL.
    fn pinned(&self, peer: &PeerUrl) -> Option<NodeId> {
        self.standing.pins.as_ref()?.of(peer)
    }

    /// Returns the known peers, sorted by URL.
    #[must_use]
    pub fn list(&self) -> Vec<PeerEntry> {
        self.peers().list()
    }

    /// Returns the number of known peers.
    #[must_use]
    pub fn count(&self) -> usize {
        self.peers().len()
    }

    /// Returns the peers that seem to have it, for a caller that asks.
    pub fn matching(&self, wanted: &FindWanted) -> Vec<PeerUrl> {
        lock(&self.summaries).matching(&self.question(wanted), now())
    }

    /// Returns the handlers that peers say they have, each with those peers.
    #[must_use]
    pub fn handlers_of_peers(&self) -> BTreeMap<String, Vec<PeerUrl>> {
        lock(&self.summaries).handlers()
    }

    /// Returns the question to summaries about `wanted`.
    fn question(&self, wanted: &FindWanted) -> Question {
        Question::of(wanted, &*self.standing.handlers)
    }

    /// Returns the files of our peers that may be passed on.
    pub fn near(&self) -> Vec<(PeerUrl, Filter)> {
        lock(&self.summaries).near(now())
    }

    fn peers(&self) -> MutexGuard<'_, PeerTable> {
        lock(&self.peers.0)
    }

    /// Notes that a peer answered, and in which dialect if that was seen.
    fn answered(&self, peer: &PeerUrl, kind: PeerKind, dialect: Option<Dialect>) {
        let was_away = {
            let mut peers = self.peers();
            let was_away = peers.get(peer).is_some_and(PeerEntry::is_away);
            peers.answered(peer, kind, dialect);
            was_away
        };
        if was_away {
            self.came_back.notify_waiters();
        }
    }

    /// Waits until a peer answers that is new or did not answer before.
    pub async fn peer_came_back(&self) {
        self.came_back.notified().await;
    }

    /// Returns how a peer is called: as it is known here, or, if it is not known, as one
    /// that somebody on the Internet named.
    #[must_use]
    pub fn destination(&self, peer: &PeerUrl) -> Destination {
        let known = self.peers().get(peer).map(PeerEntry::destination);
        known.unwrap_or_else(|| Destination::heard(peer.clone(), Scope::World))
    }

    /// Returns the kind of a known peer, if it has answered.
    #[must_use]
    pub fn kind_of(&self, peer: &PeerUrl) -> Option<PeerKind> {
        self.peers().get(peer).and_then(|entry| entry.kind)
    }

    /// Returns the URL of a Sixhop node at `url` that this node has met and that answers, if it is a peer.
    #[must_use]
    pub fn met_node(&self, url: &PeerUrl) -> Option<PeerUrl> {
        let peers = self.peers();
        let entry = peers.get(url)?;
        let is_met = entry.latency.is_some() && entry.failures == 0;
        (is_met && entry.kind == Some(PeerKind::Sixhop)).then(|| entry.url.clone())
    }

    /// Returns the peers that may be called now: not those that rest after a failure.
    #[must_use]
    pub fn to_call(&self) -> Vec<PeerEntry> {
        self.peers().to_ask(&[], now())
    }

    /// Notes that a peer answered a call that somebody above made.
    pub fn has_answered(&self, peer: &PeerUrl, kind: PeerKind) {
        self.answered(peer, kind, None);
    }

    /// Notes that a call that somebody above made to a peer failed.
    pub fn has_failed(&self, peer: &PeerUrl, error: &CallError) {
        self.failed(peer, error);
    }

    /// Notes that a peer could not be reached; the third time drops it. One that
    /// answered, with something that cannot be read, was reached.
    fn failed(&self, peer: &PeerUrl, error: &CallError) {
        if error.is_held_back() || error.is_not_shown() && self.pinned(peer).is_none() {
            // Somebody named a wrong id for it.
            return;
        }
        let text = error.to_string();
        if let CallError::Busy(_) = error {
            // It is there, and has done nothing wrong.
            tracing::debug!(peer = peer.as_str(), "{text}");
            return;
        }
        if error.is_unreadable() {
            self.peers().unreadable(peer, &text);
            self.counters.answers_unreadable.one();
            tracing::warn!(peer = peer.as_str(), "{text}");
            return;
        }
        let dropped = self.peers().failed(peer, &text, now());
        if dropped {
            // Somebody in reserve may take its place.
            let drawn = self.peers().draw_on_reserve(now());
            if let Some(url) = drawn {
                self.tell_added(&url, KnownFrom::Exchange);
            }
            self.counters.peers_dropped.one();
            self.changed.notify_one();
            self.events.emit(&Event::PeerDropped {
                url: peer.as_str().to_owned(),
                error: text,
            });
            tracing::info!(peer = peer.as_str(), %error, "a peer is dropped after {FAILURES_MAX} failures");
        } else {
            tracing::debug!(peer = peer.as_str(), %error, "a peer did not answer");
        }
    }

    /// Marks a peer that answers and lets nobody search or fetch who is not of its network.
    pub(crate) fn is_private(&self, peer: &PeerUrl, error: &CallError) {
        self.peers().refuses(peer, Some(&error.to_string()));
        tracing::warn!(
            peer = peer.as_str(),
            "a peer answers to nothing else: {error}"
        );
    }

    /// Returns the URL by which a peer knows us.
    fn our_url_for(&self, peer: &PeerEntry) -> PeerUrl {
        let own = self.own.towards(peer.address.or_else(|| peer.url.ip()));
        match peer.dialect {
            Some(Dialect::Codes) => own.codes(),
            Some(Dialect::Faults) | None => own,
        }
    }
}
