//! The shared directory itself: which one is held, and whether it is still the
//! one at its path.
//!
//! One directory is shared, and not just any at the path: a mount
//! point without its disk, or a disk in place of another, is not the share. Its
//! identity is kept in the state directory. When the directory at the path is
//! not that one, the share is away, until it is back or the owner accepts the
//! directory that is there ([`Root::accept`]).
//!
//! # Invariants
//! - Nothing is read from or stored in a directory that the owner did not name
//!   or accept.
//! - While the share is away, it is not held open, so that it can be mounted and
//!   unmounted.
#![allow(
    clippy::disallowed_methods,
    reason = "the path of the share comes from the owner; it is looked at, never joined with a name"
)]

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use cap_std::{ambient_authority, fs::Dir};
use node_wire::name::ShareName;
use serde::{Deserialize, Serialize};

use super::ShareError;
use node_base::{
    platform::space,
    state::{StateDir, StateError},
    sync::lock,
};

/// File of the identity in the state directory.
const FILE: &str = "share";

/// The directory at a path.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    state: Option<StateDir>,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    /// Nothing while the share is away.
    directory: Option<Arc<Dir>>,
    identity: Identity,
    /// The reason why nothing is shared now.
    trouble: Option<String>,
    /// The change that was not reported yet.
    untold: Option<RootNews>,
}

/// The identity of a directory, which differs from all others, also after a restart of the machine.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
struct Identity {
    /// Number of its device, which may be another one after a restart.
    device: u64,
    /// Number of its file system; 0 if it has none.
    file_system: u64,
    inode: u64,
    /// The time of its birth, in nanoseconds since 1970, if the system knows.
    born: Option<u64>,
}

/// The identity as it is kept.
#[derive(Deserialize, Serialize)]
struct Marker {
    path: String,
    #[serde(flatten)]
    identity: Identity,
}

/// A change of the directory's state.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum RootNews {
    /// It is there, as before.
    Same,
    /// It is there again.
    Back,
    /// The owner accepted another directory.
    Replaced,
    /// It is not there, or cannot be used.
    Away(String),
}

impl Identity {
    fn of(directory: &Dir) -> io::Result<Identity> {
        let file = directory.open(".")?.into_std();
        let file_system = space::file_system(&file)?;
        Ok(Identity {
            file_system,
            ..Identity::of_metadata(&file.metadata()?)
        })
    }

    fn of_metadata(metadata: &fs::Metadata) -> Identity {
        let born = metadata.created().ok().and_then(nanoseconds);
        Identity {
            device: metadata.dev(),
            file_system: 0,
            inode: metadata.ino(),
            // What was made in 1970 was made by a program that did not say when.
            born: born.filter(|born| *born > 0),
        }
    }

    /// Returns true if both are the same directory, as long as nothing is mounted
    /// meanwhile.
    fn is_now(&self, there: &Identity) -> bool {
        (self.device, self.inode, self.born) == (there.device, there.inode, there.born)
    }

    /// Returns true if both are the same directory, maybe after a restart.
    fn is_same(&self, there: &Identity) -> bool {
        self.inode == there.inode
            && match (self.born, there.born) {
                (Some(ours), Some(theirs)) => ours == theirs,
                _ => {
                    self.device == there.device
                        || (self.file_system != 0 && self.file_system == there.file_system)
                }
            }
    }
}

impl Root {
    /// Opens the directory at `path`. With `state`, it has to be the one that
    /// was shared from there before, if one was; otherwise the share is away.
    pub(super) fn open(path: &Path, state: Option<&StateDir>) -> io::Result<Root> {
        let directory = Dir::open_ambient_dir(path, ambient_authority())?;
        let there = Identity::of(&directory)?;
        let path = std::path::absolute(path)?;
        let before = state.and_then(|state| load(state, &path));
        let held = match before.filter(|before| !before.is_same(&there)) {
            None => Held {
                directory: Some(Arc::new(directory)),
                identity: there,
                trouble: None,
                untold: None,
            },
            Some(before) => Held {
                directory: None,
                identity: before,
                trouble: Some(another(&path)),
                untold: Some(RootNews::Away(another(&path))),
            },
        };
        let root = Root {
            path,
            state: state.cloned(),
            held: Mutex::new(held),
        };
        root.save().map_err(io::Error::other)?;
        Ok(root)
    }

    /// Returns the path, from the top of the file system.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the directory.
    ///
    /// # Errors
    /// Errors if it is not at its path any more.
    pub(super) fn directory(&self) -> io::Result<Arc<Dir>> {
        let held = lock(&self.held);
        held.directory.clone().ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, "the shared directory is not there")
        })
    }

    /// Returns why nothing is shared now.
    pub(super) fn trouble(&self) -> Option<String> {
        lock(&self.held).trouble.clone()
    }

    /// Returns path and identity, to tell this directory from others.
    pub(super) fn description(&self) -> String {
        let Identity { device, inode, .. } = lock(&self.held).identity;
        format!("{device} {inode} {}", self.path.display())
    }

    /// Makes sure that `directory` is the share and still at its path, before
    /// the file `name` is stored in it.
    ///
    /// # Errors
    /// Errors with [`ShareError::Away`] if not.
    pub(super) fn check(&self, directory: &Arc<Dir>, name: &ShareName) -> Result<(), ShareError> {
        let away = |why: String| ShareError::Away {
            name: name.clone(),
            why,
        };
        let identity = {
            let held = lock(&self.held);
            if let Some(why) = &held.trouble {
                return Err(away(why.clone()));
            }
            let is_held = |held: &Arc<Dir>| Arc::ptr_eq(held, directory);
            if !held.directory.as_ref().is_some_and(is_held) {
                return Err(away("another directory is shared now".to_owned()));
            }
            held.identity
        };
        match self.there() {
            Ok(there) if identity.is_now(&there) => Ok(()),
            Ok(_) => Err(away(another(&self.path))),
            Err(error) => Err(away(error.to_string())),
        }
    }

    /// Looks at the path, and takes the directory that is there if it is the
    /// share.
    pub(super) fn look(&self) -> RootNews {
        if let Some(news) = lock(&self.held).untold.take() {
            return news;
        }
        let (was_away, identity) = {
            let held = lock(&self.held);
            (held.trouble.is_some(), held.identity)
        };
        match self.there() {
            Ok(there) if identity.is_now(&there) && !was_away => RootNews::Same,
            Ok(_) => self.take(&identity),
            Err(error) => self.leave(&error.to_string()),
        }
    }

    /// Notes that the directory cannot be used.
    pub(super) fn leave(&self, why: &str) -> RootNews {
        let mut held = lock(&self.held);
        if held.trouble.as_deref() == Some(why) {
            return RootNews::Same;
        }
        held.trouble = Some(why.to_owned());
        held.directory = None;
        RootNews::Away(why.to_owned())
    }

    /// Shares the directory that is at the path now, whichever it is.
    ///
    /// # Errors
    /// Errors if no directory can be read.
    pub(super) fn accept(&self) -> io::Result<()> {
        let (directory, identity) = self.open_there()?;
        {
            let mut held = lock(&self.held);
            if held.trouble.is_none() && held.identity.is_now(&identity) {
                return Ok(());
            }
            *held = Held {
                directory: Some(Arc::new(directory)),
                identity,
                trouble: None,
                untold: Some(RootNews::Replaced),
            };
        }
        self.save().map_err(io::Error::other)
    }

    fn there(&self) -> io::Result<Identity> {
        let metadata = fs::metadata(&self.path)?;
        if metadata.is_dir() {
            Ok(Identity::of_metadata(&metadata))
        } else {
            Err(io::ErrorKind::NotADirectory.into())
        }
    }

    fn open_there(&self) -> io::Result<(Dir, Identity)> {
        let directory = Dir::open_ambient_dir(&self.path, ambient_authority())?;
        directory.entries()?;
        let identity = Identity::of(&directory)?;
        Ok((directory, identity))
    }

    fn take(&self, before: &Identity) -> RootNews {
        match self.open_there() {
            Err(error) => self.leave(&error.to_string()),
            Ok((_, identity)) if !before.is_same(&identity) => self.leave(&another(&self.path)),
            Ok((directory, identity)) => {
                let mut held = lock(&self.held);
                held.directory = Some(Arc::new(directory));
                held.identity = identity;
                held.trouble = None;
                RootNews::Back
            }
        }
    }

    /// Keeps the identity for the next start.
    fn save(&self) -> Result<(), StateError> {
        let Some(state) = &self.state else {
            return Ok(());
        };
        let marker = Marker {
            path: self.path.to_string_lossy().into_owned(),
            identity: lock(&self.held).identity,
        };
        let text = serde_json::to_string(&marker).map_err(|error| StateError {
            path: state.file(FILE),
            error: error.into(),
        })?;
        if state.read(FILE)?.as_ref() == Some(&text) {
            return Ok(());
        }
        state.write(FILE, &text)
    }
}

/// Returns the identity of the directory that was shared from `path` before.
fn load(state: &StateDir, path: &Path) -> Option<Identity> {
    let text = state.read(FILE).unwrap_or_else(|error| {
        tracing::warn!(%error, "it cannot be read which directory was shared before");
        None
    });
    let marker: Marker = serde_json::from_str(&text?).ok()?;
    (marker.path == path.to_string_lossy()).then_some(marker.identity)
}

fn another(path: &Path) -> String {
    format!(
        "the directory at {} is not the one that was shared before; mount or move that one there \
         again, or share this one: ctl call share.accept",
        path.display()
    )
}

fn nanoseconds(time: SystemTime) -> Option<u64> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_nanos()).ok()
}
