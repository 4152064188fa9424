//! Listing the files of the share, in order of their names.

use std::io;

use cap_fs_ext::DirExt;
use cap_std::fs::{Dir, DirEntry};
use node_wire::{
    limits::NAME_PARTS_MAX,
    name::{ShareName, TEMPORARY_PREFIX},
};
use plugin_api::{FileInfo, Flow};

use super::{Share, info};

/// How a listing went.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Listing {
    /// Entries that are not shared because of what they are or how they are
    /// named: links, pipes, devices, names that are no share names.
    pub skipped: u64,
}

/// One entry of a directory, before it is looked at.
struct Entry {
    /// The full name, with a `/` behind it for a directory: the order of these
    /// keys is the order of the names of the files.
    key: String,
    entry: DirEntry,
}

struct Walk<'a> {
    visit: &'a mut dyn FnMut(&FileInfo) -> Flow,
    listing: Listing,
}

impl Share {
    /// Calls `visit` with each shared file, in order of the names, until it
    /// stops. What vanishes meanwhile is passed over.
    ///
    /// # Errors
    /// When the shared directory itself cannot be read.
    pub fn visit(&self, visit: &mut dyn FnMut(&FileInfo) -> Flow) -> io::Result<Listing> {
        let mut walk = Walk {
            visit,
            listing: Listing::default(),
        };
        walk.directory(&self.directory, "", 1)?;
        Ok(walk.listing)
    }
}

impl Walk<'_> {
    fn directory(&mut self, directory: &Dir, prefix: &str, depth: usize) -> io::Result<Flow> {
        for Entry { key, entry } in self.entries(directory, prefix)? {
            let flow = match key.strip_suffix('/') {
                Some(_) if depth == NAME_PARTS_MAX => self.skip(),
                Some(_) => self.below(directory, &entry, &key, depth),
                None => self.file(&key, &entry),
            };
            if flow == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        Ok(Flow::Continue)
    }

    fn entries(&mut self, directory: &Dir, prefix: &str) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in directory.entries()?.flatten() {
            match key(prefix, &entry) {
                Some(key) => entries.push(Entry { key, entry }),
                None if is_temporary(&entry) => {}
                None => self.listing.skipped += 1,
            }
        }
        entries.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(entries)
    }

    fn below(&mut self, directory: &Dir, entry: &DirEntry, key: &str, depth: usize) -> Flow {
        // Not followed if it became a link after it was listed.
        match directory.open_dir_nofollow(entry.file_name()) {
            Ok(below) => self
                .directory(&below, key, depth + 1)
                .unwrap_or_else(|_| self.skip()),
            Err(_) => self.skip(),
        }
    }

    fn file(&mut self, name: &str, entry: &DirEntry) -> Flow {
        match entry.metadata() {
            Ok(metadata) if metadata.is_file() => (self.visit)(&info(name, &metadata)),
            _ => self.skip(),
        }
    }

    fn skip(&mut self) -> Flow {
        self.listing.skipped += 1;
        Flow::Continue
    }
}

/// The key of an entry that can be shared or can hold what is shared.
fn key(prefix: &str, entry: &DirEntry) -> Option<String> {
    let name = format!("{prefix}{}", entry.file_name().to_str()?);
    ShareName::parse(&name).ok()?;
    let kind = entry.file_type().ok()?;
    if kind.is_dir() {
        Some(name + "/")
    } else {
        kind.is_file().then_some(name)
    }
}

fn is_temporary(entry: &DirEntry) -> bool {
    entry
        .file_name()
        .to_str()
        .is_some_and(|name| name.starts_with(TEMPORARY_PREFIX))
}
