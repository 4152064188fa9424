//! Files that grow: only what was appended is read and added to the index.
//!
//! # Invariants
//! - A file is taken for one that grew if all bytes that are indexed still stand there. Of one
//!   that is longer than [`TEXT_MAX`], only the first bytes and the last ones before where it
//!   ended are compared at once, and all of them when it is quiet, or was not for too long
//!   ([`Comparison`]).
//! - Bytes are compared by their hash, whose key is known to nobody.
//! - What is added begins with a line, so that all that a line has is in one part.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, DefaultHasher, Hasher, RandomState},
    io,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use plugin_api::{FileInfo, FileReader, Files};

use crate::{
    blocks::{BlockText, Blocks},
    limits::{
        APPENDED_BYTES_MAX, APPENDED_MAX, CHUNK, GROWING_MAX, GROWING_MIN, GROWN_QUIET,
        GROWN_QUIET_BYTES, GROWN_QUIET_MAX, GROWN_RESTLESS, TEXT_MAX,
    },
    source::{self, FileBytes, KNOWN_BY},
};

/// A file as it was indexed.
#[derive(Clone, Debug)]
pub(crate) struct Indexed {
    /// Bytes that are indexed.
    size: u64,
    /// Has taken all of them.
    hasher: DefaultHasher,
    first: Trace,
    last: Trace,
    /// Bytes behind the last end of a line, if there is one among the last bytes.
    open: Option<u16>,
    /// The number of times that something was appended.
    appended: u32,
}

/// As good as never.
const LONG_TIME: Duration = Duration::from_secs(365 * 24 * 3600);

/// The time when all bytes of a long file that grew are compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Comparison {
    due: Instant,
    /// The latest time, however often the file grows until then.
    latest: Instant,
}

impl Comparison {
    /// Returns when the bytes of a file are compared that grew now to so many bytes, where `before` was the time if it
    /// had grown already.
    fn after(before: Option<Comparison>, size: u64, now: Instant) -> Comparison {
        let more = u32::try_from(size / GROWN_QUIET_BYTES).unwrap_or(u32::MAX);
        let quiet = GROWN_QUIET.saturating_mul(more.saturating_add(1));
        // Not sooner for a very long one: so many bytes a second are compared at most.
        let restless = quiet.saturating_mul(GROWN_RESTLESS).min(LONG_TIME);
        let latest = before.map_or(now + restless, |before| before.latest);
        Comparison {
            due: latest.min(now + quiet.min(GROWN_QUIET_MAX)),
            latest,
        }
    }

    /// Returns when they are to be compared.
    pub(crate) fn due(self) -> Instant {
        self.due
    }
}

/// Files as they were indexed, by their names.
pub(crate) type IndexedFiles = BTreeMap<String, Arc<Indexed>>;

/// Bytes by which a file is known again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Trace {
    length: u16,
    hash: u64,
}

/// Text that was appended to a file.
pub(crate) struct Appended {
    /// The bytes from the begin of the line on that was open.
    pub(crate) text: Vec<u8>,
    pub(crate) blocks: Vec<BlockText>,
    /// The record of the file with it.
    pub(crate) now: Indexed,
}

/// Returns a hasher for bytes of files.
pub(crate) fn hasher() -> DefaultHasher {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    KEY.build_hasher()
}

impl Trace {
    fn of(bytes: &[u8]) -> Trace {
        let mut hasher = hasher();
        hasher.write(bytes);
        Trace {
            length: u16::try_from(bytes.len()).unwrap_or(u16::MAX),
            hash: hasher.finish(),
        }
    }

    /// Returns the bytes of the file from `from` on, if they are the ones.
    fn read(self, files: &dyn Files, name: &str, from: u64) -> io::Result<Option<Vec<u8>>> {
        let read = files.read(name, from, usize::from(self.length));
        let bytes = read.map_err(io::Error::other)?;
        Ok(bytes.filter(|bytes| Trace::of(bytes) == self))
    }
}

impl Indexed {
    /// Returns the record of a file that was read whole, if it is worth one.
    pub(crate) fn of(source: &FileBytes<'_>) -> Option<Indexed> {
        let (size, first, last) = source.ends();
        let is_wide = first.starts_with(&[0xFF, 0xFE]) || first.starts_with(&[0xFE, 0xFF]);
        let hasher = source
            .hasher()
            .filter(|_| size >= GROWING_MIN && !is_wide)?;
        Some(Indexed::at(size, hasher, Trace::of(first), last, 0))
    }

    fn at(size: u64, hasher: DefaultHasher, first: Trace, last: &[u8], appended: u32) -> Indexed {
        let line = last.iter().rposition(|byte| *byte == b'\n');
        let open = line.map(|line| last.len() - line - 1);
        Indexed {
            size,
            hasher,
            first,
            last: Trace::of(last),
            open: open.and_then(|open| u16::try_from(open).ok()),
            appended,
        }
    }

    /// Returns the first and the last bytes that are known, if they still stand in the file.
    fn ends(&self, files: &dyn Files, file: &FileInfo) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
        if file.size < self.size {
            return Ok(None);
        }
        let Some(first) = self.first.read(files, &file.name, 0)? else {
            return Ok(None);
        };
        let from = self.size - u64::from(self.last.length);
        let last = self.last.read(files, &file.name, from)?;
        Ok(last.map(|last| (first, last)))
    }

    /// Returns whether all bytes that are indexed still stand in the file.
    ///
    /// # Errors
    /// Errors if it cannot be read.
    pub(crate) fn stands(
        &self,
        reader: &mut (dyn FileReader + '_),
        file: &FileInfo,
        stopped: &dyn Fn() -> bool,
    ) -> io::Result<bool> {
        let (mut hasher, mut at) = (hasher(), 0);
        while at < self.size && !stopped() {
            let left = usize::try_from(self.size - at).unwrap_or(usize::MAX);
            let read = reader.read(&file.name, at, left.min(CHUNK));
            let bytes = read.map_err(io::Error::other)?.unwrap_or_default();
            if bytes.is_empty() {
                return Ok(false);
            }
            hasher.write(&bytes);
            at += bytes.len() as u64;
        }
        Ok(at == self.size && hasher.finish() == self.hasher.finish())
    }

    /// Returns whether only the ends are compared at once.
    fn is_long(&self) -> bool {
        self.size > TEXT_MAX as u64
    }

    /// Returns when all bytes are compared, if they were not at once, where `before` was the time if the file had
    /// grown already.
    pub(crate) fn comparison(
        &self,
        before: Option<Comparison>,
        now: Instant,
    ) -> Option<Comparison> {
        self.is_long()
            .then(|| Comparison::after(before, self.size, now))
    }

    /// Reads what was appended. `None` if the file has to be read whole.
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
    ) -> io::Result<Option<Appended>> {
        let Some(open) = self.open.filter(|_| self.appended < APPENDED_MAX) else {
            return Ok(None);
        };
        let from = self.size - u64::from(open);
        if file.size.saturating_sub(from) > APPENDED_BYTES_MAX {
            return Ok(None);
        }
        let Some((first, mut last)) = self.ends(files, file)? else {
            return Ok(None);
        };
        if !self.is_long() && !self.stands(reader, file, stopped)? {
            return Ok(None);
        }
        last.truncate(last.len() - usize::from(open));
        let mut source = FileBytes::behind(files, reader, file, stopped, from, &first, &last);
        let mut text = Vec::new();
        io::Read::read_to_end(&mut source, &mut text)?;
        if text.contains(&0) {
            return Ok(None);
        }
        blocks.begin(text.len() as u64);
        blocks.add(&text);
        let found = blocks.finish(false);
        let (size, ..) = source.ends();
        last.extend_from_slice(&text);
        last.drain(..last.len().saturating_sub(KNOWN_BY));
        let mut hasher = self.hasher.clone();
        hasher.write(text.get(usize::from(open)..).unwrap_or_default());
        let now = Indexed::at(size, hasher, self.first, &last, self.appended + 1);
        Ok(Some(Appended {
            text,
            blocks: found,
            now,
        }))
    }

    /// Returns the text behind what is indexed, for a query; `None` if it is longer than
    /// `most`, or the file is another one.
    ///
    /// # Errors
    /// Errors if it cannot be read.
    pub(crate) fn rest(
        &self,
        files: &dyn Files,
        file: &FileInfo,
        most: u64,
    ) -> io::Result<Option<String>> {
        let Some(open) = self.open else {
            return Ok(None);
        };
        let from = self.size - u64::from(open);
        let length = file.size.saturating_sub(from);
        if length > most || self.ends(files, file)?.is_none() {
            return Ok(None);
        }
        let most = usize::try_from(length).unwrap_or(usize::MAX);
        let read = files.read(&file.name, from, most);
        let bytes = read.map_err(io::Error::other)?;
        Ok(bytes.map(source::into_text))
    }

    /// Returns the number of bytes that are indexed.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Returns how many bytes more are indexed than those of `before`.
    pub(crate) fn more_than(&self, before: &Indexed) -> u64 {
        self.size.saturating_sub(before.size)
    }
}

/// Notes the record of the file `name`; of at most [`GROWING_MAX`] files.
pub(crate) fn note(files: &mut IndexedFiles, name: String, indexed: Option<Indexed>) {
    match indexed {
        Some(indexed) if files.len() < GROWING_MAX || files.contains_key(&name) => {
            files.insert(name, Arc::new(indexed));
        }
        _ => {
            files.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_the_same_however_bytes_come() {
        let bytes: Vec<u8> = (0..1_000_u32).flat_map(u32::to_le_bytes).collect();
        let hash = |size| {
            let mut hasher = hasher();
            bytes.chunks(size).for_each(|piece| hasher.write(piece));
            hasher.finish()
        };
        assert!((1..100).all(|size| hash(size) == hash(bytes.len())));
    }

    #[test]
    fn a_file_that_never_rests_is_compared_all_the_same() {
        let begun = Instant::now();
        let first = Comparison::after(None, 0, begun);
        assert_eq!(first.due(), begun + GROWN_QUIET);
        let mut last = first;
        for times in 1..100 {
            last = Comparison::after(Some(last), 0, begun + GROWN_QUIET / 2 * times);
        }
        assert_eq!(last.due(), begun + GROWN_QUIET * GROWN_RESTLESS);
    }

    #[test]
    fn a_longer_file_has_to_be_quiet_for_longer() {
        let begun = Instant::now();
        let quiet = |size| {
            let indexed = Indexed::at(size, hasher(), Trace::of(b""), b"\n", 0);
            let comparison = indexed.comparison(None, begun);
            comparison.map(|comparison| comparison.due() - begun)
        };
        assert_eq!(quiet(TEXT_MAX as u64), None);
        assert_eq!(quiet(TEXT_MAX as u64 + 1), Some(GROWN_QUIET));
        assert_eq!(quiet(u64::MAX), Some(GROWN_QUIET_MAX));
    }
}
