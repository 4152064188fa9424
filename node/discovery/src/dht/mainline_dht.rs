//! The distributed hash table of BitTorrent, by the library `mainline`.
//!
//! The library has a thread of its own, which ends when the last handle is
//! gone. It panics in a caller whose question it loses; so each question is a
//! task, and a panic there is an answer that did not come.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::Arc,
    time::Duration,
};

use futures_util::StreamExt;
use mainline::{
    Dht as Library, Id, RequestFilter, RequestSpecific, ServerSettings, async_dht::AsyncDht,
};
use node_base::{clock::now, threads::Threads};
use tokio::{
    sync::watch,
    task::spawn,
    time::{timeout, timeout_at},
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::AbortOnDropHandle,
};

use super::{Dht, DhtError, Gathered, Reply};
use crate::infohash::Infohash;

/// Longest wait for one announcement.
const ANNOUNCEMENT: Duration = Duration::from_secs(30);

/// The wait for further answers once there is one: the slowest node
/// would hold up the rest.
const SETTLE: Duration = Duration::from_millis(700);

/// Longest wait for the thread of the library at the end.
const FAREWELL: Duration = Duration::from_secs(1);

/// Most places of others for which this node keeps addresses, if it is asked to.
const PLACES_MAX: usize = 1_000;

/// Most addresses of others at one of them.
const AT_ONE_PLACE: usize = 64;

/// Most values of others of each kind, which Sixhop has no use for.
const VALUES_MAX: usize = 16;

/// The settings of a node of the distributed hash table.
#[derive(Clone, Debug)]
pub struct DhtOptions {
    /// Nodes to begin with, `HOST:PORT`; none: those that everybody uses.
    pub bootstrap: Vec<String>,
    /// The address of this machine to use.
    pub bind: Ipv4Addr,
}

/// A node of the distributed hash table. It starts in the background, for names
/// of other nodes may take long to look up; questions wait for that.
#[derive(Debug)]
pub struct MainlineDht {
    library: watch::Receiver<Option<AsyncDht>>,
    stop: CancellationToken,
    ended: CancellationToken,
}

/// Ends with the thread of the library, which owns it; that is how its end is
/// seen.
#[derive(Clone, Debug)]
struct Presence {
    _until_dropped: Arc<DropGuard>,
}

impl RequestFilter for Presence {
    fn allow_request(&self, _request: &RequestSpecific, _from: SocketAddrV4) -> bool {
        true
    }
}

impl MainlineDht {
    /// Starts a node. That it cannot is said in the log.
    #[must_use]
    pub fn start(options: DhtOptions) -> MainlineDht {
        let (sender, library) = watch::channel(None);
        let (stop, ended) = (CancellationToken::new(), CancellationToken::new());
        let presence = Presence {
            _until_dropped: Arc::new(ended.clone().drop_guard()),
        };
        spawn(keep(options, presence, sender, stop.clone()));
        MainlineDht {
            library,
            stop,
            ended,
        }
    }

    /// Returns the library, once it runs.
    async fn library(&self) -> Result<AsyncDht, DhtError> {
        let mut library = self.library.clone();
        let running = library.wait_for(Option::is_some).await;
        let running = running.ok().and_then(|library| library.clone());
        running.ok_or(DhtError::Stopped)
    }
}

/// Starts the library and keeps it until it is to stop.
async fn keep(
    options: DhtOptions,
    presence: Presence,
    library: watch::Sender<Option<AsyncDht>>,
    stop: CancellationToken,
) {
    // Names are looked up, and the thread answers that it runs.
    let threads = Threads::new("dht start", 1);
    let built = threads.run(move || build(&options, presence)).await;
    match built.unwrap_or_else(|error| Err(io::Error::other(error))) {
        Ok(built) => {
            library.send_replace(Some(built.as_async()));
            stop.cancelled().await;
            library.send_replace(None);
        }
        Err(error) => tracing::warn!(%error, "the distributed hash table did not start"),
    }
}

fn build(options: &DhtOptions, presence: Presence) -> io::Result<Library> {
    let mut builder = Library::builder();
    builder
        .bind_address(options.bind)
        .port(0)
        .server_settings(ServerSettings {
            max_info_hashes: PLACES_MAX,
            max_peers_per_info_hash: AT_ONE_PLACE,
            max_immutable_values: VALUES_MAX,
            max_mutable_values: VALUES_MAX,
            filter: Box::new(presence),
        });
    if !options.bootstrap.is_empty() {
        builder.bootstrap(&options.bootstrap);
    }
    builder.build()
}

/// Asks the library, in a task that ends when nobody waits for it any more.
fn question<T: Send + 'static>(
    asked: impl Future<Output = T> + Send + 'static,
) -> AbortOnDropHandle<T> {
    AbortOnDropHandle::new(spawn(asked))
}

impl Dht for MainlineDht {
    fn announce(&self, place: Infohash, port: u16) -> Reply<'_, Result<(), DhtError>> {
        Box::pin(async move {
            let library = self.library().await?;
            let question = question(async move {
                let announced = library.announce_peer(Id::from(place.bytes()), Some(port));
                timeout(ANNOUNCEMENT, announced).await
            });
            match question.await {
                Ok(Ok(Ok(_))) => Ok(()),
                Ok(Ok(Err(error))) => Err(DhtError::Refused(error.to_string())),
                Ok(Err(_)) => Err(DhtError::Refused("no answer in time".to_owned())),
                Err(_) => Err(DhtError::Stopped),
            }
        })
    }

    fn lookup(&self, place: Infohash, time: Duration) -> Reply<'_, Vec<SocketAddr>> {
        Box::pin(async move {
            let until = now() + time;
            let Ok(Ok(library)) = timeout_at(until.into(), self.library()).await else {
                return Vec::new();
            };
            let question = question(async move {
                let mut gathered = Gathered::default();
                let mut answers = library.get_peers(Id::from(place.bytes()));
                drop(library);
                let mut until = until;
                // What came in time is the answer.
                while let Ok(Some(addresses)) = timeout_at(until.into(), answers.next()).await {
                    if gathered.list.is_empty() && !addresses.is_empty() {
                        until = until.min(now() + SETTLE);
                    }
                    gathered.take(addresses.into_iter().map(SocketAddr::V4));
                    if gathered.is_full() {
                        break;
                    }
                }
                gathered.list
            });
            question.await.unwrap_or_default()
        })
    }

    fn stop(&self) -> Reply<'_, ()> {
        Box::pin(async move {
            self.stop.cancel();
            if timeout(FAREWELL, self.ended.cancelled()).await.is_err() {
                tracing::warn!("the distributed hash table did not end in time");
            }
        })
    }
}

impl Drop for MainlineDht {
    /// Leaves the table without waiting for the thread of the library.
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
