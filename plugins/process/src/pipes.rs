//! Lines to and from a process, without ever waiting longer than allowed.
//!
//! # Invariants
//! - The pipes do not block; all waiting is one `poll` with a deadline. So no
//!   thread can hang at a pipe that a forgotten child of the program holds open.
//! - At most [`LINE_MAX`] bytes and one more read wait to be taken, at most
//!   [`OUTBOUND_MAX`] wait to be sent; a program that writes more is not read from.

use std::{
    io::{self, ErrorKind, Read, Write},
    process::{ChildStderr, ChildStdin, ChildStdout},
    time::Instant,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::ioctl_fionbio,
};

use crate::grumbling::Grumbling;

/// Longest line of a program, in bytes.
pub const LINE_MAX: usize = 256 * 1024;

/// Most bytes that wait to be read by the program.
const OUTBOUND_MAX: usize = 1 << 20;

/// Bytes of one read.
const READ: usize = 64 * 1024;

/// Most bytes of standard error that are taken between two answers.
const ERRORS_MAX: usize = 1 << 20;

/// The reason for the lack of a line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PipeError {
    /// The program ended, or closed its output.
    #[error("it ended")]
    Ended,
    /// A line is too long.
    #[error("it wrote a line of more than {LINE_MAX} bytes")]
    TooLong,
    /// The program does not take the answer to its request.
    #[error("it asks for more than it reads")]
    Deaf,
    /// The system failed.
    #[error("its pipes broke: {0}")]
    Broken(#[from] io::Error),
}

/// The three pipes of a process.
#[derive(Debug)]
pub(crate) struct Pipes {
    input: ChildStdin,
    output: ChildStdout,
    errors: ChildStderr,
    inbound: Vec<u8>,
    /// The start of the next line in `inbound`.
    start: usize,
    /// Up to where it is known to have no end.
    searched: usize,
    outbound: Vec<u8>,
    /// Bytes of output since [`Pipes::begin`].
    taken: u64,
    /// Bytes of standard error that may still be taken.
    errors_left: usize,
    grumbling: Grumbling,
    buffer: Vec<u8>,
}

impl Pipes {
    pub(crate) fn new(
        input: ChildStdin,
        output: ChildStdout,
        errors: ChildStderr,
    ) -> io::Result<Pipes> {
        ioctl_fionbio(&input, true)?;
        ioctl_fionbio(&output, true)?;
        ioctl_fionbio(&errors, true)?;
        Ok(Pipes {
            input,
            output,
            errors,
            inbound: Vec::new(),
            start: 0,
            searched: 0,
            outbound: Vec::new(),
            taken: 0,
            errors_left: ERRORS_MAX,
            grumbling: Grumbling::default(),
            buffer: vec![0; READ],
        })
    }

    /// Resets the counters.
    pub(crate) fn begin(&mut self) {
        (self.taken, self.errors_left) = (0, ERRORS_MAX);
    }

    /// Returns the number of bytes of output since [`Pipes::begin`].
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// Returns the last line of standard error.
    pub(crate) fn last_error(&mut self) -> Option<String> {
        self.take_errors();
        self.grumbling.last()
    }

    /// Sends a line, now or while a line is waited for.
    pub(crate) fn send(&mut self, line: &[u8]) -> Result<(), PipeError> {
        if self.outbound.len() + line.len() > OUTBOUND_MAX {
            return Err(PipeError::Deaf);
        }
        self.outbound.extend_from_slice(line);
        self.flush()
    }

    /// Returns the next line without its end, or nothing at the time `until`.
    pub(crate) fn next_line(&mut self, until: Instant) -> Result<Option<Vec<u8>>, PipeError> {
        loop {
            if let Some(line) = self.take_line()? {
                return Ok(Some(line));
            }
            if !self.wait(until)? {
                return Ok(None);
            }
            self.flush()?;
            self.take_errors();
            self.fill()?;
        }
    }

    /// Takes the bytes that came to standard error.
    pub(crate) fn take_errors(&mut self) {
        while self.errors_left > 0 {
            let most = READ.min(self.errors_left);
            let read = match self.errors.read(&mut self.buffer[..most]) {
                Ok(0) => {
                    // It was closed and would wake every wait.
                    self.errors_left = 0;
                    return;
                }
                Ok(read) => read,
                Err(_) => return,
            };
            self.errors_left -= read;
            self.grumbling.take(&self.buffer[..read], Instant::now());
        }
    }

    fn take_line(&mut self) -> Result<Option<Vec<u8>>, PipeError> {
        let unsearched = &self.inbound[self.searched..];
        let end = unsearched.iter().position(|byte| *byte == b'\n');
        let end = end.map(|at| self.searched + at);
        let known = end.unwrap_or(self.inbound.len());
        if known - self.start > LINE_MAX {
            return Err(PipeError::TooLong);
        }
        let Some(end) = end else {
            self.searched = known;
            return Ok(None);
        };
        let line = self.inbound[self.start..end].to_vec();
        self.start = end + 1;
        self.searched = self.start;
        Ok(Some(line))
    }

    /// Waits until something can be read or written; says no at the time `until`.
    fn wait(&self, until: Instant) -> Result<bool, PipeError> {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        let mut pipes = vec![PollFd::new(&self.output, PollFlags::IN)];
        if !self.outbound.is_empty() {
            pipes.push(PollFd::new(&self.input, PollFlags::OUT));
        }
        if self.errors_left > 0 {
            pipes.push(PollFd::new(&self.errors, PollFlags::IN));
        }
        match poll(&mut pipes, Some(&timeout)) {
            Ok(0) => Ok(false),
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(true),
            Err(error) => Err(PipeError::Broken(error.into())),
        }
    }

    fn flush(&mut self) -> Result<(), PipeError> {
        while !self.outbound.is_empty() {
            match self.input.write(&self.outbound) {
                Ok(written) => drop(self.outbound.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // What it wrote before it closed its input, or ended, still counts.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => self.outbound.clear(),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Reads once, when all lines were taken.
    fn fill(&mut self) -> Result<(), PipeError> {
        self.inbound.drain(..self.start);
        (self.start, self.searched) = (0, self.searched - self.start);
        match self.output.read(&mut self.buffer) {
            Ok(0) => Err(PipeError::Ended),
            Ok(read) => {
                self.taken += read as u64;
                self.inbound.extend_from_slice(&self.buffer[..read]);
                Ok(())
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}
