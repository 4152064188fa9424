//! The cache: content that passed through, kept by its digest.
//!
//! A node that relays a file keeps it for the next request. A blob is one
//! file, named by its digest, beside its tree of pieces; each piece that is read is
//! checked against the tree.
//!
//! # Participants
//! - [`Cache`] is the directory `STATE/cache` and its books.
//! - [`Filling`] is content on its way in, invisible until it is whole.
//! - [`CachedBlob`] is a blob, open for reading piece by piece. It stays readable when it has to go meanwhile.
//! - `Store` keeps books and files in step.
//! - `Ledger` decides about eviction; `NameTable` knows which name a blob came
//!   by; `Directory` is the only place that touches the disk by name.
//!
//! # Lifecycle of a blob
//! `begin` takes a place, `write` takes room as the content grows and sends
//! the least useful blobs away first, `finish` renames tree and content into
//! place. After a restart the directory is the list; content is checked
//! as it is read.
//!
//! # Invariants
//! - What lies in the directory, temporaries, trees and the names of files
//!   included, is never more than the limit.
//! - No byte is given out before its piece was checked. A blob with a wrong
//!   byte is dropped.
//! - A failure here is nobody else's failure: content is then not kept, or not
//!   found.
//! - Only one thread at a time makes files appear or go.
//!
//! Non-goals: keeping what nobody relays, surviving a power cut without loss
//! (a lost blob is fetched again), hiding content from the owner.

mod directory;
mod eviction;
mod filling;
mod names;
mod store;

use std::{
    fs::File,
    io,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use node_wire::{Digest, ShareName};

pub use self::filling::Filling;
use self::{
    directory::Directory,
    eviction::Ledger,
    store::{BLOCK, Store, cost_of},
};
use crate::{
    clock::now,
    counters::Counters,
    events::{EventLog, unix_millis},
    pieces::PieceTree,
    share::checked::{BlobPlace, CheckedBlob},
    state::StateDir,
    sync::lock,
};

/// Limit of the cache unless the owner says otherwise, in bytes.
pub const LIMIT_DEFAULT: u64 = 1 << 30;

/// The directory of the cache in the state directory.
const DIRECTORY: &str = "cache";

/// The bytes that the directory itself takes.
const DIRECTORY_COST: u64 = BLOCK;

/// The error of keeping or giving content.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The content is longer than the cache may be, or than was announced.
    #[error("the content is too long for the cache")]
    TooLong,
    /// Other content on its way in has taken the room.
    #[error("the cache has no room now")]
    NoRoom,
    /// There would be too little left on the disk.
    #[error("the disk is nearly full")]
    DiskFull,
    /// The disk refuses.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The entry of a blob.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CacheEntry {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// The number of requests for it since the node started.
    pub hits: u64,
    /// The time when it was kept or asked for last, Unix milliseconds.
    pub used: u64,
}

/// The result of [`Cache::clear`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Cleared {
    /// Number of blobs.
    pub blobs: u64,
    /// Bytes of their content.
    pub bytes: u64,
}

/// The cache of a node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Cache(Arc<Store>);

impl Cache {
    /// Opens the cache in `state`, of at most `limit` bytes; 0 switches it off. What
    /// an earlier run left there is kept as far as it is whole and fits.
    /// A directory that cannot be used switches the cache off, with a warning.
    /// Blocks.
    #[must_use]
    pub fn in_state(
        state: &StateDir,
        limit: u64,
        counters: Arc<Counters>,
        events: Arc<EventLog>,
    ) -> Cache {
        let path = state.file(DIRECTORY);
        let opened = match limit {
            0 => Directory::remove_all(&path).map(|()| None),
            _ => Directory::open(path).map(Some),
        };
        let directory = opened.unwrap_or_else(|error| {
            tracing::warn!(%error, "the cache cannot be used");
            None
        });
        let cache = Cache(Arc::new(Store {
            directory,
            hand: Mutex::default(),
            ledger: Mutex::new(Ledger::new(limit.saturating_sub(DIRECTORY_COST))),
            names: Mutex::default(),
            counters,
            events,
        }));
        cache.0.load();
        cache
    }

    /// Returns true if content is kept at all.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.directory.is_some()
    }

    /// Begins to keep content, of `expected_size` bytes if that is known.
    /// `None` if it would be too long, if too much is on its way in already,
    /// or if the cache is off. Does not block: the first
    /// [`Filling::write`] makes the file.
    #[must_use]
    pub fn begin(&self, expected_size: Option<u64>) -> Option<Filling> {
        let directory = self.0.directory.as_ref()?;
        let cost = cost_of(expected_size.unwrap_or(0));
        lock(&self.0.ledger)
            .begin(cost)
            .then(|| Filling::new(self.clone(), directory.part_name(), expected_size))
    }

    /// Opens the blob `digest`, and counts that it was asked for. Blocks.
    #[must_use]
    pub fn open(&self, digest: &Digest) -> Option<CachedBlob> {
        let opened = self.open_in(self.0.directory.as_ref()?, digest);
        match opened {
            Some(_) => self.0.counters.cache_hits.one(),
            None => self.0.counters.cache_misses.one(),
        }
        opened
    }

    /// Opens the blob that came by the name `name` not long ago. Blocks.
    #[must_use]
    pub fn open_named(&self, name: &ShareName) -> Option<CachedBlob> {
        match self.digest_of(name) {
            Some(digest) => self.open(&digest),
            None => {
                if self.is_on() {
                    self.0.counters.cache_misses.one();
                }
                None
            }
        }
    }

    /// Returns the size of the blob `digest` if it is here. Does not count as
    /// asking for it.
    #[must_use]
    pub fn size_of(&self, digest: &Digest) -> Option<u64> {
        lock(&self.0.ledger).size_of(digest)
    }

    /// Remembers for ten minutes that the content of `name` was `digest`.
    pub fn remember(&self, name: ShareName, digest: Digest) {
        lock(&self.0.names).remember(name, digest, now());
    }

    /// Returns the blob that came by the name `name` not long ago, if it is here.
    #[must_use]
    pub fn digest_of(&self, name: &ShareName) -> Option<Digest> {
        let digest = lock(&self.0.names).digest_of(name, now())?;
        self.size_of(&digest).map(|_| digest)
    }

    /// Forgets all names; the blobs stay. For when the owner does not want to
    /// hear any more what a peer said.
    pub fn forget_names(&self) {
        lock(&self.0.names).clear();
    }

    /// Returns the blobs, those that were used last first.
    #[must_use]
    pub fn list(&self) -> Vec<CacheEntry> {
        lock(&self.0.ledger).list()
    }

    /// Removes all blobs. Content on its way in stays on its way. Blocks.
    pub fn clear(&self) -> Cleared {
        let mut cleared = Cleared::default();
        for entry in self.list() {
            // Others may want a place or a file between two of them.
            let _hand = lock(&self.0.hand);
            if self.0.forget(&entry.digest) {
                cleared.blobs += 1;
                cleared.bytes += entry.size;
            }
        }
        cleared
    }

    /// Returns the bytes that the cache takes on the disk, whole blocks counted.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        lock(&self.0.ledger).bytes()
    }

    fn open_in(&self, directory: &Directory, digest: &Digest) -> Option<CachedBlob> {
        let size = lock(&self.0.ledger).touch(digest, unix_millis(SystemTime::now()))?;
        match directory.open_blob(digest, size) {
            Ok((file, tree)) => Some(CheckedBlob::new(
                InCache {
                    cache: self.clone(),
                    file,
                },
                tree,
            )),
            Err(error) => {
                if is_damage(&error) {
                    self.0.drop_blob(digest, &error);
                } else {
                    tracing::warn!(%digest, %error, "a cached blob cannot be opened");
                }
                None
            }
        }
    }
}

/// A blob, open for reading.
pub type CachedBlob = CheckedBlob<InCache>;

/// A file of the cache. If its content cannot be read, or is not what its digest says, it is dropped from the cache.
#[derive(Debug)]
pub struct InCache {
    cache: Cache,
    file: File,
}

impl BlobPlace for InCache {
    fn file(&self) -> &File {
        &self.file
    }

    /// Returns at once: nobody writes into a file of the cache.
    fn unchanged(&self) -> io::Result<()> {
        Ok(())
    }

    fn failed(&self, tree: &PieceTree, error: &io::Error) {
        self.cache.0.drop_blob(&tree.digest(), error);
    }
}

/// Returns true if a blob is damaged, and not the system out of resources.
fn is_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, NotFound};
    matches!(error.kind(), InvalidData | NotFound)
}

#[cfg(test)]
mod tests;
