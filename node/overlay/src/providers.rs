//! Holders by the word of an external index: the seam for it.
//!
//! # Participants
//! - [`Providers`] is such an index, for instance a distributed hash table. It
//!   stands outside this crate.
//! - [`Overlay::holders`] asks it, [`Overlay::ask_holder`] finds out whether it
//!   is true.
//! - [`Overlay::copies`] counts the copies of files, for a publisher to such an index.
//!
//! # Invariants
//! - An index is not believed. Each node that it names is asked for that file, and is no
//!   peer because of that.
//! - At most [`HOLDERS_MAX`] of one answer are asked, and one that did not have
//!   what it was to have is left alone for [`AGAIN`].

use std::{
    collections::VecDeque,
    fmt::Debug,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use node_wire::{Digest, Find, FindHit, FindWanted, peer_url::PeerUrl, scope::Scope};
use tokio::time::timeout;

use super::Overlay;
use node_base::{clock::now, sync::lock};
use node_transport::Destination;

/// Longest wait for the index.
const TIME: Duration = Duration::from_secs(5);

/// Longest wait for a node that it names.
const ANSWER: Duration = Duration::from_secs(3);

/// Most that are asked of one answer of the index.
const HOLDERS_MAX: usize = 16;

/// Time before one that did not have it is asked again.
const AGAIN: Duration = Duration::from_secs(60);

/// Files that are looked for in the summaries at a time.
const COUNTED: usize = 64;

/// Most of those that are remembered.
const LIARS_MAX: usize = 1_024;

/// An index of the holders of files.
pub trait Providers: Debug + Send + Sync {
    /// Returns nodes that are said to have the content of `digest`.
    fn holders(&self, digest: Digest) -> BoxFuture<'_, Vec<PeerUrl>>;
}

/// Peers that did not have what they were named for, and when they were asked.
#[derive(Debug, Default)]
pub(super) struct Liars(VecDeque<(Instant, String)>);

impl Liars {
    fn note(&mut self, peer: &PeerUrl, now: Instant) {
        if self.0.len() >= LIARS_MAX {
            self.0.pop_front();
        }
        self.0.push_back((now, peer.key()));
    }

    fn has(&mut self, peer: &PeerUrl, now: Instant) -> bool {
        while self.0.front().is_some_and(|(at, _)| *at + AGAIN <= now) {
            self.0.pop_front();
        }
        let key = peer.key();
        self.0.iter().any(|(_, liar)| *liar == key)
    }
}

impl Overlay {
    /// Returns nodes to ask for the content of `digest` besides those that the peers
    /// lead to. Takes at most [`TIME`].
    pub async fn holders(&self, digest: Digest) -> Vec<Destination> {
        let Some(providers) = &self.providers else {
            return Vec::new();
        };
        let mut named = timeout(TIME, providers.holders(digest))
            .await
            .unwrap_or_default();
        let mut liars = lock(&self.liars);
        named.retain(|peer| !self.own.has(peer) && !liars.has(peer, now()));
        named.truncate(HOLDERS_MAX);
        // An index names addresses, and none that are nearer than this node allows it.
        let named = named.into_iter().map(|peer| {
            let scope = Scope::of_host(&peer);
            Destination::heard(peer, scope)
        });
        named.collect()
    }

    /// Returns for each digest the number of our peers that seem to have it. Slow for many.
    #[must_use]
    pub fn copies(&self, digests: &[Digest]) -> Vec<usize> {
        let mut copies = Vec::with_capacity(digests.len());
        // Searches wait for the summaries no longer than for some of them.
        for digests in digests.chunks(COUNTED) {
            let summaries = lock(&self.summaries);
            copies.extend(digests.iter().map(|digest| summaries.copies(digest, now())));
        }
        copies
    }

    /// Asks a node that was named for the content of `digest`.
    pub async fn ask_holder(&self, peer: &Destination, digest: Digest) -> Option<FindHit> {
        let find = Find {
            wanted: FindWanted::Digest(digest),
            after: None,
            limit: 1,
            deadline: None,
            through: None,
        };
        let found = self.client.find(peer, &find, now() + ANSWER).await;
        let hits = found.ok().map(|found| found.value.hits).unwrap_or_default();
        let hit = hits.into_iter().find(|hit| hit.digest == Some(digest));
        if hit.is_none() {
            lock(&self.liars).note(peer, now());
        }
        hit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_liar_is_left_alone_for_a_minute_and_memory_is_bounded() {
        let (mut liars, start) = (Liars::default(), Instant::now());
        let url = |n: usize| PeerUrl::parse(&format!("http://10.0.0.1:{}/", n + 1)).unwrap();
        liars.note(&url(0), start);
        assert!(liars.has(&url(0).codes(), start) && !liars.has(&url(1), start));
        assert!(!liars.has(&url(0), start + AGAIN));
        for n in 0..=LIARS_MAX {
            liars.note(&url(n), start);
        }
        assert!(!liars.has(&url(0), start) && liars.has(&url(LIARS_MAX), start));
        assert_eq!(liars.0.len(), LIARS_MAX);
    }
}
