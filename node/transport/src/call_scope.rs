//! The addresses that this node calls.
//!
//! A node that others reach from far away must not be pointed by them at what is
//! near it: its machine, its network. So it calls nothing that is nearer than
//! its own URL, unless its owner named the host, and nothing that is nearer than
//! the peer that named it.
//!
//! # Invariants
//! - A [`CheckedAddress`] is made here and nowhere else.
//! - What a name resolves to counts, each time; what the name looks like does
//!   not let a nearer address through.
//! - The hosts of the owner are bounded; beyond that, none is added.

use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr},
    sync::Mutex,
};

use node_wire::{
    peer_url::{PeerUrl, address_allowed},
    scope::Scope,
};

use super::{
    destination::{Destination, Naming},
    transport::TransportError,
};
use node_base::sync::lock;

/// Most hosts of the owner that are remembered.
const HOSTS_MAX: usize = 4_096;

/// The nearest scope of addresses that this node calls.
#[derive(Debug)]
pub struct CallScope {
    nearest: Scope,
    /// Hosts that the owner named.
    hosts: Mutex<HashSet<String>>,
}

/// An address that may be called for the source of its name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CheckedAddress(SocketAddr);

impl CheckedAddress {
    /// Returns the address.
    #[must_use]
    pub fn get(self) -> SocketAddr {
        self.0
    }
}

impl CallScope {
    /// Returns the scope of the node at `ourselves`.
    #[must_use]
    pub fn of(ourselves: &PeerUrl) -> CallScope {
        CallScope {
            nearest: Scope::of_host(ourselves),
            hosts: Mutex::default(),
        }
    }

    /// Returns the nearest scope that is called.
    #[must_use]
    pub fn nearest(&self) -> Scope {
        self.nearest
    }

    /// Lets this node call a host of its owner, wherever it is.
    pub fn trust(&self, url: &PeerUrl) {
        let mut hosts = lock(&self.hosts);
        if hosts.len() < HOSTS_MAX {
            hosts.insert(host(url.host()));
        }
    }

    /// Checks the addresses to which a destination resolves.
    ///
    /// # Errors
    /// Errors if there is none, or one of them may not be called for the source of the
    /// destination: nobody who controls a name can choose among addresses for us.
    pub fn check(
        &self,
        to: &Destination,
        addresses: &[SocketAddr],
    ) -> Result<Vec<CheckedAddress>, TransportError> {
        let nearest = addresses
            .iter()
            .map(|address| Scope::of_address(address.ip()))
            .min();
        let nearest =
            nearest.ok_or_else(|| TransportError::Connection("it has no address".to_owned()))?;
        for address in addresses {
            let allowed = address_allowed(address.ip());
            allowed.map_err(|error| TransportError::Connection(error.to_string()))?;
        }
        let is_allowed = match to.naming() {
            Naming::Owner => nearest >= self.nearest || self.is_of_owner(to),
            Naming::Met(namer) | Naming::Heard(namer) => nearest >= self.nearest.max(namer),
        };
        if !is_allowed {
            return Err(TransportError::TooNear);
        }
        Ok(addresses.iter().copied().map(CheckedAddress).collect())
    }

    fn is_of_owner(&self, url: &PeerUrl) -> bool {
        lock(&self.hosts).contains(&host(url.host()))
    }
}

impl Default for CallScope {
    /// Returns a scope in which everything may be called.
    fn default() -> CallScope {
        CallScope {
            nearest: Scope::Machine,
            hosts: Mutex::default(),
        }
    }
}

/// Returns the nearest scope of a host that somebody at `from` may name to a node whose reach
/// begins at `nearest`.
#[must_use]
pub fn nearest_for(from: Option<IpAddr>, nearest: Scope) -> Scope {
    from.map_or(nearest, |from| Scope::of_source(from).max(nearest))
}

fn host(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> PeerUrl {
        PeerUrl::parse(text).unwrap()
    }

    fn at(text: &str) -> SocketAddr {
        SocketAddr::new(text.parse().unwrap(), 80)
    }

    fn of_owner(host: &str) -> Destination {
        Destination::of_owner(url(&format!("http://{host}/")))
    }

    #[test]
    fn a_public_node_calls_only_its_owners_hosts_nearby() {
        let scope = CallScope::of(&url("http://203.0.113.7:4242/"));
        let name = of_owner("example.org");
        assert!(scope.check(&name, &[at("198.51.100.1")]).is_ok());
        for near in ["127.0.0.1", "10.0.0.1", "::1", "fd00::1", "::ffff:10.0.0.1"] {
            assert!(scope.check(&name, &[at(near)]).is_err(), "{near}");
            let among = [at("198.51.100.1"), at(near)];
            assert!(scope.check(&name, &among).is_err(), "{near}");
        }
        let lan = [at("192.168.1.2")];
        assert!(scope.check(&of_owner("192.168.1.2"), &lan).is_err());
        scope.trust(&url("http://192.168.1.2/"));
        scope.trust(&url("http://NAS.lan./"));
        assert!(scope.check(&of_owner("192.168.1.2:99"), &lan).is_ok());
        assert!(scope.check(&of_owner("192.168.1.3"), &lan).is_err());
        assert!(scope.check(&of_owner("nas.lan"), &lan).is_ok());
        let metadata = [at("169.254.169.254")];
        assert!(scope.check(&of_owner("nas.lan"), &metadata).is_err());
        let named = Destination::heard(url("http://nas.lan/"), Scope::Network);
        assert!(scope.check(&named, &lan).is_err(), "a stranger named it");
    }

    #[test]
    fn a_node_of_this_machine_calls_all_that_may_be_a_peer() {
        let scope = CallScope::of(&url("http://127.0.0.1:4242/"));
        for address in ["127.0.0.1", "10.0.0.1", "198.51.100.1"] {
            assert!(scope.check(&of_owner("x"), &[at(address)]).is_ok());
        }
        assert!(scope.check(&of_owner("x"), &[at("0.0.0.0")]).is_err());
        assert!(scope.check(&of_owner("x"), &[]).is_err());
    }

    #[test]
    fn a_strangers_url_leads_to_nothing_nearer_than_the_stranger() {
        let scope = CallScope::default();
        let addresses = ["127.0.0.1", "192.168.1.1", "198.51.100.1"];
        for (namer, allowed) in [
            ("127.0.0.1", [true, true, true]),
            ("192.168.1.7", [false, true, true]),
            ("203.0.113.9", [false, false, true]),
        ] {
            let name = url("http://n.example/");
            let heard = Destination::named_by(name.clone(), namer.parse().unwrap());
            let met = Destination::met(name, heard.namer());
            for to in [heard, met] {
                let checked = addresses.map(|address| scope.check(&to, &[at(address)]).is_ok());
                assert_eq!(checked, allowed, "{namer}");
            }
        }
    }

    #[test]
    fn strangers_name_what_is_as_far_as_they_are() {
        let from = |text: &str| Some(text.parse().unwrap());
        let near = Scope::Machine;
        assert_eq!(nearest_for(from("127.0.0.1"), near), Scope::Machine);
        assert_eq!(nearest_for(from("192.168.1.5"), near), Scope::Network);
        assert_eq!(nearest_for(from("198.51.100.1"), near), Scope::World);
        assert_eq!(nearest_for(from("127.0.0.1"), Scope::World), Scope::World);
        assert_eq!(nearest_for(None, Scope::Network), Scope::Network);
    }
}
