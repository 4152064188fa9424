//! The thread that keeps the index what the files are.
//!
//! It looks at all files (when it begins, when somebody says that anything may
//! have changed, and from time to time), reads those whose version is not the
//! one in the index, and commits every few seconds. Before a commit a file waits
//! and queries read it themselves.
//!
//! # Invariants
//! - A version is taken before the file is read: what is in the index is never
//!   older than the version that stands beside it.
//! - A file without a settled version is not indexed; it waits.
//! - A file that cannot be read waits, too, and is tried again after growing pauses
//!   and whenever it is said to have changed.
//! - It ends soon after [`Shared::stop`].

mod look;
mod reading;

use std::{
    collections::{BTreeMap, BTreeSet},
    io, mem,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use plugin_api::{FileInfo, FileReader, IndexStatus};

use crate::{
    blocks::Blocks,
    growing::Comparison,
    limits::{
        CLOSE_AFTER, COMMIT_AFTER, COMMIT_AFTER_MOST, COMMIT_BYTES, REOPEN_AFTER, SETTLE,
        SETTLE_MOST, TEXT_MAX,
    },
    source,
    state::{Batch, Shared},
    store::{Store, StoreError},
};

/// Names that are taken at a time.
const TAKEN: usize = 128;

/// Files that waited after which the end of the wait is worth a report.
const TELL_AFTER: u64 = 1_000;

/// A function to call when no file waits any more, after many, or for the first time.
pub(crate) type CaughtUp = Box<dyn Fn(&IndexStatus) + Send>;

/// Keeps the index in `directory`, until it is stopped.
pub(crate) fn run(shared: &Shared, directory: &Path, caught_up: &CaughtUp) {
    // Answers come first. The threads that write and merge are started from here, and stand back too.
    plugin_host::stand_back();
    while !shared.is_stopped() {
        let error = match open(shared, directory, caught_up) {
            Ok(()) => return,
            Err(error) => error,
        };
        if shared.is_stopped() {
            // Work was cut off.
            return;
        }
        tracing::warn!(%error, "the contents are not indexed");
        shared.lose(&error);
        let anew = matches!(error, StoreError::Broke(_) | StoreError::Damaged(_));
        if anew && let Err(error) = Store::remove_all(directory) {
            tracing::warn!(%error, "the index of the contents cannot be removed");
        }
        let until = Instant::now() + if anew { SETTLE } else { REOPEN_AFTER };
        while !shared.is_stopped() && Instant::now() < until {
            shared.take_look();
            shared.wait(shared.changes(), until);
        }
    }
}

fn open(shared: &Shared, directory: &Path, caught_up: &CaughtUp) -> Result<(), StoreError> {
    let (store, wrong) = Store::open(directory, shared.ending())?;
    if let Some(wrong) = wrong {
        tracing::warn!(error = %wrong, "the index of the contents is built anew");
        shared.note(wrong.to_string());
    }
    shared.begin(&store)?;
    Indexing::new(shared, store, caught_up).run()
}

/// The work of the thread.
struct Indexing<'a> {
    shared: &'a Shared,
    store: Store,
    caught_up: &'a CaughtUp,
    reader: Box<dyn FileReader + 'a>,
    blocks: Blocks,
    /// The files that were added since the last commit.
    batch: Batch,
    batch_bytes: u64,
    batch_begun: Instant,
    commit_after: Duration,
    /// Files that are to be read later.
    postponed: BTreeMap<String, Postponed>,
    /// Long files that grew, and when their bytes are compared.
    grown: BTreeMap<String, Comparison>,
    /// Files whose bytes are to be compared now.
    to_compare: BTreeSet<String>,
    /// The name behind which to go on.
    cursor: Option<String>,
    next_look: Instant,
    /// True if there are more files than could be listed.
    are_more: bool,
    /// The last change before the start.
    pass: u64,
    /// The number of files since the last report that none waits.
    since_told: u64,
    was_told: bool,
}

#[derive(Clone, Copy)]
struct Postponed {
    until: Instant,
    pause: Duration,
    /// The change after which it could not be read.
    failed_after: Option<u64>,
}

impl<'a> Indexing<'a> {
    fn new(shared: &'a Shared, store: Store, caught_up: &'a CaughtUp) -> Indexing<'a> {
        Indexing {
            shared,
            store,
            caught_up,
            reader: shared.files.reader(),
            blocks: Blocks::new(),
            batch: Batch::default(),
            batch_bytes: 0,
            batch_begun: Instant::now(),
            commit_after: COMMIT_AFTER,
            postponed: BTreeMap::new(),
            grown: BTreeMap::new(),
            to_compare: BTreeSet::new(),
            cursor: None,
            next_look: Instant::now(),
            are_more: false,
            pass: 0,
            since_told: 0,
            was_told: false,
        }
    }

    fn run(mut self) -> Result<(), StoreError> {
        while !self.shared.is_stopped() {
            if self.shared.is_distrusted() {
                return Err(StoreError::Broke("it was asked"));
            }
            if self.shared.take_look() || Instant::now() >= self.next_look {
                self.look()?;
            }
            if self.cursor.is_none() {
                self.pass = self.shared.changes();
            }
            let some = self.shared.waiting(self.cursor.as_deref(), TAKEN);
            if some.is_empty() {
                self.cursor = None;
                self.rest()?;
                continue;
            }
            self.cursor = some.last().map(|(name, _)| name.clone());
            for (name, change) in some {
                if self.shared.is_stopped() {
                    return Ok(());
                }
                self.file(name, change)?;
                if self.is_due() {
                    self.commit()?;
                    self.commit_after = (self.commit_after * 2).min(COMMIT_AFTER_MOST);
                }
            }
        }
        Ok(())
    }

    /// Commits and waits for news, when everything that waits was taken once.
    fn rest(&mut self) -> Result<(), StoreError> {
        if !self.batch.done.is_empty() || !self.batch.files.is_empty() {
            return self.commit();
        }
        self.postponed
            .retain(|name, _| self.shared.is_waiting(name));
        if self.postponed.is_empty() && self.are_more {
            // More were found than can wait at a time.
            return self.look();
        }
        self.commit_after = COMMIT_AFTER;
        self.tell();
        self.wake_grown();
        let settled = self.postponed.values().map(|postponed| postponed.until);
        let settled = settled.chain(self.grown.values().map(|grown| grown.due()));
        let mut until = settled.min().unwrap_or(self.next_look).min(self.next_look);
        if self.store.is_writing() {
            let close = self.batch_begun + CLOSE_AFTER;
            if Instant::now() >= close {
                self.blocks = Blocks::new();
                if self.store.begin_merges()? {
                    self.batch_begun = Instant::now();
                    return Ok(());
                }
                return self.store.close_writer();
            }
            until = until.min(close);
        }
        // The file that was read last and its directories are not held meanwhile: somebody may want their room.
        self.reader = self.shared.files.reader();
        self.shared.wait(self.pass, until);
        Ok(())
    }

    /// Reads a file that waits, if it is to be read now.
    fn file(&mut self, name: String, change: u64) -> Result<(), StoreError> {
        let is_early = |postponed: &Postponed| {
            let is_new = postponed.failed_after.is_some_and(|after| after != change);
            postponed.until > Instant::now() && !is_new
        };
        if self.postponed.get(&name).is_some_and(is_early) {
            return Ok(());
        }
        let key = self.store.keys().of(&name);
        let known = self.shared.known(key);
        match self.shared.files.file(&name) {
            Ok(None) if known.is_some() => {
                self.store.remove(key)?;
                self.batch.files.push((key, None));
                self.batch.indexed.push((name.clone(), None));
            }
            Ok(Some(file)) if file.version == 0 => {
                self.postpone(name, None);
                return Ok(());
            }
            Ok(Some(file)) if known != Some(file.version) || self.to_compare.contains(&name) => {
                if !self.is_there(&file, known)? {
                    if !self.index(&file, change, known.is_some())? {
                        return Ok(());
                    }
                    self.shared.count_read();
                    self.grown.remove(&name);
                }
                self.batch.files.push((key, Some(file.version)));
            }
            Ok(_) => {}
            Err(error) => {
                self.shared.unreadable(&name, error.to_string());
                self.postpone(name, Some(change));
                return Ok(());
            }
        }
        self.since_told += 1;
        self.postponed.remove(&name);
        self.batch.done.push((name, change));
        Ok(())
    }

    /// Returns whether the index has all of a file whose version `known` was indexed, after the bytes that were
    /// appended to it were added.
    fn is_there(&mut self, file: &FileInfo, known: Option<u64>) -> Result<bool, StoreError> {
        if self.to_compare.remove(&file.name) && !self.stands(file) {
            return Ok(false);
        }
        Ok(known == Some(file.version) || known.is_some() && self.append(file)?)
    }

    /// Adds the bytes that were appended to a file. Returns whether that is all there is to do.
    fn append(&mut self, file: &FileInfo) -> Result<bool, StoreError> {
        let mut pending = self.batch.indexed.iter().rev();
        let pending = pending.find(|(name, _)| *name == file.name);
        let indexed = match pending {
            Some((_, indexed)) => indexed.clone().map(Arc::new),
            None => self.shared.indexed(&file.name),
        };
        let Some(indexed) = indexed else {
            return Ok(false);
        };
        let stopped = || self.shared.is_stopped();
        let files = self.shared.files.as_ref();
        let appended = indexed.appended(
            files,
            self.reader.as_mut(),
            file,
            &stopped,
            &mut self.blocks,
        );
        let Ok(Some(appended)) = appended else {
            return Ok(false);
        };
        let before = self.grown.remove(&file.name);
        let comparison = appended.now.comparison(before, Instant::now());
        self.grown
            .extend(comparison.map(|comparison| (file.name.clone(), comparison)));
        self.add_appended(file, &indexed, appended)?;
        Ok(true)
    }

    /// Returns true if the bytes of a file that grew are those that are indexed.
    fn stands(&mut self, file: &FileInfo) -> bool {
        let stopped = || self.shared.is_stopped();
        let indexed = self.shared.indexed(&file.name);
        indexed.is_some_and(|indexed| {
            let stands = indexed.stands(self.reader.as_mut(), file, &stopped);
            stands.unwrap_or(false)
        })
    }

    /// Has the bytes of files that grew compared when it is time.
    fn wake_grown(&mut self) {
        let is_due = |(_, grown): &(&String, &Comparison)| grown.due() <= Instant::now();
        let due = self.grown.iter().filter(is_due);
        let due: Vec<String> = due.map(|(name, _)| name.clone()).collect();
        for name in due {
            self.grown.remove(&name);
            self.to_compare.insert(name.clone());
            self.shared.read_again(name);
        }
    }

    /// Reads a file into the index. Returns whether it is there; if not, it is read again later.
    fn index(&mut self, file: &FileInfo, change: u64, is_known: bool) -> Result<bool, StoreError> {
        if file.size > COMMIT_BYTES {
            self.commit()?;
        }
        let key = self.store.keys().of(&file.name);
        if is_known {
            self.store.remove(key)?;
        }
        let error = match self.read(file)? {
            Ok(bytes) => {
                self.batch_bytes += bytes;
                return Ok(true);
            }
            Err(error) => error,
        };
        if self.shared.is_stopped() {
            return Ok(false);
        }
        if is_known || file.size > TEXT_MAX as u64 {
            // A part of it may be there.
            self.store.remove(key)?;
            self.batch.files.push((key, None));
            self.batch.indexed.push((file.name.clone(), None));
        }
        if error.kind() == io::ErrorKind::NotFound || source::is_changed(&error) {
            self.postpone(file.name.clone(), None);
            return Ok(false);
        }
        self.shared.unreadable(&file.name, error.to_string());
        self.postpone(file.name.clone(), Some(change));
        Ok(false)
    }

    /// Has a file read later, and sooner if it could not be read after the change
    /// `failed_after` and changes again.
    fn postpone(&mut self, name: String, failed_after: Option<u64>) {
        let before = self.postponed.get(&name);
        let before = before.filter(|before| before.failed_after == failed_after);
        let pause = before.map_or(SETTLE, |before| (before.pause * 2).min(SETTLE_MOST));
        let postponed = Postponed {
            until: Instant::now() + pause,
            pause,
            failed_after,
        };
        self.postponed.insert(name, postponed);
    }

    fn is_due(&self) -> bool {
        let any = !self.batch.done.is_empty();
        any && (self.batch_bytes >= COMMIT_BYTES || self.batch_begun.elapsed() >= self.commit_after)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        if !self.batch.files.is_empty() {
            self.store.commit()?;
        }
        let batch = mem::take(&mut self.batch);
        self.shared.committed(&self.store, batch);
        self.batch_bytes = 0;
        self.batch_begun = Instant::now();
        Ok(())
    }

    /// Reports that no file waits, if that is worth it.
    fn tell(&mut self) {
        let status = self.shared.status();
        let is_new = !self.was_told || self.since_told >= TELL_AFTER;
        if self.shared.is_caught_up() && is_new {
            self.was_told = true;
            self.since_told = 0;
            (self.caught_up)(&status);
        }
    }
}
