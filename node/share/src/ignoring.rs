//! Ignored files: those in the directory that could be shared, and are not.
//!
//! # Participants
//! [`defaults`] are the names that nobody wants to share, and names that begin
//! with a dot. The owner adds to them, or takes from them with `!`, in a file
//! [`IGNORE_FILE`] at the top: the language of gitignore ([`lines`]). Such a file
//! in a directory below hides more of that directory, and shows nothing that is
//! hidden above.
//!
//! # Invariants
//! - One answer: listings, searches, exact names and content by digest all
//!   come to [`Ignoring::shares`] or, while a directory is read, to [`Chain`],
//!   which decide alike.
//! - What is in an ignored directory is ignored. What is behind a link is never
//!   shared, so that nothing ignored is reached by another name.
//! - Before an exact name is served, it is made sure that the ignore files are
//!   those that were read: a change holds at once.
//! - An ignore file that is there and cannot be read as text hides its
//!   directory: it was written to hide something.
//! - What the node keeps for itself is not shared, by whatever name a link or a mount
//!   gives it, nor what is in such a directory.
//! - Lines are compared in normalization form C, as names are.

mod defaults;
mod lines;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use ignore::{Match, gitignore::Gitignore};
pub(super) use node_wire::name::IGNORE_FILE;

use super::{SkipReason, Stamp, disk_names::DiskNames, stamp::OnDisk};
use node_base::{
    platform::files,
    state::own::{FileId, OwnFiles},
    sync::lock,
};

/// Longest ignore file, in bytes.
const FILE_MAX: u64 = 64 << 10;

/// Most ignore files that are kept in memory; with more, they are read again.
const KEPT_MAX: usize = 10_000;

/// Most sentences about lines that make no sense.
const TROUBLES_MAX: usize = 20;

/// The state of an ignore file.
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
    /// Its stamp when it was read; nothing if a change may not show.
    stamp: Option<Stamp>,
    rules: Arc<Rules>,
    /// The lines of it that are not valid.
    troubles: Vec<String>,
}

/// The decision whether something is shared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// It is.
    Shared,
    /// Its name begins with a dot, and nothing else is said of it.
    Hidden,
    /// Programs leave files of this name behind, and nothing else is said of it.
    LeftBehind,
    /// An ignore file names it.
    Ignored,
}

/// The ignore files of a share.
#[derive(Debug, Default)]
pub(super) struct Ignoring {
    /// By directory: empty, or with a `/` at its end.
    kept: Mutex<BTreeMap<String, Kept>>,
    names: Arc<DiskNames>,
    /// The files that are not shared by any name, if the node keeps some.
    own: Option<OwnFiles>,
}

/// The ignore files that hold in a directory, the nearest last.
#[derive(Clone, Debug, Default)]
pub(super) struct Chain(Vec<(String, Arc<Rules>)>);

impl Ignoring {
    /// Finds directories on the disk by `names`.
    pub(super) fn new(names: &Arc<DiskNames>, own: Option<OwnFiles>) -> Ignoring {
        Ignoring {
            kept: Mutex::default(),
            names: Arc::clone(names),
            own,
        }
    }

    /// Keeps these files and directories apart from the share, and what is in them.
    pub(super) fn keep_apart(&mut self, places: Vec<PathBuf>) {
        self.own = self.own.take().map(|own| own.with(places));
    }

    /// Returns the files and directories that the node keeps for itself.
    pub(super) fn own(&self) -> Arc<BTreeSet<FileId>> {
        self.own.as_ref().map(OwnFiles::ids).unwrap_or_default()
    }

    /// Returns true for a file that the node keeps for itself, by another name.
    pub(super) fn keeps(&self, file: &OnDisk) -> bool {
        let own = self.own.as_ref();
        own.is_some_and(|own| own.has(file.id(), file.links))
    }

    /// Returns why what is in the directory `part` of the share is not shared, whatever it is called.
    fn why_not_in(&self, share: &Dir, part: &str, own: &BTreeSet<FileId>) -> Option<SkipReason> {
        let metadata = share
            .symlink_metadata(&*self.names.path(share, part))
            .ok()?;
        // Behind a link are files of another name, which may be ignored.
        if metadata.is_symlink() {
            return Some(SkipReason::Link);
        }
        let part = OnDisk::from(&metadata);
        (own.contains(&part.id()) && self.keeps(&part)).then_some(SkipReason::Own)
    }

    /// Returns true if `name` lies in a directory that the node keeps for itself at this moment: nothing is stored there.
    pub(super) fn is_own(&self, share: &Dir, name: &str) -> bool {
        let own = self.own.as_ref().map(OwnFiles::ids_now).unwrap_or_default();
        let mut parts = name.match_indices('/').map(|(at, _)| &name[..at]);
        parts.any(|part| self.why_not_in(share, part, &own) == Some(SkipReason::Own))
    }

    /// Returns the errors in the ignore files that were read, in order of
    /// their names; not more than [`TROUBLES_MAX`] sentences.
    pub(super) fn troubles(&self) -> Vec<String> {
        let kept = lock(&self.kept);
        let troubles = kept.values().flat_map(|kept| &kept.troubles);
        troubles.take(TROUBLES_MAX).cloned().collect()
    }

    /// Returns true if the file `name` may be shared.
    pub(super) fn shares(&self, share: &Dir, name: &str) -> bool {
        self.why_not(share, name).is_none()
    }

    /// Returns why the file `name` may not be shared, if so.
    pub(super) fn why_not(&self, share: &Dir, name: &str) -> Option<SkipReason> {
        let (mut chain, own) = (Chain::default(), self.own());
        let mut directory = 0;
        loop {
            chain.enter(self, share, &name[..directory]);
            let end = name[directory..].find('/').map(|at| directory + at);
            let part = &name[..end.unwrap_or(name.len())];
            match chain.verdict(part, end.is_some()) {
                Verdict::Shared => {}
                Verdict::Hidden => return Some(SkipReason::Hidden),
                Verdict::LeftBehind => return Some(SkipReason::LeftBehind),
                Verdict::Ignored => return Some(SkipReason::Ignored),
            }
            let end = end?;
            if let Some(reason) = self.why_not_in(share, part, &own) {
                return Some(reason);
            }
            directory = end + 1;
        }
    }

    /// Returns the rules that hold in `directory`, empty or with a `/` at its end, if it and all above it may be shared.
    pub(super) fn shared_chain(&self, share: &Dir, directory: &str) -> Option<Chain> {
        let (mut chain, own) = (Chain::default(), self.own());
        chain.enter(self, share, "");
        for (at, _) in directory.match_indices('/') {
            let part = &directory[..at];
            let is_other = self.why_not_in(share, part, &own).is_some();
            if is_other || chain.verdict(part, true) != Verdict::Shared {
                return None;
            }
            chain.enter(self, share, &directory[..=at]);
        }
        Some(chain)
    }

    /// Returns the rules that hold in `directory`: empty, or with a `/` at its end.
    pub(super) fn chain(&self, share: &Dir, directory: &str) -> Chain {
        let mut chain = Chain::default();
        chain.enter(self, share, "");
        for (at, _) in directory.match_indices('/') {
            chain.enter(self, share, &directory[..=at]);
        }
        chain
    }

    /// Returns a number that differs for another ignore file in `directory`; 0 for none.
    pub(super) fn fingerprint(&self, share: &Dir, directory: &str) -> u64 {
        let directory = self.names.path(share, directory);
        let stamp = stamp(share, &format!("{directory}{IGNORE_FILE}"));
        stamp.map_or(0, |stamp| stamp.version())
    }

    /// Reads the ignore file in `directory`, or returns the rules that are still valid.
    fn rules(&self, share: &Dir, directory: &str) -> Option<Arc<Rules>> {
        let path = format!("{}{IGNORE_FILE}", self.names.path(share, directory));
        self.rules_at(share, &path, directory)
    }

    /// Reads the ignore file of `directory` at `path` in `base`, or returns the rules that are still valid.
    fn rules_at(&self, base: &Dir, path: &str, directory: &str) -> Option<Arc<Rules>> {
        let stamp = match stamp(base, path) {
            Ok(stamp) => Some(stamp),
            Err(error) if is_absent(&error) => {
                lock(&self.kept).remove(directory);
                return None;
            }
            Err(_) => None,
        };
        let kept = lock(&self.kept).get(directory).cloned();
        if let Some(kept) = &kept
            && kept.stamp == stamp
            && stamp.is_some()
        {
            return Some(Arc::clone(&kept.rules));
        }
        let now = SystemTime::now();
        let name = format!("{directory}{IGNORE_FILE}");
        let (rules, troubles) = read(base, path).map_or_else(
            |error| unreadable(&name, &error),
            |text| understood(&name, &text),
        );
        let is_new = kept.is_none_or(|kept| kept.troubles != troubles);
        for trouble in troubles.iter().filter(|_| is_new) {
            tracing::warn!("{trouble}");
        }
        let rules = Arc::new(rules);
        let new = Kept {
            stamp: stamp.filter(|stamp| stamp.is_settled(now)),
            rules: Arc::clone(&rules),
            troubles,
        };
        let mut kept = lock(&self.kept);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(directory.to_owned(), new);
        Some(rules)
    }
}

impl Chain {
    /// Goes into `directory`, which is below the one before.
    pub(super) fn enter(&mut self, ignoring: &Ignoring, share: &Dir, directory: &str) {
        if let Some(rules) = ignoring.rules(share, directory) {
            self.0.push((directory.to_owned(), rules));
        }
    }

    /// Goes into `directory`, which is below the one before and open as `folder`.
    pub(super) fn enter_open(&mut self, ignoring: &Ignoring, folder: &Dir, directory: &str) {
        if let Some(rules) = ignoring.rules_at(folder, IGNORE_FILE, directory) {
            self.0.push((directory.to_owned(), rules));
        }
    }

    /// Number of ignore files.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Goes back to the directory in which so many ignore files hold.
    pub(super) fn leave(&mut self, to: usize) {
        self.0.truncate(to);
    }

    /// Says whether the file or directory `name`, whose directory is the one
    /// entered last, may be shared.
    pub(super) fn verdict(&self, name: &str, is_directory: bool) -> Verdict {
        let last = name.rsplit('/').next().unwrap_or(name);
        if last == IGNORE_FILE {
            return Verdict::Ignored;
        }
        let mut is_shown = false;
        for (directory, rules) in &self.0 {
            let Rules::Lines(lines) = &**rules else {
                return Verdict::Ignored;
            };
            let below = name.strip_prefix(directory.as_str()).unwrap_or(name);
            match lines.matched(below, is_directory) {
                Match::Ignore(_) => return Verdict::Ignored,
                // Only the file at the top shows what is hidden by itself.
                Match::Whitelist(_) => is_shown |= directory.is_empty(),
                Match::None => {}
            }
        }
        if is_shown {
            Verdict::Shared
        } else if defaults::ignored(last) {
            Verdict::LeftBehind
        } else if last.starts_with('.') {
            Verdict::Hidden
        } else {
            Verdict::Shared
        }
    }
}

fn stamp(share: &Dir, path: &str) -> io::Result<Stamp> {
    let metadata = share.symlink_metadata(path)?;
    Ok(OnDisk::from(&metadata).shown())
}

fn unreadable(path: &str, error: &io::Error) -> (Rules, Vec<String>) {
    let trouble = format!("{path} cannot be read, so its directory is not shared: {error}");
    (Rules::Unreadable, vec![trouble])
}

fn understood(path: &str, text: &str) -> (Rules, Vec<String>) {
    let (lines, bad) = lines::parse(text);
    let bad = bad.iter().take(TROUBLES_MAX);
    let troubles = bad.map(|bad| {
        let lines::BadLine { number, error } = bad;
        format!("{path}:{number}: the line hides nothing: {error}")
    });
    (Rules::Lines(lines), troubles.collect())
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
    options.custom_flags(files::DO_NOT_WAIT);
    let file = share.open_with(path, &options)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(FILE_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    if bytes.contains(&0) {
        return Err(io::Error::other("it has a NUL; save it as UTF-8"));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8"))
}

#[cfg(test)]
mod tests;
