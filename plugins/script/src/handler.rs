//! A script that answers queries.

use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use plugin_api::{Example, Files, Flow, Handler, HandlerError, Sink};
use rhai::{AST, Dynamic, Scope};

use crate::{ScriptError, background, capability::Call, header::Header, sandbox};

/// Failures in a row after which a script is not called any more.
pub const FAILURES_MAX: u32 = 3;

/// Most calls of scripts at a time.
pub const RUNNING_MAX: usize = 4;

/// Longest wait for one of the others to end.
const WAIT: Duration = Duration::from_millis(500);

/// Longest description of a failure, in characters.
const PROBLEM_MAX: usize = 500;

/// The function of a script that is called.
const ANSWER: &str = "answer";

/// A script that compiled.
pub struct ScriptHandler {
    header: Header,
    ast: AST,
    places: Arc<Places>,
    failures: AtomicU32,
    last_failure: Mutex<Option<String>>,
}

/// Bounds how many calls run at a time.
#[derive(Debug, Default)]
pub(crate) struct Places {
    taken: Mutex<usize>,
    freed: Condvar,
}

/// A place that was taken.
struct Place<'a>(&'a Places);

impl ScriptHandler {
    /// Compiles `source`.
    ///
    /// # Errors
    /// [`ScriptError`], with the line where there is one.
    pub fn compile(source: &str) -> Result<ScriptHandler, ScriptError> {
        ScriptHandler::compile_for(source, &Arc::default())
    }

    pub(crate) fn compile_for(
        source: &str,
        places: &Arc<Places>,
    ) -> Result<ScriptHandler, ScriptError> {
        let header = Header::parse(source)?;
        let ast = sandbox::compiler()
            .compile(source)
            .map_err(|error| ScriptError::Compile(error.to_string()))?;
        let can_answer = ast
            .iter_functions()
            .any(|function| function.name == ANSWER && function.params.len() == 1);
        if !can_answer {
            return Err(ScriptError::NoAnswer);
        }
        Ok(ScriptHandler {
            header,
            ast,
            places: Arc::clone(places),
            failures: AtomicU32::new(0),
            last_failure: Mutex::default(),
        })
    }

    /// What tells it from other scripts.
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
        let last = self.last_failure.lock();
        last.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it is not called any more.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.failures.load(Ordering::Relaxed) >= FAILURES_MAX
    }

    fn failed(&self, problem: &str) -> HandlerError {
        HandlerError::Failed {
            handler: self.header.prefix.clone(),
            // The language puts each call on a line of its own.
            problem: problem
                .replace('\n', ", ")
                .chars()
                .take(PROBLEM_MAX)
                .collect(),
        }
    }

    /// Notes a failure. One under a query of a stranger does not count: nobody else may
    /// switch the script off for its owner.
    fn note(&self, problem: &str, of_stranger: bool) -> HandlerError {
        if !of_stranger {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        let error = self.failed(problem);
        let mut last = self.last_failure.lock();
        **last.as_mut().unwrap_or_else(|error| error.get_mut()) = Some(error.to_string());
        error
    }

    fn run(&self, text: &str, call: &Arc<Call>, of_stranger: bool) -> Result<(), HandlerError> {
        let engine = sandbox::build(call);
        let called =
            engine.call_fn::<Dynamic>(&mut Scope::new(), &self.ast, ANSWER, (text.to_owned(),));
        match (called, call.refused()) {
            (_, Some(problem)) => Err(HandlerError::BadQuery {
                text: text.chars().take(80).collect(),
                problem: problem.chars().take(PROBLEM_MAX).collect(),
            }),
            (Err(error), None) => Err(self.note(&error.to_string(), of_stranger)),
            (Ok(_), None) => {
                self.failures.store(0, Ordering::Relaxed);
                Ok(())
            }
        }
    }
}

impl Handler for ScriptHandler {
    fn name(&self) -> &str {
        &self.header.prefix
    }

    fn description(&self) -> &str {
        &self.header.description
    }

    fn examples(&self) -> Vec<Example> {
        self.header.examples.clone()
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
        let place = self.places.take();
        let _place = place.ok_or_else(|| self.failed("too many scripts run, try again later"))?;
        let of_stranger = sink.is_of_stranger();
        let answered = background::run(|| {
            let call = Call::new(files);
            self.run(text, &call, of_stranger).map(|()| call.hits())
        });
        let hits = answered.map_err(|error| self.failed(&format!("no thread: {error}")))??;
        for hit in hits {
            if sink.hit(hit) == Flow::Stop {
                break;
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for ScriptHandler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScriptHandler")
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

impl Places {
    fn take(&self) -> Option<Place<'_>> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .freed
            .wait_timeout_while(taken, WAIT, |taken| *taken >= RUNNING_MAX);
        let (mut taken, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return None;
        }
        *taken += 1;
        Some(Place(self))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let taken = self.0.taken.lock();
        *taken.unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.freed.notify_one();
    }
}
