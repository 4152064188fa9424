//! Reading of content whose pieces are checked, whole or in parts.

use std::{fs::File, io, ops::Range, os::unix::fs::FileExt};

use node_wire::pieces::{BLOCK_SIZE, PIECE_SIZE, PieceBlocks, PieceTree};

use crate::read_piece;

/// The reader of one piece, part by part.
///
/// The first part costs reading the whole piece, to check it; the others are then checked alone. So a caller that
/// takes small parts has every byte read and hashed twice, and not once for each part.
#[derive(Debug, Default)]
pub struct PartReader {
    /// The checks of the parts of the piece that was read last.
    blocks: Option<PieceBlocks>,
    /// Room for a piece, used again.
    piece: Vec<u8>,
}

impl PartReader {
    /// Makes room for what reading `part` takes beside the part. A caller that lets other threads read calls this before:
    /// memory that many threads ask for and others give back is kept for each of them.
    pub fn make_room(&mut self, tree: &PieceTree, part: &Range<u64>) {
        let index = part.start / PIECE_SIZE;
        let piece = tree.range(index);
        if *part != piece && !self.knows(index) {
            self.piece = Vec::with_capacity(offset(piece.end - piece.start).unwrap_or_default());
        }
    }

    /// Gives the room back.
    pub fn drop_room(&mut self) {
        self.piece = Vec::new();
    }

    /// Reads a part of one piece into `bytes`, in place of what was there. Blocks.
    ///
    /// # Errors
    /// As [`read_piece`].
    pub fn read(
        &mut self,
        file: &File,
        tree: &PieceTree,
        part: Range<u64>,
        bytes: &mut Vec<u8>,
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
            self.piece = read(file, piece.clone(), std::mem::take(&mut self.piece))?;
            self.blocks = Some(tree.blocks(index, &self.piece).ok_or_else(wrong)?);
            let inside = offset(part.start - piece.start)?..offset(part.end - piece.start)?;
            bytes.clear();
            bytes.extend_from_slice(&self.piece[inside]);
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
        *bytes = read(file, start..end.min(piece.end), std::mem::take(bytes))?;
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

fn read(file: &File, range: Range<u64>, mut bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    bytes.resize(offset(range.end - range.start)?, 0);
    file.read_exact_at(&mut bytes, range.start)?;
    Ok(bytes)
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
    use std::io::Write;

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
        reader.make_room(tree, &part);
        reader.read(file, tree, part, &mut bytes)?;
        reader.drop_room();
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
