//! The transport over the network: HTTP/1.1, over TLS to the nodes whose id is known.
//!
//! In clear, for `hello` and `query` no connection is kept. A peer of the chapter serves one connection at a time,
//! so a kept one would shut out everybody else; and a peer that closes a kept
//! one just as it is used again would look as if it could not be reached.
//! Methods that only Sixhop nodes answer go over connections that are kept for a while, and so
//! does everything over TLS.

use std::{error::Error, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, TryFutureExt, future::BoxFuture};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, BodyStream as Frames, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use node_wire::{
    About, AnswerRate, Budget, Charset, about, answer_rate, asking, budget,
    bundle::DIGESTS_TYPE,
    node_id::{NodeId, Nonce, TOKEN_HEADER},
    peer_url::PeerUrl,
    query_id, through,
};

use super::{
    connector::{Connector, origin},
    destination::Destination,
    pins::Pins,
    resolve::{AddressesOnly, Resolver},
    tls::{Tls, TlsError},
    tokens::Tokens,
    transport::{
        BodyStream, PeerKind, PeerRequest, PeerResponse, Purpose, SERVER_NAME, Transport,
        TransportError,
    },
};
use crate::{
    identity::random_nonce,
    network::{NETWORK_HEADER, NetworkKey, Tag, Tagged},
};
use node_base::rate::Rate;

/// Longest time to connect.
const CONNECT: Duration = Duration::from_secs(3);

/// Longest head of a response, and the size of a read, in bytes.
const BUFFER: usize = 64 * 1024;

/// The same for connections that carry content, in bytes.
const CONTENT_BUFFER: usize = 256 * 1024;

/// The least of it for a node that limits its downloads, in bytes.
const LIMITED_BUFFER_MIN: usize = 16 * 1024;

/// Most bytes that a connection with TLS reads ahead: several records, which are 16 KiB.
const TLS_AHEAD: usize = 64 * 1024;

/// The time that an unused connection is kept. Less than a Sixhop node waits
/// for the next request.
const IDLE: Duration = Duration::from_secs(5);

/// Most connections to one peer that are kept unused.
const IDLE_MAX: usize = 32;

/// Shortest and longest time after which a busy peer is asked again.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Most header lines of a response.
const HEADERS: usize = 64;

/// Calls over the network.
#[derive(Clone, Debug)]
pub struct HttpTransport {
    /// A connection for each call.
    single: HttpClient,
    /// Connections that are kept.
    kept: HttpClient,
    resolver: Resolver,
    tokens: Arc<Tokens>,
    network: Option<NetworkKey>,
    /// The nodes that were met, by place; `None` if this node has no key for TLS.
    pins: Option<Pins>,
}

type HttpClient = Client<Connector, Full<Bytes>>;

impl HttpTransport {
    /// Creates a transport that reads as fast as content comes.
    #[must_use]
    pub fn new() -> HttpTransport {
        HttpTransport::reading(CONTENT_BUFFER, None)
    }

    /// Creates a transport that reads no further ahead than content passes the download
    /// rate: a peer would take long pauses between large reads for a reader that stalls.
    #[must_use]
    pub fn at_rate(rate: &Rate) -> HttpTransport {
        HttpTransport::reading(buffer_for(rate), None)
    }

    /// Creates the same transport, which speaks TLS to the nodes in `pins`.
    #[must_use]
    pub fn with_tls(rate: &Rate, tls: Tls, pins: Pins) -> HttpTransport {
        HttpTransport {
            pins: Some(pins),
            ..HttpTransport::reading(buffer_for(rate), Some(tls))
        }
    }

    fn reading(buffer: usize, tls: Option<Tls>) -> HttpTransport {
        let mut tcp = HttpConnector::new_with_resolver(AddressesOnly);
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.set_nodelay(true);
        let ahead = TLS_AHEAD.min(buffer);
        let connector = Connector { tcp, tls, ahead };
        let single = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .http1_max_buf_size(BUFFER.min(buffer))
            .http1_max_headers(HEADERS)
            .build(connector.clone());
        let kept = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_MAX)
            .http1_max_buf_size(buffer)
            .http1_max_headers(HEADERS)
            .build(connector);
        HttpTransport {
            single,
            kept,
            resolver: Resolver::new(),
            tokens: Arc::default(),
            network: None,
            pins: None,
        }
    }

    /// Creates a transport that calls as a member of a private network, and believes its members only.
    #[must_use]
    pub fn of_network(mut self, key: Option<NetworkKey>) -> HttpTransport {
        self.network = key;
        self
    }
}

fn buffer_for(rate: &Rate) -> usize {
    match rate.limit() {
        None => CONTENT_BUFFER,
        Some(_) => rate.turn().clamp(LIMITED_BUFFER_MIN, CONTENT_BUFFER),
    }
}

/// Lets a request show that it comes from a member of the network. Gives what the
/// answer has to show.
fn sign(
    key: &NetworkKey,
    peer: &PeerUrl,
    body: &[u8],
    request: &mut Request<Full<Bytes>>,
) -> Option<Tag> {
    let nonce = random_nonce();
    let about = Tagged {
        node: peer,
        method: request.method().as_str(),
        path: request.uri().path_and_query()?.as_str(),
        range: match request.headers().get(header::RANGE) {
            Some(range) => Some(range.to_str().ok()?),
            None => None,
        },
        body,
    };
    let tag = key.of_request(nonce, about).to_string().parse().ok()?;
    request.headers_mut().insert(NETWORK_HEADER, tag);
    Some(key.of_answer(nonce, peer))
}

impl Default for HttpTransport {
    fn default() -> HttpTransport {
        HttpTransport::new()
    }
}

impl Purpose {
    /// Returns the body of the request.
    fn body(&self) -> &[u8] {
        match self {
            Purpose::Call(body) | Purpose::Find(body) | Purpose::Bundle(body) => body,
            Purpose::Blob { .. } | Purpose::Tree { .. } | Purpose::Search(_) => &[],
        }
    }
}

impl Transport for HttpTransport {
    fn resolve(
        &self,
        peer: &Destination,
    ) -> BoxFuture<'static, Result<Vec<SocketAddr>, TransportError>> {
        let (resolver, peer) = (self.resolver.clone(), peer.clone());
        let broken = |error: io::Error| TransportError::Connection(error.to_string());
        Box::pin(async move { resolver.resolve(&peer).await.map_err(broken) })
    }

    fn keep_token(&self, peer: &PeerUrl, token: Nonce) {
        self.tokens.keep(peer, token);
    }

    fn send(
        &self,
        request: PeerRequest,
    ) -> BoxFuture<'static, Result<PeerResponse, TransportError>> {
        let expected = self.expected(&request);
        let client = match (&request.purpose, expected) {
            (Purpose::Call(_), None) => self.single.clone(),
            _ => self.kept.clone(),
        };
        // The connection itself shows who this node is.
        let token = match expected {
            None => self.tokens.of(&request.peer),
            Some(_) => None,
        };
        let (transport, peer) = (self.clone(), request.peer.clone());
        Box::pin(async move {
            let purpose = request.purpose.clone();
            let mut request = http_request(&request, expected)?;
            if let Some(token) = token.and_then(|token| token.to_string().parse().ok()) {
                request.headers_mut().insert(TOKEN_HEADER, token);
            }
            let key = transport.network.as_ref();
            let tag = key.map(|key| sign(key, &peer, purpose.body(), &mut request));
            let response = client
                .request(request)
                .map_err(|error| transport.not_answered(&peer, &error))
                .await?;
            if let (Some(id), Some(pins)) = (expected, &transport.pins) {
                // The connection has shown it.
                pins.pin(&peer, id);
            }
            let wanted_part = matches!(purpose, Purpose::Blob { .. });
            check_head(&response, tag, wanted_part)?;
            Ok(read_head(response))
        })
    }
}

impl HttpTransport {
    /// Returns the node that is to answer a request, if it is known: the request goes over
    /// TLS then. The node that was met there counts more than the word of others.
    fn expected(&self, request: &PeerRequest) -> Option<NodeId> {
        let pins = self.pins.as_ref()?;
        pins.of(&request.peer).or(request.expected)
    }

    fn not_answered(
        &self,
        peer: &PeerUrl,
        error: &hyper_util::client::legacy::Error,
    ) -> TransportError {
        let error = not_answered(error);
        match (&error, &self.pins) {
            (TransportError::NotShown(text), Some(pins)) => pins.refused(peer, text),
            (TransportError::Unreachable(_), _) => self.resolver.forget(peer.host()),
            _ => {}
        }
        error
    }
}

/// Checks that a response is the success that was asked for, with the right tag in a
/// private network.
fn check_head(
    response: &Response<Incoming>,
    tag: Option<Option<Tag>>,
    wanted_part: bool,
) -> Result<(), TransportError> {
    let (status, headers) = (response.status(), response.headers());
    let kind = kind_of(headers);
    // Who is too busy to read a request cannot show that it is a member.
    if matches!(
        status,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
    ) {
        let wait = retry_after(headers.get(header::RETRY_AFTER));
        return Err(TransportError::Busy { wait, kind });
    }
    if let Some(tag) = tag {
        let shown = headers.get(NETWORK_HEADER);
        let shown = shown.and_then(|shown| shown.to_str().ok()?.parse::<Tag>().ok());
        match (tag, shown) {
            (Some(tag), Some(shown)) if tag.is(&shown) => {}
            _ => return Err(TransportError::Foreign),
        }
    }
    if status != StatusCode::OK && !(wanted_part && status == StatusCode::PARTIAL_CONTENT) {
        let status = status.as_u16();
        return Err(TransportError::Status { status, kind });
    }
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(TransportError::Encoded);
    }
    Ok(())
}

/// Reads the framing of the body in the head of a response.
fn read_head(response: Response<Incoming>) -> PeerResponse {
    let headers = response.headers();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    PeerResponse {
        kind: kind_of(headers),
        status: response.status().as_u16(),
        range: text(header::CONTENT_RANGE.as_str()).map(str::to_owned),
        charset: Charset::of_content_type(text(header::CONTENT_TYPE.as_str())),
        length: text(header::CONTENT_LENGTH.as_str()).and_then(|length| length.parse().ok()),
        budget_left: text(budget::LEFT_HEADER).and_then(Budget::from_header),
        rate: text(answer_rate::HEADER).and_then(AnswerRate::from_header),
        about: text(about::HEADER)
            .map(About::from_header)
            .unwrap_or_default(),
        body: stream(response.into_body()),
    }
}

/// Reads what kind of node sent an answer, whatever its status.
fn kind_of(headers: &HeaderMap) -> PeerKind {
    let server = headers.get(header::SERVER);
    PeerKind::of_server(server.and_then(|name| name.to_str().ok()))
}

/// Reads how long a busy peer asks to wait: whole seconds, within limits.
fn retry_after(value: Option<&HeaderValue>) -> Duration {
    let seconds = value.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Duration::from_secs(seconds.unwrap_or(1)).clamp(RETRY_MIN, RETRY_MAX)
}

fn http_request(
    request: &PeerRequest,
    expected: Option<NodeId>,
) -> Result<Request<Full<Bytes>>, TransportError> {
    let peer = &request.peer;
    let origin = origin(request.at, expected);
    // To the address that was checked; the name is not looked up again.
    let mut builder = Request::builder()
        .header(header::HOST, peer.authority())
        .header(header::USER_AGENT, SERVER_NAME)
        .header(
            header::ACCEPT_ENCODING,
            HeaderValue::from_static("identity"),
        );
    if let Some(walk) = &request.walk {
        builder = builder.header(query_id::HEADER, walk.id.to_hex());
        if !walk.asking.is_empty() {
            builder = builder.header(asking::HEADER, walk.asking.to_string());
        }
        builder = builder.header(budget::HEADER, walk.budget.to_string());
    }
    if let (Purpose::Call(_), None) = (&request.purpose, expected) {
        builder = builder.header(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let Purpose::Blob { through, .. } | Purpose::Tree { through, .. } = &request.purpose
        && let Some(holder) = through
    {
        builder = builder.header(through::HEADER, holder.as_str());
    }
    let built = match &request.purpose {
        Purpose::Call(body) | Purpose::Find(body) => builder
            .method(Method::POST)
            .uri(format!("{origin}{}", peer.path()))
            .header(header::CONTENT_TYPE, "text/xml")
            .body(Full::new(body.clone())),
        Purpose::Blob { digest, range, .. } => builder
            .method(Method::GET)
            .uri(format!("{origin}/blobs/{digest}"))
            .header(
                header::RANGE,
                format!("bytes={}-{}", range.start, range.end.saturating_sub(1)),
            )
            .body(Full::default()),
        Purpose::Tree { digest, .. } => builder
            .method(Method::GET)
            .uri(format!("{origin}/blobs/{digest}/tree"))
            .body(Full::default()),
        Purpose::Bundle(digests) => builder
            .method(Method::POST)
            .uri(format!("{origin}/blobs"))
            .header(header::CONTENT_TYPE, DIGESTS_TYPE)
            .body(Full::new(digests.clone())),
        Purpose::Search(query) => builder
            .method(Method::GET)
            .uri(format!("{origin}/search?{query}"))
            .body(Full::default()),
    };
    built.map_err(|error| TransportError::Connection(error.to_string()))
}

fn stream(body: Incoming) -> BodyStream {
    let frames = Frames::new(body.map_err(|error| broken(&error)));
    Box::pin(frames.filter_map(async |frame| match frame {
        Ok(frame) => frame.into_data().ok().map(Ok),
        Err(error) => Some(Err(error)),
    }))
}

/// Returns the error of a request without an answer: no connection, or it broke.
fn not_answered(error: &hyper_util::client::legacy::Error) -> TransportError {
    if let Some(TlsError::NotShown(text)) = cause_of(error) {
        TransportError::NotShown(text.clone())
    } else if error.is_connect() {
        TransportError::Unreachable(last_cause(error))
    } else {
        broken(error)
    }
}

fn broken(error: &(dyn Error + 'static)) -> TransportError {
    TransportError::Connection(last_cause(error))
}

/// Returns the cause of an error that is of this type, if one is.
fn cause_of<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut cause = Some(error);
    while let Some(this) = cause {
        if let Some(found) = this.downcast_ref() {
            return Some(found);
        }
        cause = this.source();
    }
    None
}

/// Returns the last cause of an error, which a person can use.
fn last_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
