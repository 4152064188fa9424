//! `Destination`: the target of a call, and a limit on how near its address may be.
//!
//! A peer that names an address chooses a target for this node. So an address is never
//! called alone: the scope of the peer that named it goes with it, and is checked against
//! the addresses that the name resolves to, at every call.
//!
//! # Invariants
//! - No request is made without a [`Destination`], and none is sent without a
//!   [`CheckedAddress`] of it.
//! - What a stranger named leads to nothing nearer than the stranger is.
//! - In one [`SearchDials`] an address is called under one URL, however many lead to
//!   it; the URLs of the owner excepted.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    ops::Deref,
    sync::{Arc, Mutex},
};

use node_wire::{
    node_id::NodeId,
    peer_url::{PeerUrl, carried_v4},
    scope::Scope,
};

use super::{call_scope::CheckedAddress, transport::TransportError};
use node_base::sync::lock;

/// The target of a call. Reads as the [`PeerUrl`] that it has.
#[derive(Clone, Debug)]
pub struct Destination {
    url: PeerUrl,
    naming: Naming,
    /// The address that was chosen; otherwise the name is resolved for each call.
    at: Option<CheckedAddress>,
    search: Option<SearchDials>,
    /// The identity that is expected there, if the namer gave one.
    expected: Option<NodeId>,
}

/// The source of a destination.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Naming {
    /// The owner.
    Owner,
    /// A stranger in this scope; it has answered as a peer since.
    Met(Scope),
    /// A stranger in this scope, and nothing more is known.
    Heard(Scope),
}

/// Most ports of one address of the Internet that a search calls because strangers named them.
const PORTS_OF_ONE: usize = 2;

/// The addresses that one search has called, each with the URL under which it was. Forms of IPv6 that carry an IPv4
/// address count as that one.
#[derive(Clone, Debug, Default)]
pub struct SearchDials(Arc<Mutex<HashMap<SocketAddr, String>>>);

impl Destination {
    /// Creates the destination of a URL that the owner named.
    #[must_use]
    pub fn of_owner(url: PeerUrl) -> Destination {
        Destination::new(url, Naming::Owner)
    }

    /// Creates the destination of a peer that has answered, named by somebody in the scope `namer`.
    #[must_use]
    pub fn met(url: PeerUrl, namer: Scope) -> Destination {
        Destination::new(url, Naming::Met(namer))
    }

    /// Creates the destination of a URL that somebody at the address `namer` named.
    #[must_use]
    pub fn named_by(url: PeerUrl, namer: IpAddr) -> Destination {
        Destination::heard(url, Scope::of_source(namer))
    }

    /// Creates the destination of a URL that somebody in the scope `namer` named.
    #[must_use]
    pub fn heard(url: PeerUrl, namer: Scope) -> Destination {
        Destination::new(url, Naming::Heard(namer))
    }

    fn new(url: PeerUrl, naming: Naming) -> Destination {
        Destination {
            url,
            naming,
            at: None,
            search: None,
            expected: None,
        }
    }

    /// Returns the same destination at this address and no other.
    #[must_use]
    pub fn at(mut self, address: CheckedAddress) -> Destination {
        self.at = Some(address);
        self
    }

    /// Returns the same destination for this node and no other.
    #[must_use]
    pub fn expecting(mut self, id: Option<NodeId>) -> Destination {
        self.expected = id;
        self
    }

    /// Returns the identity that is expected there, if one was given.
    #[must_use]
    pub fn expected(&self) -> Option<NodeId> {
        self.expected
    }

    /// Returns the same destination as a part of a search.
    #[must_use]
    pub fn within(mut self, search: &SearchDials) -> Destination {
        self.search = Some(search.clone());
        self
    }

    /// Returns its URL.
    #[must_use]
    pub fn url(&self) -> &PeerUrl {
        &self.url
    }

    /// Returns the address that was chosen, if one was.
    #[must_use]
    pub fn address(&self) -> Option<CheckedAddress> {
        self.at
    }

    /// Returns true if nothing is known of it but that a stranger named it.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        matches!(self.naming, Naming::Heard(_))
    }

    /// Returns true if the text of the URL already leads nearer than the peer that named it.
    #[must_use]
    pub fn is_too_near(&self) -> bool {
        Scope::of_host(&self.url) < self.namer()
    }

    /// Returns the scope of the peer that named it.
    #[must_use]
    pub fn namer(&self) -> Scope {
        match self.naming {
            Naming::Owner => Scope::Machine,
            Naming::Met(scope) | Naming::Heard(scope) => scope,
        }
    }

    /// Takes over the nearer of both scopes: two named it.
    pub fn also_named_as(&mut self, other: &Destination) {
        if other.namer() < self.namer() {
            self.naming = other.naming;
        }
    }

    pub(super) fn naming(&self) -> Naming {
        self.naming
    }

    /// Notes that the search calls this address.
    ///
    /// # Errors
    /// Errors if it has called it under another URL, and the owner did not name this one.
    pub(super) fn claim(&self, address: SocketAddr) -> Result<(), TransportError> {
        let Some(SearchDials(called)) = &self.search else {
            return Ok(());
        };
        let key = self.url.key();
        let address = SocketAddr::new(folded(address.ip()), address.port());
        let mut called = lock(called);
        if self.is_heard() && Scope::of_address(address.ip()) == Scope::World {
            let is_other =
                |other: &&SocketAddr| other.ip() == address.ip() && other.port() != address.port();
            if called.keys().filter(is_other).count() >= PORTS_OF_ONE {
                return Err(TransportError::Repeated);
            }
        }
        let first = called.entry(address).or_insert_with(|| key.clone());
        if *first == key || self.naming == Naming::Owner {
            Ok(())
        } else {
            Err(TransportError::Repeated)
        }
    }
}

/// Returns the IPv4 address that an address of IPv6 carries, or the address itself.
fn folded(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => carried_v4(v6).map_or(address, IpAddr::V4),
        canonical => canonical,
    }
}

impl Deref for Destination {
    type Target = PeerUrl;

    fn deref(&self) -> &PeerUrl {
        &self.url
    }
}

/// Equal are the same URLs that the same scope named.
impl PartialEq for Destination {
    fn eq(&self, other: &Destination) -> bool {
        self.url == other.url && self.naming == other.naming
    }
}

impl Eq for Destination {}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> PeerUrl {
        PeerUrl::parse(text).unwrap()
    }

    #[test]
    fn one_address_is_called_under_one_url_a_search() {
        let (search, victim) = (SearchDials::default(), ([198, 51, 100, 1], 80).into());
        let to = |host: &str| {
            let url = url(&format!("http://{host}/"));
            Destination::heard(url, Scope::World).within(&search)
        };
        assert!(to("a.example").claim(victim).is_ok());
        assert!(to("a.example").claim(victim).is_ok(), "its next page");
        assert!(to("b.example").claim(victim).is_err());
        assert!(
            to("b.example")
                .claim(([198, 51, 100, 1], 81).into())
                .is_ok()
        );
        let met = Destination::met(url("http://c.example/"), Scope::World).within(&search);
        assert!(met.claim(victim).is_err());
        let own = Destination::of_owner(url("http://d.example/")).within(&search);
        assert!(own.claim(victim).is_ok(), "the owner may have two names");
        let another = to("b.example").within(&SearchDials::default());
        assert!(another.claim(victim).is_ok());
    }

    #[test]
    fn a_search_calls_few_ports_of_one_address_that_strangers_named() {
        let search = SearchDials::default();
        let to = |address: &str| {
            let url = url(&format!("http://{address}/"));
            let destination = Destination::heard(url, Scope::World).within(&search);
            destination.claim(address.parse().unwrap())
        };
        assert!(to("198.51.100.1:7000").is_ok());
        assert!(to("[2002:c633:6401::1]:7000").is_err(), "the same one");
        assert!(to("[64:ff9b::c633:6401]:7001").is_ok());
        for port in 7_002..7_008 {
            assert!(to(&format!("198.51.100.1:{port}")).is_err(), "{port}");
            assert!(to(&format!("[::ffff:198.51.100.1]:{port}")).is_err());
        }
        assert!(to("198.51.100.1:7000").is_ok(), "its next page");
        assert!(to("198.51.100.2:7000").is_ok(), "another one");
        // Who has answered as a node, and what the owner named, may have a port of its own.
        for allowed in [
            Destination::of_owner(url("http://198.51.100.1:9/")),
            Destination::met(url("http://198.51.100.1:8/"), Scope::World),
        ] {
            let address = SocketAddr::from(([198, 51, 100, 1], allowed.port()));
            assert!(allowed.within(&search).claim(address).is_ok());
        }
        // Behind one address of a local network are the nodes of one machine.
        for port in 1..9 {
            assert!(to(&format!("192.168.1.1:{port}")).is_ok());
        }
    }

    #[test]
    fn the_nearer_of_two_who_named_it_counts() {
        let mut named = Destination::named_by(url("http://nas.example/"), [203, 0, 113, 1].into());
        assert_eq!(named.namer(), Scope::World);
        named.also_named_as(&Destination::named_by(
            url("http://nas.example/"),
            [192, 168, 1, 7].into(),
        ));
        assert_eq!(named.namer(), Scope::Network);
        assert!(Destination::heard(url("http://nas/"), Scope::World).is_too_near());
        assert!(!Destination::heard(url("http://nas/"), Scope::Network).is_too_near());
    }
}
