//! What of the directory is not shared, though it could be.
//!
//! # Participants
//! [`defaults`] are the names that nobody wants to share. The owner adds to
//! them, or takes from them with `!`, in files [`IGNORE_FILE`]: the language of
//! gitignore, in the directory at the top and in those below it, where the
//! nearest one that says something decides.
//!
//! # Invariants
//! - One answer: listings, searches, exact names and content by digest all
//!   come to [`Ignoring::shares`] or, while a directory is read, to [`Chain`],
//!   which decide alike.
//! - What is in an ignored directory is ignored. What is behind a link is never
//!   shared, so that nothing ignored is reached by another name.
//! - Before an exact name is served, it is made sure that the ignore files are
//!   those that were read: a change holds at once.
//! - An ignore file that is there and cannot be read hides its directory: it
//!   was written to hide something.

mod defaults;

use std::{
    collections::BTreeMap,
    io::{self, Read},
    sync::{Arc, Mutex},
    time::SystemTime,
};

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::{Dir, MetadataExt, OpenOptions, OpenOptionsExt};
use ignore::{
    Match,
    gitignore::{Gitignore, GitignoreBuilder},
};

use super::{SETTLED_AFTER, Stamp, modified, version};
use node_base::sync::lock;

/// Name of the files that say what is not shared. They are not shared either.
pub(crate) const IGNORE_FILE: &str = ".sixhopignore";

/// Longest ignore file, in bytes.
const FILE_MAX: u64 = 64 << 10;

/// Most ignore files that are kept in memory; with more, they are read again.
const KEPT_MAX: usize = 10_000;

/// What an ignore file says.
#[derive(Debug)]
enum Rules {
    /// Its lines.
    Lines(Gitignore),
    /// It cannot be read: everything in its directory is ignored.
    Unreadable,
}

/// An ignore file that was read.
#[derive(Clone, Debug)]
struct Kept {
    /// What it was; nothing if a change may not show.
    stamp: Option<Stamp>,
    rules: Arc<Rules>,
}

/// The ignore files of a share.
#[derive(Debug, Default)]
pub(super) struct Ignoring {
    /// By directory: empty, or with a `/` at its end.
    kept: Mutex<BTreeMap<String, Kept>>,
}

/// The ignore files that hold in a directory, the nearest last.
#[derive(Clone, Debug, Default)]
pub(super) struct Chain(Vec<(String, Arc<Rules>)>);

impl Ignoring {
    /// Whether the file `name` may be shared.
    pub(super) fn shares(&self, share: &Dir, name: &str) -> bool {
        let mut chain = Chain::default();
        let mut directory = 0;
        loop {
            chain.enter(self, share, &name[..directory]);
            let end = name[directory..].find('/').map(|at| directory + at);
            let part = &name[..end.unwrap_or(name.len())];
            if !chain.shares(part, end.is_some()) {
                return false;
            }
            let Some(end) = end else {
                return true;
            };
            // Behind a link are files of another name, which may be ignored.
            if share
                .symlink_metadata(part)
                .is_ok_and(|metadata| metadata.is_symlink())
            {
                return false;
            }
            directory = end + 1;
        }
    }

    /// The rules that hold in `directory`: empty, or with a `/` at its end.
    pub(super) fn chain(&self, share: &Dir, directory: &str) -> Chain {
        let mut chain = Chain::default();
        chain.enter(self, share, "");
        for (at, _) in directory.match_indices('/') {
            chain.enter(self, share, &directory[..=at]);
        }
        chain
    }

    /// Another number for another ignore file in `directory`; 0 for none.
    pub(super) fn fingerprint(share: &Dir, directory: &str) -> u64 {
        let stamp = stamp(share, &format!("{directory}{IGNORE_FILE}"));
        stamp.map_or(0, version)
    }

    /// What the ignore file in `directory` says now.
    fn rules(&self, share: &Dir, directory: &str) -> Option<Arc<Rules>> {
        let path = format!("{directory}{IGNORE_FILE}");
        let stamp = match stamp(share, &path) {
            Ok(stamp) => stamp,
            Err(error) if is_absent(&error) => {
                lock(&self.kept).remove(directory);
                return None;
            }
            Err(error) => return Some(unreadable(&path, &error)),
        };
        let kept = lock(&self.kept).get(directory).cloned();
        if let Some(kept) = kept
            && kept.stamp == Some(stamp)
        {
            return Some(kept.rules);
        }
        let now = SystemTime::now();
        let rules = match read(share, &path) {
            Ok(text) => Arc::new(Rules::Lines(parse(&path, &text))),
            Err(error) => unreadable(&path, &error),
        };
        let settled = stamp
            .modified
            .and_then(|modified| now.duration_since(modified).ok())
            .is_some_and(|since| since >= SETTLED_AFTER);
        let mut kept = lock(&self.kept);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        let new = Kept {
            stamp: settled.then_some(stamp),
            rules: Arc::clone(&rules),
        };
        kept.insert(directory.to_owned(), new);
        Some(rules)
    }
}

impl Chain {
    /// Goes into `directory`, which is below the one before.
    fn enter(&mut self, ignoring: &Ignoring, share: &Dir, directory: &str) {
        if let Some(rules) = ignoring.rules(share, directory) {
            self.0.push((directory.to_owned(), rules));
        }
    }

    /// Whether the file or directory `name`, whose directory is the one entered
    /// last, may be shared.
    pub(super) fn shares(&self, name: &str, is_directory: bool) -> bool {
        let last = name.rsplit('/').next().unwrap_or(name);
        if last == IGNORE_FILE {
            return false;
        }
        for (directory, rules) in self.0.iter().rev() {
            let Rules::Lines(lines) = &**rules else {
                return false;
            };
            let below = name.strip_prefix(directory.as_str()).unwrap_or(name);
            match lines.matched(below, is_directory) {
                Match::Ignore(_) => return false,
                Match::Whitelist(_) => return true,
                Match::None => {}
            }
        }
        !defaults::ignored(last)
    }
}

fn stamp(share: &Dir, path: &str) -> io::Result<Stamp> {
    let metadata = share.symlink_metadata(path)?;
    Ok(Stamp {
        size: metadata.len(),
        modified: modified(&metadata),
        inode: MetadataExt::ino(&metadata),
    })
}

fn unreadable(path: &str, error: &io::Error) -> Arc<Rules> {
    tracing::warn!(file = path, %error, "an ignore file cannot be read; its directory is not shared");
    Arc::new(Rules::Unreadable)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn read(share: &Dir, path: &str) -> io::Result<String> {
    let mut options = OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No);
    #[cfg(unix)]
    options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    let file = share.open_with(path, &options)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(FILE_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A line that makes no sense is said and left out; the others hold.
fn parse(path: &str, text: &str) -> Gitignore {
    let mut builder = GitignoreBuilder::new("");
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, line) in text.lines().enumerate() {
        if let Err(error) = builder.add_line(None, line) {
            let line = number + 1;
            tracing::warn!(file = path, line, %error, "a line of an ignore file is left out");
        }
    }
    builder.build().unwrap_or_else(|error| {
        tracing::warn!(file = path, %error, "an ignore file makes no sense and is left out");
        Gitignore::empty()
    })
}

#[cfg(test)]
mod tests;
