//! A file on its way from a peer: decoded content, piece by piece.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use node_wire::{
    Budget,
    content::Payload,
    peer_url::PeerUrl,
    query_answer::{AnswerHead, QueryAnswerReader, QueryOutcome},
};
use tokio::time::timeout_at;

use super::{
    calls::{CallError, QueryReply},
    transport::BodyStream,
};
use node_base::{clock::now, pace::Pace};

/// Longest silence in the middle of content.
const SILENCE: Duration = Duration::from_secs(10);

/// A file that a peer is sending.
pub struct RemoteFile {
    /// Who sends it.
    pub peer: PeerUrl,
    /// How it travels, as text or as base64, and in which dialect.
    pub head: AnswerHead,
    body: BodyStream,
    reader: Option<QueryAnswerReader>,
    decoded: Vec<u8>,
    pace: Pace,
}

impl RemoteFile {
    /// As text or as base64.
    #[must_use]
    pub fn payload(&self) -> Payload {
        self.head.payload
    }

    /// The next piece of the content; `None` after the last one, when the
    /// answer was complete and right to its end.
    ///
    /// # Errors
    /// When the peer breaks off, falls silent, crawls or sends what is no
    /// answer. The content so far is then worth nothing.
    pub async fn next(&mut self) -> Result<Option<Bytes>, CallError> {
        loop {
            if !self.decoded.is_empty() {
                return Ok(Some(std::mem::take(&mut self.decoded).into()));
            }
            let Some(reader) = &mut self.reader else {
                return Ok(None);
            };
            match next_chunk(&mut self.body, now() + SILENCE).await? {
                Some(chunk) => {
                    reader.push(&chunk, &mut self.decoded)?;
                    self.pace.moved(chunk.len());
                    self.pace.judge(now()).map_err(|_| CallError::TooSlow)?;
                }
                None => self.finish()?,
            }
        }
    }

    fn finish(&mut self) -> Result<(), CallError> {
        match self
            .reader
            .take()
            .map(QueryAnswerReader::finish)
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

/// Reads an answer until it is clear what it says.
pub(super) async fn open(
    peer: PeerUrl,
    mut body: BodyStream,
    budget_left: Budget,
    deadline: Instant,
) -> Result<QueryReply, CallError> {
    let mut reader = QueryAnswerReader::new();
    let mut decoded = Vec::new();
    while let Some(chunk) = next_chunk(&mut body, deadline).await? {
        reader.push(&chunk, &mut decoded)?;
        if let Some(head) = reader.head() {
            let pace = Pace::new(now());
            return Ok(QueryReply::Found(RemoteFile {
                peer,
                head,
                body,
                reader: Some(reader),
                decoded,
                pace,
            }));
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
