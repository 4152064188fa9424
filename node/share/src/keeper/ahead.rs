//! Reading the next directories on a second processor, while what was found in those
//! before is noted.
//!
//! # Participants
//! The thread of the keeper says which directories come next and takes what is in them;
//! a helper reads them. A directory that is needed and that nobody has begun to read is
//! read by the keeper itself, and while it waits for one, it reads another.
//!
//! # Invariants
//! - A directory is watched before it is read, so that no change is missed between.
//! - Nothing is kept from one step of a sweep to the next: hints come between them, and
//!   what is noted last has to be what was read last.
//! - At most [`AHEAD_MAX`] directories are read and not taken.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::SystemTime,
};

use cap_fs_ext::DirExt;
use cap_std::fs::Dir;
use node_base::sync::lock;

use crate::{
    Share,
    folders::FolderStamp,
    listing::{Listed, list},
};

/// Most directories that are read before their turn.
const AHEAD_MAX: usize = 16;

/// What was found in a directory.
pub(super) struct Read {
    /// When it was begun.
    pub(super) before: SystemTime,
    /// What its ignore file was.
    pub(super) rules: u64,
    /// What the directory was, and what is in it.
    pub(super) found: io::Result<(FolderStamp, io::Result<Listed>)>,
}

/// Directories that are read before their turn.
#[derive(Default)]
pub(super) struct Ahead {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Default)]
struct State {
    /// Directories that nobody has begun to read.
    asked: VecDeque<String>,
    /// Those that were begun; nothing while they are being read.
    read: BTreeMap<String, Option<Read>>,
    is_over: bool,
}

/// Ends the work of the helper when it is dropped.
pub(super) struct Ending(pub(super) Arc<Ahead>);

impl Ahead {
    /// Reads what is asked for, until that ends.
    pub(super) fn work(&self, share: &Share, root: &Dir) {
        loop {
            let mut state = lock(&self.state);
            while state.asked.is_empty() && !state.is_over {
                state = self
                    .news
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            if state.is_over {
                return;
            }
            drop(state);
            self.read_one(share, root);
        }
    }

    /// Returns how many more directories may be asked for; none as long as there is
    /// enough to do.
    pub(super) fn room(&self) -> usize {
        let state = lock(&self.state);
        let room = AHEAD_MAX.saturating_sub(state.asked.len() + state.read.len());
        if room < AHEAD_MAX / 2 { 0 } else { room }
    }

    /// Has directories read.
    pub(super) fn ask(&self, names: Vec<String>) {
        let mut state = lock(&self.state);
        for name in names {
            if !state.asked.contains(&name) && !state.read.contains_key(&name) {
                state.asked.push_back(name);
            }
        }
        drop(state);
        self.news.notify_all();
    }

    /// Returns whether nothing is asked for that was not taken.
    pub(super) fn is_empty(&self) -> bool {
        let state = lock(&self.state);
        state.asked.is_empty() && state.read.is_empty()
    }

    /// Takes what was found in the directory `name`; `None` if it was not asked for, or
    /// nobody has begun to read it.
    pub(super) fn take(&self, name: &str, share: &Share, root: &Dir) -> Option<Read> {
        let mut state = lock(&self.state);
        state.asked.retain(|asked| asked != name);
        loop {
            match state.read.get(name) {
                None => return None,
                Some(Some(_)) => return state.read.remove(name).flatten(),
                Some(None) if state.asked.is_empty() => {
                    state = self
                        .news
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                Some(None) => {
                    drop(state);
                    self.read_one(share, root);
                    state = lock(&self.state);
                }
            }
        }
    }

    /// Reads a directory that nobody has begun to read.
    fn read_one(&self, share: &Share, root: &Dir) {
        let begun = {
            let mut state = lock(&self.state);
            let Some(name) = state.asked.pop_front() else {
                return;
            };
            state.read.insert(name.clone(), None);
            Begun { ahead: self, name }
        };
        let read = read(share, root, &begun.name);
        lock(&self.state)
            .read
            .insert(begun.name.clone(), Some(read));
    }
}

/// A directory that is being read. If that breaks, nobody waits for it.
struct Begun<'a> {
    ahead: &'a Ahead,
    name: String,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.ahead.state);
        if state.read.get(&self.name).is_some_and(Option::is_none) {
            state.read.remove(&self.name);
        }
        drop(state);
        self.ahead.news.notify_all();
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        lock(&self.0.state).is_over = true;
        self.0.news.notify_all();
    }
}

/// Reads the directory `name`: empty, or with a `/` at its end.
fn read(share: &Share, root: &Dir, name: &str) -> Read {
    let before = SystemTime::now();
    let rules = share.ignoring.fingerprint(root, name);
    let found = open(share, root, name).and_then(|directory| {
        let stamp = FolderStamp::of(&directory.dir_metadata()?);
        let chain = share.ignoring.chain(root, name);
        Ok((stamp, list(&directory, name, &chain)))
    });
    Read {
        before,
        rules,
        found,
    }
}

fn open(share: &Share, root: &Dir, name: &str) -> io::Result<Dir> {
    let mut directory = root.try_clone()?;
    for part in name.split_terminator('/') {
        let on_disk = share.names.find(&directory, part);
        directory = directory.open_dir_nofollow(&*on_disk)?;
    }
    Ok(directory)
}
