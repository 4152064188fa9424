//! Files that have several names on their disk.
//!
//! A change is reported under the name that it was made through, and not under the others: a write, a
//! new name or a removed one changes the stamp of the file under all of them.
//!
//! # Invariants
//! - All known names of a file were last seen with the stamp of the file. If one was seen with another
//!   stamp, or has another file now, the file is stale until all its names were looked at again.
//! - A file stays stale until [`Links::take_stale`] hands it out. What is seen then may make it stale again.
//! - Files with names outside the share are looked at from time to time: nobody tells
//!   of a change there.
//! - At most [`LINKS_MAX`] names are known.

use std::collections::{BTreeMap, BTreeSet};

use super::stamp::{OnDisk, Stamp};
use node_base::state::own::FileId;

/// Most names that are known.
const LINKS_MAX: usize = 100_000;

/// Files with several names.
#[derive(Debug, Default)]
pub(super) struct Links {
    files: BTreeMap<FileId, Linked>,
    names: BTreeMap<String, FileId>,
    /// Files some of whose names may have been seen with an old stamp.
    stale: BTreeSet<FileId>,
    /// True if there are more than are known.
    are_more: bool,
}

#[derive(Debug)]
struct Linked {
    /// The names in the share.
    here: BTreeSet<String>,
    /// Number of all names.
    all: u64,
    /// The stamp under all names in the share, unless the file is stale.
    stamp: Stamp,
    /// The number of all names when the share was last searched for names that are not known.
    searched: u64,
}

/// The names of a stale file, which are to be looked at.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct StaleNames {
    /// The known names.
    pub(super) names: Vec<String>,
    /// The file, if others of the share with its number on a disk may be names of it that are not known.
    pub(super) unknown: Option<FileId>,
}

impl Links {
    /// Notes which file has the name `name`, and its stamp; `None` if no file has it.
    pub(super) fn note(&mut self, name: &str, file: Option<(&OnDisk, Stamp)>) {
        let id = file
            .filter(|(file, _)| file.links > 1)
            .map(|(file, _)| file.id());
        if let Some(before) = self.names.get(name).copied()
            && Some(before) != id
        {
            self.forget(name, before);
        }
        let (Some(id), Some((file, stamp))) = (id, file) else {
            self.note_single(file.map(|(file, _)| file.id()));
            return;
        };
        if self.names.len() >= LINKS_MAX && !self.names.contains_key(name) {
            self.are_more = true;
            return;
        }
        self.names.insert(name.to_owned(), id);
        let linked = self.files.entry(id).or_insert_with(|| Linked {
            here: BTreeSet::new(),
            all: file.links,
            stamp,
            searched: 0,
        });
        linked.here.insert(name.to_owned());
        linked.all = file.links;
        let is_other = std::mem::replace(&mut linked.stamp, stamp) != stamp;
        if is_other || linked.is_to_be_searched() {
            self.stale.insert(id);
        }
    }

    /// Notes that a file has one name only, which is not among the known ones: those are gone, and it may get others.
    fn note_single(&mut self, id: Option<FileId>) {
        if let Some(id) = id
            && let Some(linked) = self.files.get_mut(&id)
        {
            linked.searched = 0;
            self.stale.insert(id);
        }
    }

    /// Notes that the file `id` had the name `name` when the share was searched for its names. If another file, or none,
    /// has the name when it is looked at, the other names are stale.
    pub(super) fn suppose(&mut self, name: &str, id: FileId) {
        if self.names.contains_key(name) || self.names.len() >= LINKS_MAX {
            return;
        }
        if let Some(linked) = self.files.get_mut(&id) {
            linked.here.insert(name.to_owned());
            self.names.insert(name.to_owned(), id);
        }
    }

    /// Forgets that the file `id` has the name `name`. Its other names have another stamp now.
    fn forget(&mut self, name: &str, id: FileId) {
        self.names.remove(name);
        if let Some(linked) = self.files.get_mut(&id) {
            linked.here.remove(name);
            if linked.here.is_empty() {
                // It may have names that are not known, and that nobody has looked for.
                linked.searched = 0;
            }
            self.stale.insert(id);
        }
    }

    /// Returns whether the file `name` had several names when it was noted.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// Returns whether there are stale files.
    pub(super) fn are_stale(&self) -> bool {
        !self.stale.is_empty()
    }

    /// Takes the stale files, whose names are looked at and [noted](Links::note) then.
    pub(super) fn take_stale(&mut self) -> Vec<StaleNames> {
        let stale = std::mem::take(&mut self.stale);
        let names_of = |id: FileId| {
            let linked = self.files.get_mut(&id)?;
            let unknown = linked.is_to_be_searched().then_some(id);
            if unknown.is_some() {
                linked.searched = linked.all;
            }
            let names: Vec<String> = linked.here.iter().cloned().collect();
            if names.is_empty() {
                self.files.remove(&id);
            }
            Some(StaleNames { names, unknown })
        };
        stale.into_iter().filter_map(names_of).collect()
    }

    /// Returns one name each of at most `most` files that have names outside the share,
    /// and those behind `after` first.
    pub(super) fn with_names_outside(&self, after: FileId, most: usize) -> Vec<(FileId, String)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let behind = self.files.range((Excluded(after), Unbounded));
        let outside = behind.filter(|(_, linked)| linked.has_unknown_names());
        let named = outside.filter_map(|(id, linked)| Some((*id, linked.here.first()?.clone())));
        named.take(most).collect()
    }

    /// Returns whether there are files with several names that are not known.
    pub(super) fn are_more(&self) -> bool {
        self.are_more
    }
}

impl Linked {
    /// Returns whether the file has names that are not known, in the share or outside.
    fn has_unknown_names(&self) -> bool {
        (self.here.len() as u64) < self.all
    }

    /// Returns whether the share may have names of the file that are not known: it had fewer names when its names
    /// were last searched for.
    fn is_to_be_searched(&self) -> bool {
        self.has_unknown_names() && self.searched != self.all
    }
}

#[cfg(test)]
mod tests;
