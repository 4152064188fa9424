//! Looks at the disk: noting the files there.
//!
//! # Invariants
//! - While a look lasts, nobody else changes the catalogue. It has the turn for that; no lock is held across a call to
//!   the disk.
//! - A directory is opened from its parent, part by part; a link is never
//!   followed.
//! - What cannot be read for a moment stays as it was, and is looked at again.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    io,
    ops::Bound,
    sync::{Arc, MutexGuard},
    time::{Duration, SystemTime},
};

use node_base::{clock::now, state::own::FileId};
use node_wire::name::ShareName;

use super::{
    Looked,
    ahead::{AHEAD_MAX, Ahead},
    lister::{FoundDirectory, KnownAs, Lister},
    sweep::Depth,
};
use crate::{
    Catalogue, ShareError,
    catalogue::{Change, ScanTurn, Work},
    folders::{FolderStamp, children, following, in_and_below, remove_below},
    ignoring::{Chain, IGNORE_FILE, Verdict},
    listing::Listed,
    stamp::OnDisk,
    watcher::{Signs, WatchError, Watcher, Watching},
};

/// Files with names outside the share that are looked at together.
const LINKED_TOGETHER: usize = 10_000;

/// Changes that are noted together.
const CHANGES_MAX: usize = 4_096;

/// Times that the names of stale files are looked at in one look. Files that change faster stay stale until the next.
const STALE_ROUNDS: usize = 3;

/// Time for directories that one batch of hints points to; a sweep does the
/// rest.
const HINTED_TIME: Duration = Duration::from_millis(100);

/// A look at the disk.
pub(super) struct Look<'c> {
    catalogue: &'c Catalogue,
    _turn: ScanTurn<'c>,
    watcher: Option<&'c mut (dyn Watcher + 'static)>,
    lister: Lister,
    changes: Vec<Change>,
    /// Files whose changes are among these and not in the view.
    noted: BTreeSet<String>,
    /// The signs of the hints, for the files that are looked at.
    signs: BTreeMap<String, Signs>,
    looked: Looked,
}

impl<'c> Look<'c> {
    pub(super) fn begin(
        catalogue: &'c Catalogue,
        watcher: Option<&'c mut (dyn Watcher + 'static)>,
    ) -> Look<'c> {
        Look {
            _turn: catalogue.scan_turns.take(),
            lister: Lister::new(catalogue.share()),
            catalogue,
            watcher,
            changes: Vec::new(),
            noted: BTreeSet::new(),
            signs: BTreeMap::new(),
            looked: Looked::default(),
        }
    }

    /// Notes the results, and returns the changes.
    pub(super) fn end(mut self) -> Looked {
        self.flush();
        self.stale_names();
        self.looked
    }

    /// Looks at all names of files that were seen with another stamp under one of them.
    fn stale_names(&mut self) {
        for _ in 0..STALE_ROUNDS {
            let stale = self.work().links.take_stale();
            if stale.is_empty() {
                return;
            }
            let unknown = stale.iter().filter_map(|stale| stale.unknown);
            let unknown: BTreeMap<u64, FileId> = unknown.map(|id| (id.1, id)).collect();
            let names = stale.into_iter().flat_map(|stale| stale.names);
            let mut names: BTreeSet<String> = names.collect();
            if !unknown.is_empty() {
                let view = self.catalogue.view();
                let files = view.from("");
                let found = files.filter_map(|file| {
                    let id = unknown.get(&file.meta.stamp.inode)?;
                    Some((file.name(), *id))
                });
                let found: Vec<(String, FileId)> = found.collect();
                let mut work = self.work();
                for (name, id) in found {
                    work.links.suppose(&name, id);
                    names.insert(name);
                }
            }
            for name in names {
                self.again(&name);
            }
            self.flush();
        }
    }

    /// Looks once more at the file `name`.
    fn again(&mut self, name: &str) {
        let Ok(parsed) = ShareName::parse(name) else {
            return;
        };
        match self.catalogue.share().on_disk(&parsed) {
            Ok(file) => self.note(name, Some(&file)),
            Err(ShareError::NotFound(_)) => self.note(name, None),
            // Its directory is looked at again until it can be read.
            Err(error) => tracing::debug!(name, %error, "another name of a file is not looked at"),
        }
    }

    /// Returns the directory that follows `name`, if there is one.
    pub(super) fn following(&self, name: &str) -> Option<String> {
        following(&self.work().folders, name, "")
    }

    /// Locks what is known, for one statement.
    fn work(&self) -> MutexGuard<'c, Work> {
        self.catalogue.work()
    }

    /// Looks at files and directories by their names.
    pub(super) fn names(&mut self, names: &BTreeMap<String, Signs>) {
        let mut hinted = Hinted::default();
        names.clone_into(&mut self.signs);
        for name in names.keys() {
            self.name(name, &mut hinted);
        }
        self.flush();
        for folder in std::mem::take(&mut hinted.again) {
            self.alone(&folder);
        }
        // All of them first: when the time is over, the sweep goes on with what is doubted.
        for folder in &hinted.whole {
            self.doubt(folder);
        }
        let begun = now();
        for folder in &hinted.whole {
            let mut above = folder[..folder.len().saturating_sub(1)].match_indices('/');
            let has_above = above.any(|(at, _)| hinted.whole.contains(&folder[..=at]));
            if has_above || (!folder.is_empty() && hinted.whole.contains("")) {
                continue;
            }
            let mut next = Some(folder.clone());
            while let Some(name) = next {
                if (now() - begun) >= HINTED_TIME {
                    self.looked.is_unfinished = true;
                    return;
                }
                self.folder(&name, Depth::Changed);
                next = following(&self.work().folders, &name, folder);
            }
        }
    }

    /// Has everything in `folder` looked at again.
    fn doubt(&mut self, folder: &str) {
        let mut work = self.work();
        work.folders.entry(folder.to_owned()).or_default();
        for below in in_and_below(&mut work.folders, folder) {
            below.stamp = None;
            below.watched = false;
        }
    }

    fn name(&mut self, name: &str, hinted: &mut Hinted) {
        let (folder, last) = name.split_at(name.rfind('/').map_or(0, |at| at + 1));
        if !self.is_known(folder) {
            // In a directory that is new, or ignored: its parent knows.
            let above = folder.match_indices('/').map(|(at, _)| &folder[..=at]);
            let new = above.into_iter().find(|above| !self.is_known(above));
            if let Some(new) = new.map(|new| new[..new.len() - 1].to_owned())
                && hinted.seen.insert(new.clone())
            {
                self.name(&new, hinted);
            }
            return;
        }
        if last == IGNORE_FILE {
            hinted.whole.insert(folder.to_owned());
            return;
        }
        if let Some(folder) = self.work().folders.get_mut(folder) {
            folder.stamp = None;
        }
        match self.entry(folder, last, name, hinted) {
            Entry::File(file) => {
                self.file(name, &file);
                self.forget_if_there(&format!("{name}/"));
            }
            Entry::Directory => {
                self.note(name, None);
                hinted.whole.insert(format!("{name}/"));
            }
            Entry::None => {
                self.note(name, None);
                self.forget_if_there(&format!("{name}/"));
            }
            Entry::Unclear => {
                hinted.again.insert(folder.to_owned());
            }
        }
    }

    /// Returns what is at `name`, which is `last` in `folder`.
    fn entry(&mut self, folder: &str, last: &str, name: &str, hinted: &mut Hinted) -> Entry {
        if ShareName::parse(name).is_err() {
            return Entry::Unclear;
        }
        if hinted.chain.as_ref().is_none_or(|(of, _)| of != folder) {
            let chain = self.lister.chain(folder);
            hinted.chain = Some((folder.to_owned(), chain));
        }
        let chain = hinted.chain.as_ref().map(|(_, chain)| chain);
        let verdict = |is_directory| {
            chain.map_or(Verdict::Ignored, |chain| chain.verdict(name, is_directory))
        };
        let share = Arc::clone(self.catalogue.share());
        let found = self
            .lister
            .open(folder)
            .and_then(|folder| folder.symlink_metadata(&*share.names.find(folder, last)));
        let own = share.ignoring.own();
        match found {
            // The listing of its directory reports it.
            Ok(found) if own.contains(&OnDisk::from(&found).id()) => Entry::Unclear,
            Ok(found) if found.is_dir() || found.is_file() => match verdict(found.is_dir()) {
                Verdict::Shared if found.is_dir() => Entry::Directory,
                Verdict::Shared => Entry::File(OnDisk::from(&found)),
                Verdict::Ignored | Verdict::LeftBehind => Entry::None,
                // It is counted where it is listed.
                Verdict::Hidden => Entry::Unclear,
            },
            Err(error) if is_gone(&error) => Entry::None,
            // Its directory cannot be entered.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Entry::Unclear,
            _ => Entry::Unclear,
        }
    }

    /// Looks at files that are known.
    pub(super) fn files(&mut self, names: &[String]) {
        let without_signs = |name: &String| (name.clone(), Signs::default());
        self.names(&names.iter().map(without_signs).collect());
    }

    /// Looks at one directory, and leaves those that are new in it to a sweep.
    pub(super) fn alone(&mut self, name: &str) {
        let before = self.work().folders.len();
        self.folder(name, Depth::Files);
        self.looked.is_unfinished |= self.work().folders.len() > before;
    }

    /// Looks at one directory. Those that are new in it follow it in the
    /// folders, without a stamp.
    pub(super) fn folder(&mut self, name: &str, depth: Depth) {
        let known = self.prepare(name, depth);
        let found = self.lister.find(name, known);
        self.found(name, depth, found);
    }

    /// Returns a lister for another thread.
    pub(super) fn another_lister(&self) -> Lister {
        Lister::new(self.catalogue.share())
    }

    /// Looks at one directory as [`Look::folder`] does, and has those that follow listed meanwhile.
    pub(super) fn folder_ahead(&mut self, name: &str, depth: Depth, ahead: &Ahead) {
        let behind = {
            let work = self.work();
            let behind = (Bound::Excluded(name), Bound::Unbounded);
            let behind = work.folders.range::<str, _>(behind).take(AHEAD_MAX);
            let new = behind.filter(|(behind, _)| !ahead.has(behind));
            new.map(|(behind, _)| behind.clone()).collect::<Vec<_>>()
        };
        for next in behind {
            let known = self.prepare(&next, depth);
            ahead.want(&next, known);
        }
        match ahead.take(name, &mut self.lister) {
            Some(found) => self.found(name, depth, found),
            None => self.folder(name, depth),
        }
    }

    /// Has a directory watched before it is listed. Returns by what it is known to be unchanged, if that suffices.
    fn prepare(&mut self, name: &str, depth: Depth) -> KnownAs {
        self.watch(name);
        let work = self.work();
        let known = work.folders.get(name).filter(|_| depth == Depth::Changed)?;
        known.stamp.map(|stamp| (stamp, known.rules))
    }

    /// Notes what was found at the directory `name`.
    fn found(&mut self, name: &str, depth: Depth, found: FoundDirectory) {
        let FoundDirectory {
            before,
            rules,
            stamp,
            listed,
        } = found;
        let stamp = match stamp {
            Ok(stamp) => stamp,
            Err(error) => return self.failed(name, error),
        };
        if !self.has_changed(name, stamp, rules) && depth == Depth::Changed {
            return;
        }
        // A file that is on its way comes or goes, maybe while we are not there.
        let is_at_rest = match listed.unwrap_or_else(|| self.lister.list(name)) {
            Ok(listed) => {
                let is_at_rest = self.remove_leftovers(name, &listed.temporaries);
                self.listed(name, listed);
                self.catalogue.set_unreadable(name, None);
                is_at_rest
            }
            Err(error) => return self.failed(name, error),
        };
        let stamp = (is_at_rest && stamp.is_settled(before)).then_some(stamp);
        let mut work = self.work();
        let folder = work.folders.get_mut(name);
        if let Some(folder) = folder.filter(|folder| folder.stamp != stamp) {
            folder.stamp = stamp;
            work.is_unsaved = true;
        }
        drop(work);
        if self.changes.len() >= CHANGES_MAX {
            self.flush();
        }
    }

    /// Returns whether the directory `name` is not as it was when it was listed. If its ignore file is another, all
    /// below it has to be listed again.
    fn has_changed(&self, name: &str, stamp: FolderStamp, rules: u64) -> bool {
        let mut work = self.work();
        let known = work.folders.entry(name.to_owned()).or_default();
        if known.rules == rules {
            return known.stamp != Some(stamp);
        }
        known.rules = rules;
        for below in in_and_below(&mut work.folders, name) {
            below.stamp = None;
        }
        true
    }

    fn is_known(&self, folder: &str) -> bool {
        self.work().folders.contains_key(folder)
    }

    fn failed(&mut self, name: &str, error: io::Error) {
        if name.is_empty() {
            self.looked.root_failed = Some(error);
        } else if is_gone(&error) {
            self.forget(name);
        } else {
            self.unreadable(name, &error);
        }
    }

    /// Notes that the directory `name` cannot be read now. What was known to be in it
    /// stays known, unless its owner closed it.
    fn unreadable(&mut self, name: &str, error: &io::Error) {
        tracing::debug!(name, %error, "a directory of the share cannot be read");
        if error.kind() == io::ErrorKind::PermissionDenied {
            self.forget(name);
        }
        self.work()
            .folders
            .entry(name.to_owned())
            .or_default()
            .stamp = None;
        self.catalogue.set_unreadable(name, Some(error.to_string()));
    }

    /// Looks again at the directories that could not be read.
    pub(super) fn unreadable_again(&mut self) {
        for (name, _) in self.catalogue.unreadable() {
            if self.is_known(&name) {
                self.alone(&name);
            } else {
                self.catalogue.set_unreadable(&name, None);
            }
        }
    }

    /// Removes the temporaries in the directory `name` that a killed node left
    /// there. Says whether none are left.
    fn remove_leftovers(&self, name: &str, temporaries: &[String]) -> bool {
        let share = self.catalogue.share();
        let is_left = |last: &&String| !share.remove_leftover(&format!("{name}{last}"));
        temporaries.iter().filter(is_left).count() == 0
    }

    /// Notes the entries of the directory `name`.
    fn listed(&mut self, name: &str, listed: Listed) {
        let view = self.catalogue.view();
        let mut before = view.directly_in(name).into_iter().peekable();
        let mut gone = Vec::new();
        let looked_at = now();
        for (last, file) in listed.files {
            while let Some((left, _)) = before.next_if(|(left, _)| *left < last) {
                gone.push(left);
            }
            let known = before.next_if(|(known, _)| *known == last);
            let known = known.map(|(_, known)| known);
            let meta = self.catalogue.share().meta(&file);
            let whole = format!("{name}{last}");
            let meta = {
                let mut work = self.work();
                work.links.note(&whole, Some((&file, meta.stamp)));
                work.young.settle(&whole, known, meta, looked_at)
            };
            if known != Some(meta) {
                self.changes.push((whole, Some(meta)));
            }
        }
        gone.extend(before.map(|(gone, _)| gone));
        for gone in gone {
            let whole = format!("{name}{gone}");
            self.work().links.note(&whole, None);
            self.changes.push((whole, None));
        }
        let gone = {
            let mut work = self.work();
            let mut known: BTreeSet<String> = children(&work.folders, name).into_iter().collect();
            for last in listed.directories {
                if !known.remove(&last) {
                    work.folders.entry(format!("{name}{last}/")).or_default();
                }
            }
            if let Some(folder) = work.folders.get_mut(name) {
                folder.skipped = listed.skipped.len() as u64;
            }
            known
        };
        for gone in gone {
            self.forget(&format!("{name}{gone}/"));
        }
    }

    /// Forgets the directory `name` and all that is in it.
    pub(super) fn forget(&mut self, name: &str) {
        remove_below(&mut self.work().folders, name);
        self.catalogue.forget_unreadable(name);
        let view = self.catalogue.view();
        for file in view.below(name) {
            let name = file.name();
            self.work().links.note(&name, None);
            self.changes.push((name, None));
        }
    }

    /// Has the files below `name` scanned and watched again: something was mounted
    /// there, or is not any more.
    pub(super) fn mounted(&mut self, name: &str) {
        let whole = name.trim_end_matches('/').to_owned();
        if self.is_known(name) {
            self.doubt(name);
        }
        self.names(&BTreeMap::from([(whole, Signs::default())]));
    }

    /// Returns the name of the file system of the directory `name`, if it reports
    /// no changes that others make.
    pub(super) fn silent(&mut self, name: &str, watching: &dyn Watching) -> Option<String> {
        let is_shared = name.is_empty() || self.is_known(name);
        watching.silent(self.lister.open(name).ok().filter(|_| is_shared)?)
    }

    fn forget_if_there(&mut self, name: &str) {
        if self.is_known(name) {
            self.forget(name);
        }
    }

    /// Notes the state of the file `name`, of which a hint may say that it was written.
    fn file(&mut self, name: &str, file: &OnDisk) {
        let signs = self.signs.get(name).copied().unwrap_or_default();
        let share = self.catalogue.share();
        let known = self.catalogue.view().get(name);
        let stamp = share.writes.stamp(file);
        if signs.written && known.is_some_and(|known| known.stamp == stamp) {
            share.writes.note(file, SystemTime::now());
        }
        self.note(name, Some(file));
    }

    /// Looks at files that have names outside the share, behind `after`. Returns the
    /// last one, if there are more.
    pub(super) fn linked_outside(&mut self, after: FileId) -> Option<FileId> {
        let linked = self.work().links.with_names_outside(after, LINKED_TOGETHER);
        let last = linked.last().map(|(id, _)| *id);
        let are_more = linked.len() == LINKED_TOGETHER;
        for (_, name) in linked {
            let file = ShareName::parse(&name)
                .ok()
                .and_then(|name| self.catalogue.share().on_disk(&name).ok());
            if let Some(file) = file {
                self.file(&name, &file);
            }
        }
        last.filter(|_| are_more)
    }

    /// Notes the file at `name`; `None` if there is none.
    fn note(&mut self, name: &str, file: Option<&OnDisk>) {
        let meta = file.map(|file| self.catalogue.meta(name, file));
        let linked = file.zip(meta).map(|(file, meta)| (file, meta.stamp));
        self.work().links.note(name, linked);
        let is_new = self.catalogue.view().get(name) != meta;
        // What was noted a moment ago is not in the view yet, and may be so again.
        if is_new || self.noted.contains(name) {
            self.noted.insert(name.to_owned());
            self.changes.push((name.to_owned(), meta));
        }
    }

    fn flush(&mut self) {
        self.noted.clear();
        let news = self.catalogue.apply(&mut self.changes, &self.signs);
        if !news.is_empty() {
            self.looked.news.push(news);
        }
    }

    /// Watches the directory `name`, if it is not watched.
    fn watch(&mut self, name: &str) {
        let is_watched = self.work().folders.get(name).map(|folder| folder.watched);
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        if is_watched != Some(false) {
            return;
        }
        let share = self.catalogue.share();
        let on_disk = match self.lister.root() {
            Some(root) => share.names.path(root, name),
            None => Cow::Borrowed(name),
        };
        match watcher.watch(&share.path().join(&*on_disk)) {
            Ok(()) => {
                if let Some(folder) = self.work().folders.get_mut(name) {
                    folder.watched = true;
                }
            }
            Err(WatchError::Gone) => {}
            Err(error) => self.looked.unwatched = Some(error),
        }
    }
}

/// The entries that hints point to.
#[derive(Default)]
struct Hinted {
    /// Directories that are looked at with all that is in them.
    whole: BTreeSet<String>,
    /// Directories that are listed again.
    again: BTreeSet<String>,
    /// Directories that were new to us.
    seen: BTreeSet<String>,
    /// The rules of the directory of the file before.
    chain: Option<(String, Chain)>,
}

/// The entry at a name.
enum Entry {
    File(OnDisk),
    Directory,
    /// Nothing that is shared.
    None,
    /// Its directory has to be listed to know.
    Unclear,
}

fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    ) || error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}
