//! A file on its way into the share.

mod copying;
mod group;
mod parent;
mod stream;

use std::{
    fs::File,
    io,
    os::unix::fs::{FileExt, MetadataExt, PermissionsExt},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::{Dir, OpenOptions};
use node_base::platform::{files, space};
use node_wire::name::ShareName;

pub use self::group::WholeFile;
pub(super) use self::group::store_all;
use self::parent::Parent;
pub use self::stream::IncomingStream;
use super::{
    Share, ShareError, Stamp, Storing,
    error::Doing,
    root::Root,
    stamp::{HiddenWrites, OnDisk},
    temporary::{is_temporary, random_name},
};

/// The treatment of a file that has the name already.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Replace {
    /// Keep it and refuse the new one.
    Never,
    /// The owner said that the new one takes its place.
    Existing,
}

/// The metadata of a file beside its name and its bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct About {
    /// The time of the last change of its bytes.
    pub modified: Option<SystemTime>,
    /// True if all who may read it may run it.
    pub executable: bool,
}

impl From<node_wire::About> for About {
    fn from(said: node_wire::About) -> About {
        About {
            modified: said.time(),
            executable: said.executable,
        }
    }
}

impl From<About> for node_wire::About {
    fn from(about: About) -> node_wire::About {
        node_wire::About::new(about.modified, about.executable)
    }
}

/// Longest file that is taken from a peer that gives no digest, in bytes.
pub const INCOMING_MAX: u64 = 16 << 30;

/// Bytes that a file on its way leaves free on the disk.
pub const FREE_MIN: u64 = 64 << 20;

/// The number of bytes written between two looks at the free space.
const FREE_LOOK_EVERY: u64 = 16 << 20;

/// The greatest distance of a time of change in the future; clocks differ.
const FUTURE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Attempts to begin while others remove the directories that they made.
const ATTEMPTS: usize = 8;

/// A file on its way into the share; invisible until it is committed.
///
/// Its bytes are written at their places, in any order. What is there may be
/// from an earlier run. [`Incoming::into_stream`] begins with nothing.
#[derive(Debug)]
pub struct Incoming {
    target: Target,
    file: File,
    /// Bytes written so far, those written twice counted twice.
    written: AtomicU64,
    /// Free space is looked at again when this much is written.
    look_at: AtomicU64,
}

/// The temporary of a file, and the name that it is to have. It is removed when this is dropped, unless its fate is
/// another.
#[derive(Debug)]
struct Target {
    name: ShareName,
    replace: Replace,
    root: Arc<Root>,
    share: Arc<Dir>,
    storing: Arc<Storing>,
    writes: Arc<HiddenWrites>,
    parent: Arc<Parent>,
    /// The name on the disk that the file is to have in its directory.
    last: String,
    /// Path of the temporary in the share.
    temporary: String,
    fate: Fate,
}

/// The fate of the temporary when its [`Target`] is dropped.
#[derive(Debug)]
enum Fate {
    /// It is removed.
    Removed,
    /// It is in its place and no temporary any more.
    Placed,
    /// It stays while this is true, to be taken up later.
    StaysIf(Arc<AtomicBool>),
}

/// The temporary to open.
enum Temporary<'t> {
    New,
    Kept(&'t str),
}

/// A file whose directory is open.
struct Begun<'b> {
    name: &'b ShareName,
    replace: Replace,
    directory: Arc<Dir>,
    parent: Arc<Parent>,
}

impl Begun<'_> {
    fn open(self, share: &Share, temporary: &Temporary<'_>) -> Result<Incoming, ShareError> {
        let Begun {
            name,
            replace,
            directory,
            parent,
        } = self;
        let failed = |error| ShareError::storing(name, Doing::Begin, error);
        let temporaries = &share.storing.temporaries;
        let not_opened = |error: io::Error| match temporary {
            Temporary::Kept(_) if error.kind() == io::ErrorKind::NotFound => {
                ShareError::NotFound(name.clone())
            }
            _ => failed(error),
        };
        let path = path_for(share, &directory, &parent, temporary).map_err(|error| {
            temporaries.remove_folders(&directory, &parent.path_of(""));
            not_opened(error)
        })?;
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create_new(matches!(temporary, Temporary::New))
            .follow(FollowSymlinks::No);
        let opened = match temporary {
            Temporary::New => parent.directory().open_with(last(&path), &options),
            Temporary::Kept(_) => directory.open_with(&path, &options),
        };
        let file = match opened {
            Ok(file) => file.into_std(),
            Err(error) => {
                temporaries.remove_folders(&directory, &path);
                return Err(not_opened(error));
            }
        };
        temporaries.begin(&path);
        let last = share.names.find(parent.directory(), name.file_name());
        Ok(Incoming {
            target: Target {
                name: name.clone(),
                replace,
                root: Arc::clone(&share.root),
                share: directory,
                storing: Arc::clone(&share.storing),
                writes: Arc::clone(&share.writes),
                last: last.into_owned(),
                parent,
                temporary: path,
                fate: Fate::Removed,
            },
            file,
            written: AtomicU64::new(0),
            look_at: AtomicU64::new(0),
        })
    }
}

impl Incoming {
    pub(super) fn begin(
        share: &Share,
        name: &ShareName,
        replace: Replace,
    ) -> Result<Incoming, ShareError> {
        let mut attempt = 1;
        loop {
            match Incoming::open(share, name, replace, &Temporary::New) {
                Err(ShareError::Store { error, .. })
                    if error.kind() == io::ErrorKind::NotFound && attempt < ATTEMPTS =>
                {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    pub(super) fn resume(
        share: &Share,
        name: &ShareName,
        replace: Replace,
        temporary: &str,
    ) -> Result<Incoming, ShareError> {
        if !is_temporary(temporary) {
            return Err(ShareError::NotFound(name.clone()));
        }
        Incoming::open(share, name, replace, &Temporary::Kept(temporary))
    }

    fn open(
        share: &Share,
        name: &ShareName,
        replace: Replace,
        temporary: &Temporary<'_>,
    ) -> Result<Incoming, ShareError> {
        if name.is_configuration() {
            return Err(ShareError::Configuration(name.clone()));
        }
        let directory = share.directory_to_store(name)?;
        if replace == Replace::Never && share.is_taken(name) {
            return Err(ShareError::Exists(name.clone()));
        }
        share
            .storing
            .siblings
            .check(&directory, name, &share.names)?;
        let parent = Arc::new(Parent::open(share, &directory, name)?);
        share.storing.siblings.begun(name);
        let target = Begun {
            name,
            replace,
            directory,
            parent,
        };
        target.open(share, temporary)
    }

    /// Begins a file in the directory of another one that was just begun.
    fn begin_beside(
        share: &Share,
        other: &Target,
        name: &ShareName,
        replace: Replace,
    ) -> Result<Incoming, ShareError> {
        if name.is_configuration() {
            return Err(ShareError::Configuration(name.clone()));
        }
        let parents: Vec<&str> = name.parent_parts().collect();
        let there = other.parent.directory();
        let siblings = &share.storing.siblings;
        let is_there = siblings.check_in(there, &parents, name, &share.names)?;
        if is_there && replace == Replace::Never {
            return Err(ShareError::Exists(name.clone()));
        }
        let target = Begun {
            name,
            replace,
            directory: Arc::clone(&other.share),
            parent: Arc::clone(&other.parent),
        };
        target.open(share, &Temporary::New)
    }

    /// Returns the name of the file.
    #[must_use]
    pub fn name(&self) -> &ShareName {
        &self.target.name
    }

    /// Returns the path of the temporary in the share, for a later
    /// [`Share::resume`].
    #[must_use]
    pub fn temporary(&self) -> &str {
        &self.target.temporary
    }

    /// Returns the treatment of a file that has the name already.
    #[must_use]
    pub fn replaces(&self) -> Replace {
        self.target.replace
    }

    /// Keeps the temporary when this is dropped while `stopping` is true.
    pub fn stay_if(&mut self, stopping: Arc<AtomicBool>) {
        self.target.fate = Fate::StaysIf(stopping);
    }

    /// Gives the file its final size before its pieces arrive in any order.
    ///
    /// # Errors
    /// Errors with [`ShareError::NoSpace`] if the disk has no room for it.
    pub fn expect(&self, size: u64) -> Result<(), ShareError> {
        let expect = || {
            let there = self.file.metadata()?.blocks().saturating_mul(512);
            let missing = size.saturating_sub(there);
            if free(&self.file)?.is_some_and(|free| free < missing.saturating_add(FREE_MIN)) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.file.set_len(size)
        };
        expect().map_err(|error| self.failed(Doing::Write, error))
    }

    /// Returns how many bytes it has, as far as they were written in their order.
    ///
    /// # Errors
    /// Errors if the system does not say.
    pub fn length(&self) -> Result<u64, ShareError> {
        let metadata = self.file.metadata();
        metadata
            .map(|metadata| metadata.len())
            .map_err(|error| self.failed(Doing::Read, error))
    }

    /// Checks that the disk has room for a file of `size` bytes.
    ///
    /// # Errors
    /// Errors with [`ShareError::NoSpace`] if it has none.
    pub fn has_room(&self, size: u64) -> Result<(), ShareError> {
        let has_room = || match free(&self.file)? {
            Some(free) if free < size.saturating_add(FREE_MIN) => {
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => Ok(()),
        };
        has_room().map_err(|error: io::Error| self.failed(Doing::Write, error))
    }

    /// Writes `bytes` at their place. Several threads may write at a time.
    ///
    /// # Errors
    /// As [`IncomingStream::write`].
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), ShareError> {
        self.count(bytes.len())
            .and_then(|_| self.file.write_all_at(bytes, offset))
            .map_err(|error| self.failed(Doing::Write, error))
    }

    /// Writes the bytes of `parts` at their place, one after the other, with as few calls of the system as there can
    /// be. Several threads may write at a time.
    ///
    /// # Errors
    /// As [`IncomingStream::write`].
    pub fn write_parts_at(
        &self,
        parts: &[impl AsRef<[u8]>],
        offset: u64,
    ) -> Result<(), ShareError> {
        let length = parts.iter().map(|part| part.as_ref().len()).sum();
        self.count(length)
            .and_then(|_| files::write_parts_at(&self.file, parts, offset))
            .map_err(|error| self.failed(Doing::Write, error))
    }

    /// Fills `bytes` with what is there from `offset` on.
    ///
    /// # Errors
    /// Errors if the system refuses, or there is less.
    pub fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<(), ShareError> {
        self.file
            .read_exact_at(bytes, offset)
            .map_err(|error| self.failed(Doing::Read, error))
    }

    /// Discards the bytes so far, and takes the bytes of the file in their
    /// order from now on.
    ///
    /// # Errors
    /// Errors if the system refuses.
    pub fn into_stream(self) -> Result<IncomingStream, ShareError> {
        IncomingStream::new(self)
    }

    /// Makes the file appear under its name: whole, `length` bytes long and on
    /// the disk. Returns what it then is.
    ///
    /// This is one step. Once begun it ends, and its result says what is there.
    ///
    /// # Errors
    /// Errors with [`ShareError::Exists`] if the name was taken meanwhile, with
    /// [`ShareError::Length`] if the file has another length, and with
    /// [`ShareError::Away`] if the share is not there any more. Then, and on
    /// any other error, the temporary goes unless [`Incoming::stay_if`] says that it
    /// stays.
    pub fn commit(mut self, length: u64, about: About) -> Result<Stamp, ShareError> {
        self.complete(length, about)?;
        self.file
            .sync_all()
            .and_then(|()| self.close_for_writing())
            .map_err(|error| self.failed(Doing::Write, error))?;
        self.target.place()?;
        let placed = vec![self.target.name.clone()];
        self.target.storing.placed.publish(&placed);
        let stamp = self
            .target
            .parent
            .sync()
            .and_then(|()| self.file.metadata())
            .map_err(|error| self.failed(Doing::Sync, error))?;
        Ok(self.target.writes.stamp(&OnDisk::from(&stamp)))
    }

    /// Keeps the temporary open for reading only: a close after writing is a sign
    /// that the file has other bytes, and it is to have none under its new name.
    fn close_for_writing(&mut self) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.read(true).follow(FollowSymlinks::No);
        let target = &self.target;
        let reopened = target
            .parent
            .directory()
            .open_with(last(&target.temporary), &options)?
            .into_std();
        let same =
            |a: &std::fs::Metadata, b: &std::fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
        if !same(&reopened.metadata()?, &self.file.metadata()?) {
            return Err(io::Error::other("another file took its place"));
        }
        self.file = reopened;
        Ok(())
    }

    /// Makes sure that the file is whole and can be put in its place, and describes it.
    fn complete(&self, length: u64, about: About) -> Result<(), ShareError> {
        self.check_length(length)?;
        self.target
            .root
            .check(&self.target.share, &self.target.name)?;
        self.describe(about)
            .map_err(|error| self.failed(Doing::Write, error))
    }

    fn check_length(&self, length: u64) -> Result<(), ShareError> {
        let found = self
            .file
            .metadata()
            .map_err(|error| self.failed(Doing::Read, error))?
            .len();
        if found == length {
            Ok(())
        } else {
            Err(ShareError::Length {
                name: self.target.name.clone(),
                found,
                expected: length,
            })
        }
    }

    /// Gives the file the time and the permissions that it had elsewhere.
    fn describe(&self, about: About) -> io::Result<()> {
        if about.executable {
            let mode = self.file.metadata()?.permissions().mode() & 0o777;
            // Who may read it may run it, and nobody else.
            let mode = mode | ((mode & 0o444) >> 2);
            self.file
                .set_permissions(std::fs::Permissions::from_mode(mode))?;
        }
        let latest = SystemTime::now() + FUTURE_MAX;
        let plausible = |time: &SystemTime| (UNIX_EPOCH..=latest).contains(time);
        match about.modified.filter(plausible) {
            Some(modified) => self.file.set_modified(modified),
            None => Ok(()),
        }
    }

    /// Counts bytes that are about to be written and looks at the free space
    /// now and then. Returns the count.
    fn count(&self, bytes: usize) -> io::Result<u64> {
        let bytes = bytes as u64;
        let written = self.written.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if written >= self.look_at.load(Ordering::Relaxed) {
            if free(&self.file)?.is_some_and(|free| free < FREE_MIN) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.look_at
                .store(written + FREE_LOOK_EVERY, Ordering::Relaxed);
        }
        Ok(written)
    }

    fn failed(&self, doing: Doing, error: io::Error) -> ShareError {
        self.target.failed(doing, error)
    }
}

impl Target {
    /// Gives the file its name. It is on the disk, its name is not.
    fn place(&mut self) -> Result<(), ShareError> {
        self.parent
            .place(last(&self.temporary), &self.last, self.replace)
            .map_err(|error| self.failed(Doing::Place, error))?;
        self.fate = Fate::Placed;
        self.storing.temporaries.placed(&self.temporary);
        self.storing.siblings.placed(&self.name);
        Ok(())
    }

    fn failed(&self, doing: Doing, error: io::Error) -> ShareError {
        ShareError::storing(&self.name, doing, error)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let is_removed = match &self.fate {
            Fate::Removed => true,
            Fate::Placed => false,
            Fate::StaysIf(stopping) => !stopping.load(Ordering::Acquire),
        };
        if is_removed
            && let Err(error) = self
                .storing
                .temporaries
                .remove(&self.share, &self.temporary)
        {
            tracing::warn!(name = %self.name, %error, "a temporary file could not be removed");
        }
    }
}

/// Returns where the temporary is to be opened. One that is kept in another directory
/// moves beside its target.
fn path_for(
    share: &Share,
    directory: &Dir,
    parent: &Parent,
    temporary: &Temporary<'_>,
) -> io::Result<String> {
    let new = || Ok::<_, io::Error>(parent.path_of(&random_name(parent.made())?));
    match temporary {
        Temporary::New => new(),
        Temporary::Kept(path) if parent.has(path) => Ok((*path).to_owned()),
        Temporary::Kept(path) => {
            let moved = new()?;
            parent.take(directory, path, last(&moved))?;
            share.storing.temporaries.moved(directory, path);
            Ok(moved)
        }
    }
}

/// Returns the bytes that the disk under `file` has left for us; nothing if the
/// file system does not say, as ramfs.
fn free(file: &File) -> io::Result<Option<u64>> {
    Ok(space::of_file(file)?.map(|space| space.available))
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
