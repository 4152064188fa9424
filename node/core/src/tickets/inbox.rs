//! The inbox: where files are that people without Sixhop left.
//!
//! It is `STATE/inbox`, no part of the share: its owner moves into the share what is to be there. A file is written as
//! those of the share are, into a temporary beside its place, by the same rules of names.
//!
//! # Invariants
//! - Nothing is replaced. A name that is taken gets a number.
//! - A file appears whole, or not at all.
//! - Bytes of an upload are written in their order, by one request at a time: the length of the temporary says how many
//!   there are, also after the node was killed.
#![allow(
    clippy::disallowed_methods,
    reason = "makes the node's own directory, in its state; what others send goes through a directory handle"
)]

use std::{
    fs::DirBuilder,
    io,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock, atomic::AtomicBool},
};

use node_base::{platform::files, state::StateDir};
use node_wire::{
    ShareName,
    offered::{numbered, offered_name},
};

use crate::share::{About, Incoming, Replace, Share, ShareError};

/// Name of the directory in the state directory.
const DIRECTORY: &str = "inbox";

/// Files of one name that are told apart by a number.
const SAME_NAME_MAX: u32 = 1_000;

/// The directory of files that were left.
#[derive(Debug)]
pub(crate) struct Inbox {
    path: PathBuf,
    /// Temporaries of an earlier run.
    kept: Vec<String>,
    opened: OnceLock<Share>,
}

/// The reason why a file is not stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InboxError {
    /// The directory cannot be used.
    #[error("the inbox {path} cannot be used: {error}")]
    Directory { path: String, error: io::Error },
    /// The file cannot be stored.
    #[error(transparent)]
    Store(#[from] ShareError),
    /// There are too many of one name.
    #[error("there are too many files named `{0}`")]
    TooMany(ShareName),
}

impl Inbox {
    /// Describes the inbox of a state directory. It is made when it is first needed. `kept` are temporaries that are
    /// taken up later.
    pub(crate) fn of(state: &StateDir, kept: Vec<String>) -> Inbox {
        Inbox {
            path: state.file(DIRECTORY),
            kept,
            opened: OnceLock::new(),
        }
    }

    /// Returns where the files of a folder are.
    pub(crate) fn folder(&self, folder: &str) -> PathBuf {
        self.path.join(folder)
    }

    fn share(&self) -> Result<&Share, InboxError> {
        if let Some(share) = self.opened.get() {
            return Ok(share);
        }
        let made = make(&self.path);
        made.map_err(|error| InboxError::Directory {
            path: self.path.display().to_string(),
            error,
        })?;
        let share = Share::open_store(&self.path, &self.kept)?;
        Ok(self.opened.get_or_init(|| share))
    }

    /// Begins a file that somebody offers under a name, of at most `size` bytes, in a folder. `is_taken` says which
    /// names others are about to have. Returns the name that it will have, and its temporary. Blocks.
    pub(crate) fn begin(
        &self,
        folder: &str,
        offered: &str,
        size: u64,
        is_taken: &dyn Fn(&ShareName) -> bool,
    ) -> Result<Incoming, InboxError> {
        let share = self.share()?;
        let last = offered_name(offered);
        let place = ShareName::parse(&format!("{folder}/{last}"));
        let first = place.unwrap_or(last);
        for number in 1..=SAME_NAME_MAX {
            let Some(name) = numbered(&first, number).filter(|name| !is_taken(name)) else {
                continue;
            };
            match share.begin(&name, Replace::Never) {
                Ok(mut incoming) => {
                    incoming.has_room(size)?;
                    incoming.stay_if(Arc::new(AtomicBool::new(true)));
                    return Ok(incoming);
                }
                Err(ShareError::Exists(_) | ShareError::Collision { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(InboxError::TooMany(first))
    }

    /// Takes up a file that was begun, under a name with a number if another file took its name meanwhile. Blocks.
    ///
    /// # Errors
    /// [`ShareError::Exists`] if it came into its place already: its name is there, and its temporary is not.
    pub(crate) fn resume(&self, name: &ShareName, temporary: &str) -> Result<Incoming, InboxError> {
        let share = self.share()?;
        for number in 1..=SAME_NAME_MAX {
            let Some(free) = numbered(name, number) else {
                continue;
            };
            match share.resume(&free, Replace::Never, temporary) {
                Ok(mut incoming) => {
                    incoming.stay_if(Arc::new(AtomicBool::new(true)));
                    return Ok(incoming);
                }
                Err(ShareError::Exists(_) | ShareError::Collision { .. }) => {}
                Err(ShareError::NotFound(_)) if number > 1 => {
                    return Err(ShareError::Exists(name.clone()).into());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(InboxError::TooMany(name.clone()))
    }

    /// Removes what is there of a file that was given up. Blocks.
    pub(crate) fn remove(&self, temporary: &str) {
        if let Ok(share) = self.share() {
            share.remove_temporary(temporary);
        }
    }
}

/// Makes the whole file appear. Blocks.
pub(crate) fn commit(incoming: Incoming, size: u64) -> Result<(), ShareError> {
    incoming.commit(size, About::default()).map(drop)
}

fn make(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    files::make_directory_private(&mut builder);
    builder.create(path)
}
