//! Accepting and serving control connections.

use std::{convert::Infallible, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use http::{HeaderValue, Request, Response, StatusCode, header};
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
use node_base::secret::Secret;
use tokio::{
    net::{TcpListener, TcpStream},
    select,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service;

use super::{
    Owner,
    calls::Places,
    guard::{self, Refused},
};

/// Connections at a time.
const CONNECTIONS_MAX: usize = 64;

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

/// What serves a connection.
#[derive(Clone)]
struct Serving {
    methods: Methods,
    secret: Arc<Secret>,
    stop: StopHandle,
    places: Places,
}

impl ControlServer {
    /// Serves `owner` to those who know `secret`.
    #[must_use]
    pub fn start(listener: TcpListener, secret: Secret, owner: Owner) -> ControlServer {
        let (stop, handle) = stop_channel();
        let address = owner.control;
        let serving = Serving {
            methods: owner.methods().into(),
            secret: Arc::new(secret),
            stop,
            places: Places::new(),
        };
        let cancel = CancellationToken::new();
        let accepting = tokio::spawn(accept(listener, serving, handle, cancel.clone()));
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

async fn accept(
    listener: TcpListener,
    serving: Serving,
    handle: ServerHandle,
    cancel: CancellationToken,
) {
    let (tasks, room) = (
        TaskTracker::new(),
        Arc::new(Semaphore::new(CONNECTIONS_MAX)),
    );
    let cut = CancellationToken::new();
    loop {
        select! {
            () = cancel.cancelled() => break,
            accepted = listener.accept() => match (accepted, Arc::clone(&room).try_acquire_owned()) {
                (Ok((socket, _)), Ok(place)) => {
                    drop(tasks.spawn(connection(socket, serving.clone(), place, cancel.clone(), cut.clone())));
                }
                (Ok(_), Err(_)) => tracing::warn!("a control connection is refused: there are {CONNECTIONS_MAX}"),
                (Err(error), _) => {
                    tracing::warn!(%error, "a control connection could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
    drop((listener, serving));
    tasks.close();
    // Tells the WebSockets; those that are no connection of ours any more, too.
    let _ = handle.stop();
    if timeout(STOP_TIME, async {
        tokio::join!(tasks.wait(), handle.stopped())
    })
    .await
    .is_err()
    {
        cut.cancel();
        tasks.wait().await;
    }
}

async fn connection(
    socket: TcpStream,
    serving: Serving,
    _place: OwnedSemaphorePermit,
    stop: CancellationToken,
    cut: CancellationToken,
) {
    let service = service_fn(move |request| answer(serving.clone(), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = select! {
        ended = connection.as_mut() => ended,
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
    request: Request<Incoming>,
) -> Result<Response<HttpBody>, Infallible> {
    if let Err(refused) = guard::check(request.headers(), &serving.secret) {
        tracing::warn!(?refused, "a control request is refused");
        return Ok(refusal(refused));
    }
    let mut rpc = service(&serving);
    let answered = if ws::is_upgrade_request(&request) {
        rpc.call(request.map(HttpBody::new)).await
    } else {
        match whole(request).await {
            Ok(request) => rpc.call(request).await,
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
async fn whole(request: Request<Incoming>) -> Result<Request<HttpBody>, StatusCode> {
    let (parts, body) = request.into_parts();
    let limited = Limited::new(body, BODY_MAX as usize);
    let body = timeout(BODY_TIME, limited.collect())
        .await
        .map_err(|_| StatusCode::REQUEST_TIMEOUT)?
        .map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
    Ok(Request::from_parts(
        parts,
        HttpBody::new(Full::new(body.to_bytes())),
    ))
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
