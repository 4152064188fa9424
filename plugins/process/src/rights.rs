//! The files that may be run.

use std::{
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::Path,
};

use plugin_host::{RightsError, rights};

use crate::ProgramError;

/// The endings of names of other files: scripts, and copies
/// that editors leave behind.
const OTHERS: [&str; 2] = [".rhai", "~"];

/// Rights to run.
const RUN: u32 = 0o111;

/// Returns true if a file of this name and kind is a program, and no script.
pub(crate) fn is_to_run(file: &str, metadata: &Metadata) -> bool {
    let is_others = OTHERS.iter().any(|end| file.ends_with(end));
    metadata.is_file() && metadata.mode() & RUN != 0 && !is_others
}

/// Returns true if `path` is a file that [`crate::Programs`] would start.
#[must_use]
pub fn is_program(path: &Path) -> bool {
    let file = path.file_name().and_then(|file| file.to_str());
    let metadata = fs::symlink_metadata(path);
    file.is_some_and(|file| metadata.is_ok_and(|metadata| is_to_run(file, &metadata)))
}

/// Errors if `path` may not be run.
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
    Ok(check_rights("the file", &metadata)?)
}

/// Checks that nobody but the owner of the node, and root, can write it.
pub(crate) fn check_rights(what: &'static str, metadata: &Metadata) -> Result<(), RightsError> {
    rights::check_writers(what, metadata)?;
    rights::check_owner(what, metadata)
}
