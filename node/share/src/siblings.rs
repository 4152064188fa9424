//! Names that differ only in letter case are one name: the second is refused.
//!
//! # Invariants
//! - Looking for such a name reads a whole directory. What was read is kept
//!   for [`KEPT_FOR`], for one directory, so that storing many files does not
//!   read it for each of them.
//! - What this node stores is noticed at once, what others put there after
//!   [`KEPT_FOR`] at the latest.

use std::{
    collections::HashMap,
    io,
    sync::Mutex,
    time::{Duration, Instant},
};

use cap_std::fs::Dir;
use node_wire::name::ShareName;

use super::ShareError;
use node_base::{clock::now, sync::lock};

/// How long the names of a directory are kept.
const KEPT_FOR: Duration = Duration::from_secs(2);

/// Most names that are kept.
const KEPT_MAX: usize = 100_000;

/// The names in the directory that was looked at last.
#[derive(Debug, Default)]
pub(super) struct Siblings(Mutex<Option<Names>>);

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
    pub(super) fn check(&self, share: &Dir, name: &ShareName) -> Result<(), ShareError> {
        let failed = |error| ShareError::of(name, error);
        let mut directory = share.try_clone().map_err(failed)?;
        let parts: Vec<&str> = name.parts().collect();
        for (depth, part) in parts.iter().enumerate() {
            if directory.symlink_metadata(part).is_err() {
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
                directory = directory.open_dir(part).map_err(|error| ShareError::Io {
                    name: name.clone(),
                    error,
                })?;
            }
        }
        Ok(())
    }

    /// Notes a file that this node stored.
    pub(super) fn placed(&self, name: &ShareName) {
        if let Some(names) = lock(&self.0).as_mut()
            && names.directory.iter().eq(name.parent_parts())
            && let Some(key) = key(name.file_name())
        {
            names.by_key.insert(key, name.file_name().to_owned());
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
        if let Some(names) = lock(&self.0).as_ref()
            && names.directory == parents
            && now() < names.read + KEPT_FOR
        {
            return Ok(names
                .by_key
                .get(&key)
                .filter(|other| *other != part)
                .cloned());
        }
        let names = Names::read(directory, parents)?;
        let found = names
            .by_key
            .get(&key)
            .filter(|other| *other != part)
            .cloned();
        *lock(&self.0) = (names.by_key.len() <= KEPT_MAX).then_some(names);
        Ok(found)
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
    ShareName::parse(part).ok().map(|name| name.collision_key())
}

fn joined(parents: &[&str], last: &str) -> String {
    parents
        .iter()
        .copied()
        .chain([last])
        .collect::<Vec<_>>()
        .join("/")
}
