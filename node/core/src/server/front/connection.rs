//! Serving one connection.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Instant,
};

use axum::{Router, body::Body, response::Response};
use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http::{HeaderValue, Request, StatusCode, header};
use http_body::{Frame, SizeHint};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use node_transport::{PeerPath, PeerStream};
use tokio::{io::AsyncWriteExt, net::TcpStream, select, time::timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{
    BodyLimits, Cut, Handshakes, Local, Remote,
    admission::{Admission, ConnectionLimits, ConnectionTable, Progress},
    framing::{HEAD_MAX, HEADERS_MAX},
    guarded::GuardedStream,
    opening::{OpeningError, open},
    refusal::{Refusal, TELL_TIME},
};
use crate::{clock::now, counters::Counters, server::network::Membership, sync::lock};

/// Most bytes of a connection that are read ahead, and that wait to be written. Holds the longest head.
const BUFFER: usize = HEAD_MAX + 4 * 1024;

/// Requests after which a connection is closed.
const REQUESTS_MAX: u64 = 100_000;

/// The connections of a front.
#[derive(Debug)]
pub(super) struct Connections {
    table: Mutex<ConnectionTable>,
    kills: Mutex<HashMap<u64, CancellationToken>>,
}

/// The parts that serve one connection.
pub(super) struct Connection {
    pub(super) id: u64,
    pub(super) address: SocketAddr,
    pub(super) progress: Progress,
    pub(super) connections: Arc<Connections>,
    pub(super) counters: Arc<Counters>,
    pub(super) router: Router,
    pub(super) bodies: BodyLimits,
    pub(super) handshakes: Option<Handshakes>,
}

/// The state that the stream and the service of one connection share.
#[derive(Debug)]
pub(super) struct Shared {
    id: u64,
    connections: Arc<Connections>,
    /// The progress of its answers.
    progress: Progress,
    /// Number of requests that have come whole.
    requests: AtomicU64,
    /// Number of answers that are out.
    answers: AtomicU64,
    /// The task that awaits the next request while one is being served.
    awaiting: AtomicWaker,
    /// The reason why the connection is to be closed.
    refusal: Mutex<Option<Refusal>>,
    /// The stream, once the HTTP library has let go of it.
    stream: Mutex<Option<PeerStream>>,
}

impl Connections {
    pub(super) fn new(limits: ConnectionLimits) -> Connections {
        Connections {
            table: Mutex::new(ConnectionTable::new(limits)),
            kills: Mutex::default(),
        }
    }

    /// Admits a connection that ends when `kill` is cancelled.
    pub(super) fn admit(
        &self,
        address: IpAddr,
        progress: Progress,
        kill: CancellationToken,
        now: Instant,
    ) -> Admission {
        let admission = lock(&self.table).admit(address, progress, now);
        let mut kills = lock(&self.kills);
        match admission {
            Admission::Admitted(id) => drop(kills.insert(id, kill)),
            Admission::Displacing {
                admitted,
                displaced,
            } => {
                if let Some(displaced) = kills.remove(&displaced) {
                    displaced.cancel();
                }
                kills.insert(admitted, kill);
            }
            Admission::Refused => {}
        }
        admission
    }

    /// Cuts a connection.
    pub(super) fn cut(&self, id: u64) {
        if let Some(kill) = lock(&self.kills).get(&id) {
            kill.cancel();
        }
    }

    fn remove(&self, id: u64) {
        lock(&self.table).remove(id);
        lock(&self.kills).remove(&id);
    }
}

impl Shared {
    fn new(id: u64, connections: Arc<Connections>, progress: Progress) -> Shared {
        Shared {
            id,
            connections,
            progress,
            requests: AtomicU64::new(0),
            answers: AtomicU64::new(0),
            awaiting: AtomicWaker::new(),
            refusal: Mutex::new(None),
            stream: Mutex::new(None),
        }
    }

    pub(super) fn is_served(&self) -> bool {
        self.requests.load(Ordering::Acquire) > self.answers()
    }

    /// Has `context` woken when the answer is out.
    pub(super) fn wake_after_answer(&self, context: &Context<'_>) {
        self.awaiting.register(context.waker());
    }

    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    pub(super) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Acquire)
    }

    /// Notes that so many requests have come whole.
    pub(super) fn begin_serving(&self, requests: u64) {
        self.requests.store(requests, Ordering::Release);
        lock(&self.connections.table).set_served(self.id, true, now());
    }

    fn end_serving(&self) {
        self.answers.fetch_add(1, Ordering::AcqRel);
        let is_served = self.is_served();
        lock(&self.connections.table).set_served(self.id, is_served, now());
        self.awaiting.wake();
    }

    /// Takes the stream that the HTTP library lets go of.
    pub(super) fn give_back(&self, stream: PeerStream) {
        *lock(&self.stream) = Some(stream);
    }

    /// Has the connection closed; the first reason counts.
    pub(super) fn refuse(&self, refusal: Refusal) {
        lock(&self.refusal).get_or_insert(refusal);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.connections.remove(self.id);
    }
}

impl Connection {
    /// Serves `socket` until it ends, `kill` cuts it, or `stop` lets it end.
    pub(super) async fn serve(
        self,
        socket: TcpStream,
        stop: CancellationToken,
        kill: CancellationToken,
    ) {
        // Small answers must not wait for one another.
        let _ = socket.set_nodelay(true);
        let shared = Shared::new(
            self.id,
            Arc::clone(&self.connections),
            self.progress.clone(),
        );
        let shared = Arc::new(shared);
        select! {
            () = kill.cancelled() => return,
            () = self.open_and_run(socket, &shared, stop) => {}
        }
        let refusal = lock(&shared.refusal).take();
        let Some(mut stream) = lock(&shared.stream).take() else {
            return;
        };
        if let Some(refusal) = refusal {
            self.counters.requests_refused.one();
            tracing::debug!(address = %self.address, %refusal, "a request is refused");
            select! {
                () = kill.cancelled() => {}
                () = refusal.answer(stream) => {}
            }
        } else if stream.path() == PeerPath::Tls {
            // The client may be gone, or does not read: then it is not told.
            let _ = timeout(TELL_TIME, stream.shutdown()).await;
        }
    }

    async fn open_and_run(&self, socket: TcpStream, shared: &Arc<Shared>, stop: CancellationToken) {
        let opened = select! {
            () = stop.cancelled() => return,
            opened = open(socket, self.handshakes.as_ref()) => opened,
        };
        match opened {
            Ok(stream) => self.run(stream, shared, stop).await,
            Err(error) => {
                match error {
                    OpeningError::TooMany => self.counters.requests_over_quota.one(),
                    OpeningError::Tls(_) => self.counters.requests_refused.one(),
                    OpeningError::Silent => {}
                }
                tracing::debug!(address = %self.address, %error, "a connection is refused");
            }
        }
    }

    async fn run(&self, stream: PeerStream, shared: &Arc<Shared>, stop: CancellationToken) {
        let local = stream.local();
        let remote = Remote {
            address: Some(self.address),
            id: stream.id(),
            path: stream.path(),
        };
        let own = self.handshakes.as_ref().map(Handshakes::id);
        let membership = Arc::new(Membership::of(&stream, own));
        let stream = GuardedStream::new(stream, Arc::clone(shared), self.bodies);
        let service = service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(Arc::clone(&membership));
            self.call(request, remote, local, Arc::clone(shared))
        });
        let connection = http1::Builder::new()
            .max_buf_size(BUFFER)
            .max_headers(HEADERS_MAX)
            // A client that says no more still wants its answer.
            .half_close(true)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let ended = select! {
            ended = connection.as_mut() => ended,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::trace!(address = %self.address, %error, "a connection broke");
        }
    }

    async fn call(
        &self,
        request: Request<Incoming>,
        remote: Remote,
        local: Option<SocketAddr>,
        shared: Arc<Shared>,
    ) -> Result<Response<ServedBody>, Infallible> {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(remote);
        request.extensions_mut().insert(Cut {
            connections: Arc::clone(&self.connections),
            id: self.id,
        });
        if let Some(local) = local {
            request.extensions_mut().insert(Local(local));
        }
        let last = shared.answers() + 1 >= REQUESTS_MAX;
        let guard = ServedGuard(shared);
        let mut response = self.router.clone().oneshot(request).await?;
        if response.status() == StatusCode::NOT_MODIFIED {
            // It would be the length of the content that is not sent (RFC 9110, 15.4.5).
            response.headers_mut().remove(header::CONTENT_LENGTH);
        }
        if last {
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response.map(|body| ServedBody {
            body,
            _guard: guard,
        }))
    }
}

/// Says that the answer is out, when it is dropped.
struct ServedGuard(Arc<Shared>);

impl Drop for ServedGuard {
    fn drop(&mut self) {
        self.0.end_serving();
    }
}

/// The body of an answer; while it lives, the connection is being served.
struct ServedBody {
    body: Body,
    _guard: ServedGuard,
}

impl http_body::Body for ServedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
