//! The room of disks.

use std::{io, path::Path};

/// The room of the disk that a path is on, in bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Space {
    /// Bytes that this process may still write.
    pub available: u64,
    /// Bytes in all.
    pub total: u64,
}

/// Returns the room of the disk that `path` is on.
///
/// # Errors
/// Errors if there is nothing at the path, or if the system does not say.
#[cfg(unix)]
pub fn of(path: &Path) -> io::Result<Space> {
    let disk = rustix::fs::statvfs(path)?;
    Ok(Space {
        available: disk.f_bavail.saturating_mul(disk.f_frsize),
        total: disk.f_blocks.saturating_mul(disk.f_frsize),
    })
}

/// Returns the room of the disk that `path` is on.
///
/// # Errors
/// Errors always: it is not known how to ask this system.
#[cfg(not(unix))]
pub fn of(_path: &Path) -> io::Result<Space> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn a_disk_has_no_more_room_than_it_has() {
        let here = tempfile::tempdir().unwrap();
        let space = of(here.path()).unwrap();
        assert!(
            space.available <= space.total && space.total > 0,
            "{space:?}"
        );
        assert!(of(&here.path().join("gone")).is_err());
    }
}
