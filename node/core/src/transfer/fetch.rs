//! One fetch: it searches, receives, waits if need be, and commits.
//!
//! # Rounds
//! Each round searches once and takes what the found holders deliver: content of a digest, checked piece by piece,
//! or, if only a name is wanted and nothing of any digest is held, one answer to `query`. What is received stays
//! held from round to round; the [`Course`] decides what comes after each.
//!
//! # Invariants
//! - A fetch can be cancelled while it searches, receives and waits. Disk jobs and the commit are awaited.
//! - A holder that was caught with wrong bytes is not asked again, neither for pieces nor by `query`.
//! - A Sixhop node that said it has the file is not asked by `query`, and no Sixhop node is if it cannot pass on
//!   what a peer of another kind has.

mod committing;
mod unverified;

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use bytes::Bytes;
use node_api::fetch::FetchState;
use node_wire::{About, Digest, FindWanted, fault::MissReason, name::ShareName, peer_url::PeerUrl};
use tokio::{
    select,
    time::{sleep, sleep_until},
};

use super::{
    Goal,
    claims::Claims,
    course::{Course, Holding, Next, OtherContent, Round},
    download::{Download, HEAD_TIME, Outcome, PieceReader},
    file::{CheckedPiece, LeftOver, Target, Verified, read_piece},
    job::Job,
    records::{Record, Records},
    sources::{Busy, Failure, Fault, Liars, Source, Sources},
    turns::{Turn, Turns},
};
use crate::{
    client::{CallError, Destination},
    clock::now,
    counters::Counters,
    events::{Event, EventLog},
    overlay::{Excluded, Overlay},
    pieces::PieceTree,
    share::{Digests, Replace, Share, ShareError, SharedBlob},
};

/// Shortest pause before holders are asked again because a peer came back.
const RETRY_PAUSE: std::time::Duration = std::time::Duration::from_millis(250);

/// Pieces that are copied inside the share in one disk job.
const COPY_PIECES: u64 = 16;

/// Most former holders that are asked again.
const FORMER_MAX: usize = 16;

/// The error of a fetch.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No peer that was asked has it.
    #[error("no peer has `{name}` (asked {asked}{}{})", lacking(*reason), away(*unreachable))]
    NotFound {
        /// The file.
        name: ShareName,
        /// Peers asked by this node.
        asked: usize,
        /// Nodes that may have it and cannot be reached from here.
        unreachable: usize,
        /// The reason why more might be found.
        reason: MissReason,
    },
    /// A peer had it, but none delivered it.
    #[error("no peer delivered `{name}`: the last one, {peer}, broke off: {error}")]
    BrokeOff {
        /// The file.
        name: ShareName,
        /// The last peer that sent it.
        peer: String,
        /// The error of the call.
        error: CallError,
    },
    /// A peer had it, but sent wrong bytes.
    #[error("`{name}` is not stored: {peer} sent bytes that are not what the digest says")]
    Corrupt {
        /// The file.
        name: ShareName,
        /// The last peer that sent them.
        peer: String,
    },
    /// It could not be stored.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// Too many fetches wait, or the node stops.
    #[error("`{0}` is not fetched: too many fetches wait, try again later")]
    Busy(ShareName),
    /// It was cancelled.
    #[error("the fetch of `{0}` was cancelled")]
    Cancelled(ShareName),
    /// A defect of ours.
    #[error("the fetch of `{0}` failed inside the node; its log says more")]
    Internal(ShareName),
}

impl FetchError {
    /// Returns the error of a fetch after the failure of its last holder.
    fn of(name: &ShareName, failure: Failure) -> FetchError {
        let (name, peer) = (name.clone(), failure.peer);
        match failure.error {
            Fault::Lied => FetchError::Corrupt { name, peer },
            Fault::BrokeOff(error) => FetchError::BrokeOff { name, peer, error },
        }
    }
}

/// The start of a fetch.
#[derive(Debug)]
pub(super) enum Begun {
    /// Nothing but the name or digest.
    New,
    /// A peer that has it.
    Found(Source),
    /// The record that an earlier run of the node left.
    Before(Record),
    /// A peer that sent wrong bytes of it, and is not asked again.
    LiedTo(PeerUrl),
}

/// The parts that all fetches share.
#[derive(Debug)]
pub(super) struct Fetcher {
    pub(super) share: Arc<Share>,
    pub(super) digests: Arc<Digests>,
    pub(super) records: Arc<Records>,
    /// True if the node stops: fetches that are cancelled then go on in the next run.
    pub(super) stopping: AtomicBool,
    pub(super) overlay: Arc<Overlay>,
    pub(super) counters: Arc<Counters>,
    pub(super) events: Arc<EventLog>,
    pub(super) turns: Turns,
    pub(super) claims: Claims,
    /// The faults of the disk.
    #[cfg(test)]
    pub(super) faults: Arc<super::faults::Faults>,
}

/// The state of a fetch's file between rounds.
#[derive(Debug)]
enum Held {
    Nothing,
    Left(LeftOver),
    Pieces(Verified),
}

/// The end of a round without the file.
struct Over {
    round: Round,
    error: FetchError,
    other: Option<Source>,
}

/// The failures of the holders of a round.
#[derive(Default)]
struct Trouble {
    last: Option<Failure>,
    away: bool,
    gone: bool,
}

impl Trouble {
    fn note(&mut self, failure: Failure) {
        self.gone |= failure.is_gone();
        self.away |= failure.is_away();
        self.last = Some(failure);
    }
}

/// One fetch that runs.
struct Fetch<'a> {
    fetcher: &'a Fetcher,
    job: &'a Job,
    held: Held,
    course: Course,
    liars: Liars,
    busy: Busy,
    /// Peers that said that they have the file.
    claimants: Vec<Destination>,
    known: Option<Source>,
    /// The failures before the first round.
    trouble: Trouble,
}

impl Fetcher {
    /// Returns the target of a fetch with these parameters.
    pub(super) fn target(&self, id: u64, name: ShareName, goal: Goal, replace: Replace) -> Target {
        Target {
            share: Arc::clone(&self.share),
            digests: Arc::clone(&self.digests),
            records: Arc::clone(&self.records),
            id,
            name,
            goal,
            replace,
            #[cfg(test)]
            faults: Arc::clone(&self.faults),
        }
    }

    pub(super) async fn run(&self, job: &Job, begun: Begun) {
        self.started(job);
        self.go_on(job, begun).await;
    }

    /// Notes that a fetch started.
    pub(super) fn started(&self, job: &Job) {
        self.events.emit(&Event::FetchStarted {
            id: job.id(),
            name: job.name().as_str().to_owned(),
        });
    }

    /// Runs a fetch that started, until it is over.
    pub(super) async fn go_on(&self, job: &Job, begun: Begun) {
        let (liars, mut trouble) = (Liars::default(), Trouble::default());
        let (known, record) = match begun {
            Begun::New => (None, None),
            Begun::Found(source) => (Some(source), None),
            Begun::Before(record) => (None, Some(record)),
            Begun::LiedTo(peer) => {
                let failure = Failure::lied(&peer);
                self.note(job, &failure);
                trouble.note(failure);
                liars.add(&peer);
                (None, None)
            }
        };
        let mut fetch = Fetch {
            fetcher: self,
            job,
            held: Held::Nothing,
            course: Course::new(job.target().goal, now()),
            liars,
            busy: Busy::default(),
            claimants: Vec::new(),
            known,
            trouble,
        };
        let result = fetch.run(record).await;
        if let Err(error) = fetch.put_away(&result).await {
            tracing::warn!(name = %job.name(), %error, "what was received is not kept");
        }
        self.report(job, &result);
        job.end(result);
    }

    /// Notes bytes that a peer delivered and that are stored.
    pub(super) fn note_piece(&self, job: &Job, peer: &PeerUrl, bytes: u64) {
        if let Some(progress) = job.moved(peer, bytes) {
            self.events.emit(&progress);
        }
    }

    /// Notes that a holder failed; the fetch goes on without it.
    pub(super) fn note(&self, job: &Job, failure: &Failure) {
        let name = job.name().as_str();
        tracing::info!(name, peer = failure.peer, %failure, "a holder failed");
        self.counters.holders_failed.one();
        self.events.emit(&Event::FetchHolderFailed {
            id: job.id(),
            name: name.to_owned(),
            peer: failure.peer.clone(),
            error: failure.to_string(),
            wrong_bytes: failure.is_lie(),
        });
    }

    pub(super) fn report(&self, job: &Job, result: &Result<(), FetchError>) {
        let (id, name, bytes) = (job.id(), job.name().as_str(), job.status().bytes);
        match result {
            Ok(()) => {
                self.counters.files_fetched.one();
                let peer = job.status().peer;
                self.events.emit(&Event::FetchDone {
                    id,
                    name: name.to_owned(),
                    bytes,
                    peer,
                    digest: job.status().digest,
                    holders: job.holders(),
                });
                tracing::info!(name, bytes, "fetched");
            }
            Err(FetchError::Cancelled(_)) => {
                let name = name.to_owned();
                self.events.emit(&Event::FetchCancelled { id, name });
            }
            Err(error) => {
                self.events.emit(&Event::FetchFailed {
                    id,
                    name: name.to_owned(),
                    error: error.to_string(),
                });
                tracing::info!(name, %error, "not fetched");
            }
        }
    }

    /// Gets the tree of a source's content.
    async fn tree(&self, source: &Source) -> Result<PieceTree, Failure> {
        if let Some(tree) = PieceTree::of_one_piece(source.digest, source.size) {
            return Ok(tree);
        }
        let client = self.overlay.client().through(source.through.clone());
        let deadline = now() + HEAD_TIME;
        let tree = client.tree(&source.peer, &source.digest, deadline).await;
        match tree.map_err(|error| Failure::of(&source.peer, error))? {
            tree if tree.size() == source.size => Ok(tree),
            _ => Err(Failure::lied(&source.peer)),
        }
    }

    /// Receives one piece from a source.
    async fn receive_piece(
        &self,
        source: &Source,
        tree: &PieceTree,
        piece: u64,
    ) -> Result<Vec<Bytes>, Failure> {
        let failed = |error| Failure::of(&source.peer, error);
        let range = tree.range(piece);
        let length = range.end - range.start;
        if length == 0 {
            return Ok(Vec::new());
        }
        let client = self.overlay.client().through(source.through.clone());
        let content = PieceReader::open(&client, &source.peer, tree, range).await;
        let mut content = content.map_err(failed)?;
        let chunks = content.next(length).await;
        let chunks = chunks.map_err(failed)?;
        content.finish().await.map_err(failed)?;
        Ok(chunks)
    }
}

impl Fetch<'_> {
    /// Fetches the file. What was received without success is in `held` afterwards.
    async fn run(&mut self, record: Option<Record>) -> Result<(), FetchError> {
        self.take_up(record).await?;
        if self.commit_if_whole().await? {
            return Ok(());
        }
        let mut turn = self.turn().await?;
        if self.known.is_none() {
            self.or_cancelled(self.fetcher.overlay.met_for_owner())
                .await?;
        }
        loop {
            self.hold(FetchState::Searching);
            let Some(over) = self.round().await? else {
                return Ok(());
            };
            match self.course.next(over.round, now()) {
                Next::Fail => return Err(over.error),
                Next::Expire => {
                    self.discard().await?;
                    return Err(over.error);
                }
                Next::TakeOther => {
                    self.discard().await?;
                    self.known = over.other;
                }
                Next::Wait(pause) => {
                    drop(turn);
                    self.wait(pause).await?;
                    turn = self.turn().await?;
                }
            }
        }
    }

    async fn turn(&self) -> Result<Turn, FetchError> {
        let turn = self.fetcher.turns.next(self.job.owner());
        self.or_cancelled(turn).await
    }

    /// Waits until it is worth asking again.
    async fn wait(&self, pause: std::time::Duration) -> Result<(), FetchError> {
        self.hold(FetchState::Waiting);
        self.pause(true).await?;
        let soonest = now() + RETRY_PAUSE.min(pause);
        let over = async {
            select! {
                () = sleep(pause) => {}
                () = self.fetcher.overlay.peer_came_back() => {}
                () = self.job.retry_wanted() => {}
            }
            sleep_until(soonest.into()).await;
        };
        self.or_cancelled(over).await
    }

    /// Takes up the bytes that an earlier fetch left of this file, if any.
    async fn take_up(&mut self, record: Option<Record>) -> Result<(), FetchError> {
        let target = self.job.target().clone();
        let left = self.fetcher.blocking(self.job.name(), move || {
            let Target {
                id, goal, replace, ..
            } = target;
            let record = record.or_else(|| target.records.take(id, &target.name, goal, replace));
            let opened = record.map(|record| target.open(record)).transpose();
            Ok(opened.unwrap_or_else(|error| {
                tracing::info!(name = %target.name, %error, "what was received before is lost");
                None
            }))
        });
        if let Some(left) = left.await? {
            left.liars().iter().for_each(|peer| self.liars.add(peer));
            let holders = left.holders().iter();
            let holders = holders.map(|peer| self.fetcher.overlay.destination(peer));
            self.claimants = holders.collect();
            self.held = Held::Left(left);
        }
        Ok(())
    }

    /// Searches once and receives from the holders. `None` if the file is stored then.
    async fn round(&mut self) -> Result<Option<Over>, FetchError> {
        let before = self.bytes();
        self.busy.forget_passed(now());
        let name = self.job.name().clone();
        let overlay = &self.fetcher.overlay;
        let mut sources = match self.digest() {
            Some(digest) if self.copy_here(digest, About::default()).await? => return Ok(None),
            Some(digest) => Sources::search_content(overlay, name.clone(), digest, self.former()),
            None => {
                let wanted = FindWanted::Name(name.as_str().to_owned());
                Sources::search(overlay, name.clone(), wanted, self.known.take())
            }
        };
        let mut trouble = std::mem::take(&mut self.trouble);
        if self.receive(&mut sources, &mut trouble).await? {
            return Ok(None);
        }
        let mut asked = sources.asked();
        let mut reason = sources.verdict();
        if self.course.may_take_unverified(self.holding()) && sources.others_seen() {
            let excluded = Excluded {
                peers: [self.liars.peers(), urls(&self.claimants)].concat(),
                nodes: !sources.others_behind(),
            };
            let walked = self.walk(excluded, &mut trouble).await?;
            let Some((walk_asked, walk_reason)) = walked else {
                return Ok(None);
            };
            (asked, reason) = (asked.max(walk_asked), walk_reason);
        }
        let (other, offered) = self.other_content().await?;
        let error = trouble.last.map_or_else(
            || FetchError::NotFound {
                name: name.clone(),
                asked,
                unreachable: sources.unreachable(),
                reason,
            },
            |failure| FetchError::of(&name, failure),
        );
        let round = Round {
            holding: self.holding(),
            progressed: self.bytes() > before,
            away: trouble.away,
            gone: trouble.gone,
            busy: self
                .busy
                .first()
                .map(|until| until.saturating_duration_since(now())),
            other: offered,
        };
        Ok(Some(Over {
            round,
            error,
            other,
        }))
    }

    /// Receives from the sources of this round. Returns whether the file is stored then.
    async fn receive(
        &mut self,
        sources: &mut Sources,
        trouble: &mut Trouble,
    ) -> Result<bool, FetchError> {
        if let Held::Pieces(_) = self.held {
            return self.download(None, sources, trouble).await;
        }
        while let Some(source) = self.or_cancelled(sources.next()).await? {
            self.job.asked(sources.asked());
            if self.liars.contains(&source.peer) {
                continue;
            }
            if self.claimants.len() < FORMER_MAX && !self.claimants.contains(&source.peer) {
                self.claimants.push(source.peer.clone());
            }
            if self.busy.until(&source.peer).is_some() {
                continue;
            }
            if self.receive_from(source, sources, trouble).await? {
                return Ok(true);
            }
            if let Held::Pieces(_) = self.held {
                return Ok(false);
            }
            self.hold(FetchState::Searching);
        }
        Ok(false)
    }

    /// Receives the content of `source`, from it and from others. Returns whether the file is stored then.
    async fn receive_from(
        &mut self,
        source: Source,
        sources: &mut Sources,
        trouble: &mut Trouble,
    ) -> Result<bool, FetchError> {
        let _claim = loop {
            if self.copy_here(source.digest, source.about).await? {
                return Ok(true);
            }
            match self.fetcher.claims.claim(source.digest) {
                Ok(claim) => break claim,
                Err(claimed) => self.or_cancelled(claimed.over()).await?,
            }
        };
        let fetcher = self.fetcher;
        let tree = match self.or_cancelled(fetcher.tree(&source)).await? {
            Ok(tree) => tree,
            Err(failure) => return self.failed(&source.peer, failure, trouble).await,
        };
        // Only the last piece proves the size, so nothing is made of the tree before it is here.
        let last = tree.count() - 1;
        self.job
            .update(|status| status.state = FetchState::Receiving);
        let received = fetcher.receive_piece(&source, &tree, last);
        let checked = match self.or_cancelled(received).await? {
            Ok(chunks) => CheckedPiece::check(&tree, last, chunks),
            Err(failure) => return self.failed(&source.peer, failure, trouble).await,
        };
        let Some(checked) = checked else {
            let lie = Failure::lied(&source.peer);
            return self.failed(&source.peer, lie, trouble).await;
        };
        if tree.count() == 1 {
            self.store(&source, tree, checked).await?;
            return Ok(true);
        }
        self.open(&source, tree, checked).await?;
        self.download(Some(source), sources, trouble).await
    }

    /// Notes the failure of a holder, or that it is busy. Nothing was stored.
    async fn failed(
        &self,
        peer: &PeerUrl,
        failure: Failure,
        trouble: &mut Trouble,
    ) -> Result<bool, FetchError> {
        match failure.busy_for() {
            Some(wait) => self.busy.add(peer, now() + wait),
            None => self.fetcher.note(self.job, &failure),
        }
        if failure.is_lie() {
            self.liars.add(peer);
            if let Some(temporary) = self.temporary() {
                let records = Arc::clone(&self.fetcher.records);
                let (temporary, peer) = (temporary.to_owned(), peer.clone());
                let note = move || {
                    records.lied(&temporary, &peer);
                    Ok(())
                };
                self.fetcher.blocking(self.job.name(), note).await?;
            }
        }
        trouble.note(failure);
        Ok(false)
    }

    /// Returns the temporary with the bytes that are held.
    fn temporary(&self) -> Option<&str> {
        match &self.held {
            Held::Nothing => None,
            Held::Left(left) => Some(left.temporary()),
            Held::Pieces(file) => Some(file.temporary()),
        }
    }

    /// Makes a file of a tree, of the bytes that an earlier fetch left and of its last piece.
    async fn open(
        &mut self,
        source: &Source,
        tree: PieceTree,
        last: CheckedPiece,
    ) -> Result<(), FetchError> {
        let (left, target) = (self.take_left(), self.job.target().clone());
        let (proved, about) = (tree.clone(), source.about);
        let known = (urls(&self.former()), self.liars.peers());
        let opened = self.fetcher.blocking(self.job.name(), move || {
            let mut file = match left {
                Some(left) => {
                    let temporary = left.temporary().to_owned();
                    let verified = left.verify(target.clone(), proved);
                    verified.inspect_err(|_| {
                        let now = SystemTime::now();
                        target.records.pause(&temporary, None, &[], false, now);
                    })?
                }
                None => Verified::create(target, proved, about, known)?,
            };
            // Bytes that are there already were not received now.
            let before = file.bytes();
            let written = file.writer().write_checked(&last);
            let written = written.map(|written| file.written(&written));
            Ok((written, file, before))
        });
        let (written, file, before) = opened.await?;
        let received = file.bytes() - before;
        self.held = Held::Pieces(file);
        written?;
        self.job.receives_verified(&tree, before);
        if received > 0 {
            self.fetcher.note_piece(self.job, &source.peer, received);
        }
        Ok(())
    }

    fn take_left(&mut self) -> Option<LeftOver> {
        match std::mem::replace(&mut self.held, Held::Nothing) {
            Held::Left(left) => Some(left),
            held => {
                self.held = held;
                None
            }
        }
    }

    /// Receives the missing pieces and commits the file. Returns whether it is stored then.
    async fn download(
        &mut self,
        first: Option<Source>,
        sources: &mut Sources,
        trouble: &mut Trouble,
    ) -> Result<bool, FetchError> {
        let Held::Pieces(file) = &mut self.held else {
            return Ok(false);
        };
        self.job.receives_verified(file.tree(), file.bytes());
        let download = Download::new(self.fetcher, self.job, file, &self.liars, &self.busy);
        let ended = select! {
            biased;
            () = self.job.cancelled() => Err(FetchError::Cancelled(self.job.name().clone())),
            ended = download.receive(first, sources) => ended,
        };
        for piece in download.finish().await {
            file.written(&piece);
        }
        self.job.asked(sources.asked());
        if file.is_whole() {
            self.commit().await?;
            return Ok(true);
        }
        if let Outcome::Broken(Some(failure)) = ended? {
            trouble.note(failure);
        }
        Ok(false)
    }

    /// Copies content that is in the share under another name, checked like content of peers. Returns whether the
    /// file is stored then.
    async fn copy_here(&mut self, digest: Digest, said: About) -> Result<bool, FetchError> {
        if let Held::Left(_) = self.held {
            return Ok(false);
        }
        let (name, digests) = (self.job.name().clone(), Arc::clone(&self.fetcher.digests));
        let here = self.fetcher.blocking(&name, move || {
            let blob = digests.open_blob(&digest);
            Ok(blob.map(|blob| (blob.tree().clone(), Arc::new(blob))))
        });
        let Some((tree, here)) = here.await? else {
            return Ok(false);
        };
        let about = self.about_here(digest, said).await?;
        if tree.count() == 1 {
            return self.store_here(tree, about, here).await;
        }
        if !self.copy_pieces(tree, about, here).await? {
            return Ok(false);
        }
        let is_whole = matches!(&self.held, Held::Pieces(file) if file.is_whole());
        if is_whole {
            self.commit().await?;
        } else if self.bytes() == 0 {
            self.discard().await?;
        }
        Ok(is_whole)
    }

    /// Returns the metadata of content in the share: that of the fetched file, as its holder gave it, or that of the file
    /// here.
    async fn about_here(&self, digest: Digest, said: About) -> Result<About, FetchError> {
        if !said.is_silent() {
            return Ok(said);
        }
        let (share, digests) = (
            Arc::clone(&self.fetcher.share),
            Arc::clone(&self.fetcher.digests),
        );
        self.fetcher
            .blocking(self.job.name(), move || {
                let named = digests.all_named(&digest, 1);
                let about = named.first().and_then(|(name, _)| share.about(name).ok());
                Ok(about.unwrap_or_default().into())
            })
            .await
    }

    /// Copies content of one piece that is in the share. Returns whether the file is stored then.
    async fn store_here(
        &mut self,
        tree: PieceTree,
        about: About,
        here: Arc<SharedBlob>,
    ) -> Result<bool, FetchError> {
        let target = self.job.target().clone();
        let stored = self.fetcher.blocking(self.job.name(), move || {
            // A file that changes while it is read is fetched instead.
            let bytes = read_piece(&here, 0).unwrap_or_default();
            let Some(piece) = CheckedPiece::check(&tree, 0, vec![bytes]) else {
                return Ok(None);
            };
            target.store(&tree, &piece, about)?;
            Ok(Some(tree))
        });
        let stored = stored.await?;
        if let Some(tree) = &stored {
            self.job.stored(tree, tree.size());
        }
        Ok(stored.is_some())
    }

    /// Copies the missing pieces from a file of the share. Returns whether pieces are held then.
    async fn copy_pieces(
        &mut self,
        tree: PieceTree,
        about: About,
        here: Arc<SharedBlob>,
    ) -> Result<bool, FetchError> {
        let name = self.job.name().clone();
        if let Held::Nothing = self.held {
            let (target, tree) = (self.job.target().clone(), tree.clone());
            let known = (Vec::new(), self.liars.peers());
            let create = move || Ok(Verified::create(target, tree, about, known)?);
            self.held = Held::Pieces(self.fetcher.blocking(&name, create).await?);
        }
        let mut next = 0;
        while next < tree.count() && !self.job.is_cancelled() {
            let Held::Pieces(file) = &mut self.held else {
                return Ok(false);
            };
            let pieces = next..(next + COPY_PIECES).min(tree.count());
            next = pieces.end;
            let missing: Vec<u64> = pieces
                .filter(|piece| usize::try_from(*piece).is_ok_and(|piece| !file.done()[piece]))
                .collect();
            let (writer, here) = (file.writer(), Arc::clone(&here));
            let copied = self.fetcher.blocking(&name, move || {
                let mut written = Vec::new();
                for piece in missing {
                    let bytes = read_piece(&here, piece).unwrap_or_default();
                    written.extend(writer.write(piece, vec![bytes])?);
                }
                Ok(written)
            });
            for piece in copied.await? {
                file.written(&piece);
            }
            self.job.receives_verified(file.tree(), file.bytes());
        }
        Ok(true)
    }

    /// Looks for other content of the name, if content is held and any would do.
    async fn other_content(&self) -> Result<(Option<Source>, OtherContent), FetchError> {
        let (Goal::Name, Some(held)) = (self.job.target().goal, self.held_digest()) else {
            return Ok((None, OtherContent::None));
        };
        let name = self.job.name();
        let wanted = FindWanted::Name(name.as_str().to_owned());
        let mut sources = Sources::search(&self.fetcher.overlay, name.clone(), wanted, None);
        let mut other = None;
        while let Some(source) = self.or_cancelled(sources.next_known()).await? {
            if source.digest == held || self.liars.contains(&source.peer) {
                continue;
            }
            if self
                .former()
                .iter()
                .any(|peer| peer.same_peer(&source.peer))
            {
                return Ok((Some(source), OtherContent::Changed));
            }
            other.get_or_insert(source);
        }
        let offered = other
            .as_ref()
            .map_or(OtherContent::None, |_| OtherContent::Offered);
        Ok((other, offered))
    }

    /// Returns the digest that is fetched, if it is decided.
    fn digest(&self) -> Option<Digest> {
        match self.job.target().goal {
            Goal::Content(digest) => Some(digest),
            Goal::Name => self.held_digest(),
        }
    }

    fn held_digest(&self) -> Option<Digest> {
        match &self.held {
            Held::Nothing => None,
            Held::Left(left) => Some(left.digest()),
            Held::Pieces(file) => Some(file.tree().digest()),
        }
    }

    fn holding(&self) -> Holding {
        match &self.held {
            Held::Nothing => Holding::Nothing,
            Held::Left(_) | Held::Pieces(_) => Holding::Pieces,
        }
    }

    fn bytes(&self) -> u64 {
        match &self.held {
            Held::Nothing => 0,
            Held::Left(left) => left.bytes(),
            Held::Pieces(file) => file.bytes(),
        }
    }

    /// Returns peers that had the content.
    fn former(&self) -> Vec<Destination> {
        let mut former = self.claimants.clone();
        former.retain(|peer| !self.liars.contains(peer));
        former
    }

    fn hold(&self, state: FetchState) {
        let file = match &self.held {
            Held::Pieces(file) => Some(file),
            Held::Nothing | Held::Left(_) => None,
        };
        self.job.holds(state, file);
    }

    /// Notes in the record the bytes that are held now.
    async fn pause(&self, is_active: bool) -> Result<(), FetchError> {
        let Some(temporary) = self.temporary().map(str::to_owned) else {
            return Ok(());
        };
        let bytes = match &self.held {
            Held::Pieces(file) => Some(file.bytes()),
            Held::Nothing | Held::Left(_) => None,
        };
        let (records, holders) = (Arc::clone(&self.fetcher.records), urls(&self.former()));
        self.fetcher
            .blocking(self.job.name(), move || {
                records.pause(&temporary, bytes, &holders, is_active, SystemTime::now());
                Ok(())
            })
            .await
    }

    /// Gives up the held bytes.
    async fn discard(&mut self) -> Result<(), FetchError> {
        let held = std::mem::replace(&mut self.held, Held::Nothing);
        let target = self.job.target().clone();
        self.fetcher
            .blocking(self.job.name(), move || {
                match held {
                    Held::Nothing => {}
                    Held::Left(left) => left.discard(&target),
                    Held::Pieces(file) => file.discard(),
                }
                Ok(())
            })
            .await
    }

    /// Keeps the received bytes, if the fetch ended without the file.
    async fn put_away(&mut self, result: &Result<(), FetchError>) -> Result<(), FetchError> {
        if result.is_ok() {
            return self.discard().await;
        }
        self.hold(self.job.status().state);
        let goes_on = self.fetcher.stopping.load(Ordering::Acquire)
            && matches!(result, Err(FetchError::Cancelled(_)));
        match &self.held {
            Held::Pieces(file) if file.bytes() == 0 => self.discard().await,
            _ => self.pause(goes_on).await,
        }
    }

    /// Waits for `work`, unless the fetch is cancelled before.
    async fn or_cancelled<T>(&self, work: impl Future<Output = T>) -> Result<T, FetchError> {
        select! {
            biased;
            () = self.job.cancelled() => Err(FetchError::Cancelled(self.job.name().clone())),
            done = work => Ok(done),
        }
    }
}

fn urls(peers: &[Destination]) -> Vec<PeerUrl> {
    peers.iter().map(|peer| peer.url().clone()).collect()
}

/// Returns a note when more might be found than was.
fn lacking(reason: MissReason) -> &'static str {
    match reason {
        MissReason::NotFound | MissReason::Seen => "",
        MissReason::HopLimit => "; nodes further than six hops were not",
        MissReason::Deadline => "; some did not answer in time",
        MissReason::Budget => "; there are more",
        MissReason::Unreadable => "; a peer answered with something that cannot be read",
    }
}

/// Returns a note when nodes cannot be reached from here.
fn away(unreachable: usize) -> String {
    match unreachable {
        0 => String::new(),
        1 => "; 1 node that may have it cannot be reached from here".to_owned(),
        more => format!("; {more} nodes that may have it cannot be reached from here"),
    }
}

impl Fetcher {
    /// Runs file calls for the fetch of `name` on the disk.
    pub(super) async fn blocking<T, F>(&self, name: &ShareName, work: F) -> Result<T, FetchError>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, FetchError> + Send + 'static,
    {
        let done = self.share.disk().run(work).await;
        done.unwrap_or_else(|error| Err(panicked(name, &error)))
    }
}

/// Returns the error of a file call that panicked.
pub(super) fn panicked(name: &ShareName, error: &dyn std::error::Error) -> FetchError {
    tracing::error!(%error, "a file call panicked");
    FetchError::Internal(name.clone())
}
