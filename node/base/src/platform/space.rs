//! The room of disks.

use std::{fs::File, io, path::Path};

use rustix::fs::StatVfs;

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
pub fn of(path: &Path) -> io::Result<Space> {
    Ok(described(&rustix::fs::statvfs(path)?))
}

/// Returns the room of the disk that an open file is on; `None` if the file system does not say, as ramfs.
///
/// # Errors
/// Errors if the system does not answer.
pub fn of_file(file: &File) -> io::Result<Option<Space>> {
    let space = described(&rustix::fs::fstatvfs(file)?);
    Ok((space.total > 0).then_some(space))
}

/// Returns the number of the file system that has an open file.
///
/// # Errors
/// Errors if the system does not answer.
pub fn file_system(file: &File) -> io::Result<u64> {
    Ok(rustix::fs::fstatvfs(file)?.f_fsid)
}

fn described(disk: &StatVfs) -> Space {
    Space {
        available: disk.f_bavail.saturating_mul(disk.f_frsize),
        total: disk.f_blocks.saturating_mul(disk.f_frsize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
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
