//! The state that the views, the handlers and the threads share: which documents there are, and which wait.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use plugin_api::{Changes, DocumentsStatus, FileInfo, Files, Handler, TextListener};
use plugin_host::lock;

use crate::{
    jailer::Program,
    kept::{Digest, Kept},
    limits::{TRIES_MAX, WAITING_MAX},
    listed::{Entry, Listed, State},
};

/// The state that is shared.
pub(crate) struct Shared {
    /// The files as they stand.
    pub(crate) files: Arc<dyn Files>,
    pub(crate) program: Program,
    pub(crate) kept: Kept,
    pub(crate) listed: Listed,
    /// The file of the list.
    pub(crate) list: PathBuf,
    queue: Mutex<Queue>,
    news: Condvar,
    stopped: AtomicBool,
    /// A handler of the index, which is told of texts that are ready.
    index: OnceLock<Arc<dyn Handler>>,
    /// Somebody else who is told of these.
    listener: OnceLock<TextListener>,
}

#[derive(Debug, Default)]
struct Queue {
    names: VecDeque<String>,
    /// Names that are in the queue, or are being read.
    known: HashSet<String>,
    /// Documents whose readers were killed or late, and how often.
    tries: HashMap<String, u32>,
    /// Names that are tried again later.
    later: Vec<(Instant, String)>,
    /// Digests that a document had and may have no longer.
    dropped: HashSet<Digest>,
    /// True if the list has to be saved.
    is_new: bool,
    error: Option<String>,
}

/// The work of a thread.
pub(crate) enum Work {
    /// Read this document.
    Read(String),
    /// Save the list.
    Save,
    /// End.
    Stop,
}

impl Shared {
    pub(crate) fn new(
        files: Arc<dyn Files>,
        program: Program,
        kept: Kept,
        list: PathBuf,
    ) -> Shared {
        Shared {
            files,
            program,
            kept,
            listed: Listed::load(&list),
            list,
            queue: Mutex::default(),
            news: Condvar::new(),
            stopped: AtomicBool::new(false),
            index: OnceLock::new(),
            listener: OnceLock::new(),
        }
    }

    /// Has `index` told of texts that are ready.
    pub(crate) fn tell(&self, index: Arc<dyn Handler>) {
        // There is one index.
        let _ = self.index.set(index);
    }

    /// Has `listener` told of texts that are ready.
    pub(crate) fn listen(&self, listener: TextListener) {
        // There is one listener.
        let _ = self.listener.set(listener);
    }

    /// Returns true if these files are the ones whose documents are read.
    pub(crate) fn is_ours(&self, files: &dyn Files) -> bool {
        files.share().is_some() && files.share() == self.files.share()
    }

    /// Has a document read. Returns false if it cannot wait for that: then it is as it stands.
    pub(crate) fn want(&self, file: &FileInfo, is_text: bool) -> bool {
        if file.version == 0 {
            return false;
        }
        let mut queue = lock(&self.queue);
        if queue.known.len() >= WAITING_MAX && !queue.known.contains(&file.name) {
            // The index asks again.
            return true;
        }
        let entry = Entry {
            version: file.version,
            size: file.size,
            state: State::Waits { is_text },
        };
        let before = self.listed.put(&file.name, entry);
        queue
            .dropped
            .extend(before.and_then(|entry| entry.digest()));
        if queue.known.insert(file.name.clone()) {
            queue.names.push_back(file.name.clone());
            self.news.notify_one();
        }
        true
    }

    /// Notes what became of a document, and has the index read it.
    pub(crate) fn done(&self, name: &str, entry: Option<Entry>) {
        let has_text = matches!(
            &entry,
            Some(Entry {
                state: State::Read(_),
                ..
            })
        );
        let mut queue = lock(&self.queue);
        queue.known.remove(name);
        queue.tries.remove(name);
        queue.is_new = true;
        let before = match entry {
            Some(entry) => self.listed.put(name, entry),
            None => self.listed.remove(name),
        };
        queue
            .dropped
            .extend(before.and_then(|entry| entry.digest()));
        drop(queue);
        if let Some(index) = self.index.get() {
            index.changed(Changes::Names(&[name.to_owned()]));
        }
        if let Some(listener) = self.listener.get().filter(|_| has_text) {
            listener(name);
        }
    }

    /// Has the list looked through for documents that are gone, if some may be.
    pub(crate) fn changed(&self, changes: Changes<'_>) {
        let may_be_gone = match changes {
            Changes::Names(names) => names.iter().any(|name| self.listed.last(name).is_some()),
            Changes::Anything => true,
        };
        if may_be_gone {
            lock(&self.queue).is_new = true;
        }
    }

    /// Forgets a document that is gone.
    pub(crate) fn forget(&self, name: &str) {
        let before = self.listed.remove(name);
        let dropped = before.and_then(|entry| entry.digest());
        lock(&self.queue).dropped.extend(dropped);
    }

    /// Removes the texts that no document has any more.
    pub(crate) fn remove_dropped(&self) {
        let dropped = std::mem::take(&mut lock(&self.queue).dropped);
        for digest in self.listed.without(dropped) {
            if let Err(error) = self.kept.remove(digest) {
                tracing::warn!(%error, "the text of a document that is gone cannot be removed");
            }
        }
    }

    /// Counts a reader that was killed or late. Returns true if the document may be tried again.
    pub(crate) fn may_try_again(&self, name: &str) -> bool {
        let mut queue = lock(&self.queue);
        let tries = queue.tries.entry(name.to_owned()).or_default();
        *tries += 1;
        *tries < TRIES_MAX
    }

    /// Has a document tried again later.
    pub(crate) fn again(&self, name: String, pause: Duration) {
        lock(&self.queue).later.push((Instant::now() + pause, name));
    }

    /// Notes the reason why no document can be read, or that it is gone.
    pub(crate) fn note(&self, error: Option<String>) {
        lock(&self.queue).error = error;
    }

    /// Waits for work; at most `most` for a document if the list is to be saved.
    pub(crate) fn work(&self, most: Duration) -> Work {
        let mut queue = lock(&self.queue);
        let until = Instant::now() + most;
        loop {
            if self.is_stopped() {
                return Work::Stop;
            }
            let now = Instant::now();
            if let Some(at) = queue.later.iter().position(|(due, _)| *due <= now) {
                return Work::Read(queue.later.swap_remove(at).1);
            }
            if let Some(name) = queue.names.pop_front() {
                return Work::Read(name);
            }
            if now >= until && std::mem::take(&mut queue.is_new) {
                return Work::Save;
            }
            let due = queue.later.iter().map(|(due, _)| *due).min();
            let wait = due.map_or(most, |due| due.saturating_duration_since(now).min(most));
            let waited = self
                .news
                .wait_timeout(queue, wait.max(Duration::from_millis(1)));
            queue = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }

    /// Returns true if documents wait to be read.
    pub(crate) fn is_waiting(&self) -> bool {
        !lock(&self.queue).known.is_empty()
    }

    /// Returns true once if the list is to be saved.
    pub(crate) fn take_new(&self) -> bool {
        std::mem::take(&mut lock(&self.queue).is_new)
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Nobody misses it who is about to wait.
        drop(lock(&self.queue));
        self.news.notify_all();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    pub(crate) fn status(&self) -> DocumentsStatus {
        let error = lock(&self.queue).error.clone();
        DocumentsStatus {
            bytes: self.kept.bytes(),
            error,
            ..self.listed.status()
        }
    }
}
