//! Content on its way out: every byte passes here, whatever the route.
//!
//! # Participants
//! [`Uploads`] is the node's; it hands out an [`Upload`] for each answer. An
//! [`Upload`] reads [`Content`] chunk by chunk, lets each chunk pass, and gives
//! it to the [`Encoder`] of the answer.
//!
//! # Invariants
//! - No byte of content leaves before it was taken from the rate and counted. A bundle counts its files itself when
//!   it reads them: what passes here has their lengths in it.
//! - At most [`SLOTS_MAX`] answers longer than [`SHORT`] are sent at a time; with
//!   a limit, at most as many as get a turn within [`TURN_WAIT_MAX`]. Addresses take
//!   turns for the slots, and one never holds all.
//! - An answer holds two chunks, one that is sent and one that is read ahead. What all chunks
//!   together may take is the [`Memory`]'s; when it is short, nothing is read ahead. A chunk is
//!   never more than a turn of the rate.

mod memory;

use std::{
    io,
    net::IpAddr,
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture, stream};
use node_wire::{AnswerRate, content::QueryAnswerWriter};

pub(super) use self::memory::{Buffer, Memory, Room};
use super::{
    content::{Content, Origin},
    front::Remote,
    slots::{Slot, Slots},
    unread::UNREAD_MAX,
};
use crate::{bucket::source_of, counters::Counters, disk::Disk, rate::Rate};

/// Most answers with long content that are sent at a time.
const SLOTS_MAX: usize = 256;

/// Longest content that needs no slot, in bytes.
const SHORT: u64 = 64 * 1024;

/// Most bundles that are sent at a time. Each holds files beside its chunks.
const BUNDLES_MAX: usize = 32;

/// Most answers that pass on what a peer is sending. Each has a connection to it.
const RELAYS_MAX: usize = 64;

/// Longest pause between two turns of an answer. Half of what an asker takes
/// for silence.
const TURN_WAIT_MAX: Duration = Duration::from_secs(5);

/// Sends the content of a node to others. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Uploads {
    slots: Slots,
    bundles: Slots,
    relays: Slots,
    /// Long answers without content that are not read yet.
    unread: Slots,
    rate: Rate,
    disk: Disk,
    running: Arc<AtomicUsize>,
    memory: Memory,
    counters: Arc<Counters>,
}

/// One answer that carries content.
#[derive(Debug)]
pub(super) struct Upload {
    uploads: Uploads,
    address: IpAddr,
    rate: Option<AnswerRate>,
    _running: Running,
    _slot: Option<Slot>,
    /// Its place among those of its kind, if they have fewer than all.
    _place: Option<Slot>,
}

/// All slots are taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Busy;

/// Counts an answer that is sent, until it is dropped.
#[derive(Debug)]
struct Running(Arc<AtomicUsize>);

/// Turns content into the body of an answer.
#[derive(Debug)]
pub(super) enum Encoder {
    /// The bytes as they are.
    Raw,
    /// The answer to `query`.
    Query {
        writer: QueryAnswerWriter,
        /// Text before the content that was not sent yet.
        head: Option<&'static str>,
    },
}

/// Content that is being sent.
pub(super) struct Sending {
    upload: Upload,
    reading: Reading,
    encoder: Option<Encoder>,
}

/// Content, and the next chunk of it.
type ContentRead = (Content, io::Result<Option<Bytes>>);

enum Reading {
    Idle(Content),
    /// Being read while the chunk before is sent.
    Ahead(BoxFuture<'static, ContentRead>),
    /// Read before the chunk before was sent.
    Read(ContentRead),
    Over,
}

impl Uploads {
    /// Creates uploads of at most `bytes_a_second` in all; 0 is no limit.
    #[must_use]
    pub fn new(bytes_a_second: u64, disk: Disk, counters: Arc<Counters>) -> Uploads {
        let rate = Rate::new(bytes_a_second);
        Uploads {
            slots: Slots::shared(slots_of(&rate)),
            bundles: Slots::shared(BUNDLES_MAX),
            relays: Slots::shared(RELAYS_MAX),
            unread: Slots::shared(UNREAD_MAX),
            rate,
            disk,
            running: Arc::default(),
            memory: Memory::default(),
            counters,
        }
    }

    /// Returns a place for a long answer without content, if there is one for this source.
    pub(super) fn place_for_answer(&self, remote: Remote) -> Option<Slot> {
        self.unread.try_take(source_of(remote.ip()))
    }

    /// Begins an answer to `remote`. Waits for a slot if the content may be long.
    ///
    /// # Errors
    /// Errors if no slot is free in time.
    pub(super) async fn begin(&self, remote: Remote, length: Option<u64>) -> Result<Upload, Busy> {
        let address = source_of(remote.ip());
        let slot = if length.is_some_and(|length| length <= SHORT) {
            None
        } else {
            Some(self.slots.take(address).await.ok_or(Busy)?)
        };
        let answers = self.running.fetch_add(1, Ordering::Relaxed) + 1;
        let running = Running(Arc::clone(&self.running));
        let limit = self.rate.limit().and_then(NonZeroU64::new);
        Ok(Upload {
            uploads: self.clone(),
            address,
            rate: limit.map(|limit| AnswerRate::shared(limit, answers)),
            _running: running,
            _slot: slot,
            _place: None,
        })
    }

    /// Changes the limit to `bytes_a_second` in all, also for answers that are sent already; 0 is no limit.
    pub(crate) fn set_rate(&self, bytes_a_second: u64) {
        self.rate.set(bytes_a_second);
        self.slots.resize(slots_of(&self.rate));
    }

    /// Returns the limit in bytes a second, if there is one.
    #[must_use]
    pub(crate) fn limit(&self) -> Option<u64> {
        self.rate.limit()
    }

    /// Begins an answer with many small files to `remote`.
    ///
    /// # Errors
    /// As [`Uploads::begin`].
    pub(super) async fn begin_bundle(&self, remote: Remote) -> Result<Upload, Busy> {
        self.begin_at(&self.bundles, remote, None).await
    }

    /// Begins an answer to `remote` with what a peer is sending.
    ///
    /// # Errors
    /// As [`Uploads::begin`].
    pub(super) async fn begin_relay(
        &self,
        remote: Remote,
        length: Option<u64>,
    ) -> Result<Upload, Busy> {
        self.begin_at(&self.relays, remote, length).await
    }

    async fn begin_at(
        &self,
        places: &Slots,
        remote: Remote,
        length: Option<u64>,
    ) -> Result<Upload, Busy> {
        let place = places.take(source_of(remote.ip())).await.ok_or(Busy)?;
        let mut upload = self.begin(remote, length).await?;
        upload._place = Some(place);
        Ok(upload)
    }

    /// Returns what counts the chunks.
    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Makes room for the next chunk.
    pub(super) fn room(&self) -> Room {
        self.memory.room(self.rate.turn())
    }
}

/// Returns how many answers may share `rate`.
fn slots_of(rate: &Rate) -> usize {
    let turns = TURN_WAIT_MAX
        .as_nanos()
        .checked_div(rate.turn_time().as_nanos());
    let turns = turns.and_then(|turns| usize::try_from(turns).ok());
    turns.unwrap_or(SLOTS_MAX).clamp(1, SLOTS_MAX)
}

impl Upload {
    /// Returns how fast the answer will be, if uploads are limited.
    pub(super) fn rate(&self) -> Option<AnswerRate> {
        self.rate
    }

    /// Returns the body of an answer that carries `content`.
    pub(super) async fn body(self, mut content: Content, encoder: Encoder) -> Body {
        self.count(&content);
        if self.uploads.rate.limit().is_none()
            && let Some(all) = content.take_memory()
        {
            self.pass(all.len(), content.origin()).await;
            let whole = encoder.whole(all, &self.uploads.memory);
            return Body::from(whole);
        }
        let sending = self.start(content, encoder);
        Body::from_stream(stream::try_unfold(sending, Sending::next))
    }

    /// Returns the body that sends `content` as a part of an answer.
    pub(super) fn sending(self, content: Content, encoder: Encoder) -> Sending {
        self.count(&content);
        self.start(content, encoder)
    }

    fn start(self, content: Content, encoder: Encoder) -> Sending {
        Sending {
            upload: self,
            reading: Reading::Idle(content),
            encoder: Some(encoder),
        }
    }

    fn count(&self, content: &Content) {
        if !matches!(content.origin(), Origin::Tree | Origin::Bundle) {
            self.uploads.counters.files_served.one();
        }
    }

    /// Returns what counts the chunks.
    pub(super) fn memory(&self) -> &Memory {
        &self.uploads.memory
    }

    /// Returns what reads content from the disk.
    pub(super) fn disk(&self) -> Disk {
        self.uploads.disk.clone()
    }

    /// Lets bytes pass. Trees count for nothing: they are a small part of what they check.
    async fn pass(&self, bytes: usize, origin: Origin) {
        if origin == Origin::Tree {
            return;
        }
        self.uploads.rate.take(self.address, bytes).await;
        let counters = &self.uploads.counters;
        if origin != Origin::Bundle {
            counters.bytes_served.add(bytes as u64);
        }
        if origin == Origin::Cache {
            counters.cache_bytes_served.add(bytes as u64);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Sending {
    /// Returns the next encoded bytes.
    ///
    /// # Errors
    /// Errors if the content cannot be read to its end.
    pub(super) async fn next(mut self) -> io::Result<Option<(Bytes, Sending)>> {
        if let Some(head) = self.encoder.as_mut().and_then(Encoder::head) {
            return Ok(Some((head, self)));
        }
        while let Some((chunk, origin)) = self.read().await? {
            self.upload.pass(chunk.len(), origin).await;
            if let Some(encoder) = &mut self.encoder {
                let encoded = encoder.push(chunk, &self.upload.uploads.memory);
                if !encoded.is_empty() {
                    return Ok(Some((encoded, self)));
                }
            }
        }
        let tail = self.encoder.take().map(Encoder::finish);
        Ok(tail
            .filter(|tail| !tail.is_empty())
            .map(|tail| (tail, self)))
    }

    /// Returns the next chunk and begins to read the one behind it.
    async fn read(&mut self) -> io::Result<Option<(Bytes, Origin)>> {
        let uploads = &self.upload.uploads;
        let disk = uploads.disk.clone();
        let (content, chunk) = match std::mem::replace(&mut self.reading, Reading::Over) {
            Reading::Idle(content) => content.read(disk.clone(), uploads.room()).await,
            Reading::Ahead(reading) => reading.await,
            Reading::Read(read) => read,
            Reading::Over => return Ok(None),
        };
        let Some(chunk) = chunk? else {
            return Ok(None);
        };
        let origin = content.origin();
        self.reading = if content.is_on_disk() && uploads.memory.is_plentiful() {
            // To begin is enough: the disk goes on by itself.
            let mut reading = content.read(disk, uploads.room()).boxed();
            match (&mut reading).now_or_never() {
                Some(read) => Reading::Read(read),
                None => Reading::Ahead(reading),
            }
        } else {
            Reading::Idle(content)
        };
        Ok(Some((chunk, origin)))
    }
}

impl Encoder {
    /// Creates the encoder of an answer to `query`.
    pub(super) fn query(writer: QueryAnswerWriter) -> Encoder {
        let head = Some(writer.head());
        Encoder::Query { writer, head }
    }

    /// Creates the encoder of an answer to `query` whose prelude is out.
    pub(super) fn behind_prelude(writer: QueryAnswerWriter) -> Encoder {
        let head = Some(writer.head_behind_prelude());
        Encoder::Query { writer, head }
    }

    fn head(&mut self) -> Option<Bytes> {
        match self {
            Encoder::Raw => None,
            Encoder::Query { head, .. } => {
                head.take().map(|head| Bytes::from_static(head.as_bytes()))
            }
        }
    }

    fn push(&mut self, chunk: Bytes, memory: &Memory) -> Bytes {
        match self {
            Encoder::Raw => chunk,
            Encoder::Query { writer, .. } => {
                // Base64 has four bytes for three; text is rarely longer.
                let mut encoded = memory.buffer(chunk.len() / 3 * 4 + 8);
                writer.push(&chunk, &mut encoded);
                memory.hold(encoded)
            }
        }
    }

    fn finish(self) -> Bytes {
        match self {
            Encoder::Raw => Bytes::new(),
            Encoder::Query { writer, .. } => {
                let mut tail = Vec::new();
                writer.finish(&mut tail);
                tail.into()
            }
        }
    }

    fn whole(mut self, all: Bytes, memory: &Memory) -> Bytes {
        let Encoder::Query { .. } = self else {
            return all;
        };
        let mut body = Vec::from(self.head().unwrap_or_default());
        body.extend_from_slice(&self.push(all, memory));
        body.extend_from_slice(&self.finish());
        memory.hold(body)
    }
}

#[cfg(test)]
mod tests;
