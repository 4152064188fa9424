//! Hooks: `on`, `on_match`, `every`, `wait` and their queue.
//!
//! # Participants
//! The *table* has the listeners and the timers. A *follower* for each node that is listened to puts the events that
//! somebody wants into one queue. When the body of the script is over, [`deliver`] takes them out and calls the
//! listeners, on the thread of the script, one at a time; so a callback can do whatever the body can. `wait` has a
//! *feed* of its own and calls nobody.
//!
//! # Invariants
//! - A listener gets each event that happened after its registration once, in order. What the node has forgotten by
//!   the time it is asked is lost, and that is said.
//! - At most [`QUEUE_MAX`] events wait. When the queue is full the followers stop to read, the node keeps the events,
//!   and the followers ask for them by their ids.
//! - Nothing is called while something else of the script runs.
//! - No lock is held while a callback runs.

mod deliver;
mod feed;
mod matches;
mod table;
mod verbs;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use rhai::FnPtr;
use tokio::{
    runtime::Handle,
    sync::{Mutex as WaitingMutex, mpsc},
    task::JoinHandle,
};

pub(super) use self::{deliver::deliver, feed::Origin, verbs::register};
use self::{
    feed::{Feed, Place},
    matches::UntakenMatch,
    table::{Pattern, Table},
};
use crate::{error::CtlError, output::Output};

/// Most events that wait to be delivered.
const QUEUE_MAX: usize = 256;

/// The node that something is about.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum NodeKey {
    /// The owner's.
    Owner,
    /// The one of this number that the script started.
    #[cfg(feature = "embedded")]
    Own(usize),
}

/// The hooks of one run.
pub(super) struct Hooks {
    table: Arc<Mutex<Table>>,
    sender: mpsc::Sender<Queued>,
    queue: WaitingMutex<mpsc::Receiver<Queued>>,
    followers: Mutex<HashMap<NodeKey, JoinHandle<()>>>,
    /// The followers of watches, by the handles of their functions.
    watching: Mutex<HashMap<i64, JoinHandle<()>>>,
    /// The feeds of `wait` that are not in use.
    waits: Mutex<HashMap<NodeKey, Feed>>,
    stopped: AtomicBool,
    /// The start of the script, Unix milliseconds.
    begun: u64,
}

/// A message of a follower.
enum Queued {
    /// Something happened that these listeners want to hear of.
    Event(Vec<i64>, node_api::events::Event),
    /// A content matches a query.
    Match(Box<UntakenMatch>),
    /// The node has ended, so nothing happens there any more.
    Over(NodeKey),
    /// The node cannot be listened to.
    Failed(CtlError),
}

impl Hooks {
    pub(super) fn new() -> Hooks {
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let begun = since.map_or(0, |since| since.as_millis());
        Hooks {
            table: Arc::default(),
            sender,
            queue: WaitingMutex::new(queue),
            followers: Mutex::default(),
            watching: Mutex::default(),
            waits: Mutex::default(),
            stopped: AtomicBool::new(false),
            begun: u64::try_from(begun).unwrap_or(u64::MAX),
        }
    }

    /// Stops: nothing is delivered any more.
    fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        lock(&self.table)
    }

    /// Has `callback` called with each event from `place` on.
    fn listen(
        &self,
        key: NodeKey,
        pattern: Pattern,
        place: Place,
        callback: FnPtr,
        runtime: &Handle,
        output: Output,
    ) -> Result<i64, CtlError> {
        let handle = self.table().listen(key, pattern, place.since, callback)?;
        let mut followers = lock(&self.followers);
        if followers.get(&key).is_none_or(JoinHandle::is_finished) {
            let (table, sender) = (Arc::clone(&self.table), self.sender.clone());
            let follower = follow(Feed::new(place), key, table, sender, output);
            followers.insert(key, runtime.spawn(follower));
        }
        Ok(handle)
    }

    /// Ends the followers.
    pub(super) async fn end(&self) {
        let followers = std::mem::take(&mut *lock(&self.followers)).into_values();
        let watching = std::mem::take(&mut *lock(&self.watching)).into_values();
        for follower in followers.chain(watching) {
            follower.abort();
            // It was cut off, which is what was wanted.
            let _ = follower.await;
        }
        lock(&self.waits).clear();
    }
}

/// Queues the events that listeners of a node want.
async fn follow(
    mut feed: Feed,
    key: NodeKey,
    table: Arc<Mutex<Table>>,
    sender: mpsc::Sender<Queued>,
    output: Output,
) {
    loop {
        let heard = match feed.next(output).await {
            Ok(heard) => heard,
            Err(error) => {
                let last = match error {
                    CtlError::Closed { .. } => Queued::Over(key),
                    error => Queued::Failed(error),
                };
                // Without a receiver the run is over.
                let _ = sender.send(last).await;
                return;
            }
        };
        if heard.is_anew {
            lock(&table).node_began_anew(key);
        }
        let wanted = lock(&table).wanted(key, &heard.event);
        if !wanted.is_empty()
            && sender
                .send(Queued::Event(wanted, heard.event))
                .await
                .is_err()
        {
            return;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
