//! A program that answers queries.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use plugin_api::{Asker, Changes, Example, Files, Handler, HandlerError, Sink};
use plugin_host::{Answers, Header, Plugin, Strikes, lock};

use crate::{
    ProgramError,
    back_off::BackOff,
    changes::Changed,
    conversation::{Breach, Conversation, End},
    header::Introduction,
    leash::{Leash, end_all},
    limits,
    message::{ToProgram, line},
    pipes::{PipeError, Pipes},
    process::{CANCEL_GRACE, Process, Stop, look},
    rights,
    turn::{Taken, Turn},
};

/// Longest wait for it when the program is stopped.
const STOP_WAIT: Duration = Duration::from_secs(1);

/// A program that introduced itself.
#[derive(Debug)]
pub struct Program {
    path: PathBuf,
    introduction: Introduction,
    answers: Answers,
    stop: Stop,
    is_retired: AtomicBool,
    turn: Turn<State>,
    /// The process, to end it from outside.
    leash: Mutex<Option<Arc<Leash>>>,
    strikes: Strikes,
    changes: Mutex<Changed>,
}

/// The state that the asking thread has for that time.
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
        Program::start_for(path, &Answers::default(), &Stop::default())
    }

    pub(crate) fn start_for(
        path: &Path,
        answers: &Answers,
        stop: &Stop,
    ) -> Result<Program, ProgramError> {
        let path = std::path::absolute(path)?;
        rights::check(&path)?;
        let (process, introduction) = Process::start(&path, stop)?;
        let leash = Arc::clone(&process.leash);
        let state = State {
            process: Some(process),
            ..State::default()
        };
        Ok(Program {
            path,
            strikes: Strikes::new(&introduction.header.prefix),
            introduction,
            answers: answers.clone(),
            stop: stop.clone(),
            is_retired: AtomicBool::new(false),
            turn: Turn::new(state),
            leash: Mutex::new(Some(leash)),
            changes: Mutex::default(),
        })
    }

    /// Returns the number of its process, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        let leash = lock(&self.leash).clone()?;
        u32::try_from(leash.pid().as_raw_nonzero().get()).ok()
    }

    /// Ends it, or has the asking thread end it after the answer. It is not started
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
        // The asking thread looks after it.
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
            state.rest();
            self.end_process(&mut state);
            self.strikes.keep(&problem);
        } else if let Err(error) = process.drain(Instant::now()) {
            self.breach(&mut state, &error);
        }
    }

    /// Returns a process that can be asked.
    fn process<'a>(
        &self,
        state: &'a mut State,
        asker: Asker,
    ) -> Result<&'a mut Process, HandlerError> {
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
                return Err(self.strikes.error("it was stopped"));
            }
            if let Some(left) = state.back_off.left(Instant::now()) {
                let problem = format!("it failed and starts again in {} ms", left.as_millis());
                return Err(self.strikes.error(&problem));
            }
            let started = Process::start(&self.path, &self.stop);
            let started = started.and_then(|(process, introduction)| {
                if introduction == self.introduction {
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
                    return Err(self.strikes.failed_for(asker, &error.to_string()));
                }
            }
        }
        let process = state.process.as_mut();
        process.ok_or_else(|| self.strikes.error("it does not run"))
    }

    /// Has one answer from a process that can be asked.
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
        let asker = sink.asker();
        if asker == Asker::Stranger {
            process.asked_by = Asker::Stranger;
        }
        limits::allow_time(process.leash.pid());
        self.tell_changes(&mut process.pipes)?;
        let (leash, stop) = (&process.leash, &self.stop);
        let look = || look(leash, stop);
        let gives_way = || asker == Asker::Stranger && self.turn.owner_waits();
        let pipes = &mut process.pipes;
        let end = Conversation::new(id, pipes, files, sink, &look)
            .giving_way(&gives_way)
            .run(text)?;
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

    /// Judges the end of an answer, for the asker and the program.
    fn judge(
        &self,
        state: &mut State,
        text: &str,
        end: Result<End, Breach>,
    ) -> Result<(), HandlerError> {
        match end {
            Ok(End::Done) => {
                self.strikes.worked();
                state.back_off.worked();
                Ok(())
            }
            Ok(End::Cancelled) => Ok(()),
            Ok(End::Refused(problem)) => Err(HandlerError::BadQuery {
                text: text.chars().take(80).collect(),
                problem,
            }),
            Ok(End::Failed(problem)) => Err(self.strikes.failed_for(state.asked_by(), &problem)),
            Err(error) => Err(self.breach(state, &error)),
        }
    }

    /// Ends a process that broke the rules.
    fn breach(&self, state: &mut State, error: &Breach) -> HandlerError {
        // Its end explains more than what followed from it.
        let process = state.process.as_mut();
        let problem = process.map_or_else(|| error.to_string(), |process| process.describe(error));
        let answered = match error {
            // These are not its fault.
            Breach::Stopped | Breach::Files(_) => self.strikes.error(&problem),
            _ => {
                state.rest();
                self.strikes.failed_for(state.asked_by(), &problem)
            }
        };
        self.end_process(state);
        answered
    }

    fn end_process(&self, state: &mut State) {
        if let Some(process) = state.process.take() {
            process.leash.kill();
        }
        *lock(&self.leash) = None;
    }
}

impl State {
    /// Returns who asked the process: a stranger, if one did since it was started. What a query leaves behind in it may
    /// break the next answer.
    fn asked_by(&self) -> Asker {
        self.process
            .as_ref()
            .map(|process| process.asked_by)
            .unwrap_or_default()
    }

    /// Has the program rest after a failure, unless it may come from a query of a stranger.
    fn rest(&mut self) {
        if self.asked_by() == Asker::Owner {
            self.back_off.failed(Instant::now());
        }
    }
}

impl Handler for Program {
    fn name(&self) -> &str {
        &self.introduction.header.prefix
    }

    fn description(&self) -> &str {
        &self.introduction.header.description
    }

    fn examples(&self) -> Vec<Example> {
        self.introduction.header.examples.clone()
    }

    fn changed(&self, changes: Changes<'_>) {
        if self.introduction.wants_changes {
            lock(&self.changes).add(changes);
        }
    }

    fn answer(
        &self,
        text: &str,
        files: &Arc<dyn Files>,
        sink: &mut dyn Sink,
    ) -> Result<(), HandlerError> {
        let _permit = self.strikes.admit(&self.answers, sink.asker())?;
        let turn = self.turn.take_for(sink.asker());
        let mut state: Taken<'_, State> = turn.ok_or_else(|| {
            self.strikes
                .error("it answers another query, try again later")
        })?;
        self.process(&mut state, sink.asker())?;
        let end = self.converse(&mut state, text, files.as_ref(), sink);
        let answered = self.judge(&mut state, text, end);
        if self.is_retired.load(Ordering::Relaxed) {
            self.end_politely(&mut state);
        }
        answered
    }
}

impl Plugin for Program {
    fn header(&self) -> &Header {
        &self.introduction.header
    }

    fn strikes(&self) -> &Strikes {
        &self.strikes
    }
}

/// Ends the processes of programs that are not asked any more. Blocks.
pub(crate) fn stop_all(programs: &[Arc<Program>]) {
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
