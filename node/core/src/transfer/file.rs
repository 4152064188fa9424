//! The file that a fetch receives: its temporary, from the first byte to the commit.
//!
//! # States
//! - [`LeftOver`]: checked pieces of an earlier fetch; which of them are right is not known.
//! - [`Verified`]: pieces of content whose tree is known; only a [`CheckedPiece`] can be written.
//! - [`Unverified`]: one answer to `query`, taken as it comes, into a temporary of its own.
//!
//! None of them turns into another kind, so bytes of one source never end up among those of another. Only
//! [`Verified`] and [`CheckedPiece`] know a digest.
//!
//! # Invariants
//! - There is a record of the temporary of a [`Verified`] and of a [`LeftOver`]. The temporary outlives both, unless
//!   it is committed or discarded. A commit that fails leaves both, unless the name is taken.
//! - What the system refused to bring to the disk is written once more before the next commit: it may have forgotten
//!   the bytes and call them written.
//! - The temporary of an [`Unverified`] goes when it is dropped.
//! - A file is committed if it is whole: all pieces are checked, or the answer came to its end.
//! - All calls block; they belong on the blocking pool.

use std::{
    io,
    sync::{Arc, atomic::AtomicBool},
    time::SystemTime,
};

use bytes::Bytes;
use node_wire::{About, Digest, name::ShareName, peer_url::PeerUrl};

use super::{
    Goal,
    records::{Record, Records},
};
use crate::{
    pieces::{PIECE_SIZE, PieceTree, TreeHasher},
    share::{Digests, Incoming, IncomingStream, Replace, Share, ShareError, SharedBlob},
};

/// The target of the bytes of a fetch.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) share: Arc<Share>,
    pub(super) digests: Arc<Digests>,
    pub(super) records: Arc<Records>,
    /// The fetch.
    pub(super) id: u64,
    pub(super) name: ShareName,
    pub(super) goal: Goal,
    pub(super) replace: Replace,
    #[cfg(test)]
    pub(super) faults: Arc<super::faults::Faults>,
}

/// A piece whose bytes are right.
#[derive(Debug)]
pub(super) struct CheckedPiece {
    index: u64,
    offset: u64,
    chunks: Vec<Bytes>,
}

/// The bytes that an earlier fetch received.
#[derive(Debug)]
pub(super) struct LeftOver {
    record: Record,
    incoming: Incoming,
}

/// Content of which every byte is checked.
#[derive(Debug)]
pub(super) struct Verified {
    target: Target,
    incoming: Arc<Incoming>,
    tree: PieceTree,
    about: About,
    done: Vec<bool>,
}

/// Writes checked pieces of a [`Verified`].
#[derive(Clone, Debug)]
pub(super) struct PieceWriter {
    incoming: Arc<Incoming>,
    tree: PieceTree,
    #[cfg(test)]
    target: Target,
}

/// One answer to `query`.
#[derive(Debug)]
pub(super) struct Unverified {
    stream: IncomingStream,
}

impl Target {
    /// Checks that the name can be stored.
    ///
    /// # Errors
    /// As [`Share::begin`].
    pub(super) fn check(&self) -> Result<(), ShareError> {
        self.share.begin(&self.name, self.replace).map(drop)
    }

    /// Stores content of one piece.
    ///
    /// # Errors
    /// As [`Incoming::commit`].
    pub(super) fn store(
        &self,
        tree: &PieceTree,
        piece: &CheckedPiece,
        about: About,
    ) -> Result<(), ShareError> {
        let incoming = self.share.begin(&self.name, self.replace)?;
        piece.write(&incoming)?;
        self.commit(incoming, tree, about)
    }

    fn commit(&self, incoming: Incoming, tree: &PieceTree, about: About) -> Result<(), ShareError> {
        #[cfg(test)]
        self.faults.committing(&self.name)?;
        match incoming.commit(tree.size(), about.into()) {
            Ok(stamp) => self.digests.learned(&self.name, stamp, tree),
            Err(error) => self.is_placed(error)?,
        }
        #[cfg(test)]
        self.faults.committed(self.id);
        Ok(())
    }

    /// Passes over an error after which the file is in its place all the same.
    fn is_placed(&self, error: ShareError) -> Result<(), ShareError> {
        if !error.is_placed() {
            return Err(error);
        }
        tracing::warn!(name = %self.name, %error, "a crash of the machine may lose the name of a file");
        Ok(())
    }

    /// Opens the temporary that a record names. One that cannot be opened is removed.
    ///
    /// # Errors
    /// As [`Share::resume`].
    pub(super) fn open(&self, record: Record) -> Result<LeftOver, ShareError> {
        let opened = self
            .share
            .resume(&self.name, self.replace, &record.temporary);
        match opened {
            Ok(mut incoming) => {
                incoming.stay_if(always());
                let mut record = record;
                if record.temporary != incoming.temporary() {
                    self.records.moved(&record.temporary, incoming.temporary());
                    incoming.temporary().clone_into(&mut record.temporary);
                }
                Ok(LeftOver { record, incoming })
            }
            Err(error) => {
                self.remove(&record.temporary);
                Err(error)
            }
        }
    }

    fn remove(&self, temporary: &str) {
        self.share.remove_temporary(temporary);
        self.records.remove(temporary);
    }
}

/// Returns the flag for [`Incoming::stay_if`] that keeps the temporary in any case.
fn always() -> Arc<AtomicBool> {
    Arc::new(AtomicBool::new(true))
}

impl CheckedPiece {
    /// Checks the bytes of a piece. `None` if they are wrong.
    pub(super) fn check(tree: &PieceTree, index: u64, chunks: Vec<Bytes>) -> Option<CheckedPiece> {
        let mut check = tree.check(index);
        chunks.iter().for_each(|chunk| check.push(chunk));
        check.is_right().then(|| CheckedPiece {
            index,
            offset: tree.range(index).start,
            chunks,
        })
    }

    fn write(&self, incoming: &Incoming) -> Result<(), ShareError> {
        incoming.write_parts_at(&self.chunks, self.offset)
    }
}

impl LeftOver {
    pub(super) fn digest(&self) -> Digest {
        self.record.digest
    }

    pub(super) fn bytes(&self) -> u64 {
        self.record.bytes
    }

    pub(super) fn holders(&self) -> &[PeerUrl] {
        &self.record.holders
    }

    /// Returns the peers that sent wrong bytes of it.
    pub(super) fn liars(&self) -> &[PeerUrl] {
        &self.record.liars
    }

    pub(super) fn temporary(&self) -> &str {
        &self.record.temporary
    }

    /// Returns whether all of it came and could not be committed.
    pub(super) fn is_uncommitted(&self) -> bool {
        self.record.is_uncommitted
    }

    /// Takes it for whole, if its bytes make the digest. Nobody need be asked for its tree then.
    pub(super) fn complete(self, target: Target) -> Result<Verified, Box<LeftOver>> {
        match self.read_whole() {
            Ok(tree) if tree.digest() == self.record.digest => {
                let count = usize::try_from(tree.count()).unwrap_or(usize::MAX);
                Ok(self.verified(target, tree, vec![true; count]))
            }
            Ok(_) => Err(Box::new(self)),
            Err(error) => {
                tracing::info!(name = %target.name, %error, "what was received before is not whole");
                Err(Box::new(self))
            }
        }
    }

    fn read_whole(&self) -> Result<PieceTree, ShareError> {
        let size = self.record.bytes;
        let mut hasher = TreeHasher::default();
        let mut buffer = Vec::new();
        while hasher.size() < size {
            let length = PIECE_SIZE.min(size - hasher.size());
            buffer.resize(usize::try_from(length).unwrap_or(usize::MAX), 0);
            self.incoming.read_at(&mut buffer, hasher.size())?;
            self.incoming.write_at(&buffer, hasher.size())?;
            hasher.push(&buffer);
        }
        Ok(hasher.finish())
    }

    fn verified(self, target: Target, tree: PieceTree, done: Vec<bool>) -> Verified {
        Verified {
            about: self.record.about,
            target,
            incoming: Arc::new(self.incoming),
            tree,
            done,
        }
    }

    /// Finds out which pieces are right.
    ///
    /// # Errors
    /// [`ShareError`] if it cannot be read or grown; the temporary and its record stay.
    pub(super) fn verify(self, target: Target, tree: PieceTree) -> Result<Verified, ShareError> {
        self.incoming.expect(tree.size())?;
        let mut buffer = vec![0; usize::try_from(PIECE_SIZE).unwrap_or(usize::MAX)];
        let mut done = Vec::new();
        for index in 0..tree.count() {
            let range = tree.range(index);
            let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
            let piece = &mut buffer[..length];
            self.incoming.read_at(piece, range.start)?;
            let mut check = tree.check(index);
            check.push(piece);
            let is_right = check.is_right();
            if is_right && self.record.is_uncommitted {
                self.incoming.write_at(piece, range.start)?;
            }
            done.push(is_right);
        }
        Ok(self.verified(target, tree, done))
    }

    /// Removes the temporary and its record.
    pub(super) fn discard(self, target: &Target) {
        drop(self.incoming);
        target.remove(&self.record.temporary);
    }
}

impl Verified {
    /// Makes a temporary for content of this tree, and its record, which names the holders and the liars
    /// that are known.
    ///
    /// # Errors
    /// As [`Share::begin`] and [`Incoming::expect`].
    pub(super) fn create(
        target: Target,
        tree: PieceTree,
        about: About,
        (holders, liars): (Vec<PeerUrl>, Vec<PeerUrl>),
    ) -> Result<Verified, ShareError> {
        let mut incoming = target.share.begin(&target.name, target.replace)?;
        incoming.expect(tree.size())?;
        target.records.add(Record {
            id: target.id,
            name: target.name.clone(),
            goal: target.goal,
            replace: target.replace,
            digest: tree.digest(),
            about,
            temporary: incoming.temporary().to_owned(),
            time: SystemTime::now(),
            is_active: true,
            is_uncommitted: false,
            bytes: 0,
            holders,
            liars,
        });
        incoming.stay_if(always());
        let count = usize::try_from(tree.count()).unwrap_or(usize::MAX);
        Ok(Verified {
            target,
            incoming: Arc::new(incoming),
            tree,
            about,
            done: vec![false; count],
        })
    }

    pub(super) fn tree(&self) -> &PieceTree {
        &self.tree
    }

    pub(super) fn temporary(&self) -> &str {
        self.incoming.temporary()
    }

    /// Returns the pieces that are there.
    pub(super) fn done(&self) -> &[bool] {
        &self.done
    }

    /// Returns the number of bytes that are there.
    pub(super) fn bytes(&self) -> u64 {
        let pieces = (0..self.tree.count()).zip(&self.done);
        let there = pieces.filter(|(_, done)| **done);
        there
            .map(|(piece, _)| self.tree.range(piece))
            .map(|range| range.end - range.start)
            .sum()
    }

    pub(super) fn writer(&self) -> PieceWriter {
        PieceWriter {
            incoming: Arc::clone(&self.incoming),
            tree: self.tree.clone(),
            #[cfg(test)]
            target: self.target.clone(),
        }
    }

    /// Notes that a piece was written.
    pub(super) fn written(&mut self, piece: &WrittenPiece) {
        let done = usize::try_from(piece.0)
            .ok()
            .and_then(|piece| self.done.get_mut(piece));
        if let Some(done) = done {
            *done = true;
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.done.iter().all(|done| *done)
    }

    /// Puts the file into its place. Gives it back if pieces are missing or are being written.
    ///
    /// # Errors
    /// As [`Incoming::commit`]. What came is kept with its record, unless another file has the name by now.
    pub(super) fn commit(self) -> Result<Result<(), ShareError>, Box<Verified>> {
        if !self.is_whole() {
            return Err(Box::new(self));
        }
        let Verified {
            target,
            incoming,
            tree,
            about,
            done,
        } = self;
        let temporary = incoming.temporary().to_owned();
        match Arc::try_unwrap(incoming) {
            Ok(incoming) => {
                let committed = target.commit(incoming, &tree, about);
                match &committed {
                    Err(error) if error.may_pass() => {
                        let now = SystemTime::now();
                        target.records.not_committed(&temporary, tree.size(), now);
                    }
                    _ => target.remove(&temporary),
                }
                Ok(committed)
            }
            Err(incoming) => Err(Box::new(Verified {
                target,
                incoming,
                tree,
                about,
                done,
            })),
        }
    }

    /// Removes the temporary and its record.
    pub(super) fn discard(self) {
        let temporary = self.temporary().to_owned();
        drop(self.incoming);
        self.target.remove(&temporary);
    }
}

/// A piece that is in its temporary.
#[derive(Debug)]
pub(super) struct WrittenPiece(u64);

impl PieceWriter {
    /// Checks a piece and writes it. `None` if its bytes are wrong.
    ///
    /// # Errors
    /// As [`Incoming::write_at`].
    pub(super) fn write(
        &self,
        index: u64,
        chunks: Vec<Bytes>,
    ) -> Result<Option<WrittenPiece>, ShareError> {
        CheckedPiece::check(&self.tree, index, chunks)
            .map(|piece| self.write_checked(&piece))
            .transpose()
    }

    /// Writes a piece that was checked against the same tree.
    ///
    /// # Errors
    /// As [`Incoming::write_at`].
    pub(super) fn write_checked(&self, piece: &CheckedPiece) -> Result<WrittenPiece, ShareError> {
        #[cfg(test)]
        self.target.faults.writing(&self.target.name)?;
        piece.write(&self.incoming)?;
        Ok(WrittenPiece(piece.index))
    }
}

/// Reads a piece of content that is in the share. It is not checked.
pub(super) fn read_piece(blob: &SharedBlob, index: u64) -> io::Result<Bytes> {
    let mut bytes = Vec::new();
    blob.read_piece(index, &mut bytes)?;
    Ok(bytes.into())
}

impl Unverified {
    /// Makes an empty temporary.
    ///
    /// # Errors
    /// As [`Share::begin`] and [`Incoming::into_stream`].
    pub(super) fn create(target: &Target) -> Result<Unverified, ShareError> {
        let incoming = target.share.begin(&target.name, target.replace)?;
        Ok(Unverified {
            stream: incoming.into_stream()?,
        })
    }

    /// Adds bytes to the end.
    ///
    /// # Errors
    /// As [`IncomingStream::write`].
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), ShareError> {
        self.stream.write(bytes)
    }

    /// Puts the file into its place.
    ///
    /// # Errors
    /// As [`IncomingStream::commit`].
    pub(super) fn commit(
        self,
        target: &Target,
        about: About,
        _whole: AnswerEnd,
    ) -> Result<(), ShareError> {
        #[cfg(test)]
        target.faults.committing(&target.name)?;
        if let Err(error) = self.stream.commit(about.into()) {
            target.is_placed(error)?;
        }
        #[cfg(test)]
        target.faults.committed(target.id);
        Ok(())
    }
}

/// Shows that an answer to `query` came to its end.
#[derive(Debug)]
pub(super) struct AnswerEnd(());

impl AnswerEnd {
    /// Returns this if a sender has nothing more to send, which it only says after a complete answer.
    pub(super) fn of(next: Option<&Bytes>) -> Option<AnswerEnd> {
        next.is_none().then_some(AnswerEnd(()))
    }
}
