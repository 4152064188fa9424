//! Small files of the node's own, in its state directory.
//!
//! A file is written to a new file beside it, brought to the disk and renamed,
//! so that a reader sees the old text or the new one, whatever happens.
//!
//! # Invariants
//! - The directory and the files are readable by their owner only.
//! - Nothing that came from the network ever names a file here.
#![allow(
    clippy::disallowed_methods,
    reason = "this is the one place that names files by path: the node's own state, never a shared file"
)]

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Why a file of the state directory could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", path.display())]
pub struct StateError {
    /// The file or directory.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub error: io::Error,
}

/// The state directory of a node.
#[derive(Clone, Debug)]
pub struct StateDir(PathBuf);

impl StateDir {
    /// Opens the directory, making it if it is not there.
    ///
    /// # Errors
    /// When it cannot be made or is no directory.
    pub fn open(path: &Path) -> Result<StateDir, StateError> {
        make_private_directory(path).map_err(|error| StateError {
            path: path.to_owned(),
            error,
        })?;
        Ok(StateDir(path.to_owned()))
    }

    /// Path of the directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Path of the file `name` in the directory.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Reads the file `name`; `None` when there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read as text.
    pub fn read(&self, name: &str) -> Result<Option<String>, StateError> {
        let path = self.file(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StateError { path, error }),
        }
    }

    /// Replaces the file `name` by `text`, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written; the old file is then as it was.
    pub fn write(&self, name: &str, text: &str) -> Result<(), StateError> {
        let path = self.file(name);
        let new = self.file(&format!("{name}.new"));
        replace(&path, &new, text).map_err(|error| StateError { path, error })
    }

    /// Opens the file `name` for reading; `None` when there is none.
    ///
    /// # Errors
    /// When it is there and cannot be opened.
    pub fn open_file(&self, name: &str) -> Result<Option<File>, StateError> {
        let path = self.file(name);
        match File::open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StateError { path, error }),
        }
    }

    /// Replaces the file `name` by what `write` writes. Does not wait for the
    /// disk: after a crash of the machine the file may be broken, and who reads
    /// it has to notice.
    ///
    /// # Errors
    /// When it cannot be written; the old file is then as it was.
    pub fn write_with(
        &self,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), StateError> {
        let path = self.file(name);
        let new = self.file(&format!("{name}.new"));
        let replaced = remove_if_there(&new).and_then(|()| {
            let mut file = io::BufWriter::new(private_new_file(&new)?);
            write(&mut file)
                .and_then(|()| file.flush())
                .and_then(|()| fs::rename(&new, &path))
                .inspect_err(|_| drop(fs::remove_file(&new)))
        });
        replaced.map_err(|error| StateError { path, error })
    }

    /// Makes the file `name` with `text` unless it is there already. Says
    /// whether it was made.
    ///
    /// # Errors
    /// When it is not there and cannot be written.
    pub fn create(&self, name: &str, text: &str) -> Result<bool, StateError> {
        let path = self.file(name);
        match private_new_file(&path).and_then(|file| write_through(file, text)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(StateError { path, error }),
        }
    }

    /// Whether nobody but its owner may read or write the file `name`.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn is_private(&self, name: &str) -> Result<bool, StateError> {
        let path = self.file(name);
        match fs::metadata(&path) {
            #[cfg(unix)]
            Ok(metadata) => {
                Ok(std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 == 0)
            }
            #[cfg(not(unix))]
            Ok(_) => Ok(true),
            Err(error) => Err(StateError { path, error }),
        }
    }

    /// Removes the file `name` if it is there.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub fn remove(&self, name: &str) -> Result<(), StateError> {
        let path = self.file(name);
        remove_if_there(&path).map_err(|error| StateError { path, error })
    }

    /// Takes the directory for this process alone, until the guard is dropped.
    ///
    /// # Errors
    /// When another process holds it.
    pub fn lock(&self) -> Result<StateLock, StateError> {
        let path = self.file("lock");
        let take = || {
            let file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path)?;
            file.try_lock()?;
            Ok(StateLock(file))
        };
        take().map_err(|error| StateError {
            path: path.clone(),
            error,
        })
    }
}

/// Holds a state directory for one process.
#[derive(Debug)]
pub struct StateLock(#[expect(dead_code, reason = "the lock lives as long as the open file")] File);

fn make_private_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn replace(path: &Path, new: &Path, text: &str) -> io::Result<()> {
    remove_if_there(new)?;
    private_new_file(new)
        .and_then(|file| write_through(file, text))
        .and_then(|()| fs::rename(new, path))
        .inspect_err(|_| drop(fs::remove_file(new)))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn private_new_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn write_through(mut file: File, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn temporary() -> (tempfile::TempDir, StateDir) {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::open(&home.path().join("a/state")).unwrap();
        (home, state)
    }

    #[test]
    fn a_written_file_reads_back_and_is_private() {
        let (_home, state) = temporary();
        state.write("peers", "one\n").unwrap();
        state.write("peers", "two\n").unwrap();
        assert_eq!(state.read("peers").unwrap().as_deref(), Some("two\n"));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&state.file("peers")), 0o600);
        assert_eq!(mode(state.path()), 0o700);
        assert!(!state.file("peers.new").exists());
    }

    #[test]
    fn create_leaves_a_file_that_is_there() {
        let (_home, state) = temporary();
        assert!(state.create("secret", "first").unwrap());
        assert!(!state.create("secret", "second").unwrap());
        assert_eq!(state.read("secret").unwrap().as_deref(), Some("first"));
    }

    #[test]
    fn a_file_that_is_not_there_is_no_error() {
        let (_home, state) = temporary();
        assert_eq!(state.read("none").unwrap(), None);
        state.remove("none").unwrap();
    }

    #[test]
    fn a_directory_has_one_holder_at_a_time() {
        let (_home, state) = temporary();
        let held = state.lock().unwrap();
        assert!(state.lock().is_err());
        drop(held);
        assert!(state.lock().is_ok());
    }
}
