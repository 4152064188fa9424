//! The transport, which carries the bytes of a call.

use std::{net::SocketAddr, ops::Range, pin::Pin, time::Duration};

use super::{call_scope::CheckedAddress, destination::Destination};
use bytes::Bytes;
use futures_util::{Stream, future::BoxFuture};
use node_wire::{
    About, AnswerRate, Budget, Charset, Digest,
    asking::Asking,
    node_id::{NodeId, Nonce},
    peer_url::PeerUrl,
    query_id::QueryId,
};

/// A request to a peer.
#[derive(Clone, Debug)]
pub struct PeerRequest {
    /// The peer to ask.
    pub peer: PeerUrl,
    /// The address to ask at, and no other.
    pub at: CheckedAddress,
    /// The identity that is expected there, if one was given.
    pub expected: Option<NodeId>,
    /// The purpose of the request.
    pub purpose: Purpose,
    /// The walk that a `query` belongs to.
    pub walk: Option<WalkInfo>,
}

/// The walk of a query, as its headers describe it to a Sixhop node.
#[derive(Clone, Debug)]
pub struct WalkInfo {
    /// The walk.
    pub id: QueryId,
    /// Peers that are asked anyway.
    pub asking: Asking,
    /// The number of calls that the peer and those behind it may make.
    pub budget: Budget,
}

/// The purpose of a request.
#[derive(Clone, Debug)]
pub enum Purpose {
    /// An XML-RPC call over a connection of its own, as bytes.
    Call(Bytes),
    /// An XML-RPC call that only our kind answers, as bytes.
    Find(Bytes),
    /// A range of content: `GET /blobs/DIGEST`.
    Blob {
        /// The content.
        digest: Digest,
        /// The bytes, at least one.
        range: Range<u64>,
        /// The holder, if the peer is to pass its content on.
        through: Option<PeerUrl>,
    },
    /// The values to check its pieces: `GET /blobs/DIGEST/tree`.
    Tree {
        /// The content.
        digest: Digest,
        /// The holder, if the peer is to pass its content on.
        through: Option<PeerUrl>,
    },
    /// Many small files: `POST /blobs` with a list of digests, as bytes.
    Bundle(Bytes),
}

/// The kind of a peer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PeerKind {
    /// A node like this one.
    Sixhop,
    /// Any other: a chapter peer.
    Book,
}

/// The name of Sixhop nodes in the HTTP header `Server`.
pub const SERVER_NAME: &str = concat!("sixhop/", env!("CARGO_PKG_VERSION"));

/// The start of such a name, in all versions.
const SERVER_PREFIX: &str = "sixhop/";

/// The answer of a peer, status 200 or 206.
pub struct PeerResponse {
    /// The kind of node that answers.
    pub kind: PeerKind,
    /// The HTTP status.
    pub status: u16,
    /// The header `Content-Range`.
    pub range: Option<String>,
    /// The encoding of the body, by the header `Content-Type`.
    pub charset: Charset,
    /// The header `Content-Length`.
    pub length: Option<u64>,
    /// The part of its budget that the peer did not need, by its own word.
    pub budget_left: Option<Budget>,
    /// The rate of the peer's uploads, if it says that it limits them.
    pub rate: Option<AnswerRate>,
    /// The metadata of the file, by the word of the peer.
    pub about: About,
    /// The body, as it arrives.
    pub body: BodyStream,
}

/// A body as it arrives.
pub type BodyStream = Pin<Box<dyn Stream<Item = Result<Bytes, TransportError>> + Send>>;

/// The error of a request.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TransportError {
    /// No connection, or it broke.
    #[error("{0}")]
    Connection(String),
    /// No connection to this address; another one of the peer may be tried.
    #[error("{0}")]
    Unreachable(String),
    /// An answer that is no success.
    #[error("it answered with the HTTP status {status}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// The kind of node that answered.
        kind: PeerKind,
    },
    /// It answered that it is busy, and when to ask again.
    #[error("it is busy, and asks to try again in {} s", .wait.as_secs())]
    Busy {
        /// The time after which to ask again.
        wait: Duration,
        /// The kind of node that answered.
        kind: PeerKind,
    },
    /// An encoding that was not asked for.
    #[error("it answered with an encoded body")]
    Encoded,
    /// An answer of a node that is not of our private network.
    #[error("it does not show that it is of this private network")]
    Foreign,
    /// A place where a node was met by its id, which does not show that id now.
    #[error(
        "it does not show that it is the node that was met there: {0}; if that node has a new key, run `ctl peers rm URL` and then `ctl hello URL`"
    )]
    NotShown(String),
    /// An address that is nearer than those from which this node is reached.
    #[error("its address is in this machine or network, which others may not make this node call")]
    TooNear,
    /// A search called the address under another URL already.
    #[error("this search has called its address under another URL")]
    Repeated,
    /// The address was called not long ago and did not answer as a node.
    #[error("its address was called less than a minute ago and did not answer as a node does")]
    Resting,
}

impl TransportError {
    /// Returns true if the same call may succeed later: nobody answered, or only that it is busy.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            TransportError::Connection(_)
            | TransportError::Unreachable(_)
            | TransportError::Busy { .. } => true,
            TransportError::Status { status, .. } => *status >= 500,
            _ => false,
        }
    }

    /// Returns what kind of node answered, if one did.
    #[must_use]
    pub fn kind(&self) -> Option<PeerKind> {
        match self {
            TransportError::Status { kind, .. } | TransportError::Busy { kind, .. } => Some(*kind),
            _ => None,
        }
    }
}

impl PeerKind {
    /// Returns the kind of a node that names itself so in the header `Server`.
    #[must_use]
    pub fn of_server(name: Option<&str>) -> PeerKind {
        if name.is_some_and(|name| name.starts_with(SERVER_PREFIX)) {
            PeerKind::Sixhop
        } else {
            PeerKind::Book
        }
    }
}

/// Carries requests to peers.
pub trait Transport: Send + Sync + 'static {
    /// Returns the addresses of a peer. None of them is checked.
    fn resolve(
        &self,
        peer: &Destination,
    ) -> BoxFuture<'static, Result<Vec<SocketAddr>, TransportError>>;

    /// Shows this token with each request to `peer` from now on.
    fn keep_token(&self, peer: &PeerUrl, token: Nonce);

    /// Sends a request and answers when the head of the response is there.
    fn send(
        &self,
        request: PeerRequest,
    ) -> BoxFuture<'static, Result<PeerResponse, TransportError>>;
}
