//! Files that come by tickets that take, from their first byte to their place in the inbox.

use std::sync::Arc;

use node_base::{events::Event, link::LinkText, sync::lock, token::TokenHash};
use node_wire::ShareName;
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

use super::{
    TicketError, Tickets,
    inbox::{self, InboxError},
    table::{AskError, NewUpload, Record},
};
use crate::share::{Incoming, ShareError};

/// Most times that a whole file is put into its place, each time under another name because the last one was taken.
const COMMITS_MAX: u32 = 16;

/// The requests that write to one upload.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn {
    /// Is cancelled when a newer request wants to write.
    superseded: CancellationToken,
    /// Held by the one that writes.
    writing: Arc<tokio::sync::Mutex<()>>,
}

/// The reason why a file does not come.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LeaveError {
    /// The ticket does not take it.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// It cannot be stored.
    #[error(transparent)]
    Inbox(#[from] InboxError),
    /// It cannot be kept in mind.
    #[error(transparent)]
    Keep(#[from] TicketError),
}

impl From<ShareError> for LeaveError {
    fn from(error: ShareError) -> LeaveError {
        LeaveError::Inbox(error.into())
    }
}

/// An upload, for the one who sends it. Its text is in the URL.
#[derive(Clone, Debug)]
pub(crate) struct UploadKey {
    pub(crate) ticket: u64,
    pub(crate) hash: TokenHash,
}

/// How far an upload is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Arrived {
    /// The last part of its name in the inbox.
    pub(crate) name: String,
    pub(crate) offset: u64,
    pub(crate) size: u64,
    pub(crate) is_done: bool,
}

/// A file whose bytes come.
#[derive(Debug)]
pub(crate) struct Receiving {
    tickets: Tickets,
    key: UploadKey,
    name: String,
    temporary: String,
    incoming: Option<Arc<Incoming>>,
    offset: u64,
    size: u64,
    is_whole_or_nothing: bool,
    superseded: CancellationToken,
    _turn: OwnedMutexGuard<()>,
}

/// The result of taking up an upload.
#[derive(Debug)]
pub(crate) enum TakenUp {
    /// Its bytes may come.
    Receiving(Box<Receiving>),
    /// All of it is there already.
    Done(Arrived),
}

impl Tickets {
    /// Begins a file of at most `size` bytes that somebody offers under a name. Returns the text of the upload.
    ///
    /// # Errors
    /// Errors, before anything is stored, if it may not come.
    pub(crate) async fn begin_upload(
        &self,
        ticket: u64,
        offered: &str,
        size: u64,
    ) -> Result<LinkText, LeaveError> {
        let text = LinkText::generate().map_err(|_| AskError::Busy)?;
        // One after the other, so that no two choose one name.
        let _beginning = self.0.beginning.lock().await;
        let record = self.get(ticket).ok_or(AskError::Gone)?;
        record.may_take(size)?;
        let (tickets, offered) = (self.clone(), offered.to_owned());
        let begun = self.0.disk.run(move || {
            let folder = record.folder().ok_or(AskError::Gone)?;
            let key_of = |name: &str| {
                let name = ShareName::parse(name);
                name.map_or_else(|_| String::new(), |name| name.collision_key())
            };
            let is_taken = |name: &ShareName| record.will_have(&name.collision_key(), key_of);
            let incoming = tickets.0.inbox.begin(&folder, &offered, size, &is_taken)?;
            let name = incoming.name().as_str().to_owned();
            Ok::<_, LeaveError>((name, incoming.temporary().to_owned()))
        });
        let (name, temporary) = begun.await.map_err(|_| TicketError::Stopping)??;
        let new = NewUpload {
            hash: text.hash(),
            name,
            size,
            temporary: temporary.clone(),
        };
        let added = self.change(ticket, |ticket, at| ticket.begin_upload(new, at));
        if let Err(error) = added.unwrap_or(Err(AskError::Gone)) {
            self.remove_temporaries(vec![temporary]).await;
            return Err(error.into());
        }
        self.save().await?;
        Ok(text)
    }

    /// Returns how far an upload is.
    ///
    /// # Errors
    /// Errors if there is none.
    pub(crate) async fn arrived(&self, key: &UploadKey) -> Result<Arrived, LeaveError> {
        match self.look(key).await? {
            Ok((arrived, _)) | Err(arrived) => Ok(arrived),
        }
    }

    /// Finds an upload, and opens it if bytes of it are missing.
    async fn look(
        &self,
        key: &UploadKey,
    ) -> Result<Result<(Arrived, Incoming), Arrived>, LeaveError> {
        let known = self.change(key.ticket, |ticket, _| ticket.upload(&key.hash).cloned());
        let upload = known.unwrap_or(Err(AskError::Gone))?;
        let arrived = |name: &str, offset, is_done| Arrived {
            name: name.rsplit('/').next().unwrap_or_default().to_owned(),
            offset,
            size: upload.size,
            is_done,
        };
        if upload.is_done {
            return Ok(Err(arrived(&upload.name, upload.size, true)));
        }
        let name = ShareName::parse(&upload.name).map_err(|_| AskError::Unknown)?;
        let (tickets, temporary) = (self.clone(), upload.temporary.clone());
        let opened = self.0.disk.run(move || {
            let incoming = tickets.0.inbox.resume(&name, &temporary)?;
            let length = incoming.length()?;
            Ok::<_, InboxError>((incoming, length))
        });
        match opened.await.map_err(|_| TicketError::Stopping)? {
            Ok((incoming, length)) => {
                let name = incoming.name().as_str();
                if name != upload.name {
                    let rename = |ticket: &mut Record, _| ticket.rename_upload(&key.hash, name);
                    let _ = self.change(key.ticket, rename);
                    self.save().await?;
                }
                Ok(Ok((arrived(name, length, false), incoming)))
            }
            // It came into its place, and the node was killed before it noted that.
            Err(InboxError::Store(ShareError::Exists(_))) => {
                self.finish(key, upload.size).await?;
                Ok(Err(arrived(&upload.name, upload.size, true)))
            }
            Err(InboxError::Store(ShareError::NotFound(_))) => {
                drop(self.change(key.ticket, |ticket, _| ticket.drop_upload(&key.hash)));
                self.save().await?;
                Err(AskError::Unknown.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Has the bytes of an upload come from now on by one request. An earlier one ends.
    ///
    /// # Errors
    /// Errors if there is no such upload, or it cannot be stored.
    pub(crate) async fn receive(&self, key: &UploadKey) -> Result<TakenUp, LeaveError> {
        let (superseded, writing) = self.next_turn(key);
        let turn = writing.lock_owned().await;
        let (arrived, incoming) = match self.look(key).await? {
            Ok(found) => found,
            Err(arrived) => return Ok(TakenUp::Done(arrived)),
        };
        let _ = self.change(key.ticket, |ticket, at| ticket.runs(&key.hash, 1, at));
        Ok(TakenUp::Receiving(Box::new(Receiving {
            tickets: self.clone(),
            key: key.clone(),
            name: arrived.name,
            temporary: incoming.temporary().to_owned(),
            incoming: Some(Arc::new(incoming)),
            offset: arrived.offset,
            size: arrived.size,
            is_whole_or_nothing: false,
            superseded,
            _turn: turn,
        })))
    }

    fn next_turn(&self, key: &UploadKey) -> (CancellationToken, Arc<tokio::sync::Mutex<()>>) {
        let mut turns = lock(&self.0.turns);
        // Those that nobody waits for or holds.
        turns.retain(|_, turn| Arc::strong_count(&turn.writing) > 1);
        let turn = turns.entry(key.hash.to_string()).or_default();
        turn.superseded.cancel();
        turn.superseded = CancellationToken::new();
        (turn.superseded.clone(), Arc::clone(&turn.writing))
    }

    async fn finish(&self, key: &UploadKey, size: u64) -> Result<(), LeaveError> {
        let finished = self.change(key.ticket, |ticket, at| {
            let name = ticket.finish_upload(&key.hash, size, at)?;
            Ok((name, ticket.used))
        });
        let (name, used) = finished.unwrap_or(Err(AskError::Gone))?;
        self.save().await?;
        if name.is_some() {
            let id = key.ticket;
            tracing::info!(ticket = id, size, "a file was left by a link");
            self.0.events.emit(&Event::TicketUsed { id, used, name });
        }
        Ok(())
    }

    /// Removes what is there of files that will not come.
    pub(super) async fn remove_temporaries(&self, temporaries: Vec<String>) {
        if temporaries.is_empty() {
            return;
        }
        let tickets = self.clone();
        let removed = self.0.disk.run(move || {
            for temporary in &temporaries {
                tickets.0.inbox.remove(temporary);
            }
        });
        if let Err(error) = removed.await {
            tracing::warn!(%error, "files that did not come could not be removed");
        }
    }
}

impl Receiving {
    /// Returns the place of the next byte.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns how long the file will be, or may be.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Returns what is cancelled when another request takes over.
    pub(crate) fn superseded(&self) -> CancellationToken {
        self.superseded.clone()
    }

    /// Has the file go unless it is finished.
    pub(crate) fn whole_or_nothing(mut self: Box<Self>) -> Box<Self> {
        self.is_whole_or_nothing = true;
        self
    }

    /// Writes the next bytes.
    ///
    /// # Errors
    /// Errors if there are more than may come, or they cannot be written.
    pub(crate) async fn write(&mut self, bytes: Vec<u8>) -> Result<(), LeaveError> {
        let length = bytes.len() as u64;
        let left = self.size - self.offset;
        if length > left {
            return Err(AskError::TooLarge { left }.into());
        }
        let incoming = self.incoming.clone().ok_or(AskError::Unknown)?;
        let offset = self.offset;
        let written = (self.tickets.0.disk).run(move || incoming.write_at(&bytes, offset));
        written.await.map_err(|_| TicketError::Stopping)??;
        self.offset += length;
        Ok(())
    }

    /// Makes the file appear with the bytes that came. Returns how it is called.
    ///
    /// # Errors
    /// Errors if it cannot be; then nothing is to be seen of it.
    pub(crate) async fn finish(mut self: Box<Self>) -> Result<Arrived, LeaveError> {
        let mut incoming = self.incoming.take().ok_or(AskError::Unknown)?;
        let size = self.offset;
        let mut tries = 1;
        while let Err(error) = self.commit(incoming, size).await {
            let is_taken = matches!(
                &error,
                LeaveError::Inbox(InboxError::Store(
                    ShareError::Exists(_) | ShareError::Collision { .. }
                ))
            );
            if !is_taken || tries == COMMITS_MAX {
                return Err(error);
            }
            tries += 1;
            // Another file took its name meanwhile: it gets the next one.
            match self.tickets.look(&self.key).await? {
                Ok((arrived, again)) => (self.name, incoming) = (arrived.name, Arc::new(again)),
                Err(arrived) => return Ok(arrived),
            }
        }
        self.is_whole_or_nothing = false;
        self.tickets.finish(&self.key, size).await?;
        Ok(Arrived {
            name: self.name.clone(),
            offset: size,
            size,
            is_done: true,
        })
    }

    async fn commit(&self, incoming: Arc<Incoming>, size: u64) -> Result<(), LeaveError> {
        let committed = self.tickets.0.disk.run(move || {
            // A write that was given up may still hold it for a moment; it is opened anew then.
            match Arc::try_unwrap(incoming) {
                Ok(incoming) => inbox::commit(incoming, size),
                Err(shared) => Err(ShareError::Changed(shared.name().clone())),
            }
        });
        Ok(committed.await.map_err(|_| TicketError::Stopping)??)
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        let hash = self.key.hash;
        let gone = self.tickets.change(self.key.ticket, |ticket, at| {
            ticket.runs(&hash, -1, at);
            let goes = self.is_whole_or_nothing;
            goes.then(|| ticket.drop_upload(&hash)).flatten()
        });
        if gone.flatten().is_some() {
            lock(&self.tickets.0.given_up).push(self.temporary.clone());
            self.tickets.0.changed.notify_one();
        }
    }
}
