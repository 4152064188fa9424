//! `GET /files/NAME`: a file of the share, whole or in part.

use std::{
    io::{self, Seek, SeekFrom},
    sync::Arc,
};

use axum::{
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use node_wire::name::ShareName;
use tokio::{fs::File, io::AsyncReadExt, task::spawn_blocking};
use tokio_util::io::ReaderStream;

use super::{
    Context,
    range::{self, Wanted},
};
use crate::share::{ShareError, SharedFile, Stamp};

/// Size of a read.
const CHUNK: usize = 128 * 1024;

/// Answers `GET` and `HEAD`.
pub(super) async fn file(
    State(context): State<Arc<Context>>,
    name: Result<Path<String>, PathRejection>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let Ok(Path(name)) = name else {
        return refused(StatusCode::BAD_REQUEST);
    };
    let name = match ShareName::parse(&name) {
        Ok(name) => name,
        Err(error) if error.leaves_share() => return refused(StatusCode::FORBIDDEN),
        Err(_) => return refused(StatusCode::NOT_FOUND),
    };
    match open(&context, &name, &headers).await {
        Ok(part) => part.response(&context, &name, &method),
        Err(ShareError::NotFound(_)) => refused(StatusCode::NOT_FOUND),
        Err(error) => {
            tracing::warn!(%error, "a shared file cannot be read");
            refused(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

/// A file, open where the wanted part begins.
struct Part {
    file: std::fs::File,
    stamp: Stamp,
    wanted: Wanted,
}

async fn open(
    context: &Context,
    name: &ShareName,
    headers: &HeaderMap,
) -> Result<Part, ShareError> {
    let (share, wanted_name) = (Arc::clone(&context.share), name.clone());
    let range = headers
        .get(header::RANGE)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    // A range that holds for another state of the file only: we name no states.
    let range = range.filter(|_| !headers.contains_key(header::IF_RANGE));
    let opened = spawn_blocking(move || {
        let SharedFile { mut file, stamp } = share.read(&wanted_name)?;
        let wanted = range::wanted(range.as_deref(), stamp.size);
        if let Wanted::Part { first, .. } = wanted {
            file.seek(SeekFrom::Start(first))
                .map_err(|error| ShareError::of(&wanted_name, error))?;
        }
        Ok(Part {
            file,
            stamp,
            wanted,
        })
    });
    opened
        .await
        .unwrap_or_else(|error| Err(ShareError::of(name, io::Error::other(error))))
}

impl Part {
    fn response(self, context: &Context, name: &ShareName, method: &Method) -> Response {
        let size = self.stamp.size;
        let (status, length, range) = match self.wanted {
            Wanted::Whole => (StatusCode::OK, size, None),
            Wanted::Part { first, last } => (
                StatusCode::PARTIAL_CONTENT,
                last - first + 1,
                Some(format!("bytes {first}-{last}/{size}")),
            ),
            Wanted::Unsatisfiable => (
                StatusCode::RANGE_NOT_SATISFIABLE,
                0,
                Some(format!("bytes */{size}")),
            ),
        };
        let body = if *method == Method::HEAD || length == 0 {
            Body::empty()
        } else {
            context.counters.files_served.one();
            context.counters.bytes_served.add(length);
            Body::from_stream(ReaderStream::with_capacity(
                File::from_std(self.file).take(length),
                CHUNK,
            ))
        };
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/octet-stream"),
        );
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        insert(headers, header::CONTENT_RANGE, range.as_deref());
        insert(
            headers,
            header::CONTENT_DISPOSITION,
            Some(&disposition(name)),
        );
        insert(
            headers,
            header::LAST_MODIFIED,
            self.stamp.modified.map(httpdate::fmt_http_date).as_deref(),
        );
        response
    }
}

fn insert(headers: &mut HeaderMap, name: header::HeaderName, value: Option<&str>) {
    if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
        headers.insert(name, value);
    }
}

/// `attachment` with the name as RFC 8187 writes it: no quoting to escape from.
fn disposition(name: &ShareName) -> String {
    let encoded = name
        .file_name()
        .bytes()
        .fold(String::new(), |mut text, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                text.push(char::from(byte));
            } else {
                text.push_str(&format!("%{byte:02X}"));
            }
            text
        });
    format!("attachment; filename*=UTF-8''{encoded}")
}

fn refused(status: StatusCode) -> Response {
    let text = match status {
        StatusCode::FORBIDDEN => "this name is outside the share\n",
        StatusCode::NOT_FOUND => "there is no such file in the share\n",
        StatusCode::BAD_REQUEST => "the name is not UTF-8\n",
        _ => "the file cannot be read\n",
    };
    (status, text).into_response()
}
