//! Files that are dropped onto the page: they go into the share.
//!
//! The control connection carries no content and takes no paths, so this program writes them itself, into the directory that
//! the node says it shares: it runs on the same machine for the same person. It does so as the node does: through a
//! directory handle, into a private temporary, brought to the disk, linked under its name without replacing anything.
//! Folders are made where they are missing. The node is asked before whether it would share a file of this name, and
//! afterwards whether it sees it.
//!
//! # Invariants
//! - A file appears whole under its name or not at all, and replaces nothing; neither does one whose name differs in
//!   letter case only. Neither does a folder.
//! - What the node would not share is not taken.
//! - No link leads out of the share, on no level of the name.
//! - Bytes come in order, in parts, each where the one before it ended.
//! - At most [`UPLOADS_MAX`] files are on their way; one that stands still for [`IDLE`] makes room.
//! - A temporary is removed with its upload, and so are folders that were made for it and are empty. What a crash
//!   leaves, the node removes at its next start: the last digit of the temporary says how many folders are new.

use std::{
    collections::HashMap,
    ffi::OsStr,
    io::{self, Write},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use cap_fs_ext::DirExt;
use cap_std::{
    ambient_authority,
    fs::{Dir, File, OpenOptions},
};
use node_api::{
    error::{ApiError, ErrorCode, ErrorReason},
    node::NodeStatus,
};
use node_wire::{ShareName, name::TEMPORARY_PREFIX};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{access::random_hex, link::NodeLink};
use crate::error::CtlError;

/// Files on their way at a time.
const UPLOADS_MAX: usize = 16;

/// The time that one may stand still before another takes its place.
const IDLE: Duration = Duration::from_secs(60);

/// Random digits in the name of a temporary.
const RANDOM_DIGITS: usize = 16;

/// A file to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileToUpload {
    /// Its name in the share.
    name: String,
    /// Its size in bytes.
    size: u64,
}

/// The files on their way.
#[derive(Debug, Default)]
pub(super) struct Uploads(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    last: u64,
    running: HashMap<u64, Upload>,
}

#[derive(Debug)]
struct Upload {
    name: ShareName,
    size: u64,
    written: u64,
    used: Instant,
    folder: Dir,
    /// The folders that were made for it, each with its name in the one above.
    made: Vec<(Dir, String)>,
    temporary: String,
    file: File,
}

/// Folders that were made on the way to a file; they go with it unless it is placed.
struct Folders {
    inner: Dir,
    made: Vec<(Dir, String)>,
}

impl Uploads {
    /// Begins a file in the share of the node. Gives the number of the upload.
    pub(super) async fn begin(
        &self,
        wanted: FileToUpload,
        node: &NodeLink,
    ) -> Result<Value, CtlError> {
        let name = ShareName::parse(&wanted.name).map_err(|error| {
            CtlError::usage(format!(
                "{} cannot be the name of a shared file: {error}",
                wanted.name
            ))
        })?;
        let status = node.call("node.status", &Map::new()).await?;
        let status: NodeStatus = serde_json::from_value(status)
            .map_err(|error| CtlError::failed(format!("what answers is no node: {error}")))?;
        if let Some(trouble) = status.share_trouble {
            return Err(CtlError::failed(format!(
                "{} is not stored: {trouble}",
                name.as_str()
            )));
        }
        // What configures the node is refused with its own reason.
        if !name.is_configuration() {
            refuse_unshared(&name, node).await?;
        }
        let share = Dir::open_ambient_dir(&status.share, ambient_authority());
        let share = share.map_err(|error| {
            CtlError::failed(format!(
                "the directory that the node shares, {}, cannot be opened from here: {error}",
                status.share
            ))
        })?;
        let upload = Upload::begin(&share, name, wanted.size)?;
        let mut table = self.table();
        table
            .running
            .retain(|_, upload| upload.used.elapsed() < IDLE);
        if table.running.len() >= UPLOADS_MAX {
            return Err(CtlError::failed(
                "too many files are on their way; try again later",
            ));
        }
        table.last += 1;
        let id = table.last;
        table.running.insert(id, upload);
        Ok(json!({ "id": id }))
    }

    /// Appends a part that begins at `at`.
    pub(super) fn part(&self, id: u64, at: u64, bytes: &[u8]) -> Result<Value, CtlError> {
        let mut upload = self.take(id)?;
        upload.append(at, bytes)?;
        let written = upload.written;
        self.table().running.insert(id, upload);
        Ok(json!({ "written": written }))
    }

    /// Puts a file in its place and asks the node whether it sees it.
    pub(super) async fn end(&self, id: u64, node: &NodeLink) -> Result<Value, CtlError> {
        let name = self.take(id)?.place()?;
        let mut params = Map::new();
        params.insert("name".to_owned(), json!(name.as_str()));
        Ok(match node.call("share.stat", &params).await {
            Ok(_) => json!({ "name": name.as_str(), "seen": true }),
            Err(error) => {
                let why = format!("it is in the folder, but {error}");
                json!({ "name": name.as_str(), "seen": false, "why": why })
            }
        })
    }

    /// Gives a file up.
    pub(super) fn cancel(&self, id: u64) -> Result<Value, CtlError> {
        self.take(id).map(|_| Value::Bool(true))
    }

    /// Gives all files up.
    pub(super) fn clear(&self) {
        self.table().running.clear();
    }

    /// Takes an upload, for the time of one call: a failure gives it up.
    fn take(&self, id: u64) -> Result<Upload, CtlError> {
        let upload = self.table().running.remove(&id);
        upload.ok_or_else(|| {
            CtlError::not_found("this file is not on its way any more; drop it again")
        })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Upload {
    fn begin(share: &Dir, name: ShareName, size: u64) -> Result<Upload, CtlError> {
        if name.is_configuration() {
            let text = format!(
                "{} says what the node shares; put it into the folder yourself",
                name.as_str()
            );
            return Err(CtlError::usage(text));
        }
        let mut folders = Folders::open(share, &name)?;
        let begun = refuse_existing(&folders.inner, &name, name.file_name())
            .and_then(|()| temporary(&folders, &name));
        let (temporary, file) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                remove_made(&mut folders.made);
                return Err(error);
            }
        };
        Ok(Upload {
            file,
            name,
            size,
            written: 0,
            used: Instant::now(),
            folder: folders.inner,
            made: folders.made,
            temporary,
        })
    }

    fn append(&mut self, at: u64, bytes: &[u8]) -> Result<(), CtlError> {
        let end = at.saturating_add(bytes.len() as u64);
        if at != self.written || end > self.size {
            let text = format!(
                "the parts of {} did not come in order; drop it again",
                self.name.as_str()
            );
            return Err(CtlError::failed(text));
        }
        let written = self.file.write_all(bytes);
        written.map_err(|error| failure(&self.name, &error))?;
        (self.written, self.used) = (end, Instant::now());
        Ok(())
    }

    fn place(mut self) -> Result<ShareName, CtlError> {
        if self.written != self.size {
            let text = format!("{} did not come whole; drop it again", self.name.as_str());
            return Err(CtlError::failed(text));
        }
        let place = || {
            self.file.sync_all()?;
            let name = self.name.file_name();
            self.folder.hard_link(&self.temporary, &self.folder, name)?;
            // Its bytes have a name now; what is left of the other is removed in the end anyway.
            let _ = self.folder.remove_file(&self.temporary);
            // The handle only names the folder; to bring it to the disk it is opened.
            self.folder.open(".")?.sync_all()
        };
        refuse_existing(&self.folder, &self.name, self.name.file_name())?;
        place().map_err(|error| failure(&self.name, &error))?;
        for (above, _) in self.made.drain(..) {
            let synced = above.open(".").and_then(|above| above.sync_all());
            synced.map_err(|error| failure(&self.name, &error))?;
        }
        Ok(self.name.clone())
    }
}

impl Folders {
    /// Opens the folder of a file and makes those that are missing.
    fn open(share: &Dir, name: &ShareName) -> Result<Folders, CtlError> {
        let failed = |error: io::Error| failure(name, &error);
        let mut folders = Folders {
            inner: share.try_clone().map_err(failed)?,
            made: Vec::new(),
        };
        for part in name.parent_parts() {
            if let Err(error) = folders.enter(name, part) {
                remove_made(&mut folders.made);
                return Err(error);
            }
        }
        Ok(folders)
    }

    fn enter(&mut self, name: &ShareName, part: &str) -> Result<(), CtlError> {
        let failed = |error: io::Error| failure(name, &error);
        let inner = match self.inner.open_dir_nofollow(part) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                refuse_existing(&self.inner, name, part)?;
                self.inner.create_dir(part).map_err(failed)?;
                let above = self.inner.try_clone().map_err(failed)?;
                self.made.push((above, part.to_owned()));
                self.inner.open_dir_nofollow(part)
            }
            opened => opened,
        };
        self.inner = inner.map_err(failed)?;
        Ok(())
    }
}

/// Makes the temporary in the folder of the file, named as the node names its own.
fn temporary(folders: &Folders, name: &ShareName) -> Result<(String, File), CtlError> {
    let failed = |error: io::Error| failure(name, &error);
    let random = random_hex().map_err(|error| failed(io::Error::other(error)))?;
    let (random, made) = (&random[..RANDOM_DIGITS], folders.made.len());
    let temporary = format!("{TEMPORARY_PREFIX}{random}{made:x}");
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    let file = folders.inner.open_with(&temporary, &options);
    Ok((temporary, file.map_err(failed)?))
}

/// Removes folders that were made and are empty, the lowest first.
fn remove_made(made: &mut Vec<(Dir, String)>) {
    while let Some((above, part)) = made.pop() {
        // One that is not empty stays for what is in it.
        if above.remove_dir(part).is_err() {
            return;
        }
    }
}

/// Refuses a file that the node would not share.
async fn refuse_unshared(name: &ShareName, node: &NodeLink) -> Result<(), CtlError> {
    let mut params = Map::new();
    params.insert("name".to_owned(), json!(name.as_str()));
    match node.call("share.stat", &params).await {
        Err(CtlError::Api(error)) if error.reason == Some(ErrorReason::NeverShared) => {
            Err(CtlError::Api(error))
        }
        // What is there already is refused where it is stored; other errors show there as well.
        _ => Ok(()),
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // It is gone already when the file was placed.
        let _ = self.folder.remove_file(&self.temporary);
        remove_made(&mut self.made);
    }
}

/// Refuses a name that is there, in whatever letter case; `part` is the last part of `name`, or a folder on the way to it.
fn refuse_existing(folder: &Dir, name: &ShareName, part: &str) -> Result<(), CtlError> {
    let key = |part: &str| ShareName::parse(part).ok().map(|name| name.collision_key());
    let wanted = key(part);
    let entries = folder.entries().map_err(|error| failure(name, &error))?;
    for entry in entries.flatten() {
        let existing = entry.file_name();
        if existing
            .to_str()
            .and_then(key)
            .is_some_and(|key| Some(key) == wanted)
        {
            return Err(taken(name, part, &existing));
        }
    }
    Ok(())
}

fn taken(name: &ShareName, part: &str, existing: &OsStr) -> CtlError {
    if existing == part {
        return exists(name);
    }
    let text = format!(
        "{} differs only in letter case from {}, which is in the share already; rename one of them",
        name.as_str(),
        existing.to_string_lossy()
    );
    ApiError::new(ErrorCode::Exists, text).into()
}

fn exists(name: &ShareName) -> CtlError {
    let text = format!(
        "{} is in the share already; rename one of them",
        name.as_str()
    );
    ApiError::new(ErrorCode::Exists, text).into()
}

fn failure(name: &ShareName, error: &io::Error) -> CtlError {
    let code = match error.kind() {
        io::ErrorKind::AlreadyExists => return exists(name),
        io::ErrorKind::NotFound => ErrorCode::NotFound,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorCode::NoSpace,
        _ => ErrorCode::Failed,
    };
    ApiError::new(code, format!("{} cannot be stored: {error}", name.as_str())).into()
}

#[cfg(test)]
#[allow(
    clippy::disallowed_methods,
    reason = "tests look at a share as its owner does: by path"
)]
mod tests {
    use std::fs;

    use super::*;

    struct Share {
        home: tempfile::TempDir,
        dir: Dir,
    }

    impl Share {
        fn new() -> Share {
            let home = tempfile::tempdir().unwrap();
            let dir = Dir::open_ambient_dir(home.path(), ambient_authority()).unwrap();
            Share { home, dir }
        }

        fn begin(&self, name: &str, size: u64) -> Result<Upload, CtlError> {
            Upload::begin(&self.dir, ShareName::parse(name).unwrap(), size)
        }

        fn entries(&self) -> Vec<String> {
            let entries = fs::read_dir(self.home.path()).unwrap();
            entries
                .map(|e| e.unwrap().file_name().into_string().unwrap())
                .collect()
        }
    }

    #[test]
    fn a_file_that_configures_the_node_is_not_taken() {
        let share = Share::new();
        for name in [".sixhopignore", ".SixhopIgnore"] {
            assert_eq!(share.begin(name, 1).unwrap_err().exit_code(), 2, "{name}");
        }
        assert!(share.entries().is_empty());
    }

    #[test]
    fn a_file_appears_whole_and_under_its_name_only() {
        let share = Share::new();
        let mut upload = share.begin("a.txt", 6).unwrap();
        upload.append(0, b"abc").unwrap();
        assert!(share.entries()[0].starts_with(TEMPORARY_PREFIX));
        upload.append(3, b"def").unwrap();
        upload.place().unwrap();
        assert_eq!(share.entries(), ["a.txt"]);
        assert_eq!(
            fs::read(share.home.path().join("a.txt")).unwrap(),
            b"abcdef"
        );
    }

    #[test]
    fn parts_out_of_order_and_too_many_bytes_give_it_up() {
        let share = Share::new();
        for (at, bytes) in [(1, &b"x"[..]), (0, b"too long"), (u64::MAX, b"x")] {
            assert!(share.begin("a.txt", 3).unwrap().append(at, bytes).is_err());
        }
        let mut short = share.begin("a.txt", 3).unwrap();
        short.append(0, b"xy").unwrap();
        assert!(short.place().is_err());
        assert_eq!(share.entries(), Vec::<String>::new());
    }

    #[test]
    fn nothing_is_replaced_in_whatever_letter_case() {
        let share = Share::new();
        fs::write(share.home.path().join("Notes.txt"), "old").unwrap();
        for name in ["Notes.txt", "notes.TXT"] {
            let error = share.begin(name, 0).unwrap_err();
            assert_eq!(error.exit_code(), 13, "{name}");
        }
        let late = share.begin("late.txt", 0).unwrap();
        fs::write(share.home.path().join("late.txt"), "first").unwrap();
        assert_eq!(late.place().unwrap_err().exit_code(), 13);
        assert_eq!(
            fs::read(share.home.path().join("late.txt")).unwrap(),
            b"first"
        );
    }

    #[test]
    fn links_lead_nowhere() {
        let share = Share::new();
        let outside = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), share.home.path().join("out")).unwrap();
        assert!(share.begin("out/a.txt", 0).is_err());
        std::os::unix::fs::symlink(outside.path().join("b"), share.home.path().join("b")).unwrap();
        assert_eq!(share.begin("b", 0).unwrap_err().exit_code(), 13);
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_is_missing_is_made_and_stays_with_its_file() {
        let share = Share::new();
        let upload = share.begin("one/two/a.txt", 0).unwrap();
        assert!(upload.temporary.ends_with('2'), "{}", upload.temporary);
        let other = share.begin("one/two/b.txt", 0).unwrap();
        assert!(other.temporary.ends_with('0'), "{}", other.temporary);
        other.place().unwrap();
        drop(upload);
        let two = share.home.path().join("one/two");
        assert!(two.join("b.txt").is_file() && !two.join("a.txt").exists());
    }

    #[test]
    fn an_upload_given_up_leaves_no_folder() {
        let share = Share::new();
        drop(share.begin("one/two/a.txt", 1).unwrap());
        assert!(share.begin("one/.sixhopignore", 1).is_err());
        assert_eq!(share.entries(), Vec::<String>::new());
    }

    #[test]
    fn a_folder_in_another_letter_case_is_not_made() {
        let share = Share::new();
        fs::create_dir(share.home.path().join("Notes")).unwrap();
        let error = share.begin("notes/a.txt", 0).unwrap_err();
        assert_eq!(error.exit_code(), 13);
        assert!(error.to_string().contains("from Notes"), "{error}");
        fs::write(share.home.path().join("file"), "x").unwrap();
        assert!(share.begin("file/a.txt", 0).is_err());
        assert_eq!(share.entries().len(), 2);
    }
}
