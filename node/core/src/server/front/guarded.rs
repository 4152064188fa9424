//! The stream between a socket and the HTTP library.
//!
//! Bytes on their way in pass the framing first. Each part of a request has
//! its deadline, and an answer that is read too slowly is cut.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep_until},
};

use super::{
    connection::Shared,
    framing::{Framing, Position},
    refusal::Refusal,
};
use crate::{clock::now, pace::Pace};

/// Longest time for a head, and for the first byte of the first one.
const HEAD_TIME: Duration = Duration::from_secs(5);

/// Longest time for a body.
const BODY_TIME: Duration = Duration::from_secs(10);

/// Longest pause between two requests.
const IDLE_TIME: Duration = Duration::from_secs(15);

/// A socket with framing and deadlines.
pub(super) struct GuardedStream {
    socket: Arc<TcpStream>,
    shared: Arc<Shared>,
    framing: Framing,
    /// Ends the part of a request that is awaited, and which part that is.
    deadline: Pin<Box<Sleep>>,
    awaited: (Position, u64),
    /// How fast the answer is read, once the client has let it wait.
    pace: Option<Pace>,
    pace_ends: Pin<Box<Sleep>>,
}

impl GuardedStream {
    pub(super) fn new(socket: Arc<TcpStream>, shared: Arc<Shared>, body_max: u64) -> GuardedStream {
        GuardedStream {
            socket,
            shared,
            framing: Framing::new(body_max),
            deadline: Box::pin(sleep_until((now() + HEAD_TIME).into())),
            awaited: (Position::Between, 0),
            pace: None,
            pace_ends: Box::pin(sleep_until(now().into())),
        }
    }

    /// Takes bytes that came; fails when they are no request.
    fn came(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.framing.push(bytes).map_err(|error| {
            self.shared.refuse(Refusal::Framing(error));
            io::Error::new(io::ErrorKind::InvalidData, error)
        })?;
        match self.framing.position() {
            Position::Between => self.shared.begin_serving(),
            _ => self.watch_deadline(),
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
                Position::Body => BODY_TIME,
            };
            self.deadline.as_mut().reset((now() + time).into());
        }
    }

    /// Nothing came: fails when the deadline has passed.
    fn poll_deadline(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        // Registered before it is asked, so that an answer in between wakes.
        self.shared.wake_after_answer(context);
        if self.shared.is_served() {
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

    /// The client does not read: fails when it has read too little for too long.
    fn poll_pace(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            let pace = self.pace.get_or_insert_with(|| Pace::new(now()));
            if pace.judge(now()).is_err() {
                self.shared.refuse(Refusal::Silent);
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            let ends: tokio::time::Instant = pace.ends().into();
            if self.pace_ends.deadline() != ends {
                self.pace_ends.as_mut().reset(ends);
            }
            ready!(self.pace_ends.as_mut().poll(context));
        }
    }

    fn wrote(&mut self, bytes: usize) {
        if let Some(pace) = &mut self.pace {
            pace.moved(bytes);
            // A window that is over and was not looked at ended without waiting.
            if Instant::now() > pace.ends() {
                self.pace = None;
            }
        }
    }

    fn poll_try_write(
        &mut self,
        context: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.socket.poll_write_ready(context)? {
                Poll::Pending => return self.poll_pace(context).map(Err),
                Poll::Ready(()) => match write(&self.socket) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    result => {
                        self.wrote(*result.as_ref().unwrap_or(&0));
                        return Poll::Ready(result);
                    }
                },
            }
        }
    }
}

impl AsyncRead for GuardedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            match self.socket.poll_read_ready(context)? {
                Poll::Pending => return self.poll_deadline(context).map(Err),
                Poll::Ready(()) => match self.socket.try_read(buffer.initialize_unfilled()) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Poll::Ready(Err(error)),
                    Ok(read) => {
                        if read > 0 {
                            self.came(&buffer.initialize_unfilled()[..read])?;
                        }
                        buffer.advance(read);
                        return Poll::Ready(Ok(()));
                    }
                },
            }
        }
    }
}

impl AsyncWrite for GuardedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_try_write(context, |socket| socket.try_write(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_try_write(context, |socket| socket.try_write_vectored(buffers))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Closing is the connection's: it may still have to say why.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
