//! Queries of others that stand at this node.
//!
//! # Participants
//! [`OwnWatches`] hears of changes of the share and notes them in a [`Journal`]. `sixhop.watch` (`methods/watch.rs`) holds
//! a call open until [`telling`] finds new matches in it; [`Leases`] bound the queries that others may have here. The
//! owner's own watches are told by the same code, without a lease and without the policy.
//!
//! # Invariants
//! - Only files that changed are looked at, unless the caller has no place in the journal, or one that was forgotten.
//! - The policy is asked at each telling.
//! - A file is told with its digest. One whose digest is not known yet waits until it is.
//! - At most [`WAITING_MAX`] calls wait; to others the answer comes at once.

mod journal;
mod leases;
mod telling;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use node_wire::{Fault, WatchTold, Watched};
use tokio::{
    sync::{Semaphore, SemaphorePermit, watch},
    time::{sleep, timeout_at},
};
use tokio_util::sync::CancellationToken;

pub(super) use self::leases::{LEASE, NoPlace, WatcherKey};
use self::telling::{Standing, tell};
use self::{journal::Journal, leases::Leases};
use crate::{
    clock::now,
    server::{Context, methods::long, policy::Asker},
    share::ChangeSet,
    sync::lock,
};

/// Most calls that wait for news.
const WAITING_MAX: usize = 256;

/// The time that changes are gathered before they are told.
const CALM: Duration = Duration::from_millis(150);

/// The queries of others, and the changes that they are told of.
#[derive(Debug)]
pub struct OwnWatches {
    journal: Mutex<Journal>,
    leases: Mutex<Leases>,
    /// Changes with each change that somebody may wait for.
    news: watch::Sender<u64>,
    places: Semaphore,
    closed: CancellationToken,
    /// Tells this run of the node from others.
    run: u64,
}

impl Default for OwnWatches {
    fn default() -> OwnWatches {
        let mut run = [0; 8];
        getrandom::fill(&mut run).expect("the system gives random bytes");
        OwnWatches {
            journal: Mutex::default(),
            leases: Mutex::default(),
            news: watch::Sender::new(0),
            places: Semaphore::new(WAITING_MAX),
            closed: CancellationToken::new(),
            run: u64::from_le_bytes(run),
        }
    }
}

impl OwnWatches {
    /// Notes changes of the share. Does not block.
    pub fn share_changed(&self, changes: &ChangeSet) {
        {
            let mut journal = lock(&self.journal);
            if changes.everything {
                journal.lose();
            }
            for name in changes.added.iter().chain(&changes.changed) {
                journal.note(name);
            }
        }
        self.wake();
    }

    /// Notes a file whose text can be read from now on. Does not block.
    pub fn text_ready(&self, name: &str) {
        lock(&self.journal).note(name);
        self.wake();
    }

    /// Lets nobody wait any more.
    pub fn close(&self) {
        self.closed.cancel();
        self.wake();
    }

    fn wake(&self) {
        self.news
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Returns true if the node stops.
    fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    /// Hears of news, and of calls that end others.
    fn follow(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Returns a place to wait; none if too many wait.
    fn place_to_wait(&self) -> Option<SemaphorePermit<'_>> {
        self.places.try_acquire().ok()
    }

    /// Renews the lease of a watcher for so many queries, and ends its call before. Returns the number of the new call.
    ///
    /// # Errors
    /// [`NoPlace`] if it has too many, or there are too many.
    pub(super) fn renew(&self, key: &WatcherKey, queries: usize) -> Result<u64, NoPlace> {
        let call = lock(&self.leases).renew(key, queries, now())?;
        self.wake();
        Ok(call)
    }

    /// Returns whether no later call of this watcher has come.
    pub(super) fn is_current(&self, key: &WatcherKey, call: u64) -> bool {
        lock(&self.leases).is_current(key, call)
    }

    /// Returns the time at which a file that waits for its digest is looked at, if one waits.
    fn next_due(&self) -> Option<Instant> {
        lock(&self.journal).next_due()
    }

    /// Notes the files that waited for their digests and have them now. The others wait on.
    async fn note_digested(&self, context: &Arc<Context>) {
        let due = lock(&self.journal).take_due(now());
        if due.is_empty() {
            return;
        }
        let reader = Arc::clone(context);
        let looked = long(context, move || {
            let looked = due.into_iter().map(|(name, pause)| {
                let is_known = reader.digests.known_of(&name).is_some();
                let is_there = matches!(reader.catalogue.look_up(&name), Ok(Some(_)));
                (name, pause, is_known, is_there)
            });
            looked.collect::<Vec<_>>()
        });
        let Ok(looked) = looked.await else { return };
        let mut is_new = false;
        {
            let mut journal = lock(&self.journal);
            for (name, pause, is_known, is_there) in looked {
                if is_known {
                    journal.note(&name);
                    is_new = true;
                } else if is_there {
                    journal.put_off(name, pause, now());
                }
            }
        }
        if is_new {
            self.wake();
        }
    }
}

/// A call that waits for news.
pub(super) struct Call<'a> {
    pub(super) asker: &'a Asker,
    pub(super) key: WatcherKey,
    /// Its number among those of the watcher.
    pub(super) number: u64,
}

/// Returns the news of some queries as soon as there are any, or, at `until`, the places that moved. `call` is nobody's
/// for the owner.
///
/// # Errors
/// Errors if the files cannot be looked at.
pub(super) async fn hold(
    context: &Arc<Context>,
    call: Option<Call<'_>>,
    watches: Vec<Watched>,
    until: Instant,
) -> Result<Vec<WatchTold>, Fault> {
    let own = &context.watches;
    let mut news = own.follow();
    let place = own.place_to_wait();
    let watches = watches.into_iter();
    let mut watches: Vec<_> = watches
        .map(|watched| Standing::read(own, watched))
        .collect();
    loop {
        news.mark_unchanged();
        own.note_digested(context).await;
        let asker = call.as_ref().map(|call| call.asker);
        let told = tell(context, asker, &mut watches).await?;
        if !told.is_empty() {
            return Ok(told);
        }
        let is_ended = |call: &Call<'_>| !own.is_current(&call.key, call.number);
        let may_wait = place.is_some() || call.is_none();
        if !may_wait || own.is_closed() || now() >= until || call.as_ref().is_some_and(is_ended) {
            let moved = watches.iter().enumerate();
            let moved = moved.filter_map(|(number, standing)| standing.moved(own, number));
            return Ok(moved.collect());
        }
        // A look is at a part of the changes; nobody waits while there are more.
        if watches.iter().any(|standing| standing.is_behind(own)) {
            continue;
        }
        let due = own.next_due().map_or(until, |due| due.min(until));
        if timeout_at(due.into(), news.changed()).await.is_ok() {
            sleep(CALM).await;
        }
    }
}

/// Returns the news of the owner's own queries about this node's files, as [`hold`] does.
///
/// # Errors
/// Errors if the files cannot be looked at.
pub(crate) async fn of_owner(
    context: &Arc<Context>,
    watches: Vec<Watched>,
    until: Instant,
) -> Result<Vec<WatchTold>, Fault> {
    hold(context, None, watches, until).await
}
