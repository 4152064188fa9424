//! Faults of a disk in tests: it is full, or a commit is refused or takes its time.

use std::{
    collections::BTreeSet,
    io,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use node_wire::name::ShareName;

use crate::{share::ShareError, sync::lock};

/// Work that is done in the midst of a commit.
type Meanwhile = Box<dyn FnOnce() + Send>;

/// The faults of one disk.
#[derive(Default)]
pub(super) struct Faults {
    /// Every write of a piece fails.
    pub(super) disk_is_full: AtomicBool,
    /// Every commit fails where it brings the file to the disk.
    pub(super) commit_fails: AtomicBool,
    meanwhile: Mutex<Option<Meanwhile>>,
    committed: Mutex<BTreeSet<u64>>,
}

impl Faults {
    /// Does `work` in the midst of the next commit, which waits for it.
    pub(super) fn in_next_commit(&self, work: impl FnOnce() + Send + 'static) {
        *lock(&self.meanwhile) = Some(Box::new(work));
    }

    /// Returns whether the fetch `id` put its file into its place.
    pub(super) fn has_committed(&self, id: u64) -> bool {
        lock(&self.committed).contains(&id)
    }

    pub(super) fn writing(&self, name: &ShareName) -> Result<(), ShareError> {
        Faults::fails(&self.disk_is_full, name)
    }

    pub(super) fn committing(&self, name: &ShareName) -> Result<(), ShareError> {
        self.placed();
        Faults::fails(&self.commit_fails, name)
    }

    /// Does what is to be done in the midst of a commit.
    pub(super) fn placed(&self) {
        let meanwhile = lock(&self.meanwhile).take();
        if let Some(work) = meanwhile {
            work();
        }
    }

    pub(super) fn committed(&self, id: u64) {
        lock(&self.committed).insert(id);
    }

    fn fails(fault: &AtomicBool, name: &ShareName) -> Result<(), ShareError> {
        if fault.load(Ordering::Relaxed) {
            return Err(ShareError::NoSpace {
                name: name.clone(),
                error: io::ErrorKind::StorageFull.into(),
            });
        }
        Ok(())
    }
}

impl std::fmt::Debug for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Faults").finish_non_exhaustive()
    }
}
