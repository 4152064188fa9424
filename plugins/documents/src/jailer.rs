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
    protocol::{Breach, Decoder, Frame, Nature},
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

/// The signal that nobody can catch.
const SIGKILL: i32 = 9;

/// The signal of a process that ends itself, as one without memory does.
const SIGABRT: i32 = 6;

/// The program whose processes are workers: one that calls [`crate::read`] when [`crate::is_asked`] says so.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    /// Longest time of a worker.
    time: Duration,
}

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
            return Ok(Program::at(by_system));
        }
        std::env::current_exe().map(Program::at)
    }

    fn at(path: PathBuf) -> Program {
        Program {
            path,
            time: TIME_MAX,
        }
    }

    /// Has a worker read `document` into `writing`. Returns what it says of the document.
    pub(crate) fn read(
        &self,
        document: File,
        writing: &mut Writing,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Result<Nature, Reason>, WorkerError> {
        let mut worker = Worker::start(self, document)?;
        let heard = worker.hear(self.time, writing, stopped);
        let status = worker.end(matches!(heard, Ok(Heard::Ended)));
        match heard? {
            Heard::Done(nature) => Ok(Ok(nature)),
            Heard::Failed(reason) => Ok(Err(reason)),
            Heard::Ended => Ok(Err(reason_of(status))),
        }
    }
}

/// What was heard of a worker.
enum Heard {
    Done(Nature),
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
        let child = Command::new(&program.path)
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
        time: Duration,
        writing: &mut Writing,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Heard, WorkerError> {
        let until = Instant::now() + time;
        let (mut decoder, mut buffer, mut taken) = (Decoder::default(), vec![0; READ], 0_u64);
        loop {
            if stopped() {
                return Err(WorkerError::Stopped);
            }
            if Instant::now() >= until {
                return Ok(Heard::Failed(Reason::Late));
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
                    Ok(Some(Frame::Done(nature))) if decoder.is_empty() => {
                        return Ok(Heard::Done(nature));
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
        Some(SIGKILL) => Reason::Killed,
        _ => Reason::Broke,
    }
}

#[cfg(test)]
#[allow(
    clippy::disallowed_methods,
    reason = "the tests write programs that stand for workers"
)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;
    use crate::kept::Kept;

    /// What a worker said, by the node.
    type Said = Result<Result<Nature, Reason>, WorkerError>;

    /// Has a shell script stand for a worker. Returns what was heard, and the table that was kept.
    fn said_within(time: Duration, script: &str, stopped: bool) -> (Said, u64) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("worker");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        let document = home.path().join("document");
        fs::write(&document, "the document").unwrap();
        let kept = Kept::open(home.path().join("kept")).unwrap();
        let mut writing = kept.begin().unwrap();
        let program = Program { path, time };
        let said = program.read(File::open(document).unwrap(), &mut writing, &|| stopped);
        (said, writing.length())
    }

    fn said(script: &str) -> Result<Nature, Reason> {
        said_within(TIME_MAX, script, false).0.unwrap()
    }

    /// A frame with a text of five letters, and the last word.
    const HONEST: &str = r"printf 't\005\000\000\000walru'; printf 'd\001\000\000\000\000'";

    #[test]
    fn honest_worker_is_heard_to_its_last_word() {
        let (said, length) = said_within(TIME_MAX, HONEST, false);
        assert_eq!((said.unwrap(), length), (Ok(Nature::default()), 5));
        // It has the document as its input, and no environment of the node.
        let input = r#"test "$(cat)" = "the document" && test -z "$HOME" && "#;
        assert_eq!(
            self::said(&format!("{input} {HONEST}")),
            Ok(Nature::default())
        );
    }

    #[test]
    fn worker_that_answers_rubbish_costs_its_document_only() {
        for script in [
            "echo rubbish",
            r"printf 't\377\377\377\377'",
            r"printf 't\001\000\000\000\377'",
            r"printf 'd\001\000\000\000\000x'",
            r"printf 'p\001\000\000\000x'",
            r"printf 'f\001\000\000\000\143'",
            "cat /dev/zero",
        ] {
            assert_eq!(said(script), Err(Reason::Invalid), "{script}");
        }
    }

    #[test]
    fn worker_that_ends_without_a_word_broke() {
        for (script, reason) in [
            ("exit 0", Reason::Broke),
            (r"printf 't\005\000\000\000wal'", Reason::Broke),
            ("kill -9 $$", Reason::Killed),
            ("kill -ABRT $$", Reason::Memory),
            ("kill -XCPU $$", Reason::Time),
        ] {
            assert_eq!(said(script), Err(reason), "{script}");
        }
    }

    #[test]
    fn worker_that_hangs_is_killed_with_its_group() {
        let begun = Instant::now();
        let time = Duration::from_millis(300);
        // Its child holds the pipe open.
        let (said, _) = said_within(time, "sleep 600 & kill -STOP $$", false);
        assert_eq!(said.unwrap(), Err(Reason::Late));
        assert!(begun.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn worker_that_floods_is_cut_off() {
        let flood = "head -c 65536 /dev/zero | tr '\\0' x > \"$0.text\"; \
            while :; do printf 't\\000\\000\\001\\000'; cat \"$0.text\"; done";
        assert_eq!(said(flood), Err(Reason::Text));
    }

    #[test]
    fn worker_ends_when_the_node_stops() {
        let (said, _) = said_within(TIME_MAX, "sleep 600", true);
        assert!(matches!(said, Err(WorkerError::Stopped)));
    }

    #[test]
    fn program_that_is_not_there_is_no_fault_of_the_document() {
        let home = tempfile::tempdir().unwrap();
        let kept = Kept::open(home.path().to_owned()).unwrap();
        let program = Program::at(home.path().join("none"));
        let document = tempfile::tempfile().unwrap();
        let said = program.read(document, &mut kept.begin().unwrap(), &|| false);
        assert!(matches!(said, Err(WorkerError::Start(_))));
    }
}
