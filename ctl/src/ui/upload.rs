//! Files that are dropped onto the page: they go into the share.
//!
//! The control connection carries no content and takes no paths, so this program writes them itself, into the directory that
//! the node says it shares: it runs on the same machine for the same person. It does so as the node does: through a
//! directory handle, into a private temporary, brought to the disk, linked under its name without replacing anything.
//! The node is asked afterwards whether it sees the file.
//!
//! # Invariants
//! - A file appears whole under its name or not at all, and replaces nothing; neither does one whose name differs in
//!   letter case only.
//! - No link leads out of the share, on no level of the name.
//! - Bytes come in order, in parts, each where the one before it ended.
//! - At most [`UPLOADS_MAX`] files are on their way; one that stands still for [`IDLE`] makes room.
//! - A temporary is removed with its upload. What a crash leaves, the node removes at its next start.

use std::{
    collections::HashMap,
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
    error::{ApiError, ErrorCode},
    node::NodeStatus,
};
use node_wire::{ShareName, name::TEMPORARY_PREFIX};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{access::random_hex, link::NodeLink};
use crate::error::CtlError;

/// Files on their way at a time.
const UPLOADS_MAX: usize = 16;

/// How long one may stand still before another takes its place.
const IDLE: Duration = Duration::from_secs(60);

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
    temporary: String,
    file: File,
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
        let seen = node.call("share.stat", &params).await;
        Ok(json!({ "name": name.as_str(), "seen": seen.is_ok() }))
    }

    /// Gives a file up.
    pub(super) fn cancel(&self, id: u64) -> Result<Value, CtlError> {
        self.take(id).map(|_| Value::Bool(true))
    }

    /// Gives all files up.
    pub(super) fn clear(&self) {
        self.table().running.clear();
    }

    /// An upload, for the time of one call: a failure gives it up.
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
        let failed = |error: io::Error| failure(&name, &error);
        let mut folder = share.try_clone().map_err(failed)?;
        for part in name.parent_parts() {
            folder = folder.open_dir_nofollow(part).map_err(failed)?;
        }
        refuse_existing(&folder, &name)?;
        let random = random_hex().map_err(|error| failed(io::Error::other(error)))?;
        let temporary = format!("{TEMPORARY_PREFIX}{random}");
        let mut options = OpenOptions::new();
        let file = folder.open_with(&temporary, options.write(true).create_new(true));
        Ok(Upload {
            file: file.map_err(failed)?,
            name,
            size,
            written: 0,
            used: Instant::now(),
            folder,
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

    fn place(self) -> Result<ShareName, CtlError> {
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
        refuse_existing(&self.folder, &self.name)?;
        place().map_err(|error| failure(&self.name, &error))?;
        Ok(self.name.clone())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // It is gone already when the file was placed.
        let _ = self.folder.remove_file(&self.temporary);
    }
}

/// Refuses a name that is there, in whatever letter case.
fn refuse_existing(folder: &Dir, name: &ShareName) -> Result<(), CtlError> {
    let key = |part: &str| ShareName::parse(part).ok().map(|name| name.collision_key());
    let wanted = key(name.file_name());
    let entries = folder.entries().map_err(|error| failure(name, &error))?;
    for entry in entries.flatten() {
        let existing = entry.file_name();
        if existing
            .to_str()
            .and_then(key)
            .is_some_and(|key| Some(key) == wanted)
        {
            return Err(exists(name));
        }
    }
    Ok(())
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
    fn a_folder_that_is_not_there_is_not_made() {
        let share = Share::new();
        assert_eq!(share.begin("no/a.txt", 0).unwrap_err().exit_code(), 3);
    }
}
