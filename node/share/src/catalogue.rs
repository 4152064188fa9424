//! The catalogue: the files of the share, known without a look at the disk.
//!
//! # Participants
//! [`View`] is all files at one moment, in [`chunk`]s; [`saved`] keeps it from
//! run to run. [`Catalogue`] has the current view and hands it to readers;
//! the keeper of the share makes the next one. Digests, the summary and the handlers
//! [subscribe](Catalogue::subscribe) to its changes.
//!
//! # Invariants
//! - A reader has one view until the end; a new one takes its place in one
//!   step.
//! - Names, sizes and times come from the view. A file that is asked for by its
//!   exact name is looked at on the disk; what is read comes from the disk.
//! - No lock is held across a call to the disk. Who looks and notes has a turn for that ([`ScanTurns`]), which no answer
//!   has to wait for.
//! - Until the directory was looked at once, or a saved view was loaded, the
//!   directory itself is read for every answer: slow, and right.
//! - One million files take about 100 MiB.

mod chunk;
mod marking;
mod saved;
mod turn;
mod view;
mod vocabulary;
mod young;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use node_wire::name::ShareName;
use plugin_api::{FileInfo, Flow};
use tokio::sync::watch;

pub(super) use self::{
    chunk::Meta,
    saved::{Saved, load, remove, save},
    turn::ScanTurn,
    view::{Change, View, Was},
};
use self::{turn::ScanTurns, vocabulary::Vocabulary, young::Young};
use super::{
    Listing, Share, ShareError, Skipped, Stamp,
    folders::Folders,
    ignoring::Verdict,
    info,
    links::Links,
    publisher::{Publisher, Subscription},
    stamp::OnDisk,
    watcher::{Hints, Signs},
};
use node_base::sync::lock;

/// Most directories that cannot be read and are named.
const UNREADABLE_TOLD: usize = 100;

/// The age below which a file is taken for written and not for renamed.
const JUST_WRITTEN: Duration = Duration::from_secs(1);

/// The time that a stored file waits to be noted before it is left to the keeper.
const STORED_WAIT: Duration = Duration::from_millis(500);

/// The time that an answer waits to note a file that was just written.
const ANSWER_WAIT: Duration = Duration::from_millis(50);

/// Most files that left and may come back under another name.
const LOST_MAX: usize = 50_000;

/// The time for which a file that left may come back as a rename.
const LOST_FOR: Duration = Duration::from_secs(10);

/// The files of the share, as they were when they were last looked at.
pub struct Catalogue {
    share: Arc<Share>,
    view: RwLock<Arc<View>>,
    /// The turn to change the view, and to look at the disk before.
    pub(super) scan_turns: ScanTurns,
    work: Mutex<Work>,
    /// The hints for the keeper about files that could not be noted in time.
    hints: Mutex<Arc<Hints>>,
    complete: watch::Sender<bool>,
    /// Set while removals are not trusted, because the directory was away or replaced.
    doubtful: AtomicBool,
    /// Set while the view is the saved one, and nobody has looked at what changed since.
    unconfirmed: AtomicBool,
    /// Directories that cannot be read now, and why.
    unreadable: Mutex<BTreeMap<String, String>>,
    /// Made of `view`, and updated with each change after it.
    vocabulary: Mutex<Vocabulary>,
    changes: Publisher<ChangeSet>,
    _stored: Subscription<Vec<ShareName>>,
}

/// The state beside the view.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) folders: Folders,
    /// Files whose next change may not show.
    pub(super) young: Young,
    /// Files with several names.
    pub(super) links: Links,
    /// True if there is something to save.
    pub(super) is_unsaved: bool,
    /// Files that left, by their numbers on the disk.
    lost: BTreeMap<u64, (String, Stamp)>,
    lost_since: Option<Instant>,
}

/// A set of changes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ChangeSet {
    /// Files that appeared.
    pub added: Vec<String>,
    /// Files that may have other bytes.
    pub changed: Vec<String>,
    /// Files that are gone.
    pub removed: Vec<String>,
    /// Files that only have another name. Both names are in the other lists as
    /// well.
    pub moved: Vec<Moved>,
    /// True if there is more than these lists say: the first scan is over.
    pub everything: bool,
}

/// A file that only has another name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Moved {
    /// The name that it had.
    pub from: String,
    /// The name that it has.
    pub to: String,
    /// Its stamp under the old name.
    pub was: Stamp,
    /// Its stamp under the new name: the new name itself may be a change.
    pub is: Stamp,
}

impl Catalogue {
    /// Creates a catalogue of `share` that knows nothing yet.
    #[must_use]
    pub fn new(share: &Arc<Share>) -> Arc<Catalogue> {
        Arc::new_cyclic(|catalogue: &Weak<Catalogue>| {
            let noting = Weak::clone(catalogue);
            let stored = share.storing.placed.subscribe(move |names| {
                if let Some(catalogue) = noting.upgrade() {
                    catalogue.note_stored(names);
                }
            });
            Catalogue {
                share: Arc::clone(share),
                view: RwLock::default(),
                scan_turns: ScanTurns::default(),
                work: Mutex::default(),
                hints: Mutex::default(),
                complete: watch::Sender::new(false),
                doubtful: AtomicBool::new(false),
                unconfirmed: AtomicBool::new(false),
                unreadable: Mutex::default(),
                vocabulary: Mutex::default(),
                changes: Publisher::default(),
                _stored: stored,
            }
        })
    }

    /// Has `listener` called with each change from now on, soon after it. It takes no longer than a few statements.
    pub fn subscribe(
        &self,
        listener: impl Fn(&ChangeSet) + Send + Sync + 'static,
    ) -> Subscription<ChangeSet> {
        self.changes.subscribe(listener)
    }

    /// Looks at everything once.
    #[cfg(test)]
    pub(super) fn read_all(self: &Arc<Self>) {
        super::Keeper::without_state(Arc::clone(self)).look_once();
    }

    /// Returns the number of files that are known.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.view().len() as u64
    }

    /// Returns true if the directory was scanned once, now or before the start.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        *self.complete.borrow()
    }

    /// Waits until it is complete.
    pub async fn completed(&self) {
        // The sender lives as long as this.
        let _ = self
            .complete
            .subscribe()
            .wait_for(|complete| *complete)
            .await;
    }

    /// Returns the shared directory.
    #[must_use]
    pub fn share(&self) -> &Arc<Share> {
        &self.share
    }

    /// Calls `visit` with each file behind the name `after`, in order of the
    /// names, until it stops.
    ///
    /// # Errors
    /// Errors if the directory has to be read and cannot be.
    pub fn visit_after(
        &self,
        after: Option<&str>,
        visit: &mut dyn FnMut(&FileInfo) -> Flow,
    ) -> io::Result<Listing> {
        if !self.is_complete() {
            return self.share.visit(&mut |file| {
                if after.is_some_and(|after| file.name.as_str() <= after) {
                    return Flow::Continue;
                }
                visit(file)
            });
        }
        let view = self.view();
        let mut info = empty();
        for file in view.from(after.unwrap_or_default()) {
            view::describe(&file, &mut info);
            if after != Some(info.name.as_str()) && visit(&info) == Flow::Stop {
                break;
            }
        }
        Ok(Listing {
            skipped: self.skipped(),
        })
    }

    /// Calls `visit` with each file whose name begins with `prefix` and, in
    /// lower case, has one of `texts` in it, until it stops; with no texts, with
    /// all that begin so.
    pub fn search(
        &self,
        prefix: &str,
        texts: &[String],
        visit: &mut dyn FnMut(&FileInfo) -> Flow,
    ) -> io::Result<()> {
        if !self.is_complete() {
            return self.search_directory(prefix, texts, visit);
        }
        let mut info = empty();
        self.view().search(prefix, texts, &mut |file| {
            view::describe(&file, &mut info);
            visit(&info)
        });
        Ok(())
    }

    /// Calls `visit` with each word of the names of which `word` is a misspelling, and
    /// says whether the words are known. Makes the vocabulary when it is first called.
    /// Blocks.
    pub(crate) fn near_words(
        &self,
        word: &str,
        wrong: u8,
        visit: &mut dyn FnMut(&str) -> Flow,
    ) -> bool {
        if !self.is_complete() {
            return false;
        }
        let mut found = Vec::new();
        let is_known = self.vocabulary().near(word, wrong, &mut |near| {
            found.push(near.to_owned());
            Flow::Continue
        });
        for near in found {
            if visit(&near) == Flow::Stop {
                break;
            }
        }
        is_known
    }

    /// Calls `visit` with each word that is not ASCII and has `text` in it, folded, and says
    /// whether the words are known.
    pub(crate) fn folded_words(&self, text: &str, visit: &mut dyn FnMut(&str) -> Flow) -> bool {
        let is_known = self.is_complete();
        if is_known {
            self.view().folded_words(text, visit);
        }
        is_known
    }

    fn vocabulary(&self) -> MutexGuard<'_, Vocabulary> {
        let mut vocabulary = lock(&self.vocabulary);
        vocabulary.make(&self.view());
        vocabulary
    }

    /// Calls `visit` with each file that has one of these words in its name, in lower
    /// case, and maybe others, until it stops.
    pub(crate) fn with_words(
        &self,
        words: &[String],
        visit: &mut dyn FnMut(&FileInfo) -> Flow,
    ) -> io::Result<()> {
        if words.is_empty() {
            return Ok(());
        }
        if !self.is_complete() {
            return self.search_directory("", words, visit);
        }
        let mut info = empty();
        self.view().with_words(words, &mut |file| {
            view::describe(&file, &mut info);
            visit(&info)
        });
        Ok(())
    }

    /// Searches without a view.
    fn search_directory(
        &self,
        prefix: &str,
        texts: &[String],
        visit: &mut dyn FnMut(&FileInfo) -> Flow,
    ) -> io::Result<()> {
        self.share.visit(&mut |file| {
            let lower = file.name.to_lowercase();
            let has = texts.is_empty() || texts.iter().any(|text| lower.contains(text.as_str()));
            if has && file.name.starts_with(prefix) {
                visit(file)
            } else {
                Flow::Continue
            }
        })?;
        Ok(())
    }

    /// Returns at most `most` files behind the name `after`, with their stamps, for
    /// callers that look at all of them bit by bit.
    pub(super) fn stamps_after(&self, after: &str, most: usize) -> Vec<(String, Stamp)> {
        let view = self.view();
        let files = view.from(after).take(most + 1);
        let files = files.map(|file| (file.name(), file.meta.stamp));
        let mut files: Vec<_> = files.collect();
        files.retain(|(name, _)| name != after);
        files.truncate(most);
        files
    }

    /// Returns true if a file that is not in the view is gone for good, as far as one can tell.
    pub(super) fn is_sure(&self) -> bool {
        self.is_complete() && !self.doubtful.load(Ordering::Acquire)
    }

    /// Notes that the directory is away or another one.
    pub(super) fn doubt(&self) {
        self.doubtful.store(true, Ordering::Release);
    }

    pub(super) fn view(&self) -> Arc<View> {
        let view = self.view.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&view)
    }

    /// Returns the entries of the directory that are not shared because of their name or
    /// kind, directory by directory: not more than `limit`, and those behind the
    /// one named `after`. Says whether there is more. Blocks.
    ///
    /// # Errors
    /// Errors if the shared directory is not there.
    pub fn skipped_after(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> io::Result<(Vec<Skipped>, bool)> {
        let root = self.share.directory()?;
        let begin = after.map(|after| (folder_of(after).to_owned(), after.to_owned()));
        let begin = begin.unwrap_or_default();
        let folders: Vec<String> = {
            let work = self.work();
            let folders = work.folders.range(begin.0.clone()..);
            let some = folders.filter(|(_, folder)| folder.skipped > 0);
            some.map(|(name, _)| name.clone()).collect()
        };
        let mut skipped = Vec::new();
        for folder in folders {
            // One that vanished meanwhile has nothing in it.
            let Ok(listed) = self.share.list(&root, &folder) else {
                continue;
            };
            let behind = |entry: &Skipped| (&folder, &entry.name) > (&begin.0, &begin.1);
            skipped.extend(listed.skipped.into_iter().filter(behind));
            if skipped.len() > limit {
                skipped.truncate(limit);
                return Ok((skipped, true));
            }
        }
        Ok((skipped, false))
    }

    /// Returns how many entries of the directory are not shared because of their
    /// name or kind.
    pub fn skipped(&self) -> u64 {
        let work = self.work();
        work.folders.values().map(|folder| folder.skipped).sum()
    }

    /// Returns the directories that cannot be read now, and why: the first ones.
    #[must_use]
    pub fn unreadable(&self) -> Vec<(String, String)> {
        let unreadable = lock(&self.unreadable);
        let some = unreadable.iter().take(UNREADABLE_TOLD);
        some.map(|(name, why)| (name.clone(), why.clone()))
            .collect()
    }

    /// Notes whether the directory `name` can be read.
    pub(super) fn set_unreadable(&self, name: &str, why: Option<String>) {
        let mut unreadable = lock(&self.unreadable);
        match why {
            Some(why) => unreadable.insert(name.to_owned(), why),
            None if unreadable.is_empty() => None,
            None => unreadable.remove(name),
        };
    }

    /// Forgets the directories in `name` that cannot be read.
    pub(super) fn forget_unreadable(&self, name: &str) {
        lock(&self.unreadable).retain(|below, _| !below.starts_with(name));
    }

    /// Locks what is known beside the view, for a few statements.
    pub(super) fn work(&self) -> MutexGuard<'_, Work> {
        lock(&self.work)
    }

    /// Has files that cannot be noted in time looked at by the keeper that takes `hints`.
    pub(super) fn hint_at(&self, hints: &Arc<Hints>) {
        *lock(&self.hints) = Arc::clone(hints);
    }

    fn set_complete(&self) {
        self.complete
            .send_if_modified(|complete| !std::mem::replace(complete, true));
    }

    /// Notes that all directories were looked at.
    pub(super) fn confirm(&self) {
        self.unconfirmed.store(false, Ordering::Release);
        self.set_complete();
    }

    /// Returns whether files may have come and gone since the view was saved.
    pub(super) fn is_unconfirmed(&self) -> bool {
        self.unconfirmed.load(Ordering::Acquire)
    }

    /// Begins with the saved view.
    pub(super) fn begin_with(&self, saved: Saved) {
        self.unconfirmed.store(true, Ordering::Release);
        self.work().folders = saved.folders;
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = saved.view;
        self.set_complete();
    }

    /// Makes the view after `changes` the view of now, and says what is new. Files
    /// have only another name if their stamp is the same, or `signs` say so. The caller has the turn.
    pub(super) fn apply(
        &self,
        changes: &mut Vec<Change>,
        signs: &BTreeMap<String, Signs>,
    ) -> ChangeSet {
        if changes.is_empty() {
            return ChangeSet::default();
        }
        changes.sort_by(|a, b| a.0.cmp(&b.0));
        // Of two looks at one file the later one holds.
        changes.reverse();
        changes.dedup_by(|a, b| a.0 == b.0);
        changes.reverse();
        let tells = self.is_complete() || lock(&self.vocabulary).is_made();
        let (view, was) = self.view().after(changes, tells);
        changes.clear();
        let count = view.len();
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
        lock(&self.vocabulary).changed(&was, count);
        let mut work = self.work();
        work.is_unsaved = true;
        if self.is_complete() {
            work.news(was, signs)
        } else {
            ChangeSet::default()
        }
    }

    /// Reports the changes.
    pub(super) fn spread(&self, news: &ChangeSet) {
        if !news.is_empty() {
            self.changes.publish(news);
        }
    }

    /// Notes files that this node stored. Those of a directory come one after the other.
    fn note_stored(&self, names: &[ShareName]) {
        let Ok(directory) = self.share.directory() else {
            return;
        };
        let (mut folder, mut chain) = (None, None);
        let mut shared = Vec::with_capacity(names.len());
        for name in names {
            let at = name.as_str().rfind('/').map_or(0, |at| at + 1);
            let of = &name.as_str()[..at];
            if folder != Some(of) {
                folder = Some(of);
                chain = self.share.ignoring.shared_chain(&directory, of);
            }
            let mut chain = chain.iter();
            if chain.any(|chain| chain.verdict(name.as_str(), false) == Verdict::Shared) {
                shared.push(name);
            } else {
                tracing::info!(%name, "a file was stored that is not shared: its name is ignored");
            }
        }
        self.note_with(&shared, STORED_WAIT, |name| {
            self.share.on_disk_in(&directory, name)
        });
    }

    /// Looks at a file and reports it.
    fn note(&self, name: &ShareName, wait: Duration) {
        self.note_with(&[name], wait, |name| self.share.on_disk(name));
    }

    /// Looks at files and tells of them. If others look for longer than `wait`, the keeper does it later.
    fn note_with(
        &self,
        names: &[&ShareName],
        wait: Duration,
        look: impl Fn(&ShareName) -> Result<OnDisk, ShareError>,
    ) {
        let Some(turn) = self.scan_turns.take_within(wait) else {
            for name in names {
                self.look_soon(name.as_str());
            }
            return;
        };
        let look_at = |name: &&ShareName| {
            let file = look(name).ok();
            // The keeper looks at the other names of a file.
            let has_other_names = file.is_some_and(|file| file.links > 1);
            if has_other_names || self.work().links.has(name.as_str()) {
                self.look_soon(name.as_str());
            }
            let meta = file.map(|file| self.meta(name.as_str(), &file));
            (name.as_str().to_owned(), meta)
        };
        let mut changes = names.iter().map(look_at).collect();
        let news = self.apply(&mut changes, &BTreeMap::new());
        drop(turn);
        self.spread(&news);
    }

    /// Has the keeper look at the file `name` soon. Does not block.
    pub(super) fn look_soon(&self, name: &str) {
        let hints = Arc::clone(&lock(&self.hints));
        hints.name(name);
    }

    /// Has everybody read the file `name` again: bytes of it are not what they were,
    /// although nothing shows it. Blocks.
    pub(super) fn read_again(&self, name: &ShareName) {
        tracing::info!(%name, "a file has other bytes than it had, and is read again");
        if self.share.note_write(name).is_ok() {
            self.note(name, ANSWER_WAIT);
        }
    }

    /// Returns what the file `name` is, of which `file` is known now.
    pub(super) fn meta(&self, name: &str, file: &OnDisk) -> Meta {
        let meta = self.share.meta(file);
        let known = self.view().get(name);
        let now = node_base::clock::now();
        self.work().young.settle(name, known, meta, now)
    }

    /// Returns whether the next change to the file `name` shows in another stamp
    /// than this one, as far as is known.
    pub(super) fn is_settled(&self, name: &ShareName, stamp: Stamp) -> bool {
        let known = self.view().get(name.as_str());
        known.is_some_and(|known| known.settled && known.stamp == stamp)
    }

    /// Returns the file `name`, as it was when it was last looked at. Blocks if nothing
    /// was looked at yet.
    pub(crate) fn get(&self, name: &str) -> Result<Option<FileInfo>, ShareError> {
        if !self.is_complete() {
            return self.look_up(name);
        }
        let meta = self.view().get(name);
        Ok(meta.map(|meta| info(name.to_owned(), meta)))
    }

    /// Returns the file `name`, as it is on the disk. If it was written a moment ago, the
    /// catalogue has it from now on; one that only has another name may be known
    /// under the old one, which has to be missed first. Blocks.
    ///
    /// # Errors
    /// [`ShareError`] when the disk does not say.
    pub fn look_up(&self, name: &str) -> Result<Option<FileInfo>, ShareError> {
        let Ok(name) = ShareName::parse(name) else {
            return Ok(None);
        };
        let known = self.view().get(name.as_str());
        let meta = match self.share.on_disk(&name) {
            Ok(file) => Some(self.share.meta(&file)),
            Err(ShareError::NotFound(_)) => None,
            Err(error) => return Err(error),
        };
        // What was looked at before may be settled although the clock does not show it.
        let meta = match (meta, known) {
            (Some(meta), Some(known)) if known.stamp == meta.stamp => Some(Meta {
                settled: known.settled || meta.settled,
                ..meta
            }),
            (Some(meta), _) => {
                if self.is_sure() && was_just_written(meta) {
                    self.note(&name, ANSWER_WAIT);
                } else {
                    self.look_soon(name.as_str());
                }
                Some(meta)
            }
            (None, Some(_)) => {
                self.look_soon(name.as_str());
                None
            }
            (None, None) => None,
        };
        Ok(meta.map(|meta| info(name.as_str().to_owned(), meta)))
    }
}

/// Returns true if the file was changed less than [`JUST_WRITTEN`] ago.
fn was_just_written(meta: Meta) -> bool {
    let modified = meta.stamp.modified();
    modified.is_some_and(|modified| modified.elapsed().is_ok_and(|since| since < JUST_WRITTEN))
}

impl Work {
    /// Returns the changes, with files that only have another name as moves.
    fn news(&mut self, was: Vec<(String, Was)>, signs: &BTreeMap<String, Signs>) -> ChangeSet {
        let now = node_base::clock::now();
        if self.lost_since.is_some_and(|since| now >= since + LOST_FOR) {
            self.lost.clear();
        }
        let mut news = ChangeSet::default();
        let mut found = Vec::new();
        // A write under one name of a file is one under all.
        let is_written = |name: &String| signs.get(name).is_some_and(|signs| signs.written);
        let written: BTreeSet<u64> = was
            .iter()
            .filter(|(name, _)| is_written(name))
            .map(|(_, was)| was.inode())
            .collect();
        for (name, was) in was {
            let (list, left, came) = match was {
                Was::Added(meta) => (&mut news.added, None, Some(meta)),
                Was::Changed { before, now } if before.stamp.inode != now.stamp.inode => {
                    (&mut news.changed, Some(before), Some(now))
                }
                Was::Changed { .. } => (&mut news.changed, None, None),
                Was::Removed(meta) => (&mut news.removed, Some(meta), None),
            };
            let signs = signs.get(&name).copied().unwrap_or_default();
            if let Some(meta) = left
                && self.lost.len() < LOST_MAX
                && !signs.written
                && !written.contains(&meta.stamp.inode)
            {
                let Meta { stamp, .. } = meta;
                self.lost.insert(stamp.inode, (name.clone(), stamp));
                self.lost_since = Some(now);
            }
            found.extend(came.map(|meta| (name.clone(), meta.stamp, signs)));
            list.push(name);
        }
        for (name, stamp, signs) in found {
            let is_renamed = signs.renamed && !written.contains(&stamp.inode);
            if let Some((old, before)) = self.lost.get(&stamp.inode)
                && (*before == stamp || is_renamed && before.is_renamed(&stamp))
            {
                news.moved.push(Moved {
                    from: old.clone(),
                    to: name,
                    was: *before,
                    is: stamp,
                });
                self.lost.remove(&stamp.inode);
            }
        }
        news
    }
}

impl ChangeSet {
    /// Returns the number of files that it is about.
    #[must_use]
    pub fn count(&self) -> usize {
        self.added.len() + self.changed.len() + self.removed.len()
    }

    /// Returns true if there is no change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count() == 0 && !self.everything
    }

    /// Returns the names of all files that it is about.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.added.iter().chain(&self.changed).chain(&self.removed)
    }
}

fn empty() -> FileInfo {
    FileInfo {
        name: String::new(),
        size: 0,
        modified: None,
        version: 0,
    }
}

impl std::fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Catalogue")
            .field("files", &self.count())
            .field("complete", &self.is_complete())
            .finish_non_exhaustive()
    }
}

/// Returns the directory of `name`, which may be a directory itself.
fn folder_of(name: &str) -> &str {
    let whole = name.strip_suffix('/').unwrap_or(name);
    &name[..whole.rfind('/').map_or(0, |at| at + 1)]
}

#[cfg(test)]
mod tests;
