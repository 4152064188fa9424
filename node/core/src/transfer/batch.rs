//! Fetching all files that match a query, as one operation.
//!
//! # Invariants
//! - Each name is fetched once, whoever names it; at most [`BATCH_MAX`] names.
//! - At most [`BATCH_PARALLEL`] of them are fetched at a time.
//! - A file that fails costs nothing but itself. One that is there already is
//!   counted and left alone.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::SystemTime,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use node_wire::{FindWanted, name::ShareName};
use plugin_api::NameCheck;
use serde_json::json;
use tokio::{select, sync::watch};
use tokio_util::sync::CancellationToken;

use super::{FetchError, JobState, Transfers, sources::Source, turns::Owner};
use crate::{
    handlers::query,
    overlay::{Finder, Holder},
    share::{Replace, ShareError},
};

/// Most files of one batch.
pub const BATCH_MAX: usize = 100_000;

/// Files of one batch that are fetched at a time.
const BATCH_PARALLEL: usize = 16;

/// Failures that are told by name.
const FAILURES_MAX: usize = 20;

/// A batch as it is at one moment.
#[derive(Clone, Debug)]
pub struct BatchStatus {
    /// Its number.
    pub id: u64,
    /// What the files match.
    pub query: String,
    /// Whether its search waits for those of others.
    pub queued: bool,
    /// Whether nothing more will happen.
    pub over: bool,
    /// Whether it was cancelled.
    pub cancelled: bool,
    /// Files found so far.
    pub found: u64,
    /// Their sizes together, in bytes.
    pub size: u64,
    /// Files fetched.
    pub done: u64,
    /// Their sizes together, in bytes.
    pub bytes: u64,
    /// Files that were there already.
    pub existing: u64,
    /// Files that were not fetched.
    pub failed: u64,
    /// Why, for the first of them.
    pub failures: Vec<(ShareName, Arc<FetchError>)>,
    /// Whether there were more files than a batch takes.
    pub truncated: bool,
    /// Peers asked.
    pub asked: usize,
    /// When it started.
    pub started: SystemTime,
    /// When it ended.
    pub ended: Option<SystemTime>,
}

/// One batch.
pub(super) struct Batch {
    status: watch::Sender<BatchStatus>,
    /// Which of the names that peers give are meant.
    is_meant: Option<NameCheck>,
    cancel: CancellationToken,
}

/// A file to fetch, and from whom.
type Wanted = (ShareName, u64, Option<Source>);

impl Batch {
    pub(super) fn new(
        id: u64,
        query: String,
        is_meant: Option<NameCheck>,
        cancel: CancellationToken,
    ) -> Batch {
        let status = BatchStatus {
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
            started: SystemTime::now(),
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

    pub(super) fn status(&self) -> BatchStatus {
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
        events.emit(
            "fetch.batch_started",
            json!({ "id": self.id(), "query": query }),
        );
        let cancelled = select! {
            () = self.fetch_all(transfers, query, replace) => false,
            () = self.cancel.cancelled() => true,
        };
        self.status.send_modify(|status| {
            (status.over, status.cancelled) = (true, cancelled);
            status.queued = false;
            status.ended = Some(SystemTime::now());
        });
        let status = self.status();
        events.emit(
            "fetch.batch_done",
            json!({
                "id": status.id, "query": status.query, "found": status.found, "done": status.done,
                "existing": status.existing, "failed": status.failed, "bytes": status.bytes,
            }),
        );
    }

    async fn fetch_all(&self, transfers: &Arc<Transfers>, query: String, replace: Replace) {
        let mut turn = Some(transfers.searches.next(Owner::Batch(self.id())).await);
        self.status.send_modify(|status| status.queued = false);
        transfers.fetcher.overlay.met_for_owner().await;
        // Without a prefix a name is meant.
        let wanted = FindWanted::Query(query::of_names(&query));
        let mut finder = Finder::begin(&transfers.fetcher.overlay, wanted);
        let (mut seen, mut waiting) = (HashSet::new(), VecDeque::new());
        let mut running = FuturesUnordered::new();
        let mut searching = true;
        loop {
            while running.len() < BATCH_PARALLEL
                && let Some(wanted) = waiting.pop_front()
            {
                running.push(self.fetch_one(transfers, wanted, replace));
            }
            select! {
                found = finder.next(), if searching => {
                    self.status.send_modify(|status| status.asked = finder.asked());
                    match found {
                        Some(holder) => {
                            let named = self.take(holder, &mut seen);
                            waiting.extend(self.leave_existing(transfers, named, replace).await);
                        }
                        None => {
                            searching = false;
                            turn.take();
                        }
                    }
                }
                Some(()) = running.next(), if !running.is_empty() => {}
                else => return,
            }
        }
    }

    /// Leaves out what is there already, unless it is to be replaced.
    async fn leave_existing(
        &self,
        transfers: &Transfers,
        mut named: Vec<Wanted>,
        replace: Replace,
    ) -> Vec<Wanted> {
        if replace == Replace::Existing {
            return named;
        }
        let (share, before) = (Arc::clone(&transfers.fetcher.share), named.len());
        let disk = transfers.fetcher.share.disk().clone();
        let look = disk.run(move || {
            named.retain(|(name, ..)| !share.is_taken(name));
            named
        });
        let left = look.await.unwrap_or_else(|error| {
            tracing::error!(%error, "looking at the share panicked");
            Vec::new()
        });
        let existing = (before - left.len()) as u64;
        self.status
            .send_modify(|status| status.existing += existing);
        left
    }

    /// Notes what a holder has that nobody named before.
    fn take(&self, holder: Holder, seen: &mut HashSet<ShareName>) -> Vec<Wanted> {
        let mut named = Vec::new();
        let (mut found, mut size, mut truncated) = (0, 0_u64, false);
        for hit in holder.hits {
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
            let source = hit.digest.map(|digest| Source {
                peer: holder.peer.clone(),
                size: hit.size,
                digest,
                about: hit.about(),
                through: None,
            });
            found += 1;
            size = size.saturating_add(hit.size);
            named.push((name, hit.size, source));
        }
        self.status.send_modify(|status| {
            status.found += found;
            status.size = status.size.saturating_add(size);
            status.truncated |= truncated;
        });
        named
    }

    async fn fetch_one(&self, transfers: &Arc<Transfers>, wanted: Wanted, replace: Replace) {
        let (name, size, source) = wanted;
        let result = transfers
            .fetch_and_wait(&name, replace, self.id(), source)
            .await;
        self.status.send_modify(|status| match result {
            Ok(()) => {
                status.done += 1;
                status.bytes = status.bytes.saturating_add(size);
            }
            Err(error) if is_there(&error) => status.existing += 1,
            Err(error) => {
                status.failed += 1;
                if status.failures.len() < FAILURES_MAX {
                    status.failures.push((name, error));
                }
            }
        });
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Batch").field(&self.status()).finish()
    }
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
        let interest = begun.map_err(Arc::new)?;
        interest.job.over().await;
        let status = interest.job.status();
        match (status.state, status.error) {
            (JobState::Done, _) => Ok(()),
            (_, Some(error)) => Err(error),
            _ => Err(Arc::new(FetchError::Cancelled(name.clone()))),
        }
    }
}
