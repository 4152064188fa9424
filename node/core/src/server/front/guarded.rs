//! The stream between a connection and the HTTP library.
//!
//! Bytes on their way in pass the framing first. Each part of a request has
//! its deadline, and an answer that is read too slowly is cut.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use node_base::platform::unacked::Ends;
use node_transport::PeerStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep_until},
};

use super::{
    BodyLimits, BodyTime,
    connection::Shared,
    framing::{Framing, Position},
    reading::Reading,
    refusal::Refusal,
};
use crate::clock::now;

/// Longest time for a head, and for the first byte of the first one.
pub(super) const HEAD_TIME: Duration = Duration::from_secs(5);

/// Longest pause between two requests.
const IDLE_TIME: Duration = Duration::from_secs(15);

/// A stream with framing and deadlines.
pub(super) struct GuardedStream {
    /// Given back when the stream is dropped: there may be something to say.
    stream: Option<PeerStream>,
    shared: Arc<Shared>,
    framing: Framing,
    body_time: BodyTime,
    /// Ends the part of a request that is awaited, and which part that is.
    deadline: Pin<Box<Sleep>>,
    awaited: (Position, u64),
    /// The client's reading of the bytes that are written to it.
    reading: Reading,
    look_at: Pin<Box<Sleep>>,
    /// True if the end of an answer waits for the client.
    is_flushing: bool,
    /// `None` when the connection is broken already.
    ends: Option<Ends>,
}

impl GuardedStream {
    pub(super) fn new(
        stream: PeerStream,
        shared: Arc<Shared>,
        bodies: BodyLimits,
    ) -> GuardedStream {
        GuardedStream {
            ends: ends_of(&stream),
            stream: Some(stream),
            shared,
            framing: Framing::new(bodies.max),
            body_time: bodies.time,
            deadline: Box::pin(sleep_until((now() + HEAD_TIME).into())),
            awaited: (Position::Between, 0),
            reading: Reading::new(),
            look_at: Box::pin(sleep_until(now().into())),
            is_flushing: false,
        }
    }

    fn stream(&mut self) -> Pin<&mut PeerStream> {
        let stream = self.stream.as_mut();
        Pin::new(stream.expect("the stream is given back only when this one is dropped"))
    }

    /// Takes bytes that came; fails when they are not a request.
    fn came(&mut self, bytes: &[u8]) -> io::Result<()> {
        let before = self.framing.requests();
        self.framing.push(bytes).map_err(|error| {
            self.shared.refuse(Refusal::Framing(error));
            io::Error::new(io::ErrorKind::InvalidData, error)
        })?;
        let requests = self.framing.requests();
        if requests > before {
            self.shared.begin_serving(requests);
        }
        self.watch_deadline();
        if let (Position::Body, BodyTime::Pause(pause)) = (self.framing.position(), self.body_time)
        {
            self.deadline.as_mut().reset((now() + pause).into());
        }
        Ok(())
    }

    /// Sets the deadline when another part of a request is awaited than before.
    fn watch_deadline(&mut self) {
        let awaited = (self.framing.position(), self.shared.answers());
        if awaited != self.awaited {
            self.awaited = awaited;
            let time = match awaited.0 {
                Position::Between => IDLE_TIME,
                Position::Head => HEAD_TIME,
                Position::Body => match self.body_time {
                    BodyTime::Whole(time) | BodyTime::Pause(time) => time,
                },
            };
            self.deadline.as_mut().reset((now() + time).into());
        }
    }

    /// Fails when nothing came and the deadline has passed.
    fn poll_deadline(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        // Registered before it is asked, so that an answer in between wakes.
        self.shared.wake_after_answer(context);
        // The HTTP library may hold the end of an answer that is not written yet.
        if self.shared.is_served() || self.reading.is_waiting() {
            return Poll::Pending;
        }
        self.watch_deadline();
        ready!(self.deadline.as_mut().poll(context));
        self.shared.refuse(match self.framing.position() {
            Position::Between => Refusal::Silent,
            Position::Head | Position::Body => Refusal::Timeout,
        });
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }

    /// Fails when the client makes a write wait and reads too slowly.
    fn poll_reading(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            let unacked = || self.ends.and_then(Ends::unacked);
            let Ok(look_at) = self.reading.waits(now(), unacked) else {
                self.shared.refuse(Refusal::Silent);
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            };
            let look_at: tokio::time::Instant = look_at.into();
            if self.look_at.deadline() != look_at {
                self.look_at.as_mut().reset(look_at);
            }
            ready!(self.look_at.as_mut().poll(context));
        }
    }

    fn poll_wrote(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending => {
                self.shared.progress().blocked();
                self.poll_reading(context).map(Err)
            }
            Poll::Ready(result) => {
                let bytes = *result.as_ref().unwrap_or(&0);
                self.shared.progress().wrote(bytes);
                self.reading.wrote(bytes, now());
                Poll::Ready(result)
            }
        }
    }
}

fn ends_of(stream: &PeerStream) -> Option<Ends> {
    Some(Ends {
        local: stream.local()?,
        remote: stream.address()?,
    })
}

impl Drop for GuardedStream {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            self.shared.give_back(stream);
        }
    }
}

impl AsyncRead for GuardedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match self.stream().poll_read(context, buffer) {
            Poll::Pending => self.poll_deadline(context).map(Err),
            Poll::Ready(Ok(())) if buffer.filled().len() > before => Poll::Ready(
                self.came(&buffer.filled()[before..])
                    .inspect_err(|_| buffer.set_filled(before)),
            ),
            ready => ready,
        }
    }
}

impl AsyncWrite for GuardedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.stream().poll_write(context, bytes);
        self.poll_wrote(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.stream().poll_write_vectored(context, buffers);
        self.poll_wrote(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Flushes: TLS may hold the end of an answer; a client that makes it wait is watched.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.stream().poll_flush(context);
        if flushed.is_ready() && !self.is_flushing {
            return flushed;
        }
        self.is_flushing = flushed.is_pending();
        let flushed = self.poll_wrote(context, flushed.map_ok(|()| 0));
        flushed.map_ok(|_| ())
    }

    /// Leaves closing to the connection: it may still have to say why.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
