//! Reading many files one after the other, for one question.
//!
//! [`Share::read`] looks at the ignore files and links on the way to a file each time.
//! Here they are looked at once for each directory, which makes a search through many
//! short files several times as fast.
//!
//! # Invariants
//! - What was found of a directory holds for [`HOLDS`], and for this reader alone.
//! - A directory is opened from its parent, part by part; a link is never followed.
//! - The first bytes of a file come from the file that has the name then; those that
//!   follow within [`HOLDS`] come from the same one.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::Arc,
    time::{Duration, Instant},
};

use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use node_base::clock::now;
use node_wire::name::ShareName;
use plugin_api::{FileReader, HandlerError};

use super::{
    Share, ShareError,
    ignoring::{Chain, Verdict},
    stamp::OnDisk,
};

/// The time for which a directory that was looked at is taken for what it was.
const HOLDS: Duration = Duration::from_millis(100);

/// Reads files of the share, best in order of their names.
pub(super) struct ShareReader<'s> {
    share: &'s Share,
    way: Option<Way>,
    /// The file that was read last.
    last: Option<(String, File)>,
}

/// The way from the share to a directory.
struct Way {
    root: Arc<Dir>,
    /// Open directories, each in the one before.
    open: Vec<Open>,
    /// The ignore files that hold in the last one.
    chain: Chain,
    since: Instant,
}

/// A directory on the way.
struct Open {
    /// Its name, with a `/` at its end.
    name: String,
    directory: Dir,
    /// Number of ignore files that hold above it.
    above: usize,
}

impl<'s> ShareReader<'s> {
    pub(super) fn new(share: &'s Share) -> ShareReader<'s> {
        ShareReader {
            share,
            way: None,
            last: None,
        }
    }

    /// Opens the file `name`.
    fn open(&mut self, name: &ShareName) -> Result<File, ShareError> {
        let share = self.share;
        let not_found = || ShareError::NotFound(name.clone());
        let way = self
            .way(name.as_str())
            .map_err(|error| ShareError::of(name, error))?
            .ok_or_else(not_found)?;
        if way.chain.verdict(name.as_str(), false) != Verdict::Shared {
            return Err(not_found());
        }
        let directory = way.directory();
        let mut options = OpenOptions::new();
        options.read(true).follow(FollowSymlinks::No);
        // A pipe or device must not hold the thread before it is recognised.
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
        let file = directory
            .open_with(&*share.names.find(directory, name.file_name()), &options)
            .map_err(|error| ShareError::of(name, error))?
            .into_std();
        let metadata = file.metadata();
        let metadata = metadata.map_err(|error| ShareError::of(name, error))?;
        if metadata.is_file() {
            Ok(file)
        } else {
            Err(not_found())
        }
    }

    /// Goes to the directory of the file `name`; `None` if it is not shared.
    fn way(&mut self, name: &str) -> io::Result<Option<&Way>> {
        let folder = &name[..name.rfind('/').map_or(0, |at| at + 1)];
        let fresh = self.way.take();
        let fresh = fresh.filter(|way| now().saturating_duration_since(way.since) < HOLDS);
        let mut way = match fresh {
            Some(way) => way,
            None => Way::begin(self.share)?,
        };
        way.leave(folder);
        let is_shared = way.enter(self.share, folder)?;
        let way = self.way.insert(way);
        Ok(is_shared.then_some(way))
    }
}

impl Way {
    fn begin(share: &Share) -> io::Result<Way> {
        let root = share.directory()?;
        let mut chain = Chain::default();
        chain.enter(&share.ignoring, &root, "");
        Ok(Way {
            root,
            open: Vec::new(),
            chain,
            since: now(),
        })
    }

    fn directory(&self) -> &Dir {
        self.open.last().map_or(&*self.root, |open| &open.directory)
    }

    /// Goes up until `folder` is this directory or below it.
    fn leave(&mut self, folder: &str) {
        let is_left = |open: &mut Open| !folder.starts_with(open.name.as_str());
        while let Some(left) = self.open.pop_if(is_left) {
            self.chain.leave(left.above);
        }
    }

    /// Goes down to `folder`. Says whether it is shared.
    fn enter(&mut self, share: &Share, folder: &str) -> io::Result<bool> {
        loop {
            let reached = self.open.last().map_or(0, |open| open.name.len());
            let Some(end) = folder[reached..].find('/') else {
                return Ok(true);
            };
            let end = reached + end;
            if self.chain.verdict(&folder[..end], true) != Verdict::Shared {
                return Ok(false);
            }
            let here = self.directory();
            let on_disk = share.names.find(here, &folder[reached..end]);
            let directory = here.open_dir_nofollow(&*on_disk)?;
            let name = folder[..=end].to_owned();
            let above = self.chain.len();
            self.chain.enter_open(&share.ignoring, &directory, &name);
            self.open.push(Open {
                name,
                directory,
                above,
            });
        }
    }
}

impl ShareReader<'_> {
    /// Returns the file `name`, from which the bytes from `from` on are read.
    fn file(&mut self, name: &str, from: u64) -> Result<Option<File>, HandlerError> {
        let Ok(parsed) = ShareName::parse(name) else {
            return Ok(None);
        };
        let goes_on = |way: &Way| now().saturating_duration_since(way.since) < HOLDS;
        let goes_on = from > 0 && self.way.as_ref().is_some_and(goes_on);
        if let Some((_, file)) = self.last.take().filter(|(last, _)| goes_on && last == name) {
            return Ok(Some(file));
        }
        match self.open(&parsed) {
            Ok(file) => Ok(Some(file)),
            Err(ShareError::NotFound(_)) => Ok(None),
            Err(error) => Err(HandlerError::Files(error.to_string())),
        }
    }

    /// Returns whether `file` is of `version`.
    fn is_of_version(&self, file: &File, version: u64) -> io::Result<bool> {
        let found = OnDisk::from(&file.metadata()?);
        Ok(self.share.writes.stamp(&found).version() == version)
    }

    /// Returns the file `name` as it is on the disk; `None` if it is not shared.
    fn on_disk(&mut self, name: &ShareName) -> io::Result<Option<OnDisk>> {
        let share = self.share;
        let Some(way) = self.way(name.as_str())? else {
            return Ok(None);
        };
        if way.chain.verdict(name.as_str(), false) != Verdict::Shared {
            return Ok(None);
        }
        let directory = way.directory();
        let found = share.names.find(directory, name.file_name());
        match directory.symlink_metadata(&*found) {
            Ok(metadata) => Ok(metadata.is_file().then(|| OnDisk::from(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads as [`FileReader::read_version`] does.
    fn part_of_version(
        &self,
        file: &File,
        version: u64,
        from: u64,
        most: usize,
    ) -> io::Result<Option<Vec<u8>>> {
        if !self.is_of_version(file, version)? {
            return Ok(None);
        }
        let part = read_part(file, from, most)?;
        Ok(self.is_of_version(file, version)?.then_some(part))
    }
}

impl FileReader for ShareReader<'_> {
    fn read(
        &mut self,
        name: &str,
        from: u64,
        most: usize,
    ) -> Result<Option<Vec<u8>>, HandlerError> {
        let Some(file) = self.file(name, from)? else {
            return Ok(None);
        };
        let part = read_part(&file, from, most)
            .map_err(|error| HandlerError::Files(format!("{name}: {error}")))?;
        if part.len() == most {
            self.last = Some((name.to_owned(), file));
        }
        Ok(Some(part))
    }

    fn read_version(
        &mut self,
        name: &str,
        version: u64,
        from: u64,
        most: usize,
    ) -> Result<Option<Vec<u8>>, HandlerError> {
        let Some(file) = self.file(name, from)? else {
            return Ok(None);
        };
        let part = self
            .part_of_version(&file, version, from, most)
            .map_err(|error| HandlerError::Files(format!("{name}: {error}")))?;
        self.last = Some((name.to_owned(), file));
        Ok(part)
    }

    fn has_version(&mut self, name: &str, version: u64) -> Result<bool, HandlerError> {
        let Ok(parsed) = ShareName::parse(name) else {
            return Ok(false);
        };
        let found = self
            .on_disk(&parsed)
            .map_err(|error| HandlerError::Files(format!("{name}: {error}")))?;
        let is_it = |found: &OnDisk| self.share.writes.stamp(found).version() == version;
        Ok(found.as_ref().is_some_and(is_it))
    }
}

/// Reads at most `most` bytes of `file`, from the byte `from` on.
pub(super) fn read_part(file: &File, from: u64, most: usize) -> io::Result<Vec<u8>> {
    let mut part = vec![0; most];
    let mut length = 0;
    while length < most {
        match file.read_at(&mut part[length..], from.saturating_add(length as u64)) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    part.truncate(length);
    Ok(part)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::disallowed_methods,
        reason = "tests fill the directory from outside"
    )]

    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn share(files: &[&str]) -> (tempfile::TempDir, Share) {
        let home = tempfile::tempdir().unwrap();
        for name in files {
            let path = home.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        let share = Share::open(home.path()).unwrap();
        (home, share)
    }

    fn text(reader: &mut ShareReader<'_>, name: &str) -> Option<String> {
        let bytes = reader.read(name, 0, 100).unwrap()?;
        Some(String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn reader_reads_what_the_share_reads_in_any_order() {
        let names = [
            "top.txt",
            "a/one.txt",
            "a/b/two.txt",
            "a/b/c/three.txt",
            "ab/four.txt",
            "e\u{301}/five.txt",
            ".hidden/six.txt",
            "a/.seven",
            "b/eight.log",
            "b/c/nine.log",
        ];
        let (home, share) = share(&names);
        fs::write(home.path().join("b/.sixhopignore"), "*.log\n").unwrap();
        symlink("a", home.path().join("link")).unwrap();
        symlink("one.txt", home.path().join("a/link.txt")).unwrap();
        let mut asked = names
            .map(|name| name.replace("e\u{301}", "\u{e9}"))
            .to_vec();
        asked.extend(
            [
                "link/one.txt",
                "a/link.txt",
                "a",
                "../a",
                "a/none",
                "none/a",
            ]
            .map(String::from),
        );
        let expected = |name: &String| {
            let name = ShareName::parse(name).ok()?;
            let shared = share.read(&name).ok()?;
            Some(String::from_utf8(read_part(&shared.file, 0, 100).unwrap()).unwrap())
        };
        assert_eq!(asked.iter().filter_map(expected).count(), 6);
        let mut reader = ShareReader::new(&share);
        for first in &asked {
            for second in &asked {
                assert_eq!(text(&mut reader, first), expected(first), "{first}");
                assert_eq!(
                    text(&mut reader, second),
                    expected(second),
                    "{first} {second}"
                );
            }
        }
    }

    #[test]
    fn what_was_found_of_a_directory_holds_for_a_moment_only() {
        let (home, share) = share(&["a/one.txt", "a/two.txt"]);
        let mut reader = ShareReader::new(&share);
        assert!(text(&mut reader, "a/one.txt").is_some());
        fs::write(home.path().join("a/.sixhopignore"), "two.txt\n").unwrap();
        let hidden = |reader: &mut ShareReader<'_>| text(reader, "a/two.txt").is_none();
        let begun = Instant::now();
        while !hidden(&mut reader) {
            assert!(begun.elapsed() < Duration::from_secs(10));
            std::thread::yield_now();
        }
        assert!(text(&mut reader, "a/one.txt").is_some());
    }

    #[test]
    fn parts_of_another_version_are_not_given() {
        let (home, share) = share(&["a.txt"]);
        let path = home.path().join("a.txt");
        fs::write(&path, "0123456789").unwrap();
        let version = |share: &Share| {
            let file = share.on_disk(&ShareName::parse("a.txt").unwrap()).unwrap();
            share.writes.stamp(&file).version()
        };
        let first = version(&share);
        let mut reader = ShareReader::new(&share);
        let mut read = |version, from| reader.read_version("a.txt", version, from, 4).unwrap();
        assert_eq!(read(first, 2).as_deref(), Some(b"2345".as_slice()));
        assert_eq!(read(first, 6).as_deref(), Some(b"6789".as_slice()));
        assert_eq!(read(first + 1, 6), None);
        // In its place, also while it is open.
        fs::write(&path, "other bytes").unwrap();
        assert_eq!(read(first, 2), None);
        assert_eq!(
            read(version(&share), 6).as_deref(),
            Some(b"byte".as_slice())
        );
        assert_eq!(
            reader.read_version("none", first, 0, 4).unwrap(),
            None,
            "a file that is not there"
        );
        let now = version(&share);
        let mut has = |name, version| reader.has_version(name, version).unwrap();
        assert!(has("a.txt", now));
        assert!(!has("a.txt", first) && !has("none", now));
        fs::remove_file(&path).unwrap();
        symlink("b.txt", &path).unwrap();
        assert!(!has("a.txt", now));
    }

    #[test]
    fn parts_of_a_file_that_is_replaced_come_from_one_file() {
        let (home, share) = share(&["a.txt"]);
        let path = home.path().join("a.txt");
        fs::write(&path, "0123456789").unwrap();
        let mut reader = ShareReader::new(&share);
        // Unless the machine is so slow that the file is opened again.
        let whole = (0..100).any(|_| {
            let first = reader.read("a.txt", 0, 5).unwrap().unwrap();
            fs::write(home.path().join("new"), "abcdefghij").unwrap();
            fs::rename(home.path().join("new"), &path).unwrap();
            let second = reader.read("a.txt", 5, 5).unwrap().unwrap();
            fs::write(&path, "0123456789").unwrap();
            first == b"01234" && second == b"56789"
        });
        assert!(whole);
        let first = reader.read("a.txt", 0, 5).unwrap().unwrap();
        assert_eq!(first, b"01234");
    }
}
