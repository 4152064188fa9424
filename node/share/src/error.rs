//! Errors of reading or storing a file of the share.

use std::{fmt, io, path::PathBuf};

use node_wire::name::ShareName;
use rustix::io::Errno;

use super::SkipReason;

/// The error of reading or storing a file of the share.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    /// The shared directory itself cannot be used.
    #[error("cannot share the directory {}: {error}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
    /// The shared directory is not at its path now.
    #[error("`{name}` is not stored: the share is away: {why}")]
    Away {
        /// The name of the file.
        name: ShareName,
        /// The state of the directory.
        why: String,
    },
    /// The file would configure this node, which only its owner does.
    #[error("`{0}` is not stored: a file of this name says what this node shares")]
    Configuration(ShareName),
    /// Nobody named the file, and programs look for such files.
    #[error(
        "`{0}` is not fetched with others: a part of its name begins with a dot; fetch it by its name"
    )]
    Hidden(ShareName),
    /// There is no regular file of this name.
    #[error("no file `{0}` in the share")]
    NotFound(ShareName),
    /// A file of this name is never shared.
    #[error("`{name}` is not shared: {reason}")]
    NotShared {
        /// The name of the file.
        name: ShareName,
        /// The reason why it is not shared.
        reason: SkipReason,
    },
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
    /// The temporary file does not have as many bytes as were received.
    #[error("`{name}` is not stored: {found} bytes are there instead of {expected}")]
    Length {
        /// The name of the file.
        name: ShareName,
        /// Bytes in the temporary.
        found: u64,
        /// Bytes that were received.
        expected: u64,
    },
    /// There is no room for the file.
    #[error("no space for `{name}`: {error}")]
    NoSpace {
        /// The name of the file.
        name: ShareName,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
    /// It could not be stored.
    #[error("cannot store `{name}`: {doing}: {}", Explained(error))]
    Store {
        /// The name of the file.
        name: ShareName,
        /// The operation that failed.
        doing: Doing,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
    /// The system refused to read.
    #[error("`{name}`: {error}")]
    Io {
        /// The name of the file.
        name: ShareName,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
}

/// A step of storing a file.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Doing {
    /// Opening or making the directory of this path.
    #[error("opening the directory `{0}`")]
    Folder(String),
    /// Making the temporary.
    #[error("making its temporary file")]
    Begin,
    /// Reading the present file.
    #[error("reading what is there")]
    Read,
    /// Writing bytes.
    #[error("writing")]
    Write,
    /// Copying bytes that are here.
    #[error("copying")]
    Copy,
    /// Giving the temporary its name.
    #[error("giving it its name")]
    Place,
    /// Bringing the directory to the disk; the file is there by then.
    #[error("it is there, but bringing its directory to the disk failed")]
    Sync,
}

/// An error of the system, with its meaning while a file is stored.
struct Explained<'e>(&'e io::Error);

impl fmt::Display for Explained<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match meaning(self.0) {
            Some(meaning) => write!(f, "{meaning} ({})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

fn meaning(error: &io::Error) -> Option<&'static str> {
    let Some(code) = error.raw_os_error() else {
        let escaped = error.kind() == io::ErrorKind::PermissionDenied;
        return escaped.then_some("it leads out of the share");
    };
    Some(match Errno::from_raw_os_error(code) {
        Errno::NOENT => "it was removed meanwhile",
        Errno::NOTDIR => "a file or a link has the name of a directory",
        Errno::ISDIR => "a directory has this name",
        Errno::XDEV => "it leads out of the share, or into another file system",
        Errno::ROFS => "the file system can only be read",
        Errno::NAMETOOLONG => "the file system takes no name of this length",
        Errno::INVAL | Errno::ILSEQ => "the file system does not take this name",
        Errno::ACCESS | Errno::PERM => "the node may not write there",
        Errno::LOOP => "a symbolic link has this name",
        Errno::BUSY => "something is mounted there",
        _ => return None,
    })
}

impl ShareError {
    /// Returns the error for `name` that an error of the system means while the
    /// file is read.
    pub fn of(name: &ShareName, error: io::Error) -> ShareError {
        let name = name.clone();
        match error.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory => ShareError::NotFound(name),
            _ if is_link(&error) => ShareError::NotFound(name),
            _ => ShareError::Io { name, error },
        }
    }

    /// Returns whether the file is in its place all the same: what failed was to bring its directory to the disk.
    #[must_use]
    pub fn is_placed(&self) -> bool {
        matches!(
            self,
            ShareError::Store {
                doing: Doing::Sync,
                ..
            }
        )
    }

    /// Returns whether storing the same bytes may succeed later: the system refused, or the share is away.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            ShareError::NoSpace { .. } | ShareError::Store { .. } | ShareError::Away { .. }
        )
    }

    /// Returns the error for `name` that `error` of the system stands for while the
    /// file is stored.
    pub(super) fn storing(name: &ShareName, doing: Doing, error: io::Error) -> ShareError {
        let name = name.clone();
        match error.kind() {
            io::ErrorKind::AlreadyExists if doing == Doing::Place => ShareError::Exists(name),
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => ShareError::NoSpace { name, error },
            _ => ShareError::Store { name, doing, error },
        }
    }
}

/// Returns true for a symbolic link at the end of a name, or one that leads out of the share.
fn is_link(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    code == Some(Errno::LOOP.raw_os_error())
        || code == Some(Errno::XDEV.raw_os_error())
        || code == Some(Errno::NXIO.raw_os_error())
        || (code.is_none() && error.kind() == io::ErrorKind::PermissionDenied)
}
