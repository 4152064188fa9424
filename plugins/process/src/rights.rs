//! Which files may be run, and what shows that one changed.

use std::{
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::Path,
    time::SystemTime,
};

use rustix::process::geteuid;

use crate::ProgramError;

/// How the names of files end that are somebody else's: scripts, and copies
/// that editors leave behind.
const OTHERS: [&str; 2] = [".rhai", "~"];

/// Rights to run.
const RUN: u32 = 0o111;

/// Rights of others to write.
const OTHERS_WRITE: u32 = 0o022;

/// The user to whom the system belongs.
const ROOT: u32 = 0;

/// What shows that a file changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Seen {
    size: u64,
    modified: Option<SystemTime>,
    inode: u64,
    mode: u32,
    owner: u32,
}

impl Seen {
    pub(crate) fn of(metadata: &Metadata) -> Seen {
        Seen {
            size: metadata.len(),
            modified: metadata.modified().ok(),
            inode: metadata.ino(),
            mode: metadata.mode(),
            owner: metadata.uid(),
        }
    }
}

/// Whether a file of this name and kind is a program, and no script.
pub(crate) fn is_to_run(file: &str, metadata: &Metadata) -> bool {
    let is_others = OTHERS.iter().any(|end| file.ends_with(end));
    metadata.is_file() && metadata.mode() & RUN != 0 && !is_others
}

/// Whether `path` is a file that [`crate::Programs`] would start.
#[must_use]
pub fn is_program(path: &Path) -> bool {
    let file = path.file_name().and_then(|file| file.to_str());
    let metadata = fs::symlink_metadata(path);
    file.is_some_and(|file| metadata.is_ok_and(|metadata| is_to_run(file, &metadata)))
}

/// Whether `path` may be run.
pub(crate) fn check(path: &Path) -> Result<(), ProgramError> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_file() {
        return Err(ProgramError::NoProgram("it is no regular file"));
    }
    if metadata.mode() & RUN == 0 {
        return Err(ProgramError::NoProgram(
            "it may not be run; allow it with chmod +x",
        ));
    }
    check_rights("the file", &metadata)
}

/// Whether nobody but the owner of the node, and root, can write it.
pub(crate) fn check_rights(what: &'static str, metadata: &Metadata) -> Result<(), ProgramError> {
    if metadata.mode() & OTHERS_WRITE != 0 {
        return Err(ProgramError::Writable(what));
    }
    if ![geteuid().as_raw(), ROOT].contains(&metadata.uid()) {
        return Err(ProgramError::Foreign(what));
    }
    Ok(())
}
