//! The documents of the share by their names, and the state of each.
//!
//! The list is saved beside the texts, so that after a start each document is known without a look into it. It may be
//! old or gone: a document that it does not have is looked at again.
#![allow(
    clippy::disallowed_methods,
    reason = "the list is a file of the node's own state directory"
)]

use std::{
    collections::{HashMap, HashSet},
    fs, io,
    path::Path,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use plugin_api::{DocumentsStatus, FileInfo};
use serde::{Deserialize, Serialize};

use crate::{
    kept::{Digest, FORMAT},
    reason::Reason,
};

/// A document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    /// The version of the file.
    pub(crate) version: u64,
    /// Its size.
    pub(crate) size: u64,
    pub(crate) state: State,
}

/// The state of a document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    /// It waits to be read, or is being read.
    Waits {
        /// True if the file is text as it stands, which queries search meanwhile.
        is_text: bool,
    },
    /// It was read.
    Read(ReadDocument),
    /// It cannot be read.
    Unreadable(Digest, Reason),
}

/// A document that was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ReadDocument {
    pub(crate) digest: Digest,
    /// Bytes of its text.
    pub(crate) length: u64,
    /// Lines of its text.
    pub(crate) lines: u64,
    /// True if the file follows behind the text, as it stands.
    pub(crate) is_text: bool,
    /// True if it should have text and has none.
    pub(crate) lacks_text: bool,
}

/// Keeps the versions of a share whose documents are read apart from those of the bare share: a switch between the two
/// has everything indexed again.
const WITH_DOCUMENTS: u64 = 0xd0c5_0000_0000_0000 ^ FORMAT;

/// Returns the version that a file without a text of its own has for the index.
pub(crate) fn plain_version(version: u64) -> u64 {
    match version {
        // It may change without another number.
        0 => 0,
        version => nonzero(version ^ WITH_DOCUMENTS),
    }
}

fn nonzero(version: u64) -> u64 {
    if version == 0 { 1 } else { version }
}

impl Entry {
    /// Returns true if it waits to be read.
    pub(crate) fn waits(&self) -> bool {
        matches!(self.state, State::Waits { .. })
    }

    /// Returns the digest of the document, if it is known.
    pub(crate) fn digest(&self) -> Option<Digest> {
        match self.state {
            State::Waits { .. } => None,
            State::Read(read) => Some(read.digest),
            State::Unreadable(digest, _) => Some(digest),
        }
    }

    /// Returns the file as the index sees it.
    pub(crate) fn shown(&self, file: &FileInfo) -> (u64, u64) {
        let mixed = |digest: Digest, is_read: bool| {
            let state = digest.number().rotate_left(u32::from(is_read));
            nonzero(plain_version(file.version) ^ state)
        };
        match self.state {
            State::Waits { .. } => (plain_version(file.version), file.size),
            State::Unreadable(digest, _) => (mixed(digest, false), file.size),
            State::Read(read) => {
                let behind = if read.is_text { file.size } else { 0 };
                (mixed(read.digest, true), read.length + behind)
            }
        }
    }
}

/// The documents.
#[derive(Debug, Default)]
pub(crate) struct Listed(RwLock<HashMap<String, Entry>>);

impl Listed {
    /// Returns the state of this version of a file, if it is a document.
    pub(crate) fn of(&self, file: &FileInfo) -> Option<Entry> {
        let entry = self.read().get(&file.name).copied();
        entry.filter(|entry| entry.version == file.version)
    }

    /// Returns what is known of the name, in whatever version.
    pub(crate) fn last(&self, name: &str) -> Option<Entry> {
        self.read().get(name).copied()
    }

    /// Notes the state of a document. Returns the one before.
    pub(crate) fn put(&self, name: &str, entry: Entry) -> Option<Entry> {
        self.write().insert(name.to_owned(), entry)
    }

    /// Forgets a document. Returns its last state.
    pub(crate) fn remove(&self, name: &str) -> Option<Entry> {
        self.write().remove(name)
    }

    /// Returns those of the digests that no document has.
    pub(crate) fn without(&self, mut digests: HashSet<Digest>) -> HashSet<Digest> {
        for entry in self.read().values() {
            if let Some(digest) = entry.digest() {
                digests.remove(&digest);
            }
        }
        digests
    }

    /// Returns all names.
    pub(crate) fn names(&self) -> Vec<String> {
        self.read().keys().cloned().collect()
    }

    pub(crate) fn status(&self) -> DocumentsStatus {
        let mut status = DocumentsStatus::default();
        for entry in self.read().values() {
            match entry.state {
                State::Waits { .. } => status.waiting += 1,
                State::Unreadable(..) => status.unreadable += 1,
                State::Read(read) => {
                    status.read += 1;
                    status.without_text += u64::from(read.lacks_text);
                }
            }
        }
        status
    }

    /// Returns the documents that cannot be read, behind a name, with the reasons.
    pub(crate) fn unreadable(&self, after: Option<&str>, most: usize) -> Vec<(String, String)> {
        let all = self.read();
        let behind = all
            .iter()
            .filter(|(name, _)| after.is_none_or(|after| name.as_str() > after));
        let mut unreadable: Vec<(String, String)> = behind
            .filter_map(|(name, entry)| match entry.state {
                State::Unreadable(_, reason) => Some((name.clone(), reason.to_string())),
                _ => None,
            })
            .collect();
        unreadable.sort_unstable();
        unreadable.truncate(most);
        unreadable
    }

    /// Reads the list that was saved. One that makes no sense is none.
    pub(crate) fn load(path: &Path) -> Listed {
        let saved = fs::read(path).ok();
        let saved = saved.and_then(|bytes| serde_json::from_slice::<Saved>(&bytes).ok());
        let saved = saved
            .filter(|saved| saved.format == FORMAT)
            .unwrap_or_default();
        let entries = saved.documents.into_iter().filter_map(|document| {
            let digest = Digest::from_hex(&document.digest)?;
            let state = match document.reason {
                Some(reason) => State::Unreadable(digest, reason),
                None => State::Read(ReadDocument {
                    digest,
                    length: document.length,
                    lines: document.lines,
                    is_text: document.is_text,
                    lacks_text: document.lacks_text,
                }),
            };
            let entry = Entry {
                version: document.version,
                size: document.size,
                state,
            };
            Some((document.name, entry))
        });
        Listed(RwLock::new(entries.collect()))
    }

    /// Saves the list.
    pub(crate) fn save(&self, path: &Path) -> io::Result<()> {
        let documents = self.read().iter().filter_map(saved).collect();
        let saved = Saved {
            format: FORMAT,
            documents,
        };
        let new = path.with_extension("new");
        fs::write(&new, serde_json::to_vec(&saved).map_err(io::Error::other)?)?;
        fs::rename(new, path)
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<String, Entry>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<String, Entry>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a document as it is saved; one that waits is not.
fn saved((name, entry): (&String, &Entry)) -> Option<SavedDocument> {
    let mut saved = SavedDocument {
        name: name.clone(),
        version: entry.version,
        size: entry.size,
        ..SavedDocument::default()
    };
    match entry.state {
        State::Waits { .. } => return None,
        State::Unreadable(digest, reason) => {
            saved.digest = digest.to_hex();
            saved.reason = Some(reason);
        }
        State::Read(read) => {
            saved.digest = read.digest.to_hex();
            saved.length = read.length;
            saved.lines = read.lines;
            saved.is_text = read.is_text;
            saved.lacks_text = read.lacks_text;
        }
    }
    Some(saved)
}

#[derive(Default, Deserialize, Serialize)]
struct Saved {
    format: u64,
    documents: Vec<SavedDocument>,
}

#[derive(Default, Deserialize, Serialize)]
struct SavedDocument {
    name: String,
    version: u64,
    size: u64,
    digest: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    #[serde(default)]
    length: u64,
    #[serde(default)]
    lines: u64,
    #[serde(default)]
    is_text: bool,
    #[serde(default)]
    lacks_text: bool,
}
