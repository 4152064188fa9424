//! A man in the middle with a key of his own: he speaks TLS to both sides and reads all that he passes on.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use node_transport::PeerStream;
use node_transport::identity::NodeKey;
use node_transport::tls::Tls;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// A relay in front of a node, which shows a key of its own to both sides.
#[derive(Debug)]
pub struct Relay {
    /// Its URL.
    pub url: String,
    id: String,
    read: Arc<Mutex<Vec<u8>>>,
    /// Its tasks end with it.
    _runtime: Runtime,
}

/// One side of the relay.
#[derive(Debug)]
struct Middle {
    tls: Tls,
    behind: SocketAddr,
    read: Arc<Mutex<Vec<u8>>>,
}

impl Relay {
    /// Starts a relay to the node at this address.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn to(behind: SocketAddr) -> Relay {
        let runtime = Runtime::new().expect("threads start");
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let listener = listener.expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        let read = Arc::default();
        let key = Arc::new(NodeKey::random());
        let middle = Arc::new(Middle {
            tls: Tls::new(&key),
            behind,
            read: Arc::clone(&read),
        });
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let middle = Arc::clone(&middle);
                tokio::spawn(async move { middle.pass(socket).await });
            }
        });
        Relay {
            url: format!("http://{address}/"),
            id: key.id().to_string(),
            read,
            _runtime: runtime,
        }
    }

    /// Returns the id that it shows.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns all that it has read so far, of both sides.
    pub fn has_read(&self) -> String {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&read).into_owned()
    }
}

impl Middle {
    /// Passes a connection on, if both sides speak TLS with it.
    async fn pass(&self, socket: TcpStream) -> Option<()> {
        let near: PeerStream = self.tls.accept(socket).await.ok()?;
        let socket = TcpStream::connect(self.behind).await.ok()?;
        let far = self.tls.connect(socket, None, 0).await.ok()?;
        let ((near_in, near_out), (far_in, far_out)) = (split(near), split(far));
        tokio::join!(self.copy(near_in, far_out), self.copy(far_in, near_out));
        Some(())
    }

    async fn copy(&self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
        let mut part = vec![0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut part).await {
            let part = &part[..count];
            self.read
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend_from_slice(part);
            if to.write_all(part).await.is_err() || to.flush().await.is_err() {
                break;
            }
        }
        // The other side may be gone.
        let _ = to.shutdown().await;
    }
}
