//! The directories of the share, as they were last listed.

use std::{collections::BTreeMap, ops::Bound, time::SystemTime};

use cap_std::fs::{Metadata, MetadataExt};

use super::stamp::{SETTLED_AFTER, is_past, nanoseconds};

/// The directories, by their names: empty for the share itself, with a `/` at
/// the end for the others.
pub(super) type Folders = BTreeMap<String, Folder>;

/// A directory of the share.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Folder {
    /// Its stamp before it was listed; nothing if it has to be listed again.
    pub(super) stamp: Option<FolderStamp>,
    /// Entries that cannot be shared.
    pub(super) skipped: u64,
    /// The fingerprint of its ignore file; 0 if there was none.
    pub(super) rules: u64,
    /// True if the system reports its changes.
    pub(super) watched: bool,
}

/// The stamp of a directory, which stays the same while nothing appears in it or leaves it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct FolderStamp {
    pub(super) inode: u64,
    /// Nanoseconds since 1970.
    pub(super) modified: i64,
    /// The same, of the last change to the directory as a file.
    pub(super) changed: i64,
}

impl FolderStamp {
    pub(super) fn of(metadata: &Metadata) -> FolderStamp {
        FolderStamp {
            inode: MetadataExt::ino(metadata),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Returns true if a change after `now` would show.
    pub(super) fn is_settled(&self, now: SystemTime) -> bool {
        is_past(self.changed, SETTLED_AFTER, now)
    }
}

/// Returns the directory that follows `name`, if it is in `within`.
pub(super) fn following(folders: &Folders, name: &str, within: &str) -> Option<String> {
    let behind = (Bound::Excluded(name), Bound::Unbounded);
    let (next, _) = folders.range::<str, _>(behind).next()?;
    next.starts_with(within).then(|| next.clone())
}

/// Returns the directories directly in `name`, by the last parts of their names.
pub(super) fn children(folders: &Folders, name: &str) -> Vec<String> {
    let mut children = Vec::new();
    let mut from = (Bound::Excluded(name.to_owned()), Bound::Unbounded);
    while let Some((next, _)) = folders.range::<String, _>(from).next() {
        let Some(below) = next.strip_prefix(name) else {
            break;
        };
        let child = below.split('/').next().unwrap_or(below);
        children.push(child.to_owned());
        // `0` comes behind `/`.
        from = (Bound::Included(format!("{name}{child}0")), Bound::Unbounded);
    }
    children
}

/// Returns the directory `name` and all directories in it.
pub(super) fn in_and_below<'f>(
    folders: &'f mut Folders,
    name: &'f str,
) -> impl Iterator<Item = &'f mut Folder> {
    let below = folders.range_mut::<str, _>((Bound::Included(name), Bound::Unbounded));
    below
        .take_while(move |(below, _)| below.starts_with(name))
        .map(|(_, folder)| folder)
}

/// Removes `name` and all directories in it. Says whether there was one.
pub(super) fn remove_below(folders: &mut Folders, name: &str) -> bool {
    let within = folders.range::<str, _>((Bound::Included(name), Bound::Unbounded));
    let within = within.take_while(|(below, _)| below.starts_with(name));
    let gone: Vec<String> = within.map(|(below, _)| below.clone()).collect();
    for below in &gone {
        folders.remove(below);
    }
    !gone.is_empty()
}
