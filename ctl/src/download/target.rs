//! The place for a download: a private temporary first, the file at last. What is no file, such as a device or a FIFO,
//! and standard output take the bytes as they come; nothing is put in their place.
//!
//! # Invariants
//! - A device or FIFO stays what it is, also with `--replace`.
//! - Waiting for a reader of a FIFO, or for a slow one, is done on a thread: the person can interrupt it.
#![allow(
    clippy::disallowed_methods,
    reason = "writes to the path that the person at the machine gave, not below a share"
)]

use std::{
    fs::{self, File, Permissions},
    io::{self, Write},
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use node_base::threads::Threads;
use node_wire::name::TEMPORARY_PREFIX;
use tempfile::NamedTempFile;

use crate::{connection::Existing, error::CtlError};

/// What names standard output.
const STANDARD_OUTPUT: &str = "-";

/// A place that was free, or may be written over, when it was chosen.
#[derive(Debug)]
pub(crate) struct Target {
    path: PathBuf,
    existing: Existing,
    outlet: Outlet,
}

/// Where the bytes go.
#[derive(Debug)]
enum Outlet {
    /// A temporary, which becomes the file.
    Temporary(NamedTempFile),
    /// A device or a FIFO, once it is open, and the thread that writes.
    Device(Arc<OnceLock<File>>, Threads),
    /// Standard output, and the thread that writes.
    Standard(Threads),
}

impl Target {
    /// Chooses `to`, or the file of the same name in the directory `to`, and makes the temporary.
    pub(crate) fn choose(to: &Path, name: &str, existing: Existing) -> Result<Target, CtlError> {
        let thread = || Threads::new("write", 1);
        let target = |path, outlet| Target {
            path,
            existing,
            outlet,
        };
        if to == Path::new(STANDARD_OUTPUT) {
            return Ok(target(to.to_owned(), Outlet::Standard(thread())));
        }
        let path = if to.is_dir() {
            to.join(file_name(name)?)
        } else {
            to.to_owned()
        };
        if takes_bytes(&path) {
            return Ok(target(path, Outlet::Device(Arc::default(), thread())));
        }
        if existing == Existing::Keep && fs::symlink_metadata(&path).is_ok() {
            return Err(CtlError::Exists(path));
        }
        let temporary = tempfile::Builder::new()
            .prefix(TEMPORARY_PREFIX)
            .permissions(Permissions::from_mode(0o666)) // less what the umask takes
            .tempfile_in(directory(&path))
            .map_err(|error| CtlError::file("write beside", &path, error))?;
        Ok(target(path, Outlet::Temporary(temporary)))
    }

    /// Whether the bytes go to standard output.
    pub(crate) fn is_standard_output(&self) -> bool {
        matches!(self.outlet, Outlet::Standard(_))
    }

    /// Appends bytes. A temporary blocks while the disk is slow: nothing else waits in this program.
    pub(crate) async fn write(&self, bytes: &[u8]) -> Result<(), CtlError> {
        let failed = |error| CtlError::file("write", &self.path, error);
        match &self.outlet {
            Outlet::Temporary(temporary) => temporary.as_file().write_all(bytes).map_err(failed),
            Outlet::Device(device, thread) => {
                let (device, path) = (Arc::clone(device), self.path.clone());
                let bytes = bytes.to_vec();
                let written = thread.run(move || write_to(&device, &path, &bytes)).await;
                written
                    .map_err(io::Error::from)
                    .and_then(|it| it)
                    .map_err(failed)
            }
            Outlet::Standard(thread) => {
                let bytes = bytes.to_vec();
                let written = thread.run(move || {
                    let mut out = io::stdout().lock();
                    out.write_all(&bytes).and_then(|()| out.flush())
                });
                let written = written.await.map_err(io::Error::from).and_then(|it| it);
                written.map_err(CtlError::output)
            }
        }
    }

    /// Puts the file in its place. Fails if somebody else has put one there.
    pub(crate) fn place(self) -> Result<PathBuf, CtlError> {
        let Target {
            path,
            existing,
            outlet,
        } = self;
        let Outlet::Temporary(temporary) = outlet else {
            return Ok(path);
        };
        let write_error = |error| CtlError::file("write", &path, error);
        temporary.as_file().sync_all().map_err(write_error)?;
        let placed = match existing {
            Existing::Keep => temporary.persist_noclobber(&path),
            Existing::Replace => temporary.persist(&path),
        };
        if let Err(failed) = placed {
            return Err(match failed.error.kind() {
                io::ErrorKind::AlreadyExists => CtlError::Exists(path),
                _ => CtlError::file("write", &path, failed.error),
            });
        }
        let directory = File::open(directory(&path)).map_err(write_error)?;
        directory.sync_all().map_err(write_error)?;
        Ok(path)
    }
}

/// Whether what is at `path` takes bytes as they come. A link leads to what it names.
fn takes_bytes(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| {
        let kind = metadata.file_type();
        kind.is_fifo() || kind.is_char_device() || kind.is_block_device()
    })
}

/// Writes to a device or FIFO, which is opened the first time; that waits for a reader of a FIFO.
fn write_to(device: &OnceLock<File>, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = match device.get() {
        Some(file) => file,
        None => {
            let opened = File::options().write(true).open(path)?;
            device.get_or_init(|| opened)
        }
    };
    file.write_all(bytes)
}

/// The last part of a name that a peer could use too. It is joined to a directory of this machine.
fn file_name(name: &str) -> Result<String, CtlError> {
    let name = node_wire::ShareName::parse(name).map_err(|error| {
        CtlError::usage(format!(
            "{name} is not the name of a file in a share: {error}"
        ))
    })?;
    Ok(name.file_name().to_owned())
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(dir: &Path) -> usize {
        fs::read_dir(dir).unwrap().count()
    }

    #[tokio::test]
    async fn a_file_appears_only_when_it_is_placed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        let target = Target::choose(&path, "a.txt", Existing::Keep).unwrap();
        target.write(b"hello ").await.unwrap();
        target.write(b"there").await.unwrap();
        assert!(!path.exists());
        assert_eq!(target.place().unwrap(), path);
        assert_eq!(fs::read(&path).unwrap(), b"hello there");
        assert_eq!(entries(dir.path()), 1);
    }

    #[test]
    fn a_directory_takes_the_file_under_its_last_name() {
        let dir = tempfile::tempdir().unwrap();
        let target = Target::choose(dir.path(), "notes/a.txt", Existing::Keep).unwrap();
        assert_eq!(target.place().unwrap(), dir.path().join("a.txt"));
    }

    #[test]
    fn a_name_cannot_choose_another_directory() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["../a", "/etc/a", "a/..", ".."] {
            let error = Target::choose(dir.path(), name, Existing::Replace).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{name}");
        }
        assert_eq!(entries(dir.path()), 0);
    }

    #[tokio::test]
    async fn an_existing_file_stays_unless_it_may_be_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        fs::write(&path, "old").unwrap();
        let error = Target::choose(&path, "a.txt", Existing::Keep).unwrap_err();
        assert_eq!(error.exit_code(), 13);
        let target = Target::choose(&path, "a.txt", Existing::Replace).unwrap();
        target.write(b"new").await.unwrap();
        target.place().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_file_that_came_meanwhile_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        let target = Target::choose(&path, "a.txt", Existing::Keep).unwrap();
        fs::write(&path, "old").unwrap();
        assert_eq!(target.place().unwrap_err().exit_code(), 13);
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }

    #[tokio::test]
    async fn what_is_not_placed_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let target = Target::choose(dir.path(), "a.txt", Existing::Keep).unwrap();
        target.write(b"half").await.unwrap();
        drop(target);
        assert_eq!(entries(dir.path()), 0);
    }
}
