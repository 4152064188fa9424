//! Looking at one directory after the other, a little at a time.

use std::{
    thread,
    time::{Duration, Instant},
};

use node_base::clock::now;

use super::{
    ahead::{Ahead, EndOfHelp},
    look::Look,
};

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

    /// Goes on for about `most`. If it is urgent, a second thread lists directories ahead.
    pub(super) fn step(&mut self, look: &mut Look<'_>, most: Duration) {
        let begun = now();
        if self.is_urgent && self.is_whole() {
            let ahead = Ahead::default();
            let lister = look.another_lister();
            thread::scope(|scope| {
                let _end = EndOfHelp(&ahead);
                let helper = thread::Builder::new().name("scan ahead".to_owned());
                if let Err(error) = helper.spawn_scoped(scope, || ahead.help(lister)) {
                    tracing::debug!(%error, "directories are listed without help");
                }
                self.folders(look, begun + most, Some(&ahead));
            });
        } else {
            self.folders(look, begun + most, None);
        }
        let took = now() - begun;
        self.took += took;
        self.rest = if self.is_urgent { Duration::ZERO } else { took };
    }

    fn folders(&mut self, look: &mut Look<'_>, until: Instant, ahead: Option<&Ahead>) {
        while let Some(name) = self.next.take() {
            match ahead {
                Some(ahead) => look.folder_ahead(&name, self.depth, ahead),
                None if self.has(&name) => look.folder(&name, self.depth),
                None => {}
            }
            self.next = look.following(&name);
            if now() >= until {
                break;
            }
        }
    }
}
