//! Reading the directories of the share.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    io,
};

use cap_fs_ext::DirExt;
use cap_std::fs::{Dir, DirEntry, FileType};
use node_base::state::own::FileId;
use node_wire::{
    limits::NAME_PARTS_MAX,
    name::{NameError, ShareName, composed},
};
use plugin_api::{FileInfo, Flow};

use super::{
    Share, SkipReason, Skipped,
    ignoring::{Chain, Verdict},
    info,
    stamp::OnDisk,
    temporary::is_temporary_part,
};

/// The end of a listing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Listing {
    /// Entries that cannot be shared because of what they are or how they are
    /// named: links, pipes, devices, names that a share cannot have, or that begin with
    /// a dot. What is ignored is not counted.
    pub skipped: u64,
}

/// The entries of one directory that can be shared, in order of their names.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// Files, by the last parts of their names.
    pub(super) files: Vec<(String, OnDisk)>,
    /// Directories, by the last parts of their names.
    pub(super) directories: Vec<String>,
    /// The entries that cannot be shared, in order of their names.
    pub(super) skipped: Vec<Skipped>,
    /// Temporaries, in use or left behind.
    pub(super) temporaries: Vec<String>,
}

/// Lists the directory `name`: empty, or with a `/` at its end. What vanishes
/// meanwhile is left out.
///
/// # Errors
/// Errors if the directory cannot be read.
pub(super) fn list(
    directory: &Dir,
    name: &str,
    chain: &Chain,
    own: &BTreeSet<FileId>,
) -> io::Result<Listed> {
    let mut listed = Listed::default();
    let mut place = Place::of(name, chain, own);
    // What has another name on the disk than in the share.
    let mut others = BTreeMap::<String, Vec<DirEntry>>::new();
    for entry in directory.entries()? {
        let entry = entry?;
        let on_disk = entry.file_name();
        let Some(on_disk) = on_disk.to_str() else {
            let lossy = on_disk.to_string_lossy();
            listed.skip(format!("{name}{lossy}"), SkipReason::NotUnicode);
            continue;
        };
        if is_temporary_part(on_disk) {
            listed.temporaries.push(on_disk.to_owned());
            continue;
        }
        match composed(on_disk) {
            Cow::Borrowed(last) => listed.add(&entry, last, &mut place),
            Cow::Owned(last) => others.entry(last).or_default().push(entry),
        }
    }
    for (last, mut entries) in others {
        entries.sort_by_key(DirEntry::file_name);
        let mut taken = directory.symlink_metadata(&last).is_ok();
        for entry in entries {
            let on_disk = entry.file_name();
            let whole = format!("{name}{}", on_disk.to_string_lossy());
            if last.is_ascii() {
                listed.skip(whole, SkipReason::Name(NameError::NotNormal));
            } else if taken {
                listed.skip(whole, SkipReason::SameName(last.clone()));
            } else {
                listed.add(&entry, &last, &mut place);
                taken = true;
            }
        }
    }
    listed.files.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    listed.directories.sort_unstable();
    listed.skipped.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(listed)
}

/// The directory that is listed.
struct Place<'c> {
    chain: &'c Chain,
    /// The files of the node, which are never shared.
    own: &'c BTreeSet<FileId>,
    /// Length of its name.
    length: usize,
    /// The directories above its entries, and itself.
    depth: usize,
    /// Its name, and that of the entry that is looked at.
    whole: String,
}

impl<'c> Place<'c> {
    fn of(name: &str, chain: &'c Chain, own: &'c BTreeSet<FileId>) -> Place<'c> {
        Place {
            chain,
            own,
            length: name.len(),
            depth: name.matches('/').count() + 1,
            whole: name.to_owned(),
        }
    }

    /// Returns the name in the share of the entry `last`.
    fn whole(&mut self, last: &str) -> &str {
        self.whole.truncate(self.length);
        self.whole.push_str(last);
        &self.whole
    }

    /// Returns why the entry `last` cannot be shared.
    fn check(&self, last: &str, kind: FileType) -> Option<SkipReason> {
        let deepest = if kind.is_dir() {
            NAME_PARTS_MAX - 1
        } else {
            NAME_PARTS_MAX
        };
        if let Err(error) = ShareName::check(last) {
            Some(SkipReason::Name(error))
        } else if kind.is_symlink() {
            Some(SkipReason::Link)
        } else if !kind.is_dir() && !kind.is_file() {
            Some(SkipReason::Kind)
        } else {
            (self.depth > deepest).then_some(SkipReason::Deep)
        }
    }
}

impl Listed {
    /// Adds an entry that is `last` in the share.
    fn add(&mut self, entry: &DirEntry, last: &str, place: &mut Place<'_>) {
        let kind = entry.file_type();
        let is_directory = kind.as_ref().is_ok_and(FileType::is_dir);
        let chain = place.chain;
        let verdict = chain.verdict(place.whole(last), is_directory);
        let reason = match (verdict, kind) {
            (Verdict::Ignored | Verdict::LeftBehind, _) => return,
            (Verdict::Hidden, _) => SkipReason::Hidden,
            (Verdict::Shared, Err(_)) => SkipReason::Unreadable,
            (Verdict::Shared, Ok(kind)) => match place.check(last, kind) {
                Some(reason) => reason,
                None => match entry.metadata() {
                    Ok(metadata) if place.own.contains(&OnDisk::from(&metadata).id()) => {
                        SkipReason::Own
                    }
                    _ if is_directory => return self.directories.push(last.to_owned()),
                    Ok(metadata) if metadata.is_file() => {
                        return self.files.push((last.to_owned(), OnDisk::from(&metadata)));
                    }
                    _ => SkipReason::Unreadable,
                },
            },
        };
        let end = if is_directory { "/" } else { "" };
        self.skip(format!("{}{end}", place.whole(last)), reason);
    }

    fn skip(&mut self, name: String, reason: SkipReason) {
        self.skipped.push(Skipped { name, reason });
    }
}

struct Walk<'a> {
    share: &'a Share,
    root: &'a Dir,
    visit: &'a mut dyn FnMut(&FileInfo) -> Flow,
    listing: Listing,
}

impl Share {
    /// Lists the directory `name` of the share that is open as `root`.
    pub(super) fn list(&self, root: &Dir, name: &str) -> io::Result<Listed> {
        let chain = self.ignoring.chain(root, name);
        let on_disk = self.names.path(root, name);
        let directory = match on_disk.trim_end_matches('/') {
            "" => root.try_clone()?,
            on_disk => root.open_dir(on_disk)?,
        };
        list(&directory, name, &chain, &self.ignoring.own())
    }

    /// Calls `visit` with each shared file, in order of the names, until it
    /// stops. Reads all directories for it; the catalogue does not. What
    /// vanishes meanwhile is passed over.
    ///
    /// # Errors
    /// Errors if the shared directory itself cannot be read.
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
        let listed = list(directory, name, &chain, &self.share.ignoring.own())?;
        self.listing.skipped += listed.skipped.len() as u64;
        let mut directories = listed.directories.into_iter().peekable();
        for (last, file) in listed.files {
            // A directory stands where its files stand: `a/` behind `a-b`.
            while let Some(before) = directories.next_if(|below| is_before(below, &last)) {
                if self.below(directory, name, &before) == Flow::Stop {
                    return Ok(Flow::Stop);
                }
            }
            let meta = self.share.meta(&file);
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
        let below = directory.open_dir_nofollow(&*self.share.names.find(directory, last));
        let visited = below.and_then(|below| self.directory(&below, &format!("{name}{last}/")));
        visited.unwrap_or_else(|_| {
            self.listing.skipped += 1;
            Flow::Continue
        })
    }
}

/// Returns true if the files of the directory come before the file.
fn is_before(directory: &str, file: &str) -> bool {
    directory.bytes().chain([b'/']).lt(file.bytes())
}
