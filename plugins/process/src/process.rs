//! The process of a program: its introduction, and the rest of its answers.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use plugin_api::Asker;

use crate::{
    ProgramError,
    conversation::Breach,
    header::Introduction,
    leash::Leash,
    message::{FromProgram, Greeting, Hello, PROTOCOL, line},
    pipes::{PipeError, Pipes},
};

/// Longest time from the start of a program to its introduction.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(5);

/// The time that a program has to end an answer of which nothing more is wanted.
pub const CANCEL_GRACE: Duration = Duration::from_millis(500);

/// Longest time between two looks at whether the program is stopped.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A process that introduced itself.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) leash: Arc<Leash>,
    pub(crate) pipes: Pipes,
    /// An answer of which nothing more is wanted, and when it has to have ended.
    pub(crate) cancelled: Option<(u64, Instant)>,
    /// A stranger, if one has asked it.
    pub(crate) asked_by: Asker,
}

/// A flag that the programs of a directory have to end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Process {
    /// Starts the program and takes its introduction.
    pub(crate) fn start(path: &Path, stop: &Stop) -> Result<(Process, Introduction), ProgramError> {
        let (leash, pipes) = Leash::start(path)?;
        let mut process = Process {
            leash: Arc::new(leash),
            pipes,
            cancelled: None,
            asked_by: Asker::default(),
        };
        match process.introduce(stop) {
            Ok(greeting) => Ok((process, Introduction::check(greeting)?)),
            Err(error) => {
                let problem = process.describe(&error);
                process.leash.kill();
                Err(ProgramError::Handshake(problem))
            }
        }
    }

    fn introduce(&mut self, stop: &Stop) -> Result<Greeting, Breach> {
        let until = Instant::now() + HANDSHAKE_TIME;
        self.pipes.send(&line(&Hello { sixhop: PROTOCOL }))?;
        loop {
            let now = Instant::now();
            if now >= until {
                return Err(Breach::Bound("did not answer in time"));
            }
            if let Some(line) = self.pipes.next_line(until.min(now + LOOK_EVERY))? {
                return Ok(serde_json::from_slice(&line)?);
            }
            look(&self.leash, stop)?;
        }
    }

    /// Takes the rest of an answer that was cancelled. Waits for its end
    /// until `wait`; fails when the time for it is over.
    pub(crate) fn drain(&mut self, wait: Instant) -> Result<(), Breach> {
        let Some((id, until)) = self.cancelled else {
            return Ok(());
        };
        loop {
            match self.pipes.next_line(wait.min(until))? {
                Some(line) => {
                    let message: FromProgram = serde_json::from_slice(&line)?;
                    if message.id() != id {
                        return Err(Breach::Other {
                            got: message.id(),
                            asked: id,
                        });
                    }
                    if message.is_last() {
                        self.cancelled = None;
                        return Ok(());
                    }
                }
                None if Instant::now() >= until => {
                    return Err(Breach::Bound("did not end an answer that was cancelled"));
                }
                None => return Ok(()),
            }
        }
    }

    /// Returns a problem, with the end of the process and its last line of error output.
    pub(crate) fn describe(&mut self, error: &Breach) -> String {
        let mut text = error.to_string();
        if let Breach::Pipe(PipeError::Ended) = error
            && let Some(status) = self.leash.end_by_itself()
        {
            text = format!("{text} ({status})");
        }
        match self.pipes.last_error() {
            Some(said) => format!("{text}; its last words: {said}"),
            None => text,
        }
    }
}

impl Stop {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Errors if there is a reason to wait no longer for a process.
pub(crate) fn look(leash: &Leash, stop: &Stop) -> Result<(), Breach> {
    if stop.is_set() {
        return Err(Breach::Stopped);
    }
    // A child of it may hold its output open.
    if leash.has_ended() {
        return Err(PipeError::Ended.into());
    }
    Ok(())
}
