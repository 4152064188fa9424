//! Names to addresses.
//!
//! # Invariants
//! - Names that only strangers named are looked up on threads of their own: those for
//!   which no server answers hold up no name of the owner and no peer that was met.
//! - What was found is kept for [`KEPT_FOR`], and for [`NAMES_MAX`] names; an address is
//!   checked each time that it is called, wherever it comes from.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::{Duration, Instant},
    vec,
};

use futures_util::future::{Ready, ready};
use hyper_util::client::legacy::connect::dns::Name;
use node_base::{clock::now, sync::lock, threads::Threads};
use tower::Service;

use super::destination::Destination;

/// Lookups of names that run at a time, for strangers and for all others each. The system
/// may take half a minute for one.
const LOOKUPS_MAX: usize = 16;

/// The time that the addresses of a name are kept.
const KEPT_FOR: Duration = Duration::from_secs(30);

/// Most names whose addresses are kept.
const NAMES_MAX: usize = 1_024;

/// Resolves names. Clones share the results.
#[derive(Clone, Debug)]
pub(super) struct Resolver {
    heard: Threads,
    known: Threads,
    kept: Arc<Mutex<Kept>>,
}

/// Addresses of names, and when they were found.
#[derive(Debug, Default)]
struct Kept(HashMap<String, (Vec<IpAddr>, Instant)>);

impl Kept {
    fn get(&self, name: &str, now: Instant) -> Option<Vec<IpAddr>> {
        let (addresses, found) = self.0.get(name)?;
        (*found + KEPT_FOR > now).then(|| addresses.clone())
    }

    /// Keeps addresses; a full table keeps no more until some are old.
    fn put(&mut self, name: &str, addresses: Vec<IpAddr>, now: Instant) {
        if self.0.len() >= NAMES_MAX {
            self.0.retain(|_, (_, found)| *found + KEPT_FOR > now);
        }
        if self.0.len() < NAMES_MAX || self.0.contains_key(name) {
            self.0.insert(name.to_owned(), (addresses, now));
        }
    }
}

impl Resolver {
    pub(super) fn new() -> Resolver {
        Resolver {
            heard: Threads::new("lookup", LOOKUPS_MAX),
            known: Threads::new("lookup", LOOKUPS_MAX),
            kept: Arc::default(),
        }
    }

    /// Returns the addresses of a host.
    ///
    /// # Errors
    /// Errors with that of the system about its name.
    pub(super) async fn resolve(&self, peer: &Destination) -> io::Result<Vec<SocketAddr>> {
        let at = |ips: Vec<IpAddr>| {
            let ips = ips.into_iter();
            ips.map(|ip| SocketAddr::new(ip, peer.port())).collect()
        };
        if let Some(ip) = peer.ip() {
            return Ok(at(vec![ip]));
        }
        if let Some(kept) = lock(&self.kept).get(peer.host(), now()) {
            return Ok(at(kept));
        }
        let threads = if peer.is_heard() {
            &self.heard
        } else {
            &self.known
        };
        let (host, port) = (peer.host().to_owned(), peer.port());
        let found = threads.run(move || (host.as_str(), port).to_socket_addrs());
        let mut ips: Vec<IpAddr> = found.await??.map(|address| address.ip()).collect();
        if peer.is_localhost() {
            // The two are one peer, and the chapter's listen on IPv4.
            ips.sort_by_key(IpAddr::is_ipv6);
        }
        lock(&self.kept).put(peer.host(), ips.clone(), now());
        Ok(at(ips))
    }

    /// Forgets a name, so that it is looked up again: nobody answered at its address.
    pub(super) fn forget(&self, host: &str) {
        lock(&self.kept).0.remove(host);
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

#[cfg(test)]
mod tests {
    use node_wire::{peer_url::PeerUrl, scope::Scope};

    use super::*;

    #[test]
    fn addresses_are_kept_for_a_while_and_within_a_limit() {
        let (mut kept, now) = (Kept::default(), now());
        let here = vec![IpAddr::from([127, 0, 0, 1])];
        for n in 0..=NAMES_MAX {
            kept.put(&n.to_string(), here.clone(), now);
        }
        assert_eq!(kept.0.len(), NAMES_MAX);
        assert_eq!(kept.get("0", now), Some(here.clone()));
        assert_eq!(kept.get("0", now + KEPT_FOR), None);
        kept.put("late", here.clone(), now + KEPT_FOR);
        assert_eq!(kept.get("late", now + KEPT_FOR), Some(here));
        assert_eq!(kept.0.len(), 1);
    }

    #[tokio::test]
    async fn silent_names_of_strangers_hold_up_no_others() {
        let resolver = Resolver::new();
        // As sixteen names do for which no server answers.
        let mut places = Vec::new();
        for _ in 0..LOOKUPS_MAX {
            places.push(resolver.heard.place().await);
        }
        let url = PeerUrl::parse("http://localhost:4242/").unwrap();
        let met = Destination::met(url.clone(), Scope::Machine);
        let addresses = resolver.resolve(&met).await.unwrap();
        assert_eq!(addresses[0], SocketAddr::from(([127, 0, 0, 1], 4242)));
        // What is kept needs no thread.
        let heard = Destination::heard(url, Scope::Machine);
        assert_eq!(resolver.resolve(&heard).await.unwrap(), addresses);
        resolver.forget("localhost");
        assert!(lock(&resolver.kept).get("localhost", now()).is_none());
    }
}
