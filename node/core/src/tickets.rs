//! Tickets: links that let people without Sixhop take, or leave, certain files.
//!
//! # Participants
//! [`Tickets`] keeps the [`table`] in `STATE/tickets`, and ends tickets in time. The web port asks it who shows what,
//! and tells it what was sent.
//!
//! # Invariants
//! - The disk has hashes of links alone.
//! - What must not be forgotten is on the disk before it has an effect: a claim before it is given, a range before it
//!   begins, and its end before its last byte leaves. Many changes at a time are one writing.
//! - A ticket is refused from the moment on that it is removed or its time is over. What runs by it is cut then.

mod inbox;
mod leaving;
mod parts;
mod table;

use std::{
    collections::HashMap,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use node_api::ticket::{Ticket, TicketKind};
use node_base::{
    clock,
    disk::Disk,
    events::{Event, EventLog, unix_millis},
    link::LinkText,
    state::{StateDir, StateError},
    sync::lock,
    token::TokenHash,
};
use tokio::{select, sync::Notify, time::sleep_until};
use tokio_util::sync::CancellationToken;

pub use self::table::{AddError, NewRecord};
use self::{inbox::Inbox, leaving::Turn, table::Table};
pub(crate) use self::{
    inbox::InboxError,
    leaving::{Arrived, LeaveError, Receiving, TakenUp, UploadKey},
    table::{Ask, AskError, ClaimError, Goods, Item, Record, Shown},
};

/// Name of the file in the state directory.
const FILE: &str = "tickets";

/// Longest such file, in bytes.
const FILE_MAX: u64 = 16 << 20;

/// Most claims of all tickets at a time.
const CLAIMS_MAX: usize = 4_096;

/// Longest sleep until the next end of a ticket: the time of day can be set meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Most bytes that a link for asking takes in all, if nothing was said.
const ASK_MAX_DEFAULT: u64 = 2 << 30;

/// The error of tickets that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TicketsError {
    /// The file cannot be read.
    #[error("the links cannot be read: {0}")]
    State(#[from] StateError),
    /// The file is not private, or has something else.
    #[error(
        "the file of links {path} cannot be used: {reason}; remove it and make the links again"
    )]
    Broken {
        /// The file.
        path: String,
        /// The first thing that is wrong.
        reason: String,
    },
}

/// The error of a change of the tickets.
#[derive(Debug, thiserror::Error)]
pub enum TicketError {
    /// The ticket cannot be.
    #[error(transparent)]
    Add(#[from] AddError),
    /// The file cannot be written.
    #[error("the links cannot be kept: {0}")]
    State(#[from] StateError),
    /// The node ends.
    #[error("the node is ending")]
    Stopping,
}

/// The tickets of a node. Clones are the same ones.
#[derive(Clone, Debug)]
pub struct Tickets(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: StateDir,
    disk: Disk,
    events: Arc<EventLog>,
    table: Mutex<Table>,
    /// Is cancelled for each ticket that is removed or whose time is over.
    ends: Mutex<HashMap<u64, CancellationToken>>,
    /// Number of changes so far.
    changes: AtomicU64,
    /// The change that is on the disk. Held while the file is written.
    saved: tokio::sync::Mutex<u64>,
    changed: Notify,
    inbox: Inbox,
    /// Held while a name for a file is chosen.
    beginning: tokio::sync::Mutex<()>,
    /// Temporaries of files that will not come.
    given_up: Mutex<Vec<String>>,
    /// The requests that write to uploads, by the hashes of those.
    turns: Mutex<HashMap<String, Turn>>,
}

/// The right of one taker, for one ticket. Its text is in the URL.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) ticket: u64,
    pub(crate) hash: TokenHash,
}

/// The reason why a claim gives nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GiveError {
    /// There is no such claim, or none to be had.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// It cannot be kept.
    #[error(transparent)]
    Keep(#[from] TicketError),
}

impl Tickets {
    /// Reads the tickets that `state` has. Blocks.
    ///
    /// # Errors
    /// Errors if the file is there and cannot be used.
    pub fn load(
        state: StateDir,
        disk: Disk,
        events: Arc<EventLog>,
    ) -> Result<Tickets, TicketsError> {
        let broken = |reason: String| TicketsError::Broken {
            path: state.file(FILE).display().to_string(),
            reason,
        };
        let table = match state.read_private_up_to(FILE, FILE_MAX)? {
            None => Table::default(),
            Some(Ok(text)) => {
                serde_json::from_str(&text).map_err(|error| broken(error.to_string()))?
            }
            Some(Err(not_private)) => return Err(broken(not_private.to_string())),
        };
        let inbox = Inbox::of(&state, table.temporaries());
        Ok(Tickets(Arc::new(Inner {
            inbox,
            beginning: tokio::sync::Mutex::default(),
            given_up: Mutex::default(),
            turns: Mutex::default(),
            state,
            disk,
            events,
            table: Mutex::new(table.taken_up(now())),
            ends: Mutex::default(),
            changes: AtomicU64::new(0),
            saved: tokio::sync::Mutex::new(0),
            changed: Notify::new(),
        })))
    }

    /// Adds a ticket that gives these files and folders of the share.
    ///
    /// # Errors
    /// Errors if it cannot be, or cannot be kept; there is no such ticket then.
    pub async fn share(&self, names: Vec<String>, new: NewRecord) -> Result<Ticket, TicketError> {
        self.add(new, |_| Goods::Share(names)).await
    }

    /// Adds a ticket that takes files into a folder of the inbox.
    ///
    /// # Errors
    /// As [`Tickets::share`].
    pub async fn ask(
        &self,
        into: Option<String>,
        max_bytes: Option<u64>,
        new: NewRecord,
    ) -> Result<Ticket, TicketError> {
        let goods = |id: u64| {
            Goods::Ask(Ask {
                into: into.unwrap_or_else(|| id.to_string()),
                max_bytes: max_bytes.unwrap_or(ASK_MAX_DEFAULT),
                received: 0,
            })
        };
        self.add(new, goods).await
    }

    async fn add(
        &self,
        new: NewRecord,
        goods: impl FnOnce(u64) -> Goods,
    ) -> Result<Ticket, TicketError> {
        let at = now();
        let ticket = {
            let mut table = lock(&self.0.table);
            let id = table.add(new, at, goods)?;
            table.get(id, at).map(|record| record.describe(at))
        };
        let ticket = ticket.ok_or(AddError::Uses)?;
        if let Err(error) = self.save().await {
            lock(&self.0.table).remove(ticket.id);
            return Err(error);
        }
        self.0.changed.notify_one();
        let kind = match ticket.kind {
            TicketKind::Share => "share",
            TicketKind::Ask => "ask",
        };
        tracing::info!(ticket = ticket.id, kind, "a link was added");
        self.0.events.emit(&Event::TicketAdded {
            id: ticket.id,
            kind: kind.to_owned(),
        });
        Ok(ticket)
    }

    /// Removes a ticket, and cuts what runs by it. Says whether there was one.
    ///
    /// # Errors
    /// Errors if that cannot be kept: the ticket stays.
    pub async fn remove(&self, id: u64) -> Result<bool, TicketError> {
        let removed = lock(&self.0.table).remove(id);
        let Some(removed) = removed else {
            return Ok(false);
        };
        self.cut(id);
        if let Err(error) = self.save().await {
            // It would be there again when the node starts, so it is said to be there, and can be removed again.
            lock(&self.0.table).put_back(removed);
            return Err(error);
        }
        self.remove_temporaries(removed.temporaries().collect())
            .await;
        tracing::info!(ticket = id, "a link was removed");
        self.0.events.emit(&Event::TicketRemoved { id });
        Ok(true)
    }

    /// Lists the tickets.
    #[must_use]
    pub fn list(&self) -> Vec<Ticket> {
        lock(&self.0.table).list(now())
    }

    /// Finds the ticket of a link.
    pub(crate) fn shown(&self, link: &LinkText) -> Shown {
        lock(&self.0.table).shown(&link.hash(), now())
    }

    /// Returns a ticket, unless it is gone.
    pub(crate) fn get(&self, id: u64) -> Option<Record> {
        lock(&self.0.table).get(id, now()).cloned()
    }

    /// Changes a ticket; `None` if it is gone.
    fn change<T>(&self, id: u64, change: impl FnOnce(&mut Record, u64) -> T) -> Option<T> {
        let at = now();
        let mut table = lock(&self.0.table);
        table.get_mut(id, at).map(|ticket| change(ticket, at))
    }

    /// Returns what is cancelled when the ticket ends.
    pub(crate) fn end_of(&self, id: u64) -> CancellationToken {
        let end = lock(&self.0.ends).entry(id).or_default().clone();
        if lock(&self.0.table).get(id, now()).is_none() {
            self.cut(id);
            end.cancel();
        }
        end
    }

    fn cut(&self, id: u64) {
        if let Some(end) = lock(&self.0.ends).remove(&id) {
            end.cancel();
        }
    }

    /// Makes a claim.
    ///
    /// # Errors
    /// Errors if no use is left for it.
    pub(crate) async fn claim(&self, claim: &Claim) -> Result<(), GiveError> {
        if lock(&self.0.table).claims() >= CLAIMS_MAX {
            return Err(ClaimError::Taken.into());
        }
        let claimed = self.change(claim.ticket, |ticket, at| ticket.claim(&claim.hash, at));
        claimed.unwrap_or(Err(ClaimError::Gone))?;
        Ok(self.save().await?)
    }

    /// Returns whether a claim has not ended.
    ///
    /// # Errors
    /// Errors if it has.
    pub(crate) fn has_claim(&self, claim: &Claim) -> Result<(), ClaimError> {
        let has = self.change(claim.ticket, |ticket, at| ticket.has_claim(&claim.hash, at));
        has.unwrap_or(Err(ClaimError::Gone))
    }

    /// Notes that a range is about to be sent for a claim, until what is returned is dropped.
    ///
    /// # Errors
    /// Errors if the claim has ended.
    pub(crate) async fn begin(&self, claim: &Claim, item: &Item) -> Result<Begun, GiveError> {
        let begun = self.change(claim.ticket, |ticket, at| {
            ticket.begin(&claim.hash, item, at)
        });
        begun.unwrap_or(Err(ClaimError::Gone))?;
        let begun = Begun {
            tickets: self.clone(),
            claim: claim.clone(),
            range: item.range.clone(),
        };
        self.save().await?;
        Ok(begun)
    }

    /// Brings all changes so far to the disk.
    async fn save(&self) -> Result<(), TicketError> {
        let wanted = self.0.changes.fetch_add(1, Ordering::AcqRel) + 1;
        let mut saved = self.0.saved.lock().await;
        if *saved >= wanted {
            return Ok(());
        }
        let (last, text) = {
            let table = lock(&self.0.table);
            let last = self.0.changes.load(Ordering::Acquire);
            (
                last,
                serde_json::to_string(&*table).expect("a ticket is plain JSON"),
            )
        };
        let state = self.0.state.clone();
        let written = self
            .0
            .disk
            .run(move || state.write(FILE, &(text + "\n")))
            .await;
        written.map_err(|_| TicketError::Stopping)??;
        *saved = last;
        Ok(())
    }

    /// Ends tickets in time until `stop`.
    pub(crate) async fn keep(self, stop: CancellationToken) {
        let ending = async {
            loop {
                let over = lock(&self.0.table).expired(now());
                for id in over {
                    tracing::info!(ticket = id, "the time of a link is over");
                    self.cut(id);
                    self.0.events.emit(&Event::TicketExpired { id });
                }
                self.give_up().await;
                select! {
                    () = self.0.changed.notified() => {}
                    () = sleep_until(self.next_look(clock::now()).into()) => {}
                }
            }
        };
        stop.run_until_cancelled(ending).await;
    }

    /// Gives up uploads that were left alone.
    async fn give_up(&self) {
        let mut given_up = lock(&self.0.table).give_up(now());
        given_up.append(&mut lock(&self.0.given_up));
        if given_up.is_empty() {
            return;
        }
        if let Err(error) = self.save().await {
            tracing::warn!(%error, "uploads that were left alone could not be given up");
        }
        self.remove_temporaries(given_up).await;
    }

    /// Returns where the files of a ticket that takes are.
    #[must_use]
    pub fn folder_of(&self, ticket: &Ticket) -> Option<String> {
        let folder = ticket.names.first()?;
        (ticket.kind == TicketKind::Ask).then(|| self.0.inbox.folder(folder).display().to_string())
    }

    fn next_look(&self, at: Instant) -> Instant {
        let next = lock(&self.0.table).next_end();
        let until = next.map(|end| Duration::from_millis(end.saturating_sub(now())));
        at + until.unwrap_or(LOOK_EVERY).min(LOOK_EVERY)
    }
}

/// A range that is being sent for a claim.
#[derive(Debug)]
pub(crate) struct Begun {
    tickets: Tickets,
    claim: Claim,
    range: Range<u64>,
}

impl Begun {
    /// Notes, on the disk, that all of the range is about to be gone.
    ///
    /// # Errors
    /// Errors if the ticket is gone or that cannot be kept. The last byte must not leave then.
    pub(crate) async fn sent(&self) -> Result<(), GiveError> {
        let (id, hash) = (self.claim.ticket, &self.claim.hash);
        let sent = self.tickets.change(id, |ticket, at| {
            let is_new = ticket.sent(hash, &self.range, at)?;
            Ok((is_new, ticket.used))
        });
        let (is_new, used) = sent.unwrap_or(Err(ClaimError::Gone))?;
        self.tickets.save().await?;
        if is_new {
            tracing::info!(ticket = id, used, "a download by a link is complete");
            let name = None;
            self.tickets
                .0
                .events
                .emit(&Event::TicketUsed { id, used, name });
        }
        Ok(())
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let hash = &self.claim.hash;
        let _ = self
            .tickets
            .change(self.claim.ticket, |ticket, at| ticket.over(hash, at));
    }
}

/// Returns the time of day in Unix milliseconds, by which tickets end.
fn now() -> u64 {
    unix_millis(SystemTime::now())
}
