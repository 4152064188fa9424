//! The books and the directory of the cache, kept in step.
//!
//! # Invariants
//! - Files appear and go only while `hand` is held, and the books change with
//!   them: what is counted is what is there.
//! - What cannot be removed is counted for ever.

use std::{
    io,
    sync::{Arc, Mutex},
};

use node_wire::Digest;

use super::{
    CacheError,
    directory::Directory,
    eviction::{Ledger, Length, NoRoom},
    names::NameTable,
};
use crate::{
    counters::Counters,
    events::{Event, EventLog},
    pieces::PieceTree,
    sync::lock,
};

/// A file takes whole blocks of the disk, of this many bytes.
pub(super) const BLOCK: u64 = 4096;

/// The cost of the names of a blob's two files in the directory, in bytes.
const NAMES_COST: u64 = 512;

/// The parts of a cache.
#[derive(Debug)]
pub(super) struct Store {
    /// `None` when the cache is off.
    pub(super) directory: Option<Directory>,
    /// Held while files appear or go, so that what is counted is what is
    /// there. Unlike other locks it is held across these few calls to the
    /// disk; only threads that may block take it. Taken before `ledger`.
    pub(super) hand: Mutex<()>,
    pub(super) ledger: Mutex<Ledger>,
    pub(super) names: Mutex<NameTable>,
    pub(super) counters: Arc<Counters>,
    pub(super) events: Arc<EventLog>,
}

impl Store {
    /// Takes up the files of an earlier run.
    pub(super) fn load(&self) {
        let Some(directory) = &self.directory else {
            return;
        };
        let _hand = lock(&self.hand);
        let mut found = directory.take_stock().unwrap_or_else(|error| {
            tracing::warn!(%error, "the cache cannot be listed");
            Vec::new()
        });
        // The newest last, so that it goes last.
        found.sort_unstable_by_key(|blob| blob.used);
        for blob in found {
            let cost = cost_of(blob.size);
            match self.reserve(cost, Length::Known) {
                Ok(()) => self.keep(blob.digest, blob.size, blob.used),
                Err(_) => self.remove_files(&blob.digest, cost),
            }
        }
    }

    /// Takes `more` bytes for content on its way in. The hand is held.
    pub(super) fn reserve(&self, more: u64, length: Length) -> Result<(), CacheError> {
        let going = lock(&self.ledger)
            .reserve(more, length)
            .map_err(|NoRoom| CacheError::NoRoom)?;
        self.remove_victims(going);
        Ok(())
    }

    /// Turns room that was taken into a blob. The hand is held.
    pub(super) fn keep(&self, digest: Digest, size: u64, used: u64) {
        let going = lock(&self.ledger).keep(digest, size, cost_of(size), used);
        self.remove_victims(going);
    }

    fn remove_victims(&self, going: Vec<(Digest, u64)>) {
        for (digest, cost) in going {
            self.remove_files(&digest, cost);
        }
    }

    /// Removes a blob. Says whether it was here. The hand is held.
    pub(super) fn forget(&self, digest: &Digest) -> bool {
        let removed = lock(&self.ledger).remove(digest);
        if let Some(cost) = removed {
            self.remove_files(digest, cost);
        }
        removed.is_some()
    }

    fn remove_files(&self, digest: &Digest, cost: u64) {
        let Some(directory) = &self.directory else {
            return;
        };
        if let Err(error) = directory.remove_blob(digest) {
            tracing::warn!(%digest, %error, "a cached blob could not be removed");
            lock(&self.ledger).lose(cost);
        }
    }

    /// Removes a blob that does not match its name. Blocks.
    pub(super) fn drop_blob(&self, digest: &Digest, error: &io::Error) {
        let _hand = lock(&self.hand);
        if self.forget(digest) {
            tracing::warn!(%digest, %error, "a cached blob is dropped");
            self.events.emit(&Event::CacheDropped {
                digest: digest.to_hex(),
            });
        }
    }
}

/// Returns the bytes that content of `size` bytes takes on the disk, its tree included.
pub(super) fn cost_of(size: u64) -> u64 {
    let blocks = |bytes: u64| bytes.div_ceil(BLOCK).saturating_mul(BLOCK);
    blocks(size)
        .saturating_add(blocks(PieceTree::bytes_len(size)))
        .saturating_add(NAMES_COST)
}
