//! Changes that the watcher does not report: mounts, names outside the share, and
//! file systems that others write to.

use std::time::Instant;

use node_base::clock::now;

use super::{ROOT_EVERY, Running, SWEEP_UNWATCHED, WatchError};
use crate::watcher::Mount;
use node_base::state::own::FileId;

/// The state of places that the watcher does not cover.
#[derive(Debug)]
pub(super) struct Elsewhere {
    looked: Instant,
    /// The file systems that are mounted in the share.
    mounts: Vec<Mount>,
    /// Directories on file systems that report no changes, by name.
    silent: Vec<Silent>,
    /// The time of the last look at them.
    swept: Instant,
    /// The last file with names outside the share that was looked at.
    linked: FileId,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Silent {
    /// Empty for the share itself, with a `/` at the end for others.
    name: String,
    kind: String,
}

impl Elsewhere {
    pub(super) fn new() -> Elsewhere {
        Elsewhere {
            looked: now(),
            mounts: Vec::new(),
            silent: Vec::new(),
            swept: now(),
            linked: FileId::default(),
        }
    }

    /// Returns the directories that are to be looked at, if it is time.
    fn due(&mut self) -> Option<Vec<String>> {
        if self.silent.is_empty() || now() < self.swept + SWEEP_UNWATCHED {
            return None;
        }
        self.swept = now();
        Some(
            self.silent
                .iter()
                .map(|silent| silent.name.clone())
                .collect(),
        )
    }

    /// Returns whether all file systems report changes.
    pub(super) fn tells_all(&self) -> bool {
        self.silent.is_empty()
    }

    #[cfg(test)]
    pub(super) fn make_due(&mut self) {
        self.looked -= ROOT_EVERY;
        self.swept -= SWEEP_UNWATCHED;
    }
}

impl Running<'_> {
    /// Looks for mounts, and which of them report changes, without waiting.
    pub(super) fn look_at_mounts(&mut self) {
        let root = self.keeper.catalogue.share().path();
        let mounts = self.keeper.watching.mounts(root);
        let before = std::mem::replace(&mut self.elsewhere.mounts, mounts.clone());
        let changed = before.iter().filter(|mount| !mounts.contains(mount));
        let changed = changed.chain(mounts.iter().filter(|mount| !before.contains(mount)));
        for mount in changed {
            tracing::info!(name = mount.name, "the mounts in the share changed");
            let looked = self.look(|look| look.mounted(&mount.name));
            self.take_in(looked);
        }
        let names = mounts.iter().map(|mount| mount.name.as_str());
        let watching = self.keeper.watching.as_ref();
        let mut silent = Vec::new();
        for name in [""].into_iter().chain(names) {
            let kind = self.look_quietly(|look| look.silent(name, watching));
            silent.extend(kind.map(|kind| Silent {
                name: name.to_owned(),
                kind,
            }));
        }
        self.elsewhere.silent = silent;
    }

    /// Looks at places without a watcher, if it is time.
    pub(super) fn look_elsewhere(&mut self) {
        if now() >= self.elsewhere.looked + ROOT_EVERY {
            self.elsewhere.looked = now();
            self.look_at_mounts();
            let after = self.elsewhere.linked;
            let mut last = None;
            let looked = self.look(|look| last = look.linked_outside(after));
            self.elsewhere.linked = last.unwrap_or_default();
            self.take_in(looked);
            self.say_what_is_not_told();
        }
        if self.sweep.is_none()
            && let Some(silent) = self.elsewhere.due()
        {
            self.begin_sweep_within(silent, false);
        }
    }

    /// Notes in the status why not every change is noticed at once.
    fn say_what_is_not_told(&mut self) {
        let silent = self.elsewhere.silent.first().cloned();
        let are_more = self.keeper.catalogue.work().links.are_more();
        let error = match silent {
            Some(Silent { name, kind }) => WatchError::Silent { name, kind },
            None if are_more => WatchError::Links,
            None => return self.watched(),
        };
        self.unwatched(&error);
    }
}
