//! Private files: owner and mode of directories and files that belong to the user alone.
//!
//! # Invariants
//! - A file is checked through the handle that it is read from, not by its path.

use std::{
    fs::{self, Metadata, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use crate::platform::files::DO_NOT_WAIT;

/// Permission bits of everybody but the owner.
const OTHERS: u32 = 0o077;

/// The reason why a directory or file is not private.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotPrivate {
    /// Another user owns it.
    #[error("it belongs to another user")]
    Owner,
    /// Other users have permissions on it.
    #[error("other users have permissions on it")]
    Open,
}

/// Checks that the user of this process, or root, owns what has this `metadata`, and that
/// nobody else has permissions on it.
///
/// # Errors
/// Errors if it is not so.
pub fn check(metadata: &Metadata) -> Result<(), NotPrivate> {
    use std::os::unix::fs::MetadataExt;
    let owner = metadata.uid();
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(NotPrivate::Owner);
    }
    if metadata.mode() & OTHERS != 0 {
        return Err(NotPrivate::Open);
    }
    Ok(())
}

/// Checks that the directory at `path` is private. A directory that is not there is.
///
/// # Errors
/// Errors if the system does not say; the inner error is that it is not private.
pub fn check_directory(path: &Path) -> io::Result<Result<(), NotPrivate>> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(check(&metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Ok(())),
        Err(error) => Err(error),
    }
}

/// Reads at most `longest` bytes of the private file at `path` as text; `None` if there is none.
///
/// # Errors
/// Errors if it cannot be read as text; the inner error is that it is not private.
pub fn read(path: &Path, longest: u64) -> io::Result<Option<Result<String, NotPrivate>>> {
    let text = |bytes| String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8"));
    match read_bytes(path, longest)? {
        Some(Ok(bytes)) => text(bytes).map(|text| Some(Ok(text))),
        Some(Err(not_private)) => Ok(Some(Err(not_private))),
        None => Ok(None),
    }
}

/// Reads at most `longest` bytes of the private file at `path`; `None` if there is none.
///
/// # Errors
/// Errors if it is longer or cannot be read; the inner error is that it is not private.
pub fn read_bytes(path: &Path, longest: u64) -> io::Result<Option<Result<Vec<u8>, NotPrivate>>> {
    // A pipe must not hold who reads it.
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(DO_NOT_WAIT);
    let file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no regular file; remove it"));
    }
    if let Err(not_private) = check(&metadata) {
        return Ok(Some(Err(not_private)));
    }
    let mut bytes = Vec::new();
    file.take(longest + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > longest {
        return Err(io::Error::other(format!(
            "it is longer than {longest} bytes; remove it"
        )));
    }
    Ok(Some(Ok(bytes)))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn a_file_with_permissions_for_others_is_not_read() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("secret");
        assert!(read(&path, 100).unwrap().is_none());
        fs::write(&path, "text").unwrap();
        for (mode, expected) in [
            (0o600, Ok("text".to_owned())),
            (0o400, Ok("text".to_owned())),
            (0o640, Err(NotPrivate::Open)),
            (0o604, Err(NotPrivate::Open)),
            (0o620, Err(NotPrivate::Open)),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path, 100).unwrap(), Some(expected), "{mode:o}");
        }
    }

    #[test]
    fn what_is_no_file_or_too_long_is_refused_and_holds_nobody() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("secret");
        let refusal = |word: &str| {
            let error = read(&path, 100).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        };
        fs::create_dir(&path).unwrap();
        refusal("regular");
        fs::remove_dir(&path).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        refusal("regular");
        fs::remove_file(&path).unwrap();
        fs::write(&path, "x".repeat(101)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        refusal("longer");
    }

    #[test]
    fn a_directory_or_file_of_another_user_is_not_private() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("theirs");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(check_directory(&path).unwrap(), Ok(()));
        // Only root can give a directory away.
        if std::os::unix::fs::chown(&path, Some(12_345), None).is_ok() {
            assert_eq!(check_directory(&path).unwrap(), Err(NotPrivate::Owner));
        }
    }
}
