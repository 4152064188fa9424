//! Content as the body of a response, byte for byte: conditions, ranges, headers.

use std::{ops::Range, sync::Arc, time::SystemTime};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use node_wire::{About, AnswerRate, Digest, about, answer_rate, name::ShareName};

use super::{
    Context,
    conditions::{self, Validators, Verdict},
    content::Content,
    front::Remote,
    policy::FetchPermit,
    range::{self, RangeWanted},
    upload::{Busy, Encoder},
};

/// Content and its metadata.
#[derive(Debug)]
pub(super) struct Representation {
    /// The bytes.
    pub(super) content: Content,
    /// Their number.
    pub(super) size: u64,
    /// Its digest, if it is known, or another text that changes with it.
    pub(super) tag: Option<String>,
    /// Its name and the time of its last change, if it was asked for by name.
    pub(super) file: Option<(ShareName, Option<SystemTime>)>,
    /// Its metadata.
    pub(super) about: About,
}

/// The parts of a request that matter.
pub(super) struct Asking<'a> {
    pub(super) method: &'a Method,
    pub(super) headers: &'a HeaderMap,
    pub(super) remote: Remote,
}

/// The content does not match its digest; it is being read again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stale;

/// The answer to a request for content.
pub(super) enum Plan {
    /// It has no content.
    Answer(Response),
    /// It has some.
    Send(Planned),
}

/// An answer with content.
pub(super) struct Planned {
    status: StatusCode,
    headers: HeaderMap,
    bytes: Range<u64>,
}

impl Plan {
    /// Returns the bytes of the content that will be sent, if any are.
    pub(super) fn range(&self) -> Option<Range<u64>> {
        match self {
            Plan::Answer(_) => None,
            Plan::Send(planned) => Some(planned.bytes.clone()),
        }
    }
}

/// Answers a request for content.
///
/// # Errors
/// Errors before anything is said, if the first piece that is asked for is not what
/// the digest says.
pub(super) async fn respond(
    context: &Arc<Context>,
    representation: Representation,
    _permit: &FetchPermit,
    asking: &Asking<'_>,
) -> Result<Response, Stale> {
    match plan(&representation, asking) {
        Plan::Answer(response) => Ok(response),
        Plan::Send(planned) => send(context, representation, planned, asking.remote).await,
    }
}

/// Decides what to answer, by the conditions and the range of a request.
pub(super) fn plan(representation: &Representation, asking: &Asking<'_>) -> Plan {
    let tag = representation.tag.as_ref();
    let tag = tag.map(|tag| format!("\"{tag}\""));
    let state = Validators {
        tag: tag.as_deref(),
        modified: representation.file.as_ref().and_then(|file| file.1),
    };
    let range_counts = match conditions::judge(asking.headers, state) {
        Verdict::Send { range } => range,
        Verdict::NotModified => {
            return Plan::Answer(representation.without_body(StatusCode::NOT_MODIFIED, &tag));
        }
        Verdict::PreconditionFailed => {
            return Plan::Answer(
                representation.without_body(StatusCode::PRECONDITION_FAILED, &tag),
            );
        }
    };
    let size = representation.size;
    let range = asking.headers.get(header::RANGE).filter(|_| range_counts);
    let wanted = range::wanted(range.and_then(|range| range.to_str().ok()), size);
    let (status, bytes, range) = part(wanted, size);
    let length = bytes.end - bytes.start;
    let mut headers = representation.headers(tag.as_deref());
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    insert(&mut headers, header::CONTENT_RANGE, range.as_deref());
    if *asking.method == Method::HEAD || length == 0 {
        return Plan::Answer((status, headers, Body::empty()).into_response());
    }
    Plan::Send(Planned {
        status,
        headers,
        bytes,
    })
}

/// Sends what was planned. The caller has the permit of the owner.
///
/// # Errors
/// As [`respond`].
pub(super) async fn send(
    context: &Arc<Context>,
    representation: Representation,
    planned: Planned,
    remote: Remote,
) -> Result<Response, Stale> {
    let Planned {
        status,
        mut headers,
        bytes,
    } = planned;
    let length = bytes.end - bytes.start;
    let upload = match context.uploads.begin(remote, Some(length)).await {
        Ok(upload) => upload,
        Err(Busy) => return Ok(busy()),
    };
    insert_rate(&mut headers, upload.rate());
    let mut content = representation.content;
    content.cut(bytes);
    content
        .check_first(&context.disk, context.uploads.room())
        .await
        .map_err(|_| Stale)?;
    let body = upload.body(content, Encoder::Raw).await;
    Ok((status, headers, body).into_response())
}

/// Says how fast an answer will be, if uploads are limited.
pub(super) fn insert_rate(headers: &mut HeaderMap, rate: Option<AnswerRate>) {
    let rate = rate.map(|rate| HeaderValue::from(rate.bytes_a_second()));
    headers.extend(rate.map(|rate| (HeaderName::from_static(answer_rate::HEADER), rate)));
}

/// Adds the metadata of a file beside its name and bytes.
pub(super) fn insert_about(headers: &mut HeaderMap, about: About) {
    if !about.is_silent() {
        let name = HeaderName::from_static(about::HEADER);
        insert(headers, name, Some(&about.to_string()));
    }
}

/// Returns the status, the bytes and the header `Content-Range` of an answer.
pub(super) fn part(wanted: RangeWanted, size: u64) -> (StatusCode, Range<u64>, Option<String>) {
    match wanted {
        RangeWanted::Whole => (StatusCode::OK, 0..size, None),
        RangeWanted::Part { first, last } => (
            StatusCode::PARTIAL_CONTENT,
            first..last + 1,
            Some(format!("bytes {first}-{last}/{size}")),
        ),
        RangeWanted::Unsatisfiable => (
            StatusCode::RANGE_NOT_SATISFIABLE,
            0..0,
            Some(format!("bytes */{size}")),
        ),
    }
}

/// Returns the answer of a server that is sending too much already.
pub(super) fn busy() -> Response {
    let text = "too many downloads run, try again later\n";
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// Returns the headers of content that comes from elsewhere, by its digest.
pub(super) fn headers_of_content(digest: &Digest, range: Option<&str>, length: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    insert(&mut headers, header::ETAG, Some(&format!("\"{digest}\"")));
    insert(&mut headers, header::CONTENT_RANGE, range);
    headers
}

impl Representation {
    /// Returns an answer without a body, with the state of the content.
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
        insert_about(&mut headers, self.about);
        if let Some((name, modified)) = &self.file {
            let modified = modified.map(httpdate::fmt_http_date);
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

/// Returns `attachment` with the name as RFC 8187 writes it, and before it as ASCII for clients
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
