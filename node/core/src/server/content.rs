//! Content that can be sent: where its bytes come from.
//!
//! # Invariants
//! - A shared file must keep its stamp until its last byte was read. What is sent
//!   under a digest is held against it, piece by piece, from the share as from the
//!   cache. Otherwise the reading ends with an error.
//! - Content is read in chunks. What is in memory is short and counted by [`Memory`], or one
//!   chunk.

use std::{io, ops::Range, sync::Arc};

use bytes::Bytes;
use node_base::platform::files;
use node_wire::{
    Digest,
    content::{ContentScan, Scanned},
};

use super::{
    bundle::Bundle,
    kinds::Key,
    relay::Relay,
    upload::{Buffer, Memory, Room},
    web::zip::Zip,
};
use crate::{
    cache::CachedBlob,
    client::BlobBody,
    disk::Disk,
    pieces::{BLOCK_SIZE, PIECE_SIZE, PieceTree},
    share::{
        Digests, SharedBlob, SharedFile,
        checked::{BlobPlace, CheckedBlob, PartReader},
    },
};

/// Longest content that is looked at before its answer begins, in bytes.
const LOOK_SHORT: u64 = 4 << 20;

/// Bytes that one job reads to look at content.
const SCAN: u64 = 256 << 10;

/// The source of content.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Origin {
    /// A file of the share.
    Share,
    /// A blob of the cache.
    Cache,
    /// A peer that is sending it.
    Peer,
    /// The tree of content, which is not content itself.
    Tree,
    /// Many small files, which count themselves.
    Bundle,
}

/// Content that is read once, from its beginning to its end.
#[derive(Debug)]
pub(super) struct Content {
    origin: Origin,
    source: ByteSource,
}

#[derive(Debug)]
enum ByteSource {
    /// All that is left.
    Memory(Bytes),
    /// A file of the share.
    File {
        file: Arc<SharedFile>,
        left: Range<u64>,
    },
    /// A blob of the share or the cache.
    Blob {
        blob: Blob,
        left: Range<u64>,
        /// Bytes that were read and not taken yet.
        ahead: Bytes,
        /// The reader of its pieces, part by part.
        reader: PartReader,
    },
    /// The tree of content of the share.
    Tree {
        digests: Arc<Digests>,
        digest: Digest,
        left: Range<u64>,
    },
    /// A file that a peer is sending.
    Peer(Box<Relay>),
    /// A range of content that a peer is sending, which is passed on.
    Passed {
        body: Box<BlobBody>,
        left: u64,
        /// Bytes that arrived and were not taken yet.
        ahead: Bytes,
    },
    /// Many small files of the share or the cache.
    Bundle(Box<Bundle>),
    /// Many files of the share as one.
    Zip(Box<Zip>),
}

/// A blob of the share or the cache.
type Blob = Arc<CheckedBlob<dyn BlobPlace>>;

impl Content {
    /// Creates content from a file of the share, which is read at once if it is
    /// short. Blocks.
    pub(super) fn of_file(shared: SharedFile, memory: &Memory) -> io::Result<Content> {
        let left = 0..shared.stamp.size;
        let source = if left.end <= memory.whole() {
            let mut all = memory.buffer(length(&left)?);
            read_file(&shared, left, &mut all)?;
            ByteSource::Memory(memory.hold(all))
        } else {
            let file = Arc::new(shared);
            ByteSource::File { file, left }
        };
        Ok(Content {
            origin: Origin::Share,
            source,
        })
    }

    /// Creates content from a blob of the share, which is read at once if it is
    /// short. Blocks.
    ///
    /// # Errors
    /// Errors if it is read and does not match its digest.
    pub(super) fn of_shared_blob(blob: SharedBlob, memory: &Memory) -> io::Result<Content> {
        let source = if (1..=memory.whole()).contains(&blob.size()) {
            let mut all = memory.buffer(length(&(0..blob.size()))?);
            blob.read_piece(0, &mut all)?;
            ByteSource::Memory(memory.hold(all))
        } else {
            ByteSource::whole(Arc::new(blob))
        };
        Ok(Content {
            origin: Origin::Share,
            source,
        })
    }

    /// Creates content from a blob of the cache.
    pub(super) fn of_blob(blob: CachedBlob) -> Content {
        Content {
            origin: Origin::Cache,
            source: ByteSource::whole(Arc::new(blob)),
        }
    }

    /// Creates the sender of the tree of content of the share, which is `length` bytes long.
    pub(super) fn of_tree(digests: Arc<Digests>, digest: Digest, length: u64) -> Content {
        let left = 0..length;
        Content {
            origin: Origin::Tree,
            source: ByteSource::Tree {
                digests,
                digest,
                left,
            },
        }
    }

    /// Creates the sender of the tree of a cached blob.
    pub(super) fn of_cached_tree(tree: &PieceTree) -> Content {
        Content {
            origin: Origin::Tree,
            source: ByteSource::Memory(tree.to_bytes().into()),
        }
    }

    /// Reads as many of the bytes that are left of a blob as there is room for, and checks their piece, so that
    /// nothing is said of content that does not match its digest.
    ///
    /// # Errors
    /// Errors if the piece cannot be read or is wrong.
    pub(super) async fn check_first(&mut self, disk: &Disk, room: Room) -> io::Result<()> {
        if let ByteSource::Blob {
            blob,
            left,
            ahead,
            reader,
        } = &mut self.source
        {
            fill(disk, blob, (left, ahead, reader), room).await?;
        }
        Ok(())
    }

    /// Creates content from a file that a peer is sending.
    pub(super) fn of_relay(mut relay: Relay) -> Content {
        let source = match relay.take_whole() {
            Some(all) => ByteSource::Memory(all),
            None => ByteSource::Peer(Box::new(relay)),
        };
        Content {
            origin: Origin::Peer,
            source,
        }
    }

    /// Creates content from `length` bytes that a peer is sending.
    pub(super) fn of_passed(body: BlobBody, length: u64) -> Content {
        Content {
            origin: Origin::Peer,
            source: ByteSource::Passed {
                body: Box::new(body),
                left: length,
                ahead: Bytes::new(),
            },
        }
    }

    /// Creates content from many small files.
    pub(super) fn of_bundle(bundle: Bundle) -> Content {
        Content {
            origin: Origin::Bundle,
            source: ByteSource::Bundle(Box::new(bundle)),
        }
    }

    /// Creates content from many files as one.
    pub(super) fn of_zip(zip: Zip) -> Content {
        Content {
            origin: Origin::Share,
            source: ByteSource::Zip(Box::new(zip)),
        }
    }

    /// Returns where the bytes come from.
    pub(super) fn origin(&self) -> Origin {
        self.origin
    }

    /// Returns whether reading goes to the disk.
    pub(super) fn is_on_disk(&self) -> bool {
        matches!(
            self.source,
            ByteSource::File { .. }
                | ByteSource::Blob { .. }
                | ByteSource::Tree { .. }
                | ByteSource::Bundle(_)
                | ByteSource::Zip(_)
        )
    }

    /// Returns the number of bytes, if it is known.
    pub(super) fn length(&self) -> Option<u64> {
        match &self.source {
            ByteSource::Memory(all) => Some(all.len() as u64),
            ByteSource::File { left, .. } | ByteSource::Tree { left, .. } => {
                Some(left.end - left.start)
            }
            ByteSource::Blob { left, ahead, .. } => {
                Some(left.end - left.start + ahead.len() as u64)
            }
            ByteSource::Passed { left, .. } => Some(*left),
            ByteSource::Zip(zip) => Some(zip.length()),
            ByteSource::Peer(_) | ByteSource::Bundle(_) => None,
        }
    }

    /// Keeps the bytes of `range` only. A peer's content and a bundle stay whole.
    pub(super) fn cut(&mut self, range: Range<u64>) {
        match &mut self.source {
            ByteSource::Memory(all) => {
                let at = |offset| usize::try_from(offset).unwrap_or(usize::MAX).min(all.len());
                *all = all.slice(at(range.start)..at(range.end));
            }
            ByteSource::File { left, .. }
            | ByteSource::Blob { left, .. }
            | ByteSource::Tree { left, .. } => {
                *left = range.start.min(left.end)..range.end.min(left.end);
            }
            ByteSource::Zip(zip) => zip.cut(range),
            ByteSource::Peer(_) | ByteSource::Passed { .. } | ByteSource::Bundle(_) => {}
        }
    }

    /// Returns all that is left, if it is in memory; nothing is left then.
    pub(super) fn take_memory(&mut self) -> Option<Bytes> {
        match &mut self.source {
            ByteSource::Memory(all) => Some(std::mem::take(all)),
            _ => None,
        }
    }

    /// Returns the next bytes, as many as there is room for, or `None` after the last one.
    ///
    /// # Errors
    /// Errors if they cannot be read, or have changed since the beginning.
    pub(super) async fn next(&mut self, disk: &Disk, room: Room) -> io::Result<Option<Bytes>> {
        let most = room.size();
        match &mut self.source {
            ByteSource::Memory(all) => Ok(taken(all, most)),
            ByteSource::File { file, left } => {
                if left.is_empty() {
                    return Ok(None);
                }
                let end = left.end.min(left.start.saturating_add(most as u64));
                let (file, range) = (Arc::clone(file), left.start..end);
                let memory = room.memory();
                let job = move || {
                    let mut chunk = memory.buffer(length(&range)?);
                    read_file(&file, range, &mut chunk)?;
                    Ok::<_, io::Error>(chunk)
                };
                let chunk = disk.run(job).await??;
                left.start = end;
                Ok(Some(room.hold(chunk)))
            }
            ByteSource::Blob {
                blob,
                left,
                ahead,
                reader,
            } => {
                fill(disk, blob, (left, ahead, reader), room).await?;
                Ok(taken(ahead, most))
            }
            ByteSource::Tree {
                digests,
                digest,
                left,
            } => {
                if left.is_empty() {
                    return Ok(None);
                }
                let range = left.start..left.end.min(left.start.saturating_add(most as u64));
                left.start = range.end;
                let (digests, digest) = (Arc::clone(digests), *digest);
                let read = disk.run(move || digests.read_tree(&digest, range)).await?;
                let chunk = read.ok_or_else(|| io::Error::other("the tree is gone"))?;
                Ok(Some(room.hold(chunk)))
            }
            ByteSource::Peer(relay) => relay.next(room).await,
            ByteSource::Passed { body, left, ahead } => {
                if ahead.is_empty()
                    && let Some(arrived) = body.next().await.map_err(io::Error::other)?
                {
                    *ahead = room.hold(arrived);
                }
                let bytes = taken(ahead, most);
                *left -= bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
                Ok(bytes)
            }
            ByteSource::Bundle(bundle) => bundle.next(disk, room).await,
            ByteSource::Zip(zip) => zip.next(disk, room).await,
        }
    }

    /// Reads the next bytes and gives the content back with them.
    pub(super) async fn read(
        mut self,
        disk: Disk,
        room: Room,
    ) -> (Content, io::Result<Option<Bytes>>) {
        let chunk = self.next(&disk, room).await;
        (self, chunk)
    }

    /// Returns the key under which the kind of long content is kept; `None` if a look at the
    /// content is short.
    pub(super) fn long_key(&self) -> Option<Key> {
        match &self.source {
            ByteSource::File { file, .. } if file.stamp.size > LOOK_SHORT => {
                Some(Key::File(file.stamp))
            }
            ByteSource::Blob { blob, .. } if blob.tree().size() > LOOK_SHORT => {
                Some(Key::Blob(blob.tree().digest()))
            }
            _ => None,
        }
    }

    /// Reads the content as far as it takes to know how it travels in an
    /// answer to `query`. Every piece of a blob is checked; a blob that is short enough
    /// stays in memory. `None` for the content of a peer and for a bundle.
    ///
    /// # Errors
    /// As [`Content::next`].
    pub(super) async fn scan(
        &mut self,
        disk: &Disk,
        memory: &Memory,
    ) -> io::Result<Option<Scanned>> {
        match &mut self.source {
            ByteSource::Memory(all) => {
                let mut scan = ContentScan::new();
                scan.push(all);
                Ok(Some(scan.finish()))
            }
            ByteSource::File { file, .. } => scan_file(disk, memory, file).await.map(Some),
            ByteSource::Blob { blob, .. } => {
                let (scanned, only_piece) = scan_blob(disk, memory, blob).await?;
                if let Some(all) = only_piece.filter(|all| all.len() as u64 <= memory.whole()) {
                    self.source = ByteSource::Memory(memory.hold(all));
                }
                Ok(Some(scanned))
            }
            ByteSource::Tree { .. }
            | ByteSource::Peer(_)
            | ByteSource::Passed { .. }
            | ByteSource::Bundle(_)
            | ByteSource::Zip(_) => Ok(None),
        }
    }
}

impl ByteSource {
    fn whole(blob: Blob) -> ByteSource {
        ByteSource::Blob {
            left: 0..blob.tree().size(),
            blob,
            ahead: Bytes::new(),
            reader: PartReader::default(),
        }
    }
}

/// Reads as many of the bytes that are left of a blob as there is room for, of one piece, into `ahead` if that is empty.
async fn fill(
    disk: &Disk,
    blob: &Blob,
    (left, ahead, reader): (&mut Range<u64>, &mut Bytes, &mut PartReader),
    room: Room,
) -> io::Result<()> {
    if !ahead.is_empty() || left.is_empty() {
        return Ok(());
    }
    let part = next_part(left, room.size() as u64);
    let (blob, mut used, memory) = (blob.clone(), std::mem::take(reader), room.memory());
    let job = move || {
        let mut bytes = memory.buffer(length(&part)?);
        let mut more = memory.buffer(used.more(blob.tree(), &part));
        blob.read_part(part, &mut used, &mut bytes, &mut more)?;
        Ok::<_, io::Error>((bytes, used))
    };
    let (bytes, used) = disk.run(job).await??;
    (*ahead, *reader) = (room.hold(bytes), used);
    left.start += ahead.len() as u64;
    Ok(())
}

fn length(range: &Range<u64>) -> io::Result<usize> {
    usize::try_from(range.end - range.start).map_err(io::Error::other)
}

/// Returns the first part of `left` that lies in one piece and ends where a block does, at least to the end of a block
/// and at most `most` bytes otherwise.
fn next_part(left: &Range<u64>, most: u64) -> Range<u64> {
    let piece_end = (left.start / PIECE_SIZE + 1) * PIECE_SIZE;
    let block_end = (left.start / BLOCK_SIZE + 1) * BLOCK_SIZE;
    let most_end = (left.start + most) / BLOCK_SIZE * BLOCK_SIZE;
    let end = most_end.max(block_end).min(piece_end);
    left.start..end.min(left.end)
}

/// Takes at most `most` bytes of `ahead`.
pub(super) fn taken(ahead: &mut Bytes, most: usize) -> Option<Bytes> {
    (!ahead.is_empty()).then(|| ahead.split_to(most.min(ahead.len())))
}

/// Reads a part of a file into `chunk`, in place of what was there. Blocks.
fn read_file(shared: &SharedFile, range: Range<u64>, chunk: &mut Vec<u8>) -> io::Result<()> {
    let length = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
    let read = files::read_exact_at(&shared.file, range.start, length, chunk);
    let is_cut = matches!(&read, Err(error) if error.kind() == io::ErrorKind::UnexpectedEof);
    if is_cut || !shared.is_unchanged()? {
        return Err(io::Error::other("the file changed while it was sent"));
    }
    read
}

/// Scans a file of the share, and not further than it is known to be binary.
async fn scan_file(disk: &Disk, memory: &Memory, file: &Arc<SharedFile>) -> io::Result<Scanned> {
    let (mut scan, mut at) = (ContentScan::new(), 0);
    let size = file.stamp.size;
    while at < size && scan.may_be_text() {
        let (file, memory, range) = (Arc::clone(file), memory.clone(), at..size.min(at + SCAN));
        at = range.end;
        let job = move || {
            let mut part = memory.buffer(length(&range)?);
            read_file(&file, range, &mut part)?;
            scan.push(&part);
            Ok::<_, io::Error>(scan)
        };
        scan = disk.run(job).await??;
    }
    Ok(if scan.may_be_text() {
        scan.finish()
    } else {
        Scanned::binary(size)
    })
}

/// Scans a blob, and returns it too if it is one piece.
async fn scan_blob(
    disk: &Disk,
    memory: &Memory,
    blob: &Blob,
) -> io::Result<(Scanned, Option<Buffer>)> {
    let count = blob.tree().count();
    let (mut scan, mut only) = (ContentScan::new(), None);
    for index in 0..count {
        let (blob, memory) = (blob.clone(), memory.clone());
        let job = move || {
            let mut piece = memory.buffer(length(&blob.tree().range(index))?);
            blob.read_piece(index, &mut piece)?;
            scan.push(&piece);
            Ok::<_, io::Error>((scan, (count == 1).then_some(piece)))
        };
        (scan, only) = disk.run(job).await??;
    }
    Ok((scan.finish(), only))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_are_in_one_piece_and_no_longer_than_they_may(
            start in 0..2_000_000_u64, length in 1..2_000_000_u64, most in 1..=PIECE_SIZE,
        ) {
            let mut left = start..start + length;
            while !left.is_empty() {
                let part = next_part(&left, most);
                prop_assert_eq!(part.start, left.start);
                prop_assert!(part.end > part.start && part.end <= left.end);
                prop_assert_eq!(part.start / PIECE_SIZE, (part.end - 1) / PIECE_SIZE);
                prop_assert!(part.end - part.start <= most.max(BLOCK_SIZE));
                prop_assert!(part.end == left.end || part.end.is_multiple_of(BLOCK_SIZE));
                left.start = part.end;
            }
        }

        #[test]
        fn long_parts_are_whole_pieces(pieces in 1..9_u64, more in 0..PIECE_SIZE) {
            let mut left = 0..pieces * PIECE_SIZE + more;
            for _ in 0..pieces {
                let part = next_part(&left, PIECE_SIZE);
                prop_assert_eq!(part.end - part.start, PIECE_SIZE);
                left.start = part.end;
            }
        }
    }
}
