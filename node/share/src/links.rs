//! Files that have several names on their disk.
//!
//! # Invariants
//! - A change that is seen under one name is looked at under all names in the share.
//! - Files with names outside the share are looked at from time to time: nobody tells
//!   of a change there.
//! - At most [`LINKS_MAX`] names are known.

use std::collections::{BTreeMap, BTreeSet};

use super::stamp::OnDisk;
use node_base::state::own::FileId;

/// Most names that are known.
const LINKS_MAX: usize = 100_000;

/// Files with several names.
#[derive(Debug, Default)]
pub(super) struct Links {
    files: BTreeMap<FileId, Linked>,
    names: BTreeMap<String, FileId>,
    /// True if there are more than are known.
    are_more: bool,
}

#[derive(Debug, Default)]
struct Linked {
    /// The names in the share.
    here: BTreeSet<String>,
    /// Number of all names.
    all: u64,
}

impl Links {
    /// Notes the state of the file `name`, if it is there.
    pub(super) fn note(&mut self, name: &str, file: Option<&OnDisk>) {
        let id = file.filter(|file| file.links > 1).map(OnDisk::id);
        if let Some(before) = self.names.get(name).copied()
            && Some(before) != id
        {
            self.forget(name, before);
        }
        let (Some(id), Some(file)) = (id, file) else {
            return;
        };
        if self.names.len() >= LINKS_MAX && !self.names.contains_key(name) {
            self.are_more = true;
            return;
        }
        self.names.insert(name.to_owned(), id);
        let linked = self.files.entry(id).or_default();
        linked.here.insert(name.to_owned());
        linked.all = file.links;
    }

    fn forget(&mut self, name: &str, id: FileId) {
        self.names.remove(name);
        if let Some(linked) = self.files.get_mut(&id) {
            linked.here.remove(name);
            if linked.here.is_empty() {
                self.files.remove(&id);
            }
        }
    }

    /// Returns the other names that the file `name` has in the share.
    pub(super) fn others(&self, name: &str) -> Vec<String> {
        let linked = self.names.get(name).and_then(|id| self.files.get(id));
        let here = linked.into_iter().flat_map(|linked| &linked.here);
        here.filter(|other| *other != name).cloned().collect()
    }

    /// Returns whether the file `name` has names that are not known, in the share or
    /// outside.
    pub(super) fn has_unknown_names(&self, name: &str) -> bool {
        let linked = self.names.get(name).and_then(|id| self.files.get(id));
        linked.is_some_and(|linked| (linked.here.len() as u64) < linked.all)
    }

    /// Returns one name each of at most `most` files that have names outside the share,
    /// and those behind `after` first.
    pub(super) fn with_names_outside(&self, after: FileId, most: usize) -> Vec<(FileId, String)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let behind = self.files.range((Excluded(after), Unbounded));
        let outside = behind.filter(|(_, linked)| (linked.here.len() as u64) < linked.all);
        let named = outside.filter_map(|(id, linked)| Some((*id, linked.here.first()?.clone())));
        named.take(most).collect()
    }

    /// Returns whether there are files with several names that are not known.
    pub(super) fn are_more(&self) -> bool {
        self.are_more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(inode: u64, links: u64) -> OnDisk {
        crate::stamp::tests::linked(inode, links)
    }

    #[test]
    fn names_of_one_file_are_known_together() {
        let mut links = Links::default();
        for name in ["a", "b", "c"] {
            links.note(name, Some(&file(1, 3)));
        }
        links.note("single", Some(&file(2, 1)));
        assert_eq!(links.others("a"), ["b", "c"]);
        assert!(links.others("single").is_empty());
        assert!(links.with_names_outside((0, 0), 9).is_empty());
        links.note("b", Some(&file(2, 1)));
        assert_eq!(links.others("a"), ["c"]);
        links.note("c", None);
        assert!(links.others("a").is_empty());
        let outside = links.with_names_outside((0, 0), 9);
        assert_eq!(outside.len(), 1);
        assert_eq!(outside[0].1, "a");
        assert!(links.with_names_outside(outside[0].0, 9).is_empty());
    }

    #[test]
    fn more_names_than_are_known_are_noted_as_such() {
        let mut links = Links::default();
        for number in 0..LINKS_MAX {
            links.note(&number.to_string(), Some(&file(1, 2)));
        }
        assert!(!links.are_more());
        links.note("more", Some(&file(2, 2)));
        assert!(links.are_more() && links.others("more").is_empty());
    }
}
