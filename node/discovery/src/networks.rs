//! The networks that this machine is in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use if_addrs::{IfAddr, Interface};

/// Most networks that are looked at.
const NETWORKS_MAX: usize = 64;

/// The networks in which a node is met.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LanScope {
    /// In the network of this address of the machine.
    Address(IpAddr),
    /// In all local networks of the machine.
    LocalNetworks,
}

impl LanScope {
    /// Returns true if this address of the machine is in scope.
    #[must_use]
    pub(crate) fn covers(self, address: IpAddr) -> bool {
        match self {
            LanScope::Address(ours) => ours == address,
            LanScope::LocalNetworks => is_lan(address),
        }
    }
}

/// A network: an address in it, and which of its bits are the network's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Network {
    V4(Ipv4Addr, Ipv4Addr),
    V6(Ipv6Addr, Ipv6Addr),
}

impl Network {
    pub(crate) fn contains(self, address: IpAddr) -> bool {
        match (self, address) {
            (Network::V4(ours, mask), IpAddr::V4(other)) => {
                (ours.to_bits() ^ other.to_bits()) & mask.to_bits() == 0
            }
            (Network::V6(ours, mask), IpAddr::V6(other)) => {
                (ours.to_bits() ^ other.to_bits()) & mask.to_bits() == 0
            }
            _ => false,
        }
    }
}

/// Returns true if an address is one of a local network: private or unique local.
#[must_use]
pub fn is_lan(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

/// Returns the networks within scope now.
pub(crate) fn within(scope: LanScope) -> Vec<Network> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        tracing::debug!(%error, "the networks of this machine are not known");
        Vec::new()
    });
    let covered = interfaces.iter().filter(|one| scope.covers(one.ip()));
    covered.map(network).take(NETWORKS_MAX).collect()
}

fn network(interface: &Interface) -> Network {
    match &interface.addr {
        IfAddr::V4(address) => Network::V4(address.ip, address.netmask),
        IfAddr::V6(address) => Network::V6(address.ip, address.netmask),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_contains_what_has_its_bits() {
        let home = Network::V4(
            Ipv4Addr::new(192, 168, 1, 5),
            Ipv4Addr::new(255, 255, 255, 0),
        );
        assert!(home.contains(ip("192.168.1.200")));
        assert!(!home.contains(ip("192.168.2.1")) && !home.contains(ip("fd00::1")));
        let mask = Ipv6Addr::from_bits(u128::MAX << 64);
        let home = Network::V6("fd00::5".parse().unwrap(), mask);
        assert!(home.contains(ip("fd00::99")));
        assert!(!home.contains(ip("fd01::99")) && !home.contains(ip("2001:db8::1")));
    }

    #[test]
    fn private_addresses_are_local_and_no_others() {
        for local in [
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.5",
            "fd00::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(is_lan(ip(local)), "{local}");
        }
        for other in [
            "127.0.0.1",
            "::1",
            "8.8.8.8",
            "169.254.1.1",
            "172.32.0.1",
            "0.0.0.0",
            "fe80::1",
            "2001:db8::1",
        ] {
            assert!(!is_lan(ip(other)), "{other}");
        }
    }

    #[test]
    fn the_loopback_network_is_known() {
        let loopback = within(LanScope::Address(ip("127.0.0.1")));
        assert!(
            loopback
                .iter()
                .any(|network| network.contains(ip("127.0.0.9")))
        );
        assert!(
            !loopback
                .iter()
                .any(|network| network.contains(ip("192.0.2.1")))
        );
    }
}
