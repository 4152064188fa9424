//! The summary of this node's own files, in few bytes.
//!
//! # Participants
//! [`OwnSummary`] keeps the filters and rebuilds them after each change of the
//! share; `sixhop.summary` (`methods/summary.rs`) gives them, to each asker those that the
//! owner's policy lets it have.
//!
//! # Its content
//! All names of the share, once it was looked at, and all digests that are known. Not
//! content that is cached for others: a sure search finds that. A share with more
//! keys than a filter takes has no filter, so that nobody is kept from asking it.
//!
//! # Invariants
//! - The last [`KEPT`] versions are kept, for the changes since.
//! - The share is looked at again [`CALM`] after a change at the earliest, and no more
//!   often than takes a fifth of the time.

mod audiences;

use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use node_wire::Filter;
use plugin_api::Flow;
use tokio::{
    select,
    sync::{Notify, Semaphore, SemaphorePermit, watch},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::now,
    overlay::summaries::keys,
    share::{Catalogue, Digests},
    sync::lock,
    threads::Threads,
};

use self::audiences::Audiences;

/// Versions that are kept.
const KEPT: usize = 8;

/// Most callers that wait for another version; to others the answer comes at once.
const WAITING_MAX: usize = 256;

/// The time that changes are gathered.
const CALM: Duration = Duration::from_millis(100);

/// The same for a share that has too many files for a filter.
const CALM_OF_MANY: Duration = Duration::from_secs(10);

/// Longer than a node runs.
const FOREVER: Duration = Duration::from_secs(60 * 60 * 24 * 365);

/// The interval at which a share is looked at again of which not all digests are known.
const DIGESTS_AGAIN: Duration = Duration::from_secs(2);

/// The filters of a share at one moment.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Filters {
    pub(super) files: Option<Filter>,
    pub(super) grams: Option<Filter>,
    /// True if the digests of all files are in it.
    pub(super) has_digests: bool,
}

/// Gathers keys.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    files: HashSet<u64>,
    grams: HashSet<u64>,
    lacks_digest: bool,
}

/// The filters of this node, now and before.
#[derive(Debug)]
pub struct OwnSummary {
    versions: Mutex<VecDeque<(u64, Arc<Filters>)>>,
    number: watch::Sender<u64>,
    changed: Notify,
    /// The number of changes of the share.
    changes: AtomicU64,
    closed: CancellationToken,
    places: Semaphore,
    /// The filters for those whom the policy lets in.
    pub(super) audiences: Audiences,
    /// Tells this run of the node from others.
    pub(super) run: u64,
}

impl Default for OwnSummary {
    fn default() -> OwnSummary {
        let mut run = [0; 8];
        getrandom::fill(&mut run).expect("the system gives random bytes");
        OwnSummary {
            versions: Mutex::new(VecDeque::from([(0, Arc::default())])),
            number: watch::Sender::new(0),
            changed: Notify::new(),
            changes: AtomicU64::new(0),
            closed: CancellationToken::new(),
            places: Semaphore::new(WAITING_MAX),
            audiences: Audiences::default(),
            run: u64::from_le_bytes(run),
        }
    }
}

impl OwnSummary {
    /// Notes that the share changed.
    pub fn share_changed(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.changed.notify_one();
    }

    /// Returns the number of changes of the share so far.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Has those who wait look again whether their summary is another one: the owner changed a
    /// group.
    pub fn audiences_changed(&self) {
        self.number.send_modify(|_| {});
    }

    /// Keeps the filters right until it is cancelled.
    pub async fn run(
        self: Arc<Self>,
        catalogue: Arc<Catalogue>,
        digests: Arc<Digests>,
        cancel: CancellationToken,
    ) {
        select! {
            () = cancel.cancelled() => return,
            () = catalogue.completed() => {}
        }
        let threads = Threads::new("summary", 1);
        loop {
            let begun = now();
            let (looked, known) = (Arc::clone(&catalogue), Arc::clone(&digests));
            match threads.run(move || look(&looked, &known)).await {
                Ok(filters) => self.put(filters),
                Err(error) => tracing::error!(%error, "making a summary panicked"),
            }
            let told = self.now().1;
            let calm = if told.files.is_some() {
                CALM
            } else {
                CALM_OF_MANY
            };
            let pause = calm.max(now().saturating_duration_since(begun) * 4);
            let again = if told.has_digests || told.files.is_none() {
                FOREVER
            } else {
                DIGESTS_AGAIN.max(pause)
            };
            select! {
                () = cancel.cancelled() => return,
                () = self.changed.notified() => {}
                () = sleep(again) => {}
            }
            select! {
                () = cancel.cancelled() => return,
                () = sleep(pause) => {}
            }
        }
    }

    /// Returns the number of the current filters, and the filters.
    pub(super) fn now(&self) -> (u64, Arc<Filters>) {
        let versions = lock(&self.versions);
        let last = versions
            .back()
            .map(|(number, now)| (*number, Arc::clone(now)));
        last.unwrap_or_default()
    }

    /// Returns the filters of an earlier number, if they are kept.
    pub(super) fn before(&self, number: u64) -> Option<Arc<Filters>> {
        let versions = lock(&self.versions);
        let found = versions.iter().find(|(other, _)| *other == number)?;
        Some(Arc::clone(&found.1))
    }

    /// Returns a place to wait; none if too many wait, or the node stops.
    pub(super) fn place_to_wait(&self) -> Option<SemaphorePermit<'_>> {
        self.places.try_acquire().ok()
    }

    /// Returns true if the node stops: nobody waits any more.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    /// Lets nobody wait any more.
    pub fn close(&self) {
        self.closed.cancel();
        self.number.send_modify(|_| {});
    }

    /// Tells of new numbers.
    pub(super) fn follow(&self) -> watch::Receiver<u64> {
        self.number.subscribe()
    }

    fn put(&self, filters: Filters) {
        let mut versions = lock(&self.versions);
        let (number, now) = versions.back().cloned().unwrap_or_default();
        if *now == filters {
            return;
        }
        versions.push_back((number + 1, Arc::new(filters)));
        if versions.len() > KEPT {
            versions.pop_front();
        }
        drop(versions);
        self.number.send_replace(number + 1);
    }
}

impl Gathered {
    /// Adds a file. `None`: its digest is not known.
    pub(super) fn add(&mut self, name: &str, digest: Option<node_wire::Digest>) {
        keys::of_name(name, &mut |key| {
            self.files.insert(key);
        });
        keys::grams(&name.to_lowercase(), &mut |key| {
            self.grams.insert(key);
        });
        match digest {
            Some(digest) => {
                self.files.insert(keys::digest(&digest));
            }
            None => self.lacks_digest = true,
        }
    }

    /// Returns the filters with all of them; none if there are too many keys.
    pub(super) fn filters(self) -> Filters {
        Filters {
            files: Filter::of(self.files.into_iter()),
            grams: Filter::of(self.grams.into_iter()),
            has_digests: !self.lacks_digest,
        }
    }

    fn is_too_much(&self) -> bool {
        self.files.len() > node_wire::limits::FILTER_KEYS_MAX
    }
}

/// Looks at all files. Blocks.
fn look(catalogue: &Catalogue, digests: &Digests) -> Filters {
    let mut gathered = Gathered::default();
    let seen = catalogue.search("", &[], &mut |file| {
        gathered.add(&file.name, digests.known_as(file));
        if gathered.is_too_much() {
            Flow::Stop
        } else {
            Flow::Continue
        }
    });
    match seen {
        Ok(()) => gathered.filters(),
        Err(error) => {
            tracing::debug!(%error, "the share cannot be told in few bytes");
            Filters::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use node_wire::{Digest, filter::hash};

    use super::*;

    #[test]
    fn a_file_is_in_by_name_last_part_word_digest_and_pieces() {
        let mut gathered = Gathered::default();
        let digest = Digest::from_bytes([3; 32]);
        gathered.add("a/New Plan.txt", Some(digest));
        let filters = gathered.filters();
        assert!(filters.has_digests);
        let (files, grams) = (filters.files.unwrap(), filters.grams.unwrap());
        let digest = format!("d:{digest}");
        for key in [
            "n:a/New Plan.txt",
            "l:New Plan.txt",
            "w:plan",
            "w:txt",
            &digest,
        ] {
            assert!(files.has(hash(key)), "{key}");
        }
        assert!(grams.has(hash("3:pla")) && grams.has(hash("2:/n")));
        assert!(!files.has(hash("n:b")) && !grams.has(hash("3:xyz")));
    }

    #[test]
    fn versions_are_kept_for_a_while_and_only_if_they_differ() {
        let summary = OwnSummary::default();
        let filters = |n: usize| {
            let mut gathered = Gathered::default();
            gathered.add(&n.to_string(), None);
            gathered.filters()
        };
        for n in 0..2 * KEPT {
            summary.put(filters(n));
            summary.put(filters(n));
        }
        let last = 2 * KEPT as u64;
        assert_eq!(summary.now().0, last);
        assert_eq!(*summary.now().1, filters(2 * KEPT - 1));
        assert!(summary.before(last - KEPT as u64 + 1).is_some());
        assert!(summary.before(last - KEPT as u64).is_none());
        assert_eq!(*summary.follow().borrow(), last);
    }
}
