//! Long files that grow: only what was appended is read and added to the index.
//!
//! # Invariants
//! - A file is taken for one that grew if its first bytes, and the last ones before
//!   where it ended, still stand there. What was changed in between shows when it is
//!   quiet for [`LONG_QUIET`](crate::limits::LONG_QUIET): then it is read whole.
//! - The index has the words of the first [`TEXT_MAX`] bytes, so nothing appended to a long
//!   file adds one.
//! - What is added begins with a line, so that all that a line has is in one part.

use std::{collections::BTreeMap, io, sync::Arc};

use plugin_api::{FileInfo, FileReader, Files};

use crate::{
    blocks::{BlockText, Blocks},
    limits::{LONG_MAX, LONG_PARTS_MAX, TEXT_MAX},
    source::{FileBytes, KNOWN_BY},
};

/// A long file as it was indexed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Long {
    /// Bytes that are indexed.
    size: u64,
    /// The first bytes.
    first: Vec<u8>,
    /// The last bytes.
    last: Vec<u8>,
    /// Parts in the index.
    parts: u32,
}

/// Long files by their names.
pub(crate) type LongFiles = BTreeMap<String, Arc<Long>>;

impl Long {
    /// Returns the record of a file that was read whole, if it is long text.
    pub(crate) fn of(source: &FileBytes<'_>) -> Option<Long> {
        let (size, first, last) = source.ends();
        let is_wide = first.starts_with(&[0xFF, 0xFE]) || first.starts_with(&[0xFE, 0xFF]);
        (size > TEXT_MAX as u64 && !is_wide).then(|| Long {
            size,
            first: first.to_vec(),
            last: last.to_vec(),
            parts: 1,
        })
    }

    /// Returns whether the file is this one, or one that only grew.
    ///
    /// # Errors
    /// Errors if it cannot be read.
    pub(crate) fn stands(&self, files: &dyn Files, file: &FileInfo) -> io::Result<bool> {
        let never = || false;
        let mut reader = files.reader();
        let source = FileBytes::behind(
            files,
            reader.as_mut(),
            file,
            &never,
            self.size,
            &self.first,
            &self.last,
        );
        Ok(file.size >= self.size && source.has_grown()?)
    }

    /// Reads what was appended. Returns its trigrams and what is known of the file then;
    /// `None` if it has to be read whole.
    ///
    /// # Errors
    /// Errors if it cannot be read, or changes meanwhile.
    pub(crate) fn appended(
        &self,
        files: &dyn Files,
        reader: &mut (dyn FileReader + '_),
        file: &FileInfo,
        stopped: &dyn Fn() -> bool,
        blocks: &mut Blocks,
    ) -> io::Result<Option<(Vec<BlockText>, Long)>> {
        let line = self.last.iter().rposition(|byte| *byte == b'\n');
        let Some(line) = line.filter(|_| self.parts < LONG_PARTS_MAX) else {
            return Ok(None);
        };
        let (known, open) = self.last.split_at(line + 1);
        let from = self.size - open.len() as u64;
        let mut source = FileBytes::behind(files, reader, file, stopped, from, &self.first, known);
        if file.size < self.size || !source.has_grown()? {
            return Ok(None);
        }
        let mut last = known.to_vec();
        let mut piece = vec![0; 64 * 1024];
        let mut has_nul = false;
        blocks.begin(file.size.saturating_sub(from));
        let read = loop {
            match io::Read::read(&mut source, &mut piece) {
                Ok(0) => break Ok(()),
                Ok(length) => {
                    let piece = &piece[..length];
                    has_nul |= piece.contains(&0);
                    blocks.add(piece);
                    last.extend_from_slice(piece);
                    last.drain(..last.len().saturating_sub(KNOWN_BY));
                }
                Err(error) => break Err(error),
            }
        };
        let found = blocks.finish(false);
        read?;
        let (size, ..) = source.ends();
        Ok((!has_nul).then(|| {
            let long = Long {
                size,
                first: self.first.clone(),
                last,
                parts: self.parts + 1,
            };
            (found, long)
        }))
    }

    /// Returns how many bytes more are indexed than those of `before`.
    pub(crate) fn more_than(&self, before: &Long) -> u64 {
        self.size.saturating_sub(before.size)
    }
}

/// Notes the record of the file `name`; of at most [`LONG_MAX`] files.
pub(crate) fn note(files: &mut LongFiles, name: String, long: Option<Long>) {
    match long {
        Some(long) if files.len() < LONG_MAX || files.contains_key(&name) => {
            files.insert(name, Arc::new(long));
        }
        _ => {
            files.remove(&name);
        }
    }
}
