//! Replacements for a peer that leaves: those that others named, and those that
//! were lost and may be there again.

use std::{net::IpAddr, time::Instant};

use node_wire::peer_url::PeerUrl;

use super::{Added, KnownFrom, Lost, PeerTable, RESERVE_MAX};

impl PeerTable {
    /// Keeps a peer that somebody at the address `by` named for the time when one
    /// is missing. The oldest make room.
    pub fn reserve(&mut self, url: PeerUrl, by: IpAddr) {
        let is_known = url.same_peer(&self.ourselves) || self.get(&url).is_some();
        if is_known || self.reserve.iter().any(|(kept, _)| kept.same_peer(&url)) {
            return;
        }
        if self.reserve.len() >= RESERVE_MAX {
            self.reserve.pop_front();
        }
        self.reserve.push_back((url, by));
    }

    /// Makes a candidate of a peer in the reserve: one is missing.
    pub fn draw_on_reserve(&mut self, now: Instant) -> Option<PeerUrl> {
        while let Some((url, by)) = self.reserve.pop_front() {
            if self.named(&url, KnownFrom::Exchange, Some(by), now) == Added::New {
                return Some(url);
            }
        }
        None
    }

    /// Returns the peers that were dropped, are looked for, and are not in the table.
    pub fn lost(&self) -> impl Iterator<Item = &Lost> {
        let lost = self.lost.iter();
        lost.filter(|lost| self.get(&lost.url).is_none())
    }

    /// Makes candidates of lost peers whose time it is.
    pub(super) fn look_for_lost(&mut self, now: Instant) {
        for lost in self.lost.due(now) {
            if self.named(&lost.url, KnownFrom::Lost, None, now) == Added::New {
                self.remember(&lost.url, lost.before);
            }
        }
    }
}
