//! A cached blob as the answer to `query`.
//!
//! As a file of the share it is read twice, to look at it and to send it. Each
//! piece is checked each time. A blob that is found to be damaged at the first
//! time is as good as not there; at the second time the answer is broken off.

use std::{io, sync::Arc};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures_util::stream;
use node_wire::{
    ShareName, Value,
    content::{ContentScan, QueryAnswerWriter, Scanned},
    dialect::Dialect,
};
use tokio::task::spawn_blocking;

use super::{Context, answer, local, policy::FetchPermit};
use crate::cache::{Cache, CachedBlob};

/// A blob that was looked at.
#[derive(Debug)]
pub(super) struct CachedFile {
    scanned: Scanned,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// All of a blob that is one piece.
    Small(Vec<u8>),
    Large(CachedBlob),
}

/// What sends a large blob.
struct Sending {
    blob: CachedBlob,
    writer: QueryAnswerWriter,
    head: Vec<u8>,
    next: u64,
}

impl CachedFile {
    /// Opens the blob that came by the name `name` not long ago, and looks at
    /// it.
    pub(super) async fn open(
        cache: &Cache,
        name: &ShareName,
        _permit: &FetchPermit,
    ) -> Option<CachedFile> {
        if !cache.is_on() {
            return None;
        }
        let (cache, name) = (cache.clone(), name.clone());
        let opened = spawn_blocking(move || look_at(cache.open_named(&name)?).ok());
        opened.await.ok().flatten()
    }

    /// The content as a value, if it is small.
    pub(super) fn into_value(self) -> Option<Value> {
        match self.content {
            Content::Small(bytes) => Some(local::value(self.scanned.payload, bytes)),
            Content::Large(_) => None,
        }
    }

    /// The answer that carries it.
    pub(super) fn response(self, context: &Arc<Context>, dialect: Dialect) -> Response {
        context.counters.files_served.one();
        for counter in [
            &context.counters.bytes_served,
            &context.counters.cache_bytes_served,
        ] {
            counter.add(self.scanned.length);
        }
        let length = QueryAnswerWriter::encoded_length(dialect, &self.scanned);
        let (mut writer, mut head) = answer::writer(dialect, self.scanned.payload);
        match self.content {
            Content::Small(bytes) => {
                writer.push(&bytes, &mut head);
                writer.finish(&mut head);
                answer::xml(head)
            }
            Content::Large(blob) => {
                let sending = Sending {
                    blob,
                    writer,
                    head,
                    next: 0,
                };
                let stream = stream::try_unfold(Some(sending), send);
                answer::xml_of_length(Body::from_stream(stream), length)
            }
        }
    }
}

fn look_at(mut blob: CachedBlob) -> io::Result<CachedFile> {
    let mut scan = ContentScan::new();
    let mut piece = Vec::new();
    for index in 0..blob.tree().count() {
        blob.read_piece(index, &mut piece)?;
        scan.push(&piece);
    }
    let content = if blob.tree().count() == 1 {
        Content::Small(piece)
    } else {
        Content::Large(blob)
    };
    Ok(CachedFile {
        scanned: scan.finish(),
        content,
    })
}

async fn send(sending: Option<Sending>) -> io::Result<Option<(Bytes, Option<Sending>)>> {
    let Some(sending) = sending else {
        return Ok(None);
    };
    spawn_blocking(move || send_piece(sending))
        .await
        .map_err(io::Error::other)?
        .map(Some)
}

fn send_piece(mut sending: Sending) -> io::Result<(Bytes, Option<Sending>)> {
    let mut out = std::mem::take(&mut sending.head);
    let mut piece = Vec::new();
    sending.blob.read_piece(sending.next, &mut piece)?;
    sending.writer.push(&piece, &mut out);
    sending.next += 1;
    if sending.next < sending.blob.tree().count() {
        return Ok((out.into(), Some(sending)));
    }
    sending.writer.finish(&mut out);
    Ok((out.into(), None))
}
