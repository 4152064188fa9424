//! The networks that this machine is in.

use std::net::IpAddr;

use if_addrs::{IfAddr, Interface};
use ipnet::IpNet;

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

/// Returns true if an address is one of a local network: private or unique local.
#[must_use]
pub fn is_lan(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

/// Returns the networks within scope now.
pub(crate) fn within(scope: LanScope) -> Vec<IpNet> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        tracing::debug!(%error, "the networks of this machine are not known");
        Vec::new()
    });
    let covered = interfaces.iter().filter(|one| scope.covers(one.ip()));
    covered.filter_map(network).take(NETWORKS_MAX).collect()
}

/// Returns the network of an interface, unless its mask has gaps.
fn network(interface: &Interface) -> Option<IpNet> {
    let (address, mask) = match &interface.addr {
        IfAddr::V4(address) => (address.ip.into(), address.netmask.into()),
        IfAddr::V6(address) => (address.ip.into(), address.netmask.into()),
    };
    IpNet::with_netmask(address, mask).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
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
                .any(|network| network.contains(&ip("127.0.0.9")))
        );
        assert!(
            !loopback
                .iter()
                .any(|network| network.contains(&ip("192.0.2.1")))
        );
    }
}
