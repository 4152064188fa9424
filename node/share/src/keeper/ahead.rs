//! Directories that are listed by a second thread, ahead of the look that notes them.
//!
//! # Participants
//! The thread of the look [asks](Ahead::want) for the next few directories and [takes](Ahead::take) one after the
//! other. A [helper](Ahead::help) lists them meanwhile. One that the helper has not begun is listed by
//! the thread of the look itself, and so is another one while it would have to wait.
//!
//! # Invariants
//! - At most [`AHEAD_MAX`] directories are listed and not taken.
//! - [`Ahead::end`] ends the helper behind the directory that it lists.

use std::{
    collections::BTreeMap,
    sync::{Condvar, Mutex, PoisonError},
};

use node_base::sync::lock;

use super::lister::{FoundDirectory, KnownAs, Lister};

/// Most directories that are asked for ahead.
pub(super) const AHEAD_MAX: usize = 8;

/// Directories that are listed ahead.
#[derive(Default)]
pub(super) struct Ahead {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Default)]
struct State {
    wanted: BTreeMap<String, DirectoryState>,
    is_over: bool,
}

enum DirectoryState {
    /// Nobody has begun.
    Waiting(KnownAs),
    /// It is being listed.
    Begun,
    Found(FoundDirectory),
}

impl Ahead {
    /// Returns whether the directory `name` was asked for.
    pub(super) fn has(&self, name: &str) -> bool {
        lock(&self.state).wanted.contains_key(name)
    }

    /// Asks for the directory `name`, which is `known`.
    pub(super) fn want(&self, name: &str, known: KnownAs) {
        let waiting = DirectoryState::Waiting(known);
        lock(&self.state).wanted.insert(name.to_owned(), waiting);
        self.news.notify_all();
    }

    /// Returns the directory `name`, which was asked for.
    pub(super) fn take(&self, name: &str, lister: &mut Lister) -> Option<FoundDirectory> {
        loop {
            let mut state = lock(&self.state);
            match state.wanted.remove(name)? {
                DirectoryState::Found(found) => return Some(found),
                DirectoryState::Waiting(known) => {
                    drop(state);
                    return Some(lister.find(name, known));
                }
                DirectoryState::Begun => {
                    state.wanted.insert(name.to_owned(), DirectoryState::Begun)
                }
            };
            match state.begin() {
                Some((other, known)) => {
                    drop(state);
                    self.list(other, known, lister);
                }
                None => drop(
                    self.news
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner),
                ),
            }
        }
    }

    /// Lists directories until the [end](Ahead::end).
    pub(super) fn help(&self, mut lister: Lister) {
        loop {
            let mut state = lock(&self.state);
            if state.is_over {
                return;
            }
            match state.begin() {
                Some((name, known)) => {
                    drop(state);
                    self.list(name, known, &mut lister);
                }
                None => drop(
                    self.news
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner),
                ),
            }
        }
    }

    /// Ends the helper.
    pub(super) fn end(&self) {
        lock(&self.state).is_over = true;
        self.news.notify_all();
    }

    fn list(&self, name: String, known: KnownAs, lister: &mut Lister) {
        let found = DirectoryState::Found(lister.find(&name, known));
        lock(&self.state).wanted.insert(name, found);
        self.news.notify_all();
    }
}

impl State {
    /// Begins with the first directory that waits.
    fn begin(&mut self) -> Option<(String, KnownAs)> {
        let mut wanted = self.wanted.iter_mut();
        wanted.find_map(|(name, wanted)| match wanted {
            DirectoryState::Waiting(known) => {
                let known = *known;
                *wanted = DirectoryState::Begun;
                Some((name.clone(), known))
            }
            _ => None,
        })
    }
}

/// Ends the helper when it is dropped, so that nobody waits for it after a panic.
pub(super) struct EndOfHelp<'a>(pub(super) &'a Ahead);

impl Drop for EndOfHelp<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}
