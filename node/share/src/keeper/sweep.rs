//! Looking at one directory after the other, a little at a time.

use std::time::{Duration, Instant};

use node_base::clock::now;

use super::look::Look;

/// The depth of a sweep.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Depth {
    /// Directories, and the files of those that changed.
    Changed,
    /// Every file.
    Files,
}

/// A look at all directories, in order of their names.
#[derive(Debug)]
pub(super) struct Sweep {
    pub(super) depth: Depth,
    pub(super) is_urgent: bool,
    next: Option<String>,
    /// The directories whose files are looked at; all if there are none.
    within: Vec<String>,
    pub(super) begun: Instant,
    /// Time to rest before the next step.
    pub(super) rest: Duration,
    /// Time that it took so far.
    pub(super) took: Duration,
}

impl Sweep {
    pub(super) fn new(depth: Depth, is_urgent: bool) -> Sweep {
        Sweep {
            depth,
            is_urgent,
            next: Some(String::new()),
            within: Vec::new(),
            begun: now(),
            rest: Duration::ZERO,
            took: Duration::ZERO,
        }
    }

    /// Returns a look at every file below some directories.
    pub(super) fn within(within: Vec<String>, is_urgent: bool) -> Sweep {
        Sweep {
            within,
            ..Sweep::new(Depth::Files, is_urgent)
        }
    }

    /// Returns whether all directories are looked at.
    pub(super) fn is_whole(&self) -> bool {
        self.within.is_empty()
    }

    fn has(&self, name: &str) -> bool {
        self.is_whole()
            || self
                .within
                .iter()
                .any(|within| name.starts_with(within.as_str()))
    }

    pub(super) fn is_done(&self) -> bool {
        self.next.is_none()
    }

    /// Goes on for about `most`.
    pub(super) fn step(&mut self, look: &mut Look<'_>, most: Duration) {
        let begun = now();
        while let Some(name) = self.next.take() {
            if self.has(&name) {
                look.folder(&name, self.depth);
            }
            self.next = look.following(&name);
            if (now() - begun) >= most {
                break;
            }
        }
        let took = now() - begun;
        self.took += took;
        self.rest = if self.is_urgent { Duration::ZERO } else { took };
    }
}
