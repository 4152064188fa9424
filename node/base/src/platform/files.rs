//! Files: private ones, clones, names that are free, whole file systems.

use std::{
    fs::{DirBuilder, File, OpenOptions, Permissions},
    io,
    os::{
        fd::AsFd,
        unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    },
};

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
