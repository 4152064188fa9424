//! The directory of the cache.
//!
//! # Invariants
//! - A file here is named by a digest or by a random number, never by what
//!   came from the network.
//! - What is of no whole blob when the directory is opened is removed, as far as
//!   it has a name that is made here; nothing is removed recursively.
//! - All calls block.
#![allow(
    clippy::disallowed_methods,
    reason = "these are the node's own files, in its state directory; none of them is a shared file"
)]

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use node_base::platform::files;
use node_wire::Digest;

use crate::{
    events::unix_millis,
    pieces::{CONTENT_MAX, PieceTree},
};

/// The start of the names of temporaries.
const PART: &str = "part-";

/// The end of the names of trees.
const TREE: &str = ".tree";

/// The directory `STATE/cache`.
#[derive(Clone, Debug)]
pub(super) struct Directory(PathBuf);

/// A blob that was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlobFile {
    pub(super) digest: Digest,
    pub(super) size: u64,
    /// The time when it was kept, Unix milliseconds.
    pub(super) used: u64,
}

impl Directory {
    /// Opens the directory, making it if it is not there.
    pub(super) fn open(path: PathBuf) -> io::Result<Directory> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        files::make_directory_private(&mut builder);
        builder.create(&path)?;
        Ok(Directory(path))
    }

    /// Removes the files that a cache makes in the directory, and the directory if
    /// nothing else is in it.
    pub(super) fn remove_all(path: &Path) -> io::Result<()> {
        let entries = match fs::read_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        let directory = Directory(path.to_owned());
        for entry in entries {
            let name = entry?.file_name();
            if name
                .to_str()
                .is_some_and(|name| is_part(name) || digest_of(name).is_some())
            {
                directory.try_remove(&name.to_string_lossy())?;
            }
        }
        match fs::remove_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => Err(error),
            _ => Ok(()),
        }
    }

    /// Returns a name for a temporary.
    pub(super) fn part_name(&self) -> String {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).expect("the system gives random bytes");
        format!("{PART}{:016x}", u64::from_ne_bytes(bytes))
    }

    /// Lists the whole blobs and removes the rest of others. Files that a cache
    /// does not make stay.
    pub(super) fn take_stock(&self) -> io::Result<Vec<BlobFile>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            match digest_of(&name) {
                // A tree stays if its blob does; looked at there.
                Some(digest) if *name != *digest.to_hex() => {
                    if !self.0.join(digest.to_hex()).is_file() {
                        self.remove(&name);
                    }
                }
                Some(digest) => match self.look_at(&digest) {
                    Ok(blob) => found.push(blob),
                    Err(error) => {
                        tracing::warn!(%digest, %error, "a cached blob is not whole");
                        self.remove(&digest.to_hex());
                        self.remove(&tree_name(&digest));
                    }
                },
                None if is_part(&name) => self.remove(&name),
                None => tracing::debug!(%name, "a file in the cache is not of the cache"),
            }
        }
        Ok(found)
    }

    /// Makes a temporary.
    pub(super) fn create(&self, part: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        files::make_file_private(&mut options);
        options.open(self.0.join(part))
    }

    /// Writes a tree beside the temporary of its content.
    pub(super) fn write_tree(&self, part: &str, tree: &PieceTree) -> io::Result<()> {
        let mut file = self.create(&format!("{part}{TREE}"))?;
        file.write_all(&tree.to_bytes())
    }

    /// Gives a temporary and its tree the names of a blob. The content comes
    /// last: a tree alone is nothing.
    pub(super) fn place(&self, part: &str, digest: &Digest) -> io::Result<()> {
        let tree = self.0.join(format!("{part}{TREE}"));
        fs::rename(tree, self.0.join(tree_name(digest)))?;
        fs::rename(self.0.join(part), self.0.join(digest.to_hex()))
            .inspect_err(|_| self.remove(&tree_name(digest)))
    }

    /// Removes a temporary and its tree.
    pub(super) fn remove_part(&self, part: &str) -> io::Result<()> {
        self.try_remove(part)
            .and(self.try_remove(&format!("{part}{TREE}")))
    }

    /// Removes a blob and its tree.
    pub(super) fn remove_blob(&self, digest: &Digest) -> io::Result<()> {
        self.try_remove(&digest.to_hex())
            .and(self.try_remove(&tree_name(digest)))
    }

    /// Opens the content of a blob and reads its tree.
    pub(super) fn open_blob(&self, digest: &Digest, size: u64) -> io::Result<(File, PieceTree)> {
        let file = File::open(self.0.join(digest.to_hex()))?;
        if file.metadata()?.len() != size {
            return Err(damaged("its size is another one"));
        }
        Ok((file, self.read_tree(digest, size)?))
    }

    fn look_at(&self, digest: &Digest) -> io::Result<BlobFile> {
        let metadata = fs::symlink_metadata(self.0.join(digest.to_hex()))?;
        let size = metadata.len();
        if !metadata.is_file() || size > CONTENT_MAX {
            return Err(damaged("it is no file of content"));
        }
        self.read_tree(digest, size)?;
        Ok(BlobFile {
            digest: *digest,
            size,
            used: metadata.modified().map_or(0, unix_millis),
        })
    }

    fn read_tree(&self, digest: &Digest, size: u64) -> io::Result<PieceTree> {
        let path = self.0.join(tree_name(digest));
        if fs::metadata(&path)?.len() != PieceTree::bytes_len(size) {
            return Err(damaged("its tree is that of another size"));
        }
        let tree = PieceTree::from_bytes(*digest, &fs::read(path)?)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        if tree.size() != size {
            return Err(damaged("its tree states another size"));
        }
        Ok(tree)
    }

    fn try_remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.0.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn remove(&self, name: &str) {
        if let Err(error) = self.try_remove(name) {
            tracing::warn!(%error, "a file of the cache could not be removed");
        }
    }
}

/// Returns the digest that a blob or tree of this name has.
fn digest_of(name: &str) -> Option<Digest> {
    let digest = name.strip_suffix(TREE).unwrap_or(name);
    let parsed = Digest::from_hex(digest).ok();
    parsed.filter(|parsed| parsed.to_hex() == digest)
}

/// Returns true if a temporary has this name, or its tree.
fn is_part(name: &str) -> bool {
    let name = name.strip_suffix(TREE).unwrap_or(name);
    name.strip_prefix(PART).is_some_and(|random| {
        random.len() == 16 && random.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

fn tree_name(digest: &Digest) -> String {
    format!("{digest}{TREE}")
}

fn damaged(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
