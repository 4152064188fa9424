//! The directory in which tantivy keeps its files.
//!
//! Tantivy's own directory maps files into memory; a file that is cut while it
//! is mapped ends the process, and mapped files count as memory of the process.
//! This one reads what is asked for, and every file has a seal (`sealed`).
//!
//! # Invariants
//! - A file that is written is on the disk before it is named by `meta.json`.
//! - After [`StoreDirectory::stop`] nothing is written any more, so that work in
//!   the background comes to its end.
#![allow(
    clippy::disallowed_methods,
    reason = "these are files of the node's own state; no name comes from outside"
)]

use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    ops::Range,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tantivy::{
    Directory, HasLen,
    directory::{
        AntiCallToken, DirectoryLock, FileHandle, Lock, OwnedBytes, TerminatingWrite,
        WatchCallback, WatchHandle, WritePtr,
        error::{DeleteError, LockError, OpenReadError, OpenWriteError},
    },
};

use super::sealed::{self, SEAL, Sealing};

/// The directory of an index.
#[derive(Clone, Debug)]
pub(super) struct StoreDirectory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// True if this directory is closed.
    stopped: AtomicBool,
    /// True if the whole node is about to end.
    ending: Arc<AtomicBool>,
    locked: Mutex<HashSet<PathBuf>>,
    unlocked: Condvar,
}

impl StoreDirectory {
    pub(super) fn new(path: &Path, ending: Arc<AtomicBool>) -> StoreDirectory {
        StoreDirectory(Arc::new(Inner {
            path: path.to_owned(),
            stopped: AtomicBool::new(false),
            ending,
            locked: Mutex::default(),
            unlocked: Condvar::new(),
        }))
    }

    /// Refuses to write from now on.
    pub(super) fn stop(&self) {
        self.0.stopped.store(true, Ordering::Relaxed);
    }

    /// Checks that the file is as it was written.
    pub(super) fn verify(&self, name: &Path) -> io::Result<()> {
        sealed::verify(&File::open(self.0.path.join(name))?)
    }

    /// Returns the number of bytes of all files.
    pub(super) fn bytes(&self) -> io::Result<u64> {
        let mut bytes = 0;
        for entry in fs::read_dir(&self.0.path)?.flatten() {
            bytes += entry.metadata().map_or(0, |metadata| metadata.len());
        }
        Ok(bytes)
    }

    fn path(&self, name: &Path) -> PathBuf {
        self.0.path.join(name)
    }

    fn create(&self, name: &Path) -> io::Result<Writing> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        Ok(Writing {
            sealing: Sealing::new(options.open(self.path(name))?),
            directory: self.clone(),
        })
    }

    /// Returns true if nothing is written any more.
    pub(super) fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Relaxed) || self.0.ending.load(Ordering::Relaxed)
    }

    fn may_write(&self) -> io::Result<()> {
        if self.is_stopped() {
            Err(io::Error::other("the index is being closed"))
        } else {
            Ok(())
        }
    }
}

/// A file that is being written.
struct Writing {
    sealing: Sealing,
    directory: StoreDirectory,
}

impl Write for Writing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.directory.may_write()?;
        self.sealing.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sealing.flush()
    }
}

impl TerminatingWrite for Writing {
    fn terminate_ref(&mut self, _: AntiCallToken) -> io::Result<()> {
        self.directory.may_write()?;
        self.sealing.finish()
    }
}

/// Bytes that are read at a time where short parts follow each other, as when segments are merged.
const AHEAD: usize = 16 * 1024;

/// A file that is read.
#[derive(Debug)]
struct Reading {
    file: File,
    length: usize,
    ahead: Mutex<Ahead>,
}

/// The bytes of a file that were read last.
#[derive(Debug, Default)]
struct Ahead {
    /// The start of `bytes` in the file.
    from: usize,
    bytes: Vec<u8>,
    /// The end of what somebody wanted last.
    end: usize,
}

impl Ahead {
    /// Returns the part of the bytes in `range`, if all of it is there.
    fn part(&self, range: &Range<usize>) -> Option<&[u8]> {
        let start = range.start.checked_sub(self.from)?;
        self.bytes.get(start..range.end.checked_sub(self.from)?)
    }

    /// Returns true if `range` follows what was wanted last, with a small gap at most.
    fn is_next(&self, range: &Range<usize>) -> bool {
        range.len() < AHEAD && (self.end..self.end + AHEAD).contains(&range.start)
    }
}

impl HasLen for Reading {
    fn len(&self) -> usize {
        self.length
    }
}

impl FileHandle for Reading {
    fn read_bytes(&self, range: Range<usize>) -> io::Result<OwnedBytes> {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        if ahead.is_next(&range) && ahead.part(&range).is_none() {
            let left = self.length.saturating_sub(range.start);
            let mut bytes = std::mem::take(&mut ahead.bytes);
            bytes.resize(left.min(AHEAD).max(range.len()), 0);
            self.file.read_exact_at(&mut bytes, range.start as u64)?;
            (ahead.from, ahead.bytes) = (range.start, bytes);
        }
        ahead.end = range.end;
        if let Some(part) = ahead.part(&range) {
            return Ok(OwnedBytes::new(part.to_vec()));
        }
        drop(ahead);
        let mut bytes = vec![0; range.len()];
        self.file.read_exact_at(&mut bytes, range.start as u64)?;
        Ok(OwnedBytes::new(bytes))
    }
}

impl Directory for StoreDirectory {
    fn get_file_handle(&self, name: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        let open = || {
            let file = File::open(self.path(name))?;
            let length = usize::try_from(sealed::length(&file)?).map_err(io::Error::other)?;
            Ok(Reading {
                file,
                length,
                ahead: Mutex::default(),
            })
        };
        let file = open().map_err(|error| not_read(name, error))?;
        Ok(Arc::new(file))
    }

    fn delete(&self, name: &Path) -> Result<(), DeleteError> {
        fs::remove_file(self.path(name)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => DeleteError::FileDoesNotExist(name.to_owned()),
            _ => DeleteError::IoError {
                io_error: Arc::new(error),
                filepath: name.to_owned(),
            },
        })
    }

    fn exists(&self, name: &Path) -> Result<bool, OpenReadError> {
        let there = self.path(name).try_exists();
        there.map_err(|error| not_read(name, error))
    }

    fn open_write(&self, name: &Path) -> Result<WritePtr, OpenWriteError> {
        let writing = self.may_write().and_then(|()| self.create(name));
        match writing {
            Ok(writing) => Ok(BufWriter::with_capacity(64 * 1024, Box::new(writing))),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(OpenWriteError::FileAlreadyExists(name.to_owned()))
            }
            Err(error) => Err(OpenWriteError::wrap_io_error(error, name.to_owned())),
        }
    }

    fn atomic_read(&self, name: &Path) -> Result<Vec<u8>, OpenReadError> {
        let read = || {
            let bytes = fs::read(self.path(name))?;
            sealed::verify(&File::open(self.path(name))?)?;
            Ok(bytes[..bytes.len().saturating_sub(SEAL)].to_vec())
        };
        read().map_err(|error| not_read(name, error))
    }

    fn atomic_write(&self, name: &Path, content: &[u8]) -> io::Result<()> {
        self.may_write()?;
        let new = PathBuf::from(format!("{}.new", name.display()));
        match fs::remove_file(self.path(&new)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut writing = self.create(&new)?;
        writing.sealing.write_all(content)?;
        writing.sealing.finish()?;
        fs::rename(self.path(&new), self.path(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.0.path)?.sync_all()
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        let mut locked = self.locked();
        while !locked.insert(lock.filepath.clone()) {
            if !lock.is_blocking {
                return Err(LockError::LockBusy);
            }
            let waited = self.0.unlocked.wait(locked);
            locked = waited.unwrap_or_else(PoisonError::into_inner);
        }
        let held = Held {
            directory: self.clone(),
            path: lock.filepath.clone(),
        };
        Ok(DirectoryLock::from(Box::new(held)))
    }

    fn watch(&self, _: WatchCallback) -> tantivy::Result<WatchHandle> {
        Ok(WatchHandle::empty())
    }
}

/// A lock that is held. Other processes are kept out by the lock of the state
/// directory.
struct Held {
    directory: StoreDirectory,
    path: PathBuf,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.directory.locked().remove(&self.path);
        self.directory.0.unlocked.notify_all();
    }
}

impl StoreDirectory {
    fn locked(&self) -> std::sync::MutexGuard<'_, HashSet<PathBuf>> {
        let locked = self.0.locked.lock();
        locked.unwrap_or_else(PoisonError::into_inner)
    }
}

fn not_read(name: &Path, error: io::Error) -> OpenReadError {
    match error.kind() {
        io::ErrorKind::NotFound => OpenReadError::FileDoesNotExist(name.to_owned()),
        _ => OpenReadError::wrap_io_error(error, name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_file_are_its_bytes_in_any_order() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        let all: Vec<u8> = (0..20_000_u32).flat_map(u32::to_le_bytes).collect();
        fs::write(&path, &all).unwrap();
        let reading = Reading {
            file: File::open(&path).unwrap(),
            length: all.len(),
            ahead: Mutex::default(),
        };
        let mut at = 0;
        for step in 0..5_000 {
            let length = [0, 3, 100, 20_000][step % 4];
            let range = at..(at + length).min(all.len());
            let read = reading.read_bytes(range.clone()).unwrap();
            assert_eq!(read.as_slice(), &all[range.clone()], "{range:?}");
            at = match step % 7 {
                0 => (step * 7_919) % all.len(),
                _ => (range.end + step % 3) % all.len(),
            };
        }
        let end = all.len();
        assert!(reading.read_bytes(end - 1..end + 1).is_err());
    }
}
