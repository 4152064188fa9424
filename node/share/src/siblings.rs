//! Names that differ only in letter case are one name: the second is refused.
//!
//! # Invariants
//! - Looking for such a name reads a whole directory. What was read is kept
//!   for [`KEPT_FOR`], for the last [`DIRECTORIES_MAX`] directories, so that
//!   storing many files does not read them for each.
//! - What this node stores is noticed at once, what others put there after
//!   [`KEPT_FOR`] at the latest.

use std::{
    collections::{HashMap, VecDeque},
    io,
    sync::Mutex,
    time::{Duration, Instant},
};

use cap_fs_ext::DirExt;
use cap_std::fs::Dir;
use node_wire::name::{ShareName, composed};

use super::{ShareError, disk_names::DiskNames, error::Doing};
use node_base::{clock::now, sync::lock};

/// The time that the names of a directory are kept.
const KEPT_FOR: Duration = Duration::from_secs(2);

/// Most names that are kept.
const KEPT_MAX: usize = 100_000;

/// Most directories whose names are kept.
const DIRECTORIES_MAX: usize = 8;

/// The names in the directories that were looked at last, the newest at the end.
#[derive(Debug, Default)]
pub(super) struct Siblings(Mutex<VecDeque<Names>>);

#[derive(Debug)]
struct Names {
    /// The directory, as the parts of its name.
    directory: Vec<String>,
    /// Names by their collision key.
    by_key: HashMap<String, String>,
    read: Instant,
}

impl Siblings {
    /// Refuses a name that differs only in letter case from one that is there,
    /// on each level of the name.
    pub(super) fn check(
        &self,
        share: &Dir,
        name: &ShareName,
        names: &DiskNames,
    ) -> Result<(), ShareError> {
        let failed = |error| ShareError::storing(name, Doing::Begin, error);
        let mut directory = share.try_clone().map_err(failed)?;
        let parts: Vec<&str> = name.parts().collect();
        for (depth, part) in parts.iter().enumerate() {
            let on_disk = names.find(&directory, part);
            if directory.symlink_metadata(&*on_disk).is_err() {
                let other = self.colliding(&directory, &parts[..depth], part);
                return match other.map_err(failed)? {
                    None => Ok(()),
                    Some(other) => Err(ShareError::Collision {
                        name: name.clone(),
                        existing: joined(&parts[..depth], &other),
                    }),
                };
            }
            if depth + 1 < parts.len() {
                directory = directory.open_dir_nofollow(&*on_disk).map_err(|error| {
                    let folder = Doing::Folder(joined(&parts[..depth], part));
                    ShareError::storing(name, folder, error)
                })?;
            }
        }
        Ok(())
    }

    /// Does the same for `name` in the directory of its parents alone. Returns whether something has the name.
    pub(super) fn check_in(
        &self,
        directory: &Dir,
        parents: &[&str],
        name: &ShareName,
        names: &DiskNames,
    ) -> Result<bool, ShareError> {
        let last = name.file_name();
        let on_disk = names.find(directory, last);
        if directory.symlink_metadata(&*on_disk).is_ok() {
            return Ok(true);
        }
        let other = self.colliding(directory, parents, last);
        match other.map_err(|error| ShareError::storing(name, Doing::Begin, error))? {
            None => Ok(false),
            Some(other) => Err(ShareError::Collision {
                name: name.clone(),
                existing: joined(parents, &other),
            }),
        }
    }

    /// Notes the directories of a file that this node begins to store.
    pub(super) fn begun(&self, name: &ShareName) {
        let parents: Vec<&str> = name.parent_parts().collect();
        self.note(&parents);
    }

    /// Notes a file that this node stored.
    pub(super) fn placed(&self, name: &ShareName) {
        let parts: Vec<&str> = name.parts().collect();
        self.note(&parts);
    }

    fn note(&self, parts: &[&str]) {
        for names in lock(&self.0).iter_mut() {
            let depth = names.directory.len();
            if let Some(part) = parts.get(depth)
                && names.directory == parts[..depth]
                && let Some(key) = key(part)
            {
                names.by_key.insert(key, (*part).to_owned());
            }
        }
    }

    fn colliding(
        &self,
        directory: &Dir,
        parents: &[&str],
        part: &str,
    ) -> io::Result<Option<String>> {
        let Some(key) = key(part) else {
            return Ok(None);
        };
        let other = |names: &Names| {
            let other = names.by_key.get(&key);
            other.filter(|other| *other != part).cloned()
        };
        if let Some(names) = lock(&self.0).iter().find(|kept| kept.directory == parents)
            && now() < names.read + KEPT_FOR
        {
            return Ok(other(names));
        }
        let names = Names::read(directory, parents)?;
        let found = other(&names);
        self.keep(names);
        Ok(found)
    }

    /// Keeps the names that were read, in place of those read before or first.
    fn keep(&self, names: Names) {
        let mut kept = lock(&self.0);
        kept.retain(|other| other.directory != names.directory);
        kept.push_back(names);
        let count =
            |kept: &VecDeque<Names>| kept.iter().map(|names| names.by_key.len()).sum::<usize>();
        while kept.len() > DIRECTORIES_MAX || count(&kept) > KEPT_MAX {
            kept.pop_front();
        }
    }
}

impl Names {
    fn read(directory: &Dir, parents: &[&str]) -> io::Result<Names> {
        let read = now();
        let mut by_key = HashMap::new();
        for entry in directory.entries()? {
            if let Ok(name) = entry?.file_name().into_string()
                && let Some(key) = key(&name)
            {
                by_key.insert(key, name);
            }
        }
        Ok(Names {
            directory: parents.iter().map(|&part| part.to_owned()).collect(),
            by_key,
            read,
        })
    }
}

fn key(part: &str) -> Option<String> {
    let name = ShareName::parse(&composed(part)).ok()?;
    Some(name.collision_key())
}

fn joined(parents: &[&str], last: &str) -> String {
    parents
        .iter()
        .copied()
        .chain([last])
        .collect::<Vec<_>>()
        .join("/")
}
