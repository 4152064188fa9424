//! The handlers of the owner's directories: what [`PluginDirectory`] brings.
//!
//! # Invariants
//! - A prefix belongs to one handler: what is built in goes before the first
//!   directory, and each directory before the next one.
//! - At most half of the processors answer for them at a time, [`RUNNING_MAX`] at
//!   most, so that there is always a free one for what is built in; at most
//!   [`WAITING_MAX`] more wait for that, none longer than [`WAIT`]: however many queries
//!   come for them, other threads for answers are free for what is built in.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use plugin_api::{Handler, HandlerError, PluginDirectory, PluginFile};

use crate::sync::lock;

/// Most answers of scripts and programs that are given at a time, however many
/// processors there are.
const RUNNING_MAX: usize = 4;

/// Most queries that wait until one of them ends.
const WAITING_MAX: usize = 4;

/// Longest wait.
const WAIT: Duration = Duration::from_millis(500);

/// The owner's directories.
pub struct Plugins {
    /// Prefixes of what is built in.
    reserved: Vec<String>,
    directories: Vec<Arc<dyn PluginDirectory>>,
    places: Arc<Places>,
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
    pub(super) fn new(
        directories: Vec<Arc<dyn PluginDirectory>>,
        reserved: Vec<String>,
    ) -> Plugins {
        Plugins {
            reserved,
            directories,
            places: Arc::new(Places::new(running_max(processors()))),
        }
    }

    /// Returns the files, directory by directory.
    #[must_use]
    pub fn list(&self) -> Vec<PluginFile> {
        let directories = self.directories.iter();
        directories.flat_map(|directory| directory.list()).collect()
    }

    /// Returns the handlers, directory by directory.
    pub(super) fn handlers(&self) -> impl Iterator<Item = Arc<dyn Handler>> {
        let directories = self.directories.iter();
        directories.flat_map(|directory| directory.handlers())
    }

    pub(super) fn places(&self) -> &Arc<Places> {
        &self.places
    }

    /// Returns how many directories there are.
    pub(super) fn count(&self) -> usize {
        self.directories.len()
    }

    /// Loads the files of one directory that changed. Blocks, for as long as a handler may
    /// take to start.
    pub(super) fn refresh(&self, directory: usize) -> Result<News, String> {
        let Some(refreshed) = self.directories.get(directory) else {
            return Ok(News::new());
        };
        let before = self.directories[..directory].iter();
        let before = before.flat_map(|directory| directory.handlers());
        let before = before.map(|handler| handler.name().to_owned());
        let taken: Vec<_> = self.reserved.iter().cloned().chain(before).collect();
        refreshed.refresh(&taken)
    }

    /// Ends what runs for the handlers. Blocks.
    pub(super) fn stop(&self) {
        for directory in &self.directories {
            directory.stop();
        }
    }
}

impl std::fmt::Debug for Plugins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.handlers().map(|handler| handler.name().to_owned());
        f.debug_list().entries(names).finish()
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
