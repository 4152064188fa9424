//! The threads that have documents read, one worker at a time each.

use std::{
    io,
    time::{Duration, Instant},
};

use plugin_api::{FileInfo, HandlerError};

use crate::{
    jailer::WorkerError,
    kept::{Digest, Table},
    limits::{AGAIN_AFTER, DOCUMENT_MAX, PAUSE_MAX, PAUSE_MIN, SAVE_EVERY, TRY_AFTER},
    listed::{Entry, ReadDocument, State},
    reason::Reason,
    shared::{Shared, Work},
};

/// What became of a document.
enum Outcome {
    /// It is this now.
    Known(Entry),
    /// It is not there any more.
    Gone,
    /// It changes, or cannot be opened now.
    Again,
    /// Its reader was killed or late, which may pass.
    Later,
}

/// The error of the surroundings: it has nothing to do with the document.
#[derive(Debug, thiserror::Error)]
enum ReadingError {
    #[error(transparent)]
    Worker(#[from] WorkerError),
    #[error("texts of documents cannot be kept: {0}")]
    Kept(#[from] io::Error),
    #[error(transparent)]
    Files(#[from] HandlerError),
}

/// Reads documents until the node stops.
pub(crate) fn run(shared: &Shared) {
    let (mut pause, mut saved) = (None, Instant::now());
    loop {
        let name = match shared.work(SAVE_EVERY) {
            Work::Read(name) => name,
            Work::Save => {
                save(shared);
                saved = Instant::now();
                continue;
            }
            Work::Stop => break,
        };
        match read(shared, &name) {
            Ok(Outcome::Known(entry)) => shared.done(&name, Some(entry)),
            Ok(Outcome::Gone) => shared.done(&name, None),
            Ok(Outcome::Again) => shared.again(name, AGAIN_AFTER),
            Ok(Outcome::Later) => shared.again(name, TRY_AFTER),
            Err(error) => {
                if !shared.is_stopped() {
                    tracing::warn!(%error, "a document is read later");
                    shared.note(Some(error.to_string()));
                }
                let next = pause.map_or(PAUSE_MIN, |pause: Duration| (pause * 2).min(PAUSE_MAX));
                pause = Some(next);
                shared.again(name, next);
                continue;
            }
        }
        if pause.take().is_some() {
            shared.note(None);
        }
        if saved.elapsed() >= SAVE_EVERY && shared.take_new() {
            save(shared);
            saved = Instant::now();
        }
    }
}

/// Saves the list, without the documents that are gone, and removes their texts.
pub(crate) fn save(shared: &Shared) {
    for name in shared.listed.names() {
        if matches!(shared.files.known(&name), Ok(None)) && shared.files.are_known() {
            shared.forget(&name);
        }
    }
    shared.remove_dropped();
    if let Err(error) = shared.listed.save(&shared.list) {
        tracing::warn!(%error, "the list of documents cannot be saved; they are looked at again at the next start");
    }
}

/// Reads a document, unless its text is known.
fn read(shared: &Shared, name: &str) -> Result<Outcome, ReadingError> {
    let Some(file) = shared.files.file(name)? else {
        return Ok(Outcome::Gone);
    };
    if file.version == 0 {
        return Ok(Outcome::Again);
    }
    let stopped = || shared.is_stopped();
    let document = match shared.files.open(name) {
        Ok(Some(document)) => document,
        Ok(None) => return Ok(Outcome::Gone),
        Err(error) => {
            tracing::debug!(name, %error, "a document cannot be opened now");
            return Ok(Outcome::Again);
        }
    };
    let digest = match Digest::of(&document, DOCUMENT_MAX, &stopped) {
        Ok(Some(digest)) => digest,
        Ok(None) => return Ok(Outcome::Known(too_large(&file))),
        Err(error) => {
            tracing::debug!(name, %error, "a document cannot be read now");
            return Ok(Outcome::Again);
        }
    };
    let (table, length) = match shared.kept.table(digest)? {
        Some(known) => known,
        None => {
            let mut writing = shared.kept.begin()?;
            let read = shared.program.read(document, &mut writing, &stopped)?;
            // The worker may have seen other bytes than those of the digest.
            if !is_unchanged(shared, &file)? {
                return Ok(Outcome::Again);
            }
            match read {
                // Nothing is kept of it: copies, and the document when it changes, are tried anew.
                Err(reason) if reason.may_pass() && shared.may_try_again(name) => {
                    return Ok(Outcome::Later);
                }
                Err(reason) if reason.may_pass() => {
                    return Ok(Outcome::Known(unreadable(&file, digest, reason)));
                }
                read => shared.kept.keep(digest, writing, read)?,
            }
        }
    };
    if !is_unchanged(shared, &file)? {
        return Ok(Outcome::Again);
    }
    Ok(Outcome::Known(entry(&file, digest, &table, length)))
}

fn is_unchanged(shared: &Shared, file: &FileInfo) -> Result<bool, ReadingError> {
    let now = shared.files.file(&file.name)?;
    Ok(now.is_some_and(|now| now.version == file.version))
}

fn entry(file: &FileInfo, digest: Digest, table: &Table, length: u64) -> Entry {
    let state = match table.reason {
        Some(reason) => State::Unreadable(digest, reason),
        None => State::Read(ReadDocument {
            digest,
            length,
            lines: table.lines,
            is_text: table.is_text,
            lacks_text: table.lacks_text,
        }),
    };
    Entry {
        version: file.version,
        size: file.size,
        state,
    }
}

/// Returns the state of a document that is too large even to be told from others.
fn too_large(file: &FileInfo) -> Entry {
    unreadable(file, Digest::none(), Reason::Large)
}

fn unreadable(file: &FileInfo, digest: Digest, reason: Reason) -> Entry {
    Entry {
        version: file.version,
        size: file.size,
        state: State::Unreadable(digest, reason),
    }
}
