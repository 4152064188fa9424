//! The owner's watches: queries that stand, here and at the peers.
//!
//! # Participants
//! [`Watches`] is what control, scripts and tests ask. Its [`table`] decides; [`log`] keeps each change in the state
//! directory; [`asking`] has this node and its peers tell of what is new, and gives matches to the fetches.
//!
//! # Invariants
//! - A change is written down before anybody hears of it, so that nothing is told twice after a restart.
//! - Changes are made one after the other, under a turn that only writers take; readers lock the table for a few
//!   statements.

mod asking;
mod log;
mod record;
mod table;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Instant, SystemTime},
};

use node_api::watch::{Watch, WatchHolder, WatchMatch, WatchMatches, WatchState};
use node_base::state::{StateDir, StateError};
use node_wire::query::{ParsedQuery, SyntaxError};
use tokio::{
    sync::{Mutex as Turn, Notify, watch},
    time::timeout_at,
};
use tokio_util::task::TaskTracker;

pub(crate) use self::asking::Asking;
use self::{
    log::Log,
    record::Record,
    table::{Entry, Misbehaviour, Table, TableError},
};
use crate::{
    clock::now,
    disk::{Disk, DiskError},
    events::{Event, EventLog, unix_millis},
    sync::lock,
};

/// The watches of a node.
#[derive(Debug)]
pub struct Watches {
    table: Mutex<Table>,
    log: Arc<Mutex<Log>>,
    /// Taken by those who change something.
    turn: Turn<()>,
    /// Changes when there are new matches.
    news: watch::Sender<u64>,
    /// Wakes the task that asks.
    changed: Notify,
    /// The nodes that are asked, by their keys.
    nodes: Mutex<BTreeMap<String, AskedNode>>,
    left_out: Mutex<usize>,
    disk: Disk,
    events: Arc<EventLog>,
    tasks: TaskTracker,
}

/// A node that is asked.
#[derive(Clone, Debug)]
struct AskedNode {
    url: String,
    name: Option<String>,
    state: WatchState,
    every: Option<u64>,
    error: Option<String>,
}

/// The error of a request about watches.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The query makes no sense.
    #[error(transparent)]
    Query(#[from] SyntaxError),
    /// There are too many.
    #[error("{0}")]
    Full(String),
    /// There is none of this number.
    #[error("{0}")]
    Unknown(String),
    /// It fetches, and is to be removed.
    #[error("{0}")]
    Fetches(String),
    /// It cannot be kept.
    #[error("the watch cannot be kept: {0}")]
    State(#[from] StateError),
    /// The node stops.
    #[error("the watch cannot be kept: {0}")]
    Disk(#[from] DiskError),
}

impl From<TableError> for WatchError {
    fn from(error: TableError) -> WatchError {
        let text = error.to_string();
        match error {
            TableError::Full => WatchError::Full(text),
            TableError::Unknown(_) => WatchError::Unknown(text),
            TableError::Fetches(_) => WatchError::Fetches(text),
        }
    }
}

impl Watches {
    /// Returns the watches that earlier runs left in `state`. Blocks.
    #[must_use]
    pub fn load(state: &StateDir, disk: Disk, events: Arc<EventLog>) -> Arc<Watches> {
        let (log, records) = Log::load(state);
        Arc::new(Watches {
            table: Mutex::new(Table::of(&records)),
            log: Arc::new(Mutex::new(log)),
            turn: Turn::default(),
            news: watch::Sender::new(0),
            changed: Notify::new(),
            nodes: Mutex::default(),
            left_out: Mutex::default(),
            disk,
            events,
            tasks: TaskTracker::new(),
        })
    }

    /// Has a query stand, or gives the watch that it is already.
    ///
    /// # Errors
    /// Errors if it is no query, there are too many, or it cannot be kept.
    pub async fn add(self: &Arc<Self>, query: String, new_only: bool) -> Result<Watch, WatchError> {
        ParsedQuery::parse(&query, SystemTime::now())?;
        let time = unix_millis(SystemTime::now());
        let id = self.commit(move |table| {
            let (id, added) = table.add(&query, new_only, time)?;
            Ok((added.into_iter().collect(), id))
        });
        let id = id.await?;
        self.changed.notify_one();
        self.describe(id)
    }

    /// Has the node fetch what a watch finds, or stop to.
    ///
    /// # Errors
    /// Errors if there is no such watch, or the change cannot be kept.
    pub async fn fetch(self: &Arc<Self>, id: u64, on: bool) -> Result<Watch, WatchError> {
        self.commit(move |table| Ok((table.fetch(id, on)?, ())))
            .await?;
        self.changed.notify_one();
        self.describe(id)
    }

    /// Ends a watch. Returns whether there was one.
    ///
    /// # Errors
    /// Errors if it fetches, or the change cannot be kept.
    pub async fn remove(self: &Arc<Self>, id: u64) -> Result<bool, WatchError> {
        let removed = self.commit(move |table| Ok((vec![table.remove(id)?], ())));
        match removed.await {
            Ok(()) => {
                self.changed.notify_one();
                // Readers of it are told.
                self.wake();
                Ok(true)
            }
            Err(WatchError::Unknown(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Lists the watches.
    #[must_use]
    pub fn list(&self) -> Vec<Watch> {
        let table = lock(&self.table);
        table
            .iter()
            .map(|(id, entry)| self.describe_entry(&table, id, entry))
            .collect()
    }

    /// Returns the next matches of a watch, as soon as there are any, and at `until` none. Those up to `after` are taken.
    ///
    /// # Errors
    /// Errors if there is no such watch, or it cannot be kept what was taken.
    pub async fn next(
        self: &Arc<Self>,
        id: u64,
        after: Option<u64>,
        limit: usize,
        until: Instant,
    ) -> Result<WatchMatches, WatchError> {
        if let Some(number) = after {
            self.take(id, number).await?;
        }
        let mut news = self.news.subscribe();
        loop {
            news.mark_unchanged();
            let page = {
                let table = lock(&self.table);
                WatchMatches {
                    matches: table.page(id, after, limit)?,
                    full: table.is_full(table.get(id)?),
                }
            };
            if !page.matches.is_empty() || now() >= until || self.tasks.is_closed() {
                return Ok(page);
            }
            // Whatever ends the wait: it is looked again.
            let _ = timeout_at(until.into(), news.changed()).await;
        }
    }

    async fn take(self: &Arc<Self>, id: u64, number: u64) -> Result<(), WatchError> {
        let before = lock(&self.table).asking().len();
        self.commit(move |table| Ok((table.take(id, number)?.into_iter().collect(), ())))
            .await?;
        if lock(&self.table).asking().len() != before {
            self.changed.notify_one();
        }
        Ok(())
    }

    fn describe(&self, id: u64) -> Result<Watch, WatchError> {
        let table = lock(&self.table);
        Ok(self.describe_entry(&table, id, table.get(id)?))
    }

    fn describe_entry(&self, table: &Table, id: u64, entry: &Entry) -> Watch {
        let nodes = lock(&self.nodes);
        let holders = nodes
            .iter()
            .map(|(key, node)| node.describe(table.fault(id, key)));
        Watch {
            id,
            query: entry.query.clone(),
            new_only: entry.new_only,
            fetches: entry.fetches,
            created: entry.created,
            matches: entry.next.saturating_sub(1),
            waiting: entry.waiting() as u64,
            full: table.is_full(entry),
            holders: holders.collect(),
            left_out: u32::try_from(*lock(&self.left_out)).unwrap_or(u32::MAX),
        }
    }

    /// Decides on changes, writes them down and makes them, whether the caller still waits for it or not.
    async fn commit<T: Send + 'static>(
        self: &Arc<Self>,
        decide: impl FnOnce(&mut Table) -> Result<(Vec<Record>, T), TableError> + Send + 'static,
    ) -> Result<T, WatchError> {
        let watches = Arc::clone(self);
        let committed = self.tasks.spawn(async move { watches.write(decide).await });
        committed.await.unwrap_or(Err(DiskError::Stopping.into()))
    }

    async fn write<T>(
        &self,
        decide: impl FnOnce(&mut Table) -> Result<(Vec<Record>, T), TableError>,
    ) -> Result<T, WatchError> {
        let _turn = self.turn.lock().await;
        let (records, value) = decide(&mut lock(&self.table))?;
        if records.is_empty() {
            return Ok(value);
        }
        let anew = {
            let is_due = lock(&self.log).is_due();
            is_due.then(|| lock(&self.table).records())
        };
        let log = Arc::clone(&self.log);
        let written = self.disk.run(move || {
            let mut log = lock(&log);
            if let Some(anew) = anew {
                log.rewrite(&anew)?;
            }
            log.append(&records).map(|()| records)
        });
        let records = written.await??;
        let mut table = lock(&self.table);
        for record in &records {
            table.apply(record);
        }
        Ok(value)
    }

    /// Tells readers and events of matches.
    fn tell(&self, id: u64, matches: &[WatchMatch]) {
        let query = lock(&self.table).get(id).map(|entry| entry.query.clone());
        let Ok(query) = query else { return };
        for found in matches {
            self.events.emit(&Event::WatchMatch {
                watch: id,
                query: query.clone(),
                number: found.number,
                name: found.hit.name.clone(),
                size: found.hit.size,
                digest: found.hit.digest.clone().unwrap_or_default(),
                node: found.hit.node.clone(),
            });
        }
        self.wake();
    }

    fn wake(&self) {
        self.news
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Ends the waiting of readers.
    pub(crate) fn close(&self) {
        self.tasks.close();
        self.wake();
    }

    /// Waits until all changes are made.
    pub(crate) async fn stopped(&self) {
        self.close();
        self.tasks.wait().await;
    }
}

impl AskedNode {
    fn describe(&self, fault: Option<Misbehaviour>) -> WatchHolder {
        let error = fault.map(|fault| fault.to_string());
        WatchHolder {
            node: self.url.clone(),
            node_name: self.name.clone(),
            state: match fault {
                Some(_) => WatchState::Dropped,
                None => self.state,
            },
            every: self.every.filter(|_| fault.is_none()),
            error: error.or_else(|| self.error.clone()),
        }
    }
}
