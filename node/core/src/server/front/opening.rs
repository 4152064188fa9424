//! Opening a connection: HTTP in clear, or TLS.
//!
//! The first byte decides: [`FIRST_BYTE`] begins a handshake, a letter a request. Whatever
//! else it is, the framing refuses it.

use node_transport::{
    PeerStream,
    tls::{FIRST_BYTE, TlsError},
};
use tokio::{net::TcpStream, time::timeout};

use super::{Handshakes, Remote, guarded::HEAD_TIME};

/// The reason why a connection does not open.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpeningError {
    /// Nothing came, or the client is gone.
    #[error("nothing came")]
    Silent,
    /// The address caused too many handshakes.
    #[error("too many handshakes from this address")]
    TooMany,
    /// The handshake failed.
    #[error("no handshake: {0}")]
    Tls(#[from] TlsError),
}

/// Waits for the first byte of a connection and returns what it carries.
///
/// # Errors
/// Errors if nothing comes, or a handshake fails or is one too many.
pub(super) async fn open(
    socket: TcpStream,
    handshakes: Option<&Handshakes>,
) -> Result<PeerStream, OpeningError> {
    let Some(handshakes) = handshakes else {
        return Ok(PeerStream::plain(socket));
    };
    let mut first = [0];
    match timeout(HEAD_TIME, socket.peek(&mut first)).await {
        Ok(Ok(1)) if first == [FIRST_BYTE] => {}
        Ok(Ok(_)) => return Ok(PeerStream::plain(socket)),
        Ok(Err(_)) | Err(_) => return Err(OpeningError::Silent),
    }
    let address = Remote {
        address: socket.peer_addr().ok(),
        ..Remote::default()
    };
    if !(handshakes.may_prove)(address.ip()) {
        return Err(OpeningError::TooMany);
    }
    Ok(handshakes.tls.accept(socket).await?)
}
