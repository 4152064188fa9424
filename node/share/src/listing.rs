//! Reading the directories of the share.

use std::{io, time::SystemTime};

use cap_fs_ext::DirExt;
use cap_std::fs::{Dir, DirEntry, MetadataExt};
use node_wire::{
    limits::NAME_PARTS_MAX,
    name::{ShareName, TEMPORARY_PREFIX},
};
use plugin_api::{FileInfo, Flow};

use super::{SETTLED_AFTER, Share, Stamp, catalogue::Meta, ignoring::Chain, info, modified};

/// How a listing went.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Listing {
    /// Entries that cannot be shared because of what they are or how they are
    /// named: links, pipes, devices, names that are no share names. What is
    /// ignored is not counted.
    pub skipped: u64,
}

/// What is in one directory and can be shared, in order of the names.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// Files, by the last parts of their names.
    pub(super) files: Vec<(String, Meta)>,
    /// Directories, by the last parts of their names.
    pub(super) directories: Vec<String>,
    /// Entries that cannot be shared.
    pub(super) skipped: u64,
}

/// What an entry of a directory is.
enum Kind {
    File,
    Directory,
    /// Nothing that can be shared.
    Other,
    /// Nothing that is counted.
    Ignored,
}

/// Lists the directory `name`: empty, or with a `/` at its end. What vanishes
/// meanwhile is left out.
///
/// # Errors
/// When the directory cannot be read.
pub(super) fn list(directory: &Dir, name: &str, chain: &Chain) -> io::Result<Listed> {
    let depth = name.matches('/').count() + 1;
    let mut listed = Listed::default();
    let mut whole = name.to_owned();
    for entry in directory.entries()? {
        let entry = entry?;
        let last = entry.file_name();
        let Some(last) = last.to_str() else {
            listed.skipped += 1;
            continue;
        };
        whole.truncate(name.len());
        whole.push_str(last);
        match kind(&entry, last, &whole, chain) {
            Kind::Directory if depth < NAME_PARTS_MAX => listed.directories.push(last.to_owned()),
            Kind::File if depth <= NAME_PARTS_MAX => match entry.metadata() {
                Ok(metadata) if metadata.is_file() => {
                    listed.files.push((last.to_owned(), meta(&metadata)));
                }
                _ => listed.skipped += 1,
            },
            Kind::Ignored => {}
            _ => listed.skipped += 1,
        }
    }
    listed.files.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    listed.directories.sort_unstable();
    Ok(listed)
}

fn kind(entry: &DirEntry, last: &str, whole: &str, chain: &Chain) -> Kind {
    if ShareName::parse(last).is_err() {
        return if last.starts_with(TEMPORARY_PREFIX) {
            Kind::Ignored
        } else {
            Kind::Other
        };
    }
    let kind = match entry.file_type() {
        Ok(kind) if kind.is_dir() => Kind::Directory,
        Ok(kind) if kind.is_file() => Kind::File,
        _ => Kind::Other,
    };
    let is_directory = matches!(kind, Kind::Directory);
    if matches!(kind, Kind::Other) || chain.shares(whole, is_directory) {
        kind
    } else {
        Kind::Ignored
    }
}

/// What a file is that is described so.
pub(super) fn meta(metadata: &cap_std::fs::Metadata) -> Meta {
    let stamp = Stamp {
        size: metadata.len(),
        modified: modified(metadata),
        inode: MetadataExt::ino(metadata),
    };
    Meta::of(stamp, is_settled(stamp))
}

/// Whether the next change to a file shows in its stamp.
pub(super) fn is_settled(stamp: Stamp) -> bool {
    stamp.modified.is_some_and(|modified| {
        SystemTime::now()
            .duration_since(modified)
            .is_ok_and(|since| since >= SETTLED_AFTER)
    })
}

struct Walk<'a> {
    share: &'a Share,
    root: &'a Dir,
    visit: &'a mut dyn FnMut(&FileInfo) -> Flow,
    listing: Listing,
}

impl Share {
    /// Calls `visit` with each shared file, in order of the names, until it
    /// stops. Reads all directories for it; the catalogue does not. What
    /// vanishes meanwhile is passed over.
    ///
    /// # Errors
    /// When the shared directory itself cannot be read.
    pub fn visit(&self, visit: &mut dyn FnMut(&FileInfo) -> Flow) -> io::Result<Listing> {
        let root = self.directory()?;
        let mut walk = Walk {
            share: self,
            root: &root,
            visit,
            listing: Listing::default(),
        };
        walk.directory(&root, "")?;
        Ok(walk.listing)
    }
}

impl Walk<'_> {
    fn directory(&mut self, directory: &Dir, name: &str) -> io::Result<Flow> {
        let chain = self.share.ignoring.chain(self.root, name);
        let listed = list(directory, name, &chain)?;
        self.listing.skipped += listed.skipped;
        let mut directories = listed.directories.into_iter().peekable();
        for (last, meta) in listed.files {
            // A directory stands where its files stand: `a/` behind `a-b`.
            while let Some(before) = directories.next_if(|below| is_before(below, &last)) {
                if self.below(directory, name, &before) == Flow::Stop {
                    return Ok(Flow::Stop);
                }
            }
            if (self.visit)(&info(format!("{name}{last}"), meta)) == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        for below in directories {
            if self.below(directory, name, &below) == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        Ok(Flow::Continue)
    }

    fn below(&mut self, directory: &Dir, name: &str, last: &str) -> Flow {
        // Not followed if it became a link after it was listed.
        let below = directory.open_dir_nofollow(last);
        let visited = below.and_then(|below| self.directory(&below, &format!("{name}{last}/")));
        visited.unwrap_or_else(|_| {
            self.listing.skipped += 1;
            Flow::Continue
        })
    }
}

/// Whether the files of the directory come before the file.
fn is_before(directory: &str, file: &str) -> bool {
    directory.bytes().chain([b'/']).lt(file.bytes())
}
