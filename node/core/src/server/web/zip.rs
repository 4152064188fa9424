//! Many files as one ZIP, which is on no disk: its form is known before its bytes are, so that it has a length and
//! ranges.
//!
//! Files are stored as they are, with their names in the share. The checksum of a file stands behind it, where it
//! is known by then. Sizes and places beyond 4 GiB are in fields of ZIP64.
//!
//! # Invariants
//! - What was listed is what is sent: a file that is another one by now ends the reading with an error.
//! - A job of the disk reads a chunk, not a file.

use std::{
    hash::{DefaultHasher, Hash, Hasher as _},
    io,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use bytes::Bytes;
use crc32fast::Hasher;
use node_base::platform::files;
use node_wire::name::ShareName;

use crate::{
    disk::Disk,
    server::upload::{Buffer, Room},
    share::{Share, SharedFile},
};

/// The size from which on a field of 32 bits has no room for it.
const LONG: u64 = 0xffff_ffff;

/// The number of files from which on a field of 16 bits has no room for it.
const MANY: u64 = 0xffff;

/// Bytes that one job reads for a checksum.
const CHECKSUM_PART: u64 = 1 << 20;

/// Says that a checksum is known: checksums have 32 bits.
const KNOWN: u64 = 1 << 32;

/// Sizes stand behind the file; the name is UTF-8.
const FLAGS: u16 = 1 << 3 | 1 << 11;

/// Made on Unix, by version 4.5 of the form.
const MADE_BY: u16 = 3 << 8 | 45;

/// Permissions of a regular file: all read it, its owner writes it.
const ATTRIBUTES: u32 = 0o100_644 << 16;

/// A file to be put into a ZIP.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(in crate::server) struct Listed {
    pub(in crate::server) name: ShareName,
    pub(in crate::server) size: u64,
    pub(in crate::server) modified: Option<SystemTime>,
}

/// The form of a ZIP.
#[derive(Debug)]
pub(in crate::server) struct Manifest {
    entries: Vec<Entry>,
    /// Where the list of the files begins.
    list_at: u64,
    /// Where the end of that list begins.
    end_at: u64,
    size: u64,
}

#[derive(Debug)]
struct Entry {
    listed: Listed,
    /// Where it begins, and where its entry in the list does.
    at: u64,
    listed_at: u64,
    /// Its checksum, if [`KNOWN`] is set.
    checksum: AtomicU64,
}

/// A ZIP that is read once, from the beginning to the end of a range.
#[derive(Debug)]
pub(in crate::server) struct Zip {
    share: Arc<Share>,
    manifest: Arc<Manifest>,
    left: Range<u64>,
    open: Option<Open>,
}

/// The file that is being read.
#[derive(Debug)]
struct Open {
    entry: usize,
    file: SharedFile,
    /// The checksum of its bytes from the first on, and where the next one is; nothing if reading began behind.
    checksum: Option<(Hasher, u64)>,
}

/// The part of a ZIP that has a byte, and the place in that part.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    Head(usize, u64),
    File(usize, u64),
    Tail(usize, u64),
    List(usize, u64),
    End(u64),
}

/// The result of one job.
enum Filled {
    Bytes(Buffer),
    /// The checksum of this file is needed first.
    Checksum(usize),
}

impl Manifest {
    /// Lays out a ZIP of these files.
    pub(in crate::server) fn new(listed: Vec<Listed>) -> Manifest {
        let mut at = 0;
        let mut entries: Vec<Entry> = Vec::with_capacity(listed.len());
        for listed in listed {
            let checksum = if listed.size == 0 { KNOWN } else { 0 };
            let entry = Entry {
                listed,
                at,
                listed_at: 0,
                checksum: AtomicU64::new(checksum),
            };
            at = entry.tail_at() + entry.tail().len() as u64;
            entries.push(entry);
        }
        let list_at = at;
        for entry in &mut entries {
            entry.listed_at = at;
            at += entry.list().len() as u64;
        }
        let mut manifest = Manifest {
            entries,
            list_at,
            end_at: at,
            size: 0,
        };
        manifest.size = at + manifest.end().len() as u64;
        manifest
    }

    /// Returns its size in bytes.
    pub(in crate::server) fn size(&self) -> u64 {
        self.size
    }

    /// Returns a text that is another one for other files.
    pub(in crate::server) fn tag(&self) -> String {
        let mut hasher = DefaultHasher::new();
        for entry in &self.entries {
            entry.listed.hash(&mut hasher);
        }
        format!("zip-{:016x}", hasher.finish())
    }

    /// Returns true if it is of the same files.
    pub(in crate::server) fn is_of(&self, listed: &[Listed]) -> bool {
        self.entries.len() == listed.len()
            && self
                .entries
                .iter()
                .zip(listed)
                .all(|(entry, listed)| entry.listed == *listed)
    }

    fn part(&self, at: u64) -> Part {
        if at >= self.end_at {
            return Part::End(at - self.end_at);
        }
        if at >= self.list_at {
            let index = self.entries.partition_point(|entry| entry.listed_at <= at) - 1;
            return Part::List(index, at - self.entries[index].listed_at);
        }
        let index = self.entries.partition_point(|entry| entry.at <= at) - 1;
        let entry = &self.entries[index];
        if at < entry.file_at() {
            Part::Head(index, at - entry.at)
        } else if at < entry.tail_at() {
            Part::File(index, at - entry.file_at())
        } else {
            Part::Tail(index, at - entry.tail_at())
        }
    }

    /// Returns the end of the list of files.
    fn end(&self) -> Vec<u8> {
        let (count, length) = (self.entries.len() as u64, self.end_at - self.list_at);
        let mut end = Vec::with_capacity(98);
        if count >= MANY || self.list_at >= LONG || length >= LONG {
            end.extend(0x0606_4b50_u32.to_le_bytes());
            end.extend(44_u64.to_le_bytes());
            end.extend(MADE_BY.to_le_bytes());
            end.extend(45_u16.to_le_bytes());
            end.extend([0; 8]);
            for number in [count, count, length, self.list_at] {
                end.extend(number.to_le_bytes());
            }
            end.extend(0x0706_4b50_u32.to_le_bytes());
            end.extend([0; 4]);
            end.extend(self.end_at.to_le_bytes());
            end.extend(1_u32.to_le_bytes());
        }
        end.extend(0x0605_4b50_u32.to_le_bytes());
        end.extend([0; 4]);
        let many = u16::try_from(count).unwrap_or(u16::MAX);
        end.extend(many.to_le_bytes());
        end.extend(many.to_le_bytes());
        end.extend(short(length).to_le_bytes());
        end.extend(short(self.list_at).to_le_bytes());
        end.extend([0; 2]);
        end
    }
}

impl Entry {
    fn name(&self) -> &[u8] {
        self.listed.name.as_str().as_bytes()
    }

    fn is_long(&self) -> bool {
        self.listed.size >= LONG
    }

    fn file_at(&self) -> u64 {
        self.at + self.head().len() as u64
    }

    fn tail_at(&self) -> u64 {
        self.file_at() + self.listed.size
    }

    fn checksum(&self) -> Option<u32> {
        let known = self.checksum.load(Ordering::Acquire);
        let checksum = u32::try_from(known & LONG).ok()?;
        (known & KNOWN != 0).then_some(checksum)
    }

    fn set_checksum(&self, checksum: u32) {
        self.checksum
            .store(KNOWN | u64::from(checksum), Ordering::Release);
    }

    /// Appends what both heads of a file have in common.
    fn common(&self, bytes: &mut Vec<u8>, checksum: u32, size: u32, extra: usize) {
        bytes.extend(45_u16.to_le_bytes());
        bytes.extend(FLAGS.to_le_bytes());
        bytes.extend(0_u16.to_le_bytes());
        let (time, date) = dos_time(self.listed.modified);
        bytes.extend(time.to_le_bytes());
        bytes.extend(date.to_le_bytes());
        bytes.extend(checksum.to_le_bytes());
        bytes.extend(size.to_le_bytes());
        bytes.extend(size.to_le_bytes());
        bytes.extend(
            u16::try_from(self.name().len())
                .unwrap_or(u16::MAX)
                .to_le_bytes(),
        );
        bytes.extend(u16::try_from(extra).unwrap_or(u16::MAX).to_le_bytes());
    }

    /// Returns the field with the time of the last change in UTC.
    fn time_field(&self) -> Vec<u8> {
        let since = self
            .listed
            .modified
            .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        let seconds = since.and_then(|since| i32::try_from(since.as_secs()).ok());
        let field = |seconds: i32| [&[0x55, 0x54, 5, 0, 1][..], &seconds.to_le_bytes()].concat();
        seconds.map(field).unwrap_or_default()
    }

    /// Returns what stands before the file.
    fn head(&self) -> Vec<u8> {
        let mut extra = self.time_field();
        if self.is_long() {
            extra.extend([1, 0, 16, 0]);
            extra.extend([0; 16]);
        }
        let size = if self.is_long() { u32::MAX } else { 0 };
        let mut head = Vec::with_capacity(64 + self.name().len());
        head.extend(0x0403_4b50_u32.to_le_bytes());
        self.common(&mut head, 0, size, extra.len());
        head.extend(self.name());
        head.extend(extra);
        head
    }

    /// Returns what stands behind the file.
    fn tail(&self) -> Vec<u8> {
        let mut tail = Vec::with_capacity(24);
        tail.extend(0x0807_4b50_u32.to_le_bytes());
        tail.extend(self.checksum().unwrap_or_default().to_le_bytes());
        for _ in 0..2 {
            if self.is_long() {
                tail.extend(self.listed.size.to_le_bytes());
            } else {
                tail.extend(short(self.listed.size).to_le_bytes());
            }
        }
        tail
    }

    /// Returns its entry in the list of files.
    fn list(&self) -> Vec<u8> {
        let mut long = Vec::new();
        if self.is_long() {
            long.extend(self.listed.size.to_le_bytes());
            long.extend(self.listed.size.to_le_bytes());
        }
        if self.at >= LONG {
            long.extend(self.at.to_le_bytes());
        }
        let mut extra = self.time_field();
        if !long.is_empty() {
            extra.extend([1, 0, u8::try_from(long.len()).unwrap_or(u8::MAX), 0]);
            extra.extend(long);
        }
        let mut entry = Vec::with_capacity(96 + self.name().len());
        entry.extend(0x0201_4b50_u32.to_le_bytes());
        entry.extend(MADE_BY.to_le_bytes());
        let checksum = self.checksum().unwrap_or_default();
        self.common(&mut entry, checksum, short(self.listed.size), extra.len());
        entry.extend([0; 6]);
        entry.extend(ATTRIBUTES.to_le_bytes());
        entry.extend(short(self.at).to_le_bytes());
        entry.extend(self.name());
        entry.extend(extra);
        entry
    }
}

fn short(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Returns a time and a date as MS-DOS has them, from 1980 on.
fn dos_time(time: Option<SystemTime>) -> (u16, u16) {
    let since = time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    let seconds = since.map_or(0, |since| since.as_secs());
    let (year, month, day) = date_of(seconds / 86_400);
    let of_day = seconds % 86_400;
    let Some(years) = year.checked_sub(1980).filter(|years| *years < 128) else {
        return (0, 1 << 5 | 1);
    };
    let date = years << 9 | month << 5 | day;
    let (hours, minutes, pairs) = (of_day / 3_600, of_day % 3_600 / 60, of_day % 60 / 2);
    let time = hours << 11 | minutes << 5 | pairs;
    let narrow = |number: u64| u16::try_from(number).unwrap_or_default();
    (narrow(time), narrow(date))
}

/// Returns year, month and day of a day since 1970.
fn date_of(day: u64) -> (u64, u64, u64) {
    let day = day + 719_468;
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + u64::from(month <= 2), month, day)
}

impl Zip {
    /// Creates the reader of all of a ZIP.
    pub(in crate::server) fn new(share: Arc<Share>, manifest: Arc<Manifest>) -> Zip {
        Zip {
            left: 0..manifest.size(),
            share,
            manifest,
            open: None,
        }
    }

    /// Keeps the bytes of a range only.
    pub(in crate::server) fn cut(&mut self, range: Range<u64>) {
        let size = self.manifest.size();
        self.left = range.start.min(size)..range.end.min(size);
    }

    /// Returns the number of bytes that are left.
    pub(in crate::server) fn length(&self) -> u64 {
        self.left.end - self.left.start
    }

    /// Returns the next bytes, as many as there is room for, or `None` after the last one.
    ///
    /// # Errors
    /// Errors if a file cannot be read, or is another one than was listed.
    pub(in crate::server) async fn next(
        &mut self,
        disk: &Disk,
        room: Room,
    ) -> io::Result<Option<Bytes>> {
        if self.left.is_empty() {
            return Ok(None);
        }
        loop {
            let mut reader = self.taken();
            let (memory, size) = (room.memory(), room.size());
            let job = move || {
                let filled = reader.fill(memory.buffer(size), size);
                (reader, filled)
            };
            let (reader, filled) = disk.run(job).await?;
            *self = reader;
            match filled? {
                Filled::Bytes(bytes) => return Ok(Some(room.hold(bytes))),
                Filled::Checksum(index) => self.find_checksum(disk, index).await?,
            }
        }
    }

    /// Takes the reader, for a job.
    fn taken(&mut self) -> Zip {
        Zip {
            share: Arc::clone(&self.share),
            manifest: Arc::clone(&self.manifest),
            left: self.left.clone(),
            open: self.open.take(),
        }
    }

    /// Fills a buffer up to `most` bytes. Blocks.
    fn fill(&mut self, mut bytes: Buffer, most: usize) -> io::Result<Filled> {
        while bytes.len() < most && !self.left.is_empty() {
            let manifest = Arc::clone(&self.manifest);
            let part = manifest.part(self.left.start);
            if let Part::Tail(index, _) | Part::List(index, _) = part
                && manifest.entries[index].checksum().is_none()
            {
                if bytes.is_empty() {
                    return Ok(Filled::Checksum(index));
                }
                break;
            }
            let (piece, from) = match part {
                Part::Head(index, from) => (manifest.entries[index].head(), from),
                Part::Tail(index, from) => (manifest.entries[index].tail(), from),
                Part::List(index, from) => (manifest.entries[index].list(), from),
                Part::End(from) => (manifest.end(), from),
                Part::File(index, from) => {
                    let length = (most - bytes.len()) as u64;
                    (self.read(index, from, length)?, 0)
                }
            };
            let from = usize::try_from(from).map_err(io::Error::other)?;
            let left = usize::try_from(self.length()).unwrap_or(usize::MAX);
            let rest = &piece[from..];
            let rest = &rest[..rest.len().min(left).min(most - bytes.len())];
            bytes.extend_from_slice(rest);
            self.left.start += rest.len() as u64;
        }
        Ok(Filled::Bytes(bytes))
    }

    /// Reads at most `length` bytes of a file from a place on. Blocks.
    fn read(&mut self, index: usize, from: u64, length: u64) -> io::Result<Vec<u8>> {
        let manifest = Arc::clone(&self.manifest);
        let entry = &manifest.entries[index];
        if self.open.as_ref().is_none_or(|open| open.entry != index) {
            self.open = Some(Open {
                entry: index,
                file: open(&self.share, &entry.listed)?,
                checksum: (from == 0).then(|| (Hasher::new(), 0)),
            });
        }
        let opened = self.open.as_mut().expect("it was opened just now");
        let left = (entry.listed.size - from).min(self.left.end - self.left.start);
        let bytes = read(&opened.file, from..from + length.min(left))?;
        if let Some((hasher, at)) = &mut opened.checksum
            && *at == from
        {
            hasher.update(&bytes);
            *at += bytes.len() as u64;
            if *at == entry.listed.size {
                entry.set_checksum(hasher.clone().finalize());
            }
        }
        Ok(bytes)
    }

    /// Reads a file for its checksum.
    async fn find_checksum(&mut self, disk: &Disk, index: usize) -> io::Result<()> {
        let (share, manifest) = (Arc::clone(&self.share), Arc::clone(&self.manifest));
        let listed = manifest.entries[index].listed.clone();
        let size = listed.size;
        let file = Arc::new(disk.run(move || open(&share, &listed)).await??);
        let (mut hasher, mut at) = (Hasher::new(), 0);
        while at < size {
            let (file, range) = (Arc::clone(&file), at..size.min(at + CHECKSUM_PART));
            at = range.end;
            let job = move || {
                hasher.update(&read(&file, range)?);
                Ok::<_, io::Error>(hasher)
            };
            hasher = disk.run(job).await??;
        }
        manifest.entries[index].set_checksum(hasher.finalize());
        Ok(())
    }
}

/// Opens a file that is as it was listed. Blocks.
fn open(share: &Share, listed: &Listed) -> io::Result<SharedFile> {
    let file = share.read(&listed.name).map_err(io::Error::other)?;
    if file.stamp.size != listed.size || file.stamp.modified() != listed.modified {
        return Err(io::Error::other("a file changed while it was sent"));
    }
    Ok(file)
}

/// Reads a range of a file that has not changed. Blocks.
fn read(shared: &SharedFile, range: Range<u64>) -> io::Result<Vec<u8>> {
    let length = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
    let mut bytes = Vec::with_capacity(length);
    let read = files::read_exact_at(&shared.file, range.start, length, &mut bytes);
    if !shared.is_unchanged()? {
        return Err(io::Error::other("a file changed while it was sent"));
    }
    read.map(|()| bytes)
}

#[cfg(test)]
mod tests;
