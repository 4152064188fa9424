//! Pieces: checks of content while it arrives.
//!
//! BLAKE3 is a tree. Cut into pieces of [`PIECE_SIZE`] bytes, a file has one
//! value for each piece, and the values together make its digest. With the digest
//! the values can be checked, and with the values each
//! piece by itself, in any order and from any sender.
//!
//! # Participants
//! - [`PieceTree`]: the values of one file; its bytes are what
//!   `/blobs/DIGEST/tree` serves.
//! - [`TreeHasher`] makes it of content; [`PieceCheck`] holds a piece against it.
//! - [`PieceBlocks`] holds parts of a piece that was right before: a caller with little memory reads the piece once to
//!   check it, and then block by block.
//!
//! # Invariants
//! - A [`PieceTree`] exists only if its values make its digest.
//! - The size that a tree states is proved only by its last piece: a tree of
//!   the right values with a wrong size has the right digest. A node that relies
//!   on the size of a stranger's tree checks the last piece first.
//! - A file of one piece has no values: its digest checks it.
//!
//! Absent: files, sockets, names.

use crate::Digest;
use blake3::{
    Hasher,
    hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root},
};
use std::{
    fmt,
    ops::Range,
    sync::{Arc, Weak},
};

/// Size of each piece of a file but the last one, in bytes. A power of two, so
/// that a piece is a whole subtree of BLAKE3.
pub const PIECE_SIZE: u64 = 256 * 1024;

/// Size of each block of a piece but the last one, in bytes. A power of two, as [`PIECE_SIZE`].
pub const BLOCK_SIZE: u64 = 16 * 1024;

/// Longest content that has a tree, in bytes (64 GiB; its tree has 8 MiB).
pub const CONTENT_MAX: u64 = 64 << 30;

/// Bytes before the values of a tree: the size.
const TREE_HEAD: usize = 8;

/// The chaining value of one piece in BLAKE3.
type PieceValue = [u8; 32];

/// The values of the pieces of one file. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct PieceTree {
    digest: Digest,
    size: u64,
    values: Arc<[PieceValue]>,
}

/// The same values as those of a [`PieceTree`], for as long as that lives.
#[derive(Clone, Debug)]
pub struct WeakPieceTree {
    digest: Digest,
    size: u64,
    values: Weak<[PieceValue]>,
}

/// The values of the blocks of one piece that was right.
#[derive(Clone, Debug)]
pub struct PieceBlocks {
    index: u64,
    values: Vec<PieceValue>,
}

/// The error of bytes that are not the tree of a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The number of values is not that of the size.
    #[error("the tree does not have the length that its size demands")]
    Length,
    /// More than [`CONTENT_MAX`].
    #[error("the content is longer than {CONTENT_MAX} bytes")]
    TooLong,
    /// The values make another digest.
    #[error("the values of the tree do not make the digest")]
    Digest,
}

/// Makes the tree of content that is pushed piece by piece.
#[derive(Clone, Debug, Default)]
pub struct TreeHasher {
    values: Vec<PieceValue>,
    /// Hashes the piece that is not full yet.
    current: Hasher,
    size: u64,
}

/// Holds the bytes of one piece, in order, against its tree.
#[derive(Clone, Debug)]
pub struct PieceCheck {
    hasher: Hasher,
    expected: Expected,
    left: u64,
    too_long: bool,
}

#[derive(Clone, Debug)]
enum Expected {
    Whole(Digest),
    Piece(PieceValue),
}

/// Returns the number of pieces of content of `size` bytes. Empty content has one, empty.
#[must_use]
pub fn piece_count(size: u64) -> u64 {
    size.div_ceil(PIECE_SIZE).max(1)
}

impl PieceTree {
    /// Reads the bytes of [`PieceTree::to_bytes`] and checks them against `digest`.
    ///
    /// # Errors
    /// Errors if the bytes are not a tree, or that of another digest.
    pub fn from_bytes(digest: Digest, bytes: &[u8]) -> Result<PieceTree, TreeError> {
        let (head, values) = bytes
            .split_first_chunk::<TREE_HEAD>()
            .ok_or(TreeError::Length)?;
        let size = u64::from_le_bytes(*head);
        if size > CONTENT_MAX {
            return Err(TreeError::TooLong);
        }
        let (values, rest) = values.as_chunks::<32>();
        if !rest.is_empty() || values.len() as u64 != value_count(size) {
            return Err(TreeError::Length);
        }
        // The digest of one piece is checked with the piece.
        if !values.is_empty() && root(values) != digest {
            return Err(TreeError::Digest);
        }
        Ok(PieceTree {
            digest,
            size,
            values: values.into(),
        })
    }

    /// Returns the tree of content of at most one piece, which needs no values.
    /// `None` if `size` is that of more.
    #[must_use]
    pub fn of_one_piece(digest: Digest, size: u64) -> Option<PieceTree> {
        (size <= PIECE_SIZE).then(|| PieceTree {
            digest,
            size,
            values: Arc::default(),
        })
    }

    /// Returns a part of [`PieceTree::to_bytes`]; `None` if it has no such part.
    #[must_use]
    pub fn bytes_at(&self, range: Range<u64>) -> Option<Vec<u8>> {
        let (start, end) = (range.start.try_into().ok()?, range.end.try_into().ok()?);
        let bytes = self.to_bytes();
        bytes.get::<Range<usize>>(start..end).map(<[u8]>::to_vec)
    }

    /// Returns the size, 8 bytes, the lowest first; then 32 bytes for each piece, if
    /// there is more than one.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(TREE_HEAD + self.values.len() * 32);
        bytes.extend_from_slice(&self.size.to_le_bytes());
        bytes.extend_from_slice(self.values.as_flattened());
        bytes
    }

    /// Returns the length of the longest [`PieceTree::to_bytes`] of content of `size` bytes.
    #[must_use]
    pub fn bytes_len(size: u64) -> u64 {
        TREE_HEAD as u64 + value_count(size) * 32
    }

    /// Returns the digest of the content.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns the size of the content, in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns the number of pieces, at least one.
    #[must_use]
    pub fn count(&self) -> u64 {
        piece_count(self.size)
    }

    /// Returns the bytes of the content that are piece `index`.
    #[must_use]
    pub fn range(&self, index: u64) -> Range<u64> {
        let start = (index * PIECE_SIZE).min(self.size);
        start..(start + PIECE_SIZE).min(self.size)
    }

    /// Returns the check of piece `index`. There is no piece behind the last one: a
    /// check of one never succeeds.
    #[must_use]
    pub fn check(&self, index: u64) -> PieceCheck {
        let range = self.range(index);
        let mut hasher = Hasher::new();
        let value = usize::try_from(index)
            .ok()
            .and_then(|index| self.values.get(index));
        let expected = match value {
            Some(value) => {
                hasher.set_input_offset(range.start);
                Expected::Piece(*value)
            }
            None => Expected::Whole(self.digest),
        };
        PieceCheck {
            hasher,
            expected,
            left: range.end - range.start,
            too_long: index >= self.count(),
        }
    }
}

impl PieceTree {
    /// Returns the tree without keeping it.
    #[must_use]
    pub fn downgrade(&self) -> WeakPieceTree {
        WeakPieceTree {
            digest: self.digest,
            size: self.size,
            values: Arc::downgrade(&self.values),
        }
    }

    /// Checks piece `index` and returns what checks its blocks; `None` if the piece is wrong.
    #[must_use]
    pub fn blocks(&self, index: u64, piece: &[u8]) -> Option<PieceBlocks> {
        let range = self.range(index);
        if index >= self.count() || piece.len() as u64 != range.end - range.start {
            return None;
        }
        let values = block_values(range.start, piece);
        let of_piece = usize::try_from(index)
            .ok()
            .and_then(|index| self.values.get(index));
        let is_right = match of_piece {
            Some(expected) => node(&values) == *expected,
            None if values.len() > 1 => root(&values) == self.digest,
            None => *blake3::hash(piece).as_bytes() == *self.digest.as_bytes(),
        };
        is_right.then_some(PieceBlocks { index, values })
    }
}

impl WeakPieceTree {
    /// Returns the tree, if somebody has it still.
    #[must_use]
    pub fn upgrade(&self) -> Option<PieceTree> {
        Some(PieceTree {
            digest: self.digest,
            size: self.size,
            values: self.values.upgrade()?,
        })
    }
}

impl PieceBlocks {
    /// Returns which piece has these blocks.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Returns whether `bytes` are whole blocks of the piece from block `first` on, and right.
    #[must_use]
    pub fn are_right(&self, first: usize, bytes: &[u8]) -> bool {
        let start = self.index * PIECE_SIZE + first as u64 * BLOCK_SIZE;
        let values = block_values(start, bytes);
        self.values
            .get(first..)
            .is_some_and(|expected| expected.starts_with(&values))
    }
}

/// The values of the blocks of a piece from offset `start` of the content on.
fn block_values(start: u64, bytes: &[u8]) -> Vec<PieceValue> {
    let starts = (start..).step_by(BLOCK_SIZE as usize);
    let blocks = bytes.chunks(BLOCK_SIZE as usize).zip(starts);
    blocks
        .map(|(block, start)| {
            let mut hasher = Hasher::new();
            hasher.set_input_offset(start);
            hasher.update(block);
            hasher.finalize_non_root()
        })
        .collect()
}

impl fmt::Debug for PieceTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PieceTree")
            .field("digest", &self.digest)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl PieceCheck {
    /// Takes the next bytes of the piece.
    pub fn push(&mut self, bytes: &[u8]) {
        match self.left.checked_sub(bytes.len() as u64) {
            Some(left) => {
                self.left = left;
                self.hasher.update(bytes);
            }
            None => self.too_long = true,
        }
    }

    /// Returns true if the bytes that were pushed are the piece, whole and right.
    #[must_use]
    pub fn is_right(&self) -> bool {
        if self.too_long || self.left > 0 {
            return false;
        }
        match &self.expected {
            Expected::Whole(digest) => self.hasher.finalize() == *digest.as_bytes(),
            Expected::Piece(value) => self.hasher.finalize_non_root() == *value,
        }
    }
}

impl TreeHasher {
    /// Takes the next bytes of the content.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let filled = self.size % PIECE_SIZE;
            if filled == 0 && self.size > 0 {
                self.close_piece();
                // A used hasher keeps its first offset, even after a reset.
                self.current = Hasher::new();
                self.current.set_input_offset(self.size);
            }
            let room = usize::try_from(PIECE_SIZE - filled).unwrap_or(usize::MAX);
            let (now, rest) = bytes.split_at(room.min(bytes.len()));
            self.current.update(now);
            self.size += now.len() as u64;
            bytes = rest;
        }
    }

    /// Returns the number of bytes pushed so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns the tree of all that was pushed.
    #[must_use]
    pub fn finish(mut self) -> PieceTree {
        let size = self.size;
        if self.values.is_empty() {
            return PieceTree {
                digest: Digest::from_bytes(self.current.finalize().into()),
                size,
                values: Arc::default(),
            };
        }
        self.close_piece();
        PieceTree {
            digest: root(&self.values),
            size,
            values: self.values.into(),
        }
    }

    fn close_piece(&mut self) {
        self.values.push(self.current.finalize_non_root());
    }
}

/// Returns the number of values that a tree of content of `size` bytes has.
fn value_count(size: u64) -> u64 {
    match piece_count(size) {
        1 => 0,
        count => count,
    }
}

/// Returns the digest that two or more values make.
fn root(values: &[PieceValue]) -> Digest {
    let (left, right) = values.split_at(left_count(values.len()));
    Digest::from_bytes(merge_subtrees_root(&node(left), &node(right), Mode::Hash).into())
}

/// Returns the value of the subtree above one or more values.
fn node(values: &[PieceValue]) -> PieceValue {
    match values {
        [value] => *value,
        _ => {
            let (left, right) = values.split_at(left_count(values.len()));
            merge_subtrees_non_root(&node(left), &node(right), Mode::Hash)
        }
    }
}

/// Returns the number of values in the left subtree: BLAKE3 puts the greatest power of two
/// that leaves something on the right to the left.
fn left_count(count: usize) -> usize {
    count.next_power_of_two() / 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PIECE: usize = PIECE_SIZE as usize;

    fn content(size: usize) -> Vec<u8> {
        (0..size).map(|at| (at * 31 % 251) as u8).collect()
    }

    fn tree(content: &[u8]) -> PieceTree {
        let mut hasher = TreeHasher::default();
        hasher.push(content);
        hasher.finish()
    }

    fn is_right(tree: &PieceTree, index: u64, bytes: &[u8]) -> bool {
        let mut check = tree.check(index);
        check.push(bytes);
        check.is_right()
    }

    const SIZES: [usize; 10] = [
        0,
        1,
        PIECE - 1,
        PIECE,
        PIECE + 1,
        2 * PIECE,
        2 * PIECE + 1,
        5 * PIECE - 7,
        8 * PIECE,
        11 * PIECE + 1025,
    ];

    #[test]
    fn a_tree_has_the_digest_of_the_content_and_checks_each_piece() {
        for size in SIZES {
            let content = content(size);
            let tree = tree(&content);
            assert_eq!(
                tree.digest().as_bytes(),
                blake3::hash(&content).as_bytes(),
                "{size}"
            );
            for index in 0..tree.count() {
                let range = tree.range(index);
                let piece = &content[range.start as usize..range.end as usize];
                assert!(is_right(&tree, index, piece), "{size} {index}");
                assert!(
                    !is_right(&tree, index, &[piece, b"x"].concat()),
                    "{size} {index}"
                );
                if !piece.is_empty() {
                    let mut wrong = piece.to_vec();
                    wrong[piece.len() / 2] ^= 1;
                    assert!(!is_right(&tree, index, &wrong), "{size} {index}");
                    assert!(!is_right(&tree, index, &piece[1..]), "{size} {index}");
                }
            }
            assert!(!is_right(&tree, tree.count(), b""), "{size}");
        }
    }

    #[test]
    fn blocks_of_a_right_piece_are_checked_one_by_one() {
        const BLOCK: usize = BLOCK_SIZE as usize;
        for size in [1, BLOCK, BLOCK + 1].into_iter().chain(SIZES) {
            let content = content(size);
            let tree = tree(&content);
            for index in 0..tree.count() {
                let range = tree.range(index);
                let piece = &content[range.start as usize..range.end as usize];
                let blocks = tree.blocks(index, piece).expect("the piece is right");
                assert_eq!(blocks.index(), index);
                for (first, block) in piece.chunks(BLOCK).enumerate() {
                    assert!(blocks.are_right(first, block), "{size} {index} {first}");
                    let rest = &piece[first * BLOCK..];
                    assert!(blocks.are_right(first, rest), "{size} {index} {first}");
                    let mut wrong = block.to_vec();
                    wrong[block.len() / 2] ^= 1;
                    assert!(!blocks.are_right(first, &wrong), "{size} {index} {first}");
                    assert!(!blocks.are_right(first + 16, block), "{size} {index}");
                }
                if !piece.is_empty() {
                    let mut wrong = piece.to_vec();
                    wrong[piece.len() - 1] ^= 1;
                    assert!(tree.blocks(index, &wrong).is_none(), "{size} {index}");
                    assert!(tree.blocks(index, &piece[1..]).is_none(), "{size} {index}");
                }
            }
            assert!(tree.blocks(tree.count(), b"").is_none(), "{size}");
        }
    }

    #[test]
    fn a_weak_tree_is_there_as_long_as_the_tree() {
        let tree = tree(&content(3 * PIECE));
        let weak = tree.downgrade();
        assert_eq!(weak.upgrade(), Some(tree.clone()));
        drop(tree);
        assert_eq!(weak.upgrade(), None);
    }

    #[test]
    fn a_tree_reads_back_and_a_wrong_one_does_not() {
        for size in SIZES {
            let tree = tree(&content(size));
            let bytes = tree.to_bytes();
            assert_eq!(bytes.len() as u64, PieceTree::bytes_len(size as u64));
            assert_eq!(
                PieceTree::from_bytes(tree.digest(), &bytes),
                Ok(tree.clone())
            );
            let longer = [&bytes[..], &[0; 32]].concat();
            assert_eq!(
                PieceTree::from_bytes(tree.digest(), &longer),
                Err(TreeError::Length)
            );
            assert_eq!(
                PieceTree::from_bytes(tree.digest(), &bytes[..bytes.len() - 1]),
                Err(TreeError::Length)
            );
            if tree.count() > 1 {
                let mut wrong = bytes.clone();
                wrong[TREE_HEAD + 3] ^= 1;
                assert_eq!(
                    PieceTree::from_bytes(tree.digest(), &wrong),
                    Err(TreeError::Digest)
                );
            }
        }
        let endless = u64::MAX.to_le_bytes();
        assert_eq!(
            PieceTree::from_bytes(Digest::from_bytes([0; 32]), &endless),
            Err(TreeError::TooLong)
        );
    }

    #[test]
    fn a_wrong_size_is_found_out_by_the_last_piece() {
        let content = content(2 * PIECE + 100);
        let right = tree(&content);
        let mut bytes = right.to_bytes();
        bytes[0] += 1;
        let wrong = PieceTree::from_bytes(right.digest(), &bytes).unwrap();
        assert!(is_right(&wrong, 0, &content[..PIECE]));
        assert!(!is_right(&wrong, 2, &content[2 * PIECE..]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn it_does_not_matter_how_content_is_pushed(
            size in 0..4 * PIECE,
            cuts in proptest::collection::vec(1..PIECE * 2, 1..20),
        ) {
            let content = content(size);
            let mut hasher = TreeHasher::default();
            let (mut rest, mut cuts) = (&content[..], cuts.into_iter());
            while let Some(cut) = cuts.next().filter(|_| !rest.is_empty()) {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                hasher.push(now);
                rest = later;
            }
            hasher.push(rest);
            prop_assert_eq!(hasher.finish(), tree(&content));
        }
    }
}
