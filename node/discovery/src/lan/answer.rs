//! Checks of an answer from the local network.

use std::net::IpAddr;

use ipnet::IpNet;
use node_wire::{methods::PROTOCOL_VERSION, peer_url::PeerUrl};

/// Most addresses of one answer that are looked at.
const ADDRESSES_MAX: usize = 16;

/// Longest path, in bytes.
const PATH_MAX: usize = 128;

/// The parts of an answer that say where a node is.
pub(super) struct Answer<'a, Addresses> {
    pub(super) port: u16,
    pub(super) version: Option<&'a str>,
    pub(super) path: Option<&'a str>,
    pub(super) addresses: Addresses,
}

impl<Addresses: Iterator<Item = IpAddr>> Answer<'_, Addresses> {
    /// Returns the URL of the node that answers: at the first address, IPv4 before IPv6, that
    /// lies in one of `networks`. One node, however many addresses it names.
    pub(super) fn url(self, networks: &[IpNet]) -> Option<PeerUrl> {
        let path = self.path.unwrap_or("/");
        let understood = self.version == Some(PROTOCOL_VERSION.to_string().as_str());
        if !understood || self.port == 0 || path.len() > PATH_MAX || !path.starts_with('/') {
            return None;
        }
        let near = |address: &IpAddr| networks.iter().any(|network| network.contains(address));
        let mut addresses: Vec<IpAddr> = self.addresses.take(ADDRESSES_MAX).filter(near).collect();
        addresses.sort_unstable();
        let host = match addresses.first()? {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        PeerUrl::parse(&format!("http://{host}:{}{path}", self.port)).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HOME: IpNet = IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(192, 168, 1, 5)), 24);

    fn url(port: u16, version: &str, path: &str, addresses: &[&str]) -> Option<String> {
        let answer = Answer {
            port,
            version: Some(version),
            path: Some(path),
            addresses: addresses.iter().map(|text| text.parse().unwrap()),
        };
        answer.url(&[HOME]).map(|url| url.as_str().to_owned())
    }

    #[test]
    fn a_node_is_at_its_first_address_in_our_network() {
        let addresses = ["fd00::1", "10.0.0.1", "192.168.1.9", "192.168.1.7"];
        let found = url(4242, "1", "/below", &addresses);
        assert_eq!(found.as_deref(), Some("http://192.168.1.7:4242/below"));
    }

    #[test]
    fn what_lies_elsewhere_or_makes_no_sense_is_no_node() {
        let near = ["192.168.1.7"];
        for elsewhere in [
            "8.8.8.8",
            "127.0.0.1",
            "169.254.169.254",
            "192.168.2.7",
            "::1",
        ] {
            assert_eq!(url(4242, "1", "/", &[elsewhere]), None, "{elsewhere}");
        }
        let long = format!("/{}", "a".repeat(PATH_MAX));
        for path in [
            "", "path", "@evil/", ":1/", "/?a", "/#a", "/a b", "//\\x", &long,
        ] {
            assert_eq!(url(4242, "1", path, &near), None, "{path}");
        }
        assert_eq!(url(0, "1", "/", &near), None);
        assert_eq!(url(4242, "2", "/", &near), None);
        assert_eq!(url(4242, "1", "/", &[]), None);
    }

    #[test]
    fn one_answer_is_one_node_and_a_crowd_of_addresses_is_cut() {
        let crowd: Vec<String> = (0..1_000)
            .map(|n| format!("10.0.{}.{}", n / 256, n % 256))
            .collect();
        let mut crowd: Vec<&str> = crowd.iter().map(String::as_str).collect();
        crowd.push("192.168.1.7");
        assert_eq!(url(4242, "1", "/", &crowd), None);
    }
}
