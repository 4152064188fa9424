//! Files: private ones, clones, names that are free, whole file systems.

use std::{
    fs::{DirBuilder, File, OpenOptions, Permissions},
    io::{self, IoSlice},
    os::{
        fd::AsFd,
        unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt},
    },
};

use rustix::{buffer::spare_capacity, io::retry_on_intr};

/// Flags of an open that does not wait for the other end of a pipe.
pub const DO_NOT_WAIT: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();

/// Has a new file be readable for nobody else.
pub fn make_file_private(options: &mut OpenOptions) {
    options.mode(0o600);
}

/// Has a new directory be open for nobody else.
pub fn make_directory_private(builder: &mut DirBuilder) {
    builder.mode(0o700);
}

/// Returns the permissions of a private file.
#[must_use]
pub fn private_file() -> Permissions {
    Permissions::from_mode(0o600)
}

/// Returns the permissions of a private directory.
#[must_use]
pub fn private_directory() -> Permissions {
    Permissions::from_mode(0o700)
}

/// Renames `old` to `new` in a directory if that name is free. Returns false if the system cannot do that in one step.
///
/// # Errors
/// Errors if the name is taken, or if the system does not rename.
#[cfg(target_os = "linux")]
pub fn rename_to_free(directory: impl AsFd, old: &str, new: &str) -> io::Result<bool> {
    use rustix::{fs::RenameFlags, io::Errno};
    let flag = RenameFlags::NOREPLACE;
    match rustix::fs::renameat_with(&directory, old, &directory, new, flag) {
        Ok(()) => Ok(true),
        // Some file systems do not know the flag.
        Err(Errno::INVAL | Errno::NOSYS) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Renames nothing, and returns that: the system cannot do that in one step.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub fn rename_to_free(_directory: impl AsFd, _old: &str, _new: &str) -> io::Result<bool> {
    Ok(false)
}

/// Makes `target` share the bytes of `source`. Returns true if the file system did.
#[cfg(target_os = "linux")]
#[must_use]
pub fn clone_to(source: &File, target: &File) -> bool {
    rustix::fs::ioctl_ficlone(target, source).is_ok()
}

/// Returns that no bytes are shared.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn clone_to(_source: &File, _target: &File) -> bool {
    false
}

/// Brings all that was written to the file system of `file` to the disk. Returns false if the system cannot.
///
/// # Errors
/// Errors if the disk does not take it.
#[cfg(target_os = "linux")]
pub fn sync_file_system(file: &File) -> io::Result<bool> {
    rustix::fs::syncfs(file)?;
    Ok(true)
}

/// Returns that the system cannot bring a whole file system to the disk.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub fn sync_file_system(_file: &File) -> io::Result<bool> {
    Ok(false)
}

/// Reads `length` bytes at `offset` into `bytes`, in place of what was there. No time goes into filling memory with
/// zeros first.
///
/// # Errors
/// Errors if the system refuses, and with [`io::ErrorKind::UnexpectedEof`] if the file ends before.
pub fn read_exact_at(
    file: &File,
    offset: u64,
    length: usize,
    bytes: &mut Vec<u8>,
) -> io::Result<()> {
    bytes.clear();
    bytes.reserve_exact(length);
    while bytes.len() < length {
        let at = offset + bytes.len() as u64;
        if retry_on_intr(|| rustix::io::pread(file, spare_capacity(bytes), at))? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    // A buffer that was longer has room for more.
    bytes.truncate(length);
    Ok(())
}

/// Most parts that one call of the system writes.
const PARTS_MAX: usize = 64;

/// Writes the bytes of `parts` at `offset`, one after the other, with few calls of the system.
///
/// # Errors
/// Errors if the system refuses.
pub fn write_parts_at(file: &File, parts: &[impl AsRef<[u8]>], mut offset: u64) -> io::Result<()> {
    for parts in parts.chunks(PARTS_MAX) {
        let slices: Vec<IoSlice<'_>> = parts
            .iter()
            .map(|part| IoSlice::new(part.as_ref()))
            .collect();
        let mut written = retry_on_intr(|| rustix::io::pwritev(file, &slices, offset))?;
        // A call that was cut short, as by a disk that is full: the rest says why.
        for part in parts {
            let part = part.as_ref();
            let done = written.min(part.len());
            written -= done;
            file.write_all_at(&part[done..], offset + done as u64)?;
            offset += part.len() as u64;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_gives_the_bytes_that_were_asked_for() {
        let file = tempfile::tempfile().unwrap();
        let content: Vec<u8> = (0..=255).collect();
        file.write_all_at(&content, 0).unwrap();
        let mut bytes = vec![9; 1000];
        read_exact_at(&file, 3, 100, &mut bytes).unwrap();
        assert_eq!(bytes, content[3..103]);
        read_exact_at(&file, 256, 0, &mut bytes).unwrap();
        assert!(bytes.is_empty());
        let error = read_exact_at(&file, 200, 57, &mut bytes).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn parts_are_written_one_after_the_other() {
        let file = tempfile::tempfile().unwrap();
        let parts: Vec<Vec<u8>> = (0..3 * PARTS_MAX).map(|n| vec![n as u8; n % 5]).collect();
        write_parts_at(&file, &parts, 7).unwrap();
        let written = parts.concat();
        let mut read = vec![0; written.len()];
        file.read_exact_at(&mut read, 7).unwrap();
        assert_eq!(read, written);
        assert_eq!(file.metadata().unwrap().len(), 7 + written.len() as u64);
    }
}
