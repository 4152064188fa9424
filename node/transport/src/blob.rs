//! Content on its way from a peer, by its digest.
//!
//! Only what was asked for is taken: a range must be answered by exactly that
//! range, and the body must have exactly its bytes. Whether they are right, the
//! caller finds out piece by piece.

use std::{ops::Range, time::Instant};

use bytes::Bytes;
use node_wire::{AnswerRate, Digest};

use super::{
    calls::{CallError, Client},
    content::{ContentBody, Intake},
    destination::Destination,
    transport::{PeerResponse, Purpose, TransportError},
};
use node_wire::pieces::{CONTENT_MAX, PieceTree};

/// HTTP: not found.
const NOT_FOUND: u16 = 404;

/// HTTP: a part of the content.
const PARTIAL_CONTENT: u16 = 206;

/// A range of content, as it arrives.
pub struct BlobBody {
    body: ContentBody,
    left: u64,
    intake: Intake,
}

impl Client {
    /// Asks `peer` for the tree of the content `digest`.
    ///
    /// # Errors
    /// Errors if it does not answer until `deadline`, or if its answer is not the
    /// tree of this digest.
    pub async fn tree(
        &self,
        peer: &Destination,
        digest: &Digest,
        deadline: Instant,
    ) -> Result<PieceTree, CallError> {
        let mut response = self
            .ask(
                peer,
                Purpose::Tree {
                    digest: *digest,
                    through: self.through.clone(),
                },
                deadline,
            )
            .await
            .map_err(absent)?;
        if response.status == PARTIAL_CONTENT {
            return Err(CallError::Unexpected);
        }
        let most = usize::try_from(PieceTree::bytes_len(CONTENT_MAX)).unwrap_or(usize::MAX);
        let bytes = super::calls::whole(&mut response, most, deadline).await?;
        Ok(PieceTree::from_bytes(*digest, &bytes)?)
    }

    /// Asks `peer` for a range of the content `digest`. The head of the answer
    /// comes until `deadline`, the bytes at their own pace.
    ///
    /// # Errors
    /// Errors if it does not answer, or answers with another range.
    pub async fn blob(
        &self,
        peer: &Destination,
        digest: &Digest,
        range: Range<u64>,
        deadline: Instant,
    ) -> Result<BlobBody, CallError> {
        self.counters.blobs_asked.one();
        let purpose = Purpose::Blob {
            digest: *digest,
            range: range.clone(),
            through: self.through.clone(),
        };
        let response = self.ask(peer, purpose, deadline).await.map_err(absent)?;
        if !answers(&response, &range) {
            return Err(CallError::Range);
        }
        Ok(BlobBody {
            body: ContentBody::of(response),
            left: range.end - range.start,
            intake: Intake::new(self, peer),
        })
    }
}

impl BlobBody {
    /// Returns how fast the peer says that it sends, if it limits its uploads. More
    /// connections to such a peer bring nothing.
    #[must_use]
    pub fn rate(&self) -> Option<AnswerRate> {
        self.body.rate()
    }

    /// Returns the next bytes; `None` after the last one. Nothing is lost if this is
    /// dropped while it waits.
    ///
    /// # Errors
    /// Errors if the peer breaks off, falls silent, crawls, or sends more than it
    /// was asked for.
    pub async fn next(&mut self) -> Result<Option<Bytes>, CallError> {
        loop {
            if let Some(bytes) = self.intake.next().await {
                return Ok(Some(bytes));
            }
            let Some(chunk) = self.body.next().await? else {
                return if self.left == 0 {
                    Ok(None)
                } else {
                    Err(CallError::Short)
                };
            };
            self.left = self
                .left
                .checked_sub(chunk.len() as u64)
                .ok_or(CallError::Range)?;
            self.intake.put(chunk);
        }
    }
}

impl std::fmt::Debug for BlobBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlobBody")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

impl Client {
    pub(super) async fn ask(
        &self,
        peer: &Destination,
        purpose: Purpose,
        deadline: Instant,
    ) -> Result<PeerResponse, CallError> {
        self.exchange(peer, purpose, None, deadline).await
    }
}

fn absent(error: CallError) -> CallError {
    match error {
        CallError::Transport(TransportError::Status {
            status: NOT_FOUND, ..
        }) => CallError::Absent,
        error => error,
    }
}

/// Returns true if a response is the requested range, or the whole content if that is the
/// same.
fn answers(response: &PeerResponse, range: &Range<u64>) -> bool {
    if response.status != PARTIAL_CONTENT {
        return range.start == 0 && response.length == Some(range.end);
    }
    let asked = format!("bytes {}-{}/", range.start, range.end.saturating_sub(1));
    response
        .range
        .as_deref()
        .and_then(|given| given.strip_prefix(&asked))
        .is_some_and(|total| {
            total == "*" || total.parse::<u64>().is_ok_and(|total| total >= range.end)
        })
}

#[cfg(test)]
mod tests;
