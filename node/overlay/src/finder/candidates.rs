//! The candidates of a search, and the hints about each before it is asked.

use std::net::IpAddr;

use node_api::search::AskedWhy;
use node_transport::Destination;
use node_wire::{Found, peer_url::PeerUrl};

use super::{Finder, NAMED_MAX};
use crate::planner::{Candidate, Hint, Target};
use node_base::{clock::now, sync::lock};

impl Finder {
    /// Adds our own peers, and the recent holders.
    pub(super) fn begin_with(&mut self, peers: Vec<Destination>) {
        let mut holders = lock(&self.overlay.pointers).holders(&self.wanted, self.begun);
        let mut candidates = Vec::new();
        for (peer, penalty) in peers.into_iter().zip(0..) {
            let is_holder = |holder: &Destination| holder.same_peer(&peer);
            let hint = match holders.iter().position(is_holder) {
                Some(at) => {
                    holders.remove(at);
                    Hint::Pointer
                }
                None => self.hint(&peer),
            };
            candidates.push(Candidate {
                peer,
                hint,
                penalty,
            });
        }
        let ours: Vec<_> = candidates
            .iter()
            .map(|c| (c.peer.clone(), c.hint))
            .collect();
        self.planner.add(candidates);
        self.planner.point_to(holders);
        for (peer, hint) in ours {
            self.name_beyond(&peer, hint);
        }
    }

    /// Adds the peers that one of our peers knows, as far as its summary lists them.
    fn name_beyond(&mut self, peer: &Destination, hint: Hint) {
        let is_asked = !matches!(hint, Hint::RuledOut | Hint::NoHandler);
        let summaries = lock(&self.overlay.summaries);
        let beyond = summaries.beyond(peer, is_asked, &self.question, self.begun);
        drop(summaries);
        let beyond = self.may_be_asked(beyond);
        self.planner.named(peer, 1, beyond);
    }

    /// Returns the hint about a peer that is not a known holder.
    fn hint(&self, peer: &PeerUrl) -> Hint {
        let summaries = lock(&self.overlay.summaries);
        let hint = summaries.hint(peer, &self.question, self.begun);
        drop(summaries);
        if hint != Hint::Open {
            return hint;
        }
        let pointers = lock(&self.overlay.pointers);
        if pointers.was_missed(&self.wanted, peer, self.begun) {
            Hint::Missed
        } else {
            Hint::Open
        }
    }

    /// Adds the peers that an asked peer named; `from` is its address.
    pub(super) fn name_others(&mut self, by: &Target<Destination>, found: &Found, from: IpAddr) {
        let named = found.peers.iter().zip(0..);
        let named = named.filter_map(|(url, penalty)| {
            let url = PeerUrl::parse(url).ok()?;
            let said = found.nodes.at(&url);
            let peer = Destination::named_by(url, from).expecting(said);
            let is_claimed = penalty < saturated(found.matching);
            let hint = match self.hint(&peer) {
                Hint::Open if is_claimed => Hint::Match,
                hint => hint,
            };
            Some(Candidate {
                peer,
                hint,
                penalty,
            })
        });
        let named = named.collect();
        let named = self.may_be_asked(named);
        self.planner.named(&by.peer, by.hops, named);
    }

    /// Leaves out peers that are nearer than the one that named them, all but the first URL
    /// of a host and port, because the others would cost calls that are not made, and peers
    /// named after [`NAMED_MAX`] others.
    fn may_be_asked(&mut self, named: Vec<Candidate<Destination>>) -> Vec<Candidate<Destination>> {
        let named = named.into_iter().filter(|candidate| {
            let peer = &candidate.peer;
            if peer.is_too_near() {
                return false;
            }
            let host = (peer.host().to_owned(), peer.port());
            if self.hosts.len() >= NAMED_MAX && !self.hosts.contains_key(&host) {
                return false;
            }
            let first = self.hosts.entry(host).or_insert_with(|| peer.key());
            *first == peer.key()
        });
        named.collect()
    }

    /// Remembers whether a peer has it.
    pub(super) fn remember(&self, target: &Target<Destination>, has_it: bool) {
        let peer = &target.peer;
        if target.is_ours && target.why == AskedWhy::Match {
            lock(&self.overlay.summaries).judge(peer, has_it);
        }
        let mut pointers = lock(&self.overlay.pointers);
        if has_it {
            pointers.found(&self.wanted, peer, now());
        } else {
            pointers.missed(&self.wanted, peer, now());
        }
    }
}

fn saturated(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
