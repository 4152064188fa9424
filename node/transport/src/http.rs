//! The transport over the network: HTTP/1.1, over TLS to the nodes whose id is known.
//!
//! In clear, for `hello` and `query` no connection is kept. A chapter peer serves one connection at a time,
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
    node_id::{Nonce, TOKEN_HEADER},
    peer_url::PeerUrl,
    query_id, through,
};

use super::{
    connector::{Connector, Wanted, origin},
    destination::Destination,
    member::NotMember,
    network::NetworkKey,
    pins::Pins,
    resolve::{AddressesOnly, Resolver},
    stream::ShownId,
    tls::{Tls, TlsError},
    tokens::Tokens,
    transport::{
        BodyStream, PeerKind, PeerRequest, PeerResponse, Purpose, SERVER_NAME, Transport,
        TransportError,
    },
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
    /// True in a private network: nothing is said in clear.
    is_private: bool,
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

    /// Creates the same transport, which speaks TLS to the nodes in `pins`. With the key of a
    /// private network it speaks TLS to everybody, and only to members.
    #[must_use]
    pub fn with_tls(
        rate: &Rate,
        tls: Tls,
        pins: Pins,
        network: Option<NetworkKey>,
    ) -> HttpTransport {
        let is_private = network.is_some();
        HttpTransport {
            pins: Some(pins),
            is_private,
            ..HttpTransport::reading(buffer_for(rate), Some((tls, network)))
        }
    }

    fn reading(buffer: usize, tls: Option<(Tls, Option<NetworkKey>)>) -> HttpTransport {
        let mut tcp = HttpConnector::new_with_resolver(AddressesOnly);
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.set_nodelay(true);
        let (tls, network) = tls.unzip();
        let connector = Connector {
            tcp,
            tls,
            network: network.flatten(),
            ahead: TLS_AHEAD.min(buffer),
        };
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
            is_private: false,
            pins: None,
        }
    }
}

fn buffer_for(rate: &Rate) -> usize {
    match rate.limit() {
        None => CONTENT_BUFFER,
        Some(_) => rate.turn().clamp(LIMITED_BUFFER_MIN, CONTENT_BUFFER),
    }
}

impl Default for HttpTransport {
    fn default() -> HttpTransport {
        HttpTransport::new()
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
        let wanted = self.wanted(&request);
        let client = match (&request.purpose, wanted) {
            (Purpose::Call(_), Wanted::Clear) => self.single.clone(),
            _ => self.kept.clone(),
        };
        // Over TLS the connection itself shows who this node is.
        let token = match wanted {
            Wanted::Clear => self.tokens.of(&request.peer),
            Wanted::AnyNode | Wanted::Node(_) => None,
        };
        let (transport, peer) = (self.clone(), request.peer.clone());
        Box::pin(async move {
            let wanted_part = matches!(request.purpose, Purpose::Blob { .. });
            let mut request = http_request(&request, wanted)?;
            if let Some(token) = token.and_then(|token| token.to_string().parse().ok()) {
                request.headers_mut().insert(TOKEN_HEADER, token);
            }
            let response = client
                .request(request)
                .map_err(|error| transport.not_answered(&peer, wanted, &error))
                .await?;
            let shown = response.extensions().get::<ShownId>();
            if let (Some(ShownId(id)), Some(pins)) = (shown, &transport.pins) {
                pins.pin(&peer, *id);
            }
            check_head(&response, wanted_part)?;
            Ok(read_head(response))
        })
    }
}

impl HttpTransport {
    /// Returns the connection that a request needs. The node that was met there counts more
    /// than the word of others.
    fn wanted(&self, request: &PeerRequest) -> Wanted {
        let pins = self.pins.as_ref();
        let expected = pins.and_then(|pins| pins.of(&request.peer).or(request.expected));
        match expected {
            Some(id) => Wanted::Node(id),
            None if self.is_private => Wanted::AnyNode,
            None => Wanted::Clear,
        }
    }

    fn not_answered(
        &self,
        peer: &PeerUrl,
        wanted: Wanted,
        error: &hyper_util::client::legacy::Error,
    ) -> TransportError {
        let error = match (not_answered(error), wanted) {
            // Nobody is expected there: a node that speaks no TLS is no member.
            (TransportError::NotShown(_), Wanted::AnyNode) => TransportError::Foreign,
            (error, _) => error,
        };
        match (&error, &self.pins) {
            (TransportError::NotShown(text), Some(pins)) => pins.refused(peer, text),
            (TransportError::Unreachable(_), _) => self.resolver.forget(peer.host()),
            _ => {}
        }
        error
    }
}

/// Checks that a response is the success that was asked for.
fn check_head(response: &Response<Incoming>, wanted_part: bool) -> Result<(), TransportError> {
    let (status, headers) = (response.status(), response.headers());
    let kind = kind_of(headers);
    if matches!(
        status,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
    ) {
        let wait = retry_after(headers.get(header::RETRY_AFTER));
        return Err(TransportError::Busy { wait, kind });
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
    wanted: Wanted,
) -> Result<Request<Full<Bytes>>, TransportError> {
    let peer = &request.peer;
    let origin = origin(request.at, wanted);
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
    if let (Purpose::Call(_), Wanted::Clear) = (&request.purpose, wanted) {
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
    if cause_of::<NotMember>(error).is_some() {
        TransportError::Foreign
    } else if let Some(TlsError::NotShown(text)) = cause_of(error) {
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
