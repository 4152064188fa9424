//! A file on its way into the share.

use std::{
    fs::File,
    io::{self, Write},
    os::unix::fs::{FileExt, MetadataExt},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::{Dir, OpenOptions};
use node_wire::name::{ShareName, TEMPORARY_PREFIX};

use super::{Placed, Share, ShareError, Stamp, siblings::Siblings};

/// What to do with a file that has the name already.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Replace {
    /// Keep it and refuse the new one.
    Never,
    /// The owner said that the new one takes its place.
    Existing,
}

/// Longest file that is taken from a peer that gives no digest, in bytes.
pub const INCOMING_MAX: u64 = 16 << 30;

/// Bytes that a file on its way leaves free on the disk.
pub const FREE_MIN: u64 = 64 << 20;

/// How often the free space is looked at, in bytes written.
const FREE_LOOK_EVERY: u64 = 16 << 20;

/// A file on its way into the share; invisible until it is committed.
#[derive(Debug)]
pub struct Incoming {
    name: ShareName,
    replace: Replace,
    share: Dir,
    siblings: Arc<Siblings>,
    placed: Arc<Placed>,
    temporary: String,
    file: File,
    /// Bytes written so far, those written twice counted twice.
    written: AtomicU64,
    /// Free space is looked at again when this much is written.
    look_at: AtomicU64,
    /// Whether the temporary stays when this is dropped.
    fate: Fate,
}

/// What becomes of the temporary when an [`Incoming`] is dropped.
#[derive(Debug)]
enum Fate {
    /// It goes.
    Goes,
    /// It is in its place and no temporary any more.
    Placed,
    /// It stays if the node stops, to be taken up by the next run.
    StaysIf(Arc<AtomicBool>),
}

impl Incoming {
    pub(super) fn begin(
        share: &Share,
        name: &ShareName,
        replace: Replace,
    ) -> Result<Incoming, ShareError> {
        let temporary = random_name().map_err(|error| ShareError::of(name, error))?;
        Incoming::open(share, name, replace, temporary, true)
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
        Incoming::open(share, name, replace, temporary.to_owned(), false)
    }

    fn open(
        share: &Share,
        name: &ShareName,
        replace: Replace,
        temporary: String,
        new: bool,
    ) -> Result<Incoming, ShareError> {
        let failed = |error| ShareError::of(name, error);
        let directory = share.directory().map_err(failed)?;
        if replace == Replace::Never && share.is_taken(name) {
            return Err(ShareError::Exists(name.clone()));
        }
        share.siblings.check(&directory, name)?;
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create_new(new)
            .follow(FollowSymlinks::No);
        let file = directory
            .open_with(&temporary, &options)
            .map_err(failed)?
            .into_std();
        Ok(Incoming {
            name: name.clone(),
            replace,
            share: directory.try_clone().map_err(failed)?,
            siblings: Arc::clone(&share.siblings),
            placed: Arc::clone(&share.placed),
            temporary,
            file,
            written: AtomicU64::new(0),
            look_at: AtomicU64::new(0),
            fate: Fate::Goes,
        })
    }

    /// The name of the temporary, for a later [`Share::resume`].
    #[must_use]
    pub fn temporary(&self) -> &str {
        &self.temporary
    }

    /// What is to happen to a file that has the name already.
    #[must_use]
    pub fn replaces(&self) -> Replace {
        self.replace
    }

    /// From now on the temporary stays when this is dropped while `stopping`
    /// is true.
    pub fn stay_if(&mut self, stopping: Arc<AtomicBool>) {
        self.fate = Fate::StaysIf(stopping);
    }

    /// Gives the file its final size before its pieces arrive in any order.
    ///
    /// # Errors
    /// [`ShareError::NoSpace`] when the disk has no room for it.
    pub fn expect(&self, size: u64) -> Result<(), ShareError> {
        let expect = || {
            let there = self.file.metadata()?.blocks().saturating_mul(512);
            let missing = size.saturating_sub(there);
            if free(&self.file)? < missing.saturating_add(FREE_MIN) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.file.set_len(size)
        };
        expect().map_err(|error| ShareError::of(&self.name, error))
    }

    /// Writes `bytes` at their place. Several threads may write at a time.
    ///
    /// # Errors
    /// As [`Incoming::write`].
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), ShareError> {
        self.count(bytes.len())
            .and_then(|_| self.file.write_all_at(bytes, offset))
            .map_err(|error| ShareError::of(&self.name, error))
    }

    /// Fills `bytes` with what is there from `offset` on.
    ///
    /// # Errors
    /// [`ShareError::Io`], also when there is less.
    pub fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<(), ShareError> {
        self.file
            .read_exact_at(bytes, offset)
            .map_err(|error| ShareError::of(&self.name, error))
    }

    /// Adds `bytes` to the end.
    ///
    /// # Errors
    /// [`ShareError::NoSpace`] when the disk is full, would have less than
    /// [`FREE_MIN`] bytes left, or the file is longer than [`INCOMING_MAX`];
    /// [`ShareError::Io`] otherwise.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ShareError> {
        self.count(bytes.len())
            .and_then(|written| {
                if written > INCOMING_MAX {
                    return Err(io::ErrorKind::FileTooLarge.into());
                }
                self.file.write_all(bytes)
            })
            .map_err(|error| ShareError::of(&self.name, error))
    }

    /// Counts bytes that are about to be written and looks at the free space
    /// now and then. Gives the count.
    fn count(&self, bytes: usize) -> io::Result<u64> {
        let bytes = bytes as u64;
        let written = self.written.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if written >= self.look_at.load(Ordering::Relaxed) {
            if free(&self.file)? < FREE_MIN {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.look_at
                .store(written + FREE_LOOK_EVERY, Ordering::Relaxed);
        }
        Ok(written)
    }

    /// Throws away what was written, to begin anew with another sender.
    ///
    /// # Errors
    /// [`ShareError::Io`].
    pub fn restart(&mut self) -> Result<(), ShareError> {
        let restart = |file: &mut File| {
            file.set_len(0)?;
            io::Seek::rewind(file)
        };
        *self.written.get_mut() = 0;
        *self.look_at.get_mut() = 0;
        restart(&mut self.file).map_err(|error| ShareError::of(&self.name, error))
    }

    /// Makes the file appear under its name, whole and on the disk. Gives what
    /// it then is.
    ///
    /// # Errors
    /// [`ShareError::Exists`] when the name was taken meanwhile; then, and on
    /// any other error, nothing of the file stays.
    pub fn commit(mut self) -> Result<Stamp, ShareError> {
        self.fate = Fate::Goes;
        let stamp = self
            .place()
            .map_err(|error| ShareError::of(&self.name, error))?;
        self.fate = Fate::Placed;
        self.siblings.placed(&self.name);
        self.placed.tell(&self.name);
        Ok(stamp)
    }

    fn place(&self) -> io::Result<Stamp> {
        self.file.sync_all()?;
        let stamp = Stamp::of(&self.file.metadata()?);
        let parents: Vec<&str> = self.name.parent_parts().collect();
        let directory = if parents.is_empty() {
            self.share.try_clone()?
        } else {
            let path = parents.join("/");
            self.share.create_dir_all(&path)?;
            self.share.open_dir(&path)?
        };
        let (from, old, new) = (&self.share, &self.temporary, self.name.file_name());
        match self.replace {
            Replace::Existing => from.rename(old, &directory, new)?,
            Replace::Never => rename_to_new(from, old, &directory, new)?,
        }
        sync_directory(&directory)?;
        Ok(stamp)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let goes = match &self.fate {
            Fate::Goes => true,
            Fate::Placed => false,
            Fate::StaysIf(stopping) => !stopping.load(Ordering::Acquire),
        };
        if goes
            && let Err(error) = self.share.remove_file(&self.temporary)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(name = %self.name, %error, "a temporary file could not be removed");
        }
    }
}

/// Removes the temporaries of an earlier run but those in `kept`. They are
/// made in the top directory only.
pub(super) fn remove_leftovers(share: &Dir, kept: &[String]) -> io::Result<()> {
    for entry in share.entries()? {
        let name = entry?.file_name();
        if name.to_str().is_some_and(|name| {
            name.starts_with(TEMPORARY_PREFIX) && !kept.iter().any(|kept| kept == name)
        }) {
            share.remove_file(&name)?;
        }
    }
    Ok(())
}

/// Bytes that the disk under `file` has left for us.
fn free(file: &File) -> io::Result<u64> {
    let disk = rustix::fs::fstatvfs(file)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Whether `name` is one that [`random_name`] makes.
pub(super) fn is_temporary(name: &str) -> bool {
    name.strip_prefix(TEMPORARY_PREFIX).is_some_and(|suffix| {
        suffix.len() == 16 && suffix.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

#[cfg(target_os = "linux")]
fn rename_to_new(from: &Dir, old: &str, to: &Dir, new: &str) -> io::Result<()> {
    use rustix::{fs::RenameFlags, io::Errno};
    match rustix::fs::renameat_with(from, old, to, new, RenameFlags::NOREPLACE) {
        // Some file systems do not know the flag.
        Err(Errno::INVAL | Errno::NOSYS) => link_to_new(from, old, to, new),
        result => Ok(result?),
    }
}

#[cfg(not(target_os = "linux"))]
fn rename_to_new(from: &Dir, old: &str, to: &Dir, new: &str) -> io::Result<()> {
    link_to_new(from, old, to, new)
}

/// A second name for the file, refused when it is taken; then the first goes.
fn link_to_new(from: &Dir, old: &str, to: &Dir, new: &str) -> io::Result<()> {
    from.hard_link(old, to, new)?;
    from.remove_file(old)
}

fn sync_directory(directory: &Dir) -> io::Result<()> {
    // The handle only names the directory; to bring it to the disk it is opened.
    directory.open(".")?.sync_all()
}

fn random_name() -> io::Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(format!(
        "{TEMPORARY_PREFIX}{:016x}",
        u64::from_ne_bytes(bytes)
    ))
}
