//! The files that a node keeps for itself, whatever other names they have.
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

/// The files that a node keeps for itself, by their ids: those of its state directory, and those that configure it.
#[derive(Debug)]
pub struct OwnFiles {
    places: Vec<PathBuf>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    places: Vec<KnownPlace>,
    ids: Arc<BTreeSet<FileId>>,
}

#[derive(Debug, Default)]
struct KnownPlace {
    /// The file or directory and the time of its last change when it was read; nothing if a later change may not show.
    changed: Option<(FileId, SystemTime)>,
    ids: BTreeSet<FileId>,
}

impl OwnFiles {
    /// Recognises the files of `state`.
    #[must_use]
    pub fn of(state: &StateDir) -> OwnFiles {
        OwnFiles {
            places: vec![state.path().to_owned()],
            known: Mutex::default(),
        }
    }

    /// Recognises these files and directories, and what is in them, as well.
    #[must_use]
    pub fn with(mut self, places: Vec<PathBuf>) -> OwnFiles {
        self.places.extend(places);
        self
    }

    /// Returns the ids of the files and directories, and of what is in them now. Blocks.
    #[must_use]
    pub fn ids(&self) -> Arc<BTreeSet<FileId>> {
        let mut known = lock(&self.known);
        known
            .places
            .resize_with(self.places.len(), KnownPlace::default);
        let mut is_changed = false;
        for (path, known) in self.places.iter().zip(&mut known.places) {
            is_changed |= known.look(path);
        }
        if is_changed {
            let ids = known.places.iter().flat_map(|place| &place.ids).copied();
            known.ids = Arc::new(ids.collect());
        }
        Arc::clone(&known.ids)
    }
}

impl KnownPlace {
    /// Reads the place if it changed. Returns whether it has other ids than before.
    fn look(&mut self, path: &Path) -> bool {
        let changed = fs::metadata(path).and_then(|there| Ok((id(&there), there.modified()?)));
        let changed = changed.ok();
        if changed.is_some() && self.changed == changed {
            return false;
        }
        let now = SystemTime::now();
        let is_settled = |(_, changed): &(FileId, SystemTime)| *changed + SETTLED_AFTER < now;
        self.changed = changed.filter(is_settled);
        // What cannot be read now was perhaps read before.
        match ids_in(path) {
            Ok(ids) if ids != self.ids => {
                self.ids = ids;
                true
            }
            _ => false,
        }
    }
}

/// Returns the ids of a file, or of a directory and of what is in it.
fn ids_in(directory: &Path) -> io::Result<BTreeSet<FileId>> {
    let metadata = fs::metadata(directory)?;
    let mut ids = BTreeSet::from([id(&metadata)]);
    if !metadata.is_dir() {
        return Ok(ids);
    }
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
    fn what_configures_the_node_is_its_own() {
        let (home, state) = state();
        let (plugins, key) = (home.path().join("plugins"), home.path().join("key"));
        let own = OwnFiles::of(&state).with(vec![plugins.clone(), key.clone()]);
        let _ = own.ids();
        fs::create_dir(&plugins).unwrap();
        fs::write(plugins.join("a.rhai"), "").unwrap();
        fs::write(&key, "k").unwrap();
        let there = |path: &Path| own.ids().contains(&id(&fs::metadata(path).unwrap()));
        assert!(there(&plugins) && there(&plugins.join("a.rhai")) && there(&key));
        assert!(there(state.path()));
        // Another directory in its place.
        let other = home.path().join("other");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("b.rhai"), "").unwrap();
        fs::rename(&plugins, home.path().join("old")).unwrap();
        std::os::unix::fs::symlink(&other, &plugins).unwrap();
        assert!(there(&other) && there(&other.join("b.rhai")));
        assert!(!there(&home.path().join("old/a.rhai")));
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
