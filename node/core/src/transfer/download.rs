//! Receiving content of a known digest, from several holders at a time.
//!
//! # Participants
//! [`Download`] is the content and where it goes; the [`Plan`] says who is
//! asked for what; a *lane* is one connection to one holder, which asks for one
//! span after the other.
//!
//! # Invariants
//! - A piece is held against the tree before it is written. A wrong one costs
//!   its holder, and what that holder brought before stays.
//! - A lane has at most two pieces in memory: one that arrives, one that is
//!   checked and written on a blocking thread.
//! - At most [`LANES_MAX`] lanes run, at most [`LANES_EACH`] to one holder.
//! - A download ends: whole, with an error of the disk, or when no holder is left and the search is over.

use std::{
    ops::Range,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::{Buf, Bytes};
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use node_wire::peer_url::PeerUrl;
use tokio::{select, task::JoinHandle};
use tokio_util::task::TaskTracker;

use super::{
    fetch::{FetchError, Fetcher, panicked},
    file::{PieceWriter, Verified, WrittenPiece},
    job::Job,
    plan::{HolderId, Plan, Span},
    sources::{Failure, Liars, Source, Sources},
};
use crate::{
    client::{BlobBody, CallError, Client, Destination},
    clock::now,
    disk::DiskError,
    pieces::PieceTree,
    share::ShareError,
    sync::lock,
};

/// Most connections of one download.
const LANES_MAX: usize = 8;

/// Most connections to one holder.
const LANES_EACH: usize = 2;

/// Longest wait for the head of an answer.
pub(super) const HEAD_TIME: Duration = Duration::from_secs(10);

/// Content on its way into its temporary.
pub(super) struct Download<'a> {
    fetcher: &'a Fetcher,
    job: &'a Job,
    tree: PieceTree,
    writer: PieceWriter,
    liars: &'a Liars,
    plan: Mutex<Plan>,
    written: Arc<Mutex<Vec<WrittenPiece>>>,
    writes: TaskTracker,
}

/// How a download ended.
pub(super) enum Outcome {
    /// All pieces are there.
    Whole,
    /// Nobody is left who delivers; what the last holder did wrong.
    Broken(Option<Failure>),
}

/// A holder and its connections.
struct Holder {
    id: HolderId,
    peer: Destination,
    lanes: usize,
}

/// Why a lane ended.
enum LaneEnd {
    /// There is nothing more to ask this holder for.
    Idle,
    /// The holder failed.
    Failed(Failure),
    /// The disk did.
    Disk(FetchError),
}

/// A piece that is checked and written.
type Writing = JoinHandle<Result<Result<bool, ShareError>, DiskError>>;

impl<'a> Download<'a> {
    /// A download of what is missing in `file`.
    pub(super) fn new(
        fetcher: &'a Fetcher,
        job: &'a Job,
        file: &Verified,
        liars: &'a Liars,
    ) -> Download<'a> {
        Download {
            fetcher,
            job,
            tree: file.tree().clone(),
            writer: file.writer(),
            liars,
            plan: Mutex::new(Plan::new(file.done().to_vec())),
            written: Arc::default(),
            writes: TaskTracker::new(),
        }
    }

    /// Waits for the pieces that are being written and returns all that were. Lanes that were cut short may have
    /// left one behind.
    pub(super) async fn finish(self) -> Vec<WrittenPiece> {
        self.writes.close();
        self.writes.wait().await;
        std::mem::take(&mut lock(&self.written))
    }

    /// Receives what is missing, first from `first`, and from everybody whom `sources` finds.
    pub(super) async fn receive(
        &self,
        first: Option<Source>,
        sources: &mut Sources,
    ) -> Result<Outcome, FetchError> {
        let mut lanes = FuturesUnordered::<BoxFuture<'_, (usize, LaneEnd)>>::new();
        let mut holders: Vec<Holder> = first
            .into_iter()
            .map(|source| self.holder(source.peer))
            .collect();
        let (mut searching, mut last) = (true, None);
        while !lock(&self.plan).is_whole() {
            self.start_lanes(&mut holders, &lanes);
            select! {
                found = sources.next_of(self.tree.digest(), self.tree.size()), if searching => match found {
                    Some(source) if !self.is_refused(&holders, &source) => {
                        holders.push(self.holder(source.peer));
                    }
                    Some(_) => {}
                    None => searching = false,
                },
                Some((holder, end)) = lanes.next(), if !lanes.is_empty() => {
                    holders[holder].lanes -= 1;
                    match end {
                        LaneEnd::Idle => {}
                        LaneEnd::Disk(error) => return Err(error),
                        LaneEnd::Failed(failure) => {
                            self.note(&holders[holder], &failure);
                            last = Some(failure);
                        }
                    }
                }
                else => return Ok(Outcome::Broken(last)),
            }
        }
        Ok(Outcome::Whole)
    }

    fn holder(&self, peer: Destination) -> Holder {
        Holder {
            id: lock(&self.plan).add(),
            peer,
            lanes: 0,
        }
    }

    /// Returns whether `source` is still asked, or must not be asked again.
    fn is_refused(&self, holders: &[Holder], source: &Source) -> bool {
        let is_asked = |holder: &Holder| {
            holder.peer.same_peer(&source.peer) && lock(&self.plan).is_usable(holder.id)
        };
        self.liars.contains(&source.peer) || holders.iter().any(is_asked)
    }

    fn start_lanes<'d>(
        &'d self,
        holders: &mut [Holder],
        lanes: &FuturesUnordered<BoxFuture<'d, (usize, LaneEnd)>>,
    ) {
        for (index, holder) in holders.iter_mut().enumerate() {
            while holder.lanes < LANES_EACH && lanes.len() < LANES_MAX {
                let Some(span) = lock(&self.plan).next(holder.id, now()) else {
                    break;
                };
                holder.lanes += 1;
                let (id, peer) = (holder.id, holder.peer.clone());
                lanes.push(Box::pin(
                    async move { (index, self.lane(id, peer, span).await) },
                ));
            }
        }
    }

    fn note(&self, holder: &Holder, failure: &Failure) {
        let mut plan = lock(&self.plan);
        if failure.is_lie() {
            plan.lied(holder.id);
            self.liars.add(&holder.peer);
        } else {
            plan.broke_off(holder.id);
        }
        drop(plan);
        self.fetcher.note(self.job, failure);
    }

    /// Asks one holder for spans until there is nothing more to ask it for.
    async fn lane(&self, holder: HolderId, peer: Destination, first: Span) -> LaneEnd {
        let mut next = Some(first);
        while let Some(span) = next {
            let received = self.receive_span(&peer, &span).await;
            let mut plan = lock(&self.plan);
            plan.ended(span.id, now());
            if let Err(end) = received {
                return end;
            }
            next = plan.next(holder, now());
        }
        LaneEnd::Idle
    }

    async fn receive_span(&self, peer: &Destination, span: &Span) -> Result<(), LaneEnd> {
        let failed = |error| LaneEnd::Failed(Failure::of(peer, error));
        let bytes = bytes_of(&self.tree, &span.pieces);
        let client = self.fetcher.overlay.client();
        let mut content = PieceReader::open(client, peer, &self.tree, bytes)
            .await
            .map_err(failed)?;
        let mut writing = None;
        for piece in span.pieces.clone() {
            if !lock(&self.plan).wants(span.id, piece) {
                break;
            }
            let range = self.tree.range(piece);
            let received = content.next(range.end - range.start).await;
            self.settle(peer, span, &mut writing).await?;
            writing = Some((piece, self.write(piece, received.map_err(failed)?)));
        }
        self.settle(peer, span, &mut writing).await?;
        content.finish().await.map_err(failed)
    }

    fn write(&self, piece: u64, chunks: Vec<Bytes>) -> Writing {
        let (writer, all) = (self.writer.clone(), Arc::clone(&self.written));
        let disk = self.fetcher.share.disk().clone();
        self.writes.spawn(async move {
            let written = disk.run(move || {
                let written = writer.write(piece, chunks)?;
                let is_right = written.is_some();
                lock(&all).extend(written);
                Ok(is_right)
            });
            written.await
        })
    }

    /// Waits for the piece that is being written.
    async fn settle(
        &self,
        peer: &PeerUrl,
        span: &Span,
        writing: &mut Option<(u64, Writing)>,
    ) -> Result<(), LaneEnd> {
        let Some((piece, stored)) = writing.take() else {
            return Ok(());
        };
        match stored.await {
            Ok(Ok(Ok(true))) => {
                if lock(&self.plan).right(span.id, piece) {
                    let range = self.tree.range(piece);
                    self.fetcher
                        .note_piece(self.job, peer, range.end - range.start);
                }
                Ok(())
            }
            Ok(Ok(Ok(false))) => Err(LaneEnd::Failed(Failure::lied(peer))),
            Ok(Ok(Err(error))) => Err(LaneEnd::Disk(error.into())),
            Ok(Err(error)) => Err(LaneEnd::Disk(panicked(self.job.name(), &error))),
            Err(error) => Err(LaneEnd::Disk(panicked(self.job.name(), &error))),
        }
    }
}

fn bytes_of(tree: &PieceTree, pieces: &Range<u64>) -> Range<u64> {
    let last = pieces.end.saturating_sub(1);
    tree.range(pieces.start).start..tree.range(last).end
}

/// Cuts the body of an answer into pieces.
pub(super) struct PieceReader {
    body: BlobBody,
    /// Bytes that arrived and belong to the next piece.
    ahead: Bytes,
    /// Bytes that were asked for and not read.
    left: u64,
}

impl PieceReader {
    /// Asks `peer` for a range of the content of `tree`.
    pub(super) async fn open(
        client: &Client,
        peer: &Destination,
        tree: &PieceTree,
        bytes: Range<u64>,
    ) -> Result<PieceReader, CallError> {
        let left = bytes.end - bytes.start;
        let body = client
            .blob(peer, &tree.digest(), bytes, now() + HEAD_TIME)
            .await?;
        Ok(PieceReader {
            body,
            ahead: Bytes::new(),
            left,
        })
    }

    /// The next `length` bytes.
    pub(super) async fn next(&mut self, length: u64) -> Result<Vec<Bytes>, CallError> {
        let mut missing = usize::try_from(length).unwrap_or(usize::MAX);
        let mut chunks = Vec::new();
        while missing > 0 {
            if !self.ahead.has_remaining() {
                self.ahead = self.body.next().await?.ok_or(CallError::Unexpected)?;
            }
            let taken = self.ahead.split_to(missing.min(self.ahead.len()));
            missing -= taken.len();
            chunks.push(taken);
        }
        self.left -= length;
        Ok(chunks)
    }

    /// Ends the reading. If all was read, the connection can be used again.
    pub(super) async fn finish(mut self) -> Result<(), CallError> {
        if self.left == 0 && self.body.next().await?.is_some() {
            return Err(CallError::Unexpected);
        }
        Ok(())
    }
}
