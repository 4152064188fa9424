//! Reading of content whose pieces are checked, whole or in parts.
//!
//! # Participants
//! - [`CheckedBlob`] is content of a known digest, open for reading; its [`BlobPlace`] is the share or the cache.
//! - [`PartReader`] reads one piece part by part.
//!
//! # Invariants
//! - Each piece is held against the digest when it is read. So bytes that changed without a sign are given to nobody.

use std::{fmt::Debug, fs::File, io, ops::Range};

use node_base::platform::files;
use node_wire::pieces::{BLOCK_SIZE, PIECE_SIZE, PieceBlocks, PieceTree};

/// The place of content that is open for reading.
pub trait BlobPlace: Debug + Send + Sync {
    /// Returns the open file.
    fn file(&self) -> &File;

    /// Makes sure that the file is the one that was opened.
    ///
    /// # Errors
    /// Errors if it changed.
    fn unchanged(&self) -> io::Result<()>;

    /// Acts on content that cannot be read, or is not what its digest says.
    fn failed(&self, tree: &PieceTree, error: &io::Error);
}

/// Content of a known digest that is open for reading. It stays readable when its file goes.
#[derive(Debug)]
pub struct CheckedBlob<P: ?Sized> {
    tree: PieceTree,
    place: P,
}

impl<P> CheckedBlob<P> {
    /// Opens content at a place, which has to have this tree.
    #[must_use]
    pub fn new(place: P, tree: PieceTree) -> CheckedBlob<P> {
        CheckedBlob { tree, place }
    }
}

impl<P: BlobPlace + ?Sized> CheckedBlob<P> {
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
    /// Errors if the piece cannot be read, if the file changed, or if the piece does not match the digest. The place
    /// is notified, and `piece` is empty.
    pub fn read_piece(&self, index: u64, piece: &mut Vec<u8>) -> io::Result<()> {
        read_piece(self.place.file(), &self.tree, index, piece)
            .and_then(|()| self.place.unchanged())
            .inspect_err(|error| {
                piece.clear();
                self.place.failed(&self.tree, error);
            })
    }

    /// Reads a part of one piece into `bytes`, see [`PartReader::read`]. Blocks.
    ///
    /// # Errors
    /// As [`CheckedBlob::read_piece`].
    pub fn read_part(
        &self,
        part: Range<u64>,
        reader: &mut PartReader,
        bytes: &mut Vec<u8>,
        room: &mut Vec<u8>,
    ) -> io::Result<()> {
        reader
            .read(self.place.file(), &self.tree, part, bytes, room)
            .and_then(|()| self.place.unchanged())
            .inspect_err(|error| self.place.failed(&self.tree, error))
    }
}

/// Reads piece `index` of the content of `file` into `piece`, in place of what was there. Blocks.
///
/// # Errors
/// Errors if it cannot be read, and with [`io::ErrorKind::InvalidData`] if it is not what `tree` says.
pub fn read_piece(
    file: &File,
    tree: &PieceTree,
    index: u64,
    piece: &mut Vec<u8>,
) -> io::Result<()> {
    let range = tree.range(index);
    read(file, range, piece)?;
    let mut check = tree.check(index);
    check.push(piece);
    if check.is_right() {
        Ok(())
    } else {
        Err(wrong())
    }
}

/// The reader of one piece, part by part.
///
/// The first part costs reading the whole piece, to check it; the others are then checked alone. So a caller that
/// takes small parts has every byte read and hashed twice, and not once for each part.
#[derive(Debug, Default)]
pub struct PartReader {
    /// The checks of the parts of the piece that was read last.
    blocks: Option<PieceBlocks>,
}

impl PartReader {
    /// Returns how many bytes reading `part` takes beside the part.
    #[must_use]
    pub fn more(&self, tree: &PieceTree, part: &Range<u64>) -> usize {
        let index = part.start / PIECE_SIZE;
        let piece = tree.range(index);
        if *part == piece || self.knows(index) {
            return 0;
        }
        offset(piece.end - piece.start).unwrap_or_default()
    }

    /// Reads a part of one piece into `bytes`, in place of what was there. `room` has place for what
    /// reading takes beside that, see [`PartReader::more`]. Blocks.
    ///
    /// # Errors
    /// As [`read_piece`].
    pub fn read(
        &mut self,
        file: &File,
        tree: &PieceTree,
        part: Range<u64>,
        bytes: &mut Vec<u8>,
        room: &mut Vec<u8>,
    ) -> io::Result<()> {
        let index = part.start / PIECE_SIZE;
        let piece = tree.range(index);
        if part == piece {
            return read_piece(file, tree, index, bytes);
        }
        if part.end > piece.end {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if !self.knows(index) {
            read(file, piece.clone(), room)?;
            self.blocks = Some(tree.blocks(index, room).ok_or_else(wrong)?);
            let inside = offset(part.start - piece.start)?..offset(part.end - piece.start)?;
            bytes.clear();
            bytes.extend_from_slice(&room[inside]);
            return Ok(());
        }
        self.read_known(file, &piece, part, bytes)
    }

    fn knows(&self, index: u64) -> bool {
        self.blocks
            .as_ref()
            .is_some_and(|blocks| blocks.index() == index)
    }

    fn read_known(
        &self,
        file: &File,
        piece: &Range<u64>,
        part: Range<u64>,
        bytes: &mut Vec<u8>,
    ) -> io::Result<()> {
        let first = (part.start - piece.start) / BLOCK_SIZE;
        let start = piece.start + first * BLOCK_SIZE;
        let end = piece.start + (part.end - piece.start).next_multiple_of(BLOCK_SIZE);
        read(file, start..end.min(piece.end), bytes)?;
        let first = offset(first)?;
        let are_right = |blocks: &PieceBlocks| blocks.are_right(first, bytes);
        if !self.blocks.as_ref().is_some_and(are_right) {
            return Err(wrong());
        }
        bytes.truncate(offset(part.end - start)?);
        bytes.drain(..offset(part.start - start)?);
        Ok(())
    }
}

fn read(file: &File, range: Range<u64>, bytes: &mut Vec<u8>) -> io::Result<()> {
    let length = offset(range.end - range.start)?;
    files::read_exact_at(file, range.start, length, bytes)
}

fn offset(bytes: u64) -> io::Result<usize> {
    usize::try_from(bytes).map_err(io::Error::other)
}

fn wrong() -> io::Error {
    let text = "the content is not what its digest says";
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use std::{io::Write, os::unix::fs::FileExt};

    use node_wire::pieces::TreeHasher;
    use proptest::prelude::*;

    use super::*;

    const SIZE: u64 = 2 * PIECE_SIZE + 40_000;

    fn content() -> Vec<u8> {
        (0..SIZE).map(|at| (at * 31 % 251) as u8).collect()
    }

    fn stored(content: &[u8]) -> (File, PieceTree) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        let mut hasher = TreeHasher::default();
        hasher.push(content);
        (file, hasher.finish())
    }

    fn read_part(
        file: &File,
        tree: &PieceTree,
        part: Range<u64>,
        reader: &mut PartReader,
    ) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut room = Vec::with_capacity(reader.more(tree, &part));
        let before = room.capacity();
        reader.read(file, tree, part, &mut bytes, &mut room)?;
        assert_eq!(room.capacity(), before, "it says how much it takes");
        Ok(bytes)
    }

    #[test]
    fn a_byte_that_changed_is_not_read() {
        let content = content();
        let (file, tree) = stored(&content);
        let mut reader = PartReader::default();
        let part = PIECE_SIZE..PIECE_SIZE + 5;
        assert_eq!(
            read_part(&file, &tree, part.clone(), &mut reader).unwrap(),
            content[part.start as usize..part.end as usize]
        );
        let changed = PIECE_SIZE + 3 * BLOCK_SIZE + 9;
        file.write_all_at(b"?", changed).unwrap();
        let block = PIECE_SIZE + 3 * BLOCK_SIZE..PIECE_SIZE + 4 * BLOCK_SIZE;
        for (first, last) in [(0, 1), (9, 10), (10, BLOCK_SIZE)] {
            let part = block.start + first..block.start + last;
            let error = read_part(&file, &tree, part, &mut reader).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
        let (before, behind) = (block.start - 1..block.start, block.end..block.end + 1);
        for right in [before, behind] {
            assert!(read_part(&file, &tree, right, &mut reader).is_ok());
        }
        let error = read_part(
            &file,
            &tree,
            PIECE_SIZE..PIECE_SIZE + 1,
            &mut PartReader::default(),
        )
        .unwrap_err();
        assert_eq!(
            error.kind(),
            io::ErrorKind::InvalidData,
            "the piece is wrong"
        );
        assert!(
            read_part(&file, &tree, 0..1, &mut reader).is_ok(),
            "another piece"
        );
    }

    proptest! {
        #[test]
        fn parts_in_any_order_are_the_content(
            wanted in prop::collection::vec((0..SIZE, 1..100_000_u64), 1..20),
        ) {
            let content = content();
            let (file, tree) = stored(&content);
            let mut reader = PartReader::default();
            for (start, length) in wanted {
                let piece = tree.range(start / PIECE_SIZE);
                let part = start..(start + length).min(piece.end);
                let read = read_part(&file, &tree, part.clone(), &mut reader).unwrap();
                prop_assert!(read == content[part.start as usize..part.end as usize]);
            }
        }
    }
}
