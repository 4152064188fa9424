//! Under which URLs this node is reached.
//!
//! A node that listens on all addresses of its machine, and was given no URL, has one
//! for each address: a peer learns the one by which it came, or from which it is called.
//!
//! # Invariants
//! - Nothing is sent: which address leads to a peer, and whether an address is of this
//!   machine, the system says without a packet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use node_wire::peer_url::{PeerUrl, UrlError};

use node_transport::CallScope;

/// Any port: no packet goes there.
const NO_PORT: u16 = 9;

/// An address of the Internet that nobody has (RFC 5737).
const FAR: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// The URLs of this node.
#[derive(Clone, Debug)]
pub struct OwnUrls {
    main: PeerUrl,
    /// The port on all addresses of this machine, if the node listens there.
    everywhere: Option<u16>,
}

impl OwnUrls {
    /// Returns the URLs of a node that listens on this address: the given one, that of the
    /// address, or those of all addresses of this machine.
    ///
    /// # Errors
    /// Errors if the address makes no URL for peers.
    pub fn of(said: Option<PeerUrl>, address: SocketAddr) -> Result<OwnUrls, UrlError> {
        if let Some(url) = said {
            return Ok(OwnUrls::one(url));
        }
        if address.ip().is_unspecified()
            && let Some(own) = OwnUrls::everywhere(address.port())
        {
            return Ok(own);
        }
        PeerUrl::parse(&format!("http://{address}/")).map(OwnUrls::one)
    }

    /// Returns the scope of the hosts that the node may call. If it is reached on every
    /// address, a peer that names a host is judged by the address of the peer itself.
    #[must_use]
    pub fn call_scope(&self) -> CallScope {
        if self.is_everywhere() {
            CallScope::default()
        } else {
            CallScope::of(&self.main)
        }
    }

    /// Returns a node that is reached under one URL.
    #[must_use]
    pub fn one(url: PeerUrl) -> OwnUrls {
        OwnUrls {
            main: url,
            everywhere: None,
        }
    }

    /// Returns a node that is reached on every address of this machine.
    #[must_use]
    pub fn everywhere(port: u16) -> Option<OwnUrls> {
        let far = towards(FAR).and_then(|ip| url_of(ip, port));
        let main = far.or_else(|| url_of(Ipv4Addr::LOCALHOST.into(), port))?;
        Some(OwnUrls {
            main,
            everywhere: Some(port),
        })
    }

    /// Returns the URL to announce when no particular peer asks.
    #[must_use]
    pub fn main(&self) -> &PeerUrl {
        &self.main
    }

    /// Returns true if the node is reached on every address of this machine.
    #[must_use]
    pub fn is_everywhere(&self) -> bool {
        self.everywhere.is_some()
    }

    /// Returns the URL for a peer at this address, if it is known.
    #[must_use]
    pub fn towards(&self, peer: Option<IpAddr>) -> PeerUrl {
        let url = self
            .everywhere
            .zip(peer)
            .and_then(|(port, peer)| url_of(towards(peer)?, port));
        url.unwrap_or_else(|| self.main.clone())
    }

    /// Returns the URL by which somebody came to this address of ours.
    #[must_use]
    pub fn at(&self, local: Option<SocketAddr>) -> PeerUrl {
        let url = self
            .everywhere
            .zip(local)
            .and_then(|(port, local)| url_of(local.ip(), port));
        url.unwrap_or_else(|| self.main.clone())
    }

    /// Returns true if a URL is one of this node.
    #[must_use]
    pub fn has(&self, url: &PeerUrl) -> bool {
        url.same_peer(&self.main)
            || self.everywhere.is_some_and(|port| {
                let ip = match url.host().trim_end_matches('.') {
                    "localhost" => Some(Ipv4Addr::LOCALHOST.into()),
                    _ => url.ip(),
                };
                url.port() == port && ip.is_some_and(is_of_this_machine)
            })
    }
}

/// Returns the address of this machine from which it calls another one.
fn towards(peer: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = match peer {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((peer, NO_PORT)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Returns true if an address is one of this machine: only those can be bound.
fn is_of_this_machine(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

fn url_of(ip: IpAddr, port: u16) -> Option<PeerUrl> {
    let address = SocketAddr::new(ip.to_canonical(), port);
    PeerUrl::parse(&format!("http://{address}/")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> PeerUrl {
        PeerUrl::parse(text).unwrap()
    }

    #[test]
    fn a_node_with_a_url_has_this_one_for_everybody() {
        let own = OwnUrls::one(url("http://node.example:4242/"));
        assert_eq!(own.towards(Some([127, 0, 0, 1].into())), *own.main());
        assert_eq!(own.at(Some(([127, 0, 0, 1], 4242).into())), *own.main());
        assert!(own.has(&url("http://node.example:4242/RPC2")));
        assert!(!own.has(&url("http://127.0.0.1:4242/")));
    }

    #[test]
    fn wildcard_listener_is_told_by_the_fitting_address() {
        let own = OwnUrls::everywhere(4242).unwrap();
        let here = url("http://127.0.0.1:4242/");
        assert_eq!(own.towards(Some([127, 0, 0, 1].into())), here);
        assert_eq!(own.at(Some(([127, 0, 0, 1], 4242).into())), here);
        let mapped = SocketAddr::new("::ffff:127.0.0.1".parse().unwrap(), 4242);
        assert_eq!(own.at(Some(mapped)), here);
        let lan = url("http://192.168.1.5:4242/");
        assert_eq!(own.at(Some(([192, 168, 1, 5], 4242).into())), lan);
        assert_eq!(own.towards(None), *own.main());
        for text in [
            "http://127.0.0.1:4242/",
            "http://localhost:4242/",
            "http://127.8.8.8:4242/",
        ] {
            assert!(own.has(&url(text)), "{text}");
        }
        for text in [
            "http://127.0.0.1:4243/",
            "http://203.0.113.9:4242/",
            "http://nas:4242/",
        ] {
            assert!(!own.has(&url(text)), "{text}");
        }
        assert!(own.has(own.main()));
    }
}
