//! Why a file of the share could not be read or stored.

use std::{io, path::PathBuf};

use node_wire::name::ShareName;

/// Why a file of the share could not be read or stored.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    /// The shared directory itself cannot be used.
    #[error("cannot share the directory {}: {error}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// There is no regular file of this name.
    #[error("no file `{0}` in the share")]
    NotFound(ShareName),
    /// A file of this name is there already.
    #[error("`{0}` is in the share already")]
    Exists(ShareName),
    /// A file whose name differs only in letter case is there already.
    #[error(
        "`{name}` differs only in letter case from `{existing}`, which is in the share already"
    )]
    Collision {
        /// The name that was refused.
        name: ShareName,
        /// The name that is there.
        existing: String,
    },
    /// It changed while it was read.
    #[error("`{0}` changes while it is read")]
    Changed(ShareName),
    /// There is no room for the file.
    #[error("no space for `{name}`: {error}")]
    NoSpace {
        /// The name of the file.
        name: ShareName,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// The system refused.
    #[error("`{name}`: {error}")]
    Io {
        /// The name of the file.
        name: ShareName,
        /// What the system said.
        #[source]
        error: io::Error,
    },
}

impl ShareError {
    /// Returns the error for `name` that an error of the system means.
    pub fn of(name: &ShareName, error: io::Error) -> ShareError {
        let name = name.clone();
        match error.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory => ShareError::NotFound(name),
            io::ErrorKind::AlreadyExists => ShareError::Exists(name),
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => ShareError::NoSpace { name, error },
            _ if is_link(&error) => ShareError::NotFound(name),
            _ => ShareError::Io { name, error },
        }
    }
}

/// A symbolic link at the end of a name, or one that leads out of the share.
fn is_link(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    code == Some(rustix::io::Errno::LOOP.raw_os_error())
        || code == Some(rustix::io::Errno::XDEV.raw_os_error())
        || code == Some(rustix::io::Errno::NXIO.raw_os_error())
        || (code.is_none() && error.kind() == io::ErrorKind::PermissionDenied)
}
