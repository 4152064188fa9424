//! The blocks of a text: runs of whole lines, each with trigrams of its own.
//!
//! A match is in one line, so it is in one block. The longer a text is, the more often it has all
//! trigrams of a pattern in different places. Blocks rule most of these texts out, and
//! only the blocks that are left are read.
//!
//! # Invariants
//! - The blocks of a text follow each other without gaps; each but the last ends with a line.
//! - A text has at least one block, and about [`BLOCKS_MAX`] at most.

use std::collections::BTreeMap;

use crate::{
    limits::{BLOCK_MIN, BLOCK_READ_MAX, BLOCKS_MAX},
    trigrams::Trigrams,
};

/// A run of whole lines in a file.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Block {
    /// Its first byte in the file.
    pub(crate) from: u64,
    /// Its length in bytes.
    pub(crate) length: u64,
    /// The number of lines before it.
    pub(crate) lines_before: u64,
}

/// The trigrams of a block, for the index.
#[derive(Debug, Default)]
pub(crate) struct BlockText {
    /// The block; `None` if the file has to be read whole.
    pub(crate) block: Option<Block>,
    /// The terms of the trigrams.
    pub(crate) trigrams: String,
}

/// Gathers the blocks of one text after the other.
pub(crate) struct Blocks {
    trigrams: Trigrams,
    least: u64,
    open: Block,
    lines: u64,
    closed: Vec<BlockText>,
}

impl Blocks {
    pub(crate) fn new() -> Blocks {
        Blocks {
            trigrams: Trigrams::new(),
            least: BLOCK_MIN,
            open: Block::at(0, 0),
            lines: 0,
            closed: Vec::new(),
        }
    }

    /// Begins with a text of this size.
    pub(crate) fn begin(&mut self, size: u64) {
        self.finish(false);
        self.least = BLOCK_MIN.max(size / BLOCKS_MAX);
    }

    /// Adds the next bytes of the text.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(self.end_in(rest));
            self.trigrams.add(now);
            self.open.length += now.len() as u64;
            self.lines += memchr::memchr_iter(b'\n', now).count() as u64;
            if self.open.length >= self.least && now.ends_with(b"\n") {
                self.close();
            }
            rest = later;
        }
    }

    /// Returns the number of bytes that belong to the open block.
    fn end_in(&self, bytes: &[u8]) -> usize {
        let missing = self.least.saturating_sub(self.open.length);
        let missing = usize::try_from(missing).unwrap_or(usize::MAX);
        let last = missing.saturating_sub(1);
        let behind = bytes.get(last..).unwrap_or_default();
        memchr::memchr(b'\n', behind).map_or(bytes.len(), |at| last + at + 1)
    }

    fn close(&mut self) {
        let next = Block::at(self.open.from + self.open.length, self.lines);
        self.closed.push(BlockText {
            block: Some(std::mem::replace(&mut self.open, next)),
            trigrams: self.trigrams.take(),
        });
    }

    /// Returns the blocks, ready for the next text. Unless the text `is_plain`, the bytes of the file are not those that
    /// were added, and the file has to be read whole.
    pub(crate) fn finish(&mut self, is_plain: bool) -> Vec<BlockText> {
        if self.open.length > 0 || self.closed.is_empty() {
            self.close();
        }
        (self.open, self.lines) = (Block::at(0, 0), 0);
        let mut blocks = std::mem::take(&mut self.closed);
        let are_several = blocks.len() > 1;
        for block in &mut blocks {
            let known = block.block.filter(|_| is_plain && are_several);
            block.block = known.filter(|block| block.length <= BLOCK_READ_MAX);
        }
        blocks
    }
}

impl Block {
    fn at(from: u64, lines_before: u64) -> Block {
        Block {
            from,
            length: 0,
            lines_before,
        }
    }
}

/// The parts of a file that may match.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Parts {
    /// All of it.
    Whole,
    /// These blocks, as long as the file is of this version.
    Blocks(u64, Vec<Block>),
}

/// The parts of files that may match, by the names of the files.
#[derive(Debug, Default)]
pub(crate) struct Candidates(BTreeMap<String, Parts>);

impl Candidates {
    /// Adds a block of the version of a file; the whole file if it is `None`.
    pub(crate) fn add(&mut self, name: String, version: u64, block: Option<Block>) {
        let parts = match (self.0.remove(&name), block) {
            (None, Some(block)) => Parts::Blocks(version, vec![block]),
            (Some(Parts::Blocks(known, mut blocks)), Some(block)) if known == version => {
                blocks.push(block);
                Parts::Blocks(version, blocks)
            }
            _ => Parts::Whole,
        };
        self.0.insert(name, parts);
    }

    /// Adds a whole file.
    pub(crate) fn add_whole(&mut self, name: &str) {
        self.0.insert(name.to_owned(), Parts::Whole);
    }

    /// Returns the parts of the file `name` that may match, if there are any.
    pub(crate) fn parts(&self, name: &str) -> Option<&Parts> {
        self.0.get(name)
    }

    /// Returns all names with their parts, in order of the names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &Parts)> {
        self.0.iter()
    }
}

impl Parts {
    /// Returns what is to be read of a file that is of `version` now.
    pub(crate) fn of_version(&self, version: u64) -> Parts {
        match self {
            Parts::Blocks(known, blocks) if *known == version && version != 0 => {
                let mut blocks = blocks.clone();
                blocks.sort_unstable();
                Parts::Blocks(version, blocks)
            }
            _ => Parts::Whole,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks_of(text: &[u8], piece: usize) -> Vec<Block> {
        let mut blocks = Blocks::new();
        blocks.begin(text.len() as u64);
        text.chunks(piece).for_each(|piece| blocks.add(piece));
        let found = blocks.finish(true);
        found.iter().filter_map(|text| text.block).collect()
    }

    #[test]
    fn blocks_follow_each_other_and_end_with_lines() {
        let mut text = Vec::new();
        for n in 0..20_000 {
            text.extend_from_slice(format!("{}\n", "x".repeat(n % 97)).as_bytes());
        }
        text.extend_from_slice(b"no end");
        let blocks = blocks_of(&text, 1000);
        assert!(blocks.len() > 10 && blocks.len() <= BLOCKS_MAX as usize + 1);
        let mut at = 0;
        for block in &blocks {
            assert_eq!(block.from, at);
            let (begin, end) = (at as usize, (at + block.length) as usize);
            let lines = text[..begin].iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(block.lines_before, lines as u64);
            assert!(end == text.len() || text[..end].ends_with(b"\n"));
            at += block.length;
        }
        assert_eq!(at, text.len() as u64);
        for piece in [1, 7, 64 * 1024, text.len()] {
            assert_eq!(blocks_of(&text, piece), blocks, "{piece}");
        }
    }

    #[test]
    fn a_short_text_and_one_that_is_not_plain_are_read_whole() {
        assert!(blocks_of(b"short\n", 2).is_empty());
        let mut blocks = Blocks::new();
        blocks.begin(1 << 20);
        blocks.add(&b"a line of text\n".repeat(10_000));
        let found = blocks.finish(false);
        assert!(found.len() > 1 && found.iter().all(|text| text.block.is_none()));
        // An empty text has an entry, too.
        blocks.begin(0);
        assert_eq!(blocks.finish(true).len(), 1);
    }

    #[test]
    fn a_line_that_is_longer_than_a_block_is_in_one() {
        let text = [vec![b'x'; 100_000], b"\nshort\n".to_vec()].concat();
        let blocks = blocks_of(&text, 4096);
        let lengths: Vec<_> = blocks.iter().map(|block| block.length).collect();
        assert_eq!(lengths, [100_001, 6]);
    }

    #[test]
    fn parts_of_another_version_are_not_relied_on() {
        let block = Block::at(0, 0);
        let mut candidates = Candidates::default();
        candidates.add("a".to_owned(), 7, Some(block));
        candidates.add("b".to_owned(), 7, Some(block));
        candidates.add("b".to_owned(), 8, Some(block));
        candidates.add("c".to_owned(), 7, None);
        candidates.add("c".to_owned(), 7, Some(block));
        let parts = |name, version| candidates.parts(name).unwrap().of_version(version);
        assert_eq!(parts("a", 7), Parts::Blocks(7, vec![block]));
        assert_eq!(parts("a", 8), Parts::Whole);
        assert_eq!(parts("b", 8), Parts::Whole);
        assert_eq!(parts("c", 7), Parts::Whole);
    }
}
