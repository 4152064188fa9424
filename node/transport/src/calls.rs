//! The calls: `hello`, `query`, and asking for the files of a peer.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use node_wire::{
    Budget, Find, Found, Introduce, Introduced, More, Summarize, Summary, Value, Watch, WatchNews,
    bundle::BundleError,
    fault::{ACCESS_DENIED, BUSY, Fault, MissReason},
    limits::{FIND_ANSWER_MAX, SMALL_ANSWER_MAX, SUMMARY_ANSWER_MAX, WATCH_ANSWER_MAX},
    messages::{Hello, Query},
    methods::WATCH,
    node_id::Nonce,
    peer_url::PeerUrl,
    query_answer::AnswerError,
    request::{self, MethodCall},
    response::{self, HelloAnswer, ResponseError},
};
use tokio::time::timeout_at;

use super::{
    call_scope::{CallScope, CheckedAddress},
    content::{self, RemoteFile, next_chunk},
    destination::Destination,
    dials::Dials,
    speeds::Speeds,
    transport::{
        PeerKind, PeerRequest, PeerResponse, Purpose, Transport, TransportError, WalkInfo,
    },
};
use node_base::{counters::Counters, rate::Rate};
use node_wire::pieces::TreeError;

/// Most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;

/// The pause before a node is asked again that has no place for more watches.
const WATCH_BUSY: Duration = Duration::from_secs(60);

/// Longest answer to `hello`, in bytes.
const HELLO_ANSWER_MAX: usize = 8 * 1024;

/// The error of a call without an answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// The bytes did not come.
    #[error(transparent)]
    Transport(TransportError),
    /// The peer did not answer in time, or fell silent.
    #[error("it did not answer in time")]
    Deadline,
    /// The content came at less than 1 KiB a second.
    #[error("it sends too slowly")]
    TooSlow,
    /// The answer to `query` is not valid.
    #[error("it answered with something that cannot be read: {0}")]
    Answer(#[from] AnswerError),
    /// The answer to another method is not valid.
    #[error("it answered with something that cannot be read: {0}")]
    Response(#[from] ResponseError),
    /// The answer is longer than it may be.
    #[error("it answered with something that cannot be read: more than {0} bytes")]
    TooLong(usize),
    /// The peer does not know the method: it is not a Sixhop node.
    #[error("it does not know this call")]
    Unknown(PeerKind),
    /// The peer is sending to too many others, or was asked too often; ask again after this time.
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
    /// The tree is not valid, or that of other content.
    #[error("it sent a wrong tree: {0}")]
    Tree(#[from] TreeError),
    /// Other bytes than were asked for.
    #[error("it sent another part of the content than it was asked for")]
    Range,
    /// Fewer bytes than were asked for.
    #[error("it broke off in the middle")]
    Short,
    /// The bundle is not valid, or of other files.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A valid answer to something else.
    #[error("it answered with something that cannot be read: an answer of another kind")]
    Unexpected,
}

impl From<TransportError> for CallError {
    fn from(error: TransportError) -> CallError {
        match error {
            TransportError::Busy { wait, .. } => CallError::Busy(wait),
            error => CallError::Transport(error),
        }
    }
}

impl CallError {
    /// Returns true if the peer was reached and its answer is not readable.
    /// Such an answer costs its call only.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        match self {
            CallError::Answer(error) => *error != AnswerError::Truncated,
            CallError::Response(_) | CallError::TooLong(_) | CallError::Unexpected => true,
            // 500: its program fails at this one call, as libraries do at what they cannot write.
            CallError::Transport(error) => {
                matches!(
                    error,
                    TransportError::Encoded | TransportError::Status { status: 500, .. }
                )
            }
            _ => false,
        }
    }

    /// Returns true if the same call may succeed later: the peer was slow, busy or not reached.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            CallError::Transport(error) => error.may_pass(),
            CallError::Deadline | CallError::TooSlow | CallError::Busy(_) | CallError::Short => {
                true
            }
            _ => false,
        }
    }

    /// Returns true if the peer did not show the id that was expected.
    #[must_use]
    pub fn is_not_shown(&self) -> bool {
        matches!(self, CallError::Transport(TransportError::NotShown(_)))
    }

    /// Returns true if no call was made: this node had called the address already.
    #[must_use]
    pub fn is_held_back(&self) -> bool {
        matches!(
            self,
            CallError::Transport(TransportError::Repeated | TransportError::Resting)
        )
    }
}

/// An answer and the kind of node that gave it.
#[derive(Debug)]
pub struct Answered<T> {
    /// The kind of the peer.
    pub kind: PeerKind,
    /// The address that was called.
    pub from: IpAddr,
    /// The result.
    pub value: T,
}

/// The answer of a peer to a `query`.
#[derive(Debug)]
pub enum QueryReply {
    /// It has the file, or knows a holder, and sends it.
    Found(Box<RemoteFile>),
    /// It does not find it.
    Missed {
        /// The reason, if it gives one.
        reason: Option<MissReason>,
        /// The part of its budget that it did not need.
        budget_left: Budget,
    },
    /// It refuses.
    Fault(Fault),
}

/// Returns the part of `given` that a peer did not need. A book peer knows of no budget, and
/// no peer has more left than it was given.
fn budget_left(response: &PeerResponse, given: Budget) -> Budget {
    match response.kind {
        PeerKind::Book => given,
        PeerKind::Sixhop => response.budget_left.unwrap_or(Budget::NONE).min(given),
    }
}

/// A listener for the kinds of the nodes that answer.
pub trait KindListener: Send + Sync {
    /// Notes that the node at `peer` answered, as one of this kind. The answer may be an error.
    fn answered_as(&self, peer: &PeerUrl, kind: PeerKind);
}

/// Calls peers.
#[derive(Clone)]
pub struct Client {
    transport: Arc<dyn Transport>,
    scope: Arc<CallScope>,
    dials: Dials,
    kinds: Option<Arc<dyn KindListener>>,
    pub(super) counters: Arc<Counters>,
    pub(super) download_rate: Rate,
    pub(super) speeds: Speeds,
    pub(super) through: Option<PeerUrl>,
}

impl Client {
    /// Creates a client that sends through `transport` and counts its calls.
    #[must_use]
    pub fn new(transport: Arc<dyn Transport>, counters: Arc<Counters>) -> Client {
        Client {
            transport,
            scope: Arc::default(),
            dials: Dials::default(),
            kinds: None,
            counters,
            download_rate: Rate::default(),
            speeds: Speeds::default(),
            through: None,
        }
    }

    /// Limits the calls to `scope`.
    #[must_use]
    pub fn with_call_scope(mut self, scope: Arc<CallScope>) -> Client {
        self.scope = scope;
        self
    }

    /// Tells `listener` what kind of node each answer is from, also if the answer is an error.
    #[must_use]
    pub fn with_kind_listener(mut self, listener: Arc<dyn KindListener>) -> Client {
        self.kinds = Some(listener);
        self
    }

    /// Limits the content that peers send to `rate`.
    #[must_use]
    pub fn with_download_rate(mut self, rate: Rate) -> Client {
        self.download_rate = rate;
        self
    }

    /// Asks for the content of `holder`, if there is one, through the peers that are asked for content.
    #[must_use]
    pub fn through(&self, holder: Option<PeerUrl>) -> Client {
        Client {
            through: holder,
            ..self.clone()
        }
    }

    /// Returns how fast each peer sent content.
    #[must_use]
    pub fn speeds(&self) -> &Speeds {
        &self.speeds
    }

    /// Returns the calls that strangers caused.
    #[must_use]
    pub fn dials(&self) -> &Dials {
        &self.dials
    }

    /// Returns the addresses of a destination, at least one, each of which may be called for
    /// the peer that named it.
    ///
    /// # Errors
    /// Errors if it has none, or one that may not be called.
    pub async fn resolve(
        &self,
        to: &Destination,
        deadline: Instant,
    ) -> Result<Vec<CheckedAddress>, CallError> {
        match timeout_at(deadline.into(), self.addresses(to)).await {
            Ok(addresses) => Ok(addresses?),
            Err(_) => Err(CallError::Deadline),
        }
    }

    async fn addresses(&self, to: &Destination) -> Result<Vec<CheckedAddress>, TransportError> {
        if let Some(at) = to.address() {
            return Ok(vec![at]);
        }
        let addresses = self.transport.resolve(to).await?;
        self.scope.check(to, &addresses)
    }

    /// Introduces the node at `ourselves` to `peer`.
    ///
    /// `None` means that the peer answered, but with a fault or a value that
    /// no dialect has: it is a peer of unknown kind.
    ///
    /// # Errors
    /// Errors if the peer does not answer until `deadline`.
    pub async fn hello(
        &self,
        peer: &Destination,
        ourselves: &PeerUrl,
        deadline: Instant,
    ) -> Result<Answered<Option<HelloAnswer>>, CallError> {
        let call = Hello {
            url: ourselves.as_str().to_owned(),
        };
        let purpose = Purpose::Call(request::write(&call.to_call()).into());
        let (mut response, from) = self.exchange_at(peer, purpose, None, deadline).await?;
        let bytes = whole(&mut response, HELLO_ANSWER_MAX, deadline).await?;
        let answer = response::read_within(&bytes, response.charset, HELLO_ANSWER_MAX)?;
        Ok(Answered {
            kind: response.kind,
            from,
            value: answer
                .ok()
                .and_then(|value| response::hello_dialect(&value)),
        })
    }

    /// Tells `peer` the identity of this node, and hears that of the peer.
    ///
    /// # Errors
    /// Errors if it does not answer until `deadline`, or does not know the call.
    pub async fn introduce(
        &self,
        peer: &Destination,
        introduce: &Introduce,
        deadline: Instant,
    ) -> Result<Introduced, CallError> {
        let body = Bytes::from(request::write(&introduce.to_call()));
        // Nobody knows yet whether one that was chosen by its address keeps connections.
        let purpose = match peer.address() {
            Some(_) => Purpose::Call(body),
            None => Purpose::Find(body),
        };
        let mut response = self.exchange(peer, purpose, None, deadline).await?;
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
    /// Errors if the peer does not answer until `deadline`, or if its answer is not
    /// valid.
    pub async fn query(
        &self,
        peer: &Destination,
        query: &Query,
        walk: WalkInfo,
        deadline: Instant,
    ) -> Result<Answered<QueryReply>, CallError> {
        self.counters.queries_sent.one();
        let walk_budget = walk.budget;
        let purpose = Purpose::Call(request::write(&query.to_call()).into());
        let sent = self.exchange_at(peer, purpose, Some(walk), deadline);
        let (response, from) = sent.await?;
        let kind = response.kind;
        let left = budget_left(&response, walk_budget);
        let url = peer.url().clone();
        let value = content::open(self, url, response, left, deadline).await?;
        Ok(Answered { kind, from, value })
    }

    /// Asks `peer` for its files.
    ///
    /// # Errors
    /// Errors if it does not answer until `deadline`, or does not know the call.
    pub async fn find(
        &self,
        peer: &Destination,
        find: &Find,
        deadline: Instant,
    ) -> Result<Answered<Found>, CallError> {
        self.counters.finds_sent.one();
        self.found(peer, &find.to_call(), deadline).await
    }

    /// Asks `peer` for more hits of a search.
    ///
    /// # Errors
    /// Errors if it does not answer until `deadline`, or has forgotten the search.
    pub async fn more(
        &self,
        peer: &Destination,
        more: &More,
        deadline: Instant,
    ) -> Result<Answered<Found>, CallError> {
        self.counters.mores_sent.one();
        self.found(peer, &more.to_call(), deadline).await
    }

    /// Asks `peer` for its summary.
    ///
    /// # Errors
    /// Errors if it does not answer until `deadline`, or does not know the call.
    pub async fn summary(
        &self,
        peer: &Destination,
        wanted: &Summarize,
        deadline: Instant,
    ) -> Result<Answered<Summary>, CallError> {
        self.counters.summaries_sent.one();
        let most = SUMMARY_ANSWER_MAX;
        let answered = self.ours(peer, &wanted.to_call(), most, deadline).await?;
        let value = Summary::from_value(&answered.value).ok_or(CallError::Unexpected)?;
        Ok(answered.with(value))
    }

    /// Asks `peer` for news of queries that stand there. The answer comes when there are some, or the wait is over.
    ///
    /// # Errors
    /// Errors if it does not answer until `deadline`, or does not know the call.
    pub async fn watch(
        &self,
        peer: &Destination,
        wanted: &Watch,
        deadline: Instant,
    ) -> Result<Answered<WatchNews>, CallError> {
        self.counters.watches_sent.one();
        let most = WATCH_ANSWER_MAX;
        let answered = self.ours(peer, &wanted.to_call(), most, deadline).await?;
        let value = WatchNews::from_value(&answered.value).ok_or(CallError::Unexpected)?;
        Ok(answered.with(value))
    }

    async fn found(
        &self,
        peer: &Destination,
        call: &MethodCall,
        deadline: Instant,
    ) -> Result<Answered<Found>, CallError> {
        let answered = self.ours(peer, call, FIND_ANSWER_MAX, deadline).await?;
        let unknown = CallError::Unknown(answered.kind);
        let value = Found::from_value(&answered.value).ok_or(unknown)?;
        Ok(answered.with(value))
    }

    /// Makes a call that only Sixhop nodes know. A fault means that the peer
    /// does not.
    async fn ours(
        &self,
        peer: &Destination,
        call: &MethodCall,
        most: usize,
        deadline: Instant,
    ) -> Result<Answered<Value>, CallError> {
        let purpose = Purpose::Find(request::write(call).into());
        let (mut response, from) = self.exchange_at(peer, purpose, None, deadline).await?;
        let kind = response.kind;
        let bytes = whole(&mut response, most, deadline).await?;
        let answer = response::read_within(&bytes, response.charset, most)?;
        let value = answer.map_err(|fault| match (kind, fault.code) {
            (PeerKind::Sixhop, ACCESS_DENIED) => CallError::Private,
            (PeerKind::Sixhop, BUSY) if call.method == WATCH => CallError::Busy(WATCH_BUSY),
            _ => CallError::Unknown(kind),
        })?;
        Ok(Answered { kind, from, value })
    }

    /// Sends a request, and answers when the head of the response is there.
    pub(super) async fn exchange(
        &self,
        to: &Destination,
        purpose: Purpose,
        walk: Option<WalkInfo>,
        deadline: Instant,
    ) -> Result<PeerResponse, CallError> {
        let exchanged = self.exchange_at(to, purpose, walk, deadline).await;
        exchanged.map(|(response, _)| response)
    }

    /// Makes the exchange, and returns the address that was called.
    async fn exchange_at(
        &self,
        to: &Destination,
        purpose: Purpose,
        walk: Option<WalkInfo>,
        deadline: Instant,
    ) -> Result<(PeerResponse, IpAddr), CallError> {
        match timeout_at(deadline.into(), self.dial(to, &purpose, walk.as_ref())).await {
            Ok(answered) => Ok(answered?),
            Err(_) => Err(CallError::Deadline),
        }
    }

    /// Tries the addresses of a destination in turn. Of one that was only heard of the
    /// first alone is called: it costs one call.
    async fn dial(
        &self,
        to: &Destination,
        purpose: &Purpose,
        walk: Option<&WalkInfo>,
    ) -> Result<(PeerResponse, IpAddr), TransportError> {
        let is_heard = to.is_heard() && to.address().is_none();
        let most = if is_heard { 1 } else { ADDRESSES_MAX };
        let addresses = self.addresses(to).await?;
        let mut failed = TransportError::Connection("it has no address".to_owned());
        for at in addresses.into_iter().take(most) {
            to.claim(at.get())?;
            let _calling = match is_heard {
                true => self.dials.follow(at).await?,
                false => None,
            };
            self.counters.calls_sent.one();
            let request = PeerRequest {
                peer: to.url().clone(),
                at,
                expected: to.expected(),
                purpose: purpose.clone(),
                walk: walk.cloned(),
            };
            let sent = self.transport.send(request).await;
            let kind = match &sent {
                Ok(response) => Some(response.kind),
                Err(error) => error.kind(),
            };
            if let (Some(listener), Some(kind)) = (&self.kinds, kind) {
                listener.answered_as(to.url(), kind);
            }
            match sent {
                Ok(response) => {
                    if response.kind == PeerKind::Sixhop {
                        self.dials.answered(at);
                    }
                    return Ok((response, at.get().ip()));
                }
                Err(error @ (TransportError::Unreachable(_) | TransportError::NotShown(_))) => {
                    failed = error;
                }
                Err(error) => return Err(error),
            }
        }
        Err(failed)
    }
}

impl<T> Answered<T> {
    /// Returns the same answer with its meaning as the value.
    fn with<V>(self, value: V) -> Answered<V> {
        Answered {
            kind: self.kind,
            from: self.from,
            value,
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
