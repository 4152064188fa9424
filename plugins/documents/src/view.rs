//! The files of a share as the index and its handlers see them: a document is its text.
//!
//! # Invariants
//! - The version of a document says also what is known of it: when its text is ready, or another one, the index reads
//!   it again.
//! - A document whose text is not known yet cannot be read, unless it is text as it stands and a query reads it; no
//!   answer passes over it in silence.
//! - A document that cannot be read is shown as it stands, like every other file.

use std::{fs::File, sync::Arc};

use plugin_api::{FileInfo, FileReader, Files, Flow, Gap, HandlerError};

use crate::{
    kept::{Digest, KeptText},
    kind,
    listed::{Entry, ReadDocument, State, plain_version},
    shared::Shared,
};

/// Files, with documents as texts.
pub(crate) struct TextFiles {
    files: Arc<dyn Files>,
    shared: Arc<Shared>,
    /// True for the index: it may not take a file as it stands for one whose text is known, or it would not read it again
    /// after a restart.
    is_index: bool,
}

impl TextFiles {
    /// Returns files for the index.
    pub(crate) fn for_index(files: Arc<dyn Files>, shared: &Arc<Shared>) -> TextFiles {
        TextFiles {
            files,
            shared: Arc::clone(shared),
            is_index: true,
        }
    }

    /// Returns files for a query.
    pub(crate) fn for_query(files: Arc<dyn Files>, shared: &Arc<Shared>) -> TextFiles {
        TextFiles {
            is_index: false,
            ..TextFiles::for_index(files, shared)
        }
    }

    fn shown(&self, file: FileInfo) -> FileInfo {
        let (version, size) = match self.shared.listed.of(&file) {
            Some(entry) => entry.shown(&file),
            None => (plain_version(file.version), file.size),
        };
        FileInfo {
            version,
            size,
            ..file
        }
    }

    /// Calls `visit` with a file as it is shown. `scratch` is used again from call to call.
    fn visit_shown(
        &self,
        file: &FileInfo,
        scratch: &mut FileInfo,
        visit: &mut dyn FnMut(&FileInfo) -> Flow,
    ) -> Flow {
        scratch.name.clone_from(&file.name);
        let entry = self.shared.listed.of(file);
        (scratch.version, scratch.size) = match entry {
            Some(entry) => entry.shown(file),
            None => (plain_version(file.version), file.size),
        };
        scratch.modified = file.modified;
        visit(scratch)
    }

    fn scratch() -> FileInfo {
        FileInfo {
            name: String::new(),
            size: 0,
            modified: None,
            version: 0,
        }
    }
}

impl Files for TextFiles {
    fn visit(&self, visit: &mut dyn FnMut(&FileInfo) -> Flow) -> Result<(), HandlerError> {
        let mut scratch = TextFiles::scratch();
        let each = &mut |file: &FileInfo| self.visit_shown(file, &mut scratch, visit);
        self.files.visit(each)
    }

    fn are_known(&self) -> bool {
        self.files.are_known()
    }

    fn file(&self, name: &str) -> Result<Option<FileInfo>, HandlerError> {
        // One that waits is looked at when it is read; queries ask for thousands of these.
        let waits = self.shared.listed.last(name);
        let file = match waits.filter(Entry::waits) {
            Some(_) => self.files.known(name)?,
            None => self.files.file(name)?,
        };
        Ok(file.map(|file| self.shown(file)))
    }

    fn known(&self, name: &str) -> Result<Option<FileInfo>, HandlerError> {
        let file = current(self.files.as_ref(), &self.shared, name)?;
        Ok(file.map(|file| self.shown(file)))
    }

    fn visit_near_words(
        &self,
        word: &str,
        wrong: u8,
        visit: &mut dyn FnMut(&str) -> Flow,
    ) -> Result<bool, HandlerError> {
        self.files.visit_near_words(word, wrong, visit)
    }

    fn visit_folded_words(
        &self,
        text: &str,
        visit: &mut dyn FnMut(&str) -> Flow,
    ) -> Result<bool, HandlerError> {
        self.files.visit_folded_words(text, visit)
    }

    fn visit_with_words(
        &self,
        words: &[String],
        visit: &mut dyn FnMut(&FileInfo) -> Flow,
    ) -> Result<(), HandlerError> {
        let mut scratch = TextFiles::scratch();
        let each = &mut |file: &FileInfo| self.visit_shown(file, &mut scratch, visit);
        self.files.visit_with_words(words, each)
    }

    fn visit_some(
        &self,
        prefix: &str,
        any_of: &[String],
        visit: &mut dyn FnMut(&FileInfo) -> Flow,
    ) -> Result<(), HandlerError> {
        let mut scratch = TextFiles::scratch();
        let each = &mut |file: &FileInfo| self.visit_shown(file, &mut scratch, visit);
        self.files.visit_some(prefix, any_of, each)
    }

    fn identity(&self) -> Option<u64> {
        self.files.identity()
    }

    fn share(&self) -> Option<u64> {
        self.files.share()
    }

    fn gaps(&self) -> Vec<Gap> {
        self.files.gaps()
    }

    fn read(&self, name: &str, from: u64, most: usize) -> Result<Option<Vec<u8>>, HandlerError> {
        self.reader().read(name, from, most)
    }

    fn open(&self, name: &str) -> Result<Option<File>, HandlerError> {
        self.files.open(name)
    }

    fn reader(&self) -> Box<dyn FileReader + '_> {
        Box::new(TextReader {
            files: self.files.as_ref(),
            shared: &self.shared,
            reader: self.files.reader(),
            is_index: self.is_index,
            last: None,
        })
    }
}

/// Returns a file as it is known, or, of a document that is known in another version, as it is on the disk: a file that was
/// just written has no version for a moment.
fn current(
    files: &dyn Files,
    shared: &Shared,
    name: &str,
) -> Result<Option<FileInfo>, HandlerError> {
    let known = files.known(name)?;
    let is_listed = shared.listed.last(name).is_some();
    match known {
        Some(file) if !is_listed || shared.listed.of(&file).is_some() => Ok(Some(file)),
        None if !is_listed => Ok(None),
        _ => files.file(name),
    }
}

/// Reads files, with documents as texts.
struct TextReader<'f> {
    files: &'f dyn Files,
    shared: &'f Shared,
    reader: Box<dyn FileReader + 'f>,
    is_index: bool,
    /// The text that was read last.
    last: Option<(Digest, KeptText)>,
}

/// A file that is read.
enum Shown {
    /// As it stands.
    Plain,
    /// As a text.
    Text(FileInfo, ReadDocument),
}

impl TextReader<'_> {
    /// Returns how a file is shown that is listed, or was.
    ///
    /// # Errors
    /// Errors if its text is not known yet.
    fn shown(&self, name: &str) -> Result<Shown, HandlerError> {
        if self.shared.listed.last(name).is_none() {
            return Ok(Shown::Plain);
        }
        let Some(file) = current(self.files, self.shared, name)? else {
            return Ok(Shown::Plain);
        };
        match self.shared.listed.of(&file).map(|entry| entry.state) {
            Some(State::Waits { is_text }) if self.is_index || !is_text => Err(not_yet(name)),
            Some(State::Read(read)) => Ok(Shown::Text(file, read)),
            Some(State::Waits { .. } | State::Unreadable(..)) | None => Ok(Shown::Plain),
        }
    }

    /// Returns a part of a text, behind which the file may follow.
    fn text(
        &mut self,
        file: &FileInfo,
        read: &ReadDocument,
        from: u64,
        most: usize,
    ) -> Result<Option<Vec<u8>>, HandlerError> {
        let failed = |error: std::io::Error| HandlerError::Files(format!("{}: {error}", file.name));
        let mut part = if from < read.length {
            let (digest, text) = match self.last.take().filter(|(last, _)| *last == read.digest) {
                Some(last) => last,
                None => match self.shared.kept.text(read.digest).map_err(failed)? {
                    Some(text) => (read.digest, text),
                    None => {
                        self.shared.want(file, read.is_text);
                        return Err(not_yet(&file.name));
                    }
                },
            };
            let part = text.read(from, most).map_err(failed)?;
            self.last = Some((digest, text));
            part
        } else {
            Vec::new()
        };
        if read.is_text && part.len() < most {
            let behind = (from + part.len() as u64).saturating_sub(read.length);
            let rest = self.reader.read(&file.name, behind, most - part.len())?;
            let Some(rest) = rest else { return Ok(None) };
            part.extend_from_slice(&rest);
        }
        Ok(Some(part))
    }

    /// Has a file read as a document if it begins as one.
    fn look_at(&self, name: &str, begin: &[u8], is_enough: bool) -> Result<(), HandlerError> {
        let Some(kind) = kind::of(begin) else {
            return Ok(());
        };
        // How a text is encoded shows where it is long enough, or whole.
        if !(is_enough || kind.has_mark()) || !self.shared.is_ours(self.files) {
            return Ok(());
        }
        // A file that was just written has no version for a moment.
        let known = self.files.known(name)?.filter(|file| file.version != 0);
        let file = match known {
            Some(file) => file,
            None => match self.files.file(name)? {
                Some(file) => file,
                None => return Ok(()),
            },
        };
        if file.size > kind.size_max() {
            return Ok(());
        }
        if file.version == 0 && self.is_index {
            return Err(not_yet(name));
        }
        let is_known = self.shared.listed.of(&file).is_some();
        let is_withheld = self.is_index || !kind.is_text();
        if !is_known && self.shared.want(&file, kind.is_text()) && is_withheld {
            return Err(not_yet(name));
        }
        Ok(())
    }
}

impl FileReader for TextReader<'_> {
    fn read(
        &mut self,
        name: &str,
        from: u64,
        most: usize,
    ) -> Result<Option<Vec<u8>>, HandlerError> {
        if let Shown::Text(file, read) = self.shown(name)? {
            return self.text(&file, &read, from, most);
        }
        let part = self.reader.read(name, from, most)?;
        if from == 0
            && let Some(begin) = &part
        {
            let is_enough = begin.len() < most || begin.len() >= kind::BEGIN;
            self.look_at(name, begin, is_enough)?;
        }
        Ok(part)
    }

    fn read_version(
        &mut self,
        name: &str,
        version: u64,
        from: u64,
        most: usize,
    ) -> Result<Option<Vec<u8>>, HandlerError> {
        if self.shared.listed.last(name).is_none() {
            let Some(file) = current(self.files, self.shared, name)? else {
                return Ok(None);
            };
            if plain_version(file.version) != version {
                return Ok(None);
            }
            return self.reader.read_version(name, file.version, from, most);
        }
        let Some(file) = current(self.files, self.shared, name)? else {
            return Ok(None);
        };
        let entry = self.shared.listed.of(&file);
        let shown = entry.map_or(plain_version(file.version), |entry| entry.shown(&file).0);
        if shown != version {
            return Ok(None);
        }
        match entry.map(|entry| entry.state) {
            Some(State::Waits { is_text }) if self.is_index || !is_text => Err(not_yet(name)),
            Some(State::Read(read)) => {
                if !self.reader.has_version(name, file.version)? {
                    return Ok(None);
                }
                let part = self.text(&file, &read, from, most)?;
                let is_it = self.reader.has_version(name, file.version)?;
                Ok(part.filter(|_| is_it))
            }
            Some(State::Waits { .. } | State::Unreadable(..)) | None => {
                self.reader.read_version(name, file.version, from, most)
            }
        }
    }

    fn has_version(&mut self, name: &str, version: u64) -> Result<bool, HandlerError> {
        let Some(file) = current(self.files, self.shared, name)? else {
            return Ok(false);
        };
        let entry = self.shared.listed.of(&file);
        let shown = entry.map_or(plain_version(file.version), |entry| entry.shown(&file).0);
        Ok(shown == version && self.reader.has_version(name, file.version)?)
    }
}

fn not_yet(name: &str) -> HandlerError {
    HandlerError::Files(format!("{name}: its text is being read"))
}
