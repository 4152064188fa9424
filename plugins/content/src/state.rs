//! The state that queries and the indexing thread share: the files that are indexed, and
//! those that wait.
//!
//! # Invariants
//! - A file of the share is in the [`Seen::view`] as it is, or it is waiting, or
//!   it is not known yet that it is there; then [`Seen::is_listed`] is false.
//!   (Its change may also not have been reported yet; the report is soon.)
//! - The three are taken together, under one lock.
//! - At most [`WAITING_MAX`] names wait.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use plugin_api::{Changes, Files, IndexStatus};
use plugin_host::Permits;

use crate::{
    growing::{self, Indexed, IndexedFiles},
    limits::{HELPERS_MAX, SCANS_MAX, TEXTS_MAX, UNREADABLE_TOLD, WAITING_MAX},
    store::{Keys, Store, StoreError, View},
    versions::Versions,
};

/// Names of files that are to be indexed. The number is another one for each
/// change.
pub(crate) type Waiting = BTreeMap<String, u64>;

/// Commits that a query may last and still be sure of its view.
const RECENT_MAX: usize = 8;

/// The state that queries and the indexing thread share.
pub(crate) struct Shared {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) scans: Permits,
    pub(crate) helpers: Permits,
    pub(crate) texts: Permits,
    state: Mutex<State>,
    news: Condvar,
    stopped: Arc<AtomicBool>,
}

#[derive(Default)]
struct State {
    view: Option<View>,
    keys: Option<Keys>,
    /// The versions of the files that are indexed.
    known: Versions,
    /// The last commits, the newest last: queries may see the index before them.
    recent: VecDeque<HashSet<u64>>,
    /// Number of commits.
    commits: u64,
    waiting: Arc<Waiting>,
    /// Files in the index that may grow, as they were.
    indexed: Arc<IndexedFiles>,
    /// Of those that wait, the ones that cannot be read, and why.
    unreadable: Arc<BTreeMap<String, String>>,
    changes: u64,
    is_listed: bool,
    /// True if all files have to be looked at.
    look: bool,
    /// True if a subscription reports changes.
    is_told: bool,
    /// True if a query found the index broken.
    is_distrusted: bool,
    read: u64,
    bytes: u64,
    error: Option<String>,
}

/// The state at the start of a query.
pub(crate) struct Seen {
    pub(crate) view: Option<View>,
    pub(crate) waiting: Arc<Waiting>,
    pub(crate) unreadable: Arc<BTreeMap<String, String>>,
    pub(crate) indexed: Arc<IndexedFiles>,
    pub(crate) is_listed: bool,
    commits: u64,
}

/// The files of a commit.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Keys of files with the versions that are in the index now; `None`: they
    /// are out of it.
    pub(crate) files: Vec<(u64, Option<u64>)>,
    /// Files that do not wait any more, if they have not changed again.
    pub(crate) done: Vec<(String, u64)>,
    /// Files that were read, with the records of those that may grow.
    pub(crate) indexed: Vec<(String, Option<Indexed>)>,
}

impl Shared {
    pub(crate) fn new(files: Arc<dyn Files>) -> Shared {
        Shared {
            files,
            scans: Permits::new(SCANS_MAX),
            helpers: Permits::new(HELPERS_MAX),
            texts: Permits::new(TEXTS_MAX),
            state: Mutex::default(),
            news: Condvar::new(),
            stopped: Arc::default(),
        }
    }

    // For queries.

    pub(crate) fn seen(&self) -> Seen {
        let state = self.state();
        Seen {
            view: state.view.clone(),
            waiting: Arc::clone(&state.waiting),
            unreadable: Arc::clone(&state.unreadable),
            indexed: Arc::clone(&state.indexed),
            is_listed: state.is_listed && state.view.is_some(),
            commits: state.commits,
        }
    }

    /// Returns true if `seen` has this version of a file in its view.
    pub(crate) fn is_indexed(&self, seen: &Seen, name: &str, version: u64) -> bool {
        let state = self.state();
        let Some(key) = state.keys.map(|keys| keys.of(name)) else {
            return false;
        };
        version != 0
            && seen.view.is_some()
            && !seen.waiting.contains_key(name)
            && state.known.get(key) == Some(version)
            && state.was_so(key, seen.commits)
    }

    /// Takes the index out of use after a query found it broken.
    pub(crate) fn distrust(&self, error: &StoreError) {
        tracing::warn!(%error, "the index of the contents broke and is built anew");
        let mut state = self.state();
        state.error = Some(error.to_string());
        state.is_distrusted = true;
        state.view = None;
        drop(state);
        self.news.notify_all();
    }

    // For the reporter of changes.

    pub(crate) fn changed(&self, changes: Changes<'_>) {
        let mut state = self.state();
        state.is_told = true;
        match changes {
            Changes::Names(names) if state.waiting.len() + names.len() <= WAITING_MAX => {
                state.wait_for(names.iter().cloned());
            }
            Changes::Names(_) | Changes::Anything => {
                state.is_listed = false;
                state.look = true;
            }
        }
        drop(state);
        self.news.notify_all();
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Nobody misses it who is about to wait.
        drop(self.state());
        self.news.notify_all();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Returns the flag that is set when it is stopped.
    pub(crate) fn ending(&self) -> &Arc<AtomicBool> {
        &self.stopped
    }

    pub(crate) fn status(&self) -> IndexStatus {
        let state = self.state();
        IndexStatus {
            files: state.known.len() as u64,
            waiting: state.waiting.len() as u64,
            unreadable: state.unreadable_files(),
            is_complete: state.is_complete(),
            read: state.read,
            bytes: state.bytes,
            error: state.error.clone(),
            documents: None,
        }
    }

    /// Returns true if all files that can be read are in the index as they are.
    pub(crate) fn is_caught_up(&self) -> bool {
        let state = self.state();
        let is_readable = |name: &String| !state.unreadable.contains_key(name);
        state.view.is_some() && state.is_listed && !state.waiting.keys().any(is_readable)
    }

    // For the indexing thread.

    /// Begins with the index in `store`.
    pub(crate) fn begin(&self, store: &Store) -> Result<(), StoreError> {
        let mut known = Versions::default();
        let keys = store.keys();
        store.visit(&mut |name, version| {
            // Parts of several versions: it is read whole.
            let before = known.insert(keys.of(name), version);
            if before.is_some_and(|before| before != version) {
                known.insert(keys.of(name), 0);
            }
        })?;
        let bytes = store.bytes();
        let mut state = self.state();
        state.known = known;
        state.indexed = Arc::default();
        state.keys = Some(keys);
        state.view = Some(store.view());
        state.bytes = bytes;
        state.is_listed = false;
        state.is_distrusted = false;
        state.look = true;
        Ok(())
    }

    /// Drops the index for the time being.
    pub(crate) fn lose(&self, error: &StoreError) {
        let mut state = self.state();
        state.view = None;
        state.is_listed = false;
        state.is_distrusted = false;
        state.known = Versions::default();
        state.indexed = Arc::default();
        state.error = Some(error.to_string());
    }

    pub(crate) fn is_distrusted(&self) -> bool {
        self.state().is_distrusted
    }

    /// Returns true, once, if all files have to be looked at.
    pub(crate) fn take_look(&self) -> bool {
        std::mem::take(&mut self.state().look)
    }

    pub(crate) fn is_told(&self) -> bool {
        self.state().is_told
    }

    /// Returns the version of a file that is indexed.
    pub(crate) fn known(&self, key: u64) -> Option<u64> {
        self.state().known.get(key)
    }

    /// Returns the keys of files that are indexed and do not pass.
    pub(crate) fn known_without(&self, passes: &dyn Fn(u64) -> bool) -> Vec<u64> {
        let state = self.state();
        let keys = state.known.keys();
        keys.filter(|key| !passes(*key)).collect()
    }

    /// Notes which files were found to be waiting, and whether these are all.
    pub(crate) fn listed(&self, names: Vec<String>, are_all: bool) {
        let mut state = self.state();
        let new: Vec<_> = names
            .into_iter()
            .filter(|name| !state.waiting.contains_key(name))
            .collect();
        state.wait_for(new.into_iter());
        state.is_listed = are_all && !state.look;
    }

    /// Returns some names that wait, behind `after`.
    pub(crate) fn waiting(&self, after: Option<&str>, most: usize) -> Vec<(String, u64)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let state = self.state();
        let from = after.map_or(Unbounded, Excluded);
        let behind = state.waiting.range::<str, _>((from, Unbounded));
        let some = behind.take(most);
        some.map(|(name, change)| (name.clone(), *change)).collect()
    }

    /// Returns true if a name waits.
    pub(crate) fn is_waiting(&self, name: &str) -> bool {
        self.state().waiting.contains_key(name)
    }

    pub(crate) fn count_read(&self) {
        self.state().read += 1;
    }

    pub(crate) fn note(&self, error: String) {
        self.state().error = Some(error);
    }

    /// Notes that a file that waits cannot be read.
    pub(crate) fn unreadable(&self, name: &str, error: String) {
        let mut state = self.state();
        if state.waiting.contains_key(name) {
            Arc::make_mut(&mut state.unreadable).insert(name.to_owned(), error);
        }
    }

    /// Lets queries see the last commit.
    pub(crate) fn committed(&self, store: &Store, batch: Batch) {
        let bytes = store.bytes();
        let mut state = self.state();
        state.view = Some(store.view());
        state.bytes = bytes;
        state.commits += 1;
        state.remember(batch.files.iter().map(|(key, _)| *key).collect());
        for (key, version) in batch.files {
            match version {
                Some(version) => drop(state.known.insert(key, version)),
                None => state.known.remove(key),
            }
        }
        let is_news = batch
            .indexed
            .iter()
            .any(|(name, indexed)| indexed.is_some() || state.indexed.contains_key(name));
        if is_news {
            let all = Arc::make_mut(&mut state.indexed);
            for (name, indexed) in batch.indexed {
                growing::note(all, name, indexed);
            }
        }
        let mut read = Vec::new();
        let waiting = Arc::make_mut(&mut state.waiting);
        for (name, change) in batch.done {
            if waiting.get(&name) == Some(&change) {
                waiting.remove(&name);
            }
            read.push(name);
        }
        if !state.unreadable.is_empty() {
            let unreadable = Arc::make_mut(&mut state.unreadable);
            for name in read {
                unreadable.remove(&name);
            }
        }
    }

    /// Returns the record of the file `name`, if it may grow.
    pub(crate) fn indexed(&self, name: &str) -> Option<Arc<Indexed>> {
        self.state().indexed.get(name).cloned()
    }

    /// Has the file `name` wait to be read.
    pub(crate) fn read_again(&self, name: String) {
        self.state().wait_for(std::iter::once(name));
    }

    /// Returns the number of changes so far.
    pub(crate) fn changes(&self) -> u64 {
        self.state().changes
    }

    /// Waits for news after the change `last`, until `until`.
    pub(crate) fn wait(&self, last: u64, until: Instant) {
        let left = until.saturating_duration_since(Instant::now());
        let nothing_new = |state: &mut State| {
            !self.is_stopped() && !state.look && !state.is_distrusted && state.changes == last
        };
        // Whatever it says, all is looked at again.
        drop(
            self.news
                .wait_timeout_while(self.state(), left, nothing_new),
        );
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wait_for(&mut self, names: impl Iterator<Item = String>) {
        let waiting = Arc::make_mut(&mut self.waiting);
        for name in names {
            self.changes += 1;
            waiting.insert(name, self.changes);
        }
    }

    /// Notes which files the last commit was about.
    fn remember(&mut self, files: HashSet<u64>) {
        self.recent.push_back(files);
        if self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
    }

    /// Returns true if the entry of a file is the same as after so many commits.
    fn was_so(&self, key: u64, commits: u64) -> bool {
        let since = usize::try_from(self.commits - commits).unwrap_or(usize::MAX);
        let mut later = self.recent.iter().rev().take(since);
        since <= self.recent.len() && !later.any(|files| files.contains(&key))
    }

    /// Returns the first files that cannot be read, and why.
    fn unreadable_files(&self) -> Vec<(String, String)> {
        let some = self.unreadable.iter().take(UNREADABLE_TOLD);
        some.map(|(name, error)| (name.clone(), error.clone()))
            .collect()
    }

    fn is_complete(&self) -> bool {
        self.view.is_some() && self.is_listed && self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_does_not_rely_on_a_commit_after_its_start() {
        let mut state = State::default();
        for commit in 1..=2 * RECENT_MAX as u64 {
            state.commits = commit;
            state.remember(HashSet::from([commit]));
        }
        let now = state.commits;
        assert!(state.was_so(now, now) && !state.was_so(now, now - 1));
        assert!(state.was_so(now - 1, now - 1) && !state.was_so(now - 1, now - 2));
        // Of a query that lasts for too long, nothing is sure.
        let long_ago = now - RECENT_MAX as u64;
        assert!(state.was_so(0, long_ago) && !state.was_so(0, long_ago - 1));
        assert_eq!(state.recent.len(), RECENT_MAX);
    }
}
