//! ZIP containers, unpacked within limits.

use std::{
    fs::File,
    io::{self, BufReader, Read},
};

use zip::{ZipArchive, result::ZipError};

use crate::{
    limits::{ENTRIES_MAX, UNPACKED_MAX},
    output::ReadError,
    reason::Reason,
};

/// A ZIP container. All that is unpacked from it counts.
pub(crate) struct Container {
    zip: ZipArchive<BufReader<File>>,
    left: u64,
}

impl Container {
    /// Opens a container.
    pub(crate) fn open(file: BufReader<File>) -> Result<Container, ReadError> {
        let zip = ZipArchive::new(file).map_err(error)?;
        if zip.len() > ENTRIES_MAX {
            return Err(Reason::Entries.into());
        }
        Ok(Container {
            zip,
            left: UNPACKED_MAX,
        })
    }

    /// Returns true if there is an entry of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.zip.index_for_name(name).is_some()
    }

    /// Returns the names of all entries, as they stand there.
    pub(crate) fn names(&self) -> Vec<String> {
        let names = self.zip.file_names_raw();
        names
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect()
    }

    /// Returns the bytes of an entry, if it is there.
    pub(crate) fn bytes(&mut self, name: &str) -> Result<Option<Vec<u8>>, ReadError> {
        match self.zip.index_for_name(name) {
            Some(index) => self.bytes_at(index).map(Some),
            None => Ok(None),
        }
    }

    /// Returns the bytes of the entry with this number.
    pub(crate) fn bytes_at(&mut self, index: usize) -> Result<Vec<u8>, ReadError> {
        let entry = self.zip.by_index(index).map_err(error)?;
        // What it says of its size may be wrong, and is believed only if it is too much.
        if entry.size() > self.left {
            return Err(Reason::Unpacks.into());
        }
        let mut bytes = Vec::new();
        let expected = usize::try_from(entry.size()).unwrap_or(usize::MAX);
        bytes
            .try_reserve_exact(expected)
            .map_err(|_| Reason::Memory)?;
        let read = entry.take(self.left + 1).read_to_end(&mut bytes);
        read.map_err(|error| damaged(&error))?;
        let length = bytes.len() as u64;
        if length > self.left {
            return Err(Reason::Unpacks.into());
        }
        self.left -= length;
        Ok(bytes)
    }

    /// Returns the text of an XML entry, if it is there.
    pub(crate) fn xml(&mut self, name: &str) -> Result<Option<String>, ReadError> {
        let bytes = self.bytes(name)?;
        Ok(bytes.map(super::xml::decoded))
    }

    /// Returns the text of an XML entry that has to be there.
    pub(crate) fn needed_xml(&mut self, name: &str) -> Result<String, ReadError> {
        self.xml(name)?.ok_or_else(|| Reason::Damaged.into())
    }
}

fn error(error: ZipError) -> ReadError {
    match error {
        ZipError::Io(error) => damaged(&error),
        ZipError::InvalidPassword | ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) => {
            Reason::Encrypted.into()
        }
        _ => Reason::Damaged.into(),
    }
}

/// An error while an entry is unpacked comes from what is in it.
fn damaged(error: &io::Error) -> ReadError {
    match error.kind() {
        io::ErrorKind::OutOfMemory => Reason::Memory.into(),
        _ => Reason::Damaged.into(),
    }
}
