//! Small files of the node's own, in its state directory.
//!
//! A file is written to a new file beside it, brought to the disk and renamed,
//! so that a reader sees the old text or the new one, whatever happens.
//!
//! # Invariants
//! - The directory and the files are readable by their owner only.
//! - A directory has a mark that says that it is a node's. One that has files and
//!   no mark is not touched, unless they are those of a node.
//! - Nothing that came from the network ever names a file here.
#![allow(
    clippy::disallowed_methods,
    reason = "this is the one place that names files by path: the node's own state, never a shared file"
)]

pub mod own;
pub mod private;

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use self::private::NotPrivate;
use crate::platform::files;

/// Socket of the control connection.
pub const CONTROL_SOCKET: &str = "control.sock";

/// File that is held while a node runs, and says its control address.
const LOCK: &str = "lock";

/// Longest secret or key, in bytes.
const PRIVATE_MAX: u64 = 4096;

/// File that marks a directory as the state of a node.
const MARK: &str = "sixhop-state";

/// Version of the content of a state directory.
const VERSION: u32 = 1;

/// Names that a node and its controller make in a state directory, each also with
/// `.new` at its end.
const NAMES: &[&str] = &[
    MARK,
    "cache",
    "catalogue",
    "control",
    CONTROL_SOCKET,
    "digests.redb",
    "fetches",
    "history",
    "inbox",
    "index",
    LOCK,
    "node-key",
    "peers",
    "secret",
    "share",
    "tickets",
    "tokens",
    "watches",
];

/// Files of which one is in each state directory.
const OWN: &[&str] = &["secret", "node-key"];

/// The reason why a directory is not used for the state.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(
        "this directory has files that are not of a node, such as `{0}`; give an empty one, or one \
         that is not there yet, with --state"
    )]
    Foreign(String),
    #[error(
        "this state is of version {0}, and this program knows {VERSION}; use a newer program, or \
         another directory with --state"
    )]
    Newer(String),
    #[error("this directory belongs to another user; give one of your own with --state")]
    Owner,
    #[error(
        "other users have permissions on this directory, which is not empty; run `chmod 700` on it \
         if nobody else has put files there, or give another one with --state"
    )]
    Open,
    #[error(
        "`{0}` in this directory belongs to another user; give a directory of your own with --state"
    )]
    FileOwner(String),
    #[error("this is no directory")]
    Kind,
    #[error(
        "`{0}` in this directory is a link, and a node keeps its files here alone; move what it leads to \
         into its place, or give another directory with --state"
    )]
    Link(String),
}

/// The error of reading or writing a file of the state directory.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", path.display())]
pub struct StateError {
    /// The file or directory.
    pub path: PathBuf,
    /// The error of the system.
    #[source]
    pub error: io::Error,
}

/// The state directory of a node.
#[derive(Clone, Debug)]
pub struct StateDir {
    path: PathBuf,
    /// Number of files that were made here. Clones count together.
    made: Arc<AtomicU64>,
}

impl StateDir {
    /// Opens the directory, making it if it is not there.
    ///
    /// # Errors
    /// Errors if it cannot be made, belongs to another user, or is not the state
    /// of a node that this program knows.
    pub fn open(path: &Path) -> Result<StateDir, StateError> {
        let state = StateDir {
            path: path.to_owned(),
            made: Arc::default(),
        };
        let opened = make_private_directory(path)
            .and_then(|()| make_private(path))
            .and_then(|()| state.check_mark())
            .and_then(|()| state.check_links());
        match opened {
            Ok(()) => Ok(state),
            Err(error) => Err(StateError {
                path: state.path,
                error,
            }),
        }
    }

    /// Makes sure that the directory is the state of a node, and marks it.
    fn check_mark(&self) -> io::Result<()> {
        match fs::read_to_string(self.file(MARK)) {
            Ok(text) => {
                let version = text.trim().to_owned();
                return match version.parse() {
                    Ok(1..=VERSION) => Ok(()),
                    _ => Err(io::Error::other(Refusal::Newer(version))),
                };
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Err(_) => {}
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        let is_known = |name: &&String| NAMES.contains(&name.trim_end_matches(".new"));
        let foreign = names.iter().find(|name| !is_known(name));
        let has_own = names.iter().any(|name| OWN.contains(&name.as_str()));
        match foreign.or(names.first().filter(|_| !has_own)) {
            None => {}
            // The lock and the mark are what a start that was cut short leaves.
            Some(_) if foreign.is_none() && names.iter().all(|name| is_begun(name)) => {}
            Some(foreign) => return Err(io::Error::other(Refusal::Foreign(foreign.clone()))),
        }
        let new = self.file(&format!("{MARK}.new"));
        self.replace(&self.file(MARK), &new, &format!("{VERSION}\n"))
    }

    /// Makes sure that what the node writes and removes is in this directory, and nothing that a link leads to.
    fn check_links(&self) -> io::Result<()> {
        for name in NAMES {
            let metadata = fs::symlink_metadata(self.file(name));
            if metadata.is_ok_and(|metadata| metadata.is_symlink()) {
                return Err(io::Error::other(Refusal::Link((*name).to_owned())));
            }
        }
        Ok(())
    }

    /// Returns the path of the directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of the file `name` in the directory.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Reads the file `name`; `None` when there is none.
    ///
    /// # Errors
    /// Errors if it is there and cannot be read as text.
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
    /// Errors if it cannot be written; the old file is then as it was.
    pub fn write(&self, name: &str, text: &str) -> Result<(), StateError> {
        let path = self.file(name);
        let new = self.file(&format!("{name}.new"));
        self.replace(&path, &new, text)
            .map_err(|error| StateError { path, error })
    }

    /// Opens the file `name` for reading; `None` when there is none.
    ///
    /// # Errors
    /// Errors if it is there and cannot be opened.
    pub fn open_file(&self, name: &str) -> Result<Option<File>, StateError> {
        let path = self.file(name);
        match File::open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StateError { path, error }),
        }
    }

    /// Replaces the content of the file `name` by that of `write`. Does not wait for the
    /// disk: after a crash of the machine the file may be broken, and its reader
    /// has to notice.
    ///
    /// # Errors
    /// Errors if it cannot be written; the old file is then as it was.
    pub fn write_with(
        &self,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), StateError> {
        let path = self.file(name);
        let new = self.file(&format!("{name}.new"));
        let replaced = remove_if_there(&new).and_then(|()| {
            let mut file = io::BufWriter::new(self.new_file(&new)?);
            write(&mut file)
                .and_then(|()| file.flush())
                .and_then(|()| fs::rename(&new, &path))
                .inspect_err(|_| drop(fs::remove_file(&new)))
        });
        replaced.map_err(|error| StateError { path, error })
    }

    /// Opens the file `name` to write behind its end, making it if it is not there.
    ///
    /// # Errors
    /// Errors if it cannot be opened.
    pub fn append_to(&self, name: &str) -> Result<File, StateError> {
        let path = self.file(name);
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        files::make_file_private(&mut options);
        let opened = options.open(&path);
        self.made.fetch_add(1, Ordering::SeqCst);
        opened.map_err(|error| StateError { path, error })
    }

    /// Makes the file `name` with `text`, whole or not at all, unless it is there
    /// already. Says whether it was made.
    ///
    /// # Errors
    /// Errors if it is not there and cannot be written.
    pub fn create(&self, name: &str, text: &str) -> Result<bool, StateError> {
        let path = self.file(name);
        match self.create_whole(&path, &self.file(&format!("{name}.new")), text) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(StateError { path, error }),
        }
    }

    /// Reads the private file `name`; `None` when there is none.
    ///
    /// # Errors
    /// Errors if it cannot be read as text; the inner error is that others own it, or
    /// have permissions on it.
    pub fn read_private(
        &self,
        name: &str,
    ) -> Result<Option<Result<String, NotPrivate>>, StateError> {
        self.read_private_up_to(name, PRIVATE_MAX)
    }

    /// Reads the private file `name` of at most `longest` bytes; `None` when there is none.
    ///
    /// # Errors
    /// Errors as [`StateDir::read_private`] does.
    pub fn read_private_up_to(
        &self,
        name: &str,
        longest: u64,
    ) -> Result<Option<Result<String, NotPrivate>>, StateError> {
        let path = self.file(name);
        private::read(&path, longest).map_err(|error| StateError { path, error })
    }

    /// Takes all permissions on the socket `name` from other users.
    ///
    /// # Errors
    /// Errors if the system does not do it.
    pub fn close_to_others(&self, name: &str) -> io::Result<()> {
        fs::set_permissions(self.file(name), files::private_file())
    }

    /// Returns the error of the file `name`.
    #[must_use]
    pub fn error(&self, name: &str, error: io::Error) -> StateError {
        let path = self.file(name);
        StateError { path, error }
    }

    /// Removes the file `name` if it is there.
    ///
    /// # Errors
    /// Errors if it is there and cannot be removed.
    pub fn remove(&self, name: &str) -> Result<(), StateError> {
        let path = self.file(name);
        remove_if_there(&path).map_err(|error| StateError { path, error })
    }

    /// Writes a new file aside and gives it its name, which must be free. One process
    /// at a time has the directory.
    fn create_whole(&self, path: &Path, new: &Path, text: &str) -> io::Result<()> {
        if fs::symlink_metadata(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.replace(path, new, text)
    }

    fn replace(&self, path: &Path, new: &Path, text: &str) -> io::Result<()> {
        remove_if_there(new)?;
        self.new_file(new)
            .and_then(|file| write_through(file, text))
            .and_then(|()| fs::rename(new, path))
            .inspect_err(|_| drop(fs::remove_file(new)))
    }

    /// Makes an empty file, which [`own::OwnFiles`] knows before anything is in it.
    fn new_file(&self, path: &Path) -> io::Result<File> {
        let file = private_new_file(path)?;
        self.made.fetch_add(1, Ordering::SeqCst);
        Ok(file)
    }

    /// Returns the number of files that were made here.
    fn made(&self) -> u64 {
        self.made.load(Ordering::SeqCst)
    }

    /// Takes the directory for this process alone, until the guard is dropped.
    ///
    /// # Errors
    /// Errors if another process holds it.
    pub fn lock(&self) -> Result<StateLock, StateError> {
        let path = self.file(LOCK);
        let take = || {
            let mut options = OpenOptions::new();
            options.create(true).truncate(false).write(true);
            files::make_file_private(&mut options);
            let file = options.open(&path)?;
            file.try_lock()?;
            file.set_len(0)?;
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
pub struct StateLock(File);

impl StateLock {
    /// Says in the lock where the node that holds it has its control port.
    ///
    /// # Errors
    /// Errors if the disk is full.
    pub fn tell(&self, control: SocketAddr) -> io::Result<()> {
        (&self.0).write_all(format!("{control}\n").as_bytes())
    }
}

/// Returns the control port of the node that holds the state directory at `path`; `None`
/// if none does, or it has not said yet. A node that was killed holds nothing.
///
/// # Errors
/// Errors if the lock cannot be read.
pub fn holder(path: &Path) -> io::Result<Option<SocketAddr>> {
    let mut file = match File::open(path.join(LOCK)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => return Ok(None),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text.trim().parse().ok())
}

fn make_private_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    files::make_directory_private(&mut builder);
    builder.create(path)
}

/// Makes sure that the directory and its files are ours, and that others cannot look
/// into it. An empty one is closed; in another one, others may have put files.
fn make_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::metadata(path)?;
    if !metadata.is_dir() {
        return Err(io::Error::other(Refusal::Kind));
    }
    let user = rustix::process::geteuid().as_raw();
    if metadata.uid() != user {
        return Err(io::Error::other(Refusal::Owner));
    }
    let is_open = private::check(&metadata) == Err(NotPrivate::Open);
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if is_open {
            return Err(io::Error::other(Refusal::Open));
        }
        if entry.metadata()?.uid() != user {
            let name = entry.file_name().to_string_lossy().into_owned();
            return Err(io::Error::other(Refusal::FileOwner(name)));
        }
    }
    if is_open {
        tracing::info!(path = %path.display(), "the state directory is closed to other users");
        fs::set_permissions(path, files::private_directory())?;
    }
    Ok(())
}

/// Returns true if a start that was cut short may have left the file `name` alone.
fn is_begun(name: &str) -> bool {
    name == "lock" || name.ends_with(".new")
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
    files::make_file_private(&mut options);
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
    fn a_link_among_the_files_of_a_node_is_refused() {
        let (home, state) = temporary();
        let (path, elsewhere) = (state.path().to_owned(), home.path().join("elsewhere"));
        fs::create_dir(&elsewhere).unwrap();
        for name in ["index", "cache", "lock", "secret"] {
            std::os::unix::fs::symlink(&elsewhere, path.join(name)).unwrap();
            let refused = StateDir::open(&path).unwrap_err().to_string();
            assert!(
                refused.contains(&format!("`{name}` in this directory is a link")),
                "{refused}"
            );
            fs::remove_file(path.join(name)).unwrap();
        }
        StateDir::open(&path).unwrap();
        // The directory itself may be reached by one.
        std::os::unix::fs::symlink(&path, home.path().join("link")).unwrap();
        StateDir::open(&home.path().join("link")).unwrap();
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
    fn a_directory_with_files_of_others_is_refused_and_left_alone() {
        let home = tempfile::tempdir().unwrap();
        for (case, names, is_taken) in [
            ("none", &[][..], true),
            ("photos", &["holiday.jpg"][..], false),
            ("a cache of others", &["cache", "index"][..], false),
            ("a secret among others", &["secret", "notes.txt"][..], false),
            (
                "an old state",
                &["secret", "node-key", "peers", "catalogue.new"][..],
                true,
            ),
            ("a secret alone", &["secret"][..], true),
            ("a start that was cut short", &["lock"][..], true),
        ] {
            let path = home.path().join(case);
            make_private_directory(&path).unwrap();
            for name in names {
                fs::write(path.join(name), "kept").unwrap();
            }
            let opened = StateDir::open(&path);
            assert_eq!(opened.is_ok(), is_taken, "{case}");
            if let Err(error) = opened {
                let message = error.to_string();
                assert!(message.contains("--state"), "{message}");
                let left = fs::read_dir(&path).unwrap().count();
                assert_eq!(left, names.len(), "{case}");
            }
            for name in names {
                assert_eq!(fs::read(path.join(name)).unwrap(), b"kept", "{case}");
            }
        }
    }

    #[test]
    fn a_marked_directory_opens_with_whatever_is_in_it() {
        let (_home, state) = temporary();
        fs::write(state.file("of-a-later-version"), "x").unwrap();
        assert!(StateDir::open(state.path()).is_ok());
        for mark in ["2\n", "", "0", "rubbish"] {
            fs::write(state.file(MARK), mark).unwrap();
            assert!(StateDir::open(state.path()).is_err(), "{mark:?}");
        }
    }

    #[test]
    fn an_empty_directory_that_others_may_read_is_closed() {
        let home = tempfile::tempdir().unwrap();
        for mode in [0o755, 0o777, 0o710] {
            let path = home.path().join(format!("{mode:o}"));
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            StateDir::open(&path).unwrap();
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700);
        }
    }

    #[test]
    fn a_state_that_others_may_read_or_write_is_refused() {
        let (_home, state) = temporary();
        for mode in [0o755, 0o777, 0o1777, 0o710] {
            fs::set_permissions(state.path(), fs::Permissions::from_mode(mode)).unwrap();
            let error = StateDir::open(state.path()).unwrap_err().to_string();
            assert!(error.contains("chmod 700"), "{error}");
        }
        fs::set_permissions(state.path(), fs::Permissions::from_mode(0o700)).unwrap();
        StateDir::open(state.path()).unwrap();
    }

    #[test]
    fn a_state_with_a_file_of_another_user_is_refused() {
        let (_home, state) = temporary();
        state.write("secret", "text").unwrap();
        // Only root can give a file away.
        if std::os::unix::fs::chown(state.file("secret"), Some(12_345), None).is_ok() {
            let error = StateDir::open(state.path()).unwrap_err().to_string();
            assert!(error.contains("`secret`"), "{error}");
        }
    }

    #[test]
    fn a_directory_has_one_holder_at_a_time() {
        let (_home, state) = temporary();
        let held = state.lock().unwrap();
        assert!(state.lock().is_err());
        drop(held);
        assert!(state.lock().is_ok());
    }

    #[test]
    fn the_lock_says_the_control_port_while_it_is_held() {
        let (_home, state) = temporary();
        assert_eq!(holder(state.path()).unwrap(), None);
        let control = SocketAddr::from(([127, 0, 0, 1], 4243));
        let held = state.lock().unwrap();
        assert_eq!(holder(state.path()).unwrap(), None);
        held.tell(control).unwrap();
        assert_eq!(holder(state.path()).unwrap(), Some(control));
        drop(held);
        assert_eq!(holder(state.path()).unwrap(), None);
        let again = state.lock().unwrap();
        assert_eq!(holder(state.path()).unwrap(), None, "a port of before");
        drop(again);
    }
}
