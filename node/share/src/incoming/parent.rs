//! The directory that a file is stored in.

use std::io;

use cap_fs_ext::DirExt;
use cap_std::fs::Dir;
use node_base::platform::files;
use node_wire::name::ShareName;

use super::Replace;
use crate::{Share, ShareError, error::Doing, temporary::Temporaries};

/// The directory that a file is stored in, open.
#[derive(Debug)]
pub(super) struct Parent {
    directory: Dir,
    /// Its path in the share; empty for the top.
    path: String,
    /// The directories in which directories were made.
    made_in: Vec<Dir>,
}

impl Parent {
    /// Opens the directory of `name`, and makes what is missing of it. A
    /// symbolic link is not followed: what is behind it has another name.
    ///
    /// # Errors
    /// Errors with the directory that cannot be opened or made.
    pub(super) fn open(share: &Share, top: &Dir, name: &ShareName) -> Result<Parent, ShareError> {
        let temporaries = &share.storing.temporaries;
        let begin = |error| ShareError::storing(name, Doing::Begin, error);
        let mut parent = Parent {
            directory: top.try_clone().map_err(begin)?,
            path: String::new(),
            made_in: Vec::new(),
        };
        for part in name.parent_parts() {
            let part = share.names.find(&parent.directory, part);
            let path = parent.path_of(&part);
            if let Err(error) = parent.enter(&part, &path, temporaries) {
                temporaries.remove_folders(top, &path);
                return Err(ShareError::storing(name, Doing::Folder(path), error));
            }
        }
        Ok(parent)
    }

    fn enter(&mut self, part: &str, path: &str, temporaries: &Temporaries) -> io::Result<()> {
        let below = match self.directory.open_dir_nofollow(part) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match self.directory.create_dir(part) {
                    Ok(()) => {
                        temporaries.made(path);
                        self.made_in.push(self.directory.try_clone()?);
                    }
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    Err(error) => return Err(error),
                }
                self.directory.open_dir_nofollow(part)?
            }
            opened => opened?,
        };
        self.directory = below;
        path.clone_into(&mut self.path);
        Ok(())
    }

    pub(super) fn directory(&self) -> &Dir {
        &self.directory
    }

    /// Returns how many directories were made.
    pub(super) fn made(&self) -> usize {
        self.made_in.len()
    }

    /// Returns the path in the share of `last` in this directory.
    pub(super) fn path_of(&self, last: &str) -> String {
        if self.path.is_empty() {
            last.to_owned()
        } else {
            format!("{}/{last}", self.path)
        }
    }

    /// Returns whether the temporary at `path` is in this directory.
    pub(super) fn has(&self, path: &str) -> bool {
        self.path_of(super::last(path)) == path
    }

    /// Moves the temporary at `path` into this directory.
    ///
    /// # Errors
    /// Errors if it is not there, or on another disk.
    pub(super) fn take(&self, top: &Dir, path: &str, last: &str) -> io::Result<()> {
        top.rename(path, &self.directory, last)
    }

    /// Gives the file `temporary` of this directory the name `last`.
    ///
    /// # Errors
    /// Errors if the name is taken and is not to be replaced.
    pub(super) fn place(&self, temporary: &str, last: &str, replace: Replace) -> io::Result<()> {
        match replace {
            Replace::Existing => {
                self.require_file(last)?;
                self.directory.rename(temporary, &self.directory, last)
            }
            Replace::Never => rename_to_new(&self.directory, temporary, last),
        }
    }

    /// Errors if a link, a pipe or a device has the name. Over a directory nothing can be renamed.
    fn require_file(&self, last: &str) -> io::Result<()> {
        match self.directory.symlink_metadata(last) {
            Ok(there) if !there.is_file() && !there.is_dir() => {
                Err(io::Error::other("a link, a pipe or a device has this name"))
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Brings the names of the file and of the directories that were made to
    /// the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.sync_directory()?;
        self.sync_made()
    }

    /// Brings the name of the file to the disk.
    pub(super) fn sync_directory(&self) -> io::Result<()> {
        sync_directory(&self.directory)
    }

    /// Brings the names of the directories that were made to the disk.
    pub(super) fn sync_made(&self) -> io::Result<()> {
        self.made_in.iter().rev().try_for_each(sync_directory)
    }

    /// Returns the path of the directory in the share; empty for the top.
    pub(super) fn path(&self) -> &str {
        &self.path
    }
}

fn rename_to_new(directory: &Dir, old: &str, new: &str) -> io::Result<()> {
    if files::rename_to_free(directory, old, new)? {
        return Ok(());
    }
    link_to_new(directory, old, new)
}

/// Gives the file a second name, refused when it is taken, and removes the
/// first.
fn link_to_new(directory: &Dir, old: &str, new: &str) -> io::Result<()> {
    directory.hard_link(old, directory, new)?;
    directory.remove_file(old)
}

fn sync_directory(directory: &Dir) -> io::Result<()> {
    // The handle only names the directory; to bring it to the disk it is opened.
    directory.open(".")?.sync_all()
}
