//! A distributed hash table, in which nodes leave their addresses for others.
//!
//! # Participants
//! - [`Dht`] is the interface of one.
//! - [`MainlineDht`] does it with the one of BitTorrent, or with a private one
//!   that speaks the same protocol.
//! - [`MemoryDht`] does it in memory, for tests.
//!
//! # Invariants
//! - Only an address and a port are ever told. The address is the one that the
//!   others see.
//! - Answers are hostile: at most [`ADDRESSES_MAX`] addresses of one lookup are
//!   looked at, each once, and only those that a peer could have.

mod mainline_dht;
mod memory;

use std::{
    collections::BTreeSet, fmt::Debug, future::Future, net::SocketAddr, pin::Pin, time::Duration,
};

use node_wire::peer_url::{PeerUrl, address_allowed};

pub use self::{
    mainline_dht::{DhtOptions, MainlineDht},
    memory::MemoryDht,
};
use crate::{infohash::Infohash, networks::is_lan};

/// Most addresses of one lookup.
pub const ADDRESSES_MAX: usize = 64;

/// The future result of a lookup or an announcement.
pub type Reply<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The error of a distributed hash table.
#[derive(Debug, thiserror::Error)]
pub enum DhtError {
    /// Its nodes did not take it.
    #[error("the distributed hash table did not take it: {0}")]
    Refused(String),
    /// It did not start, is stopped, or broke.
    #[error("the distributed hash table does not run")]
    Stopped,
}

/// A distributed hash table.
pub trait Dht: Debug + Send + Sync {
    /// Leaves our address, with this port, at `place`.
    fn announce(&self, place: Infohash, port: u16) -> Reply<'_, Result<(), DhtError>>;

    /// Returns the addresses that were left at `place`, as far as they come within
    /// `time`: at most [`ADDRESSES_MAX`], none twice.
    fn lookup(&self, place: Infohash, time: Duration) -> Reply<'_, Vec<SocketAddr>>;

    /// Ends it, and waits for that.
    fn stop(&self) -> Reply<'_, ()>;
}

/// The addresses from a distributed hash table that a node may call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Callable {
    /// Addresses of the Internet.
    Internet,
    /// Addresses of the Internet and of local networks: the node is in one.
    LocalNetworks,
    /// All of these, and this machine: the node listens on loopback only.
    ThisMachine,
}

impl Callable {
    /// Returns the addresses that a node which listens at `address` may call.
    #[must_use]
    pub fn from(address: std::net::IpAddr) -> Callable {
        let address = address.to_canonical();
        if address.is_loopback() {
            Callable::ThisMachine
        } else if is_lan(address) {
            Callable::LocalNetworks
        } else {
            Callable::Internet
        }
    }

    /// Returns the URL of a node at this address, if it may be called.
    #[must_use]
    pub fn url(self, address: SocketAddr) -> Option<PeerUrl> {
        let ip = address.ip().to_canonical();
        let local = is_lan(ip) || is_shared(ip);
        let allowed = match self {
            Callable::Internet => !local && !ip.is_loopback(),
            Callable::LocalNetworks => !ip.is_loopback(),
            Callable::ThisMachine => true,
        };
        if !allowed || address_allowed(ip).is_err() {
            return None;
        }
        PeerUrl::parse(&format!("http://{}/", SocketAddr::new(ip, address.port()))).ok()
    }
}

/// Addresses that a provider shares among its customers (RFC 6598).
fn is_shared(ip: std::net::IpAddr) -> bool {
    matches!(ip, std::net::IpAddr::V4(v4) if matches!(v4.octets(), [100, 64..=127, ..]))
}

/// Gathers addresses as they come: each once, up to the limit.
#[derive(Debug, Default)]
struct Gathered {
    seen: BTreeSet<SocketAddr>,
    list: Vec<SocketAddr>,
}

impl Gathered {
    fn take(&mut self, addresses: impl IntoIterator<Item = SocketAddr>) {
        for address in addresses {
            if self.is_full() {
                break;
            }
            if self.seen.insert(address) {
                self.list.push(address);
            }
        }
    }

    fn is_full(&self) -> bool {
        self.list.len() >= ADDRESSES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may_call(callable: Callable, address: &str) -> bool {
        callable.url(address.parse().unwrap()).is_some()
    }

    #[test]
    fn a_node_calls_what_it_is_among() {
        use Callable::{Internet, LocalNetworks, ThisMachine};
        for (address, who) in [
            (
                "203.0.113.9:4242",
                &[Internet, LocalNetworks, ThisMachine][..],
            ),
            ("192.168.1.7:4242", &[LocalNetworks, ThisMachine]),
            ("10.0.0.7:4242", &[LocalNetworks, ThisMachine]),
            ("100.64.0.1:4242", &[LocalNetworks, ThisMachine]),
            ("127.0.0.1:4242", &[ThisMachine]),
            ("0.0.0.0:4242", &[]),
            ("169.254.169.254:80", &[]),
            ("224.0.0.1:4242", &[]),
            ("255.255.255.255:4242", &[]),
            ("203.0.113.9:0", &[]),
            ("[::ffff:127.0.0.1]:4242", &[ThisMachine]),
        ] {
            for callable in [Internet, LocalNetworks, ThisMachine] {
                assert_eq!(
                    may_call(callable, address),
                    who.contains(&callable),
                    "{callable:?} {address}"
                );
            }
        }
    }

    #[test]
    fn who_listens_where_decides() {
        let from = |text: &str| Callable::from(text.parse().unwrap());
        assert_eq!(from("127.0.0.1"), Callable::ThisMachine);
        assert_eq!(from("192.168.1.5"), Callable::LocalNetworks);
        assert_eq!(from("203.0.113.5"), Callable::Internet);
        assert_eq!(from("0.0.0.0"), Callable::Internet);
    }

    #[test]
    fn a_flood_of_addresses_is_cut_and_none_is_kept_twice() {
        let mut gathered = Gathered::default();
        let address = |n: u16| SocketAddr::from(([203, 0, 113, 1], n + 1));
        gathered.take((0..10).chain(0..10).map(address));
        assert_eq!(gathered.list.len(), 10);
        gathered.take((0..10_000).map(address));
        assert_eq!(gathered.list.len(), ADDRESSES_MAX);
        assert!(gathered.is_full());
    }
}
