//! Content on its way to the holder of a link.
//!
//! # Invariants
//! - When the last bytes of a range are about to leave, the ticket hears of it first.
//! - When the ticket ends, its answers end, and so do their connections: what the client has not read is lost.

use std::{io, ops::Range};

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{server::front::Cut, tickets::Begun};

/// An answer by a link.
pub(super) struct ByLink {
    /// Its claim, if it has one.
    pub(super) begun: Option<Begun>,
    /// Is cancelled when the ticket ends.
    pub(super) end: CancellationToken,
    /// Cuts the connection.
    pub(super) cut: Option<Cut>,
}

struct Sending {
    body: BodyDataStream,
    left: u64,
    answer: ByLink,
    _watching: Option<AbortOnDropHandle<()>>,
}

impl ByLink {
    /// Returns the body that sends the bytes of `range`.
    pub(super) fn body(self, body: Body, range: &Range<u64>) -> Body {
        let watching = self.cut.clone().map(|cut| {
            let end = self.end.clone();
            AbortOnDropHandle::new(tokio::spawn(async move {
                end.cancelled().await;
                cut.now();
            }))
        });
        let sending = Sending {
            body: body.into_data_stream(),
            left: range.end - range.start,
            answer: self,
            _watching: watching,
        };
        Body::from_stream(stream::try_unfold(sending, Sending::next))
    }

    /// Notes that all is gone of content that has no bytes.
    ///
    /// # Errors
    /// Errors if the ticket is gone.
    pub(super) async fn sent(&self) -> io::Result<()> {
        match &self.begun {
            Some(begun) => begun.sent().await.map_err(io::Error::other),
            None => Ok(()),
        }
    }
}

impl Sending {
    async fn next(mut self) -> io::Result<Option<(Bytes, Sending)>> {
        let end = self.answer.end.clone();
        let chunk = end.run_until_cancelled(self.body.next()).await;
        let chunk = chunk.ok_or_else(|| io::Error::other("the link is over"))?;
        let Some(chunk) = chunk.transpose().map_err(io::Error::other)? else {
            return Ok(None);
        };
        self.left = self.left.saturating_sub(chunk.len() as u64);
        if self.left == 0 {
            self.answer.sent().await?;
        }
        Ok(Some((chunk, self)))
    }
}
