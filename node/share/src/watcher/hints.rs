//! Hints that wait to be looked into.

use std::{
    collections::BTreeMap,
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

use node_base::sync::lock;

/// Most hints that wait; with more, all is looked at.
const HINTS_MAX: usize = 16_384;

/// The places to look at.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Batch {
    /// Files and directories, by their names in the share.
    pub(crate) names: BTreeMap<String, Signs>,
    /// The shared directory itself.
    pub(crate) root: bool,
    /// Everywhere.
    pub(crate) everything: bool,
}

/// The signs of a change.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Signs {
    /// It was written to, or closed after it was open for writing.
    pub(crate) written: bool,
    /// It has another name, or had one.
    pub(crate) renamed: bool,
}

/// Hints that wait.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    waiting: Mutex<Waiting>,
    came: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    batch: Batch,
    stopped: bool,
    /// True if there is something to do beside the hints.
    woken: bool,
}

impl Signs {
    fn add(&mut self, other: Signs) {
        self.written |= other.written;
        self.renamed |= other.renamed;
    }
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Batch::default()
    }

    /// Adds the hints of `later`.
    pub(crate) fn append(&mut self, later: Batch) {
        self.root |= later.root;
        self.everything |= later.everything;
        for (name, signs) in later.names {
            self.names.entry(name).or_default().add(signs);
        }
    }
}

impl Hints {
    /// Hints at the file or directory `name`.
    pub(crate) fn name(&self, name: &str) {
        self.sign(name, Signs::default());
    }

    /// Hints at the file or directory `name`, of which `signs` were seen.
    pub(crate) fn sign(&self, name: &str, signs: Signs) {
        self.add(|batch| {
            if batch.everything {
                return;
            }
            if let Some(known) = batch.names.get_mut(name) {
                known.add(signs);
            } else if batch.names.len() < HINTS_MAX {
                batch.names.insert(name.to_owned(), signs);
            } else {
                batch.names.clear();
                batch.everything = true;
            }
        });
    }

    /// Hints at the shared directory itself.
    pub(crate) fn root(&self) {
        self.add(|batch| batch.root = true);
    }

    /// Hints at everything.
    pub(crate) fn everything(&self) {
        self.add(|batch| {
            batch.names.clear();
            batch.everything = true;
        });
    }

    /// Ends [`Hints::wait`] once.
    pub(crate) fn wake(&self) {
        lock(&self.waiting).woken = true;
        self.came.notify_all();
    }

    fn add(&self, add: impl FnOnce(&mut Batch)) {
        let mut waiting = lock(&self.waiting);
        let was_empty = waiting.batch.is_empty();
        add(&mut waiting.batch);
        if was_empty {
            self.came.notify_all();
        }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.waiting).batch.is_empty()
    }

    /// Stops: nobody waits any more.
    pub(crate) fn stop(&self) {
        lock(&self.waiting).stopped = true;
        self.came.notify_all();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        lock(&self.waiting).stopped
    }

    /// Waits for a hint, at most for `most`.
    pub(crate) fn wait(&self, most: Duration) {
        let waiting = lock(&self.waiting);
        let idle =
            |waiting: &mut Waiting| waiting.batch.is_empty() && !waiting.stopped && !waiting.woken;
        let (mut waiting, _) = self
            .came
            .wait_timeout_while(waiting, most, idle)
            .unwrap_or_else(PoisonError::into_inner);
        waiting.woken = false;
    }

    /// Waits for `time`, or until it is stopped.
    pub(crate) fn pause(&self, time: Duration) {
        let waiting = lock(&self.waiting);
        drop(
            self.came
                .wait_timeout_while(waiting, time, |waiting| !waiting.stopped)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    /// Returns the hints that came.
    pub(crate) fn take(&self) -> Batch {
        std::mem::take(&mut lock(&self.waiting).batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubled_hints_are_one_and_too_many_mean_everything() {
        let hints = Hints::default();
        hints.name("a");
        hints.name("a");
        assert_eq!(hints.take().names.len(), 1);
        for n in 0..=HINTS_MAX {
            hints.name(&n.to_string());
        }
        hints.name("b");
        let batch = hints.take();
        assert!(batch.everything && batch.names.is_empty());
        assert!(hints.take().is_empty());
    }
}
