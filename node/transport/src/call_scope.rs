//! Which addresses this node calls.
//!
//! A node that others reach from far away must not be pointed by them at what is
//! near it: its machine, its network. So it calls nothing that is nearer than
//! its own URL, unless its owner named the host.
//!
//! # Invariants
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

use super::transport::TransportError;
use node_base::sync::lock;

/// Most hosts of the owner that are remembered.
const HOSTS_MAX: usize = 4_096;

/// How near an address may be that this node calls.
#[derive(Debug)]
pub struct CallScope {
    nearest: Scope,
    /// Hosts that the owner named.
    hosts: Mutex<HashSet<String>>,
}

impl CallScope {
    /// The scope of the node at `ourselves`.
    #[must_use]
    pub fn of(ourselves: &PeerUrl) -> CallScope {
        CallScope {
            nearest: Scope::of_host(ourselves),
            hosts: Mutex::default(),
        }
    }

    /// The nearest scope that is called.
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

    /// Checks the addresses of a host.
    ///
    /// # Errors
    /// When one of them is none that is called: nobody who controls a name can
    /// choose among addresses for us.
    pub fn check(&self, name: &str, addresses: &[SocketAddr]) -> Result<(), TransportError> {
        let is_of_owner = || lock(&self.hosts).contains(&host(name));
        let nearest = addresses
            .iter()
            .map(|address| Scope::of_address(address.ip()))
            .min();
        for address in addresses {
            let allowed = address_allowed(address.ip());
            allowed.map_err(|error| TransportError::Connection(error.to_string()))?;
        }
        if nearest.is_some_and(|nearest| nearest < self.nearest) && !is_of_owner() {
            return Err(TransportError::TooNear);
        }
        Ok(())
    }

    /// Checks the address of a URL, if its host is one.
    ///
    /// # Errors
    /// As [`CallScope::check`].
    pub fn check_url(&self, url: &PeerUrl) -> Result<(), TransportError> {
        match url.ip() {
            Some(ip) => self.check(url.host(), &[SocketAddr::new(ip, url.port())]),
            None => Ok(()),
        }
    }
}

impl Default for CallScope {
    /// Everything may be called.
    fn default() -> CallScope {
        CallScope {
            nearest: Scope::Machine,
            hosts: Mutex::default(),
        }
    }
}

/// How near a host may be that somebody at `from` names to a node whose reach
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

    #[test]
    fn a_node_of_the_world_calls_nothing_near_it_but_the_hosts_of_its_owner() {
        let scope = CallScope::of(&url("http://203.0.113.7:4242/"));
        assert!(scope.check("example.org", &[at("198.51.100.1")]).is_ok());
        for near in ["127.0.0.1", "10.0.0.1", "::1", "fd00::1", "::ffff:10.0.0.1"] {
            assert!(scope.check("example.org", &[at(near)]).is_err(), "{near}");
            let among = [at("198.51.100.1"), at(near)];
            assert!(scope.check("example.org", &among).is_err(), "{near}");
        }
        assert!(scope.check_url(&url("http://192.168.1.2/")).is_err());
        scope.trust(&url("http://192.168.1.2/"));
        scope.trust(&url("http://NAS.lan./"));
        assert!(scope.check_url(&url("http://192.168.1.2:99/")).is_ok());
        assert!(scope.check_url(&url("http://192.168.1.3/")).is_err());
        assert!(scope.check("nas.lan", &[at("192.168.1.9")]).is_ok());
        assert!(scope.check("nas.lan", &[at("169.254.169.254")]).is_err());
    }

    #[test]
    fn a_node_of_this_machine_calls_all_that_may_be_a_peer() {
        let scope = CallScope::of(&url("http://127.0.0.1:4242/"));
        for address in ["127.0.0.1", "10.0.0.1", "198.51.100.1"] {
            assert!(scope.check("x", &[at(address)]).is_ok(), "{address}");
        }
        assert!(scope.check("x", &[at("0.0.0.0")]).is_err());
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
