//! The digests of the shared files.
//!
//! # Participants
//! [`Digests`] computes them: in the background for every file, at once for a
//! file that is asked for. [`store::Store`] keeps them in the state directory
//! from run to run.
//!
//! # Invariants
//! - A digest belongs to a [`Stamp`]. It is given out only while the file still
//!   has that stamp, and only if the file had it before and after it was read;
//!   and beside the description of a file that says the same stamp.
//! - A file whose stamp was not settled before it was read may change again without
//!   another stamp. It is read again when its digest is
//!   asked for again; content by its digest is served meanwhile, and the
//!   receiver checks it.
//! - A file that changed is read in the background until the digest is known of what the catalogue describes,
//!   whatever happens meanwhile. If the two do not fit, the keeper looks at the file again.
//! - A file that is not short is read by one thread at a time, and at most
//!   [`READERS_MAX`] of them are read at a time.
//! - All calls but [`Digests::run`], [`Digests::hash`] and [`Digests::read_soon`] block.
//! - Nobody waits on the disk's pool for a file that others read: long files are read on
//!   threads of their own.
//!
//! The files and their changes are the catalogue's knowledge: the
//! background reads what it says is new, and compares all it knows with the
//! digests every [`PAUSE`]. A file that only got another name keeps its digest.
//! Each request for a file compares its stamp.

mod content;
mod store;
mod turn;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use node_wire::{Digest, name::ShareName};
use plugin_api::FileInfo;
use tokio::{
    select,
    sync::Notify,
    time::{sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

pub use self::content::{InShare, SharedBlob};
use self::{
    store::{Store, StoreReader},
    turn::Turn,
};
use super::{Catalogue, ChangeSet, Moved, Share, ShareError, Stamp};
use node_base::{
    clock::now,
    counters::Counters,
    events::{Event, EventLog},
    state::StateDir,
    sync::lock,
    threads::Threads,
};
use node_wire::pieces::{CONTENT_MAX, PieceTree, TreeHasher};

/// Pause between two looks at the whole share.
const PAUSE: Duration = Duration::from_secs(300);

/// The same, once, when files were too young.
const SHORT_PAUSE: Duration = Duration::from_secs(1);

/// The interval at which new digests are written to the disk.
const SAVE_EVERY: Duration = Duration::from_secs(2);

/// Most files that are read at a time, but for short ones that are asked for.
const READERS_MAX: usize = 2;

/// Threads that read: those that have a file, and the two parts of the background, which may wait for one.
const THREADS_MAX: usize = READERS_MAX + 2;

/// Most files that wait for the background.
const SOON_MAX: usize = 1_024;

/// The time for which a changed file is left alone before it is read.
const CALM: Duration = Duration::from_millis(300);

/// Pause before a file that could not be read, or that the catalogue describes otherwise, is tried again; doubles up
/// to [`FAILED_PAUSE_MAX`].
const FAILED_PAUSE: Duration = Duration::from_secs(1);

/// Longest such pause.
const FAILED_PAUSE_MAX: Duration = Duration::from_secs(60);

/// Most files that changed and wait to be read; with more, all are looked at.
const CHANGED_MAX: usize = 4_096;

/// Files that are compared with the digests at a time.
const COMPARED: usize = 4_096;

/// Size of a read, in bytes.
const READ: usize = 256 * 1024;

/// The digests of a shared file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Known {
    /// Its size in bytes.
    pub size: u64,
    /// Its stamp when it was read.
    pub stamp: Stamp,
    /// Its digest.
    pub digest: Digest,
}

/// The digests of the files of one share.
#[derive(Debug)]
pub struct Digests {
    share: Arc<Share>,
    catalogue: Arc<Catalogue>,
    store: Store,
    /// The files that are being read.
    reading: Mutex<BTreeSet<ShareName>>,
    /// A file was read; wakes threads.
    read: Condvar,
    /// The same; wakes tasks.
    freed: Notify,
    threads: Threads,
    /// Files that the background is to read next.
    soon: Mutex<BTreeSet<ShareName>>,
    asked: Notify,
    /// Files that changed, and when they are to be read.
    changed: Mutex<Changed>,
    told: Notify,
    stopping: AtomicBool,
    counters: Arc<Counters>,
    events: Arc<EventLog>,
}

/// Looks up many digests, which costs less than one after the other. It is not kept for long.
pub struct DigestReader<'d> {
    digests: &'d Digests,
    store: StoreReader<'d>,
}

impl DigestReader<'_> {
    /// Returns what [`Digests::known_as`] returns. Blocks.
    #[must_use]
    pub fn known_as(&self, file: &FileInfo) -> Option<Digest> {
        let is_settled = file.version != 0;
        let name = ShareName::parse(&file.name).ok().filter(|_| is_settled);
        let known = name.and_then(|name| self.store.get(&name));
        let known = known.filter(|known| known.stamp.version() == file.version);
        // It may have been read since.
        known.map_or_else(|| self.digests.known_as(file), |known| Some(known.digest))
    }
}

impl Changed {
    /// Notes that the digest of a file is known, or after which pause it is tried again at first; later pauses grow.
    fn note(&mut self, name: &ShareName, again: Option<Duration>, now: Instant) {
        let Some(pause) = again else {
            self.again.remove(name);
            return;
        };
        let before = self.again.get(name);
        let pause = before.map_or(pause, |before| (*before * 2).min(FAILED_PAUSE_MAX));
        let is_tracked = self.again.contains_key(name) || self.again.len() < CHANGED_MAX;
        if is_tracked && self.due.len() < CHANGED_MAX {
            self.again.insert(name.clone(), pause);
            self.due.entry(name.clone()).or_insert(now + pause);
        }
    }
}

/// Files that changed.
#[derive(Debug, Default)]
struct Changed {
    due: BTreeMap<ShareName, Instant>,
    /// Files that have another name. Those that are too many for this are read again.
    moved: Vec<Vec<Moved>>,
    /// Files that were read in vain, and the pause before they are tried again.
    again: BTreeMap<ShareName, Duration>,
    /// True if there are more.
    too_many: bool,
}

impl Digests {
    /// Returns the digests of the files of `catalogue`, with those that an earlier run left in `state`.
    /// An entry that cannot be read there is computed again.
    #[must_use]
    pub fn open(
        catalogue: Arc<Catalogue>,
        state: &StateDir,
        counters: Arc<Counters>,
        events: Arc<EventLog>,
    ) -> Digests {
        Digests {
            share: Arc::clone(catalogue.share()),
            catalogue,
            store: Store::open(state),
            reading: Mutex::default(),
            read: Condvar::new(),
            freed: Notify::new(),
            threads: Threads::new("digests", THREADS_MAX),
            soon: Mutex::default(),
            asked: Notify::new(),
            changed: Mutex::default(),
            told: Notify::new(),
            stopping: AtomicBool::new(false),
            counters,
            events,
        }
    }

    /// Returns the digest of the file of this name, if it is known. Blocks.
    #[must_use]
    pub fn known_of(&self, name: &str) -> Option<Digest> {
        let name = ShareName::parse(name).ok()?;
        Some(self.known(&name)?.digest)
    }

    /// Returns a reader for callers that ask for many digests one after the other. Blocks.
    #[must_use]
    pub fn reader(&self) -> DigestReader<'_> {
        DigestReader {
            digests: self,
            store: self.store.reader(),
        }
    }

    /// Returns the digest of a file that a handler or the catalogue described, if it is
    /// known of the bytes that it had then. Does not look at the file, unless it
    /// may have changed without a sign. Blocks.
    #[must_use]
    pub fn known_as(&self, file: &FileInfo) -> Option<Digest> {
        if file.version == 0 {
            return self.known_of(&file.name);
        }
        let known = self.store.get(&ShareName::parse(&file.name).ok()?)?;
        (known.stamp.version() == file.version).then_some(known.digest)
    }

    /// Returns the digests of the file `name`, without reading it.
    #[must_use]
    pub fn known(&self, name: &ShareName) -> Option<Known> {
        let known = self.store.get(name)?;
        let stamp = self.share.stamp(name).ok()?;
        (known.stamp == stamp).then_some(known)
    }

    /// Returns the digest of a short file, which is read at once if need be. Blocks, but
    /// waits for nobody.
    ///
    /// # Errors
    /// [`ShareError`] when it cannot be read or changes while it is.
    pub fn of(&self, name: &ShareName) -> Result<Known, ShareError> {
        match self.known(name) {
            Some(known) => Ok(known),
            None => self.read(name),
        }
    }

    /// Returns the digest of a file of any length, which is read on another thread if need be.
    ///
    /// # Errors
    /// [`ShareError`] when it cannot be read or changes while it is.
    pub async fn hash(self: &Arc<Self>, name: &ShareName) -> Result<Known, ShareError> {
        let failed = |error: std::io::Error| ShareError::of(name, error);
        loop {
            let freed = self.freed.notified();
            let (digests, wanted) = (Arc::clone(self), name.clone());
            let known = self.share.disk().run(move || digests.known(&wanted));
            if let Some(known) = known.await.map_err(|error| failed(error.into()))? {
                return Ok(known);
            }
            if let Some(turn) = Turn::try_take(self, name) {
                let read = self.threads.run(move || turn.read());
                return read.await.map_err(|error| failed(error.into()))?;
            }
            freed.await;
        }
    }

    /// Reads the file when it is its turn. Blocks, as long as others read.
    fn of_in_turn(self: &Arc<Self>, name: &ShareName) -> Result<Known, ShareError> {
        loop {
            if let Some(known) = self.known(name) {
                return Ok(known);
            }
            if let Some(turn) = Turn::take(self, name) {
                return turn.read();
            }
        }
    }

    /// Has the background read the file `name` next, if it can wait. Does not
    /// block.
    pub fn read_soon(&self, name: &ShareName) {
        let mut soon = lock(&self.soon);
        if soon.len() < SOON_MAX {
            soon.insert(name.clone());
            self.asked.notify_one();
        }
    }

    /// Notes changes: new bytes are read soon, and files that have another name keep their digests. Does not block.
    pub fn changed(&self, news: &ChangeSet) {
        let due = now() + CALM;
        let names = news.added.iter().chain(&news.changed);
        let mut changed = lock(&self.changed);
        let moved = changed.moved.iter().map(Vec::len).sum::<usize>() + news.moved.len();
        if !news.moved.is_empty() && moved <= CHANGED_MAX {
            changed.moved.push(news.moved.clone());
        }
        changed.too_many |= news.everything;
        // One that only has another name is known by then, and not read.
        for name in names {
            if changed.due.len() >= CHANGED_MAX {
                changed.due.clear();
                changed.too_many = true;
            }
            if changed.too_many {
                break;
            }
            changed
                .due
                .extend(ShareName::parse(name).ok().map(|name| (name, due)));
        }
        drop(changed);
        self.told.notify_one();
    }

    /// Notes that the file `name`, placed with this stamp, is what `tree` says.
    pub fn learned(&self, name: &ShareName, stamp: Stamp, tree: &PieceTree) {
        if stamp.size == tree.size() {
            self.store.put(name, stamp, tree, true);
        }
    }

    /// Reads files without digests, again and again, until `cancel`.
    pub async fn run(self: Arc<Self>, cancel: CancellationToken) {
        let stopper = tokio::spawn(Arc::clone(&self).stop_reading(cancel.clone()));
        let background = tokio::spawn(Arc::clone(&self).look_again_and_again(cancel.clone()));
        while !cancel.is_cancelled() {
            select! {
                () = sleep(SAVE_EVERY) => {}
                () = self.asked.notified() => self.read_asked().await,
                () = cancel.cancelled() => {}
            }
            self.save().await;
        }
        let _ = tokio::join!(background, stopper);
        self.save().await;
    }

    /// Ends readings when the node stops.
    async fn stop_reading(self: Arc<Self>, cancel: CancellationToken) {
        cancel.cancelled().await;
        self.stopping.store(true, Ordering::Release);
    }

    async fn look_again_and_again(self: Arc<Self>, cancel: CancellationToken) {
        let mut was_short = false;
        select! {
            () = self.catalogue.completed() => {}
            () = cancel.cancelled() => {}
        }
        while !cancel.is_cancelled() {
            let digests = Arc::clone(&self);
            if let Err(error) = self.threads.run(move || digests.look()).await {
                tracing::error!(%error, "reading the share for its digests panicked");
            }
            // Files that were too young to be believed are looked at once more
            // soon. One that changes all the time is not read all the time.
            was_short = !was_short && self.store.has_unsettled();
            let pause = if was_short { SHORT_PAUSE } else { PAUSE };
            let until = now() + pause;
            while !cancel.is_cancelled() && now() < until {
                let (next, too_many) = self.due();
                if too_many {
                    sleep(CALM).await;
                    break;
                }
                self.read_due().await;
                select! {
                    () = sleep_until(next.unwrap_or(until).min(until).into()) => {}
                    () = self.told.notified() => {}
                    () = cancel.cancelled() => {}
                }
            }
        }
    }

    /// Returns the time at which the next changed file is to be read, and whether all are to be
    /// looked at.
    fn due(&self) -> (Option<Instant>, bool) {
        let mut changed = lock(&self.changed);
        let next = changed.due.values().min().copied();
        (next, std::mem::take(&mut changed.too_many))
    }

    /// Takes up what has another name, and reads the files that changed and were left alone long enough.
    async fn read_due(self: &Arc<Self>) {
        let now = now();
        let (due, has_moved) = {
            let mut changed = lock(&self.changed);
            let due = changed.due.iter().filter(|(_, due)| **due <= now);
            let due: Vec<ShareName> = due.map(|(name, _)| name.clone()).collect();
            changed.due.retain(|_, due| *due > now);
            (due, !changed.moved.is_empty())
        };
        if due.is_empty() && !has_moved {
            return;
        }
        let digests = Arc::clone(self);
        let read = self.threads.run(move || {
            digests.note_moved();
            let unread = due.iter().filter(|_| !digests.is_stopping());
            // Who asks for a file that cannot be read hears why.
            let read = unread.filter_map(|name| digests.read_if_unknown(name));
            let (mut files, mut bytes) = (0_u64, 0_u64);
            for known in read {
                files += 1;
                bytes += known.size;
            }
            digests.say(files, bytes);
        });
        if let Err(error) = read.await {
            tracing::error!(%error, "reading files for their digests panicked");
        }
    }

    /// Brings digests to the new names of files. Blocks.
    fn note_moved(&self) {
        let batches = std::mem::take(&mut lock(&self.changed).moved);
        for moved in batches {
            self.store.moved(&moved);
        }
    }

    /// Reads a file whose digest is not known. If it is not known as the catalogue describes the file afterwards, the
    /// file is tried again.
    fn read_if_unknown(self: &Arc<Self>, name: &ShareName) -> Option<Known> {
        self.note_moved();
        let before = self.known(name);
        let is_new = before.is_none();
        let read = before.map_or_else(|| self.of_in_turn(name), Ok);
        if !self.is_stopping() {
            let again = self.again_after(name, &read);
            lock(&self.changed).note(name, again, now());
        }
        read.ok().filter(|_| is_new)
    }

    /// Returns the pause after which a file is to be tried again that was read with this result; `None` if its digest
    /// belongs to what the catalogue describes, or the file is not in the catalogue. A later change is reported anew.
    fn again_after(&self, name: &ShareName, read: &Result<Known, ShareError>) -> Option<Duration> {
        let described = self.catalogue.view().get(name.as_str());
        let is_described = |known: &Known| described.is_some_and(|file| file.stamp == known.stamp);
        match read {
            Ok(known) if is_described(known) => {
                let is_settled = self.store.get(name).is_some();
                return (!is_settled).then(|| known.stamp.settles_after());
            }
            // One of the two is old.
            Ok(_) | Err(ShareError::NotFound(_)) => self.catalogue.look_soon(name.as_str()),
            Err(_) => {}
        }
        described.map(|_| FAILED_PAUSE)
    }

    fn say(&self, files: u64, bytes: u64) {
        if files > 0 {
            self.events.emit(&Event::ShareHashed { files, bytes });
        }
    }

    async fn read_asked(self: &Arc<Self>) {
        loop {
            let Some(name) = lock(&self.soon).pop_first() else {
                return;
            };
            let digests = Arc::clone(self);
            // A file that cannot be read has no digest; who asks for it hears why.
            let read = self.threads.run(move || drop(digests.of_in_turn(&name)));
            if let Err(error) = read.await {
                tracing::error!(%error, "reading a file for its digest panicked");
            }
        }
    }

    async fn save(self: &Arc<Self>) {
        if !self.store.is_unsaved() && lock(&self.changed).moved.is_empty() {
            return;
        }
        let digests = Arc::clone(self);
        let saved = self.share.disk().run(move || {
            digests.note_moved();
            digests.store.save();
        });
        if let Err(error) = saved.await {
            tracing::error!(%error, "saving digests panicked");
        }
    }

    /// Compares all files with their digests, and reads those without.
    fn look(self: &Arc<Self>) {
        let (mut read, mut bytes) = (0_u64, 0_u64);
        let mut after = String::new();
        loop {
            let files = self.catalogue.stamps_after(&after, COMPARED);
            let is_last = files.len() < COMPARED;
            self.note_moved();
            let compared = self.store.compare(&after, &files, is_last);
            if self.catalogue.is_sure() {
                self.forget(compared.gone);
            }
            for name in compared.unknown {
                if self.is_stopping() {
                    return;
                }
                if let Some(known) = self.read_if_unknown(&name) {
                    read += 1;
                    bytes += known.size;
                }
            }
            match files.into_iter().next_back() {
                Some((last, _)) if !is_last => after = last,
                _ => break,
            }
        }
        self.say(read, bytes);
    }

    /// Forgets the files of these names, if they are not there.
    fn forget(&self, mut gone: Vec<String>) {
        gone.retain(|name| {
            let is_there = ShareName::parse(name).is_ok_and(|name| self.share.stamp(&name).is_ok());
            !is_there && !self.is_stopping()
        });
        self.store.forget(&gone);
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Reads the file, a second time if it changed meanwhile.
    fn read(&self, name: &ShareName) -> Result<Known, ShareError> {
        match self.read_once(name) {
            Err(ShareError::Changed(_)) => self.read_once(name),
            result => result,
        }
    }

    fn read_once(&self, name: &ShareName) -> Result<Known, ShareError> {
        let failed = |error| ShareError::of(name, error);
        let started = SystemTime::now();
        let mut shared = self.share.read(name)?;
        let stamp = shared.stamp;
        if stamp.size > CONTENT_MAX {
            return Err(failed(std::io::ErrorKind::FileTooLarge.into()));
        }
        let mut hasher = TreeHasher::default();
        // One byte more than there should be: then the end is seen at once.
        let length = usize::try_from(stamp.size).map_or(READ, |size| READ.min(size + 1));
        let mut buffer = vec![0; length];
        loop {
            if self.is_stopping() {
                return Err(failed(std::io::ErrorKind::Interrupted.into()));
            }
            match shared.file.read(&mut buffer).map_err(failed)? {
                0 => break,
                read => {
                    hasher.push(&buffer[..read]);
                    self.counters.bytes_hashed.add(read as u64);
                }
            }
            if hasher.size() > stamp.size {
                return Err(ShareError::Changed(name.clone()));
            }
        }
        let tree = hasher.finish();
        if !shared.is_unchanged().map_err(failed)? || tree.size() != stamp.size {
            return Err(ShareError::Changed(name.clone()));
        }
        self.counters.files_hashed.one();
        let settled = stamp.is_settled(started) || self.catalogue.is_settled(name, stamp);
        self.store.put(name, stamp, &tree, settled);
        Ok(Known {
            size: stamp.size,
            stamp,
            digest: tree.digest(),
        })
    }
}

#[cfg(test)]
mod tests;
