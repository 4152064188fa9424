//! `PeerStream`: a connection with another node or client, by any protocol.
//!
//! The code above sees a stream, the identity at its other end, its address and its path, and
//! nothing of sockets or TLS.

use std::{
    fmt, io,
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

/// Most bytes that TLS keeps for a reader that makes it wait: two records.
const TLS_BUFFER: usize = 32 * 1024;

/// The protocol that carries a connection.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum PeerPath {
    /// TCP in clear.
    #[default]
    Plain,
    /// TLS over TCP.
    Tls,
}

/// The label of the exporter whose value binds proofs to a connection (RFC 9266).
const BINDING_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// The channel binding of a connection: bytes that only its two ends know, and that no other connection
/// has.
#[derive(Clone, Copy)]
pub struct ChannelBinding([u8; 32]);

/// The identity that a connection has shown, for who reads its answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShownId(pub(crate) NodeId);

/// A connection with another node or client.
#[derive(Debug)]
pub struct PeerStream {
    carrier: Carrier,
    local: Option<SocketAddr>,
    address: Option<SocketAddr>,
    id: Option<NodeId>,
    binding: Option<ChannelBinding>,
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
            binding: None,
            carrier: Carrier::Plain(socket),
        }
    }

    /// Wraps a connection after its handshake.
    ///
    /// # Errors
    /// Errors if the handshake chose another protocol, or showed no id.
    pub(crate) fn tls(mut stream: TlsStream<TlsSocket>) -> Result<PeerStream, TlsError> {
        match &mut stream {
            TlsStream::Client(stream) => stream.get_mut().1.set_buffer_limit(Some(TLS_BUFFER)),
            TlsStream::Server(stream) => stream.get_mut().1.set_buffer_limit(Some(TLS_BUFFER)),
        }
        let (socket, session) = stream.get_ref();
        let socket = socket.get_ref();
        if session.alpn_protocol() != Some(ALPN) {
            return Err(TlsError::NotShown("it is no Sixhop node".to_owned()));
        }
        let shown = session.peer_certificates().and_then(<[_]>::first);
        let id = shown
            .and_then(id_of)
            .ok_or_else(|| TlsError::NotShown("it shows no id".to_owned()))?;
        let binding = binding_of(&stream).map_err(|error| TlsError::NotShown(error.to_string()))?;
        Ok(PeerStream {
            local: socket.local_addr().ok(),
            address: socket.peer_addr().ok(),
            id: Some(id),
            binding: Some(binding),
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

    /// Returns its channel binding, if it is encrypted.
    #[must_use]
    pub fn binding(&self) -> Option<ChannelBinding> {
        self.binding
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

/// Returns the value of the exporter of a connection, the same at both ends.
fn binding_of(stream: &TlsStream<TlsSocket>) -> Result<ChannelBinding, rustls::Error> {
    let bytes = match stream {
        TlsStream::Client(stream) => {
            let (_, session) = stream.get_ref();
            session.export_keying_material([0; 32], BINDING_LABEL, None)?
        }
        TlsStream::Server(stream) => {
            let (_, session) = stream.get_ref();
            session.export_keying_material([0; 32], BINDING_LABEL, None)?
        }
    };
    Ok(ChannelBinding(bytes))
}

impl ChannelBinding {
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    #[cfg(test)]
    pub(crate) fn of_test(byte: u8) -> ChannelBinding {
        ChannelBinding([byte; 32])
    }
}

/// Shows nothing: it is a secret of the two ends.
impl fmt::Debug for ChannelBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChannelBinding")
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
        match self.id {
            Some(id) => Connected::new().extra(ShownId(id)),
            None => Connected::new(),
        }
    }
}
