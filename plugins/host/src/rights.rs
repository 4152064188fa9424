//! Checks of the owner and mode of a file that the node runs, and of its changes.

use std::{fs::Metadata, os::unix::fs::MetadataExt, time::SystemTime};

use rustix::process::geteuid;

/// Rights of others to write.
const OTHERS_WRITE: u32 = 0o022;

/// The user to whom the system belongs.
const ROOT: u32 = 0;

/// The reason why a file or a directory is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum RightsError {
    /// Others could have written it.
    #[error("others than its owner may write to {0}; take that right away with chmod go-w")]
    Writable(&'static str),
    /// It is somebody else's.
    #[error("{0} belongs neither to the user who runs the node nor to root")]
    Foreign(&'static str),
}

/// The properties of a file that show that it changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Seen {
    size: u64,
    modified: Option<SystemTime>,
    inode: u64,
    mode: u32,
    owner: u32,
}

impl Seen {
    /// Returns the properties of a file with this metadata that show that it changed.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Seen {
        Seen {
            size: metadata.len(),
            modified: metadata.modified().ok(),
            inode: metadata.ino(),
            mode: metadata.mode(),
            owner: metadata.uid(),
        }
    }
}

/// Checks that nobody but its owner, and root, can write it.
///
/// # Errors
/// [`RightsError::Writable`] with `what`.
pub fn check_writers(what: &'static str, metadata: &Metadata) -> Result<(), RightsError> {
    if metadata.mode() & OTHERS_WRITE != 0 {
        return Err(RightsError::Writable(what));
    }
    Ok(())
}

/// Checks that it belongs to the user that runs the node, or to root.
///
/// # Errors
/// [`RightsError::Foreign`] with `what`.
pub fn check_owner(what: &'static str, metadata: &Metadata) -> Result<(), RightsError> {
    if ![geteuid().as_raw(), ROOT].contains(&metadata.uid()) {
        return Err(RightsError::Foreign(what));
    }
    Ok(())
}
