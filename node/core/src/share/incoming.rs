//! A file on its way into the share.

use std::{
    fs::File,
    io::{self, Write},
};

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::{Dir, OpenOptions};
use node_wire::name::{ShareName, TEMPORARY_PREFIX};

use super::ShareError;

/// What to do with a file that has the name already.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Replace {
    /// Keep it and refuse the new one.
    Never,
    /// The owner said that the new one takes its place.
    Existing,
}

/// Longest file that is taken from a peer, in bytes.
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
    temporary: String,
    file: File,
    written: u64,
    /// Free space is looked at again when this much is written.
    look_at: u64,
    placed: bool,
}

impl Incoming {
    pub(super) fn begin(
        share: &Dir,
        name: &ShareName,
        replace: Replace,
    ) -> Result<Incoming, ShareError> {
        let failed = |error| ShareError::of(name, error);
        if replace == Replace::Never && share.symlink_metadata(name.as_str()).is_ok() {
            return Err(ShareError::Exists(name.clone()));
        }
        check_collisions(share, name)?;
        let temporary = format!("{TEMPORARY_PREFIX}{}", random_suffix().map_err(failed)?);
        let mut options = OpenOptions::new();
        options
            .write(true)
            .create_new(true)
            .follow(FollowSymlinks::No);
        let file = share
            .open_with(&temporary, &options)
            .map_err(failed)?
            .into_std();
        let share = share.try_clone().map_err(failed)?;
        Ok(Incoming {
            name: name.clone(),
            replace,
            share,
            temporary,
            file,
            written: 0,
            look_at: 0,
            placed: false,
        })
    }

    /// Adds `bytes` to the end.
    ///
    /// # Errors
    /// [`ShareError::NoSpace`] when the disk is full, would have less than
    /// [`FREE_MIN`] bytes left, or the file is longer than [`INCOMING_MAX`];
    /// [`ShareError::Io`] otherwise.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ShareError> {
        self.written += bytes.len() as u64;
        self.check_room()
            .and_then(|()| self.file.write_all(bytes))
            .map_err(|error| ShareError::of(&self.name, error))
    }

    fn check_room(&mut self) -> io::Result<()> {
        if self.written > INCOMING_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if self.written >= self.look_at {
            let disk = rustix::fs::fstatvfs(&self.file)?;
            if disk.f_bavail.saturating_mul(disk.f_frsize) < FREE_MIN {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.look_at = self.written + FREE_LOOK_EVERY;
        }
        Ok(())
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
        self.written = 0;
        self.look_at = 0;
        restart(&mut self.file).map_err(|error| ShareError::of(&self.name, error))
    }

    /// Makes the file appear under its name, whole and on the disk.
    ///
    /// # Errors
    /// [`ShareError::Exists`] when the name was taken meanwhile; then, and on
    /// any other error, nothing of the file stays.
    pub fn commit(mut self) -> Result<(), ShareError> {
        self.place()
            .map_err(|error| ShareError::of(&self.name, error))?;
        self.placed = true;
        Ok(())
    }

    fn place(&self) -> io::Result<()> {
        self.file.sync_all()?;
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
        sync_directory(&directory)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.placed
            && let Err(error) = self.share.remove_file(&self.temporary)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(name = %self.name, %error, "a temporary file could not be removed");
        }
    }
}

/// Removes the temporaries of an earlier run. They are made in the top
/// directory only.
pub(super) fn remove_leftovers(share: &Dir) -> io::Result<()> {
    for entry in share.entries()? {
        let name = entry?.file_name();
        if name
            .to_str()
            .is_some_and(|name| name.starts_with(TEMPORARY_PREFIX))
        {
            share.remove_file(&name)?;
        }
    }
    Ok(())
}

/// Refuses a name that differs only in letter case from one that is there, on
/// each level of the name.
fn check_collisions(share: &Dir, name: &ShareName) -> Result<(), ShareError> {
    let failed = |error| ShareError::of(name, error);
    let mut directory = share.try_clone().map_err(failed)?;
    let parts: Vec<&str> = name.parts().collect();
    for (depth, part) in parts.iter().enumerate() {
        if directory.symlink_metadata(part).is_err() {
            return match colliding(&directory, part).map_err(failed)? {
                None => Ok(()),
                Some(other) => {
                    let existing = parts[..depth]
                        .iter()
                        .copied()
                        .chain([other.as_str()])
                        .collect::<Vec<_>>()
                        .join("/");
                    Err(ShareError::Collision {
                        name: name.clone(),
                        existing,
                    })
                }
            };
        }
        if depth + 1 < parts.len() {
            directory = directory.open_dir(part).map_err(|error| ShareError::Io {
                name: name.clone(),
                error,
            })?;
        }
    }
    Ok(())
}

fn colliding(directory: &Dir, part: &str) -> io::Result<Option<String>> {
    let Ok(wanted) = ShareName::parse(part).map(|name| name.collision_key()) else {
        return Ok(None);
    };
    for entry in directory.entries()? {
        let Ok(other) = entry?.file_name().into_string() else {
            continue;
        };
        if ShareName::parse(&other).is_ok_and(|name| name.collision_key() == wanted) {
            return Ok(Some(other));
        }
    }
    Ok(None)
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

fn random_suffix() -> io::Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(format!("{:016x}", u64::from_ne_bytes(bytes)))
}
