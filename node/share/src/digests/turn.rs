//! Whose turn it is to read a file.
//!
//! # Invariants
//! - A file is read by one thread at a time, and at most [`READERS_MAX`] files
//!   at a time.

use std::sync::PoisonError;

use node_wire::name::ShareName;

use super::{Digests, Known, READERS_MAX};
use crate::ShareError;
use node_base::sync::lock;

/// The right to read one file.
pub(super) struct Turn<'a> {
    digests: &'a Digests,
    name: &'a ShareName,
}

impl<'a> Turn<'a> {
    /// Waits for a turn. `None` when another thread has just read the file.
    pub(super) fn take(digests: &'a Digests, name: &'a ShareName) -> Option<Turn<'a>> {
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
        Some(Turn { digests, name })
    }

    pub(super) fn read(self) -> Result<Known, ShareError> {
        self.digests.read(self.name)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(&self.digests.reading).remove(self.name);
        self.digests.read.notify_all();
    }
}
