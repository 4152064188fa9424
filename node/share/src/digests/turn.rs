//! The order in which threads read files.
//!
//! # Invariants
//! - A file is read by one thread at a time, and at most [`READERS_MAX`] files
//!   at a time.

use std::sync::{Arc, PoisonError};

use node_wire::name::ShareName;

use super::{Digests, Known, READERS_MAX};
use crate::ShareError;
use node_base::sync::lock;

/// The right to read one file.
pub(super) struct Turn {
    digests: Arc<Digests>,
    name: ShareName,
}

impl Turn {
    /// Waits for a turn. `None` when another thread has just read the file. Blocks.
    pub(super) fn take(digests: &Arc<Digests>, name: &ShareName) -> Option<Turn> {
        let mut reading = lock(&digests.reading);
        let mut waited = false;
        while reading.contains(name) || reading.len() >= READERS_MAX {
            waited |= reading.contains(name);
            reading = digests
                .read
                .wait(reading)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if waited {
            return None;
        }
        reading.insert(name.clone());
        Some(Turn::of(digests, name))
    }

    /// Takes a turn if it is free.
    pub(super) fn try_take(digests: &Arc<Digests>, name: &ShareName) -> Option<Turn> {
        let mut reading = lock(&digests.reading);
        if reading.contains(name) || reading.len() >= READERS_MAX {
            return None;
        }
        reading.insert(name.clone());
        Some(Turn::of(digests, name))
    }

    fn of(digests: &Arc<Digests>, name: &ShareName) -> Turn {
        Turn {
            digests: Arc::clone(digests),
            name: name.clone(),
        }
    }

    /// Reads the file, unless it became known meanwhile.
    pub(super) fn read(self) -> Result<Known, ShareError> {
        self.digests.of(&self.name)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        lock(&self.digests.reading).remove(&self.name);
        self.digests.read.notify_all();
        self.digests.freed.notify_waiters();
    }
}
