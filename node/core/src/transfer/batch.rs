//! Fetching all files that match a query, as one operation.
//!
//! # Invariants
//! - Each name is fetched once, however many peers name it; at most [`BATCH_MAX`] names.
//! - Small files of one peer are fetched together, in [bundles](super::bundle); at most [`BUNDLES_EACH`] bundles of a
//!   batch run, and beside them at most [`BATCH_PARALLEL`] files.
//! - A file that fails costs nothing but itself. One that is there already is
//!   counted and left alone.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::SystemTime,
};

use futures_util::{
    StreamExt,
    stream::{self, FuturesUnordered},
};
use node_api::{
    error::ApiError,
    fetch::{FetchBatch, FetchFailure, FetchState},
};
use node_wire::{
    FindHit, FindWanted,
    bundle::{BUNDLE_BYTES_MAX, BUNDLE_FILES_MAX},
    name::ShareName,
    query,
};
use plugin_api::NameCheck;
use tokio::{select, sync::watch};
use tokio_util::sync::CancellationToken;

use super::{
    FetchError, Interest, Transfers,
    bundle::{BundlePlace, BundlePlaces, FILES_MIN, Order, Small},
    sources::{self, Source},
    turns::Owner,
};
use crate::{
    client::Destination,
    events::{Event, unix_millis},
    overlay::{Finder, Holder},
    share::{Replace, ShareError},
};

/// Most files of one batch.
pub const BATCH_MAX: usize = 100_000;

/// Files of one batch that are fetched at a time.
pub(super) const BATCH_PARALLEL: usize = 16;

/// Bundles of one batch that run at a time: one arrives, one is stored, one waits.
const BUNDLES_EACH: usize = 3;

/// Bundles of one batch that are not over: those that run, and those that wait for busy peers.
const BUNDLES_BEGUN_MAX: usize = 16;

/// The greatest number of failures that are listed by name.
const FAILURES_MAX: usize = 20;

/// One batch.
pub(super) struct Batch {
    status: watch::Sender<FetchBatch>,
    /// The choice among the names that peers give.
    is_meant: Option<NameCheck>,
    cancel: CancellationToken,
}

/// A file to fetch, and from whom.
type BatchFile = (ShareName, u64, Option<Source>);

/// Files of a batch that were not begun.
#[derive(Debug, Default)]
struct Waiting {
    /// Files that are fetched by themselves.
    alone: VecDeque<BatchFile>,
    /// Small files, by who has them.
    small: Vec<(Destination, VecDeque<Small>)>,
    /// Peers, by their keys, that are asked for no bundles.
    alone_only: HashSet<String>,
}

impl Batch {
    pub(super) fn new(
        id: u64,
        query: String,
        is_meant: Option<NameCheck>,
        cancel: CancellationToken,
    ) -> Batch {
        let status = FetchBatch {
            id,
            query,
            queued: true,
            over: false,
            cancelled: false,
            found: 0,
            size: 0,
            done: 0,
            bytes: 0,
            existing: 0,
            failed: 0,
            failures: Vec::new(),
            truncated: false,
            asked: 0,
            unreachable: 0,
            started: unix_millis(SystemTime::now()),
            ended: None,
        };
        Batch {
            status: watch::Sender::new(status),
            is_meant,
            cancel,
        }
    }

    pub(super) fn id(&self) -> u64 {
        self.status.borrow().id
    }

    pub(super) fn status(&self) -> FetchBatch {
        self.status.borrow().clone()
    }

    pub(super) fn is_over(&self) -> bool {
        self.status.borrow().over
    }

    pub(super) fn cancel(&self) {
        self.cancel.cancel();
    }

    pub(super) async fn over(&self) {
        // The sender lives as long as the batch: waiting cannot fail.
        let _ = self.status.subscribe().wait_for(|status| status.over).await;
    }

    /// Finds and fetches.
    pub(super) async fn run(&self, transfers: &Arc<Transfers>, replace: Replace) {
        let query = self.status().query;
        let events = &transfers.fetcher.events;
        events.emit(&Event::FetchBatchStarted {
            id: self.id(),
            query: query.clone(),
        });
        let cancelled = select! {
            () = self.fetch_all(transfers, query, replace) => false,
            () = self.cancel.cancelled() => true,
        };
        self.status.send_modify(|status| {
            (status.over, status.cancelled) = (true, cancelled);
            status.queued = false;
            status.ended = Some(unix_millis(SystemTime::now()));
        });
        let status = self.status();
        events.emit(&Event::FetchBatchDone {
            id: status.id,
            query: status.query,
            found: status.found,
            done: status.done,
            existing: status.existing,
            failed: status.failed,
            bytes: status.bytes,
        });
    }

    async fn fetch_all(&self, transfers: &Arc<Transfers>, query: String, replace: Replace) {
        let mut turn = Some(transfers.searches.next(Owner::Batch(self.id())).await);
        self.status.send_modify(|status| status.queued = false);
        transfers.fetcher.overlay.met_for_owner().await;
        // Without a prefix a name is meant.
        let (query, overlay) = (query::of_names(&query), &transfers.fetcher.overlay);
        let mut finder = Finder::begin(overlay, FindWanted::Query(query.clone()));
        // What those have who cannot be reached from here.
        let mut passed = stream::empty().boxed();
        let (mut seen, mut waiting) = (HashSet::new(), Waiting::default());
        let (mut bundles, mut running) = (FuturesUnordered::new(), FuturesUnordered::new());
        let places = BundlePlaces::of_batch(&transfers.bundles, BUNDLES_EACH);
        let places = Arc::new(places);
        let mut searching = true;
        loop {
            while bundles.len() < BUNDLES_BEGUN_MAX
                && let Some((order, files, place)) =
                    self.next_bundle(&mut waiting, &places, replace)
            {
                bundles.push(self.fetch_bundle(transfers, files, order, place));
            }
            while running.len() < BATCH_PARALLEL
                && let Some(wanted) = waiting.next_alone(bundles.is_empty())
            {
                running.push(self.fetch_one(transfers, wanted, replace));
            }
            select! {
                found = finder.next(), if searching => {
                    self.status.send_modify(|status| status.asked = saturated(finder.asked()));
                    match found {
                        Some(Holder { peer, hits, .. }) => {
                            let named = self.take(hits, &mut seen, |hit| source_of(&peer, hit));
                            waiting.add(self.leave_out(transfers, named, replace).await);
                        }
                        None => {
                            searching = false;
                            turn.take();
                            let away = finder.unreachable();
                            self.status.send_modify(|status| status.unreachable = saturated(away.len()));
                            passed = sources::pages_through(overlay, away, query.clone());
                        }
                    }
                }
                Some((holder, hits)) = passed.next(), if !searching => {
                    let named = self.take(hits, &mut seen, |hit| holder.source(hit));
                    waiting.add(self.leave_out(transfers, named, replace).await);
                }
                Some((peer, is_usable)) = bundles.next(), if !bundles.is_empty() => {
                    if !is_usable {
                        waiting.ask_alone(&peer);
                    }
                }
                Some(()) = running.next(), if !running.is_empty() => {}
                () = places.changed(), if !bundles.is_empty() => {}
                else => return,
            }
        }
    }

    /// Takes a place and the files for another bundle, if there are enough files and a place is free.
    fn next_bundle(
        &self,
        waiting: &mut Waiting,
        places: &Arc<BundlePlaces>,
        replace: Replace,
    ) -> Option<(Order, Vec<Small>, BundlePlace)> {
        let is_waited_for = |peer: &Destination| places.wait_for(peer);
        if !waiting.has_bundle(is_waited_for) {
            return None;
        }
        let place = places.take()?;
        let (peer, files) = waiting.next_bundle(is_waited_for)?;
        let order = Order {
            peer,
            replace,
            batch: self.id(),
            places: Arc::clone(places),
        };
        Some((order, files, place))
    }

    /// Fetches small files together. Returns whose they are, and whether that peer may be asked for other bundles.
    async fn fetch_bundle(
        &self,
        transfers: &Arc<Transfers>,
        files: Vec<Small>,
        order: Order,
        place: BundlePlace,
    ) -> (Destination, bool) {
        let peer = order.peer.clone();
        let sizes: Vec<_> = files
            .iter()
            .map(|file| (file.name.clone(), file.source.size))
            .collect();
        let (interests, running) = transfers.begin_bundle(files, order, place).await;
        for ((name, size), interest) in sizes.into_iter().zip(interests) {
            let result = match interest {
                Ok(interest) => over(&interest).await,
                Err(error) => Err(Arc::new(error)),
            };
            self.note(&name, size, result);
        }
        (peer, running.await.unwrap_or(false))
    }

    /// Leaves out what is hidden, and what is there already, unless it is to be replaced.
    async fn leave_out(
        &self,
        transfers: &Transfers,
        named: Vec<BatchFile>,
        replace: Replace,
    ) -> Vec<BatchFile> {
        let share = Arc::clone(&transfers.fetcher.share);
        let disk = transfers.fetcher.share.disk().clone();
        let look = disk.run(move || {
            let is_hidden = |(name, ..): &BatchFile| name.has_dot() && !share.shares(name);
            let (hidden, mut shown): (Vec<_>, Vec<_>) = named.into_iter().partition(is_hidden);
            let before = shown.len();
            if replace != Replace::Existing {
                shown.retain(|(name, ..)| !share.is_taken(name));
            }
            let existing = before - shown.len();
            (hidden, shown, existing)
        });
        let (hidden, left, existing) = look.await.unwrap_or_else(|error| {
            tracing::error!(%error, "looking at the share panicked");
            Default::default()
        });
        self.status
            .send_modify(|status| status.existing += existing as u64);
        for (name, size, _) in hidden {
            let error = FetchError::Share(ShareError::Hidden(name.clone()));
            self.note(&name, size, Err(Arc::new(error)));
        }
        left
    }

    /// Notes what a holder has that nobody named before.
    fn take(
        &self,
        hits: Vec<FindHit>,
        seen: &mut HashSet<ShareName>,
        source: impl Fn(&FindHit) -> Option<Source>,
    ) -> Vec<BatchFile> {
        let mut named = Vec::new();
        let (mut found, mut size, mut truncated) = (0, 0_u64, false);
        for hit in hits {
            let Ok(name) = ShareName::parse(&hit.name) else {
                continue;
            };
            let is_meant = self.is_meant.as_ref();
            if !is_meant.is_none_or(|fits| fits(name.as_str())) {
                continue;
            }
            if seen.len() >= BATCH_MAX {
                truncated = true;
                break;
            }
            if !seen.insert(name.clone()) {
                continue;
            }
            found += 1;
            size = size.saturating_add(hit.size);
            named.push((name, hit.size, source(&hit)));
        }
        self.status.send_modify(|status| {
            status.found += found;
            status.size = status.size.saturating_add(size);
            status.truncated |= truncated;
        });
        named
    }

    async fn fetch_one(&self, transfers: &Arc<Transfers>, wanted: BatchFile, replace: Replace) {
        let (name, size, source) = wanted;
        let result = transfers
            .fetch_and_wait(&name, replace, self.id(), source)
            .await;
        self.note(&name, size, result);
    }

    /// Counts a file that is over.
    fn note(&self, name: &ShareName, size: u64, result: Result<(), Arc<FetchError>>) {
        self.status.send_modify(|status| match result {
            Ok(()) => {
                status.done += 1;
                status.bytes = status.bytes.saturating_add(size);
            }
            Err(error) if is_there(&error) => status.existing += 1,
            Err(error) => {
                status.failed += 1;
                if status.failures.len() < FAILURES_MAX {
                    status.failures.push(FetchFailure {
                        name: name.as_str().to_owned(),
                        error: ApiError::from(&*error),
                    });
                }
            }
        });
    }
}

impl Waiting {
    fn add(&mut self, files: Vec<BatchFile>) {
        for wanted in files {
            let (name, _, source) = &wanted;
            let small = source
                .as_ref()
                .filter(|source| !self.alone_only.contains(&source.peer.key()))
                .and_then(|source| Some((&source.peer, Small::of(name, source)?)));
            let Some((peer, small)) = small else {
                self.alone.push_back(wanted);
                continue;
            };
            match self.small.iter_mut().find(|(other, _)| other == peer) {
                Some((_, files)) => files.push_back(small),
                None => self.small.push((peer.clone(), VecDeque::from([small]))),
            }
        }
    }

    /// Returns whether there are enough small files of one peer for which no bundle waits.
    fn has_bundle(&self, is_waited_for: impl Fn(&Destination) -> bool) -> bool {
        let mut small = self.small.iter();
        small.any(|(peer, files)| files.len() >= FILES_MIN && !is_waited_for(peer))
    }

    /// Returns the files of a bundle, and whose they are.
    fn next_bundle(
        &mut self,
        is_waited_for: impl Fn(&Destination) -> bool,
    ) -> Option<(Destination, Vec<Small>)> {
        let mut small = self.small.iter_mut();
        let is_enough = |(peer, files): &&mut (Destination, VecDeque<Small>)| {
            files.len() >= FILES_MIN && !is_waited_for(peer)
        };
        let (peer, waiting) = small.find(is_enough)?;
        let (mut files, mut bytes) = (Vec::new(), 0);
        while files.len() < BUNDLE_FILES_MAX
            && let Some(next) = waiting.front()
            && bytes + next.source.size <= BUNDLE_BYTES_MAX
        {
            bytes += next.source.size;
            files.extend(waiting.pop_front());
        }
        let peer = peer.clone();
        self.forget_empty();
        Some((peer, files))
    }

    /// Returns a file that is fetched by itself. Small files are if there are too few of them, or there is no bundle.
    fn next_alone(&mut self, without_bundles: bool) -> Option<BatchFile> {
        if let Some(wanted) = self.alone.pop_front() {
            return Some(wanted);
        }
        let mut small = self.small.iter_mut();
        let (_, files) = small.find(|(_, files)| without_bundles || files.len() < FILES_MIN)?;
        let wanted = files.pop_front()?.alone();
        self.forget_empty();
        Some(wanted)
    }

    /// Has the files of `peer` fetched by themselves from now on.
    fn ask_alone(&mut self, peer: &Destination) {
        self.alone_only.insert(peer.key());
        for (other, files) in &mut self.small {
            if other == peer {
                self.alone.extend(files.drain(..).map(Small::alone));
            }
        }
        self.forget_empty();
    }

    fn forget_empty(&mut self) {
        self.small.retain(|(_, files)| !files.is_empty());
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Batch").field(&self.status()).finish()
    }
}

/// Returns the source of the content of a hit, if its digest is known.
fn source_of(peer: &Destination, hit: &FindHit) -> Option<Source> {
    Some(Source {
        peer: peer.clone(),
        size: hit.size,
        digest: hit.digest?,
        about: hit.about(),
        through: None,
    })
}

fn is_there(error: &FetchError) -> bool {
    matches!(error, FetchError::Share(ShareError::Exists(_)))
}

impl Transfers {
    /// Fetches a file for a batch and waits for it. Dropping the wait gives up the interest of the batch.
    async fn fetch_and_wait(
        self: &Arc<Self>,
        name: &ShareName,
        replace: Replace,
        batch: u64,
        source: Option<Source>,
    ) -> Result<(), Arc<FetchError>> {
        let begun = self.begin_of_batch(name, replace, batch, source).await;
        over(&begun.map_err(Arc::new)?).await
    }
}

/// Waits until a fetch is over.
async fn over(interest: &Interest) -> Result<(), Arc<FetchError>> {
    interest.job.over().await;
    match (interest.job.status().state, interest.job.error()) {
        (FetchState::Done, _) => Ok(()),
        (_, Some(error)) => Err(error),
        _ => Err(Arc::new(FetchError::Cancelled(interest.job.name().clone()))),
    }
}

fn saturated(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
