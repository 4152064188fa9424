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
    time::{Duration, Instant, SystemTime},
};

use super::StateDir;
use crate::{clock::now, sync::lock};

/// A file or directory of this machine, whatever its name: its device and its inode.
pub type FileId = (u64, u64);

/// Time after which a change of the directory shows in its time.
const SETTLED_AFTER: Duration = Duration::from_millis(100);

/// Longest time for which the ids of files that others make are kept.
const AGE_MAX: Duration = Duration::from_secs(1);

/// The files that a node keeps for itself, by their ids: those of its state directory, and those that configure it.
///
/// The ids are kept for a moment. What [`StateDir`] makes is known before anything is in it.
#[derive(Debug)]
pub struct OwnFiles {
    state: StateDir,
    /// Others than the state directory.
    places: Vec<PathBuf>,
    known: Mutex<Known>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    look: Option<Look>,
    places: Arc<[KnownPlace]>,
    ids: Arc<BTreeSet<FileId>>,
}

/// The beginning of a look at the disk. The greater one is the later one.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Look {
    /// Files that the state directory had made.
    made: u64,
    at: Instant,
}

#[derive(Clone, Debug, Default)]
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
            state: state.clone(),
            places: Vec::new(),
            known: Mutex::default(),
        }
    }

    /// Recognises these files and directories, and what is in them, as well.
    #[must_use]
    pub fn with(mut self, places: Vec<PathBuf>) -> OwnFiles {
        self.places.extend(places);
        self
    }

    /// Returns the ids of the files and directories, and of what is in them. May block.
    #[must_use]
    pub fn ids(&self) -> Arc<BTreeSet<FileId>> {
        let known = lock(&self.known).clone();
        if known.is_fresh(self.begin()) {
            return known.ids;
        }
        self.look(known)
    }

    /// Returns true if this is one of the files, which has so many names on its disk. One that was made a moment ago is
    /// known as well: it has another name only if it has two. May block.
    #[must_use]
    pub fn has(&self, file: FileId, names: u64) -> bool {
        let may_have = names > 1 || self.ids().contains(&file);
        // The disk gives the inode of a file that was removed to the next one that is made, which is anybody's.
        may_have && self.ids_now().contains(&file)
    }

    /// Returns the ids of the files and directories, and of what is in them at this moment. Blocks.
    #[must_use]
    pub fn ids_now(&self) -> Arc<BTreeSet<FileId>> {
        let known = lock(&self.known).clone();
        self.look(known)
    }

    fn begin(&self) -> Look {
        Look {
            made: self.state.made(),
            at: now(),
        }
    }

    /// Looks at the disk, without a lock. Of two looks at once the later one stays.
    fn look(&self, mut known: Known) -> Arc<BTreeSet<FileId>> {
        let look = self.begin();
        let paths =
            std::iter::once(self.state.path()).chain(self.places.iter().map(PathBuf::as_path));
        let mut places = known.places.to_vec();
        places.resize_with(self.places.len() + 1, KnownPlace::default);
        let mut is_changed = false;
        for (path, place) in paths.zip(&mut places) {
            is_changed |= place.look(path);
        }
        if is_changed {
            let ids = places.iter().flat_map(|place| &place.ids).copied();
            known.ids = Arc::new(ids.collect());
        }
        known.look = Some(look);
        known.places = places.into();
        let ids = Arc::clone(&known.ids);
        let mut kept = lock(&self.known);
        if kept.look <= known.look {
            *kept = known;
        }
        ids
    }
}

impl Known {
    /// Returns true if nothing that matters changed between the last look and `now`.
    fn is_fresh(&self, now: Look) -> bool {
        self.look.is_some_and(|look| {
            look.made == now.made && now.at.saturating_duration_since(look.at) < AGE_MAX
        })
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

    #[tokio::test(start_paused = true)]
    async fn what_configures_the_node_is_its_own() {
        let (home, state) = state();
        let (plugins, key) = (home.path().join("plugins"), home.path().join("key"));
        let own = OwnFiles::of(&state).with(vec![plugins.clone(), key.clone()]);
        let _ = own.ids();
        fs::create_dir(&plugins).unwrap();
        fs::write(plugins.join("a.rhai"), "").unwrap();
        fs::write(&key, "k").unwrap();
        // Another name of it is found out at once.
        fs::hard_link(&key, home.path().join("shared")).unwrap();
        let linked = fs::metadata(&key).unwrap();
        assert!(own.has(id(&linked), linked.nlink()));
        let there = |path: &Path| own.ids().contains(&id(&fs::metadata(path).unwrap()));
        assert!(there(&plugins) && there(&plugins.join("a.rhai")) && there(&key));
        assert!(there(state.path()));
        // Another directory in its place.
        let other = home.path().join("other");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("b.rhai"), "").unwrap();
        fs::rename(&plugins, home.path().join("old")).unwrap();
        std::os::unix::fs::symlink(&other, &plugins).unwrap();
        tokio::time::advance(AGE_MAX).await;
        assert!(there(&other) && there(&other.join("b.rhai")));
        assert!(!there(&home.path().join("old/a.rhai")));
    }

    #[test]
    fn file_that_is_being_written_is_known() {
        let (_home, state) = state();
        let own = OwnFiles::of(&state);
        let _ = own.ids();
        let path = state.file("secret.new");
        let written = state.write_with("secret", |_| {
            let new = id(&fs::metadata(&path)?);
            assert!(own.ids().contains(&new), "before its first byte");
            Ok(())
        });
        written.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn disk_is_looked_at_again_after_a_moment_only() {
        let (home, state) = state();
        let key = home.path().join("key");
        let own = OwnFiles::of(&state).with(vec![key.clone()]);
        let first = own.ids();
        fs::write(&key, "k").unwrap();
        let there = id(&fs::metadata(&key).unwrap());
        assert!(Arc::ptr_eq(&first, &own.ids()));
        assert!(!own.has(there, 1), "it has no other name");
        tokio::time::advance(AGE_MAX).await;
        assert!(own.ids().contains(&there));
    }

    #[test]
    fn inode_of_a_file_that_was_removed_is_nobodys() {
        let (_home, state) = state();
        let own = OwnFiles::of(&state);
        let path = state.file("gone");
        fs::write(&path, "").unwrap();
        let gone = id(&fs::metadata(&path).unwrap());
        assert!(own.ids_now().contains(&gone) && own.has(gone, 1));
        fs::remove_file(&path).unwrap();
        assert!(!own.has(gone, 1), "not even a moment later");
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
