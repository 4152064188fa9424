//! The network that an address is in, for counting the peers of one owner.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use node_wire::scope::Scope;

/// Most peers of one network of the Internet that strangers can make known.
pub const NETWORK_MAX: usize = 8;

/// 256 addresses of IPv4, or a site of IPv6: what one owner has easily.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Network(IpAddr);

impl Network {
    /// The network of an address; none for this machine and local networks, in
    /// which many nodes are nothing special.
    pub(super) fn of(address: IpAddr) -> Option<Network> {
        if Scope::of_address(address) != Scope::World {
            return None;
        }
        Some(Network(match address.to_canonical() {
            IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() >> 8 << 8).into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 80 << 80).into(),
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
    fn peers_near_by_are_not_counted() {
        for near in ["127.0.0.1", "10.0.0.1", "192.168.1.1", "::1", "fd00::1"] {
            assert_eq!(of(near), None, "{near}");
        }
    }
}
