//! The files of a state directory, whatever other names they have.
//!
//! A mount, or a hard link, gives a file or a directory another name, which no path shows. So they are recognised by
//! device and inode.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use super::StateDir;
use crate::sync::lock;

/// A file or directory of this machine, whatever its name: its device and its inode.
pub type FileId = (u64, u64);

/// Time after which a change of the directory shows in its time.
const SETTLED_AFTER: Duration = Duration::from_millis(100);

/// The files of a state directory, by their ids.
#[derive(Debug)]
pub struct OwnFiles {
    directory: PathBuf,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// The time of the last change of the directory when it was read; nothing if a later one may not show.
    changed: Option<SystemTime>,
    ids: Arc<BTreeSet<FileId>>,
}

impl OwnFiles {
    /// Recognises the files of `state`.
    #[must_use]
    pub fn of(state: &StateDir) -> OwnFiles {
        OwnFiles {
            directory: state.path().to_owned(),
            known: Mutex::default(),
        }
    }

    /// Returns the ids of the directory, and of what is in it now. Blocks.
    #[must_use]
    pub fn ids(&self) -> Arc<BTreeSet<FileId>> {
        let changed = fs::metadata(&self.directory).and_then(|directory| directory.modified());
        let changed = changed.ok();
        let mut known = lock(&self.known);
        if changed.is_none() || known.changed != changed {
            // What cannot be read now was perhaps read before.
            if let Ok(ids) = ids_in(&self.directory) {
                known.ids = Arc::new(ids);
            }
            let now = SystemTime::now();
            let is_settled = |changed: &SystemTime| *changed + SETTLED_AFTER < now;
            known.changed = changed.filter(is_settled);
        }
        Arc::clone(&known.ids)
    }
}

/// Returns the ids of a directory and of what is in it.
fn ids_in(directory: &Path) -> io::Result<BTreeSet<FileId>> {
    let mut ids = BTreeSet::from([id(&fs::metadata(directory)?)]);
    for entry in fs::read_dir(directory)? {
        // What vanishes meanwhile is nobody's.
        ids.extend(entry?.metadata().map(|entry| id(&entry)));
    }
    Ok(ids)
}

fn id(metadata: &fs::Metadata) -> FileId {
    (metadata.dev(), metadata.ino())
}

/// Returns true if `path` is `directory` or lies in it, by whatever names both have. What of `path` is not there does not
/// count. Blocks.
#[must_use]
pub fn lies_in(path: &Path, directory: &Path) -> bool {
    let Ok(there) = fs::metadata(directory).map(|directory| id(&directory)) else {
        return false;
    };
    above(path).any(|above| above == there)
}

/// Returns true if `path` is the state directory `state`, or something in it, or lies in that. Blocks.
#[must_use]
pub fn lies_in_state(path: &Path, state: &Path) -> bool {
    ids_in(state).is_ok_and(|ids| above(path).any(|above| ids.contains(&above)))
}

/// Returns the ids of `path` and the directories above it, as far as they are there.
fn above(path: &Path) -> impl Iterator<Item = FileId> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    // Without links: what is above the target of a link counts, not what is above the link.
    let existing = path.ancestors().find_map(|path| path.canonicalize().ok());
    let existing = existing.unwrap_or_default();
    let ids: Vec<FileId> = existing
        .ancestors()
        .filter_map(|path| fs::metadata(path).ok())
        .map(|metadata| id(&metadata))
        .collect();
    ids.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> (tempfile::TempDir, StateDir) {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::open(&home.path().join("state")).unwrap();
        (home, state)
    }

    #[test]
    fn what_is_made_later_is_known_too() {
        let (_home, state) = state();
        let own = OwnFiles::of(&state);
        let before = own.ids();
        state.write("secret", "s").unwrap();
        let secret = id(&fs::metadata(state.file("secret")).unwrap());
        assert!(!before.contains(&secret));
        assert!(own.ids().contains(&secret));
        state.write("secret", "t").unwrap();
        let renewed = id(&fs::metadata(state.file("secret")).unwrap());
        assert!(own.ids().contains(&renewed), "at once");
        assert!(
            own.ids()
                .contains(&id(&fs::metadata(state.path()).unwrap()))
        );
    }

    #[test]
    fn what_lies_in_a_directory_is_found_by_any_name() {
        let (home, state) = state();
        let (inside, beside) = (
            home.path().join("state/cache/d"),
            home.path().join("beside"),
        );
        fs::create_dir_all(&inside).unwrap();
        fs::create_dir(&beside).unwrap();
        std::os::unix::fs::symlink(&inside, home.path().join("link")).unwrap();
        for path in [&inside, &inside.join("new/er"), &home.path().join("link/x")] {
            assert!(lies_in(path, home.path()), "{}", path.display());
            assert!(lies_in_state(path, state.path()), "{}", path.display());
        }
        assert!(!lies_in(&beside, state.path()));
        assert!(!lies_in_state(&beside, state.path()));
        assert!(!lies_in(&beside, &home.path().join("nothing")));
    }
}
