//! The share: the one directory whose files a node offers.
//!
//! # Participants
//! [`Share`] holds the directory; [`SharedFile`] is a file opened for reading;
//! [`Catalogue`] lists the files, and [`Keeper`] keeps it right;
//! [`Digests`] knows the digests of the files; [`Incoming`] is a file on its way in, invisible until it is whole.
//!
//! # Lifecycle of a stored file
//! `begin` makes a private temporary in the directory of the file; the bytes are
//! written to it; `commit` brings them to the disk, renames the temporary to its
//! name without replacing anything (unless told to), and brings the directory to
//! the disk. Dropping an [`Incoming`] removes the temporary, and directories that
//! were made for it. What a killed node left behind is removed when the share is
//! opened or its directory is listed.
//!
//! # Invariants
//! - A file is named by a [`ShareName`] relative to a directory handle; no path
//!   is ever joined and opened, so no name and no link leads out of the share.
//! - Only regular files are opened, listed or stored. A symbolic link is not one.
//! - What is ignored (`ignoring`) is neither listed nor opened, as if it were
//!   not there. It may be stored: then it is there for the owner alone.
//! - A temporary has a name that no [`ShareName`] can have, so it is never
//!   listed, opened or sent.
//! - Names that differ only in letter case are one name: the second is refused.
//! - All calls block; they belong on [`Share::disk`].

mod catalogue;
pub mod checked;
mod digests;
mod disk_names;
mod error;
mod files;
mod folders;
mod ignoring;
mod incoming;
mod keeper;
mod links;
mod listing;
mod publisher;
mod reader;
mod root;
mod siblings;
mod skipped;
mod stamp;
mod temporary;
mod watcher;

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt, PermissionsExt};
use node_base::{disk::Disk, platform::files::DO_NOT_WAIT};
use node_wire::name::ShareName;
use plugin_api::FileInfo;

use node_base::state::{StateDir, own::OwnFiles};

use self::{
    catalogue::Meta,
    disk_names::DiskNames,
    ignoring::Ignoring,
    publisher::Publisher,
    root::Root,
    siblings::Siblings,
    stamp::{HiddenWrites, OnDisk},
    temporary::Temporaries,
};
pub use self::{
    catalogue::{Catalogue, ChangeSet, Moved},
    digests::{DigestReader, Digests, InShare, Known, SharedBlob},
    error::{Doing, ShareError},
    incoming::{About, FREE_MIN, INCOMING_MAX, Incoming, IncomingStream, Replace, WholeFile},
    keeper::{Keeper, KeeperStatus, Rescan, Rescanned, TooManyRescans},
    listing::Listing,
    publisher::Subscription,
    skipped::{SkipReason, Skipped},
    stamp::Stamp,
};

/// The permission of the owner of a file to run it.
const OWNER_RUNS: u32 = 0o100;

/// Number of shares that were opened, each with its own number.
static OPENED: AtomicU64 = AtomicU64::new(0);

/// The shared directory.
#[derive(Debug)]
pub struct Share {
    root: Arc<Root>,
    ignoring: Ignoring,
    names: Arc<DiskNames>,
    storing: Arc<Storing>,
    writes: Arc<HiddenWrites>,
    identity: u64,
    disk: Disk,
}

/// The state that all incoming files share.
#[derive(Debug)]
struct Storing {
    siblings: Siblings,
    temporaries: Temporaries,
    /// Publishes the names of files that were stored.
    placed: Publisher<Vec<ShareName>>,
}

/// A shared file, open for reading.
#[derive(Debug)]
pub struct SharedFile {
    /// The open file, at its start.
    pub file: File,
    /// Its stamp when it was opened.
    pub stamp: Stamp,
    writes: Arc<HiddenWrites>,
}

impl Share {
    /// Opens the directory `path` and removes the leftovers of a killed node.
    ///
    /// # Errors
    /// Errors if it is not a directory or cannot be read.
    pub fn open(path: &Path) -> Result<Share, ShareError> {
        Share::with(path, None, &[])
    }

    /// Opens the directory `path`, whose identity is kept in `state`. If another
    /// directory was shared from there before, the share is away until that one
    /// is back, or [`Share::accept`] is called. Removes what a killed node left in
    /// it, but for the temporaries in `kept`, which [`Share::resume`] takes up.
    ///
    /// # Errors
    /// As [`Share::open`].
    pub fn open_keeping(
        path: &Path,
        state: &StateDir,
        kept: &[String],
    ) -> Result<Share, ShareError> {
        Share::with(path, Some(state), kept)
    }

    /// Opens a directory for storing files in it, of which none is shared. Removes what a killed node left in it, but for
    /// the temporaries in `kept`.
    ///
    /// # Errors
    /// As [`Share::open`].
    pub fn open_store(path: &Path, kept: &[String]) -> Result<Share, ShareError> {
        Share::with(path, None, kept)
    }

    fn with(path: &Path, state: Option<&StateDir>, kept: &[String]) -> Result<Share, ShareError> {
        let refused = |error| ShareError::Directory {
            path: path.to_owned(),
            error,
        };
        let storing = Storing {
            siblings: Siblings::default(),
            temporaries: Temporaries::new(kept),
            placed: Publisher::default(),
        };
        let names = Arc::new(DiskNames::default());
        let share = Share {
            root: Arc::new(Root::open(path, state).map_err(refused)?),
            ignoring: Ignoring::new(&names, state.map(OwnFiles::of)),
            names,
            storing: Arc::new(storing),
            writes: Arc::default(),
            identity: OPENED.fetch_add(1, Ordering::Relaxed),
            disk: Disk::default(),
        };
        if let Ok(directory) = share.directory() {
            share.remove_leftovers(&directory).map_err(refused)?;
        }
        Ok(share)
    }

    /// Removes the temporaries of an earlier run in the top directory. Those
    /// below are found when their directories are listed.
    fn remove_leftovers(&self, directory: &Dir) -> io::Result<()> {
        for entry in directory.entries()? {
            if let Some(name) = entry?.file_name().to_str() {
                self.storing.temporaries.remove_leftover(directory, name);
            }
        }
        Ok(())
    }

    /// Removes the file at `path` if it is a temporary of an earlier run that
    /// nobody takes up. Says whether it is gone.
    fn remove_leftover(&self, path: &str) -> bool {
        self.directory().is_ok_and(|directory| {
            let on_disk = self.names.path(&directory, path);
            let temporaries = &self.storing.temporaries;
            temporaries.remove_leftover(&directory, &on_disk)
        })
    }

    /// Shares the directory that is at the path of the share now, also if it is
    /// another one than before. Blocks.
    ///
    /// # Errors
    /// Errors if no such file can be read.
    pub fn accept(&self) -> Result<(), ShareError> {
        self.root.accept().map_err(|error| ShareError::Directory {
            path: self.path().to_owned(),
            error,
        })
    }

    /// Keeps what configures the node apart: these files and directories, and what is in them, are not shared or stored
    /// into by any name. Without a state directory it does nothing.
    #[must_use]
    pub fn without(mut self, places: Vec<PathBuf>) -> Share {
        self.ignoring.keep_apart(places);
        self
    }

    /// Has asynchronous callers run their calls on `disk`.
    #[must_use]
    pub fn with_disk(self, disk: Disk) -> Share {
        Share { disk, ..self }
    }

    /// Returns the pool that asynchronous callers run their calls on.
    #[must_use]
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Returns the path under which the directory was opened, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// Returns the reason why nothing is shared now: the directory is not at its path, or cannot be
    /// read.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.root.trouble()
    }

    /// Returns the errors in the ignore files, one sentence each.
    #[must_use]
    pub fn ignore_troubles(&self) -> Vec<String> {
        self.ignoring.troubles()
    }

    /// Returns true if a file of this name would be shared: its name is not
    /// ignored. Blocks.
    #[must_use]
    pub fn shares(&self, name: &ShareName) -> bool {
        self.directory()
            .is_ok_and(|directory| self.ignoring.shares(&directory, name.as_str()))
    }

    /// Returns why no file of this name is shared; nothing if one would be, or
    /// the share is away. Blocks.
    #[must_use]
    pub fn why_not(&self, name: &ShareName) -> Option<SkipReason> {
        let directory = self.directory().ok()?;
        self.ignoring.why_not(&directory, name.as_str())
    }

    fn directory(&self) -> io::Result<Arc<Dir>> {
        self.root.directory()
    }

    /// Returns the directory, for storing a file in it: the share, and no other that
    /// took its path.
    fn directory_to_store(&self, name: &ShareName) -> Result<Arc<Dir>, ShareError> {
        let directory = self.directory().map_err(|error| ShareError::Away {
            name: name.clone(),
            why: self.trouble().unwrap_or_else(|| error.to_string()),
        })?;
        self.root.check(&directory, name)?;
        if self.ignoring.is_own(&directory, name.as_str()) {
            return Err(ShareError::NotShared {
                name: name.clone(),
                reason: SkipReason::Own,
            });
        }
        Ok(directory)
    }

    /// Returns the directory, for reading a file of it that is shared.
    fn directory_of(&self, name: &ShareName) -> Result<Arc<Dir>, ShareError> {
        let directory = self
            .directory()
            .map_err(|error| ShareError::of(name, error))?;
        if self.ignoring.shares(&directory, name.as_str()) {
            Ok(directory)
        } else {
            Err(ShareError::NotFound(name.clone()))
        }
    }

    /// Returns the number of this share in the process.
    #[must_use]
    pub fn identity(&self) -> u64 {
        self.identity
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
        options.custom_flags(DO_NOT_WAIT);
        let directory = self.directory_of(name)?;
        let on_disk = self.names.path(&directory, name.as_str());
        let file = directory
            .open_with(&*on_disk, &options)
            .map_err(|error| ShareError::of(name, error))?;
        let file = file.into_std();
        let metadata = file
            .metadata()
            .map_err(|error| ShareError::of(name, error))?;
        let on_disk = OnDisk::from(&metadata);
        if !metadata.is_file() || self.is_own(&on_disk) {
            return Err(ShareError::NotFound(name.clone()));
        }
        Ok(SharedFile {
            file,
            stamp: self.writes.stamp(&on_disk),
            writes: Arc::clone(&self.writes),
        })
    }

    /// Returns the stamp of the file `name`.
    ///
    /// # Errors
    /// As [`Share::read`].
    pub fn stamp(&self, name: &ShareName) -> Result<Stamp, ShareError> {
        Ok(self.writes.stamp(&self.on_disk(name)?))
    }

    /// Describes the file `name`.
    ///
    /// # Errors
    /// As [`Share::read`].
    pub fn describe(&self, name: &ShareName) -> Result<FileInfo, ShareError> {
        let meta = self.meta(&self.on_disk(name)?);
        Ok(info(name.as_str().to_owned(), meta))
    }

    /// Returns the metadata of a file, as far as the clock shows.
    fn meta(&self, file: &OnDisk) -> Meta {
        let stamp = self.writes.stamp(file);
        let settled = stamp.is_settled(SystemTime::now());
        Meta { stamp, settled }
    }

    /// Has the file `name` look changed, because bytes of it are not what they
    /// were although nothing shows it.
    fn note_write(&self, name: &ShareName) -> Result<(), ShareError> {
        self.writes.note(&self.on_disk(name)?, SystemTime::now());
        Ok(())
    }

    fn on_disk(&self, name: &ShareName) -> Result<OnDisk, ShareError> {
        self.on_disk_in(&*self.directory_of(name)?, name)
    }

    /// Returns the state of a file that is known to be shared.
    fn on_disk_in(&self, directory: &Dir, name: &ShareName) -> Result<OnDisk, ShareError> {
        let metadata = directory
            .symlink_metadata(&*self.names.path(directory, name.as_str()))
            .map_err(|error| ShareError::of(name, error))?;
        let on_disk = OnDisk::from(&metadata);
        if metadata.is_file() && !self.is_own(&on_disk) {
            Ok(on_disk)
        } else {
            Err(ShareError::NotFound(name.clone()))
        }
    }

    /// Returns true for a file that the node keeps for itself, by another name.
    fn is_own(&self, file: &OnDisk) -> bool {
        self.ignoring.keeps(file)
    }

    /// Returns the metadata of the file `name` beside its name and bytes. Blocks.
    ///
    /// # Errors
    /// As [`Share::read`].
    pub fn about(&self, name: &ShareName) -> Result<About, ShareError> {
        let directory = self.directory_of(name)?;
        let metadata = directory
            .symlink_metadata(&*self.names.path(&directory, name.as_str()))
            .map_err(|error| ShareError::of(name, error))?;
        if !metadata.is_file() {
            return Err(ShareError::NotFound(name.clone()));
        }
        let modified = metadata.modified().ok();
        Ok(About {
            modified: modified.map(cap_std::time::SystemTime::into_std),
            executable: metadata.permissions().mode() & OWNER_RUNS != 0,
        })
    }

    /// Returns true if something, a file or not, has `name`. Blocks.
    #[must_use]
    pub fn is_taken(&self, name: &ShareName) -> bool {
        let directory = self.directory();
        directory.is_ok_and(|directory| {
            let on_disk = self.names.path(&directory, name.as_str());
            directory.symlink_metadata(&*on_disk).is_ok()
        })
    }

    /// Begins to store a file under `name`.
    ///
    /// # Errors
    /// Errors with [`ShareError::Exists`] if the name is taken and not to be
    /// replaced, with [`ShareError::Away`] if the share is not there, and with
    /// [`ShareError::Store`] if no temporary can be made.
    pub fn begin(&self, name: &ShareName, replace: Replace) -> Result<Incoming, ShareError> {
        Incoming::begin(self, name, replace)
    }

    /// Stores files whose bytes are all here, which costs less than one after the other: they are brought to the
    /// disk together. Calls `placed` with the number and the stamp of each one that is in its place, before the
    /// catalogue hears of it. Returns what became of each, in their order. One that fails costs the others nothing.
    #[must_use]
    pub fn store_all(
        &self,
        files: &[WholeFile<'_>],
        placed: &mut dyn FnMut(usize, Stamp),
    ) -> Vec<Result<(), ShareError>> {
        incoming::store_all(self, files, placed)
    }

    /// Removes the temporary of an earlier run that is not taken up, and the
    /// directories that were made for it.
    pub fn remove_temporary(&self, temporary: &str) {
        if !temporary::is_temporary(temporary) {
            return;
        }
        if let Ok(directory) = self.directory() {
            let removed = self.storing.temporaries.remove_old(&directory, temporary);
            if let Err(error) = removed {
                tracing::warn!(temporary, %error, "a temporary file cannot be removed");
            }
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
    /// Takes an open file that is in no share.
    ///
    /// # Errors
    /// Errors if the system does not describe it.
    pub fn alone(file: File) -> io::Result<SharedFile> {
        let writes = Arc::<HiddenWrites>::default();
        let stamp = writes.stamp(&OnDisk::from(&file.metadata()?));
        Ok(SharedFile {
            file,
            stamp,
            writes,
        })
    }

    /// Returns whether the file is unchanged since it was opened.
    ///
    /// # Errors
    /// Errors if the system does not say.
    pub fn is_unchanged(&self) -> io::Result<bool> {
        let now = self.writes.stamp(&OnDisk::from(&self.file.metadata()?));
        Ok(now == self.stamp)
    }
}

fn info(name: String, meta: Meta) -> FileInfo {
    FileInfo {
        name,
        size: meta.stamp.size,
        modified: meta.stamp.modified(),
        version: meta.version(),
    }
}

#[cfg(test)]
mod tests;
