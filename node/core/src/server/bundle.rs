//! `POST /blobs`: many small files by their digests, in one answer.
//!
//! Thousands of small files cost more for their requests than for their bytes. Here a node that knows the digests
//! asks for hundreds of files at once; see [`node_wire::bundle`] for the form.
//!
//! # Invariants
//! - The policy is asked for each file, as if it were asked for alone.
//! - A file that is longer than [`BUNDLE_FILE_MAX`], or beyond [`BUNDLE_BYTES_MAX`] in all, is not given.
//! - What is in memory is one part of the answer, of at most [`PART`] bytes and one file.

use std::{collections::VecDeque, io, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use node_wire::{
    Digest,
    bundle::{
        BUNDLE_BYTES_MAX, BUNDLE_FILE_MAX, BUNDLE_REQUEST_MAX, BUNDLE_TYPE, DIGESTS_TYPE,
        read_digests, write_file, write_mark,
    },
};

use super::{
    Context,
    blobs::{self, PLACES_MAX},
    content::{Content, taken},
    front::Remote,
    network,
    policy::FetchPermit,
    raw, rpc,
    upload::{Buffer, Encoder, Room},
};
use crate::disk::Disk;

/// Most bytes that one disk job gathers, before the last file of them.
const PART: usize = 128 * 1024;

/// Files of one disk job.
const PART_FILES: usize = 64;

/// Answers a `POST` of digests; any other is a call.
pub(super) async fn bundle(state: State<Arc<Context>>, request: Request) -> Response {
    let kind = request.headers().get(header::CONTENT_TYPE);
    if kind.is_none_or(|kind| kind != DIGESTS_TYPE) {
        return rpc::rpc(state, request).await;
    }
    let State(context) = state;
    let (parts, body) = request.into_parts();
    let Some(remote) = parts.extensions.get::<Remote>().copied() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let Ok(body) = Limited::new(body, BUNDLE_REQUEST_MAX).collect().await else {
        return malformed();
    };
    let body = body.to_bytes();
    if !network::is_member(&context, &parts, &body) {
        return network::refusal();
    }
    let Some(digests) = read_digests(&body) else {
        return malformed();
    };
    let Ok(upload) = context.uploads.begin_bundle(remote).await else {
        return raw::busy();
    };
    context.counters.bundles_served.one();
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(BUNDLE_TYPE));
    raw::insert_rate(&mut headers, upload.rate());
    let bundle = Content::of_bundle(Bundle::new(context, remote, digests));
    let body = upload.body(bundle, Encoder::Raw).await;
    (headers, body).into_response()
}

fn malformed() -> Response {
    let text = "a bundle is asked for with 1 to 512 digests of 32 bytes each\n";
    (StatusCode::BAD_REQUEST, text).into_response()
}

/// The files of a bundle, as they are read.
#[derive(Debug)]
pub(super) struct Bundle {
    context: Arc<Context>,
    remote: Remote,
    asked: VecDeque<Digest>,
    /// Digests that the policy decided on and that were not read.
    decided: VecDeque<(Digest, Option<FetchPermit>)>,
    /// Bytes of files that may still be given.
    left: u64,
    /// Bytes that were read and not taken yet.
    ahead: Bytes,
    is_begun: bool,
}

/// The result of one disk job.
struct Part {
    bytes: Buffer,
    left: u64,
    /// Digests that found no room in it.
    decided: VecDeque<(Digest, Option<FetchPermit>)>,
}

impl Bundle {
    fn new(context: Arc<Context>, remote: Remote, digests: Vec<Digest>) -> Bundle {
        Bundle {
            context,
            remote,
            asked: digests.into(),
            decided: VecDeque::new(),
            left: BUNDLE_BYTES_MAX,
            ahead: Bytes::new(),
            is_begun: false,
        }
    }

    /// Returns the next bytes of the answer, as many as there is room for, or `None` after the last one.
    pub(super) async fn next(&mut self, disk: &Disk, room: Room) -> io::Result<Option<Bytes>> {
        let most = room.size();
        if self.ahead.is_empty() {
            self.decide().await;
            self.read(disk, room).await?;
        }
        Ok(taken(&mut self.ahead, most))
    }

    /// Asks the policy about the next files.
    async fn decide(&mut self) {
        while self.decided.len() < PART_FILES
            && let Some(digest) = self.asked.pop_front()
        {
            let permit = blobs::permit(&self.context, self.remote, digest).await;
            self.decided.push_back((digest, permit));
        }
    }

    async fn read(&mut self, disk: &Disk, room: Room) -> io::Result<()> {
        let enough = room.size().min(PART);
        let (context, left) = (Arc::clone(&self.context), self.left);
        let mut bytes = room.memory().buffer(enough);
        if !std::mem::replace(&mut self.is_begun, true) {
            write_mark(&mut bytes);
        }
        let decided = std::mem::take(&mut self.decided);
        let part = disk.run(move || {
            let part = Part {
                bytes,
                left,
                decided,
            };
            part.read(&context, enough)
        });
        let part = part.await?;
        (self.ahead, self.left, self.decided) = (room.hold(part.bytes), part.left, part.decided);
        Ok(())
    }
}

impl Part {
    /// Reads files until they are `enough` bytes. Blocks.
    fn read(mut self, context: &Context, enough: usize) -> Part {
        while self.bytes.len() < enough
            && let Some((digest, permit)) = self.decided.pop_front()
        {
            let left = self.left;
            let file = permit.and_then(|permit| small_file(context, &digest, left, &permit));
            if let Some(file) = &file {
                self.left -= file.len() as u64;
                context.counters.files_served.one();
                context.counters.bytes_served.add(file.len() as u64);
            }
            let file = file.as_ref().map(|file| file.as_slice());
            write_file(file, &mut self.bytes);
        }
        self
    }
}

/// Reads content of at most `most` bytes, from the share or else from the cache. Blocks.
fn small_file(
    context: &Context,
    digest: &Digest,
    most: u64,
    _permit: &FetchPermit,
) -> Option<Buffer> {
    let most = most.min(BUNDLE_FILE_MAX);
    let memory = context.uploads.memory();
    for _ in 0..PLACES_MAX {
        let Some(blob) = context.digests.open_blob(digest) else {
            break;
        };
        if blob.size() > most {
            return None;
        }
        let mut piece = memory.buffer(usize::try_from(blob.size()).ok()?);
        // A file that has changed is not found a second time.
        if blob.read_piece(0, &mut piece).is_ok() {
            return Some(piece);
        }
    }
    let blob = context.cache.open(digest)?;
    if blob.size() > most {
        return None;
    }
    let mut piece = memory.buffer(usize::try_from(blob.size()).ok()?);
    blob.read_piece(0, &mut piece).ok()?;
    let counters = &context.counters;
    counters.cache_bytes_served.add(piece.len() as u64);
    Some(piece)
}
