//! TLS 1.3 between Sixhop nodes, with the keys of the nodes as raw public keys (RFC 7250).
//!
//! Both sides show the key that is their id; there is no certificate, no authority and no
//! name. The caller expects one id, and ends the handshake at any other. The other side accepts
//! any id and knows its caller from then on.
//!
//! There are no session tickets and no early data: a ticket would replace a new signature,
//! and early data can be replayed. TLS 1.3 has no
//! renegotiation.
//!
//! # Invariants
//! - Version 1.3, ALPN [`ALPN`], keys on both sides, or no connection.
//! - A key is ed25519 and not weak, and signatures are checked strictly, as in
//!   [`identity`](crate::identity).
//! - A handshake ends within [`HANDSHAKE_TIME`].

mod keys;
mod verifier;

use std::{io, sync::Arc, time::Duration};

use node_base::platform::processor::has_aes;
use node_wire::node_id::NodeId;
use rustls::{
    ClientConfig, ServerConfig,
    client::Resumption,
    crypto::{
        CryptoProvider,
        ring::{
            self,
            cipher_suite::{
                TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
            },
        },
    },
    pki_types::ServerName,
    server::NoServerSessionStorage,
    version::TLS13,
};
use tokio::{io::BufReader, net::TcpStream, time::timeout};
use tokio_rustls::{TlsAcceptor, TlsConnector};

pub(crate) use self::keys::id_of;
use self::{keys::OwnKey, verifier::Expected};
use crate::{identity::NodeKey, stream::PeerStream};

/// The protocol that both sides name in a handshake.
pub const ALPN: &[u8] = b"sixhop/1";

/// The first byte of a TLS connection: a record of a handshake. No HTTP method begins so.
pub const FIRST_BYTE: u8 = 0x16;

/// Longest time for a handshake.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(5);

/// Capacity of a reader that reads nothing ahead. It needs some.
const NOT_AHEAD: usize = 1;

/// An error of a handshake.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The other side does not show the id that is expected, or speaks no TLS.
    #[error("{0}")]
    NotShown(String),
    /// The connection broke.
    #[error(transparent)]
    Broken(io::Error),
    /// The handshake took too long.
    #[error("the TLS handshake took longer than {} s", HANDSHAKE_TIME.as_secs())]
    Slow,
}

/// The key of this node, ready for TLS. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Tls {
    provider: Arc<CryptoProvider>,
    own: Arc<OwnKey>,
    id: NodeId,
    server: Arc<ServerConfig>,
}

impl Tls {
    /// Prepares the key of a node for TLS.
    ///
    /// # Panics
    /// Panics if the provider has no suite of TLS 1.3.
    #[must_use]
    pub fn new(key: &Arc<NodeKey>) -> Tls {
        let provider = Arc::new(provider(has_aes()));
        let own = Arc::new(OwnKey::new(key));
        let server = server(&provider, &own, has_aes());
        Tls {
            provider,
            own,
            id: key.id(),
            server: Arc::new(server),
        }
    }

    /// Returns the id of this node.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Accepts a connection whose first byte is [`FIRST_BYTE`].
    ///
    /// # Errors
    /// Errors if the other side does not show an id in time.
    pub async fn accept(&self, socket: TcpStream) -> Result<PeerStream, TlsError> {
        // Requests are short: nothing is read ahead, and no memory is kept for it.
        let socket = BufReader::with_capacity(NOT_AHEAD, socket);
        let accepting = TlsAcceptor::from(Arc::clone(&self.server)).accept(socket);
        let stream = timeout(HANDSHAKE_TIME, accepting)
            .await
            .map_err(|_| TlsError::Slow)?
            .map_err(failed)?;
        PeerStream::tls(stream.into())
    }

    /// Connects to the node `expected`, or to any node, which shows its id. Reads at most `ahead` bytes before they are
    /// asked for.
    ///
    /// # Errors
    /// Errors if the other side does not show this id, or one at all, in time.
    ///
    /// # Panics
    /// Panics if the provider has no suite of TLS 1.3.
    pub async fn connect(
        &self,
        socket: TcpStream,
        expected: Option<NodeId>,
        ahead: usize,
    ) -> Result<PeerStream, TlsError> {
        let mut client = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&TLS13])
            .expect("the provider has suites of TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Expected::from(expected)))
            .with_client_cert_resolver(Arc::<OwnKey>::clone(&self.own));
        client.alpn_protocols = vec![ALPN.to_vec()];
        client.enable_sni = false;
        client.resumption = Resumption::disabled();
        // It is not sent: the key alone says which node is meant.
        let name = socket.peer_addr().map_err(TlsError::Broken)?.ip();
        let socket = BufReader::with_capacity(ahead.max(NOT_AHEAD), socket);
        let connecting = TlsConnector::from(Arc::new(client))
            .connect(ServerName::IpAddress(name.into()), socket);
        let stream = timeout(HANDSHAKE_TIME, connecting)
            .await
            .map_err(|_| TlsError::Slow)?
            .map_err(failed)?;
        PeerStream::tls(stream.into())
    }
}

/// Returns how a node answers handshakes.
fn server(provider: &Arc<CryptoProvider>, own: &Arc<OwnKey>, has_aes: bool) -> ServerConfig {
    let mut server = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13])
        .expect("the provider has suites of TLS 1.3")
        .with_client_cert_verifier(Arc::new(Expected::Anybody))
        .with_cert_resolver(Arc::<OwnKey>::clone(own));
    server.alpn_protocols = vec![ALPN.to_vec()];
    server.send_tls13_tickets = 0;
    // The side without AES in its processor chooses; otherwise the caller does.
    server.ignore_client_order = !has_aes;
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server
}

/// Returns the ciphers, the fastest first: AES if the processor has it, ChaCha20 otherwise. A key of
/// 128 bits is as strong as the curve that agrees on it, and AES is faster with it.
fn provider(has_aes: bool) -> CryptoProvider {
    let mut provider = ring::default_provider();
    provider.cipher_suites = vec![
        TLS13_AES_128_GCM_SHA256,
        TLS13_AES_256_GCM_SHA384,
        TLS13_CHACHA20_POLY1305_SHA256,
    ];
    if !has_aes {
        provider.cipher_suites.rotate_right(1);
    }
    provider
}

/// Distinguishes an error of the other side from a connection that broke.
fn failed(error: io::Error) -> TlsError {
    let wrong = error.get_ref().and_then(|inner| inner.downcast_ref());
    match wrong {
        Some(rustls::Error::InvalidMessage(_)) => {
            TlsError::NotShown("it does not speak TLS".to_owned())
        }
        Some(wrong) => TlsError::NotShown(wrong.to_string()),
        None => TlsError::Broken(error),
    }
}

#[cfg(test)]
mod tests;
