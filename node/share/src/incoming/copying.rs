//! Filling a file on its way with bytes that are on this machine.

use std::{
    fs::File,
    io::{self, Read, Seek},
};

use node_base::platform::files;
use node_wire::{
    Digest,
    name::ShareName,
    pieces::{PieceTree, TreeHasher},
};

use super::{About, Incoming, Replace};
use crate::{Share, ShareError, Stamp, error::Doing};

/// Bytes that are copied at a time.
const COPY_SIZE: usize = 256 * 1024;

impl Share {
    /// Stores the file `from` of this share under the name `to` as well. The
    /// file system shares the bytes if it can. Returns what the new file is,
    /// and the tree of its content.
    ///
    /// # Errors
    /// Errors with [`ShareError::Changed`] if the bytes of `from` are not those
    /// of `digest`; then nothing is stored. Otherwise as [`Share::read`],
    /// [`Share::begin`] and [`Incoming::commit`].
    pub fn copy(
        &self,
        from: &ShareName,
        to: &ShareName,
        replace: Replace,
        digest: &Digest,
        about: About,
    ) -> Result<(Stamp, PieceTree), ShareError> {
        let source = self.read(from)?;
        let incoming = self.begin(to, replace)?;
        let tree = incoming.fill(&source.file, digest)?;
        let tree = tree.ok_or_else(|| ShareError::Changed(from.clone()))?;
        Ok((incoming.commit(tree.size(), about)?, tree))
    }
}

impl Incoming {
    /// Replaces what is there by the bytes of `source`, if they are those of
    /// `digest`. Returns their tree, or nothing if they are others.
    ///
    /// # Errors
    /// As [`Incoming::write_at`].
    pub fn fill(&self, source: &File, digest: &Digest) -> Result<Option<PieceTree>, ShareError> {
        let emptied = self.file.set_len(0);
        emptied.map_err(|error| self.failed(Doing::Write, error))?;
        let tree = if files::clone_to(source, &self.file) {
            // Nobody else writes to the clone, so what is read here stays.
            hashed(&self.file, |_, _| Ok(()))
        } else {
            hashed(source, |bytes, offset| {
                self.count(bytes.len())?;
                std::os::unix::fs::FileExt::write_all_at(&self.file, bytes, offset)
            })
        };
        let tree = tree.map_err(|error| self.failed(Doing::Copy, error))?;
        Ok((tree.digest() == *digest).then_some(tree))
    }
}

/// Reads `file` from its start, and passes each part of it on with its place.
fn hashed(
    mut file: &File,
    mut pass_on: impl FnMut(&[u8], u64) -> io::Result<()>,
) -> io::Result<PieceTree> {
    file.rewind()?;
    let mut hasher = TreeHasher::default();
    let mut bytes = vec![0; COPY_SIZE];
    loop {
        let read = match file.read(&mut bytes) {
            Ok(0) => return Ok(hasher.finish()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        pass_on(&bytes[..read], hasher.size())?;
        hasher.push(&bytes[..read]);
    }
}
