//! What the owner's directory adds to the handlers: scripts and programs.
//!
//! # Invariants
//! - A prefix belongs to one handler: what is built in goes before scripts, and
//!   those go before programs.
//! - At most half of the processors answer for them at a time, [`RUNNING_MAX`] at
//!   most, so that there is always a free one for what is built in; at most
//!   [`WAITING_MAX`] more wait for that, none longer than [`WAIT`]: however many queries
//!   come for them, other threads for answers are free for what is built in.

use std::{
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use plugin_api::{Handler, HandlerError};
use plugin_process::{ProgramState, Programs};
use plugin_script::{ScriptState, Scripts};

use crate::sync::lock;

/// Most answers of scripts and programs that are given at a time, however many
/// processors there are.
const RUNNING_MAX: usize = 4;

/// Most queries that wait until one of them ends.
const WAITING_MAX: usize = 4;

/// Longest wait.
const WAIT: Duration = Duration::from_millis(500);

/// The owner's directory.
#[derive(Debug)]
pub struct Plugins {
    /// Prefixes of what is built in.
    reserved: Vec<String>,
    scripts: Scripts,
    programs: Programs,
    places: Arc<Places>,
}

/// A file of the directory and what became of it.
#[derive(Clone)]
pub struct PluginFile {
    /// Its name.
    pub file: String,
    /// What answers, if anything does: the last version that was right.
    pub handler: Option<Arc<dyn Handler>>,
    /// What that version calls itself.
    pub id: Option<String>,
    /// Its number.
    pub version: Option<u32>,
    /// Whether it is not asked any more.
    pub is_disabled: bool,
    /// Why the file as it is now is not used, or how the last answer failed.
    pub problem: Option<String>,
}

/// News of a directory: a file and what happened to it.
pub(super) type News = Vec<(String, String)>;

/// Bounds how many answers are given at a time.
#[derive(Debug)]
pub(super) struct Places {
    running_max: usize,
    taken: Mutex<Taken>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Taken {
    running: usize,
    waiting: usize,
}

/// A place that was taken.
pub(super) struct Place<'a>(&'a Places);

impl Plugins {
    pub(super) fn new(directory: PathBuf, reserved: Vec<String>) -> Plugins {
        Plugins {
            scripts: Scripts::new(directory.clone(), reserved.clone()),
            programs: Programs::new(directory),
            places: Arc::new(Places::new(running_max(processors()))),
            reserved,
        }
    }

    /// The files, scripts first.
    #[must_use]
    pub fn list(&self) -> Vec<PluginFile> {
        let scripts = self.scripts.list_loaded().into_iter().map(of_script);
        let programs = self.programs.list_loaded().into_iter().map(of_program);
        scripts.chain(programs).collect()
    }

    /// What answers.
    pub(super) fn handlers(&self) -> impl Iterator<Item = Arc<dyn Handler>> {
        let scripts = self.scripts.handlers().into_iter();
        let scripts = scripts.map(|handler| handler as Arc<dyn Handler>);
        let programs = self.programs.handlers().into_iter();
        scripts.chain(programs.map(|handler| handler as Arc<dyn Handler>))
    }

    pub(super) fn places(&self) -> &Arc<Places> {
        &self.places
    }

    /// Loads scripts that changed. Blocks.
    pub(super) fn refresh_scripts(&self) -> Result<News, String> {
        self.scripts.refresh().map_err(|error| error.to_string())
    }

    /// Starts programs that changed, and looks after those that run. Blocks, for
    /// as long as a program may take to introduce itself.
    pub(super) fn refresh_programs(&self) -> Result<News, String> {
        let scripts = self.scripts.handlers().into_iter();
        let scripts = scripts.map(|script| script.name().to_owned());
        let taken: Vec<_> = self.reserved.iter().cloned().chain(scripts).collect();
        let looked = self.programs.refresh(&taken);
        looked.map_err(|error| error.to_string())
    }

    /// Ends the programs. Blocks.
    pub(super) fn stop(&self) {
        self.programs.stop();
    }
}

fn of_script(script: ScriptState) -> PluginFile {
    let handler = script.handler;
    let failure = handler.as_ref().and_then(|handler| handler.last_failure());
    PluginFile {
        file: script.file,
        id: handler.as_ref().map(|handler| handler.id().to_owned()),
        version: handler.as_ref().map(|handler| handler.version()),
        is_disabled: handler
            .as_ref()
            .is_some_and(|handler| handler.is_disabled()),
        problem: script.problem.or(failure),
        handler: handler.map(|handler| handler as Arc<dyn Handler>),
    }
}

fn of_program(program: ProgramState) -> PluginFile {
    let handler = program.handler;
    let failure = handler.as_ref().and_then(|handler| handler.last_failure());
    PluginFile {
        file: program.file,
        id: handler.as_ref().map(|handler| handler.id().to_owned()),
        version: handler.as_ref().map(|handler| handler.version()),
        is_disabled: handler
            .as_ref()
            .is_some_and(|handler| handler.is_disabled()),
        problem: program.problem.or(failure),
        handler: handler.map(|handler| handler as Arc<dyn Handler>),
    }
}

/// Processors that the node may use; one if that cannot be found out.
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Most answers at a time with so many processors.
fn running_max(processors: usize) -> usize {
    (processors / 2).clamp(1, RUNNING_MAX)
}

impl Places {
    fn new(running_max: usize) -> Places {
        Places {
            running_max,
            taken: Mutex::default(),
            freed: Condvar::new(),
        }
    }

    /// A place for an answer of `handler`. Blocks.
    pub(super) fn take(&self, handler: &str) -> Result<Place<'_>, HandlerError> {
        let busy = || HandlerError::Failed {
            handler: handler.to_owned(),
            problem: "too many scripts and programs answer, try again later".to_owned(),
        };
        let mut taken = lock(&self.taken);
        if taken.running >= self.running_max {
            if taken.waiting >= WAITING_MAX {
                return Err(busy());
            }
            taken.waiting += 1;
            let is_full = |taken: &mut Taken| taken.running >= self.running_max;
            let waited = self.freed.wait_timeout_while(taken, WAIT, is_full);
            taken = waited.unwrap_or_else(PoisonError::into_inner).0;
            taken.waiting -= 1;
            if taken.running >= self.running_max {
                return Err(busy());
            }
        }
        taken.running += 1;
        Ok(Place(self))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        lock(&self.0.taken).running -= 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_processors_answer_for_the_owners_directory_and_one_at_least() {
        let of = [1, 2, 3, 4, 8, 128].map(running_max);
        assert_eq!(of, [1, 1, 1, 2, 4, 4]);
    }

    #[test]
    fn so_many_answer_so_many_wait_and_the_others_are_refused() {
        let places = Places::new(RUNNING_MAX);
        let running: Vec<_> = (0..RUNNING_MAX)
            .map(|_| places.take("x").unwrap())
            .collect();
        std::thread::scope(|scope| {
            let waiting: Vec<_> = (0..WAITING_MAX)
                .map(|_| scope.spawn(|| places.take("x").is_ok()))
                .collect();
            // They wait, or have waited in vain: either way one more has no place.
            while lock(&places.taken).waiting < WAITING_MAX
                && !waiting.iter().any(|thread| thread.is_finished())
            {
                std::thread::yield_now();
            }
            assert!(places.take("x").is_err());
            drop(running);
            let served = waiting.into_iter().filter_map(|thread| thread.join().ok());
            assert!(served.filter(|has_place| *has_place).count() >= 1);
        });
        assert_eq!(lock(&places.taken).running, 0);
    }
}
