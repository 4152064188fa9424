//! `Asking`: the peers that the nodes before us ask themselves.
//!
//! The history of a query names the nodes that it passed, so that nobody asks
//! them again. A Sixhop node that forwards a query also says, in the header
//! [`HEADER`], which other peers it asks itself: they hear the query from there,
//! with more hops left than anyone further on could give them. So a miss among
//! ten nodes that all know each other costs nine calls, and not one for every
//! pair. Book peers neither send nor pass the header on; nothing depends on it.
//!
//! A peer is named by the 64-bit FNV-1a hash of its [`PeerUrl::key`]. The sender
//! of a false list keeps a query from peers that he could as well have kept
//! it from by not passing it on.

use std::{collections::BTreeSet, fmt};

use crate::peer_url::PeerUrl;

/// Name of the HTTP request header that carries an [`Asking`].
pub const HEADER: &str = "sixhop-asking";

/// Most peers that a list names; further ones are left out.
pub const ASKING_MAX: usize = 128;

/// Peers that are asked anyway.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Asking(BTreeSet<u64>);

impl Asking {
    /// Reads a header: hashes of 16 hex digits, separated by commas. What is
    /// no such hash is passed over: the list only spares calls.
    #[must_use]
    pub fn from_header(text: &str) -> Asking {
        let hashes = text.split(',').filter(|part| part.len() == 16);
        Asking(
            hashes
                .filter_map(|part| u64::from_str_radix(part, 16).ok())
                .take(ASKING_MAX)
                .collect(),
        )
    }

    /// Adds a peer, if there is room.
    pub fn add(&mut self, peer: &PeerUrl) {
        if self.0.len() < ASKING_MAX {
            self.0.insert(hash(peer));
        }
    }

    /// Returns true if the peer is asked anyway.
    #[must_use]
    pub fn contains(&self, peer: &PeerUrl) -> bool {
        self.0.contains(&hash(peer))
    }

    /// Returns true if nobody is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, hash) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            write!(f, "{comma}{hash:016x}")?;
        }
        Ok(())
    }
}

/// Returns the hash FNV-1a of 64 bits.
fn hash(peer: &PeerUrl) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325;
    peer.key().bytes().fold(start, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(n: usize) -> PeerUrl {
        PeerUrl::parse(&format!("http://127.0.0.1:{}/", 1_000 + n)).unwrap()
    }

    #[test]
    fn a_header_reads_back_the_same() {
        let mut asking = Asking::default();
        (0..3).for_each(|n| asking.add(&url(n)));
        let read = Asking::from_header(&asking.to_string());
        assert_eq!(read, asking);
        assert!(read.contains(&url(1).codes()));
        assert!(!read.contains(&url(3)));
    }

    #[test]
    fn the_hash_is_the_published_one() {
        let mut asking = Asking::default();
        asking.add(&PeerUrl::parse("http://127.0.0.1:4242").unwrap());
        assert_eq!(asking.to_string(), "e41de1824dc7f26a");
    }

    #[test]
    fn a_list_is_bounded_and_junk_is_passed_over() {
        let mut asking = Asking::default();
        (0..2 * ASKING_MAX).for_each(|n| asking.add(&url(n)));
        assert_eq!(asking.to_string().len(), ASKING_MAX * 17 - 1);
        assert!(Asking::from_header("x,,0123,\u{1f600},zzzzzzzzzzzzzzzz").is_empty());
        let long = format!("{asking},{asking}").replace('0', "1");
        assert!(Asking::from_header(&long).0.len() <= ASKING_MAX);
    }
}
