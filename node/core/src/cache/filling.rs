//! Content on its way into the cache.

use std::{fs::File, io::Write, time::SystemTime};

use node_base::platform::space;
use node_wire::Digest;

use super::{Cache, CacheError, directory::Directory, eviction::Length, store::cost_of};
use crate::{
    events::unix_millis,
    pieces::{CONTENT_MAX, PieceTree, TreeHasher},
    share::FREE_MIN,
    sync::lock,
};

/// The number of bytes written between two looks at the free space of the disk.
const FREE_LOOK_EVERY: u64 = 16 << 20;

/// Content on its way into the cache. Dropping it leaves nothing behind.
/// Its calls and its drop block.
#[derive(Debug)]
pub struct Filling {
    cache: Cache,
    part: String,
    file: Option<File>,
    hasher: TreeHasher,
    expected: Option<u64>,
    reserved: u64,
    /// Free space is looked at again when this much is written.
    look_at: u64,
}

impl Filling {
    pub(super) fn new(cache: Cache, part: String, expected: Option<u64>) -> Filling {
        Filling {
            cache,
            part,
            file: None,
            hasher: TreeHasher::default(),
            expected,
            reserved: 0,
            look_at: 0,
        }
    }

    /// Adds `bytes` to the end.
    ///
    /// # Errors
    /// Errors if the content is too long, or the room or the disk is not to be had.
    /// It is then not kept, whatever follows.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), CacheError> {
        let size = self.hasher.size() + bytes.len() as u64;
        if size > self.expected.unwrap_or(CONTENT_MAX) {
            return Err(CacheError::TooLong);
        }
        self.reserve(size)?;
        self.check_disk(size)?;
        self.file()?.write_all(bytes)?;
        self.hasher.push(bytes);
        Ok(())
    }

    /// Keeps the content, which is whole. `None` when it is not what was
    /// announced, or cannot be kept.
    #[must_use]
    pub fn finish(mut self) -> Option<Digest> {
        let tree = std::mem::take(&mut self.hasher).finish();
        if self.expected.is_some_and(|size| size != tree.size()) {
            return None;
        }
        match self.place(&tree) {
            Ok(()) => Some(tree.digest()),
            Err(error) => {
                tracing::warn!(%error, "content could not be cached");
                None
            }
        }
    }

    fn place(&mut self, tree: &PieceTree) -> Result<(), CacheError> {
        let digest = tree.digest();
        // Empty content has not been written.
        self.reserve(tree.size())?;
        self.file()?;
        self.directory()?.write_tree(&self.part, tree)?;
        let inner = &self.cache.0;
        let _hand = lock(&inner.hand);
        if self.cache.size_of(&digest).is_some() {
            return Ok(());
        }
        self.directory()?.place(&self.part, &digest)?;
        inner.keep(digest, tree.size(), unix_millis(SystemTime::now()));
        self.reserved = 0;
        Ok(())
    }

    /// Takes the room for content of `size` bytes.
    fn reserve(&mut self, size: u64) -> Result<(), CacheError> {
        let more = cost_of(size).saturating_sub(self.reserved);
        let length = match self.expected {
            Some(_) => Length::Known,
            None => Length::Unknown(self.reserved),
        };
        let _hand = lock(&self.cache.0.hand);
        self.cache.0.reserve(more, length)?;
        self.reserved += more;
        Ok(())
    }

    fn check_disk(&mut self, size: u64) -> Result<(), CacheError> {
        if size < self.look_at {
            return Ok(());
        }
        let space = space::of_file(self.file()?)?;
        if space.is_some_and(|space| space.available < FREE_MIN) {
            return Err(CacheError::DiskFull);
        }
        self.look_at = size + FREE_LOOK_EVERY;
        Ok(())
    }

    fn file(&mut self) -> Result<&mut File, CacheError> {
        let file = match self.file.take() {
            Some(file) => file,
            None => self.directory()?.create(&self.part)?,
        };
        Ok(self.file.insert(file))
    }

    fn directory(&self) -> Result<&Directory, CacheError> {
        self.cache.0.directory.as_ref().ok_or(CacheError::NoRoom)
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        let inner = &self.cache.0;
        let _hand = lock(&inner.hand);
        if self.file.take().is_some()
            && let Some(directory) = &inner.directory
            && let Err(error) = directory.remove_part(&self.part)
        {
            tracing::warn!(%error, "a temporary of the cache could not be removed");
            lock(&inner.ledger).lose(self.reserved);
        }
        lock(&inner.ledger).end(self.reserved);
    }
}
