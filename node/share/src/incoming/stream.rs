//! A file on its way whose bytes come in their order.

use std::{
    io::{self, Seek, Write},
    sync::atomic::Ordering,
};

use super::{About, INCOMING_MAX, Incoming};
use crate::{ShareError, Stamp, error::Doing};

/// A file on its way into the share whose bytes come in their order, from the
/// first on. It can only begin empty.
#[derive(Debug)]
pub struct IncomingStream {
    incoming: Incoming,
    received: u64,
}

impl IncomingStream {
    pub(super) fn new(incoming: Incoming) -> Result<IncomingStream, ShareError> {
        let mut stream = IncomingStream {
            incoming,
            received: 0,
        };
        stream.restart()?;
        Ok(stream)
    }

    /// Returns how many bytes were received.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Adds `bytes` to the end.
    ///
    /// # Errors
    /// Errors with [`ShareError::NoSpace`] if the disk is full, would have less
    /// than [`FREE_MIN`](super::FREE_MIN) bytes left, or the file is longer than
    /// [`INCOMING_MAX`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ShareError> {
        let written = self.incoming.count(bytes.len()).and_then(|written| {
            if written > INCOMING_MAX {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            self.incoming.file.write_all(bytes)
        });
        written.map_err(|error| self.incoming.failed(Doing::Write, error))?;
        self.received += bytes.len() as u64;
        Ok(())
    }

    /// Discards the bytes that were written, to start again with another sender.
    ///
    /// # Errors
    /// Errors if the system refuses.
    pub fn restart(&mut self) -> Result<(), ShareError> {
        let incoming = &mut self.incoming;
        let restarted = incoming
            .file
            .set_len(0)
            .and_then(|()| incoming.file.rewind());
        restarted.map_err(|error| incoming.failed(Doing::Write, error))?;
        incoming.written.store(0, Ordering::Relaxed);
        incoming.look_at.store(0, Ordering::Relaxed);
        self.received = 0;
        Ok(())
    }

    /// Returns the file, to write at any place of it.
    #[must_use]
    pub fn into_incoming(self) -> Incoming {
        self.incoming
    }

    /// Makes the file appear under its name, whole and on the disk. Returns
    /// what it then is.
    ///
    /// # Errors
    /// As [`Incoming::commit`].
    pub fn commit(self, about: About) -> Result<Stamp, ShareError> {
        self.incoming.commit(self.received, about)
    }
}
