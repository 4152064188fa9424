//! Searches of others that are not over, by their cursors.
//!
//! # Invariants
//! - At most [`OPEN_MAX`] are open, asked about or not. A new one takes the
//!   place of the one that nobody has asked about for the longest time.
//! - One that nobody asks about for [`IDLE_MAX`] is forgotten.
//! - A cursor is 128 random bits, for one call; whoever does not have it cannot
//!   take hits from somebody else.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout_at,
};

use crate::{handlers::LiveAnswer, sync::lock};

/// Most searches of others at a time; each has a thread.
const OPEN_MAX: usize = 32;

/// How long a search waits to be asked about.
const IDLE_MAX: Duration = Duration::from_secs(15);

/// Bytes of a cursor.
const CURSOR: usize = 16;

/// The open searches.
#[derive(Debug)]
pub struct Searches {
    waiting: Mutex<HashMap<String, Waiting>>,
    places: Arc<Semaphore>,
}

/// A search that nobody asks about at the moment.
#[derive(Debug)]
struct Waiting {
    open: Open,
    since: Instant,
}

/// A search that is not over.
#[derive(Debug)]
pub(super) struct Open {
    live: LiveAnswer,
    _place: OwnedSemaphorePermit,
}

impl Default for Searches {
    fn default() -> Searches {
        Searches {
            waiting: Mutex::default(),
            places: Arc::new(Semaphore::new(OPEN_MAX)),
        }
    }
}

impl Open {
    pub(super) fn new(live: LiveAnswer, place: OwnedSemaphorePermit) -> Open {
        Open {
            live,
            _place: place,
        }
    }

    pub(super) fn answer(&self) -> &LiveAnswer {
        &self.live
    }
}

impl Searches {
    /// A place for a new search; `None` if there is none in time.
    pub(super) async fn place(&self, until: Instant) -> Option<OwnedSemaphorePermit> {
        self.forget_idle(Instant::now());
        if self.places.available_permits() == 0 {
            self.forget_oldest();
        }
        let place = Arc::clone(&self.places).acquire_owned();
        timeout_at(until.into(), place).await.ok()?.ok()
    }

    /// Keeps a search and gives its cursor; `None` if there is no randomness.
    pub(super) fn keep(&self, open: Open) -> Option<String> {
        let mut bytes = [0; CURSOR];
        getrandom::fill(&mut bytes).ok()?;
        let cursor = u128::from_be_bytes(bytes);
        let cursor = format!("{cursor:032x}");
        let waiting = Waiting {
            open,
            since: Instant::now(),
        };
        lock(&self.waiting).insert(cursor.clone(), waiting);
        Some(cursor)
    }

    /// The search with this cursor.
    pub(super) fn take(&self, cursor: &str) -> Option<Open> {
        self.forget_idle(Instant::now());
        lock(&self.waiting)
            .remove(cursor)
            .map(|waiting| waiting.open)
    }

    /// Ends all of them.
    pub fn clear(&self) {
        lock(&self.waiting).clear();
    }

    fn forget_idle(&self, now: Instant) {
        lock(&self.waiting)
            .retain(|_, waiting| now.saturating_duration_since(waiting.since) < IDLE_MAX);
    }

    fn forget_oldest(&self) {
        let mut waiting = lock(&self.waiting);
        let oldest = waiting.iter().min_by_key(|(_, waiting)| waiting.since);
        if let Some(cursor) = oldest.map(|(cursor, _)| cursor.clone()) {
            waiting.remove(&cursor);
        }
    }
}
