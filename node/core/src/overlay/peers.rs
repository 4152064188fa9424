//! The table of known peers.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime},
};

use node_wire::{dialect::Dialect, peer_url::PeerUrl};
use serde::Serialize;

use crate::client::PeerKind;

/// Most peers that a node knows.
pub const PEERS_MAX: usize = 1_024;

/// Failures in a row after which a peer is dropped.
pub const FAILURES_MAX: u32 = 3;

/// Pause after the first failure; it doubles with each further one.
const PAUSE: Duration = Duration::from_secs(1);

/// Longest pause before a peer is introduced again.
const INTRODUCTION_PAUSE_MAX: Duration = Duration::from_secs(60);

/// How a peer became known.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// An option, a configuration file or a file of URLs.
    Settings,
    /// Saved by an earlier run.
    Saved,
    /// The owner, over the control connection.
    Owner,
    /// A `hello` from the network.
    Hello,
}

/// What came of adding a peer.
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
}

/// What is known of a peer.
#[derive(Clone, Debug)]
pub struct PeerEntry {
    /// Its URL.
    pub url: PeerUrl,
    /// The dialect in which it answered, once it has.
    pub dialect: Option<Dialect>,
    /// What kind of node it is, once it has answered.
    pub kind: Option<PeerKind>,
    /// How it became known.
    pub source: Source,
    /// Failures in a row.
    pub failures: u32,
    /// When it last answered.
    pub last_answer: Option<SystemTime>,
    /// Time of its answer to the last introduction.
    pub latency: Option<Duration>,
    /// Why its last call failed, while it is failing.
    pub last_error: Option<String>,
    /// Not asked before this time.
    retry_at: Option<Instant>,
    /// When to introduce this node to it; `None` when that is done.
    introduce_at: Option<Instant>,
    introductions: u32,
    /// Order in which peers became known, to make room for newer ones.
    since: u64,
}

/// The known peers of one node.
#[derive(Debug)]
pub struct PeerTable {
    ourselves: PeerUrl,
    peers: BTreeMap<String, PeerEntry>,
    added: u64,
    /// Changes with every peer that comes or goes, for saving.
    revision: u64,
}

impl PeerTable {
    /// An empty table of the node at `ourselves`.
    #[must_use]
    pub fn new(ourselves: PeerUrl) -> PeerTable {
        PeerTable {
            ourselves,
            peers: BTreeMap::new(),
            added: 0,
            revision: 0,
        }
    }

    /// Number of peers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// Whether there is no peer.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// Number that changes whenever a peer comes or goes.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Adds a peer. A full table makes room by forgetting the oldest stranger
    /// that never answered.
    pub fn add(&mut self, url: &PeerUrl, source: Source, now: Instant) -> Added {
        if url.same_peer(&self.ourselves) {
            return Added::Ourselves;
        }
        let key = url.key();
        if let Some(known) = self.peers.get_mut(&key) {
            known.welcome_back(source, now);
            return Added::Known;
        }
        if self.peers.len() >= PEERS_MAX && !self.make_room() {
            return Added::Full;
        }
        self.added += 1;
        self.revision += 1;
        self.peers
            .insert(key, PeerEntry::new(url.clone(), source, now, self.added));
        Added::New
    }

    /// Forgets a peer. Says whether it was known.
    pub fn remove(&mut self, url: &PeerUrl) -> bool {
        let removed = self.peers.remove(&url.key()).is_some();
        self.revision += u64::from(removed);
        removed
    }

    /// The peers, sorted by URL.
    #[must_use]
    pub fn list(&self) -> Vec<PeerEntry> {
        self.peers.values().cloned().collect()
    }

    /// What is known of one peer.
    #[must_use]
    pub fn get(&self, url: &PeerUrl) -> Option<&PeerEntry> {
        self.peers.get(&url.key())
    }

    /// The peers to ask: not in `history`, not resting after a failure; those
    /// that answered first, those that failed last.
    #[must_use]
    pub fn to_ask(&self, history: &[String], now: Instant) -> Vec<PeerEntry> {
        let passed: Vec<String> = history
            .iter()
            .filter_map(|url| PeerUrl::parse(url).ok())
            .map(|url| url.key())
            .collect();
        let mut peers: Vec<PeerEntry> = self
            .peers
            .iter()
            .filter(|(key, peer)| !passed.contains(key) && peer.retry_at.is_none_or(|at| at <= now))
            .map(|(_, peer)| peer.clone())
            .collect();
        peers.sort_by_key(|peer| (peer.failures, peer.last_answer.is_none()));
        peers
    }

    /// Notes that a peer answered.
    pub fn answered(&mut self, url: &PeerUrl, kind: PeerKind, dialect: Option<Dialect>) {
        if let Some(peer) = self.peers.get_mut(&url.key()) {
            peer.failures = 0;
            peer.retry_at = None;
            peer.last_error = None;
            peer.last_answer = Some(SystemTime::now());
            peer.kind = Some(kind);
            peer.dialect = dialect.or(peer.dialect);
        }
    }

    /// Notes that a peer could not be reached. Says whether it was dropped.
    pub fn failed(&mut self, url: &PeerUrl, error: &str, now: Instant) -> bool {
        let Some(peer) = self.peers.get_mut(&url.key()) else {
            return false;
        };
        peer.failures += 1;
        peer.last_error = Some(error.to_owned());
        peer.retry_at = Some(now + PAUSE * (1 << (peer.failures - 1).min(6)));
        let dropped = peer.failures >= FAILURES_MAX;
        if dropped {
            self.remove(url);
        }
        dropped
    }

    /// The peers to introduce this node to now, at most `most`.
    #[must_use]
    pub fn to_introduce(&self, now: Instant, most: usize) -> Vec<PeerUrl> {
        self.peers
            .values()
            .filter(|peer| peer.introduce_at.is_some_and(|at| at <= now))
            .take(most)
            .map(|peer| peer.url.clone())
            .collect()
    }

    /// When the next introduction is due.
    #[must_use]
    pub fn next_introduction(&self) -> Option<Instant> {
        self.peers
            .values()
            .filter_map(|peer| peer.introduce_at)
            .min()
    }

    /// Notes that this node was introduced to a peer, which answered after `latency`.
    pub fn introduced(
        &mut self,
        url: &PeerUrl,
        kind: PeerKind,
        dialect: Option<Dialect>,
        latency: Duration,
    ) {
        self.answered(url, kind, dialect);
        if let Some(peer) = self.peers.get_mut(&url.key()) {
            peer.latency = Some(latency);
            peer.introduce_at = None;
        }
    }

    /// Notes that an introduction failed. It is tried again after a growing
    /// pause, but only once for a stranger: whoever sends a `hello` causes no
    /// more than one call. This alone drops no peer.
    pub fn not_introduced(&mut self, url: &PeerUrl, error: &str, now: Instant) {
        let Some(peer) = self.peers.get_mut(&url.key()) else {
            return;
        };
        peer.last_error = Some(error.to_owned());
        peer.introductions += 1;
        let pause = (PAUSE * (1 << peer.introductions.min(6))).min(INTRODUCTION_PAUSE_MAX);
        peer.introduce_at = (peer.source != Source::Hello).then_some(now + pause);
    }

    fn make_room(&mut self) -> bool {
        let oldest = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.source == Source::Hello && peer.last_answer.is_none())
            .min_by_key(|(_, peer)| peer.since)
            .map(|(key, _)| key.clone());
        oldest.and_then(|key| self.peers.remove(&key)).is_some()
    }
}

impl PeerEntry {
    fn new(url: PeerUrl, source: Source, now: Instant, since: u64) -> PeerEntry {
        PeerEntry {
            url,
            dialect: None,
            kind: None,
            source,
            failures: 0,
            last_answer: None,
            latency: None,
            last_error: None,
            retry_at: None,
            introduce_at: Some(now),
            introductions: 0,
            since,
        }
    }

    /// A peer that says hello again is there again: it is asked at once. An
    /// owner who names it makes it more than a stranger.
    fn welcome_back(&mut self, source: Source, now: Instant) {
        self.retry_at = None;
        if self.source == Source::Hello && source != Source::Hello {
            self.source = source;
            if self.last_answer.is_none() {
                self.introduce_at = Some(now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(n: usize) -> PeerUrl {
        PeerUrl::parse(&format!("http://127.0.0.1:{}", 10_000 + n)).unwrap()
    }

    fn table() -> (PeerTable, Instant) {
        (PeerTable::new(url(0)), Instant::now())
    }

    fn ports(peers: &[PeerEntry]) -> Vec<u16> {
        peers.iter().map(|peer| peer.url.port() - 10_000).collect()
    }

    #[test]
    fn adding_twice_or_adding_ourselves_changes_nothing() {
        let (mut table, now) = table();
        assert_eq!(table.add(&url(1), Source::Hello, now), Added::New);
        assert_eq!(table.add(&url(1).codes(), Source::Hello, now), Added::Known);
        assert_eq!(table.add(&url(0), Source::Hello, now), Added::Ourselves);
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn the_third_failure_drops_a_peer_and_an_answer_forgives_the_first_two() {
        let (mut table, now) = table();
        table.add(&url(1), Source::Settings, now);
        assert!(!table.failed(&url(1), "refused", now));
        assert!(!table.failed(&url(1), "refused", now));
        table.answered(&url(1), PeerKind::Sixhop, None);
        assert!(!table.failed(&url(1), "refused", now));
        assert!(!table.failed(&url(1), "refused", now));
        assert!(table.failed(&url(1), "refused", now));
        assert!(table.is_empty());
    }

    #[test]
    fn a_peer_that_failed_rests_and_longer_each_time() {
        let (mut table, now) = table();
        table.add(&url(1), Source::Settings, now);
        table.failed(&url(1), "refused", now);
        assert!(table.to_ask(&[], now + PAUSE / 2).is_empty());
        assert_eq!(table.to_ask(&[], now + PAUSE).len(), 1);
        table.failed(&url(1), "refused", now + PAUSE);
        assert!(table.to_ask(&[], now + PAUSE * 2).is_empty());
        assert_eq!(table.to_ask(&[], now + PAUSE * 3).len(), 1);
    }

    #[test]
    fn a_hello_of_a_resting_peer_ends_its_rest() {
        let (mut table, now) = table();
        table.add(&url(1), Source::Hello, now);
        table.failed(&url(1), "refused", now);
        table.add(&url(1), Source::Hello, now);
        assert_eq!(table.to_ask(&[], now).len(), 1);
    }

    #[test]
    fn peers_of_the_history_are_not_asked_however_they_are_written() {
        let (mut table, now) = table();
        for n in 1..=3 {
            table.add(&url(n), Source::Hello, now);
        }
        let history = [
            "http://127.0.0.1:10001".to_owned(),
            "http://127.0.0.1:10002/codes".to_owned(),
            "junk".to_owned(),
        ];
        assert_eq!(ports(&table.to_ask(&history, now)), [3]);
    }

    #[test]
    fn those_that_answered_are_asked_first_and_those_that_failed_last() {
        let (mut table, now) = table();
        for n in 1..=3 {
            table.add(&url(n), Source::Hello, now);
        }
        table.failed(&url(1), "refused", now);
        table.answered(&url(3), PeerKind::Sixhop, None);
        assert_eq!(ports(&table.to_ask(&[], now + PAUSE)), [3, 2, 1]);
    }

    #[test]
    fn a_full_table_keeps_proved_and_chosen_peers_and_forgets_the_oldest_stranger() {
        let (mut table, now) = table();
        table.add(&url(1), Source::Settings, now);
        table.add(&url(2), Source::Hello, now);
        table.answered(&url(2), PeerKind::Sixhop, None);
        for n in 3..=PEERS_MAX {
            table.add(&url(n), Source::Hello, now);
        }
        assert_eq!(
            table.add(&url(PEERS_MAX + 1), Source::Hello, now),
            Added::New
        );
        assert_eq!(table.len(), PEERS_MAX);
        assert!(table.get(&url(1)).is_some() && table.get(&url(2)).is_some());
        assert!(table.get(&url(3)).is_none());
    }

    #[test]
    fn a_stranger_is_called_back_once_and_a_chosen_peer_again_later() {
        let (mut table, now) = table();
        table.add(&url(1), Source::Hello, now);
        table.add(&url(2), Source::Settings, now);
        assert_eq!(table.to_introduce(now, 9).len(), 2);
        table.not_introduced(&url(1), "refused", now);
        table.not_introduced(&url(2), "refused", now);
        assert!(table.to_introduce(now, 9).is_empty());
        let later = table.next_introduction().unwrap();
        assert_eq!(table.to_introduce(later, 9), [url(2)]);
        let latency = Duration::from_millis(7);
        table.introduced(&url(2), PeerKind::Book, Some(Dialect::Faults), latency);
        assert_eq!(table.next_introduction(), None);
        assert_eq!(table.get(&url(2)).unwrap().latency, Some(latency));
    }
}
