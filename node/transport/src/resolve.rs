//! Names to addresses, with every address checked before it is used.
//!
//! The system looks names up, and may take half a minute for one whose server is silent. Each lookup has a thread;
//! a name is looked up once at a time, and those who ask meanwhile wait for the same answer.
//!
//! # Invariants
//! - Names that strangers gave have threads of their own, and one source never has all of them: whoever names silent
//!   servers waits for itself. What has no thread at once is refused and does not wait in a queue.
//! - Names of this node's own, of its owner and of peers that were met, wait for no stranger's.

use std::{
    collections::HashMap,
    fmt, io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::{Arc, Mutex},
    task::{Context, Poll},
    vec,
};

use futures_util::future::BoxFuture;
use hyper_util::client::legacy::connect::dns::Name;
use node_base::{bucket::source_of, sync::lock, threads::Threads};
use tokio::sync::watch;
use tower::Service;

use super::{call_scope::CallScope, transport::TransportError};

/// Lookups that run at a time of names that are this node's own or its peers'.
const OWN_MAX: usize = 64;

/// Lookups that run at a time of names that strangers gave.
const STRANGERS_MAX: usize = 64;

/// Lookups that run at a time of names that one stranger gave.
const STRANGER_MAX: usize = 16;

/// For whom a name is looked up.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum LookupFor {
    /// This node: its owner named it, or it is a peer.
    Ours,
    /// A stranger at this address; `None` if nobody knows who.
    Stranger(Option<IpAddr>),
}

/// What looks a name up; blocks.
type LookUp = Arc<dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync>;

/// What a lookup found, as often as it is asked for.
type Found = Result<Vec<IpAddr>, Arc<str>>;

/// Resolves names. A name with one refused address is refused whole: nobody
/// who controls a name can choose among addresses for us.
#[derive(Clone, Debug)]
pub(super) struct CheckedResolver {
    pub(super) scope: Arc<CallScope>,
    lookups: Lookups,
}

/// The lookups that run.
#[derive(Clone)]
struct Lookups {
    look_up: LookUp,
    own: Threads,
    strangers: Threads,
    running: Arc<Mutex<HashMap<Key, watch::Receiver<Option<Found>>>>>,
}

/// A lookup, told apart by for whom it is, so that a stranger's that is refused refuses nobody else's.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Key {
    source: Option<Option<IpAddr>>,
    host: String,
}

impl CheckedResolver {
    /// Creates a resolver with threads of its own, so that names that nobody answers for hold up nothing else.
    pub(super) fn new(scope: Arc<CallScope>) -> CheckedResolver {
        CheckedResolver {
            scope,
            lookups: Lookups::new(Arc::new(by_system)),
        }
    }

    /// The addresses of a host.
    pub(super) async fn resolve(
        &self,
        host: &str,
        port: u16,
        wanted_by: LookupFor,
    ) -> Result<Vec<SocketAddr>, TransportError> {
        let ips = match host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => {
                let found = self.lookups.find(host, wanted_by).await;
                found.map_err(|error| TransportError::Connection(error.to_string()))?
            }
        };
        let addresses: Vec<_> = ips
            .into_iter()
            .map(|ip| SocketAddr::new(ip, port))
            .collect();
        self.scope.check(host, &addresses)?;
        Ok(addresses)
    }
}

fn by_system(host: &str) -> io::Result<Vec<IpAddr>> {
    Ok((host, 0)
        .to_socket_addrs()?
        .map(|address| address.ip())
        .collect())
}

impl fmt::Debug for Lookups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookups").finish_non_exhaustive()
    }
}

impl Lookups {
    fn new(look_up: LookUp) -> Lookups {
        Lookups {
            look_up,
            own: Threads::new("lookup", OWN_MAX),
            strangers: Threads::new("stranger lookup", STRANGERS_MAX),
            running: Arc::default(),
        }
    }

    async fn find(&self, host: &str, wanted_by: LookupFor) -> Found {
        let source = match wanted_by {
            LookupFor::Ours => None,
            LookupFor::Stranger(address) => Some(address.map(source_of)),
        };
        let key = Key {
            source,
            host: host.to_ascii_lowercase(),
        };
        let mut found = self.join(key)?;
        let found = found.wait_for(Option::is_some).await;
        let found = found.map_or(None, |found| found.clone());
        found.unwrap_or_else(|| Err("the lookup broke off".into()))
    }

    /// Waits for the lookup of a name that runs, or begins one.
    fn join(&self, key: Key) -> Result<watch::Receiver<Option<Found>>, Arc<str>> {
        let mut running = lock(&self.running);
        if let Some(found) = running.get(&key) {
            return Ok(found.clone());
        }
        let of_source = running.keys().filter(|other| other.source == key.source);
        if key.source.is_some() && of_source.count() >= STRANGER_MAX {
            return Err("too many names of one stranger are being looked up".into());
        }
        let (sender, found) = watch::channel(None);
        running.insert(key.clone(), found.clone());
        tokio::spawn(self.clone().run(key, sender));
        Ok(found)
    }

    /// Looks a name up to its end, whether somebody still waits or not.
    async fn run(self, key: Key, sender: watch::Sender<Option<Found>>) {
        let found = self.on_thread(&key).await;
        lock(&self.running).remove(&key);
        sender.send_replace(Some(found));
    }

    async fn on_thread(&self, key: &Key) -> Found {
        let broken = |error: io::Error| Arc::from(error.to_string());
        let threads = match key.source {
            None => &self.own,
            Some(_) => &self.strangers,
        };
        if key.source.is_some() && threads.try_place().is_none() {
            return Err("too many names of strangers are being looked up".into());
        }
        let (look_up, host) = (Arc::clone(&self.look_up), key.host.clone());
        let found = threads.run(move || look_up(&host)).await;
        found
            .map_err(io::Error::from)
            .and_then(|found| found)
            .map_err(broken)
    }
}

impl Service<Name> for CheckedResolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolver = self.clone();
        Box::pin(async move {
            let addresses = resolver.resolve(name.as_str(), 0, LookupFor::Ours).await;
            Ok(addresses.map_err(io::Error::other)?.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, sync::Condvar, time::Duration};

    use tokio::time::timeout;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    /// Lookups in which names that begin with `silent` have no answer until the gate is opened.
    fn lookups() -> (Lookups, Arc<(Mutex<bool>, Condvar)>) {
        let gate = Arc::new((Mutex::new(false), Condvar::new()));
        let inner = Arc::clone(&gate);
        let look_up = move |host: &str| {
            if host.starts_with("silent") {
                let open = inner.0.lock().unwrap();
                drop(inner.1.wait_while(open, |open| !*open).unwrap());
            }
            Ok(vec![HERE])
        };
        (Lookups::new(Arc::new(look_up)), gate)
    }

    fn open(gate: &(Mutex<bool>, Condvar)) {
        *gate.0.lock().unwrap() = true;
        gate.1.notify_all();
    }

    fn stranger(last: u8) -> LookupFor {
        LookupFor::Stranger(Some(IpAddr::from([203, 0, 113, last])))
    }

    async fn answers(lookups: &Lookups, host: &str, wanted_by: LookupFor) -> bool {
        let found = timeout(Duration::from_secs(5), lookups.find(host, wanted_by)).await;
        found == Ok(Ok(vec![HERE]))
    }

    #[tokio::test]
    async fn silent_servers_of_a_stranger_hold_up_nobody_else() {
        let (lookups, gate) = lookups();
        let mut waiting = Vec::new();
        for source in 1..=3 {
            for n in 0..STRANGER_MAX + 4 {
                let lookups = lookups.clone();
                waiting.push(tokio::spawn(async move {
                    let host = format!("silent{n}.example");
                    lookups.find(&host, stranger(source)).await
                }));
            }
        }
        tokio::task::yield_now().await;
        let refused = lookups.find("other.example", stranger(1)).await;
        assert!(refused.is_err(), "it has its share");
        assert!(answers(&lookups, "friend.example", LookupFor::Ours).await);
        assert!(answers(&lookups, "other.example", stranger(9)).await);
        assert!(answers(&lookups, "other.example", LookupFor::Stranger(None)).await);
        open(&gate);
        let mut refused = 0;
        for waiting in waiting {
            refused += usize::from(waiting.await.unwrap().is_err());
        }
        assert_eq!(refused, 3 * 4);
        assert!(lock(&lookups.running).is_empty());
        assert!(answers(&lookups, "other.example", stranger(1)).await);
    }

    #[tokio::test]
    async fn one_name_is_looked_up_once_at_a_time() {
        let (lookups, gate) = lookups();
        let asking: Vec<_> = (0..40)
            .map(|_| {
                let lookups = lookups.clone();
                tokio::spawn(async move { lookups.find("Silent.example", LookupFor::Ours).await })
            })
            .collect();
        tokio::task::yield_now().await;
        assert_eq!(lock(&lookups.running).len(), 1);
        open(&gate);
        for asking in asking {
            assert_eq!(asking.await.unwrap(), Ok(vec![HERE]));
        }
    }
}
