//! A connection that is held: it has a place, and ends when its place is taken.
//!
//! # Invariants
//! - The place is given back when the stream is dropped, also when a connection
//!   became a WebSocket and jsonrpsee has it.
//! - A connection that is cut reads and writes nothing any more.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, OnceLock},
    task::{Context, Poll},
};

use node_base::{
    admission::{Admission, AdmissionLimits, Full},
    sync::lock,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// The connections of a listener.
#[derive(Clone, Debug)]
pub(super) struct Door(Arc<Mutex<Admission<CancellationToken>>>);

/// The place of a connection; given back when the last clone is dropped.
#[derive(Clone, Debug)]
pub(super) struct Place(Arc<Taken>);

#[derive(Debug)]
struct Taken {
    door: Door,
    id: u64,
    /// The place among the connections of a token, if it is one of them.
    of_token: OnceLock<OwnedSemaphorePermit>,
}

/// A socket with a place.
#[derive(Debug)]
pub(super) struct Held<S> {
    socket: S,
    /// Two, because the halves of a WebSocket are polled by different tasks.
    cut_reading: Pin<Box<WaitForCancellationFutureOwned>>,
    cut_writing: Pin<Box<WaitForCancellationFutureOwned>>,
    _place: Place,
}

impl Door {
    pub(super) fn new(limits: AdmissionLimits) -> Door {
        Door(Arc::new(Mutex::new(Admission::new(limits))))
    }

    /// Gives a new connection a place, which `cut` ends. The stranger that came first
    /// makes room.
    pub(super) fn admit(&self, cut: CancellationToken) -> Place {
        let (id, displaced) = lock(&self.0).admit(cut);
        if let Some(displaced) = displaced {
            displaced.cancel();
        }
        let door = self.clone();
        let of_token = OnceLock::new();
        Place(Arc::new(Taken { door, id, of_token }))
    }
}

impl Place {
    /// Notes that the connection has shown a token, of whose connections it is one.
    ///
    /// # Errors
    /// Errors if the token has no place left.
    pub(super) fn count(&self, connections: &Arc<Semaphore>) -> Result<(), Full> {
        if self.0.of_token.get().is_some() {
            return Ok(());
        }
        let permit = Arc::clone(connections).try_acquire_owned();
        let permit = permit.map_err(|_| Full)?;
        // Requests of one connection come one after the other.
        drop(self.0.of_token.set(permit));
        Ok(())
    }

    /// Notes that the connection has shown the secret or a token.
    ///
    /// # Errors
    /// Errors if the owner has no place left.
    pub(super) fn prove(&self) -> Result<(), Full> {
        lock(&self.0.door.0).prove(self.0.id)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        lock(&self.door.0).remove(self.id);
    }
}

impl<S> Held<S> {
    pub(super) fn new(socket: S, place: Place, cut: &CancellationToken) -> Held<S> {
        Held {
            socket,
            cut_reading: Box::pin(cut.clone().cancelled_owned()),
            cut_writing: Box::pin(cut.clone().cancelled_owned()),
            _place: place,
        }
    }
}

fn cut_off<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
}

impl<S: AsyncRead + Unpin> AsyncRead for Held<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.cut_reading.as_mut().poll(context).is_ready() {
            return cut_off();
        }
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Held<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.cut_writing.as_mut().poll(context).is_ready() {
            return cut_off();
        }
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn held(
        door: &Door,
    ) -> (
        Held<tokio::io::DuplexStream>,
        Place,
        tokio::io::DuplexStream,
    ) {
        let (ours, theirs) = tokio::io::duplex(64);
        let cut = CancellationToken::new();
        let place = door.admit(cut.clone());
        (Held::new(ours, place.clone(), &cut), place, theirs)
    }

    #[tokio::test]
    async fn a_displaced_stranger_is_cut_and_an_owner_is_not() {
        let door = Door::new(AdmissionLimits {
            strangers: 1,
            owners: 1,
        });
        let (mut owner, place, mut theirs) = held(&door);
        place.prove().unwrap();
        let (mut stranger, _place, _theirs) = held(&door);
        let reading = tokio::spawn(async move { stranger.read_u8().await });
        tokio::task::yield_now().await;
        let (_third, _place, _other) = held(&door);
        assert!(reading.await.unwrap().is_err(), "it waited and was cut");
        theirs.write_u8(7).await.unwrap();
        assert_eq!(owner.read_u8().await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_token_has_a_limited_number_of_connections() {
        let door = Door::new(AdmissionLimits {
            strangers: 9,
            owners: 9,
        });
        let connections = Arc::new(Semaphore::new(1));
        let (first, place, _theirs) = held(&door);
        place.count(&connections).unwrap();
        place.count(&connections).unwrap();
        let (_second, other, _other) = held(&door);
        assert_eq!(other.count(&connections), Err(Full));
        drop((first, place));
        assert_eq!(other.count(&connections), Ok(()));
    }

    #[tokio::test]
    async fn a_place_comes_back_with_the_stream() {
        let door = Door::new(AdmissionLimits {
            strangers: 1,
            owners: 1,
        });
        let (first, place, _theirs) = held(&door);
        place.prove().unwrap();
        let (_second, other, _other) = held(&door);
        assert_eq!(other.prove(), Err(Full));
        drop((first, place));
        assert_eq!(other.prove(), Ok(()));
    }
}
