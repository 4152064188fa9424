//! Names in the share and names on the disk.
//!
//! A [`ShareName`](node_wire::name::ShareName) is in normalization form C. A
//! file whose name on the disk is in another form, as a Mac writes it, is shared
//! under its composed name. Here the name on the disk is found again.
//!
//! # Invariants
//! - If several names on the disk compose to one, the composed one has it, or
//!   the first in order of bytes; a listing decides alike ([`preferred`]).
//! - Asking for names that are not there costs one look at the directory, not a
//!   reading of it, as long as the directory does not change.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    io,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use cap_fs_ext::DirExt;
use cap_std::fs::{Dir, MetadataExt};
use node_wire::name::composed;

use super::folders::FolderStamp;
use node_base::sync::lock;

/// Most directories whose names are kept.
const DIRECTORIES_MAX: usize = 256;

/// Most names of a directory that are kept.
const NAMES_MAX: usize = 20_000;

/// Names on the disk by composed names, where they differ.
type Names = Arc<BTreeMap<String, String>>;

/// The names on the disk that are not composed, by directory.
#[derive(Debug, Default)]
pub(super) struct DiskNames(Mutex<HashMap<(u64, u64), Kept>>);

#[derive(Debug)]
struct Kept {
    stamp: FolderStamp,
    names: Names,
}

impl DiskNames {
    /// Returns the name that `part` has in `directory`; `part` itself if there is
    /// no other.
    pub(super) fn find<'p>(&self, directory: &Dir, part: &'p str) -> Cow<'p, str> {
        if part.is_ascii() || directory.symlink_metadata(part).is_ok() {
            return Cow::Borrowed(part);
        }
        let names = self.names(directory);
        match names.ok().and_then(|names| names.get(part).cloned()) {
            Some(name) => Cow::Owned(name),
            None => Cow::Borrowed(part),
        }
    }

    /// Returns the path on the disk of `name`, a path in the share; a `/` at its
    /// end stays.
    pub(super) fn path<'n>(&self, share: &Dir, name: &'n str) -> Cow<'n, str> {
        if name.is_ascii() || share.symlink_metadata(name.trim_end_matches('/')).is_ok() {
            return Cow::Borrowed(name);
        }
        self.path_by_parts(share, name)
            .map_or(Cow::Borrowed(name), Cow::Owned)
    }

    fn path_by_parts(&self, share: &Dir, name: &str) -> io::Result<String> {
        let mut path = String::with_capacity(name.len() * 2);
        let mut directory = share.try_clone()?;
        let mut parts = name.split('/').peekable();
        while let Some(part) = parts.next() {
            let found = self.find(&directory, part);
            path.push_str(&found);
            if let Some(next) = parts.peek() {
                path.push('/');
                if !next.is_empty() {
                    directory = directory.open_dir_nofollow(&*found)?;
                }
            }
        }
        Ok(path)
    }

    fn names(&self, directory: &Dir) -> io::Result<Names> {
        let before = SystemTime::now();
        let metadata = directory.dir_metadata()?;
        let key = (metadata.dev(), metadata.ino());
        let stamp = FolderStamp::of(&metadata);
        if let Some(kept) = lock(&self.0).get(&key)
            && kept.stamp == stamp
        {
            return Ok(Arc::clone(&kept.names));
        }
        let names = Arc::new(read(directory)?);
        let mut all = lock(&self.0);
        if all.len() >= DIRECTORIES_MAX {
            all.clear();
        }
        if stamp.is_settled(before) && names.len() <= NAMES_MAX {
            let names = Arc::clone(&names);
            all.insert(key, Kept { stamp, names });
        }
        Ok(names)
    }
}

fn read(directory: &Dir) -> io::Result<BTreeMap<String, String>> {
    let mut names = BTreeMap::<String, String>::new();
    for entry in directory.entries()? {
        let Ok(name) = entry?.file_name().into_string() else {
            continue;
        };
        if let Cow::Owned(key) = composed(&name) {
            let chosen = match names.remove(&key) {
                Some(other) => preferred(name, other),
                None => name,
            };
            names.insert(key, chosen);
        }
    }
    Ok(names)
}

/// Returns which of two names that compose to one is shared.
pub(super) fn preferred(name: String, other: String) -> String {
    let is_composed = |name: &str| matches!(composed(name), Cow::Borrowed(_));
    match (is_composed(&name), is_composed(&other)) {
        (true, false) => name,
        (false, true) => other,
        _ => name.min(other),
    }
}
