//! Shared content, found by its digest.

use std::{io, ops::Range, os::unix::fs::FileExt, sync::Arc};

use node_wire::{Digest, name::ShareName, pieces::PieceTree};

use super::{Digests, Known};
use crate::{SharedFile, checked::PartReader};

/// Content of the share that is open for reading, by its digest.
///
/// Each piece is checked against the digest when it is read. So bytes that changed
/// without a sign are given to nobody.
#[derive(Debug)]
pub struct SharedBlob {
    digests: Arc<Digests>,
    name: ShareName,
    file: SharedFile,
    tree: PieceTree,
}

impl SharedBlob {
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
    /// Errors if the piece cannot be read, if the file changed, or if the piece is
    /// not what the digest says. The file is then read again in the background, and
    /// `piece` is empty.
    pub fn read_piece(&self, index: u64, piece: &mut Vec<u8>) -> io::Result<()> {
        read_piece(&self.file.file, &self.tree, index, piece)
            .and_then(|()| self.unchanged())
            .inspect_err(|error| {
                piece.clear();
                self.is_wrong(error);
            })
    }

    /// Reads a part of one piece into `bytes`, see [`PartReader::read`]. Blocks.
    ///
    /// # Errors
    /// As [`SharedBlob::read_piece`].
    pub fn read_part(
        &self,
        part: Range<u64>,
        reader: &mut PartReader,
        bytes: &mut Vec<u8>,
        room: &mut Vec<u8>,
    ) -> io::Result<()> {
        reader
            .read(&self.file.file, &self.tree, part, bytes, room)
            .and_then(|()| self.unchanged())
            .inspect_err(|error| self.is_wrong(error))
    }

    fn unchanged(&self) -> io::Result<()> {
        if self.file.is_unchanged()? {
            return Ok(());
        }
        Err(io::Error::other("the file changed while it was sent"))
    }

    /// Has a file read again that is not what its digest says.
    fn is_wrong(&self, error: &io::Error) {
        if error.kind() == io::ErrorKind::InvalidData {
            self.digests.catalogue.read_again(&self.name);
        }
    }
}

/// Reads piece `index` of the content of `file` into `piece`, in place of what was there. Blocks.
///
/// # Errors
/// Errors if it cannot be read, and with [`io::ErrorKind::InvalidData`] if it is not what `tree` says.
pub fn read_piece(
    file: &impl FileExt,
    tree: &PieceTree,
    index: u64,
    piece: &mut Vec<u8>,
) -> io::Result<()> {
    let range = tree.range(index);
    let length = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
    piece.resize(length, 0);
    file.read_exact_at(piece, range.start)?;
    let mut check = tree.check(index);
    check.push(piece);
    if check.is_right() {
        return Ok(());
    }
    let wrong = "the content is not what its digest says";
    Err(io::Error::new(io::ErrorKind::InvalidData, wrong))
}

impl Digests {
    /// Digests of files of the share, at most `most`. Blocks.
    #[must_use]
    pub fn list(&self, most: usize) -> Vec<Digest> {
        self.store.digests(most)
    }

    /// Returns the tree of content that is in the share.
    #[must_use]
    pub fn tree(&self, digest: &Digest) -> Option<PieceTree> {
        self.store.tree(digest)
    }

    /// Returns the length of the tree of content that is in the share, in bytes, after the tree was
    /// checked. Blocks.
    #[must_use]
    pub fn tree_length(&self, digest: &Digest) -> Option<u64> {
        let tree = self.store.tree(digest)?;
        Some(PieceTree::bytes_len(tree.size()))
    }

    /// Reads a part of the tree of content that is in the share. Blocks.
    #[must_use]
    pub fn read_tree(&self, digest: &Digest, range: Range<u64>) -> Option<Vec<u8>> {
        self.store.read_tree(digest, range)
    }

    /// Opens a file that is unchanged since `digest` was computed. Blocks.
    #[must_use]
    pub fn open_blob(self: &Arc<Self>, digest: &Digest) -> Option<SharedBlob> {
        self.store.names(digest).into_iter().find_map(|name| {
            let known = self.store.get_unsettled(&name)?;
            if known.digest != *digest {
                return None;
            }
            self.open_known(&name, &known)
        })
    }

    /// Opens the file `name` if it is unchanged since it was read. Blocks.
    #[must_use]
    pub fn open_known(self: &Arc<Self>, name: &ShareName, known: &Known) -> Option<SharedBlob> {
        let tree = self.store.tree(&known.digest)?;
        let file = self.share.read(name).ok()?;
        (file.stamp == known.stamp).then(|| SharedBlob {
            digests: Arc::clone(self),
            name: name.clone(),
            file,
            tree,
        })
    }

    /// Returns a name and the size of a file with this digest.
    #[must_use]
    pub fn named(&self, digest: &Digest) -> Option<(ShareName, u64)> {
        self.store.names(digest).into_iter().find_map(|name| {
            let known = self.store.get_unsettled(&name)?;
            let is_there = self
                .share
                .stamp(&name)
                .is_ok_and(|stamp| stamp == known.stamp);
            (is_there && known.digest == *digest).then_some((name, known.size))
        })
    }

    /// Returns names and sizes of the files with this digest, at most `most`.
    #[must_use]
    pub fn all_named(&self, digest: &Digest, most: usize) -> Vec<(ShareName, u64)> {
        let names = self.store.names(digest).into_iter();
        let there = names.filter_map(|name| {
            let known = self.store.get_unsettled(&name)?;
            let stamp = self.share.stamp(&name).ok()?;
            (stamp == known.stamp && known.digest == *digest).then_some((name, known.size))
        });
        there.take(most).collect()
    }
}
