//! Files that are the owner's own: how they are read, and how a change shows.

use std::{
    fs::{self, Metadata},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::Path,
    time::SystemTime,
};

use crate::{
    ScriptError,
    header::{HeaderError, SOURCE_MAX},
};

/// Rights of others to write.
const OTHERS_WRITE: u32 = 0o022;

/// What shows that a file changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Seen {
    size: u64,
    modified: Option<SystemTime>,
    inode: u64,
    mode: u32,
}

impl Seen {
    pub(crate) fn of(metadata: &Metadata) -> Seen {
        Seen {
            size: metadata.len(),
            modified: metadata.modified().ok(),
            inode: metadata.ino(),
            mode: metadata.mode(),
        }
    }
}

/// Makes sure that nobody else can put a script into the directory.
pub(crate) fn check_directory(directory: &Path) -> Result<(), ScriptError> {
    if is_writable_by_others(&fs::metadata(directory)?) {
        return Err(ScriptError::Writable("the directory"));
    }
    Ok(())
}

/// Reads a script that nobody but its owner can have written.
pub(crate) fn read(path: &Path) -> Result<String, ScriptError> {
    let file = fs::File::open(path)?;
    if is_writable_by_others(&file.metadata()?) {
        return Err(ScriptError::Writable("the file"));
    }
    let mut source = Vec::new();
    file.take(SOURCE_MAX as u64 + 1).read_to_end(&mut source)?;
    if source.len() > SOURCE_MAX {
        return Err(HeaderError::TooLong.into());
    }
    let source = String::from_utf8(source);
    Ok(source.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?)
}

fn is_writable_by_others(metadata: &Metadata) -> bool {
    metadata.mode() & OTHERS_WRITE != 0
}
