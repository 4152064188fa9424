//! The channel to a node: its socket in the state directory, or its port of the loopback.
//!
//! Only the owner can reach the socket. A port can be taken by any user of the machine once the node is gone, so
//! before anything is said over one, the lock of the state directory has to show that the node runs and has that port.
//!
//! # Invariants
//! - The lock is looked at behind the connecting: its holder then has accepted, or will.
//! - A call has a connection of its own, which ends with it.

use std::{
    fmt::{self, Display},
    future::Future,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use hyper::{
    Uri,
    body::Incoming,
    client::conn::http1,
    header::{self, HeaderValue},
};
use hyper_util::rt::TokioIo;
use jsonrpsee::core::http_helpers::HttpError;
use jsonrpsee_http_client::{HttpRequest, HttpResponse, transport::Error as TransportError};
use node_base::state::{CONTROL_SOCKET, holder};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tower::Service;

use super::address;
use crate::error::CtlError;

/// Longest wait for a connection; the node is on this machine.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The place where a node listens for controllers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    /// At its socket.
    Socket(PathBuf),
    /// At its port.
    Port(SocketAddr),
}

/// The channel to the node with a state directory. Cloning is cheap.
#[derive(Clone, Debug)]
pub(crate) struct Channel {
    state: PathBuf,
    place: Place,
}

/// The lock does not show that the node runs and has the port.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the node does not run")]
pub(crate) struct NotRunning;

/// A connected socket of either kind.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Socket(path) => Display::fmt(&path.display(), f),
            Place::Port(address) => Display::fmt(address, f),
        }
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "looks into the state directory, which the person at the machine named"
)]
fn is_there(socket: &Path) -> bool {
    socket.exists()
}

impl Channel {
    /// Finds where the node of a state directory listens, and the file that says so. Nothing is sent.
    pub(crate) fn find(state: &Path) -> Result<(Channel, PathBuf), CtlError> {
        let socket = state.join(CONTROL_SOCKET);
        let (place, file) = if is_there(&socket) {
            (Place::Socket(socket.clone()), socket)
        } else {
            let (address, file) = address::read(state)?;
            (Place::Port(address), file)
        };
        let state = state.to_owned();
        Ok((Channel { state, place }, file))
    }

    /// Returns the place where the node listens.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Connects.
    ///
    /// # Errors
    /// Errors if nobody answers, or somebody else than the node would.
    pub(crate) async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let connecting = async {
            Ok::<Box<dyn Stream>, io::Error>(match &self.place {
                Place::Socket(path) => Box::new(UnixStream::connect(path).await?),
                Place::Port(address) => {
                    let stream = TcpStream::connect(address).await?;
                    stream.set_nodelay(true)?;
                    if holder(&self.state)? != Some(*address) {
                        return Err(io::Error::other(NotRunning));
                    }
                    Box::new(stream)
                }
            })
        };
        timeout(CONNECT_TIMEOUT, connecting)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn request(
        self,
        mut request: HttpRequest,
    ) -> Result<HttpResponse<Incoming>, TransportError> {
        *request.uri_mut() = Uri::from_static("/");
        let host = HeaderValue::from_static("localhost");
        request.headers_mut().insert(header::HOST, host);
        let stream = self.connect().await.map_err(broken)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        // It ends with the answer, or when this is dropped.
        drop(tokio::spawn(connection));
        sender.send_request(request).await.map_err(broken)
    }
}

fn broken(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> TransportError {
    TransportError::Http(HttpError::Stream(error.into()))
}

impl Service<HttpRequest> for Channel {
    type Response = HttpResponse<Incoming>;
    type Error = TransportError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest) -> Self::Future {
        Box::pin(self.clone().request(request))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests make what a node makes")]

    use std::io::Read;

    use node_base::state::StateDir;

    use super::*;

    #[tokio::test]
    async fn a_port_is_used_only_while_its_node_holds_the_lock() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::open(&home.path().join("state")).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        state.write("control", &address.to_string()).unwrap();
        let (channel, _) = Channel::find(state.path()).unwrap();
        assert!(channel.connect().await.is_err(), "nobody holds the lock");
        let lock = state.lock().unwrap();
        assert!(channel.connect().await.is_err(), "another port");
        lock.tell(address).unwrap();
        assert!(channel.connect().await.is_ok());
        drop(lock);
        assert!(channel.connect().await.is_err(), "the node is gone");
        for _ in 0..4 {
            let (mut stream, _) = listener.accept().unwrap();
            assert_eq!(stream.read(&mut [0; 16]).unwrap(), 0, "nothing was sent");
        }
    }

    #[tokio::test]
    async fn a_socket_is_preferred_and_its_stale_file_leads_nowhere() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(CONTROL_SOCKET);
        std::fs::write(home.path().join("control"), "127.0.0.1:1").unwrap();
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let (channel, file) = Channel::find(home.path()).unwrap();
        assert_eq!(
            (channel.place(), file),
            (&Place::Socket(path.clone()), path)
        );
        assert!(channel.connect().await.is_ok());
        drop(listener);
        assert!(channel.connect().await.is_err());
    }
}
