//! Names to addresses.
//!
//! The system looks names up, and may take half a minute for one whose server is silent. A name is looked up once at a
//! time, and those who ask meanwhile wait for the same answer: whoever has it asked for again takes no second thread.

use std::{
    collections::HashMap,
    fmt, io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::{Arc, Mutex},
    task::{Context, Poll},
    vec,
};

use futures_util::future::{Ready, ready};
use hyper_util::client::legacy::connect::dns::Name;
use node_base::{sync::lock, threads::Threads};
use node_wire::peer_url::PeerUrl;
use tokio::sync::watch;
use tower::Service;

/// Names that are looked up at a time. More than the hosts that strangers have called at a time, so that their silent
/// servers leave threads for others.
const LOOKUPS_MAX: usize = 64;

/// What looks a name up; blocks.
type LookUp = Arc<dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync>;

/// What a lookup found, as often as it is asked for.
type Found = Result<Vec<IpAddr>, Arc<str>>;

/// Resolves names.
#[derive(Clone)]
pub(super) struct Resolver {
    threads: Threads,
    look_up: LookUp,
    running: Arc<Mutex<HashMap<String, watch::Receiver<Option<Found>>>>>,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

fn by_system(host: &str) -> io::Result<Vec<IpAddr>> {
    let addresses = (host, 0).to_socket_addrs()?;
    Ok(addresses.map(|address| address.ip()).collect())
}

impl Resolver {
    /// Creates a resolver with threads of its own, so that names that nobody answers for hold up nothing else.
    pub(super) fn new() -> Resolver {
        Resolver::with(Arc::new(by_system))
    }

    fn with(look_up: LookUp) -> Resolver {
        Resolver {
            threads: Threads::new("lookup", LOOKUPS_MAX),
            look_up,
            running: Arc::default(),
        }
    }

    async fn find(&self, host: &str) -> Found {
        let mut found = self.join(host.to_ascii_lowercase());
        let found = found.wait_for(Option::is_some).await;
        let found = found.map_or(None, |found| found.clone());
        found.unwrap_or_else(|| Err("the lookup broke off".into()))
    }

    /// Waits for the lookup of a name that runs, or begins one.
    fn join(&self, host: String) -> watch::Receiver<Option<Found>> {
        let mut running = lock(&self.running);
        if let Some(found) = running.get(&host) {
            return found.clone();
        }
        let (sender, found) = watch::channel(None);
        running.insert(host.clone(), found.clone());
        tokio::spawn(self.clone().run(host, sender));
        found
    }

    /// Looks a name up to its end, whether somebody still waits or not.
    async fn run(self, host: String, sender: watch::Sender<Option<Found>>) {
        let (look_up, name) = (Arc::clone(&self.look_up), host.clone());
        let found = self.threads.run(move || look_up(&name)).await;
        let found = found.map_err(io::Error::from).and_then(|found| found);
        lock(&self.running).remove(&host);
        sender.send_replace(Some(found.map_err(|error| error.to_string().into())));
    }

    /// Returns the addresses of a host.
    ///
    /// # Errors
    /// What the system says of its name.
    pub(super) async fn resolve(&self, peer: &PeerUrl) -> io::Result<Vec<SocketAddr>> {
        if let Some(ip) = peer.ip() {
            return Ok(vec![SocketAddr::new(ip, peer.port())]);
        }
        let found = self.find(peer.host()).await;
        let found = found.map_err(|error| io::Error::other(error.to_string()))?;
        let port = peer.port();
        let mut addresses: Vec<_> = found
            .into_iter()
            .map(|ip| SocketAddr::new(ip, port))
            .collect();
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

#[cfg(test)]
mod tests {
    use std::{sync::Condvar, time::Duration};

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn silent_servers_of_sixteen_names_hold_up_no_other() {
        let gate = Arc::new((Mutex::new(false), Condvar::new()));
        let inner = Arc::clone(&gate);
        let here = IpAddr::from([192, 0, 2, 1]);
        let resolver = Resolver::with(Arc::new(move |host: &str| {
            if host.starts_with("silent") {
                let open = inner.0.lock().unwrap();
                drop(inner.1.wait_while(open, |open| !*open).unwrap());
            }
            Ok(vec![here])
        }));
        let asking: Vec<_> = (0..256)
            .map(|n| {
                let resolver = resolver.clone();
                let host = format!("Silent{}.example", n % 16);
                tokio::spawn(async move { resolver.find(&host).await })
            })
            .collect();
        tokio::task::yield_now().await;
        assert_eq!(lock(&resolver.running).len(), 16, "each name once");
        let other = timeout(Duration::from_secs(5), resolver.find("other.example"));
        assert_eq!(other.await.unwrap(), Ok(vec![here]));
        *gate.0.lock().unwrap() = true;
        gate.1.notify_all();
        for asking in asking {
            assert_eq!(asking.await.unwrap(), Ok(vec![here]));
        }
    }
}
