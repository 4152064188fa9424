//! The network or host that an address is in, for counting the peers of one owner.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use node_wire::scope::Scope;

/// Most peers of one network of the Internet, or of one host of a local network, that
/// strangers can make known.
pub const NETWORK_MAX: usize = 8;

/// The addresses that one owner gets easily: 256 of IPv4 or a site of IPv6 on the Internet, and
/// one host in a local network, an address of IPv4 or a /64 of IPv6.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Network(IpAddr);

impl Network {
    /// Returns the network of an address; none for this machine, on which many nodes are nothing
    /// special.
    pub(super) fn of(address: IpAddr) -> Option<Network> {
        let (v4, v6) = match Scope::of_address(address) {
            Scope::Machine => return None,
            Scope::Network => (0, 64),
            Scope::World => (8, 80),
        };
        Some(Network(match address.to_canonical() {
            IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() >> v4 << v4).into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> v6 << v6).into(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Network> {
        Network::of(text.parse().unwrap())
    }

    #[test]
    fn addresses_of_one_owner_are_one_network() {
        assert_eq!(of("203.0.113.1"), of("203.0.113.254"));
        assert_eq!(of("203.0.113.1"), of("::ffff:203.0.113.2"));
        assert_ne!(of("203.0.113.1"), of("203.0.114.1"));
        assert_eq!(of("2001:db8:1::1"), of("2001:db8:1:ffff::2"));
        assert_ne!(of("2001:db8:1::1"), of("2001:db8:2::1"));
    }

    #[test]
    fn hosts_of_a_local_network_are_told_apart() {
        assert_eq!(of("192.168.1.1"), of("::ffff:192.168.1.1"));
        assert_ne!(of("192.168.1.1"), of("192.168.1.2"));
        assert_eq!(of("fd00::1"), of("fd00::2:1"));
        assert_ne!(of("fd00::1"), of("fd00:0:0:1::1"));
    }

    #[test]
    fn peers_of_this_machine_are_not_counted() {
        for near in ["127.0.0.1", "127.9.9.9", "::1"] {
            assert_eq!(of(near), None, "{near}");
        }
    }
}
