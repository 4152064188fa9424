//! Looking at one directory after the other, a little at a time.

use std::time::{Duration, Instant};

use node_base::clock::now;

use super::look::Look;

/// How many times as long a step may take that has directories to note which were read
/// before their turn.
const LONGER: u32 = 3;

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
        if self.is_urgent && self.is_whole() {
            look.with_helper(|look| self.go_on(look, begun, most));
        } else {
            self.go_on(look, begun, most);
        }
        let took = now() - begun;
        self.took += took;
        self.rest = if self.is_urgent { Duration::ZERO } else { took };
    }

    /// Looks at directories for about `most`, and a little longer if some were read
    /// before their turn.
    fn go_on(&mut self, look: &mut Look<'_>, begun: Instant, most: Duration) {
        let mut is_over = false;
        while let Some(name) = self.next.take() {
            if !is_over {
                look.read_ahead(&name);
            }
            if self.has(&name) {
                look.folder(&name, self.depth);
            }
            self.next = look.following(&name);
            let took = now() - begun;
            is_over = took >= most;
            if is_over && (look.has_noted_all() || took >= most * LONGER) {
                return;
            }
        }
    }
}
