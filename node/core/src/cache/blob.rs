//! A cached blob, open for reading.

use std::{fs::File, io, ops::Range};

use node_share::read_piece;

use super::Cache;
use crate::{pieces::PieceTree, share::checked::PartReader};

/// A blob, open for reading. It stays readable when it has to go meanwhile.
#[derive(Debug)]
pub struct CachedBlob {
    cache: Cache,
    file: File,
    tree: PieceTree,
}

impl CachedBlob {
    pub(super) fn new(cache: Cache, file: File, tree: PieceTree) -> CachedBlob {
        CachedBlob { cache, file, tree }
    }

    /// Returns the size of the content, in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Returns the tree of its pieces.
    #[must_use]
    pub fn tree(&self) -> &PieceTree {
        &self.tree
    }

    /// Reads piece `index` into `piece`, in place of what was there. Blocks.
    ///
    /// # Errors
    /// Errors if the piece cannot be read or is not what the digest says. The blob
    /// is then dropped from the cache, and `piece` is empty.
    pub fn read_piece(&self, index: u64, piece: &mut Vec<u8>) -> io::Result<()> {
        read_piece(&self.file, &self.tree, index, piece).inspect_err(|error| {
            piece.clear();
            self.cache.0.drop_blob(&self.tree.digest(), error);
        })
    }

    /// Reads a part of one piece into `bytes`, see [`PartReader::read`]. Blocks.
    ///
    /// # Errors
    /// As [`CachedBlob::read_piece`].
    pub fn read_part(
        &self,
        part: Range<u64>,
        reader: &mut PartReader,
        bytes: &mut Vec<u8>,
        room: &mut Vec<u8>,
    ) -> io::Result<()> {
        reader
            .read(&self.file, &self.tree, part, bytes, room)
            .inspect_err(|error| self.cache.0.drop_blob(&self.tree.digest(), error))
    }
}
