//! Temporaries: where files are until they are whole.
//!
//! A temporary lies in the directory of its target, so that it can take its
//! name in one step on any file system that is mounted in the share.
//!
//! # Invariants
//! - Its name is [`TEMPORARY_PREFIX`] with letters and digits behind it. No
//!   [`ShareName`] has such a part, so it is never listed, served or indexed.
//! - The last digit says how many directories above it were made for it. They
//!   go with it when they are empty, also after a crash.
//! - A temporary that this process did not make is removed only if it is older
//!   than the process, so that other programs may store files as well.

use std::{
    collections::BTreeSet,
    io,
    sync::Mutex,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use cap_std::fs::{Dir, MetadataExt};
use node_wire::name::{ShareName, TEMPORARY_PREFIX, composed};

use node_base::sync::lock;

/// Most letters and digits behind the prefix.
const SUFFIX_MAX: usize = 64;

/// Longest time by which a file may seem older than it is: the system looks at
/// its clock for files only now and then.
const CLOCK_STEP: Duration = Duration::from_millis(10);

/// Random digits in a name.
const RANDOM_DIGITS: usize = 16;

/// The temporaries of this process, and the directories made for them.
#[derive(Debug)]
pub(super) struct Temporaries {
    /// Paths of those in use, and of those that are kept for later.
    in_use: Mutex<BTreeSet<String>>,
    /// Directories that were made and hold no file that was stored.
    made: Mutex<BTreeSet<String>>,
    opened: SystemTime,
}

impl Temporaries {
    /// Creates the table; the temporaries in `kept` stay until they are taken up.
    pub(super) fn new(kept: &[String]) -> Temporaries {
        Temporaries {
            in_use: Mutex::new(kept.iter().cloned().collect()),
            made: Mutex::default(),
            opened: SystemTime::now() - CLOCK_STEP,
        }
    }

    /// Notes that the temporary at `path` is in use.
    pub(super) fn begin(&self, path: &str) {
        lock(&self.in_use).insert(path.to_owned());
        self.made_for(path);
    }

    /// Notes the directories that were made for the temporary at `path`.
    fn made_for(&self, path: &str) {
        let made = folders_of(path).take(levels(path));
        lock(&self.made).extend(made.map(str::to_owned));
    }

    /// Notes that `folder` was made for a file that is on its way.
    pub(super) fn made(&self, folder: &str) {
        lock(&self.made).insert(folder.to_owned());
    }

    /// Notes that the temporary at `path` became a file: its directories stay.
    pub(super) fn placed(&self, path: &str) {
        lock(&self.in_use).remove(path);
        let mut made = lock(&self.made);
        for folder in folders_of(path) {
            made.remove(folder);
        }
    }

    /// Notes that the temporary that was at `path` is elsewhere now, and removes the
    /// directories that were made for it if they are empty.
    pub(super) fn moved(&self, share: &Dir, path: &str) {
        lock(&self.in_use).remove(path);
        self.made_for(path);
        self.remove_folders(share, path);
    }

    /// Removes the temporary at `path`, and the directories that were made for
    /// it if they are empty.
    pub(super) fn remove(&self, share: &Dir, path: &str) -> io::Result<()> {
        lock(&self.in_use).remove(path);
        let removed = match share.remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
        self.remove_folders(share, path);
        removed
    }

    /// Removes a temporary of an earlier run.
    pub(super) fn remove_old(&self, share: &Dir, path: &str) -> io::Result<()> {
        self.made_for(path);
        self.remove(share, path)
    }

    /// Removes the directories above `path` that were made for it, from the
    /// lowest up, as long as they are empty.
    pub(super) fn remove_folders(&self, share: &Dir, path: &str) {
        let made = lock(&self.made).clone();
        for folder in folders_of(path).filter(|folder| made.contains(*folder)) {
            // One that is not empty stays for what is in it.
            if share.remove_dir(folder).is_err() {
                return;
            }
            lock(&self.made).remove(folder);
        }
    }

    /// Removes the file at `path` if it is a temporary that a killed process
    /// left behind. Says whether it is gone.
    pub(super) fn remove_leftover(&self, share: &Dir, path: &str) -> bool {
        if !is_temporary(path) || lock(&self.in_use).contains(path) {
            return false;
        }
        let is_old = share.symlink_metadata(path).is_ok_and(|metadata| {
            metadata.is_file() && changed(&metadata).is_some_and(|changed| changed < self.opened)
        });
        if !is_old {
            return false;
        }
        match self.remove_old(share, path) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(path, %error, "an old temporary file cannot be removed");
                false
            }
        }
    }
}

/// Returns the time of the last change to a file, its name and permissions included.
fn changed(metadata: &cap_std::fs::Metadata) -> Option<SystemTime> {
    let seconds = u64::try_from(metadata.ctime()).ok()?;
    let nanoseconds = u32::try_from(metadata.ctime_nsec()).ok()?;
    Some(UNIX_EPOCH + Duration::new(seconds, nanoseconds))
}

/// Makes a name for a temporary above which `made` directories are new.
pub(super) fn random_name(made: usize) -> io::Result<String> {
    let mut bytes = [0; RANDOM_DIGITS / 2];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    let random = u64::from_ne_bytes(bytes);
    Ok(format!("{TEMPORARY_PREFIX}{random:016x}{made:x}"))
}

/// Returns true if the last part of `path` is the name of a temporary, and the path
/// stays in the share.
pub(super) fn is_temporary(path: &str) -> bool {
    let (folder, last) = match path.rsplit_once('/') {
        Some((folder, last)) => (Some(folder), last),
        None => (None, path),
    };
    is_temporary_part(last)
        && folder.is_none_or(|folder| ShareName::parse(&composed(folder)).is_ok())
}

/// Returns true if `last`, a part of a path, is the name of a temporary.
pub(super) fn is_temporary_part(last: &str) -> bool {
    last.strip_prefix(TEMPORARY_PREFIX).is_some_and(|suffix| {
        (1..=SUFFIX_MAX).contains(&suffix.len())
            && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// Returns the number of directories above the temporary at `path` that were made for it.
fn levels(path: &str) -> usize {
    let suffix = path.rsplit_once(TEMPORARY_PREFIX).map(|(_, suffix)| suffix);
    suffix
        .filter(|suffix| suffix.len() == RANDOM_DIGITS + 1)
        .and_then(|suffix| suffix.chars().last()?.to_digit(16))
        .map_or(0, |levels| levels as usize)
}

/// Returns the directories above `path`, from the lowest up.
fn folders_of(path: &str) -> impl Iterator<Item = &str> {
    let above = path.rmatch_indices('/');
    above.map(|(at, _)| &path[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_made_is_a_temporary_and_says_its_levels() {
        for made in [0, 1, 15] {
            let name = random_name(made).unwrap();
            assert!(is_temporary(&name), "{name}");
            assert_eq!(levels(&format!("a/b/{name}")), made);
        }
        assert_eq!(levels(".sixhop-part-0123456789abcdef"), 0);
    }

    #[test]
    fn other_names_are_no_temporaries() {
        for path in [
            "",
            "a",
            ".sixhop-part-",
            ".sixhop-part-notes.txt",
            ".sixhop-part-a/b",
            "../.sixhop-part-0123",
            "/.sixhop-part-0123",
            "a//.sixhop-part-0123",
        ] {
            assert!(!is_temporary(path), "{path}");
        }
        assert!(is_temporary("a/b/.sixhop-part-0123"));
    }

    #[test]
    fn the_directories_of_a_path_come_from_the_lowest_up() {
        assert_eq!(folders_of("a/b/c").collect::<Vec<_>>(), ["a/b", "a"]);
        assert_eq!(folders_of("c").count(), 0);
    }
}
