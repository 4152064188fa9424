//! Files that arrived whole, stored together.
//!
//! A file that is stored alone is brought to the disk alone, and so is its directory: for thousands of small files that
//! takes longer than all the rest. A group is written first, then brought to the disk at once, and only then are its
//! files put in their places.
//!
//! # Invariants
//! - No file has its name before its bytes are on the disk, and none is reported before its name is.
//! - A file that fails costs the others nothing, and nothing of it stays.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io,
    os::unix::fs::MetadataExt,
};

use node_base::platform::files;
use node_wire::name::ShareName;

use super::{About, Incoming, Replace, Target, last, parent::Parent};
use crate::{Share, ShareError, Stamp, error::Doing, stamp::OnDisk};

/// Fewest files for which their whole file system is brought to the disk at once. Others may have written much to it.
const TOGETHER_MIN: usize = 8;

/// A file whose bytes are all here.
#[derive(Clone, Copy, Debug)]
pub struct WholeFile<'f> {
    /// Its name.
    pub name: &'f ShareName,
    /// Its bytes.
    pub bytes: &'f [u8],
    /// Its other metadata.
    pub about: About,
    /// The treatment of a file that has the name already.
    pub replace: Replace,
}

/// A file of the group that is in its temporary, or in its place.
struct Written {
    /// Its place in the group.
    index: usize,
    target: Target,
    device: u64,
    /// Kept open for the first file of a file system, so that a group takes few descriptors.
    file: Option<File>,
}

/// Files on their way, and what became of those that are not any more.
#[derive(Default)]
struct Group {
    written: Vec<Written>,
    failed: BTreeMap<usize, ShareError>,
}

/// Stores `files`. Calls `placed` with the number and the stamp of each one that is in its place, before others hear of
/// it. Returns what became of each, in their order.
pub(crate) fn store_all(
    share: &Share,
    files: &[WholeFile<'_>],
    placed: &mut dyn FnMut(usize, Stamp),
) -> Vec<Result<(), ShareError>> {
    let mut group = Group::default();
    group.write(share, files);
    group.sync_files();
    group.place(share, placed);
    group.sync_directories();
    group.results(files)
}

impl Group {
    /// Writes all files to their temporaries, those of a directory one after the other.
    fn write(&mut self, share: &Share, files: &[WholeFile<'_>]) {
        let mut order: Vec<usize> = (0..files.len()).collect();
        order.sort_by_key(|index| files[*index].name);
        let mut names = HashMap::new();
        for index in order {
            let file = &files[index];
            let before = self.written.last();
            let written = refuse_collision(file.name, &names)
                .and_then(|()| Written::write(share, index, file, before));
            match written {
                Ok(written) => {
                    names.insert(file.name.collision_key(), file.name);
                    self.written.push(written);
                }
                Err(error) => drop(self.failed.insert(index, error)),
            }
        }
    }

    /// Brings the bytes of all files to the disk.
    fn sync_files(&mut self) {
        let mut devices: BTreeMap<u64, Vec<Written>> = BTreeMap::new();
        for written in std::mem::take(&mut self.written) {
            devices.entry(written.device).or_default().push(written);
        }
        for written in devices.into_values() {
            let together = match &written[..] {
                [first, ..] if written.len() >= TOGETHER_MIN => sync_all(first),
                _ => Ok(false),
            };
            for file in written {
                let synced = match &together {
                    Ok(true) => Ok(()),
                    Ok(false) => file.sync(),
                    Err(error) => Err(same(error)),
                };
                self.keep_if(synced, Doing::Write, file);
            }
        }
    }

    /// Puts the files in their places and reports them.
    fn place(&mut self, share: &Share, placed: &mut dyn FnMut(usize, Stamp)) {
        for mut file in std::mem::take(&mut self.written) {
            match file.target.place() {
                Ok(()) => {
                    let stamp = file.stamp().map(|stamp| placed(file.index, stamp));
                    self.keep_if(stamp, Doing::Sync, file);
                }
                Err(error) => drop(self.failed.insert(file.index, error)),
            }
        }
        let names = self.written.iter().map(|file| file.target.name.clone());
        let names: Vec<ShareName> = names.collect();
        if !names.is_empty() {
            share.storing.placed.publish(&names);
        }
    }

    /// Brings the names of all files to the disk: each directory once.
    fn sync_directories(&mut self) {
        let mut synced: HashMap<String, io::Result<()>> = HashMap::new();
        for file in std::mem::take(&mut self.written) {
            let parent: &Parent = &file.target.parent;
            let folder = synced
                .entry(parent.path().to_owned())
                .or_insert_with(|| parent.sync());
            let result = match folder {
                Ok(()) => Ok(()),
                Err(error) => Err(same(error)),
            };
            self.keep_if(result, Doing::Sync, file);
        }
    }

    fn keep_if(&mut self, result: io::Result<()>, doing: Doing, file: Written) {
        match result {
            Ok(()) => self.written.push(file),
            Err(error) => {
                let error = file.target.failed(doing, error);
                self.failed.insert(file.index, error);
            }
        }
    }

    fn results(mut self, files: &[WholeFile<'_>]) -> Vec<Result<(), ShareError>> {
        let result = |index| self.failed.remove(&index).map_or(Ok(()), Err);
        (0..files.len()).map(result).collect()
    }
}

impl Written {
    /// Writes a file to its temporary, in the directory of the one before if that is its own.
    fn write(
        share: &Share,
        index: usize,
        file: &WholeFile<'_>,
        before: Option<&Written>,
    ) -> Result<Written, ShareError> {
        let is_beside = |other: &&Written| {
            other
                .target
                .name
                .parent_parts()
                .eq(file.name.parent_parts())
        };
        let beside = before.filter(is_beside).and_then(|other| {
            let begun = Incoming::begin_beside(share, &other.target, file.name, file.replace);
            // The directory may be another one meanwhile.
            (!matches!(begun, Err(ShareError::Store { .. }))).then_some(begun)
        });
        let mut incoming =
            beside.unwrap_or_else(|| Incoming::begin(share, file.name, file.replace))?;
        incoming.write_at(file.bytes, 0)?;
        incoming.complete(file.bytes.len() as u64, file.about)?;
        let failed = |incoming: &Incoming, error| incoming.failed(Doing::Write, error);
        let device = incoming.file.metadata().map(|metadata| metadata.dev());
        let device = device.map_err(|error| failed(&incoming, error))?;
        let is_first = before.is_none_or(|before| before.device != device);
        if is_first {
            let closed = incoming.close_for_writing();
            closed.map_err(|error| failed(&incoming, error))?;
        }
        let Incoming { target, file, .. } = incoming;
        Ok(Written {
            index,
            device,
            file: is_first.then_some(file),
            target,
        })
    }

    /// Returns the state of the file, now that it has its name.
    fn stamp(&self) -> io::Result<Stamp> {
        let directory = self.target.parent.directory();
        let found = directory.symlink_metadata(&self.target.last)?;
        Ok(self.target.writes.stamp(&OnDisk::from(&found)))
    }

    /// Brings the bytes to the disk.
    fn sync(&self) -> io::Result<()> {
        match &self.file {
            Some(file) => file.sync_all(),
            None => self
                .target
                .parent
                .directory()
                .open(last(&self.target.temporary))?
                .sync_all(),
        }
    }
}

/// Refuses a name that differs only in letter case from one of the same group.
fn refuse_collision(
    name: &ShareName,
    names: &HashMap<String, &ShareName>,
) -> Result<(), ShareError> {
    match names.get(&name.collision_key()) {
        Some(other) if *other != name => Err(ShareError::Collision {
            name: name.clone(),
            existing: other.as_str().to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Brings all that was written to the file system of `file` to the disk, if the system can. Returns whether it did.
fn sync_all(file: &Written) -> io::Result<bool> {
    match &file.file {
        Some(file) => files::sync_file_system(file),
        None => Ok(false),
    }
}

/// Returns the same error for another file.
fn same(error: &io::Error) -> io::Error {
    error
        .raw_os_error()
        .map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}
