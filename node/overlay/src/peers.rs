//! The table of known peers.
//!
//! A peer counts when the owner chose it, when it was saved, or when it has
//! answered. What a stranger names is a *candidate* until then: it is called
//! back, within the limits of [`Dials`], and asked nothing before it has
//! answered. What peers name is kept in reserve, and becomes a candidate only
//! when a peer is missing: the owners' links between nodes stay as they are. Peers that
//! are dropped are *lost*: they become candidates again and again for a day.
//!
//! # Invariants
//! - A peer is who it has shown to be. When somebody else is at its URL, what was
//!   known of the other one does not count for it.
//! - At most [`PEERS_MAX`] peers, of them [`CANDIDATES_MAX`] candidates, and
//!   [`NETWORK_MAX`] that strangers named in one network of the Internet, or at one
//!   host of a local network.
//! - What strangers name leaves room for what the owner names.
//! - No I/O and no clock; time is a parameter.

mod entry;
mod lost;
mod network;
mod reserve;
mod views;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use node_wire::{dialect::Dialect, node_id::NodeId, peer_url::PeerUrl};

pub use self::{
    entry::{Before, KnownFrom, Met, PeerEntry, Stranger},
    lost::{LOST_FOR, LOST_MAX, LOST_PAUSE_MAX, Lost},
    network::NETWORK_MAX,
    views::{ACTIVE_MAX, active, steady},
};
use self::{lost::LostPeers, network::Network};
use node_transport::{Destination, Dial, Dials, PeerKind, Turn};

/// Most peers that a node knows.
pub const PEERS_MAX: usize = 1_024;

/// Most of them that have not proved themselves; the oldest make room.
pub const CANDIDATES_MAX: usize = 256;

/// Most peers in the reserve; the oldest make room.
pub const RESERVE_MAX: usize = 256;

/// The time for which introductions of a peer that the owner removed are ignored.
const REMOVED_FOR: Duration = Duration::from_secs(10);

/// Most such peers.
const REMOVED_MAX: usize = 64;

/// Most other URLs of peers that are remembered.
const ALIASES_MAX: usize = 256;

/// Failures in a row after which a peer is dropped.
pub const FAILURES_MAX: u32 = 3;

/// Pause after the first failure; it doubles with each further one.
const PAUSE: Duration = Duration::from_secs(1);

/// Longest pause before a peer is introduced again.
const INTRODUCTION_PAUSE_MAX: Duration = Duration::from_secs(60);

/// The outcome of adding a peer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Added {
    /// It is new.
    New,
    /// It was known.
    Known,
    /// It is this node.
    Ourselves,
    /// The table is full of peers that are worth more.
    Full,
    /// There are enough of its network.
    Crowded,
    /// The owner has just removed it.
    Removed,
}

/// The outcome of an introduction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It counts from now on.
    New,
    /// It counted before.
    Known,
    /// Another node than before is at its URL, and is a new peer.
    Another {
        /// The identity that was there before.
        was: NodeId,
    },
    /// It is a peer that is known under another URL, and is forgotten under this one.
    Same {
        /// The other URL.
        known: PeerUrl,
    },
    /// It is not in the table any more.
    Gone,
}

/// A peer to introduce this node to.
#[derive(Clone, Debug, PartialEq)]
pub struct Introduction {
    /// The peer.
    pub peer: Destination,
    /// The stranger that named it, if this is done for that reason.
    pub named_by: Option<Stranger>,
}

/// The known peers of one node.
#[derive(Debug)]
pub struct PeerTable {
    ourselves: PeerUrl,
    peers: BTreeMap<String, PeerEntry>,
    /// Other URLs of known peers, the key of each and that of the peer; the oldest
    /// make room.
    aliases: VecDeque<(String, String)>,
    /// Peers that the owner removed, and until when nobody else brings them back.
    removed: VecDeque<(String, Instant)>,
    /// Peers that others named, and from where.
    reserve: VecDeque<(PeerUrl, IpAddr)>,
    lost: LostPeers,
    dials: Dials,
    added: u64,
    /// Changes with every peer that begins or ceases to count, for saving; what
    /// strangers name does not make a node write.
    revision: u64,
}

impl PeerTable {
    /// Creates an empty table of the node at `ourselves`.
    #[must_use]
    pub fn new(ourselves: PeerUrl) -> PeerTable {
        PeerTable::with_dials(ourselves, Dials::default())
    }

    /// Returns the same, with the table of the calls that strangers cause.
    #[must_use]
    pub fn with_dials(ourselves: PeerUrl, dials: Dials) -> PeerTable {
        PeerTable {
            ourselves,
            peers: BTreeMap::new(),
            aliases: VecDeque::new(),
            removed: VecDeque::new(),
            reserve: VecDeque::new(),
            lost: LostPeers::default(),
            dials,
            added: 0,
            revision: 0,
        }
    }

    /// Returns the number of peers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// Returns true if there is no peer.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// Returns a number that changes whenever a peer begins or ceases to count.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Adds a peer. A full table makes room by forgetting the oldest candidate.
    pub fn add(&mut self, url: &PeerUrl, source: KnownFrom, now: Instant) -> Added {
        self.named(url, source, None, now)
    }

    /// Adds a peer that somebody at the address `by` named.
    pub fn named(
        &mut self,
        url: &PeerUrl,
        source: KnownFrom,
        by: Option<IpAddr>,
        now: Instant,
    ) -> Added {
        self.named_as(url, None, source, by, now)
    }

    /// Adds a named peer, with the identity that the namer expects there.
    pub fn named_as(
        &mut self,
        url: &PeerUrl,
        id: Option<NodeId>,
        source: KnownFrom,
        by: Option<IpAddr>,
        now: Instant,
    ) -> Added {
        if url.same_peer(&self.ourselves) {
            return Added::Ourselves;
        }
        let key = url.key();
        self.removed.retain(|(_, until)| *until > now);
        if !source.is_trusted() && self.removed.iter().any(|(removed, _)| *removed == key) {
            return Added::Removed;
        }
        let alias = self.aliases.iter().find(|(alias, _)| *alias == key);
        let known = alias.map_or(&key, |(_, known)| known);
        if let Some(known) = self.peers.get_mut(known) {
            known.named_again(source, Stranger(by), now);
            known.expect(id, source);
            return Added::Known;
        }
        let mut entry = PeerEntry::new(url.clone(), source, now, self.added + 1);
        entry.namer = source.namer(url, by);
        entry.expect(id, source);
        entry.kind = self.lost.kind_of(url);
        if !source.is_trusted() {
            if self.is_crowded(entry.network()) {
                return Added::Crowded;
            }
            entry.named_by = Some(Stranger(by));
            if self.candidates() >= CANDIDATES_MAX && !self.make_room() {
                return Added::Full;
            }
        }
        let is_full = self.peers.len() >= PEERS_MAX && !self.make_room();
        if is_full && !(source.is_owner() && self.displace_stranger(now)) {
            return Added::Full;
        }
        self.added += 1;
        self.revision += u64::from(entry.counts());
        self.peers.insert(key, entry);
        Added::New
    }

    /// Forgets a peer. Says whether it was known.
    pub fn remove(&mut self, url: &PeerUrl) -> bool {
        let key = url.key();
        self.aliases
            .retain(|(alias, known)| *alias != key && *known != key);
        let removed = self.peers.remove(&url.key());
        self.revision += u64::from(removed.as_ref().is_some_and(PeerEntry::counts));
        removed.is_some()
    }

    /// Forgets a peer because the owner said so: what others say of it at the same
    /// time does not bring it back. Says whether it was known.
    pub fn remove_for_owner(&mut self, url: &PeerUrl, now: Instant) -> bool {
        if self.removed.len() >= REMOVED_MAX {
            self.removed.pop_front();
        }
        self.removed.push_back((url.key(), now + REMOVED_FOR));
        self.revision += u64::from(self.lost.found(url));
        self.remove(url)
    }

    /// Returns the peers, sorted by URL.
    #[must_use]
    pub fn list(&self) -> Vec<PeerEntry> {
        self.peers.values().cloned().collect()
    }

    /// Returns the entry of one peer.
    #[must_use]
    pub fn get(&self, url: &PeerUrl) -> Option<&PeerEntry> {
        self.peers.get(&url.key())
    }

    /// Returns true if a node with the proved identity `id` has answered, and still does.
    #[must_use]
    pub fn has_answered(&self, id: NodeId) -> bool {
        let answers = |peer: &PeerEntry| peer.last_answer.is_some() && peer.failures == 0;
        self.peers
            .values()
            .any(|peer| peer.id == Some(id) && answers(peer))
    }

    /// Returns the peers to ask: they count, are not in `history` and are not resting
    /// after a failure; those that answered first, those that failed last, and of
    /// those that are alike the one worth most first.
    #[must_use]
    pub fn to_ask(&self, history: &[String], now: Instant) -> Vec<PeerEntry> {
        let passed = keys(history);
        let mut peers: Vec<PeerEntry> = self
            .peers
            .iter()
            .filter(|(key, peer)| {
                peer.counts() && !passed.contains(key) && peer.retry_at.is_none_or(|at| at <= now)
            })
            .map(|(_, peer)| peer.clone())
            .collect();
        let standing = |peer: &PeerEntry| (peer.failures, peer.last_answer.is_none());
        peers.sort_by(|a, b| {
            let worth = b.score().total_cmp(&a.score());
            standing(a).cmp(&standing(b)).then(worth)
        });
        peers
    }

    /// Returns the time until which candidates that are being met are worth a wait: the last
    /// of them that became known less than `patience` ago, is called for the
    /// first time now or next, and is not in `history`. The owner also waits for those
    /// that are just showing who they are, and for saved ones of which it is not known.
    #[must_use]
    pub fn meeting(
        &self,
        history: &[String],
        for_owner: bool,
        patience: Duration,
        now: Instant,
    ) -> Option<Instant> {
        let passed = keys(history);
        let met_now = |peer: &PeerEntry| {
            let is_unknown = if for_owner {
                !peer.is_met() && peer.last_answer.is_none()
            } else {
                !peer.counts()
            };
            let is_new = is_unknown && peer.introductions == 0;
            let is_unproved = for_owner && peer.is_proving && !peer.is_met();
            is_unproved || is_new && (peer.is_due(now) || peer.is_introducing)
        };
        let candidates = self.peers.iter().filter(|(key, peer)| {
            met_now(peer) && peer.known_at + patience > now && !passed.contains(key)
        });
        candidates.map(|(_, peer)| peer.known_at + patience).max()
    }

    /// Notes that a peer answered.
    pub fn answered(&mut self, url: &PeerUrl, kind: PeerKind, dialect: Option<Dialect>) {
        if let Some(peer) = self.peers.get_mut(&url.key()) {
            let before = (peer.counts(), peer.kind);
            peer.answered(kind, dialect);
            self.revision += u64::from(before != (true, peer.kind));
            self.lost.found(url);
        }
    }

    /// Notes what kind of node an answer is from, whatever it says: no Sixhop node is asked for content that nobody
    /// can check. What seems to be of another kind may be a proxy in front of a node, so its answers decide that.
    pub fn answered_as(&mut self, url: &PeerUrl, kind: PeerKind) {
        if let (Some(peer), PeerKind::Sixhop) = (self.peers.get_mut(&url.key()), kind)
            && peer.kind != Some(kind)
        {
            peer.kind = Some(kind);
            self.revision += u64::from(peer.counts());
        }
    }

    /// Notes that a peer answered with something that cannot be read.
    pub fn unreadable(&mut self, url: &PeerUrl, error: &str) {
        if let Some(peer) = self.peers.get_mut(&url.key()) {
            peer.unreadable(error);
        }
    }

    /// Notes the reason for which a peer answers introductions alone; `None` if it answers more. It stays the last
    /// error of the peer until then, whatever introductions succeed meanwhile.
    pub fn refuses(&mut self, url: &PeerUrl, refusal: Option<&str>) {
        if let Some(peer) = self.peers.get_mut(&url.key()) {
            peer.refuses(refusal);
        }
    }

    /// Notes that a peer could not be reached. Says whether it was dropped: then it
    /// is lost.
    pub fn failed(&mut self, url: &PeerUrl, error: &str, now: Instant) -> bool {
        let Some(peer) = self.peers.get_mut(&url.key()) else {
            return false;
        };
        peer.failed(error, now);
        let dropped = peer.failures >= FAILURES_MAX;
        if dropped {
            self.lost.lose(peer, now);
            self.remove(url);
        }
        dropped
    }

    /// Returns the peers to introduce this node to now, at most `most`. Those that
    /// strangers named wait until they may be called.
    pub fn to_introduce(&mut self, now: Instant, most: usize) -> Vec<Introduction> {
        self.look_for_lost(now);
        let mut introductions = Vec::new();
        for peer in self.peers.values_mut() {
            if introductions.len() >= most {
                break;
            }
            if !peer.is_due(now) {
                continue;
            }
            if let Some(Stranger(by)) = peer.named_by
                && let Dial::At(at) = self.dials.ask(&peer.url, peer.turn(), by, now)
            {
                peer.introduce_at = Some(at);
                continue;
            }
            peer.is_introducing = true;
            introductions.push(Introduction {
                peer: match peer.named_by {
                    Some(_) => peer.heard_of(),
                    None => peer.destination(),
                },
                named_by: peer.named_by,
            });
        }
        introductions
    }

    /// Returns true if a call that strangers cause may go to this address now. If not,
    /// the introduction is put off.
    pub fn may_dial(&mut self, url: &PeerUrl, address: SocketAddr, now: Instant) -> bool {
        let turn = self.peers.get(&url.key()).map(PeerEntry::turn);
        let turn = turn.unwrap_or(Turn::First);
        let Dial::At(at) = self.dials.ask_address(address, turn, now) else {
            return true;
        };
        if let Some(peer) = self.peers.get_mut(&url.key()) {
            peer.is_introducing = false;
            peer.introduce_at = Some(at);
        }
        false
    }

    /// Returns the time of the next introduction.
    #[must_use]
    pub fn next_introduction(&self) -> Option<Instant> {
        let waiting = self.peers.values().filter(|peer| !peer.is_introducing);
        let waiting = waiting.filter_map(|peer| peer.introduce_at);
        waiting.chain(self.lost.next()).min()
    }

    /// Notes the result of an introduction to a peer.
    pub fn introduced(&mut self, url: &PeerUrl, met: Met, now: Instant) -> Outcome {
        let network = met.address.and_then(Network::of);
        let is_crowded = self.is_crowded_without(url, network);
        let Some(peer) = self.peers.get_mut(&url.key()) else {
            return Outcome::Gone;
        };
        let (counted, was, was_kind) = (peer.counts(), peer.id, peer.kind);
        if !counted && is_crowded {
            self.remove(url);
            return Outcome::Gone;
        }
        let is_another = peer.is_another(&met);
        if is_another {
            self.added += 1;
            let (is_chosen, namer) = (peer.is_chosen, peer.namer);
            *peer = PeerEntry::new(url.clone(), peer.source, now, self.added);
            (peer.is_chosen, peer.namer) = (is_chosen, namer);
        }
        let id = met.id;
        peer.met(met);
        self.lost.found(url);
        let is_changed = !counted || peer.id != was || peer.kind != was_kind;
        self.revision += u64::from(is_changed);
        if let Some(known) = id.and_then(|id| self.merge(url, id)) {
            return Outcome::Same { known };
        }
        match was {
            Some(was) if is_another => Outcome::Another { was },
            _ if counted => Outcome::Known,
            _ => Outcome::New,
        }
    }

    /// Notes that the peer at `url` says that it is at another URL, where the node `id`
    /// is. If it is known there, that is the same peer.
    pub fn claims(&mut self, url: &PeerUrl, id: NodeId) -> Option<PeerUrl> {
        self.peers.get_mut(&url.key())?.claimed = Some(id);
        self.merge(url, id)
    }

    /// Renames the peer at `url`, which calls itself `own`, a URL of the same host.
    pub fn rename(&mut self, url: &PeerUrl, own: &PeerUrl) {
        let (alias, key) = (url.key(), own.key());
        let Some(mut entry) = self.peers.remove(&alias) else {
            return;
        };
        self.revision += 1;
        match self.peers.get_mut(&key) {
            Some(known) => known.takes_over(&entry),
            None => {
                entry.url = own.clone();
                self.peers.insert(key.clone(), entry);
            }
        }
        self.remember_alias(alias, key);
    }

    fn remember_alias(&mut self, alias: String, key: String) {
        self.aliases.retain(|(known, _)| *known != alias);
        if self.aliases.len() >= ALIASES_MAX {
            self.aliases.pop_front();
        }
        self.aliases.push_back((alias, key));
    }

    /// Makes one peer of all that are `id`: of those that have shown it the one that is
    /// known longest and answers. Gives that one if it is not at `url`.
    fn merge(&mut self, url: &PeerUrl, id: NodeId) -> Option<PeerUrl> {
        let all = self.peers.iter().filter(|(_, peer)| peer.is_or_claims(id));
        let all: Vec<String> = all.map(|(key, _)| key.clone()).collect();
        let shown = all
            .iter()
            .filter_map(|key| Some((key, self.peers.get(key)?)));
        let shown = shown.filter(|(_, peer)| peer.id == Some(id) && peer.last_answer.is_some());
        let best = shown.min_by_key(|(_, peer)| (peer.failures, peer.since));
        let (best, known) = best.map(|(key, peer)| (key.clone(), peer.url.clone()))?;
        for alias in all.into_iter().filter(|key| *key != best) {
            let Some(other) = self.peers.remove(&alias) else {
                continue;
            };
            self.revision += 1;
            if let Some(peer) = self.peers.get_mut(&best) {
                peer.takes_over(&other);
            }
            self.remember_alias(alias, best.clone());
        }
        (!known.same_peer(url)).then_some(known)
    }

    /// Returns the places (host and port) of all that are known or looked for, and whether
    /// the owner chose who is there.
    #[must_use]
    pub fn places(&self) -> HashMap<String, bool> {
        let known = self.peers.values().map(|peer| (&peer.url, peer.is_chosen));
        let lost = self
            .lost
            .iter()
            .map(|lost| (&lost.url, lost.before.is_chosen));
        let mut places = HashMap::new();
        for (url, is_chosen) in known.chain(lost) {
            *places.entry(url.host_key()).or_default() |= is_chosen;
        }
        let aliases = self.aliases.iter();
        for alias in aliases.filter_map(|(alias, _)| PeerUrl::parse(alias).ok()) {
            places.entry(alias.host_key()).or_default();
        }
        places
    }

    /// Notes what an earlier run, or the time before it was dropped, showed of a peer.
    pub fn remember(&mut self, url: &PeerUrl, before: Before) {
        if let Some(peer) = self.peers.get_mut(&url.key()) {
            peer.id = before.id;
            peer.is_chosen |= before.is_chosen;
            peer.kind = peer.kind.or(before.kind);
            if !peer.source.is_owner() {
                peer.namer = before.namer;
            }
        }
    }

    /// Notes that a peer could not be asked for its identity: it is introduced again after a pause.
    pub fn not_asked_who(&mut self, url: &PeerUrl, now: Instant) {
        if let Some(peer) = self.peers.get_mut(&url.key()) {
            peer.not_asked_who(now);
        }
    }

    /// Notes that a peer was asked for its identity, with any result.
    pub fn was_asked_who(&mut self, url: &PeerUrl) {
        if let Some(peer) = self.peers.get_mut(&url.key()) {
            peer.is_proving = false;
        }
    }

    /// Notes that an introduction failed. It is tried again after a pause; a
    /// candidate a few times only. This alone drops no peer that counts.
    pub fn not_introduced(&mut self, url: &PeerUrl, error: &str, now: Instant) {
        if let Some(peer) = self.peers.get_mut(&url.key())
            && !peer.not_introduced(error, now)
        {
            self.remove(url);
        }
    }

    fn candidates(&self) -> usize {
        self.peers.values().filter(|peer| !peer.counts()).count()
    }

    fn is_crowded(&self, network: Option<Network>) -> bool {
        network.is_some_and(|network| self.of_network(network).count() >= NETWORK_MAX)
    }

    fn is_crowded_without(&self, url: &PeerUrl, network: Option<Network>) -> bool {
        network.is_some_and(|network| {
            let others = self.of_network(network);
            others.filter(|peer| !peer.url.same_peer(url)).count() >= NETWORK_MAX
        })
    }

    fn of_network(&self, network: Network) -> impl Iterator<Item = &PeerEntry> {
        let peers = self.peers.values();
        peers.filter(move |peer| peer.network() == Some(network))
    }

    /// Makes room for a peer of the owner: of the peers that strangers named, one that is
    /// failing goes first, then one without a proved identity, then the newest. It is
    /// lost, and found again when there is room.
    fn displace_stranger(&mut self, now: Instant) -> bool {
        let strangers = self.peers.iter().filter(|(_, peer)| !peer.is_chosen);
        let worst =
            strangers.max_by_key(|(_, peer)| (peer.failures, peer.id.is_none(), peer.since));
        let Some(worst) = worst.map(|(key, _)| key.clone()) else {
            return false;
        };
        let Some(peer) = self.peers.remove(&worst) else {
            return false;
        };
        self.lost.lose(&peer, now);
        self.aliases.retain(|(_, known)| *known != worst);
        self.revision += 1;
        true
    }

    /// Forgets the oldest candidate that nobody is just calling.
    fn make_room(&mut self) -> bool {
        let oldest = self
            .peers
            .iter()
            .filter(|(_, peer)| !peer.counts() && !peer.is_introducing)
            .min_by_key(|(_, peer)| peer.since)
            .map(|(key, _)| key.clone());
        oldest.and_then(|key| self.peers.remove(&key)).is_some()
    }
}

/// Returns the peers of a history, however they are written.
fn keys(history: &[String]) -> Vec<String> {
    let urls = history.iter().filter_map(|url| PeerUrl::parse(url).ok());
    urls.map(|url| url.key()).collect()
}

#[cfg(test)]
mod tests;
