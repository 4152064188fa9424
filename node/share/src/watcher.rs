//! Reports of changes in the directory.
//!
//! # Participants
//! A [`Watcher`] watches directories, one by one, and gives [`Hints`]; the one
//! of the system is in `system`, tests have one in memory.
//!
//! # Invariants
//! - A hint says where to look, never what is there: hints are lost, come late,
//!   come twice and come for nothing.
//! - Hints wait in a set of at most [`HINTS_MAX`]; with more, all is looked at.
//! - A directory is watched before it is listed, so that nothing falls between.
//! - Directories are watched one by one and not with all that is in them: what
//!   is ignored needs no watch, and a new directory is looked at only after it
//!   is watched.

mod hints;
mod mounts;
mod system;

use std::path::Path;

use cap_std::fs::Dir;
use node_base::platform::mounts::watch_limit_advice;

pub(super) use self::{
    hints::{Batch, Hints, Signs},
    mounts::Mount,
    system::System,
};

/// The reason why a directory is not watched.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum WatchError {
    /// The system lets us watch no more of them.
    #[error(
        "the system watches no more directories for us{}",
        watch_limit_advice()
    )]
    Limit,
    /// It is not there.
    #[error("it is not there")]
    Gone,
    /// Its file system reports no changes that others make.
    #[error(
        "{} is on {kind}, which tells of no changes that are made elsewhere: it is looked at every 20 s, and by `ctl rescan`",
        place(name)
    )]
    Silent {
        /// The directory; empty for the share itself.
        name: String,
        /// The name of the file system.
        kind: String,
    },
    /// Too many files have several names.
    #[error(
        "more than 100000 files have several names: writes through other names of theirs are noticed by the next look at everything, or by `ctl rescan`"
    )]
    Links,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

fn place(name: &str) -> &str {
    if name.is_empty() { "the share" } else { name }
}

/// Watches directories.
pub(super) trait Watcher: Send {
    /// Watches the entries directly in the directory at `path`; again, if it is
    /// watched already.
    ///
    /// # Errors
    /// [`WatchError`] when it cannot.
    fn watch(&mut self, path: &Path) -> Result<(), WatchError>;
}

/// Makes watchers.
pub(super) trait Watching: Send + Sync {
    /// Returns a watcher that gives hints about what is below `root`.
    ///
    /// # Errors
    /// [`WatchError`] when the system has none for us.
    fn begin(
        &self,
        root: &Path,
        hints: &std::sync::Arc<Hints>,
    ) -> Result<Box<dyn Watcher>, WatchError>;

    /// Returns the mounts below `root`, in order of the names.
    fn mounts(&self, root: &Path) -> Vec<Mount>;

    /// Returns the name of the file system of an open directory, if it reports no
    /// changes that others make.
    fn silent(&self, directory: &Dir) -> Option<String>;
}
