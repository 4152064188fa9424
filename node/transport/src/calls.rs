//! The calls: `hello`, `query`, and asking for the files of a peer.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use node_wire::{
    Budget, Find, Found, Introduce, Introduced, More, Summarize, Summary, Value,
    bundle::BundleError,
    fault::{ACCESS_DENIED, Fault, MissReason},
    limits::{FIND_ANSWER_MAX, SMALL_ANSWER_MAX, SUMMARY_ANSWER_MAX},
    messages::{Hello, Query},
    node_id::Nonce,
    peer_url::PeerUrl,
    query_answer::AnswerError,
    request::{self, MethodCall},
    response::{self, HelloAnswer, ResponseError},
};
use tokio::time::timeout_at;

use super::{
    content::{self, RemoteFile, next_chunk},
    transport::{
        PeerKind, PeerRequest, PeerResponse, Purpose, Transport, TransportError, WalkInfo,
    },
};
use node_base::{counters::Counters, rate::Rate};
use node_wire::pieces::TreeError;

/// Longest answer to `GET /search`, in bytes.
const SEARCH_ANSWER_MAX: usize = 4 * 1024 * 1024;

/// Longest answer to `hello`, in bytes.
const HELLO_ANSWER_MAX: usize = 8 * 1024;

/// Why a call brought no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// The bytes did not come.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The peer did not answer in time, or fell silent.
    #[error("it did not answer in time")]
    Deadline,
    /// The content came at less than 1 KiB a second.
    #[error("it sends too slowly")]
    TooSlow,
    /// The answer to `query` is none.
    #[error("it answered with something that cannot be read: {0}")]
    Answer(#[from] AnswerError),
    /// The answer to another method is none.
    #[error("it answered with something that cannot be read: {0}")]
    Response(#[from] ResponseError),
    /// The answer is longer than it may be.
    #[error("it answered with something that cannot be read: more than {0} bytes")]
    TooLong(usize),
    /// The peer does not know the method: it is not of our kind.
    #[error("it does not know this call")]
    Unknown(PeerKind),
    /// The peer is sending to too many others; ask again after this time.
    #[error("it is busy, and asks to try again in {} s", .0.as_secs())]
    Busy(Duration),
    /// The peer is of a private network, and this node is not.
    #[error(
        "it is of a private network, and this node has no key of it; start this node with that key: --network-key-file FILE"
    )]
    Private,
    /// The content is not there.
    #[error("it does not have the content any more")]
    Absent,
    /// A tree that is none, or that of other content.
    #[error("it sent a wrong tree: {0}")]
    Tree(#[from] TreeError),
    /// Other bytes than were asked for.
    #[error("it sent another part of the content than it was asked for")]
    Range,
    /// Fewer bytes than were asked for.
    #[error("it broke off in the middle")]
    Short,
    /// A bundle that is none, or of other files.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A valid answer to something else.
    #[error("it answered with something that cannot be read: an answer of another kind")]
    Unexpected,
}

impl CallError {
    /// Whether the peer was reached and answered, with something that cannot be read.
    /// Such an answer costs its call only.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        match self {
            CallError::Answer(error) => *error != AnswerError::Truncated,
            CallError::Response(_) | CallError::TooLong(_) | CallError::Unexpected => true,
            CallError::Transport(error) => matches!(error, TransportError::Encoded),
            _ => false,
        }
    }
}

/// An answer and the kind of node that gave it.
#[derive(Debug)]
pub struct Answered<T> {
    /// The kind of the peer.
    pub kind: PeerKind,
    /// What it said.
    pub value: T,
}

/// What a peer says to a `query`.
#[derive(Debug)]
pub enum QueryReply {
    /// It has the file, or knows who has, and sends it.
    Found(Box<RemoteFile>),
    /// It does not find it.
    Missed {
        /// Why, if it says so.
        reason: Option<MissReason>,
        /// What it did not need of the budget that it was given.
        budget_left: Budget,
    },
    /// It refuses.
    Fault(Fault),
}

/// What a peer did not need of `given`. One of the chapter knows of no budget, and
/// nobody has more left than it was given.
fn budget_left(response: &PeerResponse, given: Budget) -> Budget {
    match response.kind {
        PeerKind::Book => given,
        PeerKind::Sixhop => response.budget_left.unwrap_or(Budget::NONE).min(given),
    }
}

/// Calls peers.
#[derive(Clone)]
pub struct Client {
    transport: Arc<dyn Transport>,
    pub(super) counters: Arc<Counters>,
    pub(super) download_rate: Rate,
}

impl Client {
    /// A client that sends through `transport` and counts its calls.
    #[must_use]
    pub fn new(transport: Arc<dyn Transport>, counters: Arc<Counters>) -> Client {
        Client {
            transport,
            counters,
            download_rate: Rate::default(),
        }
    }

    /// Limits the content that peers send to `rate`.
    #[must_use]
    pub fn with_download_rate(mut self, rate: Rate) -> Client {
        self.download_rate = rate;
        self
    }

    /// The addresses of `peer`, at least one, each of which may be called.
    ///
    /// # Errors
    /// When it has none, or one that may not be called.
    pub async fn resolve(
        &self,
        peer: &PeerUrl,
        deadline: Instant,
    ) -> Result<Vec<SocketAddr>, CallError> {
        match timeout_at(deadline.into(), self.transport.resolve(peer)).await {
            Ok(addresses) => Ok(addresses?),
            Err(_) => Err(CallError::Deadline),
        }
    }

    /// Introduces the node at `ourselves` to `peer`; to nobody else than who is
    /// at the address, if there is one.
    ///
    /// `None` means that the peer answered, but with a fault or a value that
    /// no dialect has: it is a peer of unknown kind.
    ///
    /// # Errors
    /// When the peer does not answer until `deadline`.
    pub async fn hello(
        &self,
        peer: &PeerUrl,
        ourselves: &PeerUrl,
        at: Option<SocketAddr>,
        deadline: Instant,
    ) -> Result<Answered<Option<HelloAnswer>>, CallError> {
        let call = Hello {
            url: ourselves.as_str().to_owned(),
        };
        let body = Bytes::from(request::write(&call.to_call()));
        let request = PeerRequest {
            peer: peer.clone(),
            purpose: match at {
                Some(at) => Purpose::Meet { body, at },
                None => Purpose::Call(body),
            },
            walk: None,
        };
        let mut response = self.exchange(request, deadline).await?;
        let bytes = whole(&mut response, HELLO_ANSWER_MAX, deadline).await?;
        let answer = response::read_within(&bytes, response.charset, HELLO_ANSWER_MAX)?;
        Ok(Answered {
            kind: response.kind,
            value: answer
                .ok()
                .and_then(|value| response::hello_dialect(&value)),
        })
    }

    /// Tells `peer` who this node is, and hears who the peer is; nobody else than
    /// who is at the address, if there is one.
    ///
    /// # Errors
    /// When it does not answer until `deadline`, or does not know the call.
    pub async fn introduce(
        &self,
        peer: &PeerUrl,
        introduce: &Introduce,
        at: Option<SocketAddr>,
        deadline: Instant,
    ) -> Result<Introduced, CallError> {
        let body = Bytes::from(request::write(&introduce.to_call()));
        let request = PeerRequest {
            peer: peer.clone(),
            purpose: match at {
                Some(at) => Purpose::Meet { body, at },
                None => Purpose::Find(body),
            },
            walk: None,
        };
        let mut response = self.exchange(request, deadline).await?;
        let kind = response.kind;
        let bytes = whole(&mut response, SMALL_ANSWER_MAX, deadline).await?;
        let answer = response::read_within(&bytes, response.charset, SMALL_ANSWER_MAX)?;
        let value = answer.map_err(|_| CallError::Unknown(kind))?;
        Introduced::from_value(&value).ok_or(CallError::Unexpected)
    }

    /// Shows this token to `peer` from now on.
    pub fn keep_token(&self, peer: &PeerUrl, token: Nonce) {
        self.transport.keep_token(peer, token);
    }

    /// Asks `peer` for the file of a query. Answers when it is clear what the
    /// peer says; the content of a file follows at its own pace.
    ///
    /// # Errors
    /// When the peer does not answer until `deadline`, or what it sends is no
    /// answer.
    pub async fn query(
        &self,
        peer: &PeerUrl,
        query: &Query,
        walk: WalkInfo,
        deadline: Instant,
    ) -> Result<Answered<QueryReply>, CallError> {
        self.counters.queries_sent.one();
        let walk_budget = walk.budget;
        let response = self
            .send(peer, &query.to_call(), Some(walk), deadline)
            .await?;
        let kind = response.kind;
        let left = budget_left(&response, walk_budget);
        let value = content::open(self, peer.clone(), response, left, deadline).await?;
        Ok(Answered { kind, value })
    }

    /// Asks `peer` for what `GET /search` answers to `query`, as text.
    ///
    /// # Errors
    /// When the peer does not answer until `deadline` or answers too much.
    pub async fn search(
        &self,
        peer: &PeerUrl,
        query: String,
        deadline: Instant,
    ) -> Result<Bytes, CallError> {
        let request = PeerRequest {
            peer: peer.clone(),
            purpose: Purpose::Search(query),
            walk: None,
        };
        let mut response = self.exchange(request, deadline).await?;
        whole(&mut response, SEARCH_ANSWER_MAX, deadline).await
    }

    /// Asks `peer` what it has.
    ///
    /// # Errors
    /// When it does not answer until `deadline`, or does not know the call.
    pub async fn find(
        &self,
        peer: &PeerUrl,
        find: &Find,
        deadline: Instant,
    ) -> Result<Answered<Found>, CallError> {
        self.counters.finds_sent.one();
        self.found(peer, &find.to_call(), deadline).await
    }

    /// Asks `peer` for more hits of a search.
    ///
    /// # Errors
    /// When it does not answer until `deadline`, or has forgotten the search.
    pub async fn more(
        &self,
        peer: &PeerUrl,
        more: &More,
        deadline: Instant,
    ) -> Result<Answered<Found>, CallError> {
        self.counters.mores_sent.one();
        self.found(peer, &more.to_call(), deadline).await
    }

    /// Asks `peer` what it has, in few bytes.
    ///
    /// # Errors
    /// When it does not answer until `deadline`, or does not know the call.
    pub async fn summary(
        &self,
        peer: &PeerUrl,
        wanted: &Summarize,
        deadline: Instant,
    ) -> Result<Answered<Summary>, CallError> {
        self.counters.summaries_sent.one();
        let most = SUMMARY_ANSWER_MAX;
        let (kind, value) = self.ours(peer, &wanted.to_call(), most, deadline).await?;
        let value = Summary::from_value(&value).ok_or(CallError::Unexpected)?;
        Ok(Answered { kind, value })
    }

    async fn found(
        &self,
        peer: &PeerUrl,
        call: &MethodCall,
        deadline: Instant,
    ) -> Result<Answered<Found>, CallError> {
        let (kind, value) = self.ours(peer, call, FIND_ANSWER_MAX, deadline).await?;
        let value = Found::from_value(&value).ok_or(CallError::Unknown(kind))?;
        Ok(Answered { kind, value })
    }

    /// Makes a call that only nodes of our kind know. A fault means that the peer
    /// does not.
    async fn ours(
        &self,
        peer: &PeerUrl,
        call: &MethodCall,
        most: usize,
        deadline: Instant,
    ) -> Result<(PeerKind, Value), CallError> {
        let request = PeerRequest {
            peer: peer.clone(),
            purpose: Purpose::Find(request::write(call).into()),
            walk: None,
        };
        let mut response = self.exchange(request, deadline).await?;
        let kind = response.kind;
        let bytes = whole(&mut response, most, deadline).await?;
        let answer = response::read_within(&bytes, response.charset, most)?;
        let value = answer.map_err(|fault| match (kind, fault.code) {
            (PeerKind::Sixhop, ACCESS_DENIED) => CallError::Private,
            _ => CallError::Unknown(kind),
        })?;
        Ok((kind, value))
    }

    async fn send(
        &self,
        peer: &PeerUrl,
        call: &MethodCall,
        walk: Option<WalkInfo>,
        deadline: Instant,
    ) -> Result<PeerResponse, CallError> {
        let purpose = Purpose::Call(request::write(call).into());
        self.exchange(
            PeerRequest {
                peer: peer.clone(),
                purpose,
                walk,
            },
            deadline,
        )
        .await
    }

    pub(super) async fn exchange(
        &self,
        request: PeerRequest,
        deadline: Instant,
    ) -> Result<PeerResponse, CallError> {
        self.counters.calls_sent.one();
        match timeout_at(deadline.into(), self.transport.send(request)).await {
            Ok(response) => Ok(response?),
            Err(_) => Err(CallError::Deadline),
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

pub(super) async fn whole(
    response: &mut PeerResponse,
    most: usize,
    deadline: Instant,
) -> Result<Bytes, CallError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = next_chunk(&mut response.body, deadline).await? {
        if bytes.len() + chunk.len() > most {
            return Err(CallError::TooLong(most));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.into())
}
