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
//! - A download ends: whole, with an error of the disk, or when no holder is
//!   left and [`SEARCHES`] searches in a row brought nothing new.

use std::{
    ops::Range,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::{Buf, Bytes};
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use node_wire::peer_url::PeerUrl;
use tokio::{select, task::JoinHandle, time::sleep};
use tokio_util::task::TaskTracker;

use super::{
    fetch::{FetchError, Fetcher, panicked},
    job::Job,
    plan::{HolderId, Plan, Span},
    sources::{Failure, Source, Sources},
};
use crate::{
    client::{BlobBody, CallError, Client},
    clock::now,
    pieces::PieceTree,
    share::{Incoming, ShareError},
    sync::lock,
};

/// Most connections of one download.
const LANES_MAX: usize = 8;

/// Most connections to one holder.
const LANES_EACH: usize = 2;

/// Longest wait for the head of an answer.
pub(super) const HEAD_TIME: Duration = Duration::from_secs(10);

/// Searches in a row without a new right piece before a download gives up.
const SEARCHES: u32 = 3;

/// Pause before another search.
const SEARCH_PAUSE: Duration = Duration::from_secs(1);

/// Content on its way into the share.
pub(super) struct Download<'a> {
    fetcher: &'a Fetcher,
    job: &'a Job,
    tree: PieceTree,
    incoming: Arc<Incoming>,
    plan: Mutex<Plan>,
    writes: TaskTracker,
}

/// How a download ended.
pub(super) enum Outcome {
    /// All pieces are there.
    Whole,
    /// Nobody is left who delivers; what the last one did wrong.
    Broken(Option<Failure>),
}

/// A holder and its connections.
struct Holder {
    id: HolderId,
    peer: PeerUrl,
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
type Writing = JoinHandle<Result<bool, ShareError>>;

impl<'a> Download<'a> {
    /// A download of which the pieces in `done` are there already.
    pub(super) fn new(
        fetcher: &'a Fetcher,
        job: &'a Job,
        tree: PieceTree,
        incoming: Incoming,
        done: Vec<bool>,
    ) -> Download<'a> {
        Download {
            fetcher,
            job,
            tree,
            incoming: Arc::new(incoming),
            plan: Mutex::new(Plan::new(done)),
            writes: TaskTracker::new(),
        }
    }

    /// Receives what is missing, first from `first`, and from whomever
    /// `sources` finds. Gives the file back, whole or not.
    pub(super) async fn run(
        self,
        first: Source,
        sources: &mut Sources,
    ) -> Result<(Incoming, Outcome), FetchError> {
        let outcome = self.receive(first, sources).await;
        // Lanes that were cut short may have left a piece behind.
        self.writes.close();
        self.writes.wait().await;
        let name = self.job.name().clone();
        let incoming = Arc::into_inner(self.incoming).ok_or(FetchError::Internal(name))?;
        Ok((incoming, outcome?))
    }

    async fn receive(&self, first: Source, sources: &mut Sources) -> Result<Outcome, FetchError> {
        let mut lanes = FuturesUnordered::<BoxFuture<'_, (usize, LaneEnd)>>::new();
        let mut holders = vec![self.holder(first.peer)];
        let (mut searching, mut searches, mut left) = (true, 0, u64::MAX);
        let mut last = None;
        while !lock(&self.plan).is_whole() {
            self.start_lanes(&mut holders, &lanes);
            select! {
                found = sources.next_of(&self.tree), if searching => match found {
                    Some(source) if !holders.iter().any(|holder| self.is_same(holder, &source)) => {
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
                else => {
                    let now_left = lock(&self.plan).left();
                    searches = if now_left < left { 1 } else { searches + 1 };
                    left = now_left;
                    if searches > SEARCHES {
                        return Ok(Outcome::Broken(last));
                    }
                    sleep(SEARCH_PAUSE).await;
                    sources.search_again(&self.tree);
                    searching = true;
                }
            }
        }
        Ok(Outcome::Whole)
    }

    fn holder(&self, peer: PeerUrl) -> Holder {
        Holder {
            id: lock(&self.plan).add(),
            peer,
            lanes: 0,
        }
    }

    /// Whether `source` is a holder that is still asked, or must not be asked
    /// again.
    fn is_same(&self, holder: &Holder, source: &Source) -> bool {
        holder.peer.same_peer(&source.peer) && {
            let plan = lock(&self.plan);
            plan.is_usable(holder.id) || plan.is_liar(holder.id)
        }
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
        } else {
            plan.broke_off(holder.id);
        }
        drop(plan);
        self.fetcher.note(self.job, failure);
    }

    /// Asks one holder for spans until there is nothing more to ask it for.
    async fn lane(&self, holder: HolderId, peer: PeerUrl, first: Span) -> LaneEnd {
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

    async fn receive_span(&self, peer: &PeerUrl, span: &Span) -> Result<(), LaneEnd> {
        let failed = |error| LaneEnd::Failed(Failure::broke_off(peer, error));
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
        let (tree, incoming) = (self.tree.clone(), Arc::clone(&self.incoming));
        self.writes
            .spawn_blocking(move || store_piece(&tree, &incoming, piece, &chunks))
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

/// Holds a piece against the tree and writes it if it is right. Blocks.
pub(super) fn store_piece(
    tree: &PieceTree,
    incoming: &Incoming,
    piece: u64,
    chunks: &[Bytes],
) -> Result<bool, ShareError> {
    let mut check = tree.check(piece);
    chunks.iter().for_each(|chunk| check.push(chunk));
    if !check.is_right() {
        return Ok(false);
    }
    let mut offset = tree.range(piece).start;
    for chunk in chunks {
        incoming.write_at(chunk, offset)?;
        offset += chunk.len() as u64;
    }
    Ok(true)
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
        peer: &PeerUrl,
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
