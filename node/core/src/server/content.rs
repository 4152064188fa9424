//! Content as the body of a response, whole or in part.
//!
//! # Invariants
//! - The next chunk is read while the last one is sent, on a blocking thread;
//!   no more than two chunks of a body are in memory here.
//! - A shared file must keep its stamp until its last byte was read, a cached
//!   blob its digest; otherwise the body is broken off before it is whole.
//! - A long body takes an upload slot, for as long as it is sent, and every
//!   body keeps to the rate.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    sync::Arc,
    time::SystemTime,
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use node_wire::{Digest, name::ShareName};
use tokio::task::{JoinHandle, spawn_blocking};

use super::{
    Context,
    conditions::{self, Validators, Verdict},
    front::Remote,
    policy::FetchPermit,
    range::{self, Wanted},
    slots::Slot,
};
use crate::{
    cache::CachedBlob,
    pieces::PIECE_SIZE,
    share::{SharedFile, Stamp},
};

/// Size of a chunk, in bytes.
const CHUNK: u64 = PIECE_SIZE;

/// Longest file that is read where it is opened, in bytes. One thread less to
/// wake for each of many small files.
const READ_WHOLE: u64 = 64 * 1024;

/// Longest body that needs no upload slot, in bytes.
const SHORT: u64 = 1 << 20;

/// Content that can be sent.
#[derive(Debug)]
pub(super) enum Source {
    /// A file of the share.
    Shared(SharedFile),
    /// All of a short file of the share.
    Short(Bytes, Stamp),
    /// A blob of the cache.
    Cached(CachedBlob),
}

/// Content and what the headers say of it.
#[derive(Debug)]
pub(super) struct Content {
    /// The bytes.
    pub(super) source: Source,
    /// Its digest, if it is known.
    pub(super) digest: Option<Digest>,
    /// Its name, if it was asked for by name.
    pub(super) name: Option<ShareName>,
}

/// What the request says.
pub(super) struct Asking<'a> {
    pub(super) method: &'a Method,
    pub(super) headers: &'a HeaderMap,
    pub(super) remote: Remote,
}

impl Source {
    /// A file of the share, read at once if it is short. Blocks.
    pub(super) fn of(file: SharedFile) -> io::Result<Source> {
        if file.stamp.size > READ_WHOLE {
            return Ok(Source::Shared(file));
        }
        let bytes = read_shared(&file.file, file.stamp, file.stamp.size)?;
        Ok(Source::Short(bytes, file.stamp))
    }

    fn size(&self) -> u64 {
        match self {
            Source::Shared(file) => file.stamp.size,
            Source::Short(_, stamp) => stamp.size,
            Source::Cached(blob) => blob.size(),
        }
    }

    fn modified(&self) -> Option<SystemTime> {
        match self {
            Source::Shared(file) => file.stamp.modified,
            Source::Short(_, stamp) => stamp.modified,
            Source::Cached(_) => None,
        }
    }
}

/// Answers a request for content.
pub(super) async fn respond(
    context: &Arc<Context>,
    content: Content,
    _permit: &FetchPermit,
    asking: Asking<'_>,
) -> Response {
    let tag = content.digest.map(|digest| format!("\"{digest}\""));
    let state = Validators {
        tag: tag.as_deref(),
        modified: content.source.modified(),
    };
    let range_counts = match conditions::judge(asking.headers, state) {
        Verdict::Send { range } => range,
        Verdict::NotModified => return content.without_body(StatusCode::NOT_MODIFIED, &tag),
        Verdict::PreconditionFailed => {
            return content.without_body(StatusCode::PRECONDITION_FAILED, &tag);
        }
    };
    let size = content.source.size();
    let range = asking.headers.get(header::RANGE).filter(|_| range_counts);
    let wanted = range::wanted(range.and_then(|range| range.to_str().ok()), size);
    let (status, bytes, range) = part(wanted, size);
    let length = bytes.end - bytes.start;
    let mut headers = content.headers(tag.as_deref());
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    insert(&mut headers, header::CONTENT_RANGE, range.as_deref());
    if *asking.method == Method::HEAD || length == 0 {
        return (status, headers, Body::empty()).into_response();
    }
    let slot = if length > SHORT {
        let Some(slot) = context.slots.take(asking.remote.0.ip()).await else {
            return busy();
        };
        Some(slot)
    } else {
        None
    };
    context.counters.files_served.one();
    context.counters.bytes_served.add(length);
    let body = match content.source {
        Source::Short(all, _) => {
            context.upload_rate.take(all.len()).await;
            Body::from(short_part(&all, &bytes))
        }
        Source::Shared(file) => Sending::shared(context, file, bytes, slot).body(),
        Source::Cached(blob) => Sending::cached(context, blob, bytes, slot).body(),
    };
    (status, headers, body).into_response()
}

/// The status, the bytes and the header `Content-Range` of an answer.
fn part(wanted: Wanted, size: u64) -> (StatusCode, Range<u64>, Option<String>) {
    match wanted {
        Wanted::Whole => (StatusCode::OK, 0..size, None),
        Wanted::Part { first, last } => (
            StatusCode::PARTIAL_CONTENT,
            first..last + 1,
            Some(format!("bytes {first}-{last}/{size}")),
        ),
        Wanted::Unsatisfiable => (
            StatusCode::RANGE_NOT_SATISFIABLE,
            0..0,
            Some(format!("bytes */{size}")),
        ),
    }
}

fn busy() -> Response {
    let text = "too many downloads run, try again later\n";
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

impl Content {
    /// An answer that says only which state the content has.
    fn without_body(&self, status: StatusCode, tag: &Option<String>) -> Response {
        let mut headers = self.headers(tag.as_deref());
        headers.remove(header::CONTENT_TYPE);
        headers.remove(header::CONTENT_DISPOSITION);
        (status, headers, Body::empty()).into_response()
    }

    fn headers(&self, tag: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/octet-stream"),
        );
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        insert(&mut headers, header::ETAG, tag);
        if let Some(name) = &self.name {
            let modified = self.source.modified().map(httpdate::fmt_http_date);
            insert(&mut headers, header::LAST_MODIFIED, modified.as_deref());
            insert(
                &mut headers,
                header::CONTENT_DISPOSITION,
                Some(&disposition(name)),
            );
        } else {
            headers.insert(
                header::CONTENT_DISPOSITION,
                HeaderValue::from_static("attachment"),
            );
            headers.insert(
                header::CACHE_CONTROL,
                HeaderValue::from_static("public, max-age=31536000, immutable"),
            );
        }
        headers
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: Option<&str>) {
    if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
        headers.insert(name, value);
    }
}

/// `attachment` with the name as RFC 8187 writes it, and before it as ASCII for clients
/// that know no other.
fn disposition(name: &ShareName) -> String {
    let name = name.file_name();
    let ascii: String = name
        .chars()
        .map(|c| match c {
            '"' | '\\' | '%' | '/' => '_',
            c if c == ' ' || c.is_ascii_graphic() => c,
            _ => '_',
        })
        .collect();
    let encoded = name.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
        text
    });
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

/// Reads the next chunk. It moves to a blocking thread and back.
struct Reader {
    source: ReaderSource,
    left: Range<u64>,
}

enum ReaderSource {
    /// The file stands where `left` begins, once `sought`.
    Shared {
        file: File,
        stamp: Stamp,
        sought: bool,
    },
    Cached(CachedBlob),
}

/// A body that is being sent.
struct Sending {
    context: Arc<Context>,
    next: Option<JoinHandle<io::Result<(Bytes, Reader)>>>,
    #[expect(dead_code, reason = "given back when the body is out")]
    slot: Option<Slot>,
}

impl Sending {
    fn shared(
        context: &Arc<Context>,
        SharedFile { file, stamp }: SharedFile,
        left: Range<u64>,
        slot: Option<Slot>,
    ) -> Sending {
        let source = ReaderSource::Shared {
            file,
            stamp,
            sought: false,
        };
        Sending::new(context, source, left, slot)
    }

    fn cached(
        context: &Arc<Context>,
        blob: CachedBlob,
        left: Range<u64>,
        slot: Option<Slot>,
    ) -> Sending {
        let length = left.end - left.start;
        context.counters.cache_bytes_served.add(length);
        Sending::new(context, ReaderSource::Cached(blob), left, slot)
    }

    fn new(
        context: &Arc<Context>,
        source: ReaderSource,
        left: Range<u64>,
        slot: Option<Slot>,
    ) -> Sending {
        Sending {
            context: Arc::clone(context),
            next: Reader { source, left }.begin(),
            slot,
        }
    }

    fn body(self) -> Body {
        Body::from_stream(stream::try_unfold(self, |mut sending| async move {
            let Some(reading) = sending.next.take() else {
                return Ok::<_, io::Error>(None);
            };
            let (chunk, reader) = reading.await.map_err(io::Error::other)??;
            sending.next = reader.begin();
            sending.context.upload_rate.take(chunk.len()).await;
            Ok(Some((chunk, sending)))
        }))
    }
}

impl Reader {
    /// Begins to read the next chunk, if there is one.
    fn begin(self) -> Option<JoinHandle<io::Result<(Bytes, Reader)>>> {
        (!self.left.is_empty()).then(|| spawn_blocking(move || self.read()))
    }

    fn read(mut self) -> io::Result<(Bytes, Reader)> {
        let Range { start, end } = self.left.clone();
        let chunk = match &mut self.source {
            ReaderSource::Shared {
                file,
                stamp,
                sought,
            } => {
                if !*sought {
                    file.seek(SeekFrom::Start(start))?;
                    *sought = true;
                }
                read_shared(file, *stamp, CHUNK.min(end - start))?
            }
            ReaderSource::Cached(blob) => read_cached(blob, start..end)?,
        };
        self.left.start += chunk.len() as u64;
        Ok((chunk, self))
    }
}

fn read_shared(file: &File, stamp: Stamp, length: u64) -> io::Result<Bytes> {
    let mut chunk = Vec::with_capacity(usize::try_from(length).map_err(io::Error::other)?);
    let read = file.take(length).read_to_end(&mut chunk)?;
    if read as u64 != length || !SharedFile::unchanged(file, stamp)? {
        return Err(io::Error::other("the file changed while it was sent"));
    }
    Ok(chunk.into())
}

fn short_part(all: &Bytes, wanted: &Range<u64>) -> Bytes {
    let at = |offset| usize::try_from(offset).unwrap_or(usize::MAX).min(all.len());
    all.slice(at(wanted.start)..at(wanted.end))
}

/// The bytes of `wanted` that are in its first piece.
fn read_cached(blob: &mut CachedBlob, wanted: Range<u64>) -> io::Result<Bytes> {
    let index = wanted.start / PIECE_SIZE;
    let piece_at = blob.tree().range(index);
    let mut piece = Vec::new();
    blob.read_piece(index, &mut piece)?;
    let inside = |at: u64| usize::try_from(at - piece_at.start).map_err(io::Error::other);
    let (first, end) = (inside(wanted.start)?, inside(wanted.end.min(piece_at.end))?);
    Ok(Bytes::from(piece).slice(first..end))
}
