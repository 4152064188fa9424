//! What is known of content, by its digest.

use std::ops::Range;

use node_wire::{Digest, name::ShareName};

use super::Digests;
use crate::SharedFile;
use node_wire::pieces::PieceTree;

impl Digests {
    /// Digests of files of the share, at most `most`. Blocks.
    #[must_use]
    pub fn list(&self, most: usize) -> Vec<Digest> {
        self.store.digests(most)
    }

    /// The tree of content that is in the share.
    #[must_use]
    pub fn tree(&self, digest: &Digest) -> Option<PieceTree> {
        self.store.tree(digest)
    }

    /// Length of the tree of content that is in the share, in bytes, after the tree was
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

    /// Opens a file that still is what it was when `digest` was computed.
    #[must_use]
    pub fn open_blob(&self, digest: &Digest) -> Option<SharedFile> {
        self.store.names(digest).into_iter().find_map(|name| {
            let known = self.store.get_unsettled(&name)?;
            let file = self.share.read(&name).ok()?;
            (known.digest == *digest && file.stamp == known.stamp).then_some(file)
        })
    }

    /// A name and the size of a file with this digest.
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

    /// Names and sizes of the files with this digest, at most `most`.
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
