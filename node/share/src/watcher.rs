//! Being told of changes in the directory.
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
mod system;

use std::path::Path;

pub(super) use self::{
    hints::{Batch, Hints, Signs},
    system::System,
};

/// Why a directory is not watched.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum WatchError {
    /// The system lets us watch no more of them.
    #[error("the system watches no more directories for us{}", raise())]
    Limit,
    /// It is not there.
    #[error("it is not there")]
    Gone,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// What to do about the limit.
pub(super) fn raise() -> &'static str {
    if cfg!(target_os = "linux") {
        "; raise it with: sysctl fs.inotify.max_user_watches=1048576 (and fs.inotify.max_user_instances=1024)"
    } else {
        ""
    }
}

/// Watches directories.
pub(super) trait Watcher: Send {
    /// Watches what is directly in the directory at `path`; again, if it is
    /// watched already.
    ///
    /// # Errors
    /// [`WatchError`] when it cannot.
    fn watch(&mut self, path: &Path) -> Result<(), WatchError>;
}

/// Makes watchers.
pub(super) trait Watching: Send + Sync {
    /// A watcher that gives hints about what is below `root`.
    ///
    /// # Errors
    /// [`WatchError`] when the system has none for us.
    fn begin(
        &self,
        root: &Path,
        hints: &std::sync::Arc<Hints>,
    ) -> Result<Box<dyn Watcher>, WatchError>;
}
