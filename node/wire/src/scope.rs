//! `Scope`: the reach of an address.
//!
//! A stranger may point a node only at a host that is at least as far away as both of
//! them: a peer on the Internet names no address of a local network,
//! and nobody but this machine itself names this machine. So a node cannot be
//! made to look around in places that the stranger does not reach.
//!
//! Non-goals: addresses that are never a peer; those are no
//! [`PeerUrl`] to begin with.
//!
//! # Invariants
//! - An IPv6 address that carries an IPv4 address, and is to be called, has the scope of
//!   that one: a gateway may lead there.
//! - A caller is on this machine only if its address is the loopback: a form of IPv6
//!   that carries an address can be anybody's.
//! - The scope of a name is a first guess; that of its address decides.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::peer_url::{PeerUrl, carried_v4};

/// The reach of an address, the nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// This machine: loopback.
    Machine,
    /// A local network: private, shared and unique local addresses.
    Network,
    /// The Internet.
    World,
}

/// Ends of names that mean something in a local network only.
const LOCAL_ENDS: [&str; 5] = [".local", ".lan", ".home", ".internal", ".home.arpa"];

impl Scope {
    /// Returns the scope of an address from which somebody calls.
    #[must_use]
    pub fn of_source(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) if address.is_loopback() => Scope::Machine,
            IpAddr::V4(address) => of_v4(address).max(Scope::Network),
            IpAddr::V6(address) if address.is_loopback() => Scope::Machine,
            IpAddr::V6(address) if is_local_v6(address) => Scope::Network,
            IpAddr::V6(_) => Scope::World,
        }
    }

    /// Returns the scope of an address that is to be called.
    #[must_use]
    pub fn of_address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }

    /// Returns the scope of the host of a URL: of its address, or of what its name says.
    #[must_use]
    pub fn of_host(url: &PeerUrl) -> Self {
        url.ip()
            .map_or_else(|| of_name(url.host()), Self::of_address)
    }
}

fn of_v4(address: Ipv4Addr) -> Scope {
    match address.octets() {
        [127 | 0, ..] => Scope::Machine,
        [10, ..]
        | [192, 168, ..]
        | [172, 16..=31, ..]
        // Shared among the customers of a provider, and link-local.
        | [100, 64..=127, ..]
        | [169, 254, ..]
        // For protocols of the network itself, and for measuring it.
        | [192, 0, 0, _]
        | [198, 18..=19, ..] => Scope::Network,
        _ => Scope::World,
    }
}

fn of_v6(address: Ipv6Addr) -> Scope {
    if address.is_loopback() || address.is_unspecified() {
        return Scope::Machine;
    }
    if is_local_v6(address) {
        return Scope::Network;
    }
    carried_v4(address).map_or(Scope::World, of_v4)
}

fn is_local_v6(address: Ipv6Addr) -> bool {
    // Site-local addresses are old, and some networks still have them.
    let is_site_local = address.segments()[0] & 0xffc0 == 0xfec0;
    address.is_unique_local() || address.is_unicast_link_local() || is_site_local
}

fn of_name(host: &str) -> Scope {
    let name = host.trim_end_matches('.');
    if name == "localhost" || name.ends_with(".localhost") {
        return Scope::Machine;
    }
    if !name.contains('.') || LOCAL_ENDS.iter().any(|end| name.ends_with(end)) {
        return Scope::Network;
    }
    Scope::World
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_THE_MACHINE: &[&str] = &[
        "127.0.0.1",
        "127.9.9.9:1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "[::1]:80",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::1]",
        "localhost:1",
        "LOCALHOST.",
        "a.localhost.",
    ];
    const OF_THE_NETWORK: &[&str] = &[
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "0xc0a80101",
        "100.64.0.1",
        "[fd00::1]",
        "[fec0::1]",
        "[feff::1]",
        "192.0.0.8",
        "198.18.0.1",
        "198.19.255.1",
        "[2002:c612:1::1]",
        "[2001:0:cb00:7101::f5ff:fffe]",
        "[fc00::1]",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::a00:1]",
        "[2002:c0a8:101::1]",
        "nas",
        "nas.",
        "nas.local",
        "nas.lan.",
        "x.home.arpa",
    ];
    const OF_THE_WORLD: &[&str] = &[
        "8.8.8.8",
        "172.15.0.1",
        "172.32.0.1",
        "100.128.0.1",
        "192.169.0.1",
        "[2001:db8::1]",
        "[64:ff9b::808:808]",
        "example.org",
        "localhost.example",
        "local.example",
    ];

    fn of(text: &str) -> Scope {
        Scope::of_host(&PeerUrl::parse(&format!("http://{text}/")).unwrap())
    }

    #[test]
    fn each_range_has_its_scope_in_every_disguise() {
        let tables = [
            (Scope::Machine, OF_THE_MACHINE),
            (Scope::Network, OF_THE_NETWORK),
            (Scope::World, OF_THE_WORLD),
        ];
        for (scope, hosts) in tables {
            for host in hosts {
                assert_eq!(of(host), scope, "{host}");
            }
        }
    }

    #[test]
    fn only_the_loopback_calls_from_this_machine() {
        for (address, scope) in [
            ("127.0.0.1", Scope::Machine),
            ("127.255.0.9", Scope::Machine),
            ("::1", Scope::Machine),
            ("::ffff:127.0.0.1", Scope::Machine),
            ("0.0.0.0", Scope::Network),
            ("192.168.0.1", Scope::Network),
            ("::ffff:10.0.0.1", Scope::Network),
            ("fd00::1", Scope::Network),
            ("fe80::1", Scope::Network),
            ("2002:7f00:1::1", Scope::World),
            ("64:ff9b::7f00:1", Scope::World),
            ("64:ff9b:1::7f00:1", Scope::World),
            ("::127.0.0.1", Scope::World),
            ("::ffff:0:127.0.0.1", Scope::World),
            ("2002:c0a8:101::1", Scope::World),
            ("::", Scope::World),
            ("2001:db8::1", Scope::World),
            ("8.8.8.8", Scope::World),
        ] {
            assert_eq!(
                Scope::of_source(address.parse().unwrap()),
                scope,
                "{address}"
            );
        }
    }

    #[test]
    fn nearer_comes_before_farther() {
        assert!(Scope::Machine < Scope::Network && Scope::Network < Scope::World);
    }
}
