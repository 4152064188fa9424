//! `PeerStream`: a connection with another node or client, by any protocol.
//!
//! The code above sees a stream, the identity at its other end, its address and its path, and
//! nothing of sockets or TLS.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use hyper_util::client::legacy::connect::{Connected, Connection};
use node_wire::node_id::NodeId;
use tokio::{
    io::{AsyncRead, AsyncWrite, BufReader, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::TlsStream;

use crate::tls::{ALPN, TlsError, id_of};

/// The protocol that carries a connection.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum PeerPath {
    /// TCP in clear.
    #[default]
    Plain,
    /// TLS over TCP.
    Tls,
}

/// A connection with another node or client.
#[derive(Debug)]
pub struct PeerStream {
    carrier: Carrier,
    local: Option<SocketAddr>,
    address: Option<SocketAddr>,
    id: Option<NodeId>,
}

#[derive(Debug)]
enum Carrier {
    Plain(TcpStream),
    Tls(Box<TlsStream<TlsSocket>>),
}

/// The socket under TLS. TLS itself asks for 4 KiB at a time; content comes in longer reads.
pub(crate) type TlsSocket = BufReader<TcpStream>;

impl PeerPath {
    /// Returns its name, as people and programs see it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            PeerPath::Plain => "plain",
            PeerPath::Tls => "tls",
        }
    }
}

impl PeerStream {
    /// Wraps a connection in clear. Its other end has no id.
    #[must_use]
    pub fn plain(socket: TcpStream) -> PeerStream {
        PeerStream {
            local: socket.local_addr().ok(),
            address: socket.peer_addr().ok(),
            id: None,
            carrier: Carrier::Plain(socket),
        }
    }

    /// Wraps a connection after its handshake.
    ///
    /// # Errors
    /// Errors if the handshake chose another protocol, or showed no id.
    pub(crate) fn tls(stream: TlsStream<TlsSocket>) -> Result<PeerStream, TlsError> {
        let (socket, session) = stream.get_ref();
        let socket = socket.get_ref();
        if session.alpn_protocol() != Some(ALPN) {
            return Err(TlsError::NotShown("it is no Sixhop node".to_owned()));
        }
        let shown = session.peer_certificates().and_then(<[_]>::first);
        let id = shown
            .and_then(id_of)
            .ok_or_else(|| TlsError::NotShown("it shows no id".to_owned()))?;
        Ok(PeerStream {
            local: socket.local_addr().ok(),
            address: socket.peer_addr().ok(),
            id: Some(id),
            carrier: Carrier::Tls(Box::new(stream)),
        })
    }

    /// Returns the address of this end.
    #[must_use]
    pub fn local(&self) -> Option<SocketAddr> {
        self.local
    }

    /// Returns the address of the other end, if it has one.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Returns the identity at the other end, if it has proved one.
    #[must_use]
    pub fn id(&self) -> Option<NodeId> {
        self.id
    }

    /// Returns the protocol that carries the connection.
    #[must_use]
    pub fn path(&self) -> PeerPath {
        match self.carrier {
            Carrier::Plain(_) => PeerPath::Plain,
            Carrier::Tls(_) => PeerPath::Tls,
        }
    }
}

#[cfg(test)]
impl PeerStream {
    /// Returns the cipher of the connection.
    pub(crate) fn cipher(&self) -> Option<String> {
        let Carrier::Tls(stream) = &self.carrier else {
            return None;
        };
        let suite = stream.get_ref().1.negotiated_cipher_suite()?;
        Some(format!("{:?}", suite.suite()))
    }
}

impl AsyncRead for PeerStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.carrier {
            Carrier::Plain(socket) => Pin::new(socket).poll_read(context, buffer),
            Carrier::Tls(stream) => poll_records(stream, context, buffer),
        }
    }
}

/// Reads a record, and those behind it that have come already, as far as there is room.
fn poll_records(
    stream: &mut TlsStream<TlsSocket>,
    context: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    let at_first = buffer.filled().len();
    loop {
        let before = buffer.filled().len();
        let read = Pin::new(&mut *stream).poll_read(context, buffer);
        let came = buffer.filled().len() - before;
        if came == 0 {
            // Records before are given first. TLS says again that it is broken or over.
            return if before == at_first {
                read
            } else {
                Poll::Ready(Ok(()))
            };
        }
        let (socket, _) = stream.get_ref();
        if buffer.remaining() == 0 || socket.buffer().is_empty() {
            return Poll::Ready(Ok(()));
        }
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.carrier {
            Carrier::Plain(socket) => Pin::new(socket).poll_write(context, bytes),
            Carrier::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.carrier {
            Carrier::Plain(socket) => Pin::new(socket).poll_write_vectored(context, buffers),
            Carrier::Tls(stream) => Pin::new(stream).poll_write_vectored(context, buffers),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.carrier {
            Carrier::Plain(socket) => socket.is_write_vectored(),
            Carrier::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.carrier {
            Carrier::Plain(socket) => Pin::new(socket).poll_flush(context),
            Carrier::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.carrier {
            Carrier::Plain(socket) => Pin::new(socket).poll_shutdown(context),
            Carrier::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// The client keeps the connection as it is.
impl Connection for PeerStream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}
