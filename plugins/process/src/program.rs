//! A program that answers queries.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use plugin_api::{Changes, Example, Files, Handler, HandlerError, Sink};

use crate::{
    ProgramError,
    back_off::BackOff,
    changes::Changed,
    conversation::{Breach, Conversation, End, PROBLEM_MAX},
    header::Header,
    leash::{Leash, end_all},
    limits,
    message::{ToProgram, line},
    pipes::{PipeError, Pipes},
    process::{CANCEL_GRACE, Process, Stop, look},
    rights,
    turn::{Taken, Turn},
};

/// Failures in a row after which a program is not asked any more.
pub const FAILURES_MAX: u32 = 3;

/// Longest wait for the answer to another query to end.
const WAIT: Duration = Duration::from_millis(500);

/// Longest wait for it when the program is stopped.
const STOP_WAIT: Duration = Duration::from_secs(1);

/// A program that introduced itself.
#[derive(Debug)]
pub struct Program {
    path: PathBuf,
    header: Header,
    stop: Stop,
    is_retired: AtomicBool,
    turn: Turn<State>,
    /// The process, to end it from outside.
    leash: Mutex<Option<Arc<Leash>>>,
    failures: AtomicU32,
    last_failure: Mutex<Option<String>>,
    changes: Mutex<Changed>,
}

/// What whoever asks the program has for that time.
#[derive(Debug, Default)]
struct State {
    process: Option<Process>,
    back_off: BackOff,
    last_id: u64,
}

impl Program {
    /// Starts the file `path` and lets it introduce itself. Blocks, for at most
    /// [`HANDSHAKE_TIME`](crate::HANDSHAKE_TIME).
    ///
    /// # Errors
    /// [`ProgramError`] when it must not be run, or does not introduce itself.
    pub fn start(path: &Path) -> Result<Program, ProgramError> {
        Program::start_for(path, &Stop::default())
    }

    pub(crate) fn start_for(path: &Path, stop: &Stop) -> Result<Program, ProgramError> {
        let path = std::path::absolute(path)?;
        rights::check(&path)?;
        let (process, header) = Process::start(&path, stop)?;
        let leash = Arc::clone(&process.leash);
        let state = State {
            process: Some(process),
            ..State::default()
        };
        Ok(Program {
            path,
            header,
            stop: stop.clone(),
            is_retired: AtomicBool::new(false),
            turn: Turn::new(state),
            leash: Mutex::new(Some(leash)),
            failures: AtomicU32::new(0),
            last_failure: Mutex::default(),
            changes: Mutex::default(),
        })
    }

    /// What tells it from other programs.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.header.id
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.header.version
    }

    /// Why it failed the last time, if it did.
    #[must_use]
    pub fn last_failure(&self) -> Option<String> {
        lock(&self.last_failure).clone()
    }

    /// Whether it is not asked any more.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.failures.load(Ordering::Relaxed) >= FAILURES_MAX
    }

    /// The number of its process, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        let leash = lock(&self.leash).clone()?;
        u32::try_from(leash.pid().as_raw_nonzero().get()).ok()
    }

    /// Ends it, or has whoever asks it end it after the answer. It is not started
    /// again. Blocks.
    pub(crate) fn retire(&self) {
        self.is_retired.store(true, Ordering::Relaxed);
        if let Some(mut state) = self.turn.take(Duration::ZERO) {
            self.end_politely(&mut state);
        }
    }

    fn end_politely(&self, state: &mut State) {
        if let Some(process) = state.process.take() {
            // The end of its input is the first sign.
            drop(process.pipes);
            end_all(std::iter::once(process.leash.as_ref()));
        }
        *lock(&self.leash) = None;
    }

    /// Looks at the process between two answers: takes what it says on standard
    /// error, and ends one that has ended by itself or does not end what was
    /// cancelled.
    pub(crate) fn look_after(&self) {
        // Whoever asks it looks after it.
        let Some(mut state) = self.turn.take(Duration::ZERO) else {
            return;
        };
        let Some(process) = &mut state.process else {
            return;
        };
        process.pipes.begin();
        process.pipes.take_errors();
        if process.leash.has_ended() {
            let problem = process.describe(&PipeError::Ended.into());
            self.end_process(&mut state);
            state.back_off.failed(Instant::now());
            self.keep_failure(&problem);
        } else if let Err(error) = process.drain(Instant::now()) {
            self.breach(&mut state, &error);
        }
    }

    /// A process that can be asked.
    fn process<'a>(&self, state: &'a mut State) -> Result<&'a mut Process, HandlerError> {
        if let Some(process) = &mut state.process {
            let until = process.cancelled.map(|(_, until)| until);
            if let Err(error) = process.drain(until.unwrap_or_else(Instant::now)) {
                self.breach(state, &error);
            } else if process.leash.has_ended() {
                self.end_process(state);
            }
        }
        if state.process.is_none() {
            if self.stop.is_set() || self.is_retired.load(Ordering::Relaxed) {
                return Err(self.failed("it was stopped"));
            }
            if let Some(left) = state.back_off.left(Instant::now()) {
                let problem = format!("it failed and starts again in {} ms", left.as_millis());
                return Err(self.failed(&problem));
            }
            let started = Process::start(&self.path, &self.stop);
            let started = started.and_then(|(process, header)| {
                if header == self.header {
                    return Ok(process);
                }
                let problem = "it introduced itself as another one than before";
                Err(ProgramError::Handshake(problem.to_owned()))
            });
            match started {
                Ok(process) => {
                    *lock(&self.leash) = Some(Arc::clone(&process.leash));
                    *lock(&self.changes) = Changed::Nothing;
                    state.process = Some(process);
                }
                Err(error) => {
                    state.back_off.failed(Instant::now());
                    return Err(self.note(&error.to_string(), false));
                }
            }
        }
        let process = state.process.as_mut();
        process.ok_or_else(|| self.failed("it does not run"))
    }

    /// One answer by a process that can be asked.
    fn converse(
        &self,
        state: &mut State,
        text: &str,
        files: &dyn Files,
        sink: &mut dyn Sink,
    ) -> Result<End, Breach> {
        state.last_id += 1;
        let id = state.last_id;
        let process = state.process.as_mut().ok_or(PipeError::Ended)?;
        limits::allow_time(process.leash.pid());
        self.tell_changes(&mut process.pipes)?;
        let (leash, stop) = (&process.leash, &self.stop);
        let look = || look(leash, stop);
        let pipes = &mut process.pipes;
        let end = Conversation::new(id, pipes, files, sink, &look).run(text)?;
        if matches!(end, End::Cancelled) {
            process.cancelled = Some((id, Instant::now() + CANCEL_GRACE));
        }
        Ok(end)
    }

    fn tell_changes(&self, pipes: &mut Pipes) -> Result<(), PipeError> {
        let names = match std::mem::take(&mut *lock(&self.changes)) {
            Changed::Nothing => return Ok(()),
            Changed::Names(names) => Some(names),
            Changed::Anything => None,
        };
        pipes.send(&line(&ToProgram::Changed { names }))
    }

    /// What the end of an answer means for the asker and the program.
    fn judge(
        &self,
        state: &mut State,
        text: &str,
        end: Result<End, Breach>,
        of_stranger: bool,
    ) -> Result<(), HandlerError> {
        match end {
            Ok(End::Done) => {
                self.failures.store(0, Ordering::Relaxed);
                state.back_off.worked();
                Ok(())
            }
            Ok(End::Cancelled) => Ok(()),
            Ok(End::Refused(problem)) => Err(HandlerError::BadQuery {
                text: text.chars().take(80).collect(),
                problem,
            }),
            Ok(End::Failed(problem)) => Err(self.note(&problem, of_stranger)),
            Err(error) => Err(self.breach(state, &error, of_stranger)),
        }
    }

    /// Ends a process that broke the rules.
    fn breach(&self, state: &mut State, error: &Breach, of_stranger: bool) -> HandlerError {
        // Its end explains more than what followed from it.
        let process = state.process.as_mut();
        let problem = process.map_or_else(|| error.to_string(), |process| process.describe(error));
        self.end_process(state);
        match error {
            // These are not its fault.
            Breach::Stopped | Breach::Files(_) => self.failed(&problem),
            _ => {
                if !of_stranger {
                    state.back_off.failed(Instant::now());
                }
                self.note(&problem, of_stranger)
            }
        }
    }

    fn end_process(&self, state: &mut State) {
        if let Some(process) = state.process.take() {
            process.leash.kill();
        }
        *lock(&self.leash) = None;
    }

    /// Notes a failure. One under a query of a stranger does not count: nobody else may
    /// switch the program off for its owner.
    fn note(&self, problem: &str, of_stranger: bool) -> HandlerError {
        if !of_stranger {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        self.keep_failure(problem);
        self.failed(problem)
    }

    fn keep_failure(&self, problem: &str) {
        let problem = self.failed(problem).to_string();
        tracing::debug!(problem, "a program failed");
        *lock(&self.last_failure) = Some(problem);
    }

    fn failed(&self, problem: &str) -> HandlerError {
        HandlerError::Failed {
            handler: self.header.prefix.clone(),
            problem: problem.chars().take(PROBLEM_MAX).collect(),
        }
    }
}

impl Handler for Program {
    fn name(&self) -> &str {
        &self.header.prefix
    }

    fn description(&self) -> &str {
        &self.header.description
    }

    fn examples(&self) -> Vec<Example> {
        self.header.examples.clone()
    }

    fn changed(&self, changes: Changes<'_>) {
        if self.header.changes {
            lock(&self.changes).add(changes);
        }
    }

    fn answer(
        &self,
        text: &str,
        files: &Arc<dyn Files>,
        sink: &mut dyn Sink,
    ) -> Result<(), HandlerError> {
        if self.is_disabled() {
            let problem =
                "it failed three times in a row and is switched off until its file changes";
            return Err(self.failed(problem));
        }
        let turn = self.turn.take(WAIT);
        let mut state: Taken<'_, State> =
            turn.ok_or_else(|| self.failed("it answers another query, try again later"))?;
        self.process(&mut state)?;
        let end = self.converse(&mut state, text, files.as_ref(), sink);
        let answered = self.judge(&mut state, text, end, sink.is_of_stranger());
        if self.is_retired.load(Ordering::Relaxed) {
            self.end_politely(&mut state);
        }
        answered
    }
}

/// Ends the processes of programs that are not asked any more. Blocks.
pub(crate) fn stop_all(programs: &[&Program]) {
    let until = Instant::now() + STOP_WAIT;
    let mut leashes = Vec::new();
    for program in programs {
        let wait = until.saturating_duration_since(Instant::now());
        match program.turn.take(wait) {
            // The end of its input is the first sign.
            Some(mut state) => leashes.extend(state.process.take().map(|process| process.leash)),
            None => leashes.extend(lock(&program.leash).clone()),
        }
    }
    end_all(leashes.iter().map(Arc::as_ref));
    for program in programs {
        *lock(&program.leash) = None;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
