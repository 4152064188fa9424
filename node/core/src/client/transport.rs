//! What carries the bytes of a call.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::{Stream, future::BoxFuture};
use node_wire::{asking::Asking, peer_url::PeerUrl, query_id::QueryId};

/// A request to a peer.
#[derive(Clone, Debug)]
pub struct PeerRequest {
    /// Whom to ask.
    pub peer: PeerUrl,
    /// What for.
    pub purpose: Purpose,
    /// The walk that a `query` belongs to.
    pub walk: Option<WalkInfo>,
}

/// What a node of our kind learns about the walk of a query.
#[derive(Clone, Debug)]
pub struct WalkInfo {
    /// The walk.
    pub id: QueryId,
    /// Who is asked anyway.
    pub asking: Asking,
}

/// What a request is for.
#[derive(Clone, Debug)]
pub enum Purpose {
    /// An XML-RPC call, as bytes.
    Call(Bytes),
    /// The files that match a query: `GET /search?…`.
    Search(String),
}

/// The answer of a peer, status 200.
pub struct PeerResponse {
    /// The body, as it arrives.
    pub body: BodyStream,
}

/// A body as it arrives.
pub type BodyStream = Pin<Box<dyn Stream<Item = Result<Bytes, TransportError>> + Send>>;

/// Why the bytes did not come.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TransportError {
    /// No connection, or it broke.
    #[error("{0}")]
    Connection(String),
    /// An answer that is no success.
    #[error("it answered with the HTTP status {0}")]
    Status(u16),
    /// An encoding that was not asked for.
    #[error("it answered with an encoded body")]
    Encoded,
}

/// Carries requests to peers.
pub trait Transport: Send + Sync + 'static {
    /// Sends a request and answers when the head of the response is there.
    fn send(
        &self,
        request: PeerRequest,
    ) -> BoxFuture<'static, Result<PeerResponse, TransportError>>;
}
