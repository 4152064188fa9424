//! Accepting and serving control connections.
//!
//! # Participants
//! Two listeners: a socket in the state directory, which only the owner can reach, and a port of the loopback,
//! which every user of the machine can. Each has a [`Door`] of its own.
//!
//! # Invariants
//! - Who has shown the secret keeps its place, whatever strangers do; a stranger makes room for the next one.
//! - When the secret is renewed, connections that were opened with the old one end within [`RENEWED_TIME`].

use std::{convert::Infallible, net::SocketAddr, pin::pin, time::Duration};

use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use jsonrpsee::{
    Methods,
    server::{
        BatchRequestConfig, HttpBody, PingConfig, Server, ServerConfig, ServerHandle, StopHandle,
        middleware::rpc::RpcServiceBuilder, stop_channel, ws,
    },
};
use node_base::{admission::AdmissionLimits, secret::Secret};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    select,
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service;

use super::{
    Owner,
    calls::Places,
    guard::{self, Refused},
    held::{Door, Held, Place},
    ids::Sorted,
};

/// Connections of a listener at a time.
const CONNECTIONS: AdmissionLimits = AdmissionLimits {
    strangers: 64,
    owners: 64,
};

/// How long connections go on when the secret was renewed, so that whoever asked for it has the answer.
const RENEWED_TIME: Duration = Duration::from_millis(250);

/// Longest body of a request, in bytes.
const BODY_MAX: u32 = 64 * 1024;

/// Longest answer, in bytes.
const ANSWER_MAX: u32 = 16 * 1024 * 1024;

/// Most calls in a batch.
const BATCH_MAX: u32 = 64;

/// Subscriptions of one connection.
const SUBSCRIPTIONS_MAX: u32 = 8;

/// Messages that wait for a slow reader of a WebSocket.
const MESSAGES_MAX: u32 = 64;

/// Longest time for the head of a request, and longest pause between two.
const HEAD_TIME: Duration = Duration::from_secs(15);

/// Longest time for a body.
const BODY_TIME: Duration = Duration::from_secs(5);

/// A WebSocket is asked for life this often.
const PING_EVERY: Duration = Duration::from_secs(10);

/// A WebSocket that shows no life for so long is closed.
const PING_PATIENCE: Duration = Duration::from_secs(30);

/// Pause after an error of accepting.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Longest time for connections to end when the server stops.
const STOP_TIME: Duration = Duration::from_secs(1);

/// The control server of a node.
#[derive(Debug)]
pub struct ControlServer {
    address: SocketAddr,
    cancel: CancellationToken,
    accepting: JoinHandle<()>,
}

/// Where controllers connect.
#[derive(Debug)]
pub struct ControlListeners {
    /// The socket in the state directory, if the system has one.
    pub socket: Option<UnixListener>,
    /// The port of the loopback.
    pub port: TcpListener,
}

/// What serves a connection.
#[derive(Clone)]
struct Serving {
    methods: Methods,
    secret: Secret,
    stop: StopHandle,
    places: Places,
}

/// What accepts connections.
struct Accepting {
    serving: Serving,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Cuts all connections at the end.
    cut: CancellationToken,
    /// Cuts the connections that were opened with the secret of now.
    current: CancellationToken,
    renewals: watch::Receiver<u64>,
}

impl ControlServer {
    /// Serves `owner` to those who know `secret`.
    #[must_use]
    pub fn start(listeners: ControlListeners, owner: Owner) -> ControlServer {
        let (stop, handle) = stop_channel();
        let address = owner.control;
        let cancel = CancellationToken::new();
        let cut = CancellationToken::new();
        let accepting = Accepting {
            renewals: owner.renewal.subscribe(),
            serving: Serving {
                secret: owner.renewal.secret(),
                methods: owner.methods().into(),
                stop,
                places: Places::new(),
            },
            tasks: TaskTracker::new(),
            stop: cancel.clone(),
            current: cut.child_token(),
            cut,
        };
        let accepting = tokio::spawn(accepting.run(listeners, handle));
        ControlServer {
            address,
            cancel,
            accepting,
        }
    }

    /// The address on which it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the server and waits until its connections have ended.
    pub async fn stop(self) {
        self.cancel.cancel();
        if let Err(error) = self.accepting.await {
            tracing::error!(%error, "the control server broke");
        }
    }
}

impl Accepting {
    async fn run(mut self, listeners: ControlListeners, handle: ServerHandle) {
        let (at_socket, at_port) = (Door::new(CONNECTIONS), Door::new(CONNECTIONS));
        loop {
            select! {
                () = self.stop.cancelled() => break,
                Ok(()) = self.renewals.changed() => self.renewed(),
                accepted = accept(listeners.socket.as_ref()) => match accepted {
                    Ok((stream, _)) => self.serve(stream, &at_socket),
                    Err(error) => not_accepted(&error).await,
                },
                accepted = listeners.port.accept() => match accepted {
                    Ok((stream, _)) => self.serve(stream, &at_port),
                    Err(error) => not_accepted(&error).await,
                },
            }
        }
        drop((listeners, self.serving));
        self.tasks.close();
        // Tells the WebSockets; those that are no connection of ours any more, too.
        let _ = handle.stop();
        let ended = async { tokio::join!(self.tasks.wait(), handle.stopped()) };
        if timeout(STOP_TIME, ended).await.is_err() {
            self.cut.cancel();
            self.tasks.wait().await;
        }
    }

    /// Has connections that were opened with the secret of before end soon.
    fn renewed(&mut self) {
        let before = std::mem::replace(&mut self.current, self.cut.child_token());
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            select! {
                () = sleep(RENEWED_TIME) => before.cancel(),
                () = stop.cancelled() => {}
            }
        });
    }

    fn serve<S>(&self, stream: S, door: &Door)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let cut = self.current.child_token();
        let place = door.admit(cut.clone());
        let held = Held::new(stream, place.clone(), &cut);
        let (serving, stop) = (self.serving.clone(), self.stop.clone());
        self.tasks
            .spawn(connection(held, serving, place, stop, cut));
    }
}

/// Accepts from a socket, if there is one.
async fn accept(
    socket: Option<&UnixListener>,
) -> std::io::Result<(tokio::net::UnixStream, tokio::net::unix::SocketAddr)> {
    match socket {
        Some(socket) => socket.accept().await,
        None => std::future::pending().await,
    }
}

async fn not_accepted(error: &std::io::Error) {
    tracing::warn!(%error, "a control connection could not be accepted");
    sleep(ACCEPT_PAUSE).await;
}

async fn connection<S>(
    held: Held<S>,
    serving: Serving,
    place: Place,
    stop: CancellationToken,
    cut: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| answer(serving.clone(), place.clone(), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(held), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = select! {
        ended = connection.as_mut() => ended,
        () = cut.cancelled() => Ok(()),
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            select! {
                ended = connection => ended,
                () = cut.cancelled() => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        tracing::trace!(%error, "a control connection broke");
    }
}

async fn answer(
    serving: Serving,
    place: Place,
    request: Request<Incoming>,
) -> Result<Response<HttpBody>, Infallible> {
    if let Err(refused) = guard::check(request.headers(), &serving.secret) {
        tracing::warn!(?refused, "a control request is refused");
        return Ok(refusal(refused));
    }
    if place.prove().is_err() {
        return Ok(status_only(StatusCode::SERVICE_UNAVAILABLE));
    }
    let mut rpc = service(&serving);
    let answered = if ws::is_upgrade_request(&request) {
        rpc.call(request.map(HttpBody::new)).await
    } else {
        if request.method() != Method::POST {
            return Ok(only_post());
        }
        match whole(request).await {
            Ok((parts, body)) => {
                let sorted = Sorted::of(body);
                match sorted.rest.clone() {
                    Some(rest) => {
                        let request = Request::from_parts(parts, HttpBody::new(Full::new(rest)));
                        let answered = rpc.call(request).await;
                        match answered {
                            Ok(answered) if !sorted.refused.is_empty() => {
                                with_refused(answered, sorted).await
                            }
                            answered => answered,
                        }
                    }
                    None => Ok(json(sorted.answer(None))),
                }
            }
            Err(status) => return Ok(status_only(status)),
        }
    };
    Ok(answered.unwrap_or_else(|error| {
        tracing::error!(%error, "a control request broke");
        status_only(StatusCode::INTERNAL_SERVER_ERROR)
    }))
}

fn service(
    serving: &Serving,
) -> impl Service<
    Request<HttpBody>,
    Response = Response<HttpBody>,
    Error = tower::BoxError,
    Future: Send,
> + use<> {
    let config = ServerConfig::builder()
        .max_request_body_size(BODY_MAX)
        .max_response_body_size(ANSWER_MAX)
        .max_subscriptions_per_connection(SUBSCRIPTIONS_MAX)
        .set_message_buffer_capacity(MESSAGES_MAX)
        .set_batch_request_config(BatchRequestConfig::Limit(BATCH_MAX))
        .enable_ws_ping(
            PingConfig::new()
                .ping_interval(PING_EVERY)
                .inactive_limit(PING_PATIENCE),
        )
        .build();
    let places = serving.places.clone();
    Server::builder()
        .set_config(config)
        .set_rpc_middleware(RpcServiceBuilder::new().layer_fn(move |inner| places.place(inner)))
        .to_service_builder()
        .build(serving.methods.clone(), serving.stop.clone())
}

/// Reads the body within its limits, so that jsonrpsee never waits for one.
async fn whole(request: Request<Incoming>) -> Result<(Parts, Bytes), StatusCode> {
    let (parts, body) = request.into_parts();
    let limited = Limited::new(body, BODY_MAX as usize);
    let body = timeout(BODY_TIME, limited.collect())
        .await
        .map_err(|_| StatusCode::REQUEST_TIMEOUT)?
        .map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
    Ok((parts, body.to_bytes()))
}

/// The answer to a batch of which some calls were refused.
async fn with_refused(
    answered: Response<HttpBody>,
    sorted: Sorted,
) -> Result<Response<HttpBody>, tower::BoxError> {
    let (_, body) = answered.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(json(sorted.answer(Some(&body))))
}

fn json(body: Vec<u8>) -> Response<HttpBody> {
    let mut response = Response::new(HttpBody::new(Full::new(Bytes::from(body))));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    response
}

fn only_post() -> Response<HttpBody> {
    let mut response = status_only(StatusCode::METHOD_NOT_ALLOWED);
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
    response
}

fn refusal(refused: Refused) -> Response<HttpBody> {
    let mut response = Response::new(HttpBody::new(Full::new(Bytes::from_static(
        refused.text().as_bytes(),
    ))));
    *response.status_mut() = refused.status();
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    if refused == Refused::Secret {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn status_only(status: StatusCode) -> Response<HttpBody> {
    let mut response = Response::new(HttpBody::new(Full::<Bytes>::default()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
