//! The share: the one directory whose files a node offers.
//!
//! # Participants
//! [`Share`] holds the directory; [`SharedFile`] is a file opened for reading;
//! [`Digests`] knows the digests of the files; [`Incoming`] is a file on its way in, invisible until it is whole.
//!
//! # Lifecycle of a stored file
//! `begin` makes a private temporary in the share; the bytes are written to it;
//! `commit` brings them to the disk, renames the temporary to its name without
//! replacing anything (unless told to), and brings the directory to the disk.
//! Dropping an [`Incoming`] removes the temporary. Temporaries that a killed
//! node left behind are removed when the share is opened.
//!
//! # Invariants
//! - A file is named by a [`ShareName`] relative to a directory handle; no path
//!   is ever joined and opened, so no name and no link leads out of the share.
//! - Only regular files are opened, listed or stored. A symbolic link is none.
//! - A temporary has a name that no [`ShareName`] can have, so it is never
//!   listed, opened or sent.
//! - Names that differ only in letter case are one name: the second is refused.
//! - All calls block; they belong on the blocking pool.

mod digests;
mod error;
mod incoming;
mod listing;
mod siblings;

use std::{
    fs::File,
    hash::{Hash, Hasher},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt};
use cap_std::{
    ambient_authority,
    fs::{Dir, Metadata, OpenOptions, OpenOptionsExt},
};
use node_wire::name::ShareName;
use plugin_api::FileInfo;

pub use self::{
    digests::{Digests, Known},
    error::ShareError,
    incoming::{FREE_MIN, INCOMING_MAX, Incoming, Replace},
    listing::Listing,
};

/// Time without a change after which a stamp is trusted to show the next one.
const SETTLED_AFTER: Duration = Duration::from_millis(100);

/// The shared directory.
#[derive(Debug)]
pub struct Share {
    directory: Dir,
    path: PathBuf,
    siblings: Arc<siblings::Siblings>,
}

/// A shared file, open for reading.
#[derive(Debug)]
pub struct SharedFile {
    /// The open file, at its start.
    pub file: File,
    /// What it was when it was opened.
    pub stamp: Stamp,
}

/// What a file must keep while it is read, or it is another file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stamp {
    /// Size in bytes.
    pub size: u64,
    /// Time of the last change.
    pub modified: Option<SystemTime>,
    /// Which file of the disk it is; another one may have taken its name.
    pub inode: u64,
}

impl Stamp {
    /// The stamp of a file that is described so.
    pub(crate) fn of(metadata: &std::fs::Metadata) -> Stamp {
        Stamp {
            size: metadata.len(),
            modified: metadata.modified().ok(),
            inode: metadata.ino(),
        }
    }
}

impl Share {
    /// Opens the directory `path` and removes what a killed node left in it.
    ///
    /// # Errors
    /// When it is no directory or cannot be read.
    pub fn open(path: &Path) -> Result<Share, ShareError> {
        Share::open_keeping(path, &[])
    }

    /// Opens the directory `path` and removes what a killed node left in it,
    /// but for the temporaries in `kept`, which [`Share::resume`] takes up.
    ///
    /// # Errors
    /// As [`Share::open`].
    pub fn open_keeping(path: &Path, kept: &[String]) -> Result<Share, ShareError> {
        let refused = |error| ShareError::Directory {
            path: path.to_owned(),
            error,
        };
        let directory = Dir::open_ambient_dir(path, ambient_authority()).map_err(refused)?;
        incoming::remove_leftovers(&directory, kept).map_err(refused)?;
        Ok(Share {
            directory,
            path: path.to_owned(),
            siblings: Arc::default(),
        })
    }

    /// The path under which the directory was opened, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file `name` for reading.
    ///
    /// # Errors
    /// [`ShareError::NotFound`] when there is no regular file of this name,
    /// [`ShareError::Io`] when it cannot be opened.
    pub fn read(&self, name: &ShareName) -> Result<SharedFile, ShareError> {
        let mut options = OpenOptions::new();
        options.read(true).follow(FollowSymlinks::No);
        // A pipe or device must not hold the thread before it is recognised.
        #[cfg(unix)]
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
        let file = self
            .directory
            .open_with(name.as_str(), &options)
            .map_err(|error| ShareError::of(name, error))?;
        let file = file.into_std();
        let metadata = file
            .metadata()
            .map_err(|error| ShareError::of(name, error))?;
        if !metadata.is_file() {
            return Err(ShareError::NotFound(name.clone()));
        }
        let stamp = Stamp::of(&metadata);
        Ok(SharedFile { file, stamp })
    }

    /// The stamp of the file `name`.
    ///
    /// # Errors
    /// As [`Share::read`].
    pub fn stamp(&self, name: &ShareName) -> Result<Stamp, ShareError> {
        let metadata = self
            .directory
            .symlink_metadata(name.as_str())
            .map_err(|error| ShareError::of(name, error))?;
        if !metadata.is_file() {
            return Err(ShareError::NotFound(name.clone()));
        }
        Ok(Stamp {
            size: metadata.len(),
            modified: modified(&metadata),
            inode: cap_std::fs::MetadataExt::ino(&metadata),
        })
    }

    /// Describes the file `name`.
    ///
    /// # Errors
    /// As [`Share::read`].
    pub fn describe(&self, name: &ShareName) -> Result<FileInfo, ShareError> {
        let metadata = self
            .directory
            .symlink_metadata(name.as_str())
            .map_err(|error| ShareError::of(name, error))?;
        if metadata.is_file() {
            Ok(info(name.as_str(), &metadata))
        } else {
            Err(ShareError::NotFound(name.clone()))
        }
    }

    /// Whether something, a file or not, has `name`. Blocks.
    #[must_use]
    pub fn is_taken(&self, name: &ShareName) -> bool {
        self.directory.symlink_metadata(name.as_str()).is_ok()
    }

    /// Begins to store a file under `name`.
    ///
    /// # Errors
    /// [`ShareError::Exists`] when the name is taken and not to be replaced,
    /// [`ShareError::Io`] when no temporary can be made.
    pub fn begin(&self, name: &ShareName, replace: Replace) -> Result<Incoming, ShareError> {
        Incoming::begin(self, name, replace)
    }

    /// Removes the temporary of an earlier run that is not taken up.
    pub fn remove_temporary(&self, temporary: &str) {
        if incoming::is_temporary(temporary) {
            // It may be gone already; then there is nothing to do.
            let _ = self.directory.remove_file(temporary);
        }
    }

    /// Takes up the temporary of an earlier run.
    ///
    /// # Errors
    /// [`ShareError::NotFound`] when it is not there any more, and as
    /// [`Share::begin`].
    pub fn resume(
        &self,
        name: &ShareName,
        replace: Replace,
        temporary: &str,
    ) -> Result<Incoming, ShareError> {
        Incoming::resume(self, name, replace, temporary)
    }
}

impl SharedFile {
    /// Whether the open file is still what it was when it was opened.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn unchanged(file: &File, stamp: Stamp) -> std::io::Result<bool> {
        Ok(Stamp::of(&file.metadata()?) == stamp)
    }
}

fn info(name: &str, metadata: &Metadata) -> FileInfo {
    FileInfo {
        name: name.to_owned(),
        size: metadata.len(),
        modified: modified(metadata),
        version: version(metadata),
    }
}

/// Another number for another stamp; zero for a file that was changed so lately
/// that its next change may not show.
fn version(metadata: &Metadata) -> u64 {
    let Some(modified) = modified(metadata) else {
        return 0;
    };
    let settled = SystemTime::now()
        .duration_since(modified)
        .is_ok_and(|since| since >= SETTLED_AFTER);
    if !settled {
        return 0;
    }
    let mut hasher = std::hash::DefaultHasher::new();
    let inode = cap_std::fs::MetadataExt::ino(metadata);
    (metadata.len(), inode, modified).hash(&mut hasher);
    hasher.finish().max(1)
}

fn modified(metadata: &Metadata) -> Option<SystemTime> {
    metadata
        .modified()
        .ok()
        .map(cap_std::time::SystemTime::into_std)
}

#[cfg(test)]
mod tests;
