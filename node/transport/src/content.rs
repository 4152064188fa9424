//! Content on its way from a peer: rate, time-outs, and the answer to `query`
//! decoded piece by piece.
//!
//! # Invariants
//! - No byte of content is handed on before it was taken from the download rate and
//!   counted. What waits for that is one chunk of the connection.
//! - Time that this node makes a peer wait is not held against the peer.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::StreamExt;
use node_wire::{
    About, AnswerRate, Budget,
    content::Payload,
    peer_url::PeerUrl,
    query_answer::{AnswerHead, QueryAnswerReader, QueryOutcome},
};
use tokio::time::timeout_at;

use super::{
    calls::{CallError, Client, QueryReply},
    speeds::Speeds,
    transport::{BodyStream, PeerResponse},
};
use node_base::{
    clock::now,
    counters::Counters,
    pace::{PACE_MIN, Pace},
    rate::Rate,
};

/// Longest silence in the middle of content.
const SILENCE: Duration = Duration::from_secs(10);

/// Longest silence of a peer that limits its uploads.
const SILENCE_MAX: Duration = Duration::from_secs(40);

/// The number of bytes that such a peer sends at a time.
const TURN: u64 = 1024;

/// Fewest bytes that it must send in a second.
const LIMITED_PACE_MIN: u64 = 64;

/// The body of an answer that carries content.
pub(super) struct ContentBody {
    body: BodyStream,
    rate: Option<AnswerRate>,
    silence: Duration,
    pace: Pace,
}

/// Content that arrived and has to pass the download rate.
pub(super) struct Intake {
    rate: Rate,
    address: IpAddr,
    counters: Arc<Counters>,
    waiting: Bytes,
    speed: Measure,
}

/// Measures how fast a peer sends, until it is dropped.
struct Measure {
    speeds: Speeds,
    peer: String,
    begun: Instant,
    bytes: AtomicU64,
}

impl Measure {
    fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Drop for Measure {
    fn drop(&mut self) {
        let (now, bytes) = (now(), *self.bytes.get_mut());
        let took = now.saturating_duration_since(self.begun);
        self.speeds.sent(&self.peer, bytes, took, now);
    }
}

/// A file that a peer is sending.
pub struct RemoteFile {
    /// The peer that sends it.
    pub peer: PeerUrl,
    /// Its encoding, as text or as base64, and the dialect.
    pub head: AnswerHead,
    /// The metadata of the file, by the word of the peer.
    pub about: About,
    body: ContentBody,
    reader: Option<Box<QueryAnswerReader>>,
    intake: Intake,
}

impl ContentBody {
    pub(super) fn of(response: PeerResponse) -> ContentBody {
        let (rate, body) = (response.rate, response.body);
        let (silence, min) = match rate {
            None => (SILENCE, PACE_MIN),
            Some(rate) => (
                // Twice the pause in which a turn of all others fits.
                (rate.time(TURN) * 4).clamp(SILENCE, SILENCE_MAX),
                (rate.bytes_a_second() / 4).clamp(LIMITED_PACE_MIN, PACE_MIN),
            ),
        };
        ContentBody {
            body,
            rate,
            silence,
            pace: Pace::at_least(min),
        }
    }

    /// Returns how fast the peer says that it sends, if it limits its uploads.
    pub(super) fn rate(&self) -> Option<AnswerRate> {
        self.rate
    }

    /// Returns the next bytes of the body, `None` at its end.
    ///
    /// # Errors
    /// Errors if the connection breaks, or the peer falls silent or crawls.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, CallError> {
        let before = now();
        let chunk = next_chunk(&mut self.body, before + self.silence).await?;
        let waited = now().saturating_duration_since(before);
        let bytes = chunk.as_ref().map_or(0, Bytes::len);
        self.pace.moved(bytes as u64);
        self.pace.waited(waited).map_err(|_| CallError::TooSlow)?;
        Ok(chunk)
    }
}

impl Intake {
    pub(super) fn new(client: &Client, peer: &PeerUrl) -> Intake {
        Intake {
            rate: client.download_rate.clone(),
            // Peers with a name share one turn.
            address: peer.ip().unwrap_or(Ipv4Addr::UNSPECIFIED.into()),
            counters: Arc::clone(&client.counters),
            waiting: Bytes::new(),
            speed: Measure {
                speeds: client.speeds.clone(),
                peer: peer.key(),
                begun: now(),
                bytes: AtomicU64::new(0),
            },
        }
    }

    /// Takes bytes that arrived. Those before them must have passed.
    pub(super) fn put(&mut self, bytes: Bytes) {
        debug_assert!(self.waiting.is_empty(), "bytes that wait would be lost");
        self.waiting = bytes;
    }

    /// Waits until so many bytes, which arrived and are held elsewhere, have passed.
    pub(super) async fn pass(&self, mut bytes: usize) {
        while bytes > 0 {
            let turn = bytes.min(self.rate.turn());
            self.rate.take(self.address, turn).await;
            self.counters.bytes_received.add(turn as u64);
            self.speed.add(turn);
            bytes -= turn;
        }
    }

    /// Adds bytes that arrived to those that wait.
    fn add(&mut self, bytes: &[u8]) {
        let mut all = Vec::with_capacity(self.waiting.len() + bytes.len());
        all.extend_from_slice(&self.waiting);
        all.extend_from_slice(bytes);
        self.waiting = all.into();
    }

    /// Waits until some of the bytes have passed and returns them; `None` if
    /// there are none. Nothing is lost if this is dropped while it waits.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        let bytes = self.waiting.len().min(self.rate.turn());
        if bytes == 0 {
            return None;
        }
        self.rate.take(self.address, bytes).await;
        self.counters.bytes_received.add(bytes as u64);
        self.speed.add(bytes);
        Some(self.waiting.split_to(bytes))
    }
}

impl RemoteFile {
    /// Returns its encoding, as text or as base64.
    #[must_use]
    pub fn payload(&self) -> Payload {
        self.head.payload
    }

    /// Returns how fast the peer says that it sends, if it limits its uploads.
    #[must_use]
    pub fn rate(&self) -> Option<AnswerRate> {
        self.body.rate()
    }

    /// Returns the next piece of the content; `None` after the last one, when the
    /// answer was complete and right to its end. Nothing is lost if this is
    /// dropped while it waits.
    ///
    /// # Errors
    /// Errors if the peer breaks off, falls silent, crawls or sends an invalid
    /// answer. The content so far is then worth nothing.
    pub async fn next(&mut self) -> Result<Option<Bytes>, CallError> {
        loop {
            if let Some(piece) = self.intake.next().await {
                return Ok(Some(piece));
            }
            let Some(reader) = &mut self.reader else {
                return Ok(None);
            };
            match self.body.next().await? {
                Some(chunk) => {
                    let mut decoded = Vec::new();
                    reader.push(&chunk, &mut decoded)?;
                    self.intake.put(decoded.into());
                }
                None => self.finish()?,
            }
        }
    }

    /// Waits for the first `least` bytes of the content, or for all of it. They come
    /// out of [`RemoteFile::next`] afterwards.
    ///
    /// # Errors
    /// As [`RemoteFile::next`], and when they have not come by `deadline`.
    pub async fn begin(&mut self, least: usize, deadline: Instant) -> Result<(), CallError> {
        while self.intake.waiting.len() < least
            && let Some(reader) = &mut self.reader
        {
            match next_chunk(&mut self.body.body, deadline).await? {
                Some(chunk) => {
                    let mut decoded = Vec::new();
                    reader.push(&chunk, &mut decoded)?;
                    self.intake.add(&decoded);
                    self.body.pace.moved(chunk.len() as u64);
                }
                None => self.finish()?,
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), CallError> {
        match self
            .reader
            .take()
            .map(|reader| reader.finish())
            .transpose()?
        {
            Some(QueryOutcome::Found { .. }) | None => Ok(()),
            Some(QueryOutcome::NotFound | QueryOutcome::Fault(_)) => Err(CallError::Unexpected),
        }
    }
}

impl std::fmt::Debug for RemoteFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteFile")
            .field("peer", &self.peer)
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}

/// Reads an answer until its meaning is clear.
pub(super) async fn open(
    client: &Client,
    peer: PeerUrl,
    response: PeerResponse,
    budget_left: Budget,
    deadline: Instant,
) -> Result<QueryReply, CallError> {
    let mut intake = Intake::new(client, &peer);
    let mut reader = QueryAnswerReader::of(response.charset);
    let about = response.about;
    let mut body = ContentBody::of(response);
    let mut decoded = Vec::new();
    while let Some(chunk) = next_chunk(&mut body.body, deadline).await? {
        reader.push(&chunk, &mut decoded)?;
        if let Some(head) = reader.head() {
            intake.put(decoded.into());
            return Ok(QueryReply::Found(Box::new(RemoteFile {
                peer,
                head,
                about,
                body,
                reader: Some(Box::new(reader)),
                intake,
            })));
        }
    }
    let missed = |reason| QueryReply::Missed {
        reason,
        budget_left,
    };
    match reader.finish()? {
        QueryOutcome::NotFound => Ok(missed(None)),
        QueryOutcome::Fault(fault) if fault.code == node_wire::fault::UNHANDLED => {
            Ok(missed(fault.miss_reason()))
        }
        QueryOutcome::Fault(fault) => Ok(QueryReply::Fault(fault)),
        QueryOutcome::Found { .. } => Err(CallError::Unexpected),
    }
}

pub(super) async fn next_chunk(
    body: &mut BodyStream,
    deadline: Instant,
) -> Result<Option<Bytes>, CallError> {
    match timeout_at(deadline.into(), body.next()).await {
        Ok(chunk) => Ok(chunk.transpose()?),
        Err(_) => Err(CallError::Deadline),
    }
}
