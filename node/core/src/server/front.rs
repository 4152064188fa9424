//! The front of the peer port: the checks before any method.
//!
//! # Participants
//! - [`Front`] accepts connections and serves each in a task of its own.
//! - The [`admission`] table says which connections are held.
//! - The [`framing`] machine says which bytes are requests.
//! - [`opening`] tells TLS from HTTP by the first byte and has the node at the other end
//!   show who it is.
//! - [`guarded`] is the stream between the socket and the HTTP library; it
//!   applies the framing and the deadlines.
//!
//! # Lifecycle of a connection
//! Admitted (or it displaces a silent one, or is refused); a handshake, if it is TLS, during
//! which it counts as silent and makes room like one; then request after
//! request: *waiting* for a head, a body, then *served* until the answer is
//! out. It ends when the client closes, a deadline passes, bytes are no
//! request, the client reads too slowly, it is displaced, or the node stops.
//!
//! # Invariants
//! - No error of accepting ends the loop.
//! - Every connection is in the table, and the table is bounded.
//! - A refused request is answered with a status where that is still possible,
//!   and its connection is closed: nothing behind it is read as a request.
//! - Stopping waits for every connection, at most [`STOP_TIME`].

mod admission;
mod connection;
mod framing;
mod guarded;
mod opening;
mod reading;
mod refusal;

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use node_base::platform::process::open_files_max;
use node_transport::{PeerPath, tls::Tls};
use node_wire::NodeId;
use tokio::{
    net::{TcpListener, TcpStream},
    select,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::admission::ConnectionLimits;
use self::{
    admission::{Admission, Progress},
    connection::Connections,
};
use crate::{clock::now, counters::Counters};

/// Most connections of a node that may open many files.
const CONNECTIONS_MAX: usize = 1_024;

/// A source has one of so many parts of the connections.
const SOURCES: usize = 8;

/// The part of the files that a process may open that connections may take.
const FILES_PER_CONNECTION: usize = 4;

/// Longest time for the body of a call.
const BODY_TIME: Duration = Duration::from_secs(10);

/// Longest pause in the body of a file.
const BODY_PAUSE: Duration = Duration::from_secs(30);

/// Pause after an error of accepting.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Longest time for open connections to end when the node stops.
pub const STOP_TIME: Duration = Duration::from_secs(3);

/// The address of a connection that has none.
const NO_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// The sender of a request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Remote {
    /// Its address, if it has one.
    pub(super) address: Option<SocketAddr>,
    /// Its identity, if its connection proves that.
    pub(super) id: Option<NodeId>,
    /// The protocol that carries its connection.
    pub(super) path: PeerPath,
}

/// The address of this machine to which a request came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Local(pub SocketAddr);

/// Limits of the bodies of requests.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Longest body, in bytes.
    pub max: u64,
    /// The time for a body.
    pub time: BodyTime,
}

/// The time for a body of a request.
#[derive(Clone, Copy, Debug)]
pub enum BodyTime {
    /// The longest time from its first byte to its last.
    Whole(Duration),
    /// The longest pause in it.
    Pause(Duration),
}

/// Cuts the connection of a request.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    connections: Arc<Connections>,
    id: u64,
}

/// Decides whether an address may cause one more handshake.
type MayProve = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// The handshakes in which other nodes prove their identities.
#[derive(Clone)]
pub struct Handshakes {
    tls: Tls,
    may_prove: MayProve,
}

/// Accepts and serves connections.
#[derive(Debug)]
pub struct Front {
    listener: TcpListener,
    router: Router,
    connections: Arc<Connections>,
    counters: Arc<Counters>,
    bodies: BodyLimits,
    handshakes: Option<Handshakes>,
}

impl Remote {
    /// Creates the sender at this address, without a proved identity.
    #[cfg(test)]
    pub(super) fn plain(address: SocketAddr) -> Remote {
        Remote {
            address: Some(address),
            id: None,
            path: PeerPath::Plain,
        }
    }

    /// Returns the address for quotas. All connections without one count as one source in
    /// the world.
    pub(super) fn ip(&self) -> IpAddr {
        self.address.map_or(NO_ADDRESS, |address| address.ip())
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(f, "{address}")?,
            None => f.write_str("no address")?,
        }
        if let Some(id) = self.id {
            write!(f, " ({id}, {})", self.path.name())?;
        }
        Ok(())
    }
}

impl Handshakes {
    /// Creates handshakes with the key of this node; `may_prove` limits them by address.
    #[must_use]
    pub fn new(tls: Tls, may_prove: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Handshakes {
        Handshakes {
            tls,
            may_prove: Arc::new(may_prove),
        }
    }

    /// Returns the id that this node shows.
    fn id(&self) -> NodeId {
        self.tls.id()
    }
}

impl fmt::Debug for Handshakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshakes").finish_non_exhaustive()
    }
}

impl BodyLimits {
    /// Returns the limits of calls, whose bodies have at most `max` bytes.
    #[must_use]
    pub fn of_calls(max: u64) -> BodyLimits {
        BodyLimits {
            max,
            time: BodyTime::Whole(BODY_TIME),
        }
    }

    /// Returns the limits of a port that takes files, which looks at their sizes itself.
    #[must_use]
    pub fn of_web() -> BodyLimits {
        BodyLimits {
            max: u64::MAX,
            time: BodyTime::Pause(BODY_PAUSE),
        }
    }
}

impl Cut {
    /// Cuts it now.
    pub(super) fn now(&self) {
        self.connections.cut(self.id);
    }
}

impl ConnectionLimits {
    /// Limits of the port for links. Many people may come from one address, as from behind a proxy.
    #[must_use]
    pub fn of_web() -> ConnectionLimits {
        let of_peers = ConnectionLimits::of_process();
        ConnectionLimits {
            total: (of_peers.total / 2).max(1),
            per_source: (of_peers.total / 2).max(1),
        }
    }

    /// Limits that fit the number of files that this process may open.
    #[must_use]
    pub fn of_process() -> ConnectionLimits {
        let files = open_files_max();
        let files = files
            .and_then(|files| usize::try_from(files).ok())
            .unwrap_or(usize::MAX);
        let total = (files / FILES_PER_CONNECTION).clamp(1, CONNECTIONS_MAX);
        ConnectionLimits {
            total,
            per_source: (total / SOURCES).max(1),
        }
    }
}

impl Front {
    /// Creates a front for `listener` that hands requests to `router`.
    #[must_use]
    pub fn new(
        listener: TcpListener,
        router: Router,
        limits: ConnectionLimits,
        bodies: BodyLimits,
        counters: Arc<Counters>,
    ) -> Front {
        Front {
            listener,
            router,
            connections: Arc::new(Connections::new(limits)),
            counters,
            bodies,
            handshakes: None,
        }
    }

    /// Returns the same front, which accepts TLS too.
    #[must_use]
    pub fn with_handshakes(mut self, handshakes: Handshakes) -> Front {
        self.handshakes = Some(handshakes);
        self
    }

    /// Serves until `cancel`; then lets open requests end, for [`STOP_TIME`].
    pub async fn run(self, cancel: CancellationToken) {
        let tasks = TaskTracker::new();
        // Dropped at the end: a client that is still served then is cut off.
        let cut = CancellationToken::new();
        let _cut_at_the_end = cut.clone().drop_guard();
        loop {
            select! {
                () = cancel.cancelled() => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((socket, address)) => self.admit(socket, address, &tasks, &cancel, &cut),
                    Err(error) => self.not_accepted(&error).await,
                }
            }
        }
        drop(self.listener);
        tasks.close();
        if timeout(STOP_TIME, tasks.wait()).await.is_err() {
            cut.cancel();
            tasks.wait().await;
        }
    }

    fn admit(
        &self,
        socket: TcpStream,
        address: SocketAddr,
        tasks: &TaskTracker,
        stop: &CancellationToken,
        cut: &CancellationToken,
    ) {
        self.counters.connections_accepted.one();
        let kill = cut.child_token();
        let progress = Progress::default();
        let admission = self
            .connections
            .admit(address.ip(), progress.clone(), kill.clone(), now());
        let id = match admission {
            Admission::Admitted(id) => id,
            Admission::Displacing { admitted, .. } => {
                self.counters.connections_displaced.one();
                admitted
            }
            Admission::Refused => {
                self.counters.requests_refused.one();
                tracing::debug!(%address, "a connection is refused: too many are being served");
                return;
            }
        };
        let connection = connection::Connection {
            id,
            address,
            progress,
            connections: Arc::clone(&self.connections),
            counters: Arc::clone(&self.counters),
            router: self.router.clone(),
            bodies: self.bodies,
            handshakes: self.handshakes.clone(),
        };
        tasks.spawn(connection.serve(socket, stop.clone(), kill));
    }

    /// Handles an error of accepting, which fails when files run out or a client is gone already. Neither
    /// ends the loop.
    async fn not_accepted(&self, error: &io::Error) {
        tracing::warn!(%error, "a connection could not be accepted");
        sleep(ACCEPT_PAUSE).await;
    }
}

#[cfg(test)]
mod tests;
