//! Accepting and serving control connections.
//!
//! # Participants
//! Two listeners: a socket in the state directory, which only the owner can reach, and a port of the loopback,
//! which every user of the machine can. Each has a [`Door`] of its own.
//!
//! # Invariants
//! - Who has shown the secret keeps its place, whatever strangers do; a stranger makes room for the next one. A token
//!   has few of these places.
//! - When the secret is renewed, connections that were opened with the old one end within [`RENEWED_TIME`].

use std::{convert::Infallible, net::SocketAddr, pin::pin, time::Duration};

use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, Empty, Full, Limited};
use hyper::{
    body::{Bytes, Incoming},
    client::conn::http1 as client,
    server::conn::http1,
    service::service_fn,
    upgrade,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use jsonrpsee::{
    Methods,
    server::{
        BatchRequestConfig, HttpBody, PingConfig, Server, ServerConfig, ServerHandle, StopHandle,
        middleware::rpc::RpcServiceBuilder, stop_channel, ws,
    },
};
use node_base::admission::{AdmissionLimits, Full as NoPlace};
use tokio::{
    io::{AsyncRead, AsyncWrite, duplex},
    net::{TcpListener, UnixListener},
    select,
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::{BoxError, Service};

use super::{
    Owner,
    allowed::{Check, Levels},
    calls::Places,
    guard::{self, Refused},
    held::{Door, Held, Place},
    ids::Ids,
    messages, metrics,
    rights::{Caller, Rights},
};

/// Path of the figures.
const METRICS: &str = "/metrics";

/// Path that says whether the node can do its work, without the secret.
const HEALTH: &str = "/healthz";

/// Connections of a listener at a time.
const CONNECTIONS: AdmissionLimits = AdmissionLimits {
    strangers: 64,
    owners: 64,
};

/// The time that connections go on after the secret was renewed, so that the caller has the answer.
const RENEWED_TIME: Duration = Duration::from_millis(250);

/// Longest body of a request, in bytes.
pub(super) const BODY_MAX: u32 = 64 * 1024;

/// Longest answer, in bytes.
pub(super) const ANSWER_MAX: u32 = 16 * 1024 * 1024;

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

/// Bytes on their way between a WebSocket and jsonrpsee.
const PIPE: usize = 64 * 1024;

/// Pause after an error of accepting.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Longest time for connections to end when the server stops.
pub(super) const STOP_TIME: Duration = Duration::from_secs(1);

/// The control server of a node.
#[derive(Debug)]
pub struct ControlServer {
    address: SocketAddr,
    cancel: CancellationToken,
    accepting: JoinHandle<()>,
}

/// The listeners for controllers.
#[derive(Debug)]
pub struct ControlListeners {
    /// The socket in the state directory, if the system has one.
    pub socket: Option<UnixListener>,
    /// The port of the loopback.
    pub port: TcpListener,
}

/// The parts that serve a connection.
#[derive(Clone)]
struct Serving {
    owner: Owner,
    methods: Methods,
    rights: Rights,
    levels: Levels,
    stop: StopHandle,
    places: Places,
    ids: Ids,
    /// The tasks of the connections.
    tasks: TaskTracker,
}

/// The parts that accept connections.
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
    /// Serves `owner` to clients that know its secret, and to holders of tokens what these may do.
    ///
    /// # Errors
    /// Errors if the system has no random numbers.
    pub fn start(listeners: ControlListeners, owner: Owner) -> std::io::Result<ControlServer> {
        let (stop, handle) = stop_channel();
        let address = owner.control;
        let cancel = CancellationToken::new();
        let cut = CancellationToken::new();
        let tasks = TaskTracker::new();
        let accepting = Accepting {
            renewals: owner.renewal.subscribe(),
            serving: Serving {
                rights: owner.rights.clone(),
                levels: Levels::of_contract(),
                methods: owner.clone().methods().into(),
                owner,
                stop,
                places: Places::new(),
                ids: Ids::new().map_err(std::io::Error::other)?,
                tasks: tasks.clone(),
            },
            tasks,
            stop: cancel.clone(),
            current: cut.child_token(),
            cut,
        };
        let accepting = tokio::spawn(accepting.run(listeners, handle));
        Ok(ControlServer {
            address,
            cancel,
            accepting,
        })
    }

    /// Returns the address on which it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the server and waits until its connections have ended.
    pub async fn stop(mut self) {
        self.cancel.cancel();
        if let Err(error) = (&mut self.accepting).await {
            tracing::error!(%error, "the control server broke");
        }
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl Accepting {
    async fn run(mut self, listeners: ControlListeners, handle: ServerHandle) {
        let (at_socket, at_port) = (Door::new(CONNECTIONS), Door::new(CONNECTIONS));
        let rights = tokio::spawn(keep_rights(self.serving.owner.clone(), self.stop.clone()));
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
        if let Err(error) = rights.await {
            tracing::error!(%error, "the tokens were not kept");
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

/// Ends tokens in time, and keeps their last uses.
async fn keep_rights(owner: Owner, stop: CancellationToken) {
    let (events, disk) = (owner.node.events(), owner.node.disk());
    owner.rights.clone().keep(events, disk, stop).await;
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
    let of_connection = cut.clone();
    let service = service_fn(move |request| {
        let cut = of_connection.clone();
        answer(serving.clone(), place.clone(), cut, request)
    });
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
    cut: CancellationToken,
    request: Request<Incoming>,
) -> Result<Response<HttpBody>, Infallible> {
    if let Err(refused) = guard::check_sender(request.headers()) {
        return Ok(refusal(refused));
    }
    if request.uri().path() == HEALTH {
        return Ok(match *request.method() {
            Method::GET | Method::HEAD => health(&serving.owner),
            _ => status_only(StatusCode::METHOD_NOT_ALLOWED),
        });
    }
    let caller = match serving.rights.caller(request.headers()) {
        Ok(caller) => caller,
        Err(refused) => return Ok(refusal(refused)),
    };
    if admitted(&place, &caller).is_err() {
        return Ok(status_only(StatusCode::SERVICE_UNAVAILABLE));
    }
    if ws::is_upgrade_request(&request) {
        let answered = web_socket(&serving, cut, caller, request).await;
        return Ok(answered.unwrap_or_else(|error| broke(&error.into())));
    }
    if request.uri().path() == METRICS && [Method::GET, Method::HEAD].contains(request.method()) {
        return Ok(figures(metrics::text(&serving.owner).await));
    }
    if request.method() != Method::POST {
        return Ok(only_post());
    }
    Ok(match whole(request).await {
        Ok((parts, body)) => call(&serving, caller, parts, body).await,
        Err(status) => status_only(status),
    })
}

/// Gives the connection a place among those of its caller.
fn admitted(place: &Place, caller: &Caller) -> Result<(), NoPlace> {
    if let Caller::Token(holder) = caller {
        place.count(holder.connections())?;
    }
    place.prove()
}

fn service(
    serving: &Serving,
    caller: Caller,
) -> impl Service<Request<HttpBody>, Response = Response<HttpBody>, Error = BoxError, Future: Send> + use<>
{
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
    let check = Check {
        caller,
        levels: serving.levels.clone(),
        node: serving.owner.node.clone(),
    };
    let middleware = RpcServiceBuilder::new()
        .layer_fn(move |inner| check.before(inner))
        .layer_fn(move |inner| places.place(inner));
    Server::builder()
        .set_config(config)
        .set_rpc_middleware(middleware)
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

/// Makes the calls of a request.
async fn call(serving: &Serving, caller: Caller, parts: Parts, body: Bytes) -> Response<HttpBody> {
    let mut rpc = service(serving, caller);
    let disguised = serving.ids.disguise(&body);
    let is_disguised = disguised.is_some();
    let body = HttpBody::new(Full::new(disguised.map_or(body, Bytes::from)));
    let answered = rpc.call(Request::from_parts(parts, body)).await;
    let answered = match answered {
        Ok(answered) if is_disguised => restored(&serving.ids, answered).await,
        answered => answered,
    };
    answered.unwrap_or_else(|error| broke(&error))
}

/// Returns the answer with the ids as they were written.
async fn restored(ids: &Ids, answered: Response<HttpBody>) -> Result<Response<HttpBody>, BoxError> {
    let (mut parts, body) = answered.into_parts();
    let answer = body.collect().await?.to_bytes();
    let answer = ids.restore(&answer).map_or(answer, Bytes::from);
    parts.headers.remove(header::CONTENT_LENGTH);
    Ok(Response::from_parts(
        parts,
        HttpBody::new(Full::new(answer)),
    ))
}

fn broke(error: &BoxError) -> Response<HttpBody> {
    tracing::error!(%error, "a control request broke");
    status_only(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Opens a WebSocket: jsonrpsee has the other end of a pipe, in which messages may be changed.
async fn web_socket(
    serving: &Serving,
    cut: CancellationToken,
    caller: Caller,
    mut request: Request<Incoming>,
) -> hyper::Result<Response<HttpBody>> {
    let (ours, theirs) = duplex(PIPE);
    let (inner, of_calls) = (serving.clone(), caller.clone());
    let rpc = service_fn(move |request: Request<Incoming>| {
        let mut rpc = service(&inner, of_calls.clone());
        async move {
            let answered = rpc.call(request.map(HttpBody::new)).await;
            Ok::<_, Infallible>(answered.unwrap_or_else(|error| broke(&error)))
        }
    });
    let server = http1::Builder::new()
        .serve_connection(TokioIo::new(theirs), rpc)
        .with_upgrades();
    let (mut sender, connection) = client::handshake(TokioIo::new(ours)).await?;
    // Both end when they have handed on their ends of the pipe.
    drop(serving.tasks.spawn(until_cut(cut.clone(), server)));
    drop(
        serving
            .tasks
            .spawn(until_cut(cut.clone(), connection.with_upgrades())),
    );
    let socket = upgrade::on(&mut request);
    // Nothing in the pipe understands them.
    request
        .headers_mut()
        .remove(header::SEC_WEBSOCKET_EXTENSIONS);
    let mut asked = Request::new(Empty::<Bytes>::new());
    *asked.uri_mut() = request.uri().clone();
    *asked.headers_mut() = std::mem::take(request.headers_mut());
    let mut answered = sender.send_request(asked).await?;
    if answered.status() == StatusCode::SWITCHING_PROTOCOLS {
        let pipe = upgrade::on(&mut answered).await?;
        let ids = serving.ids.clone();
        let passing = async move {
            if let Ok(socket) = socket.await {
                let passing = messages::pass(TokioIo::new(socket), TokioIo::new(pipe), &ids);
                caller.until_ended(passing).await;
            }
        };
        drop(serving.tasks.spawn(until_cut(cut.clone(), passing)));
    }
    Ok(answered.map(HttpBody::new))
}

async fn until_cut(cut: CancellationToken, task: impl Future) {
    drop(cut.run_until_cancelled_owned(task).await);
}

/// Says whether the node can do its work. Strangers of this machine may ask, so it says no more than that.
fn health(owner: &Owner) -> Response<HttpBody> {
    let (status, text) = if owner.node.share().trouble().is_none() {
        (StatusCode::OK, "ok\n")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "the shared directory cannot be used; `ctl status` says why\n",
        )
    };
    let mut response = status_only(status);
    *response.body_mut() = HttpBody::new(Full::new(Bytes::from_static(text.as_bytes())));
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}

fn figures(text: String) -> Response<HttpBody> {
    let mut response = Response::new(HttpBody::new(Full::new(Bytes::from(text))));
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_static(metrics::CONTENT_TYPE);
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn only_post() -> Response<HttpBody> {
    let mut response = status_only(StatusCode::METHOD_NOT_ALLOWED);
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
    response
}

fn refusal(refused: Refused) -> Response<HttpBody> {
    tracing::warn!(?refused, "a control request is refused");
    let mut response = Response::new(HttpBody::new(Full::new(Bytes::from_static(
        refused.text().as_bytes(),
    ))));
    *response.status_mut() = refused.status();
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    if refused.status() == StatusCode::UNAUTHORIZED {
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
