//! The shared directory itself: which one is held, and whether it is still the
//! one at its path.
//!
//! What is shared is the directory at the path that the owner named. When it is
//! renamed or unmounted, nothing is shared until a directory is there again;
//! when another one takes its place, that one is shared. What is on its way
//! into the old one ends there.
#![allow(
    clippy::disallowed_methods,
    reason = "the path of the share comes from the owner; it is looked at, never joined with a name"
)]

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use cap_std::{ambient_authority, fs::Dir};

use node_base::sync::lock;

/// The directory at a path.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    directory: Arc<Dir>,
    /// Disk and number of it there.
    identity: (u64, u64),
    /// Why nothing is shared now.
    trouble: Option<String>,
}

/// What became of the directory.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum RootNews {
    /// It is there, as before.
    Same,
    /// It is there again.
    Back,
    /// Another directory is there.
    Replaced,
    /// It is not there, or cannot be used.
    Away(String),
}

impl Root {
    pub(super) fn open(path: &Path) -> io::Result<Root> {
        let directory = Dir::open_ambient_dir(path, ambient_authority())?;
        let metadata = directory.dir_metadata()?;
        let identity = identity_of(&metadata);
        Ok(Root {
            path: std::path::absolute(path)?,
            held: Mutex::new(Held {
                directory: Arc::new(directory),
                identity,
                trouble: None,
            }),
        })
    }

    /// The path, from the top of the file system.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The directory.
    ///
    /// # Errors
    /// When it is not at its path any more.
    pub(super) fn directory(&self) -> io::Result<Arc<Dir>> {
        let held = lock(&self.held);
        match &held.trouble {
            None => Ok(Arc::clone(&held.directory)),
            Some(_) => Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the shared directory is not there",
            )),
        }
    }

    /// Why nothing is shared now.
    pub(super) fn trouble(&self) -> Option<String> {
        lock(&self.held).trouble.clone()
    }

    /// Path and identity, to tell this directory from others.
    pub(super) fn description(&self) -> String {
        let (disk, inode) = lock(&self.held).identity;
        format!("{disk} {inode} {}", self.path.display())
    }

    /// Looks at the path, and takes the directory that is there.
    pub(super) fn look(&self) -> RootNews {
        let there = fs::metadata(&self.path).and_then(|metadata| {
            if metadata.is_dir() {
                Ok((metadata.dev(), metadata.ino()))
            } else {
                Err(io::ErrorKind::NotADirectory.into())
            }
        });
        let (was_away, identity) = {
            let held = lock(&self.held);
            (held.trouble.is_some(), held.identity)
        };
        match there {
            Ok(there) if there == identity && !was_away => RootNews::Same,
            Ok(_) => self.take(identity),
            Err(error) => self.leave(&error),
        }
    }

    /// Notes that the directory cannot be used.
    pub(super) fn leave(&self, error: &io::Error) -> RootNews {
        let trouble = error.to_string();
        let mut held = lock(&self.held);
        if held.trouble.as_ref() == Some(&trouble) {
            return RootNews::Same;
        }
        held.trouble = Some(trouble.clone());
        RootNews::Away(trouble)
    }

    fn take(&self, before: (u64, u64)) -> RootNews {
        let taken = Dir::open_ambient_dir(&self.path, ambient_authority()).and_then(|directory| {
            directory.entries()?;
            let identity = identity_of(&directory.dir_metadata()?);
            Ok((directory, identity))
        });
        match taken {
            Err(error) => self.leave(&error),
            Ok((directory, identity)) => {
                let mut held = lock(&self.held);
                held.directory = Arc::new(directory);
                held.identity = identity;
                held.trouble = None;
                if identity == before {
                    RootNews::Back
                } else {
                    RootNews::Replaced
                }
            }
        }
    }
}

fn identity_of(metadata: &cap_std::fs::Metadata) -> (u64, u64) {
    use cap_std::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}
