//! Reading a shared file from its start to its end, as text.
//!
//! Encodings are as ripgrep treats them: a byte order mark of UTF-16 means
//! UTF-16, that of UTF-8 is left out, anything else is taken as it is.

use std::{
    hash::{DefaultHasher, Hasher},
    io::{self, Read},
};

use encoding_rs_io::{DecodeReaderBytes, DecodeReaderBytesBuilder};
use plugin_api::{FileInfo, FileReader, Files, GapReason};

use crate::limits::{CHUNK, TEXT_MAX};

/// The part of a file that [`first_lines`] reads, in bytes.
pub(crate) const FIRST: usize = 64 * 1024;

/// Bytes that are decoded at a time.
const DECODED: usize = 64 * 1024;

/// The bytes of a shared file.
pub(crate) struct FileBytes<'a> {
    files: &'a dyn Files,
    reader: &'a mut (dyn FileReader + 'a),
    file: &'a FileInfo,
    stopped: &'a dyn Fn() -> bool,
    buffer: Vec<u8>,
    taken: usize,
    /// Most bytes that are read at a time.
    at_a_time: usize,
    /// The end of the buffer in the file.
    at: u64,
    at_end: bool,
    /// The first bytes, by which a file that grew is known again.
    first: Vec<u8>,
    /// The last bytes that were read.
    last: Vec<u8>,
    /// Takes all bytes that are read, if somebody wants to know them again.
    hasher: Option<DefaultHasher>,
    /// Most bytes that somebody wanted at a time.
    pub(crate) most_wanted: usize,
}

/// Bytes at the start, and before where it was read to, by which a file that grew is
/// known again.
pub(crate) const KNOWN_BY: usize = 4 * 1024;

impl<'a> FileBytes<'a> {
    /// Reads `file` until `stopped`, through a `reader` of `files`.
    pub(crate) fn new(
        files: &'a dyn Files,
        reader: &'a mut (dyn FileReader + 'a),
        file: &'a FileInfo,
        stopped: &'a dyn Fn() -> bool,
    ) -> FileBytes<'a> {
        FileBytes {
            files,
            reader,
            file,
            stopped,
            buffer: Vec::new(),
            taken: 0,
            at_a_time: CHUNK,
            at: 0,
            at_end: false,
            first: Vec::new(),
            last: Vec::new(),
            hasher: None,
            most_wanted: 0,
        }
    }

    /// Reads `file` from the byte `from` on, where the first bytes of the file and the
    /// last ones before are known.
    pub(crate) fn behind(
        files: &'a dyn Files,
        reader: &'a mut (dyn FileReader + 'a),
        file: &'a FileInfo,
        stopped: &'a dyn Fn() -> bool,
        from: u64,
        first: &[u8],
        last: &[u8],
    ) -> FileBytes<'a> {
        FileBytes {
            at: from,
            first: first.to_vec(),
            last: last.to_vec(),
            ..FileBytes::new(files, reader, file, stopped)
        }
    }

    /// Has `hasher` take all bytes that are read.
    pub(crate) fn hashed(mut self, hasher: DefaultHasher) -> FileBytes<'a> {
        self.hasher = Some(hasher);
        self
    }

    /// Returns the hasher that took all bytes, if there is one.
    pub(crate) fn hasher(&self) -> Option<DefaultHasher> {
        self.hasher.clone()
    }

    /// Returns where it was read to, the first bytes and the last ones.
    pub(crate) fn ends(&self) -> (u64, &[u8], &[u8]) {
        (self.at, &self.first, &self.last)
    }

    /// Returns true if the file is the one whose reading began: a mix of two
    /// is not valid. A file that only grew is.
    fn is_unchanged(&self) -> io::Result<bool> {
        let now = self.files.file(&self.file.name).map_err(io::Error::other)?;
        let what = |file: &FileInfo| (file.version, file.size, file.modified);
        let Some(now) = now else {
            return Ok(false);
        };
        Ok(what(&now) == what(self.file) || now.size > self.file.size && self.has_grown()?)
    }

    /// Returns true if the bytes that are known are still at their places.
    pub(crate) fn has_grown(&self) -> io::Result<bool> {
        let stands = |from: u64, bytes: &[u8]| {
            let now = self.files.read(&self.file.name, from, bytes.len());
            let now = now.map_err(io::Error::other)?;
            Ok::<_, io::Error>(now.is_some_and(|now| now == bytes))
        };
        Ok(stands(0, &self.first)? && stands(self.at - self.last.len() as u64, &self.last)?)
    }

    fn fill(&mut self) -> io::Result<()> {
        if (self.stopped)() {
            return Err(io::Error::other("stopped"));
        }
        // One more than there is, so that the end shows.
        let left = self.file.size.saturating_sub(self.at).saturating_add(1);
        let most = usize::try_from(left).map_or(self.at_a_time, |left| left.min(self.at_a_time));
        let read = self.reader.read(&self.file.name, self.at, most);
        let Some(mut chunk) = read.map_err(io::Error::other)? else {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        };
        if self.at > 0 && !self.is_unchanged()? {
            return Err(io::Error::other(Changed));
        }
        self.at_end = chunk.len() < most;
        // Of one that grows, what there was at the start is read.
        let left = usize::try_from(self.file.size.saturating_sub(self.at)).unwrap_or(usize::MAX);
        if chunk.len() > left {
            chunk.truncate(left);
            self.at_end = true;
        }
        if self.at == 0 {
            self.first = chunk[..chunk.len().min(KNOWN_BY)].to_vec();
        }
        self.last = chunk[chunk.len().saturating_sub(KNOWN_BY)..].to_vec();
        self.at += chunk.len() as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.write(&chunk);
        }
        self.buffer = chunk;
        self.taken = 0;
        Ok(())
    }

    /// Returns the bytes from the begin of the buffer on, at most `most`.
    fn up_to(&mut self, most: usize) -> io::Result<Vec<u8>> {
        let mut bytes = std::mem::take(&mut self.buffer);
        while bytes.len() < most && !self.at_end {
            self.fill()?;
            bytes.append(&mut self.buffer);
        }
        bytes.truncate(most);
        Ok(bytes)
    }
}

/// The file changed while it was read.
#[derive(Debug, thiserror::Error)]
#[error("it changed while it was read")]
struct Changed;

/// Returns true if a file could not be read because it changed meanwhile.
pub(crate) fn is_changed(error: &io::Error) -> bool {
    let inner = error.get_ref();
    inner.is_some_and(|inner| inner.downcast_ref::<Changed>().is_some())
}

/// Returns why a file is not covered that could not be read to its end.
pub(crate) fn gap(error: &io::Error) -> GapReason {
    if is_changed(error) {
        GapReason::Changing
    } else {
        GapReason::Unreadable
    }
}

impl Read for FileBytes<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // As much as there is, as from a file: where ripgrep gives a binary file up
        // depends on what it reads at a time.
        let mut read = 0;
        self.most_wanted = self.most_wanted.max(into.len());
        while read < into.len() {
            if self.taken == self.buffer.len() {
                if self.at_end {
                    break;
                }
                self.fill()?;
            }
            let rest = &self.buffer[self.taken..];
            let length = rest.len().min(into.len() - read);
            into[read..read + length].copy_from_slice(&rest[..length]);
            self.taken += length;
            read += length;
        }
        Ok(read)
    }
}

/// Returns true if a text begins with a byte order mark, so that it has to be decoded.
pub(crate) fn has_mark(bytes: &[u8]) -> bool {
    let marks: [&[u8]; 3] = [&[0xFF, 0xFE], &[0xFE, 0xFF], &[0xEF, 0xBB, 0xBF]];
    marks.iter().any(|mark| bytes.starts_with(mark))
}

/// Returns the text of `source`.
pub(crate) fn decoded<R: Read>(source: R) -> DecodeReaderBytes<R, Vec<u8>> {
    let mut builder = DecodeReaderBytesBuilder::new();
    builder
        .encoding(None)
        .utf8_passthru(true)
        .strip_bom(true)
        .bom_override(true)
        .bom_sniffing(true);
    builder
        .build_with_buffer(source, vec![0; DECODED])
        .expect("the buffer is longer than a letter")
}

/// Calls `each` with the text, piece by piece, NULs included, as long as it wants more.
pub(crate) fn read_text(
    source: &mut FileBytes<'_>,
    each: &mut dyn FnMut(&[u8]) -> bool,
) -> io::Result<()> {
    let mut text = decoded(source);
    let mut piece = vec![0; DECODED];
    loop {
        let length = match text.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if !each(&piece[..length]) {
            return Ok(());
        }
    }
}

/// Lines before a NUL that make a file a text.
const TEXT_LINES: usize = 2;

/// Returns true if the bytes before a NUL are text: lines of UTF-8. Logs have NULs where the
/// power failed; binary files have no lines.
pub(crate) fn is_text_before(bytes: &[u8]) -> bool {
    let is_text = match std::str::from_utf8(bytes) {
        Ok(_) => true,
        // The last letter may be cut.
        Err(error) => error.error_len().is_none(),
    };
    is_text && bytes.iter().filter(|byte| **byte == b'\n').count() >= TEXT_LINES
}

/// Returns true if a file whose first NUL is at this byte is text before it.
pub(crate) fn is_text_up_to(files: &dyn Files, name: &str, nul: u64) -> bool {
    let most = usize::try_from(nul).unwrap_or(CHUNK).min(CHUNK);
    let read = files.read(name, 0, most);
    read.is_ok_and(|bytes| bytes.is_some_and(|bytes| is_text_before(&bytes)))
}

/// Returns the text of a file as `text:` sees it: its first [`TEXT_MAX`] bytes; `None`
/// if it is not text.
pub(crate) fn first_text(
    files: &dyn Files,
    reader: &mut (dyn FileReader + '_),
    file: &FileInfo,
    stopped: &dyn Fn() -> bool,
) -> io::Result<Option<String>> {
    text_up_to(TEXT_MAX, FileBytes::new(files, reader, file, stopped))
}

/// Returns the whole lines among the first [`FIRST`] bytes of a file, for callers that seldom
/// need more; `None` if it is not text or has no line that is short enough.
pub(crate) fn first_lines(
    files: &dyn Files,
    reader: &mut (dyn FileReader + '_),
    file: &FileInfo,
    stopped: &dyn Fn() -> bool,
) -> io::Result<Option<String>> {
    let source = FileBytes {
        at_a_time: FIRST,
        ..FileBytes::new(files, reader, file, stopped)
    };
    let text = text_up_to(FIRST, source)?;
    Ok(text.and_then(|mut text| {
        text.truncate(text.rfind('\n')? + 1);
        Some(text)
    }))
}

fn text_up_to(most: usize, mut source: FileBytes<'_>) -> io::Result<Option<String>> {
    source.fill()?;
    let bytes = if has_mark(&source.buffer) {
        let mut bytes = Vec::new();
        decoded(source).take(most as u64).read_to_end(&mut bytes)?;
        bytes
    } else {
        source.up_to(most)?
    };
    let nul = memchr::memchr(0, &bytes);
    let is_text = nul.is_none_or(|nul| is_text_before(&bytes[..nul]));
    Ok(is_text.then(|| into_text(bytes)))
}

/// Returns bytes as text; bytes that are not UTF-8 become U+FFFD.
pub(crate) fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
