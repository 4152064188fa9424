//! A file of the share as the answer to `query`.
//!
//! Whether a file travels as text or as base64, and how long the answer is, is
//! known only when it was read once. So it is read twice: to look at it, and to
//! send it. If it is not the same file any more at the end of the second time,
//! the answer is broken off.

use std::{
    fs::File,
    io::{self, Read, Seek},
    sync::Arc,
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures_util::stream;
use node_wire::{
    Value,
    content::{ContentScan, Payload, QueryAnswerWriter, Scanned},
    dialect::Dialect,
    name::ShareName,
};
use tokio::task::spawn_blocking;

use super::{Context, answer, policy::FetchPermit};
use crate::share::{Share, ShareError, SharedFile, Stamp};

/// Files up to this many bytes are read whole, once.
const SMALL: u64 = 256 * 1024;

/// Size of a read.
const CHUNK: usize = 128 * 1024;

/// A file that was looked at.
#[derive(Debug)]
pub(super) struct LocalFile {
    scanned: Scanned,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Small(Vec<u8>),
    Large(File, Stamp),
}

/// What sends a large file.
struct Sending {
    file: File,
    stamp: Stamp,
    writer: QueryAnswerWriter,
    head: Vec<u8>,
    left: u64,
}

impl LocalFile {
    /// Opens the file `name` and looks at it.
    pub(super) async fn open(
        share: &Arc<Share>,
        name: &ShareName,
        _permit: &FetchPermit,
    ) -> Result<LocalFile, ShareError> {
        let (share, wanted) = (Arc::clone(share), name.clone());
        let opened = spawn_blocking(move || {
            let shared = share.read(&wanted)?;
            look_at(shared).map_err(|error| ShareError::of(&wanted, error))
        });
        opened
            .await
            .unwrap_or_else(|error| Err(ShareError::of(name, io::Error::other(error))))
    }

    /// The content as a value, if it is small.
    pub(super) fn into_value(self) -> Option<Value> {
        match self.content {
            Content::Small(bytes) => Some(value(self.scanned.payload, bytes)),
            Content::Large(..) => None,
        }
    }

    /// The answer that carries it.
    pub(super) fn response(self, context: &Arc<Context>, dialect: Dialect) -> Response {
        let length = QueryAnswerWriter::encoded_length(dialect, &self.scanned);
        context.counters.files_served.one();
        context.counters.bytes_served.add(self.scanned.length);
        let (mut writer, mut head) = answer::writer(dialect, self.scanned.payload);
        match self.content {
            Content::Small(bytes) => {
                writer.push(&bytes, &mut head);
                writer.finish(&mut head);
                answer::xml(head)
            }
            Content::Large(file, stamp) => {
                let sending = Sending {
                    file,
                    stamp,
                    writer,
                    head,
                    left: stamp.size,
                };
                let stream = stream::try_unfold(Some(sending), send);
                answer::xml_of_length(Body::from_stream(stream), length)
            }
        }
    }
}

/// Content as a value of XML-RPC.
pub(super) fn value(payload: Payload, bytes: Vec<u8>) -> Value {
    match payload {
        Payload::Text => match String::from_utf8(bytes) {
            Ok(text) => Value::String(text),
            Err(error) => Value::Base64(error.into_bytes()),
        },
        Payload::Binary => Value::Base64(bytes),
    }
}

fn look_at(mut shared: SharedFile) -> io::Result<LocalFile> {
    let mut scan = ContentScan::new();
    if shared.stamp.size <= SMALL {
        let mut bytes = Vec::new();
        (&shared.file).take(SMALL + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 <= SMALL {
            scan.push(&bytes);
            return Ok(LocalFile {
                scanned: scan.finish(),
                content: Content::Small(bytes),
            });
        }
        scan = ContentScan::new();
        shared.file.rewind()?;
    }
    let mut buffer = vec![0; CHUNK];
    loop {
        match shared.file.read(&mut buffer)? {
            0 => break,
            read => scan.push(&buffer[..read]),
        }
    }
    shared.file.rewind()?;
    let scanned = scan.finish();
    if scanned.length != shared.stamp.size {
        return Err(io::Error::other("the file changes while it is read"));
    }
    Ok(LocalFile {
        scanned,
        content: Content::Large(shared.file, shared.stamp),
    })
}

async fn send(sending: Option<Sending>) -> io::Result<Option<(Bytes, Option<Sending>)>> {
    let Some(sending) = sending else {
        return Ok(None);
    };
    spawn_blocking(move || send_chunk(sending))
        .await
        .map_err(io::Error::other)?
        .map(Some)
}

fn send_chunk(mut sending: Sending) -> io::Result<(Bytes, Option<Sending>)> {
    let mut out = std::mem::take(&mut sending.head);
    let most = usize::try_from(sending.left).map_or(CHUNK, |left| left.min(CHUNK));
    let mut chunk = vec![0; most];
    sending.file.read_exact(&mut chunk)?;
    sending.writer.push(&chunk, &mut out);
    sending.left -= chunk.len() as u64;
    if sending.left > 0 {
        return Ok((out.into(), Some(sending)));
    }
    if !SharedFile::unchanged(&sending.file, sending.stamp)? {
        return Err(io::Error::other("the file changed while it was sent"));
    }
    sending.writer.finish(&mut out);
    Ok((out.into(), None))
}
