//! Files that are the owner's own, and how they are read.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use plugin_host::{
    RightsError,
    rights::{check_owner, check_writers},
};

use crate::{
    ScriptError,
    header::{HeaderError, SOURCE_MAX},
};

/// Makes sure that nobody else can put a script into the directory.
pub(crate) fn check_directory(directory: &Path) -> Result<(), ScriptError> {
    Ok(check_rights("the directory", &fs::metadata(directory)?)?)
}

/// Checks that nobody but the owner of the node, and root, can write it.
pub(crate) fn check_rights(what: &'static str, metadata: &fs::Metadata) -> Result<(), RightsError> {
    check_writers(what, metadata)?;
    check_owner(what, metadata)
}

/// Reads a script that nobody but the owner of the node, and root, can have written.
pub(crate) fn read(path: &Path) -> Result<String, ScriptError> {
    let file = fs::File::open(path)?;
    check_rights("the file", &file.metadata()?)?;
    let mut source = Vec::new();
    file.take(SOURCE_MAX as u64 + 1).read_to_end(&mut source)?;
    if source.len() > SOURCE_MAX {
        return Err(HeaderError::TooLong.into());
    }
    let source = String::from_utf8(source);
    Ok(source.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?)
}
