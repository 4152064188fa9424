//! The transport in memory: Sixhop peers are functions. For tests of everything that
//! calls peers, without a socket.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures_util::{FutureExt, TryFutureExt, future::BoxFuture, stream};
use node_wire::{About, Budget, Charset, node_id::Nonce, peer_url::PeerUrl};

use super::destination::Destination;
use super::transport::{PeerKind, PeerRequest, PeerResponse, Purpose, Transport, TransportError};
use node_base::sync::lock;

type Reply = Result<MemoryAnswer, TransportError>;
type Peer = Arc<dyn Fn(PeerRequest) -> BoxFuture<'static, Reply> + Send + Sync>;

/// The answer of a peer in memory.
#[derive(Clone, Debug)]
pub struct MemoryAnswer {
    /// The body, in chunks.
    pub chunks: Vec<Bytes>,
    /// The part of the budget that was not needed.
    pub budget_left: Option<Budget>,
}

impl From<Vec<Bytes>> for MemoryAnswer {
    fn from(chunks: Vec<Bytes>) -> MemoryAnswer {
        MemoryAnswer {
            chunks,
            budget_left: None,
        }
    }
}

/// Peers in memory, by URL.
#[derive(Clone, Default)]
pub struct MemoryTransport {
    peers: Arc<Mutex<HashMap<String, Peer>>>,
    names: Arc<Mutex<HashMap<String, Vec<SocketAddr>>>>,
}

impl MemoryTransport {
    /// Adds a peer that answers requests with the chunks of a body, or fails.
    pub fn add<F, A>(&self, url: &PeerUrl, answer: F)
    where
        F: Fn(PeerRequest) -> BoxFuture<'static, Result<A, TransportError>> + Send + Sync + 'static,
        A: Into<MemoryAnswer> + 'static,
    {
        let answer = move |request| answer(request).map_ok(Into::into).boxed();
        lock(&self.peers).insert(url.key(), Arc::new(answer));
    }

    /// Has a name resolve to these addresses.
    pub fn name(&self, host: &str, addresses: Vec<SocketAddr>) {
        lock(&self.names).insert(host.to_owned(), addresses);
    }

    /// Removes a peer: it is then not reachable.
    pub fn remove(&self, url: &PeerUrl) {
        lock(&self.peers).remove(&url.key());
    }
}

impl Transport for MemoryTransport {
    fn resolve(
        &self,
        peer: &Destination,
    ) -> BoxFuture<'static, Result<Vec<SocketAddr>, TransportError>> {
        let address = peer.ip().map(|ip| vec![SocketAddr::new(ip, peer.port())]);
        let addresses = address.or_else(|| lock(&self.names).get(peer.host()).cloned());
        let addresses =
            addresses.ok_or_else(|| TransportError::Connection("no such name".to_owned()));
        async move { addresses }.boxed()
    }

    /// Does nothing: peers in memory know the caller.
    fn keep_token(&self, _: &PeerUrl, _: Nonce) {}

    fn send(
        &self,
        request: PeerRequest,
    ) -> BoxFuture<'static, Result<PeerResponse, TransportError>> {
        let peer = lock(&self.peers).get(&request.peer.key()).cloned();
        async move {
            let peer =
                peer.ok_or_else(|| TransportError::Connection("connection refused".to_owned()))?;
            // Peers in memory send what they are asked for.
            let (status, range) = match &request.purpose {
                Purpose::Blob { range, .. } => {
                    let last = range.end.saturating_sub(1);
                    (206, Some(format!("bytes {}-{last}/*", range.start)))
                }
                _ => (200, None),
            };
            let answer = peer(request).await?;
            Ok(PeerResponse {
                kind: PeerKind::Sixhop,
                status,
                range,
                charset: Charset::Unsaid,
                length: None,
                budget_left: answer.budget_left,
                rate: None,
                about: About::default(),
                body: Box::pin(stream::iter(answer.chunks.into_iter().map(Ok))),
            })
        }
        .boxed()
    }
}

impl std::fmt::Debug for MemoryTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryTransport")
            .field("peers", &lock(&self.peers).len())
            .finish()
    }
}
