//! Names to addresses.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    task::{Context, Poll},
    vec,
};

use futures_util::future::{Ready, ready};
use hyper_util::client::legacy::connect::dns::Name;
use node_base::threads::Threads;
use node_wire::peer_url::PeerUrl;
use tower::Service;

/// Lookups of names that run at a time. The system may take half a minute for one.
const LOOKUPS_MAX: usize = 16;

/// Resolves names.
#[derive(Clone, Debug)]
pub(super) struct Resolver {
    threads: Threads,
}

impl Resolver {
    /// Creates a resolver with threads of its own, so that names that nobody answers for hold up nothing else.
    pub(super) fn new() -> Resolver {
        Resolver {
            threads: Threads::new("lookup", LOOKUPS_MAX),
        }
    }

    /// Returns the addresses of a host.
    ///
    /// # Errors
    /// What the system says of its name.
    pub(super) async fn resolve(&self, peer: &PeerUrl) -> io::Result<Vec<SocketAddr>> {
        if let Some(ip) = peer.ip() {
            return Ok(vec![SocketAddr::new(ip, peer.port())]);
        }
        let (host, port) = (peer.host().to_owned(), peer.port());
        let found = self
            .threads
            .run(move || (host.as_str(), port).to_socket_addrs());
        let mut addresses: Vec<SocketAddr> = found.await??.collect();
        if peer.is_localhost() {
            // The two are one peer, and the chapter's listen on IPv4.
            addresses.sort_by_key(SocketAddr::is_ipv6);
        }
        Ok(addresses)
    }
}

/// Refuses to resolve a name: a connection goes to an address that was checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct AddressesOnly;

impl Service<Name> for AddressesOnly {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Ready<io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        ready(Err(io::Error::other(format!(
            "{name} is a name, and no address that was checked"
        ))))
    }
}
