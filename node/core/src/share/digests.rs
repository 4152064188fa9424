//! The digests of the shared files.
//!
//! # Participants
//! [`Digests`] computes them: in the background for every file, at once for a
//! file that is asked for. [`store::Store`] keeps them in the state directory
//! from run to run.
//!
//! # Invariants
//! - A digest belongs to a [`Stamp`]. It is given out only while the file still
//!   has that stamp, and only if the file had it before and after it was read.
//! - A file that was changed less than [`SETTLED_AFTER`] before it was read may
//!   change again without another stamp. It is read again when its digest is
//!   asked for again; content by its digest is served meanwhile, and whoever
//!   receives it checks it.
//! - A file is read by one thread at a time, and at most [`READERS_MAX`] files
//!   are read at a time.
//! - All calls but [`Digests::run`] and [`Digests::read_soon`] block.
//!
//! Non-goals: noticing a change at once. The background looks again every
//! [`PAUSE`]; whoever asks for a file has its stamp compared.

mod store;

use std::{
    collections::BTreeSet,
    io::Read,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use node_wire::{Digest, name::ShareName};
use plugin_api::Flow;
use serde_json::json;
use tokio::{select, sync::Notify, task::spawn_blocking, time::sleep};
use tokio_util::sync::CancellationToken;

use self::store::Store;
use super::{SETTLED_AFTER, Share, ShareError, SharedFile, Stamp};
use crate::{
    counters::Counters,
    events::EventLog,
    pieces::{CONTENT_MAX, PieceTree, TreeHasher},
    state::StateDir,
    sync::lock,
};

/// Pause between two looks at the whole share.
const PAUSE: Duration = Duration::from_secs(300);

/// The same, once, when files were too young.
const SHORT_PAUSE: Duration = Duration::from_secs(1);

/// How often new digests are brought to the disk.
const SAVE_EVERY: Duration = Duration::from_secs(2);

/// Most files that are read at a time.
const READERS_MAX: usize = 2;

/// Most files that wait for the background.
const SOON_MAX: usize = 1_024;

/// Size of a read, in bytes.
const READ: usize = 256 * 1024;

/// What is known of a shared file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Known {
    /// Its size in bytes.
    pub size: u64,
    /// What it was when it was read.
    pub stamp: Stamp,
    /// Its digest.
    pub digest: Digest,
}

/// The digests of the files of one share.
#[derive(Debug)]
pub struct Digests {
    share: Arc<Share>,
    store: Store,
    /// The files that are being read.
    reading: Mutex<BTreeSet<ShareName>>,
    read: Condvar,
    /// Files that the background is to read next.
    soon: Mutex<BTreeSet<ShareName>>,
    asked: Notify,
    stopping: AtomicBool,
    counters: Arc<Counters>,
    events: Arc<EventLog>,
}

impl Digests {
    /// The digests of `share`, with those that an earlier run left in `state`.
    /// What cannot be read there is computed again.
    #[must_use]
    pub fn open(
        share: Arc<Share>,
        state: &StateDir,
        counters: Arc<Counters>,
        events: Arc<EventLog>,
    ) -> Digests {
        Digests {
            share,
            store: Store::open(state),
            reading: Mutex::default(),
            read: Condvar::new(),
            soon: Mutex::default(),
            asked: Notify::new(),
            stopping: AtomicBool::new(false),
            counters,
            events,
        }
    }

    /// The digest of the file of this name, if it is known. Blocks.
    #[must_use]
    pub fn known_of(&self, name: &str) -> Option<Digest> {
        let name = ShareName::parse(name).ok()?;
        Some(self.known(&name)?.digest)
    }

    /// What is known of the file `name`, without reading it.
    #[must_use]
    pub fn known(&self, name: &ShareName) -> Option<Known> {
        let known = self.store.get(name)?;
        let stamp = self.share.stamp(name).ok()?;
        (known.stamp == stamp).then_some(known)
    }

    /// The digest of the file `name`, which is read for it if need be.
    ///
    /// # Errors
    /// [`ShareError`] when it cannot be read or changes while it is.
    pub fn of(&self, name: &ShareName) -> Result<Known, ShareError> {
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

    /// The tree of content that is in the share.
    #[must_use]
    pub fn tree(&self, digest: &Digest) -> Option<PieceTree> {
        self.store.tree(digest)
    }

    /// Opens a file that still is what it was when `digest` was computed.
    #[must_use]
    pub fn open_blob(&self, digest: &Digest) -> Option<SharedFile> {
        self.store.names(digest).into_iter().find_map(|name| {
            let known = self.store.get_unsettled(&name)?;
            let file = self.share.read(&name).ok()?;
            (known.digest == *digest && file.stamp == known.stamp).then_some(file)
        })
    }

    /// A name and the size of a file with this digest.
    #[must_use]
    pub fn named(&self, digest: &Digest) -> Option<(ShareName, u64)> {
        self.store.names(digest).into_iter().find_map(|name| {
            let known = self.store.get_unsettled(&name)?;
            let is_there = self
                .share
                .stamp(&name)
                .is_ok_and(|stamp| stamp == known.stamp);
            (is_there && known.digest == *digest).then_some((name, known.size))
        })
    }

    /// Names and sizes of the files with this digest, at most `most`.
    #[must_use]
    pub fn all_named(&self, digest: &Digest, most: usize) -> Vec<(ShareName, u64)> {
        let names = self.store.names(digest).into_iter();
        let there = names.filter_map(|name| {
            let known = self.store.get_unsettled(&name)?;
            let stamp = self.share.stamp(&name).ok()?;
            (stamp == known.stamp && known.digest == *digest).then_some((name, known.size))
        });
        there.take(most).collect()
    }

    /// Notes that the file `name`, placed with this stamp, is what `tree` says.
    pub fn learned(&self, name: &ShareName, stamp: Stamp, tree: &PieceTree) {
        if stamp.size == tree.size() {
            self.store.put(name, stamp, tree, true);
        }
    }

    /// Reads what is not known, again and again, until `cancel`.
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

    /// Ends what is being read when the node stops.
    async fn stop_reading(self: Arc<Self>, cancel: CancellationToken) {
        cancel.cancelled().await;
        self.stopping.store(true, Ordering::Release);
    }

    async fn look_again_and_again(self: Arc<Self>, cancel: CancellationToken) {
        let mut was_short = false;
        while !cancel.is_cancelled() {
            let digests = Arc::clone(&self);
            if let Err(error) = spawn_blocking(move || digests.look()).await {
                tracing::error!(%error, "reading the share for its digests panicked");
            }
            // Files that were too young to be believed are looked at once more
            // soon. One that changes all the time is not read all the time.
            was_short = !was_short && self.store.has_unsettled();
            let pause = if was_short { SHORT_PAUSE } else { PAUSE };
            select! {
                () = sleep(pause) => {}
                () = cancel.cancelled() => {}
            }
        }
    }

    async fn read_asked(self: &Arc<Self>) {
        loop {
            let Some(name) = lock(&self.soon).pop_first() else {
                return;
            };
            let digests = Arc::clone(self);
            // A file that cannot be read has no digest; who asks for it hears why.
            let read = spawn_blocking(move || drop(digests.of(&name)));
            if let Err(error) = read.await {
                tracing::error!(%error, "reading a file for its digest panicked");
            }
        }
    }

    async fn save(self: &Arc<Self>) {
        if !self.store.is_unsaved() {
            return;
        }
        let digests = Arc::clone(self);
        if let Err(error) = spawn_blocking(move || digests.store.save()).await {
            tracing::error!(%error, "saving digests panicked");
        }
    }

    /// Looks at the whole share once.
    fn look(&self) {
        self.store
            .retain(|name| self.is_stopping() || self.share.stamp(name).is_ok());
        let (mut files, mut bytes) = (0_u64, 0_u64);
        let visited = self.share.visit(&mut |file| {
            if self.is_stopping() {
                return Flow::Stop;
            }
            if let Ok(name) = ShareName::parse(&file.name)
                && self.known(&name).is_none()
                && let Ok(known) = self.of(&name)
            {
                files += 1;
                bytes += known.size;
            }
            Flow::Continue
        });
        if let Err(error) = visited {
            tracing::warn!(%error, "the share cannot be read for its digests");
        }
        if files > 0 {
            self.events
                .emit("share.hashed", json!({ "files": files, "bytes": bytes }));
        }
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
        let SharedFile { mut file, stamp } = self.share.read(name)?;
        if stamp.size > CONTENT_MAX {
            return Err(failed(std::io::ErrorKind::FileTooLarge.into()));
        }
        let mut hasher = TreeHasher::default();
        let mut buffer = vec![0; READ];
        loop {
            if self.is_stopping() {
                return Err(failed(std::io::ErrorKind::Interrupted.into()));
            }
            match file.read(&mut buffer).map_err(failed)? {
                0 => break,
                read => hasher.push(&buffer[..read]),
            }
            if hasher.size() > stamp.size {
                return Err(ShareError::Changed(name.clone()));
            }
        }
        let tree = hasher.finish();
        if !SharedFile::unchanged(&file, stamp).map_err(failed)? || tree.size() != stamp.size {
            return Err(ShareError::Changed(name.clone()));
        }
        self.counters.files_hashed.one();
        self.counters.bytes_hashed.add(stamp.size);
        let settled = is_settled(stamp, started);
        self.store.put(name, stamp, &tree, settled);
        Ok(Known {
            size: stamp.size,
            stamp,
            digest: tree.digest(),
        })
    }
}

/// Whether a change after `started` would show in another stamp.
fn is_settled(stamp: Stamp, started: SystemTime) -> bool {
    stamp
        .modified
        .and_then(|modified| started.duration_since(modified).ok())
        .is_some_and(|since| since >= SETTLED_AFTER)
}

/// The right to read one file.
struct Turn<'a> {
    digests: &'a Digests,
    name: &'a ShareName,
}

impl<'a> Turn<'a> {
    /// Waits for a turn. `None` when another thread has just read the file.
    fn take(digests: &'a Digests, name: &'a ShareName) -> Option<Turn<'a>> {
        let mut reading = lock(&digests.reading);
        let mut waited = false;
        while reading.contains(name) || reading.len() >= READERS_MAX {
            waited |= reading.contains(name);
            reading = digests
                .read
                .wait(reading)
                .unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        if waited {
            return None;
        }
        reading.insert(name.clone());
        Some(Turn { digests, name })
    }

    fn read(self) -> Result<Known, ShareError> {
        self.digests.read(self.name)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(&self.digests.reading).remove(self.name);
        self.digests.read.notify_all();
    }
}

#[cfg(test)]
mod tests;
