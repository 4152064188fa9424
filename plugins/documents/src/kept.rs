//! Texts of documents by the digest of the document, in the state directory.
//!
//! A file has the text, then a table as JSON (the parts, or the reason for which there is no text), then a seal: the
//! lengths of both and the digest of all before it. The file is written whole under another name and gets its own name
//! in one step.
//!
//! # Invariants
//! - A text is checked against its seal before it is used; one that is not whole is removed.
//! - Nothing here is needed: what is removed is read again from the document.
//! - The texts take at most [`KEPT_MAX`] bytes together; the oldest go first.
#![allow(
    clippy::disallowed_methods,
    reason = "the texts are files of the node's own state directory"
)]

use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Read, Write},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use blake3::{Hash, Hasher};
use plugin_api::Place;
use plugin_host::lock;
use serde::{Deserialize, Serialize};

use crate::{
    limits::{CHECKED_MAX, KEPT_MAX, PARTS_MAX},
    protocol::Nature,
    reason::Reason,
};

/// A number that changes whenever readers give another text of the same document.
pub(crate) const FORMAT: u64 = 2;

/// Bytes of the seal: the length of the text, that of the table, the format, and the digest.
const SEAL: usize = 8 + 8 + 8 + 32;

/// Longest table, in bytes.
const TABLE_MAX: u64 = 16 << 20;

/// Bytes that are checked at a time.
const CHUNK: usize = 256 * 1024;

/// Begin of the names of files that are being written.
const NEW: &str = "new-";

/// The digest of a document.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Digest(Hash);

impl Digest {
    /// Returns the digest of what is in `file`, if no more than `most` bytes are.
    pub(crate) fn of(
        file: &File,
        most: u64,
        stopped: &dyn Fn() -> bool,
    ) -> io::Result<Option<Digest>> {
        let (mut hasher, mut chunk, mut at) = (Hasher::new(), vec![0; CHUNK], 0);
        loop {
            if stopped() {
                return Err(io::Error::other("the node stops"));
            }
            match file.read_at(&mut chunk, at) {
                Ok(0) => return Ok(Some(Digest(hasher.finalize()))),
                Ok(read) => {
                    hasher.update(&chunk[..read]);
                    at += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if at > most {
                return Ok(None);
            }
        }
    }

    /// Returns the digest of no document.
    pub(crate) fn none() -> Digest {
        Digest(Hash::from_bytes([0; 32]))
    }

    pub(crate) fn from_hex(hex: &str) -> Option<Digest> {
        Hash::from_hex(hex).ok().map(Digest)
    }

    pub(crate) fn to_hex(self) -> String {
        self.0.to_hex().to_string()
    }

    /// Returns a number that is another one for other bytes.
    pub(crate) fn number(self) -> u64 {
        let (first, _) = self
            .0
            .as_bytes()
            .split_first_chunk()
            .expect("a digest has 32 bytes");
        u64::from_le_bytes(*first)
    }
}

/// What is known of a document.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Table {
    /// The reason for which there is no text.
    pub(crate) reason: Option<Reason>,
    /// True if the file is text as it stands, too.
    pub(crate) is_text: bool,
    /// True if it should have text and has none.
    pub(crate) lacks_text: bool,
    /// Lines of the text.
    pub(crate) lines: u64,
    /// The parts, and how many lines stand before each.
    parts: Vec<(u64, SavedPlace)>,
}

/// A part as it is saved.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
enum SavedPlace {
    Page(u64),
    Sheet(String),
    Chapter(String),
    Part(String),
}

impl From<Place> for SavedPlace {
    fn from(place: Place) -> SavedPlace {
        match place {
            Place::Page(page) => SavedPlace::Page(page),
            Place::Sheet(name) => SavedPlace::Sheet(name),
            Place::Chapter(name) => SavedPlace::Chapter(name),
            Place::Part(name) => SavedPlace::Part(name),
        }
    }
}

impl From<SavedPlace> for Place {
    fn from(place: SavedPlace) -> Place {
        match place {
            SavedPlace::Page(page) => Place::Page(page),
            SavedPlace::Sheet(name) => Place::Sheet(name),
            SavedPlace::Chapter(name) => Place::Chapter(name),
            SavedPlace::Part(name) => Place::Part(name),
        }
    }
}

impl Table {
    /// Returns the part that has this line of the text, from 1, and the number of the line in it.
    pub(crate) fn place(&self, line: u64) -> Option<(Place, u64)> {
        let behind = self.parts.partition_point(|(before, _)| *before < line);
        let (before, place) = self.parts.get(behind.checked_sub(1)?)?;
        Some((place.clone().into(), line - before))
    }
}

/// A text, open to read.
#[derive(Debug)]
pub(crate) struct KeptText {
    file: File,
    length: u64,
}

impl KeptText {
    /// Returns at most `most` bytes from the byte `from` on.
    pub(crate) fn read(&self, from: u64, most: usize) -> io::Result<Vec<u8>> {
        let left = usize::try_from(self.length.saturating_sub(from)).unwrap_or(usize::MAX);
        let mut part = vec![0; most.min(left)];
        self.file.read_exact_at(&mut part, from)?;
        Ok(part)
    }
}

/// The texts.
#[derive(Debug)]
pub(crate) struct Kept {
    directory: PathBuf,
    bytes: AtomicU64,
    numbers: AtomicU64,
    /// Texts that were checked.
    checked: Mutex<HashSet<Digest>>,
}

impl Kept {
    /// Opens the texts in `directory`. What was being written when the node ended is removed.
    pub(crate) fn open(directory: PathBuf) -> io::Result<Kept> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)?;
        let mut bytes = 0;
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(NEW) {
                fs::remove_file(entry.path())?;
            } else {
                bytes += entry.metadata()?.len();
            }
        }
        Ok(Kept {
            directory,
            bytes: AtomicU64::new(bytes),
            numbers: AtomicU64::new(0),
            checked: Mutex::default(),
        })
    }

    /// Returns the number of bytes that the texts take.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Begins to write a text.
    pub(crate) fn begin(&self) -> io::Result<Writing> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let path = self.directory.join(format!("{NEW}{number}"));
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)?;
        Ok(Writing {
            path: Some(path),
            file: BufWriter::new(file),
            hasher: Hasher::new(),
            length: 0,
            ended: 0,
            at_line: true,
            table: Table::default(),
        })
    }

    /// Keeps what was written as the text of the document with this digest. Returns its table and length.
    pub(crate) fn keep(
        &self,
        digest: Digest,
        mut writing: Writing,
        read: Result<Nature, Reason>,
    ) -> io::Result<(Table, u64)> {
        match read {
            Ok(nature) => {
                writing.table.is_text = nature.is_text;
                writing.table.lacks_text = nature.lacks_text;
            }
            Err(reason) => {
                // Of a document that cannot be read, nothing is shown.
                writing.empty()?;
                writing.table.reason = Some(reason);
            }
        }
        let length = writing.length;
        let (table, new) = writing.seal()?;
        let path = self.path(digest);
        let before = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        let after = fs::metadata(&new)?.len();
        fs::rename(&new, path)?;
        self.bytes.fetch_add(after, Ordering::Relaxed);
        self.bytes
            .fetch_sub(before.min(self.bytes()), Ordering::Relaxed);
        if self.bytes() > KEPT_MAX {
            self.shrink()?;
        }
        Ok((table, length))
    }

    /// Returns the table of a document and the length of its text, if they are kept.
    pub(crate) fn table(&self, digest: Digest) -> io::Result<Option<(Table, u64)>> {
        let Some(sealed) = self.sealed(digest)? else {
            return Ok(None);
        };
        let mut table = vec![0; sealed.table];
        sealed.file.read_exact_at(&mut table, sealed.text)?;
        let table = serde_json::from_slice(&table).map_err(io::Error::other)?;
        Ok(Some((table, sealed.text)))
    }

    /// Opens the text of a document, if it is kept.
    pub(crate) fn text(&self, digest: Digest) -> io::Result<Option<KeptText>> {
        let sealed = self.sealed(digest)?;
        Ok(sealed.map(|sealed| KeptText {
            file: sealed.file,
            length: sealed.text,
        }))
    }

    /// Removes the text of a document.
    pub(crate) fn remove(&self, digest: Digest) -> io::Result<()> {
        let path = self.path(digest);
        let length = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        fs::remove_file(path)?;
        lock(&self.checked).remove(&digest);
        self.bytes
            .fetch_sub(length.min(self.bytes()), Ordering::Relaxed);
        Ok(())
    }

    fn sealed(&self, digest: Digest) -> io::Result<Option<Sealed>> {
        let path = self.path(digest);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let is_known = lock(&self.checked).contains(&digest);
        match Sealed::open(file, !is_known)? {
            Some(sealed) => {
                let mut checked = lock(&self.checked);
                if checked.len() >= CHECKED_MAX {
                    checked.clear();
                }
                checked.insert(digest);
                Ok(Some(sealed))
            }
            None => {
                tracing::warn!(path = %path.display(), "the text of a document was damaged; it is read again");
                lock(&self.checked).remove(&digest);
                fs::remove_file(path)?;
                Ok(None)
            }
        }
    }

    /// Removes the oldest texts until a tenth of the room is free.
    fn shrink(&self) -> io::Result<()> {
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if !entry.file_name().to_string_lossy().starts_with(NEW) {
                all.push((metadata.modified()?, metadata.len(), entry.path()));
            }
        }
        all.sort();
        let mut bytes: u64 = all.iter().map(|(_, length, _)| length).sum();
        for (_, length, path) in all {
            if bytes <= KEPT_MAX / 10 * 9 {
                break;
            }
            fs::remove_file(path)?;
            bytes -= length;
        }
        self.bytes.store(bytes, Ordering::Relaxed);
        Ok(())
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.directory.join(digest.to_hex())
    }
}

/// A file of a text that is whole.
struct Sealed {
    file: File,
    text: u64,
    table: usize,
}

impl Sealed {
    /// Returns the file if its seal fits, after a look at all of it if it `is_new`.
    fn open(mut file: File, is_new: bool) -> io::Result<Option<Sealed>> {
        let Some(sealed) = file.metadata()?.len().checked_sub(SEAL as u64) else {
            return Ok(None);
        };
        let mut seal = [0; SEAL];
        file.read_exact_at(&mut seal, sealed)?;
        let number = |at: usize| {
            let bytes = seal[at..].first_chunk().expect("a seal has three numbers");
            u64::from_le_bytes(*bytes)
        };
        let (text, table, format) = (number(0), number(8), number(16));
        let fits =
            format == FORMAT && table <= TABLE_MAX && text.checked_add(table) == Some(sealed);
        if !fits {
            return Ok(None);
        }
        if is_new {
            let mut hasher = Hasher::new();
            io::copy(&mut (&mut file).take(sealed), &mut hasher)?;
            hasher.update(&seal[..24]);
            if hasher.finalize().as_bytes() != &seal[24..] {
                return Ok(None);
            }
        }
        Ok(Some(Sealed {
            file,
            text,
            table: usize::try_from(table).map_err(io::Error::other)?,
        }))
    }
}

/// A text that is being written. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct Writing {
    path: Option<PathBuf>,
    file: BufWriter<File>,
    hasher: Hasher,
    length: u64,
    /// Lines that have ended.
    ended: u64,
    at_line: bool,
    table: Table,
}

impl Writing {
    /// Begins a part.
    pub(crate) fn part(&mut self, place: Place) {
        if self.table.parts.len() < PARTS_MAX {
            let before = self.lines();
            self.table.parts.push((before, place.into()));
        }
    }

    /// Adds text.
    pub(crate) fn text(&mut self, text: &str) -> io::Result<()> {
        self.put(text.as_bytes())?;
        self.length += text.len() as u64;
        self.ended += text.bytes().filter(|byte| *byte == b'\n').count() as u64;
        self.at_line = text.chars().next_back().map_or(self.at_line, |c| c == '\n');
        Ok(())
    }

    /// Returns the number of bytes of the text so far.
    #[cfg(test)]
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    fn lines(&self) -> u64 {
        self.ended + u64::from(!self.at_line)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.file.write_all(bytes)
    }

    /// Begins again, without text.
    fn empty(&mut self) -> io::Result<()> {
        let path = self.path.as_deref().unwrap_or(Path::new(""));
        let file = OpenOptions::new().write(true).truncate(true).open(path)?;
        // What waits to be written goes to the old place, of which nothing is left.
        self.file.flush()?;
        file.set_len(0)?;
        self.file = BufWriter::new(file);
        self.hasher = Hasher::new();
        self.table = Table::default();
        (self.length, self.ended, self.at_line) = (0, 0, true);
        Ok(())
    }

    /// Writes the table and the seal. Returns the table and the path of the file.
    fn seal(mut self) -> io::Result<(Table, PathBuf)> {
        self.table.lines = self.lines();
        let table = serde_json::to_vec(&self.table).map_err(io::Error::other)?;
        self.put(&table)?;
        for number in [self.length, table.len() as u64, FORMAT] {
            self.put(&number.to_le_bytes())?;
        }
        let digest = self.hasher.finalize();
        self.file.write_all(digest.as_bytes())?;
        self.file.flush()?;
        let path = self
            .path
            .take()
            .ok_or_else(|| io::Error::other("it was sealed before"))?;
        Ok((std::mem::take(&mut self.table), path))
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // What stays is removed at the next start.
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &str) -> Digest {
        Digest(blake3::hash(text.as_bytes()))
    }

    fn kept(directory: &Path) -> (Kept, Digest) {
        let kept = Kept::open(directory.to_owned()).unwrap();
        let mut writing = kept.begin().unwrap();
        writing.part(Place::Page(1));
        writing.text("one\ntwo\n").unwrap();
        writing.part(Place::Page(2));
        writing.text("three\n").unwrap();
        kept.keep(digest("a"), writing, Ok(Nature::default()))
            .unwrap();
        (kept, digest("a"))
    }

    #[test]
    fn a_line_is_found_in_its_part() {
        let home = tempfile::tempdir().unwrap();
        let (kept, digest) = kept(home.path());
        let (table, length) = kept.table(digest).unwrap().unwrap();
        assert_eq!((table.lines, length), (3, 14));
        assert_eq!(table.place(2), Some((Place::Page(1), 2)));
        assert_eq!(table.place(3), Some((Place::Page(2), 1)));
        assert_eq!(table.place(0), None);
        let text = kept.text(digest).unwrap().unwrap();
        assert_eq!(text.read(4, 3).unwrap(), b"two");
        assert_eq!(text.read(8, 100).unwrap(), b"three\n");
    }

    #[test]
    fn a_text_with_a_flipped_bit_or_a_cut_is_not_used() {
        let home = tempfile::tempdir().unwrap();
        let (kept, digest) = kept(home.path());
        let path = kept.path(digest);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            for wrong in [flipped, whole[..at].to_vec()] {
                fs::write(&path, wrong).unwrap();
                let again = Kept::open(home.path().to_owned()).unwrap();
                assert!(again.table(digest).unwrap().is_none(), "{at}");
                assert!(fs::metadata(&path).is_err(), "{at}");
            }
        }
        fs::write(&path, whole).unwrap();
        assert!(kept.table(digest).unwrap().is_some());
    }

    #[test]
    fn a_document_without_text_keeps_its_reason_and_no_text() {
        let home = tempfile::tempdir().unwrap();
        let kept = Kept::open(home.path().to_owned()).unwrap();
        let mut writing = kept.begin().unwrap();
        writing.text("half").unwrap();
        let kept_as = kept
            .keep(digest("b"), writing, Err(Reason::Encrypted))
            .unwrap();
        assert_eq!(kept.table(digest("b")).unwrap(), Some(kept_as));
        let (table, length) = kept.table(digest("b")).unwrap().unwrap();
        assert_eq!((table.reason, length), (Some(Reason::Encrypted), 0));
    }

    #[test]
    fn a_text_that_was_not_finished_is_removed() {
        let home = tempfile::tempdir().unwrap();
        let kept = Kept::open(home.path().to_owned()).unwrap();
        drop(kept.begin().unwrap());
        std::mem::forget(kept.begin().unwrap());
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
        Kept::open(home.path().to_owned()).unwrap();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }
}
