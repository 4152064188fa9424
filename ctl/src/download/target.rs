//! The place for a download: a private temporary first, the file at last; or standard output. A device or a FIFO takes
//! the bytes as they come, and stays what it is, also with `--replace`.
//!
//! # Invariants
//! - Waiting for a reader of a FIFO, or for a slow one, is done on a thread: the person can interrupt it.
#![allow(
    clippy::disallowed_methods,
    reason = "writes to the path that the person at the machine gave, not below a share"
)]

use std::{
    fs::{self, DirBuilder, File, Permissions},
    io::{self, Write},
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use node_base::threads::Threads;
use node_wire::{About, ShareName, name::TEMPORARY_PREFIX};
use tempfile::NamedTempFile;

use crate::{connection::Existing, error::CtlError};

/// The greatest distance of a time of change in the future; clocks differ.
const FUTURE_MAX: Duration = Duration::from_secs(24 * 3600);

/// The name of standard output.
const STANDARD_OUTPUT: &str = "-";

/// Returns whether `to` is standard output.
pub(crate) fn is_standard_output(to: &Path) -> bool {
    to == Path::new(STANDARD_OUTPUT)
}

/// The target of the bytes of a file.
#[derive(Debug)]
pub(crate) enum Target {
    /// To standard output.
    StandardOutput,
    /// Into a file.
    File(Place),
    /// Into a device or a FIFO.
    Device(Device),
}

/// A device or a FIFO, once it is open, and the thread that writes.
#[derive(Debug)]
pub(crate) struct Device {
    path: PathBuf,
    file: Arc<OnceLock<File>>,
    thread: Threads,
}

/// A place that was free, or may be written over, when it was chosen.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
    existing: Existing,
    temporary: NamedTempFile,
}

impl Target {
    /// Returns whether `to` is a directory, which takes files under their names.
    pub(crate) fn is_directory(to: &Path) -> bool {
        to.is_dir()
    }

    /// Errors if `to` is a file that is there and may not be written over.
    pub(crate) fn check(to: &Path, existing: Existing) -> Result<(), CtlError> {
        let is_taken = !to.is_dir() && !takes_bytes(to) && fs::symlink_metadata(to).is_ok();
        let is_socket = fs::metadata(to).is_ok_and(|there| there.file_type().is_socket());
        if is_socket {
            return Err(CtlError::failed(format!(
                "{} is a socket, which no file takes the place of; give another path",
                to.display()
            )));
        }
        if existing == Existing::Keep && is_taken {
            return Err(CtlError::Exists(to.to_owned()));
        }
        Ok(())
    }

    /// Chooses `to`, or the file of the same name in the directory `to`, and makes the temporary.
    pub(crate) fn choose(to: &Path, name: &str, existing: Existing) -> Result<Target, CtlError> {
        if is_standard_output(to) {
            return Ok(Target::StandardOutput);
        }
        let path = if to.is_dir() {
            to.join(parse(name)?.file_name())
        } else {
            to.to_owned()
        };
        if takes_bytes(&path) {
            return Ok(Target::Device(Device {
                path,
                file: Arc::default(),
                thread: Threads::new("write", 1),
            }));
        }
        Place::open(path, existing).map(Target::File)
    }

    /// Chooses the file of this whole name below the directory `to`, and makes the directories on the way.
    ///
    /// A name with a part that begins with a dot was not typed by anybody, and programs look for such files: it is
    /// refused.
    pub(crate) fn below(to: &Path, name: &str, existing: Existing) -> Result<Target, CtlError> {
        let parsed = parse(name)?;
        if parsed.parts().any(|part| part.starts_with('.')) {
            return Err(CtlError::failed(format!(
                "{name} is not written, because a part of its name begins with a dot; fetch it by its name"
            )));
        }
        let mut directory = to.to_owned();
        for part in parsed.parent_parts() {
            directory.push(part);
            enter(&directory)?;
        }
        Place::open(directory.join(parsed.file_name()), existing).map(Target::File)
    }

    /// Appends bytes. Blocks while the disk is slow: nothing else waits in this program.
    pub(crate) async fn write(&self, bytes: &[u8]) -> Result<(), CtlError> {
        match self {
            Target::Device(device) => device.write(bytes).await,
            Target::StandardOutput => io::stdout().write_all(bytes).map_err(CtlError::output),
            Target::File(place) => place.write(bytes),
        }
    }

    /// Gives the file the time and the permission to run that it had elsewhere. A time that no clock has had yet is
    /// not believed.
    pub(crate) fn describe(&self, about: About) -> Result<(), CtlError> {
        match self {
            Target::StandardOutput | Target::Device(_) => Ok(()),
            Target::File(place) => place.describe(about),
        }
    }

    /// Puts the file in its place. Fails if somebody else has put one there.
    pub(crate) fn place(self) -> Result<PathBuf, CtlError> {
        match self {
            Target::StandardOutput => {
                io::stdout().flush().map_err(CtlError::output)?;
                Ok(STANDARD_OUTPUT.into())
            }
            Target::File(place) => place.place(),
            Target::Device(device) => Ok(device.path),
        }
    }
}

impl Device {
    async fn write(&self, bytes: &[u8]) -> Result<(), CtlError> {
        let (file, path) = (Arc::clone(&self.file), self.path.clone());
        let bytes = bytes.to_vec();
        let written = self.thread.run(move || write_to(&file, &path, &bytes));
        let written = written.await.map_err(io::Error::from).and_then(|it| it);
        written.map_err(|error| CtlError::file("write", &self.path, error))
    }
}

/// Returns whether the file at `path` takes bytes as they come. A link leads to its target.
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

impl Place {
    fn open(path: PathBuf, existing: Existing) -> Result<Place, CtlError> {
        Target::check(&path, existing)?;
        let temporary = tempfile::Builder::new()
            .prefix(TEMPORARY_PREFIX)
            .permissions(Permissions::from_mode(0o666)) // less what the umask takes
            .tempfile_in(directory(&path))
            .map_err(|error| CtlError::file("write beside", &path, error))?;
        Ok(Place {
            path,
            existing,
            temporary,
        })
    }

    fn write(&self, bytes: &[u8]) -> Result<(), CtlError> {
        self.temporary
            .as_file()
            .write_all(bytes)
            .map_err(|error| CtlError::file("write", &self.path, error))
    }

    fn describe(&self, about: About) -> Result<(), CtlError> {
        let file = self.temporary.as_file();
        let describe = || {
            if about.executable {
                let mode = file.metadata()?.permissions().mode() & 0o777;
                // Who may read it may run it, and nobody else.
                file.set_permissions(Permissions::from_mode(mode | ((mode & 0o444) >> 2)))?;
            }
            let latest = SystemTime::now() + FUTURE_MAX;
            match about.time().filter(|time| *time <= latest) {
                Some(modified) => file.set_modified(modified),
                None => Ok(()),
            }
        };
        describe().map_err(|error| CtlError::file("write", &self.path, error))
    }

    fn place(self) -> Result<PathBuf, CtlError> {
        let Place {
            path,
            existing,
            temporary,
        } = self;
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

/// Parses a name that a peer could use too. It is joined to a directory of this machine.
fn parse(name: &str) -> Result<ShareName, CtlError> {
    ShareName::parse(name).map_err(|error| {
        CtlError::usage(format!(
            "{name} is not the name of a file in a share: {error}"
        ))
    })
}

/// Makes the directory if it is not there.
fn enter(directory: &Path) -> Result<(), CtlError> {
    match DirBuilder::new().create(directory) {
        Err(error) if !directory.is_dir() => Err(CtlError::file("make", directory, error)),
        _ => Ok(()),
    }
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
    fn a_file_keeps_its_time_and_may_be_run() {
        let dir = tempfile::tempdir().unwrap();
        let about = |modified| About {
            modified: Some(modified),
            executable: true,
        };
        let path = dir.path().join("a");
        for (said, kept) in [
            (1_000_000_000_123, true),
            (u64::MAX, false),
            (1 << 45, false),
        ] {
            let target = Target::choose(&path, "a", Existing::Replace).unwrap();
            target.describe(about(said)).unwrap();
            target.place().unwrap();
            let metadata = fs::metadata(&path).unwrap();
            let is = about(said).time() == metadata.modified().ok();
            assert_eq!(is, kept, "{said}");
            assert_eq!(metadata.permissions().mode() & 0o7700, 0o700);
        }
    }

    #[test]
    fn a_directory_takes_the_file_under_its_last_name() {
        let dir = tempfile::tempdir().unwrap();
        let target = Target::choose(dir.path(), "notes/a.txt", Existing::Keep).unwrap();
        assert_eq!(target.place().unwrap(), dir.path().join("a.txt"));
    }

    #[tokio::test]
    async fn a_whole_name_makes_its_directories() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a/b/c.txt", "a/b/d.txt"] {
            let target = Target::below(dir.path(), name, Existing::Keep).unwrap();
            target.write(b"x").await.unwrap();
            assert_eq!(target.place().unwrap(), dir.path().join(name));
        }
    }

    #[test]
    fn a_whole_name_writes_no_dot_file_and_nothing_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        for name in [".bashrc", ".ssh/authorized_keys", "a/.b", "../x", "/etc/x"] {
            let refused = Target::below(dir.path(), name, Existing::Replace);
            assert!(refused.is_err(), "{name}");
        }
        assert_eq!(entries(dir.path()), 0);
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
