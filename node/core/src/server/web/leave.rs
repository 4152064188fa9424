//! Links that take: their page, and the files that come by it.
//!
//! A browser without a script sends a form with whole files. With a script, or by hand, a file is begun with its name
//! and its size, and its bytes are appended by as many requests as it takes.
//!
//! # Invariants
//! - The limits of a ticket are checked before the first byte of a file is read.
//! - A request that is silent, or slower than 1 KiB a second, ends; what came stays, and the next one goes on.
//! - A file of a form comes whole or not at all.

use std::{mem, sync::Arc, time::Duration};

use axum::{
    Extension, Json,
    body::{Body, BodyDataStream},
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::StreamExt;
use node_base::{link::LinkText, size::shown};
use node_wire::multipart::{Multipart, Step};
use serde::Deserialize;
use serde_json::json;
use tokio::{select, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Web,
    opening::{Opened, Way},
    pages,
};
use crate::{
    bucket::source_of,
    clock::now,
    pace::Pace,
    server::{front::Remote, page::escaped},
    share::ShareError,
    tickets::{Arrived, AskError, InboxError, LeaveError, Receiving, TakenUp, UploadKey},
};

/// Bytes that are gathered before they are written.
const GATHERED: usize = 256 * 1024;

/// Time until there may be a place, in seconds.
const TRY_AGAIN: u64 = 5;

/// Most bytes that are passed over so that an answer arrives.
const DRAINED: usize = 1 << 20;

/// Longest time for that.
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// Bytes that a form has beside its files.
const FORM_MORE: u64 = 64 * 1024;

/// The header that says where the bytes of a request go.
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");

/// The limits of the page in a browser: it has one script of this port.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// The file that somebody wants to leave.
#[derive(Debug, Deserialize)]
pub(super) struct Offer {
    name: String,
    size: u64,
}

/// The reason why bytes do not come any more.
enum Ended {
    /// All came.
    Whole,
    /// The sender is gone, silent or slow, or another request takes over.
    Cut,
    /// The ticket ended.
    Over,
}

/// The result of appending to a file.
enum Appended {
    /// All of it is there.
    Whole(Arrived),
    /// More is to come.
    Part,
    /// The bytes do not belong where the file ends.
    Elsewhere,
}

/// The bytes of a request.
struct Arriving {
    body: BodyDataStream,
    pace: Pace,
    end: CancellationToken,
}

impl Arriving {
    fn new(web: &Web, ticket: u64, body: Body) -> Arriving {
        Arriving {
            body: body.into_data_stream(),
            pace: Pace::new(),
            end: web.tickets.end_of(ticket),
        }
    }

    /// Returns the next bytes.
    async fn next(&mut self, superseded: &CancellationToken) -> Result<Bytes, Ended> {
        let began = now();
        let next = select! {
            () = self.end.cancelled() => return Err(Ended::Over),
            () = superseded.cancelled() => return Err(Ended::Cut),
            next = timeout(self.pace.credit(), self.body.next()) => next,
        };
        let waited = now().saturating_duration_since(began);
        let bytes = match next {
            Ok(Some(Ok(bytes))) => bytes,
            Ok(None) => return Err(Ended::Whole),
            Ok(Some(Err(_))) | Err(_) => return Err(Ended::Cut),
        };
        self.pace.waited(waited).map_err(|_| Ended::Cut)?;
        self.pace.moved(bytes.len() as u64);
        Ok(bytes)
    }
}

impl Arriving {
    /// Passes over what still comes, but not much: a connection that is closed with unread bytes takes the answer away
    /// from its client.
    async fn drain(mut self) {
        let never = CancellationToken::new();
        let draining = async {
            let mut left = DRAINED;
            while left > 0
                && let Ok(bytes) = self.next(&never).await
            {
                left = left.saturating_sub(bytes.len());
            }
        };
        // Whoever sends for longer is not told.
        let _ = timeout(DRAIN_TIME, draining).await;
    }
}

/// Answers with the script of the page.
pub(super) async fn script() -> Response {
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/javascript; charset=utf-8"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, include_str!("leave.js")).into_response()
}

/// Answers with the page of a link. It takes nothing.
pub(super) async fn page(
    State(web): State<Arc<Web>>,
    Path(text): Path<String>,
    Extension(remote): Extension<Remote>,
    headers: HeaderMap,
) -> Response {
    match web.open(Way::Ask, &text, &headers, remote) {
        Ok(opened) => leave_page(StatusCode::OK, &text, &opened, ""),
        Err(response) => *response,
    }
}

/// Returns the page of a link. `news` is HTML.
fn leave_page(status: StatusCode, text: &str, opened: &Opened, news: &str) -> Response {
    let left = opened.ticket.bytes_left();
    let body = match opened.ticket.may_take(0) {
        Err(AskError::TooManyFiles) => {
            format!("{news}<p class=\"note\">This link takes no more files.</p>")
        }
        _ => format!(
            "<div aria-live=\"polite\">{news}</div><p>The files that you leave here go to the person who sent you this link, and to nobody else. \
There is room for {}.</p>\
<form data-leave method=\"post\" action=\"/a/{text}\" enctype=\"multipart/form-data\"><div class=\"drop\">\
<label for=\"files\">Choose files, or drop them here</label>\
<p><input id=\"files\" name=\"files\" type=\"file\" multiple required></p>\
<p><button>Send</button></p></div></form>\
<ul id=\"sent\" aria-live=\"polite\"></ul><script src=\"/leave.js\" defer></script>",
            shown(left)
        ),
    };
    let mut response = pages::page(status, "Leave files", &body);
    let policy = header::CONTENT_SECURITY_POLICY;
    response.headers_mut().insert(policy, POLICY);
    response
}

/// Begins a file. Answers with the text of the upload.
pub(super) async fn begin(
    State(web): State<Arc<Web>>,
    Path(text): Path<String>,
    Extension(remote): Extension<Remote>,
    headers: HeaderMap,
    offer: Result<Query<Offer>, QueryRejection>,
) -> Response {
    let opened = match web.open(Way::Ask, &text, &headers, remote) {
        Ok(opened) => opened,
        Err(response) => return *response,
    };
    let Ok(Query(offer)) = offer else {
        let said = "say what comes: ?name=NAME&size=BYTES";
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": said }))).into_response();
    };
    let ticket = opened.ticket.id;
    let begun = web
        .tickets
        .begin_upload(ticket, &offer.name, offer.size)
        .await;
    match begun {
        Ok(upload) => {
            let location = format!("/a/{text}/files/{}", upload.expose());
            let headers = [(header::LOCATION, location)];
            let said = json!({ "upload": upload.expose(), "offset": 0, "size": offer.size });
            (StatusCode::CREATED, headers, Json(said)).into_response()
        }
        Err(error) => refused(&error),
    }
}

/// Says how far a file is.
pub(super) async fn state(
    State(web): State<Arc<Web>>,
    Path((text, upload)): Path<(String, String)>,
    Extension(remote): Extension<Remote>,
    headers: HeaderMap,
) -> Response {
    let key = match key(&web, (&text, &upload), &headers, remote) {
        Ok(key) => key,
        Err(response) => return *response,
    };
    match web.tickets.arrived(&key).await {
        Ok(arrived) => said(StatusCode::OK, &arrived),
        Err(error) => refused(&error),
    }
}

/// Appends the bytes of a request to a file.
pub(super) async fn append(
    State(web): State<Arc<Web>>,
    Path((text, upload)): Path<(String, String)>,
    Extension(remote): Extension<Remote>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let key = match key(&web, (&text, &upload), &headers, remote) {
        Ok(key) => key,
        Err(response) => return *response,
    };
    let mut arriving = Arriving::new(&web, key.ticket, body);
    let appended = append_to(&web, &key, &headers, &mut arriving, remote).await;
    let (status, arrived) = match appended {
        Ok(Appended::Whole(arrived)) => return said(StatusCode::OK, &arrived),
        Ok(Appended::Part) => (StatusCode::OK, web.tickets.arrived(&key).await),
        Ok(Appended::Elsewhere) => (StatusCode::CONFLICT, web.tickets.arrived(&key).await),
        Err(error) => (StatusCode::OK, Err(error)),
    };
    arriving.drain().await;
    match arrived {
        Ok(arrived) => said(status, &arrived),
        Err(error) => refused(&error),
    }
}

/// Appends what comes to a file, if it comes at the right place.
async fn append_to(
    web: &Web,
    key: &UploadKey,
    headers: &HeaderMap,
    arriving: &mut Arriving,
    remote: Remote,
) -> Result<Appended, LeaveError> {
    let slot = web.leaving.take(source_of(remote.ip())).await;
    let _slot = slot.ok_or(AskError::Busy)?;
    let receiving = match web.tickets.receive(key).await? {
        TakenUp::Done(arrived) => return Ok(Appended::Whole(arrived)),
        TakenUp::Receiving(receiving) => receiving,
    };
    if number(headers, &UPLOAD_OFFSET) != Some(receiving.offset()) {
        return Ok(Appended::Elsewhere);
    }
    let left = receiving.size() - receiving.offset();
    if number(headers, &header::CONTENT_LENGTH).is_none_or(|length| length > left) {
        return Err(AskError::TooLarge { left }.into());
    }
    take_rest(web, receiving, arriving, remote).await
}

/// Takes the bytes that come, and puts the file into its place if it is whole by that.
async fn take_rest(
    web: &Web,
    mut receiving: Box<Receiving>,
    arriving: &mut Arriving,
    remote: Remote,
) -> Result<Appended, LeaveError> {
    let superseded = receiving.superseded();
    let mut gathered = Vec::new();
    let ended = loop {
        match arriving.next(&superseded).await {
            Ok(bytes) => gathered.extend_from_slice(&bytes),
            Err(ended) => break ended,
        }
        if gathered.len() >= GATHERED {
            write(web, &mut receiving, &mut gathered, remote).await?;
        }
    };
    if let Ended::Over = ended {
        return Err(AskError::Gone.into());
    }
    write(web, &mut receiving, &mut gathered, remote).await?;
    if receiving.offset() == receiving.size() {
        return receiving.finish().await.map(Appended::Whole);
    }
    Ok(Appended::Part)
}

/// Writes what was gathered, at the rate of content from others.
async fn write(
    web: &Web,
    receiving: &mut Receiving,
    gathered: &mut Vec<u8>,
    remote: Remote,
) -> Result<(), LeaveError> {
    let bytes = mem::take(gathered);
    if bytes.is_empty() {
        return Ok(());
    }
    web.download.take(source_of(remote.ip()), bytes.len()).await;
    receiving.write(bytes).await
}

/// Takes the files of a form, for browsers without a script.
pub(super) async fn form(
    State(web): State<Arc<Web>>,
    Path(text): Path<String>,
    Extension(remote): Extension<Remote>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let opened = match web.open(Way::Ask, &text, &headers, remote) {
        Ok(opened) => opened,
        Err(response) => return *response,
    };
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let Some(form) = kind.and_then(Multipart::of) else {
        let text = "Send files as a form: multipart/form-data.";
        return pages::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "That is no form", text);
    };
    let length = number(&headers, &header::CONTENT_LENGTH).unwrap_or(u64::MAX);
    let mut files = Vec::new();
    let mut arriving = Arriving::new(&web, opened.ticket.id, body);
    let taken = take_form(
        &web,
        &opened,
        (form, length),
        &mut arriving,
        remote,
        &mut files,
    );
    if let Err(error) = taken.await {
        arriving.drain().await;
        return failed(&text, &opened, &files, &error);
    }
    let opened = web
        .open(Way::Ask, &text, &headers, remote)
        .unwrap_or(opened);
    leave_page(StatusCode::OK, &text, &opened, &arrived_list(&files))
}

/// Takes the files of a form one after the other. `length` is that of the form.
async fn take_form(
    web: &Web,
    opened: &Opened,
    (mut form, length): (Multipart, u64),
    arriving: &mut Arriving,
    remote: Remote,
    files: &mut Vec<Arrived>,
) -> Result<(), LeaveError> {
    let ticket = opened.ticket.id;
    let slot = web.leaving.take(source_of(remote.ip())).await;
    let _slot = slot.ok_or(AskError::Busy)?;
    let room = opened.ticket.bytes_left();
    if length.saturating_sub(FORM_MORE) > room {
        return Err(AskError::TooLarge { left: room }.into());
    }
    let never = CancellationToken::new();
    let mut left = length;
    let (mut receiving, mut gathered) = (None, Vec::new());
    loop {
        while let Some(step) = form.step().map_err(|_| AskError::Unknown)? {
            match step {
                Step::Part { file } => {
                    let named = file.filter(|name| !name.is_empty());
                    receiving = match named {
                        Some(name) => Some(begun(web, ticket, &name, left).await?),
                        None => None,
                    };
                }
                Step::Bytes(bytes) => {
                    if let Some(receiving) = &mut receiving {
                        gathered.extend_from_slice(&bytes);
                        if gathered.len() >= GATHERED {
                            write(web, receiving, &mut gathered, remote).await?;
                        }
                    }
                }
                Step::PartEnd => {
                    if let Some(mut receiving) = receiving.take() {
                        write(web, &mut receiving, &mut gathered, remote).await?;
                        files.push(receiving.finish().await?);
                    }
                }
                Step::End => return Ok(()),
            }
        }
        match arriving.next(&never).await {
            Ok(bytes) => {
                left = left.saturating_sub(bytes.len() as u64);
                form.push(&bytes);
            }
            Err(Ended::Over) => return Err(AskError::Gone.into()),
            Err(Ended::Whole | Ended::Cut) => return Err(AskError::Unknown.into()),
        }
    }
}

/// Begins a file of a form, of which no more than `left` bytes can come.
async fn begun(
    web: &Web,
    ticket: u64,
    name: &str,
    left: u64,
) -> Result<Box<Receiving>, LeaveError> {
    let room = web.tickets.get(ticket).ok_or(AskError::Gone)?.bytes_left();
    let ahead = left.saturating_add(GATHERED as u64);
    let text = web
        .tickets
        .begin_upload(ticket, name, ahead.min(room))
        .await?;
    let key = UploadKey {
        ticket,
        hash: text.hash(),
    };
    match web.tickets.receive(&key).await? {
        TakenUp::Receiving(receiving) => Ok(receiving.whole_or_nothing()),
        TakenUp::Done(_) => Err(AskError::Unknown.into()),
    }
}

/// Returns a list of the files that arrived, as HTML.
fn arrived_list(files: &[Arrived]) -> String {
    let rows = files.iter().map(|file| {
        let name = escaped(&file.name);
        format!("<li>{name}, {}</li>", shown(file.size))
    });
    let rows: String = rows.collect();
    if rows.is_empty() {
        "<p class=\"note\">No file was chosen.</p>".to_owned()
    } else {
        format!("<p>Arrived:</p><ul>{rows}</ul>")
    }
}

fn failed(text: &str, opened: &Opened, files: &[Arrived], error: &LeaveError) -> Response {
    let (status, reason) = status_of(error);
    let reason = format!(
        "<p class=\"note\" role=\"alert\">Not all arrived: {}.</p>",
        escaped(&reason)
    );
    let list = if files.is_empty() {
        String::new()
    } else {
        arrived_list(files)
    };
    leave_page(status, text, opened, &format!("{reason}{list}"))
}

/// Returns the status of an error, and what its sender may read of it.
fn status_of(error: &LeaveError) -> (StatusCode, String) {
    let own = "this node cannot store it now";
    match error {
        LeaveError::Ask(ask) => {
            let status = match ask {
                AskError::Gone => StatusCode::GONE,
                AskError::TooManyFiles => StatusCode::CONFLICT,
                AskError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
                AskError::Busy => StatusCode::SERVICE_UNAVAILABLE,
                AskError::Unknown => StatusCode::NOT_FOUND,
            };
            (status, ask.to_string())
        }
        LeaveError::Inbox(InboxError::Store(ShareError::NoSpace { .. })) => {
            let text = "there is no room for it at the one who asked for it";
            (StatusCode::INSUFFICIENT_STORAGE, text.to_owned())
        }
        LeaveError::Inbox(_) | LeaveError::Keep(_) => {
            tracing::warn!(%error, "a file that somebody leaves cannot be stored");
            (StatusCode::INTERNAL_SERVER_ERROR, own.to_owned())
        }
    }
}

fn refused(error: &LeaveError) -> Response {
    let (status, text) = status_of(error);
    let mut response = (status, Json(json!({ "error": text }))).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let seconds = HeaderValue::from(TRY_AGAIN);
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

fn said(status: StatusCode, arrived: &Arrived) -> Response {
    let said = json!({
        "name": arrived.name,
        "offset": arrived.offset,
        "size": arrived.size,
        "done": arrived.is_done,
    });
    let headers = [
        (UPLOAD_OFFSET, HeaderValue::from(arrived.offset)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (status, headers, Json(said)).into_response()
}

fn key(
    web: &Web,
    (text, upload): (&str, &str),
    headers: &HeaderMap,
    remote: Remote,
) -> Result<UploadKey, Box<Response>> {
    let opened = web.open(Way::Ask, text, headers, remote)?;
    let upload =
        LinkText::parse(upload).map_err(|_| Box::new(refused(&AskError::Unknown.into())))?;
    Ok(UploadKey {
        ticket: opened.ticket.id,
        hash: upload.hash(),
    })
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}
