//! Shared content, found by its digest.

use std::{fs::File, io, ops::Range, sync::Arc};

use node_wire::{Digest, name::ShareName, pieces::PieceTree};

use super::{Digests, Known};
use crate::{
    SharedFile,
    checked::{BlobPlace, CheckedBlob},
};

/// Content of the share that is open for reading, by its digest.
pub type SharedBlob = CheckedBlob<InShare>;

/// A file of the share that is open for its content. If that is not what its digest says, it is read again in the
/// background.
#[derive(Debug)]
pub struct InShare {
    digests: Arc<Digests>,
    name: ShareName,
    file: SharedFile,
}

impl BlobPlace for InShare {
    fn file(&self) -> &File {
        &self.file.file
    }

    fn unchanged(&self) -> io::Result<()> {
        if self.file.is_unchanged()? {
            return Ok(());
        }
        Err(io::Error::other("the file changed while it was sent"))
    }

    fn failed(&self, _: &PieceTree, error: &io::Error) {
        if error.kind() == io::ErrorKind::InvalidData {
            self.digests.catalogue.read_again(&self.name);
        }
    }
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
        let is_unchanged = file.stamp == known.stamp;
        if !is_unchanged {
            self.catalogue.look_soon(name.as_str());
        }
        let place = InShare {
            digests: Arc::clone(self),
            name: name.clone(),
            file,
        };
        is_unchanged.then(|| CheckedBlob::new(place, tree))
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
