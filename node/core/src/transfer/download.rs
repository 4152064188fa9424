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
//! - At most [`LANES_MAX`] lanes run, and as many to one holder as the plan allows.
//! - A busy holder is asked again after the time that it named, as long as others deliver meanwhile.
//! - A download ends: whole, with an error of the disk, or when no holder is left, or only busy ones, and the search
//!   is over.

use std::{
    ops::Range,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::{Buf, Bytes};
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use node_wire::peer_url::PeerUrl;
use tokio::{select, sync::Notify, time::sleep_until};
use tokio_util::task::TaskTracker;

use super::{
    fetch::{FetchError, Fetcher, panicked},
    file::{PieceWriter, Verified, WrittenPiece},
    job::Job,
    plan::{HolderId, Plan, Span},
    sources::{Busy, Failure, Liars, Source, Sources},
};
use crate::{
    client::{BlobBody, CallError, Client, Destination},
    clock::now,
    disk::DiskJob,
    pieces::PieceTree,
    share::ShareError,
    sync::lock,
};

/// Most connections of one download.
const LANES_MAX: usize = 8;

/// Longest wait for the head of an answer.
pub(super) const HEAD_TIME: Duration = Duration::from_secs(10);

/// Content on its way into its temporary.
pub(super) struct Download<'a> {
    fetcher: &'a Fetcher,
    job: &'a Job,
    tree: PieceTree,
    temporary: String,
    writer: PieceWriter,
    liars: &'a Liars,
    busy: &'a Busy,
    plan: Mutex<Plan>,
    /// Told when the first answer of a holder begins.
    heard: Notify,
    written: Arc<Mutex<Vec<WrittenPiece>>>,
    writes: TaskTracker,
}

/// The end of a download.
pub(super) enum Outcome {
    /// All pieces are there.
    Whole,
    /// Nobody is left that delivers now; the failure of the last holder.
    Broken(Option<Failure>),
}

/// A holder and its place in the plan.
struct Holder {
    id: HolderId,
    source: Source,
}

/// The reason for the end of a lane.
enum LaneEnd {
    /// There is nothing more to ask this holder for.
    Idle,
    /// The holder failed.
    Failed(Failure),
    /// The disk did.
    Disk(FetchError),
}

/// A piece that is checked and written.
type Writing = DiskJob<Result<bool, ShareError>>;

impl<'a> Download<'a> {
    /// Creates a download of the missing pieces of `file`.
    pub(super) fn new(
        fetcher: &'a Fetcher,
        job: &'a Job,
        file: &Verified,
        liars: &'a Liars,
        busy: &'a Busy,
    ) -> Download<'a> {
        Download {
            fetcher,
            job,
            tree: file.tree().clone(),
            temporary: file.temporary().to_owned(),
            writer: file.writer(),
            liars,
            busy,
            heard: Notify::new(),
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

    /// Receives the missing pieces, first from `first`, and from all that `sources` finds.
    pub(super) async fn receive(
        &self,
        first: Option<Source>,
        sources: &mut Sources,
    ) -> Result<Outcome, FetchError> {
        let mut lanes = FuturesUnordered::<BoxFuture<'_, (usize, LaneEnd)>>::new();
        let mut holders: Vec<Holder> = first
            .into_iter()
            .map(|source| self.holder(source))
            .collect();
        let (mut searching, mut last) = (true, None);
        while !lock(&self.plan).is_whole() {
            self.start_lanes(&holders, &lanes);
            let goes_on = searching || !lanes.is_empty();
            let look_again = lock(&self.plan).look_again_at(now());
            select! {
                found = sources.next_of(self.tree.digest(), self.tree.size()), if searching => match found {
                    Some(source) if !self.is_refused(&holders, &source) => {
                        holders.push(self.holder(source));
                    }
                    Some(_) => {}
                    None => searching = false,
                },
                Some((holder, end)) = lanes.next(), if !lanes.is_empty() => {
                    match end {
                        LaneEnd::Idle => {}
                        LaneEnd::Disk(error) => return Err(error),
                        LaneEnd::Failed(failure) => {
                            self.note(&holders[holder], &failure);
                            last = Some(failure);
                        }
                    }
                }
                () = self.heard.notified(), if !lanes.is_empty() => {}
                () = sleep_until(look_again.unwrap_or_else(now).into()), if goes_on && look_again.is_some() => {}
                else => return Ok(Outcome::Broken(last)),
            }
        }
        Ok(Outcome::Whole)
    }

    fn holder(&self, source: Source) -> Holder {
        let mut plan = lock(&self.plan);
        let id = plan.add();
        if let Some(until) = self.busy.until(&source.peer) {
            plan.busy(id, until);
        }
        Holder { id, source }
    }

    /// Returns whether `source` is still asked, or must not be asked again.
    fn is_refused(&self, holders: &[Holder], source: &Source) -> bool {
        let is_asked = |holder: &Holder| {
            holder.source.peer.same_peer(&source.peer) && lock(&self.plan).is_usable(holder.id)
        };
        self.liars.contains(&source.peer) || holders.iter().any(is_asked)
    }

    fn start_lanes<'d>(
        &'d self,
        holders: &[Holder],
        lanes: &FuturesUnordered<BoxFuture<'d, (usize, LaneEnd)>>,
    ) {
        for (index, holder) in holders.iter().enumerate() {
            while lanes.len() < LANES_MAX {
                let Some(span) = lock(&self.plan).next(holder.id, now()) else {
                    break;
                };
                let (id, source) = (holder.id, holder.source.clone());
                lanes.push(Box::pin(async move {
                    (index, self.lane(id, source, span).await)
                }));
            }
        }
    }

    fn note(&self, holder: &Holder, failure: &Failure) {
        let mut plan = lock(&self.plan);
        if let Some(wait) = failure.busy_for() {
            plan.busy(holder.id, now() + wait);
            self.busy.add(&holder.source.peer, now() + wait);
            return;
        }
        self.busy.remove(&holder.source.peer);
        if failure.is_lie() {
            plan.lied(holder.id);
            self.note_liar(&holder.source.peer);
        } else {
            plan.broke_off(holder.id);
        }
        drop(plan);
        self.fetcher.note(self.job, failure);
    }

    /// Notes a liar for this fetch, and in its record for the next run.
    fn note_liar(&self, peer: &PeerUrl) {
        self.liars.add(peer);
        let (records, disk) = (&self.fetcher.records, self.fetcher.share.disk().clone());
        let (records, temporary, peer) =
            (Arc::clone(records), self.temporary.clone(), peer.clone());
        self.writes.spawn(async move {
            let noted = disk.run(move || records.lied(&temporary, &peer)).await;
            if let Err(error) = noted {
                tracing::error!(%error, "a peer with wrong bytes is not noted");
            }
        });
    }

    /// Asks one holder for spans until there is nothing more to ask it for.
    async fn lane(&self, holder: HolderId, source: Source, first: Span) -> LaneEnd {
        let mut next = Some(first);
        while let Some(span) = next {
            let received = self.receive_span(holder, &source, &span).await;
            let mut plan = lock(&self.plan);
            plan.ended(span.id, now());
            if let Err(end) = received {
                return end;
            }
            next = plan.next(holder, now());
        }
        LaneEnd::Idle
    }

    async fn receive_span(
        &self,
        holder: HolderId,
        source: &Source,
        span: &Span,
    ) -> Result<(), LaneEnd> {
        let peer = &source.peer;
        let failed = |error| LaneEnd::Failed(Failure::of(peer, error));
        let bytes = bytes_of(&self.tree, &span.pieces);
        let client = self
            .fetcher
            .overlay
            .client()
            .through(source.through.clone());
        let mut content = PieceReader::open(&client, peer, &self.tree, bytes)
            .await
            .map_err(failed)?;
        self.busy.remove(peer);
        lock(&self.plan).heard(holder, content.is_limited());
        self.heard.notify_one();
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
        let running = self.writes.token();
        self.fetcher.share.disk().start(move || {
            // Dropped last: then nothing of the file is in use any more.
            let _running = running;
            let written = writer.write(piece, chunks);
            drop(writer);
            let written = written?;
            let is_right = written.is_some();
            lock(&all).extend(written);
            Ok(is_right)
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
            Ok(Ok(true)) => {
                if lock(&self.plan).right(span.id, piece) {
                    let range = self.tree.range(piece);
                    self.fetcher
                        .note_piece(self.job, peer, range.end - range.start);
                }
                Ok(())
            }
            Ok(Ok(false)) => Err(LaneEnd::Failed(Failure::lied(peer))),
            Ok(Err(error)) => Err(LaneEnd::Disk(error.into())),
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

    /// Returns whether the peer says that it limits its uploads.
    pub(super) fn is_limited(&self) -> bool {
        self.body.rate().is_some()
    }

    /// Returns the next `length` bytes.
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
