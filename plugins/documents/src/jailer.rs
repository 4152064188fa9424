//! Workers, from the outside: one process a document, and what it may say and how long.
//!
//! # Lifecycle
//! The process is this program in another role ([`WORKER`]). It gets the open file as its standard input, a pipe as its
//! standard output, an empty environment and a group of its own; its limits it sets itself, before it reads the first
//! byte. It ends by itself or is killed with its group: at its deadline, when it says too much or something that has no
//! meaning, and when the node stops.
//!
//! # Invariants
//! - No wait is longer than [`LOOK_EVERY`] without a look at the wish to stop.
//! - The text goes to the disk as it comes; memory holds one frame and the table of the parts.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::PathBuf,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, Signal, kill_process_group},
};

use crate::{
    kept::Writing,
    limits::{LOOK_EVERY, OUTPUT_MAX, REAP_WAIT, TIME_MAX},
    protocol::{Breach, Decoder, Frame},
    reason::Reason,
    worker::WORKER,
};

/// This program as the system names it, also after the file was replaced by a newer one.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// Bytes of one read.
const READ: usize = 64 * 1024;

/// Pause between two looks at a process that ends.
const REAP_PAUSE: Duration = Duration::from_millis(5);

/// The signal of a process that used up its processor time.
const SIGXCPU: i32 = 24;

/// The signal of a process that ends itself, as one without memory does.
const SIGABRT: i32 = 6;

/// The program whose processes are workers: one that calls [`crate::read`] when [`crate::is_asked`] says so.
#[derive(Clone, Debug)]
pub struct Program(PathBuf);

/// The reason for which no worker gave an answer. It has nothing to do with the document.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkerError {
    /// It could not be started, or the system failed.
    #[error("no reader of documents can be started: {0}")]
    Start(#[source] io::Error),
    /// The text cannot be kept.
    #[error("the text of a document cannot be kept: {0}")]
    Keep(#[source] io::Error),
    /// The node stops.
    #[error("the node stops")]
    Stopped,
}

impl Program {
    /// Returns the program of this process.
    ///
    /// # Errors
    /// Errors if the system does not say which it is.
    #[allow(
        clippy::disallowed_methods,
        reason = "asks the system about this process"
    )]
    pub fn this() -> io::Result<Program> {
        let by_system = PathBuf::from(THIS_PROGRAM);
        if by_system.exists() {
            return Ok(Program(by_system));
        }
        std::env::current_exe().map(Program)
    }

    /// Has a worker read `document` into `writing`. Returns whether the file is text as it stands, too.
    pub(crate) fn read(
        &self,
        document: File,
        writing: &mut Writing,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Result<bool, Reason>, WorkerError> {
        let mut worker = Worker::start(self, document)?;
        let heard = worker.hear(writing, stopped);
        let status = worker.end(matches!(heard, Ok(Heard::Ended)));
        match heard? {
            Heard::Done(is_text) => Ok(Ok(is_text)),
            Heard::Failed(reason) => Ok(Err(reason)),
            Heard::Ended => Ok(Err(reason_of(status))),
        }
    }
}

/// What was heard of a worker.
enum Heard {
    Done(bool),
    Failed(Reason),
    /// It ended without a last word.
    Ended,
}

/// A process that reads a document. Dropping it ends it with its group.
struct Worker {
    child: Child,
    output: ChildStdout,
}

impl Worker {
    fn start(program: &Program, document: File) -> Result<Worker, WorkerError> {
        let child = Command::new(&program.0)
            .arg(WORKER)
            .env_clear()
            .current_dir("/")
            .stdin(document)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        let mut child = child.map_err(WorkerError::Start)?;
        match child.stdout.take() {
            Some(output) => Ok(Worker { child, output }),
            None => {
                kill(&mut child);
                Err(WorkerError::Start(io::Error::other("it has no output")))
            }
        }
    }

    /// Takes all that the worker says, until its last word.
    fn hear(
        &mut self,
        writing: &mut Writing,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Heard, WorkerError> {
        let until = Instant::now() + TIME_MAX;
        let (mut decoder, mut buffer, mut taken) = (Decoder::default(), vec![0; READ], 0_u64);
        loop {
            if stopped() {
                return Err(WorkerError::Stopped);
            }
            if Instant::now() >= until {
                return Ok(Heard::Failed(Reason::Time));
            }
            if !self.is_ready().map_err(WorkerError::Start)? {
                continue;
            }
            let read = match self.output.read(&mut buffer) {
                Ok(0) => return Ok(Heard::Ended),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(WorkerError::Start(error)),
            };
            taken += read as u64;
            if taken > OUTPUT_MAX {
                return Ok(Heard::Failed(Reason::Text));
            }
            decoder.add(&buffer[..read]);
            loop {
                match decoder.next() {
                    Ok(Some(Frame::Done(is_text))) if decoder.is_empty() => {
                        return Ok(Heard::Done(is_text));
                    }
                    Ok(Some(Frame::Failed(reason))) => return Ok(Heard::Failed(reason)),
                    Ok(Some(Frame::Part(place))) => writing.part(place),
                    Ok(Some(Frame::Text(text))) => {
                        writing.text(&text).map_err(WorkerError::Keep)?;
                    }
                    Ok(None) => break,
                    Ok(Some(Frame::Done(_))) | Err(Breach) => {
                        return Ok(Heard::Failed(Reason::Invalid));
                    }
                }
            }
        }
    }

    /// Waits a moment for output, or the end of it.
    fn is_ready(&self) -> io::Result<bool> {
        let timeout = Timespec::try_from(LOOK_EVERY).map_err(io::Error::other)?;
        let mut output = [PollFd::new(&self.output, PollFlags::IN)];
        match poll(&mut output, Some(&timeout)) {
            Ok(ready) => Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends the worker and its group. One that is about to end by itself gets a moment for it.
    fn end(&mut self, by_itself: bool) -> Option<ExitStatus> {
        let until = Instant::now() + LOOK_EVERY;
        while by_itself && Instant::now() < until {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            sleep(REAP_PAUSE);
        }
        kill(&mut self.child)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        kill(&mut self.child);
    }
}

/// Ends a process with its group, unless it was waited for before: then its number may be that of another.
fn kill(child: &mut Child) -> Option<ExitStatus> {
    if let Ok(Some(status)) = child.try_wait() {
        return Some(status);
    }
    // It fails only if all of the group have ended.
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    let until = Instant::now() + REAP_WAIT;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < until => sleep(REAP_PAUSE),
            _ => {
                tracing::warn!(pid = child.id(), "a reader of documents does not die");
                return None;
            }
        }
    }
}

/// Returns the reason for which a worker ended without a last word.
fn reason_of(status: Option<ExitStatus>) -> Reason {
    match status.and_then(|status| status.signal()) {
        Some(SIGXCPU) => Reason::Time,
        Some(SIGABRT) => Reason::Memory,
        _ => Reason::Broke,
    }
}
