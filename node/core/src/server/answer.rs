//! Answers in the caller's dialect.

use std::io;

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use node_wire::{
    About, AnswerRate, Value,
    content::{Payload, QueryAnswerWriter, Scanned, codes_failure},
    dialect::{CODE_FAIL, Dialect},
    fault::{self, Fault},
    methods::{FETCH, HELLO, QUERY},
    response,
};

use super::{
    Context,
    content::Content,
    front::Remote,
    policy::FetchPermit,
    raw,
    relay::Relay,
    upload::{Busy, Encoder, Upload},
};

/// Longest file that is a value, in bytes.
const VALUE_MAX: usize = 256 * 1024;

/// What a method answers.
#[derive(Debug)]
pub(super) enum Answer {
    /// A value.
    Value(Value),
    /// A file.
    File(Box<FileAnswer>),
}

/// A file as the answer to `query`.
#[derive(Debug)]
pub(super) struct FileAnswer {
    content: Content,
    payload: Payload,
    /// What is known of content that is here.
    scanned: Option<Scanned>,
    /// How fast the peer sends it, if it comes from one and says so.
    rate: Option<AnswerRate>,
    /// What is said of it beside its name and bytes.
    about: About,
    upload: Upload,
}

/// Why content cannot be the answer to `query`.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileAnswerError {
    /// Too much is being sent already.
    #[error("too many answers are being sent")]
    Busy,
    /// It cannot be read, or is not what it should be.
    #[error(transparent)]
    Unreadable(#[from] io::Error),
}

/// An answer or a fault.
pub(super) type Answered = Result<Answer, Fault>;

/// The answer of `method` as an HTTP response.
pub(super) async fn response(dialect: Dialect, method: &str, answered: Answered) -> Response {
    match (answered, dialect) {
        (Ok(Answer::Value(value)), _) => xml(response::value(&value)),
        (Ok(Answer::File(file)), _) => file.response(dialect).await,
        (Err(fault), Dialect::Codes) => code(method, &fault),
        (Err(fault), Dialect::Faults) => self::fault(&fault),
    }
}

/// A fault as an HTTP response.
pub(super) fn fault(fault: &Fault) -> Response {
    xml(response::fault(fault))
}

/// A failure in the dialect of codes. What has no code there stays a fault.
fn code(method: &str, fault: &Fault) -> Response {
    let has_code = matches!(
        fault.code,
        fault::UNHANDLED | fault::ACCESS_DENIED | fault::INVALID_PARAMS
    );
    match method {
        QUERY if has_code => xml(codes_failure()),
        HELLO | FETCH if has_code => xml(response::value(&Value::Int(CODE_FAIL))),
        _ => self::fault(fault),
    }
}

impl FileAnswer {
    /// Prepares an answer to `remote` with content that is here.
    ///
    /// Whether it travels as text or as base64, and how long the answer is, is
    /// known only when it was read once. So it is read twice; if it is not the
    /// same any more the second time, the answer is broken off.
    ///
    /// # Errors
    /// When it cannot be read, or too much is being sent already.
    pub(super) async fn of(
        context: &Context,
        (mut content, about): (Content, About),
        remote: Remote,
        _permit: &FetchPermit,
    ) -> Result<FileAnswer, FileAnswerError> {
        let upload = context.uploads.begin(remote, content.length()).await?;
        let scanned = content.scan(&context.disk).await?;
        Ok(FileAnswer {
            content,
            payload: scanned.map_or(Payload::Binary, |scanned| scanned.payload),
            scanned,
            rate: upload.rate(),
            about,
            upload,
        })
    }

    /// Prepares an answer to `remote` with what a peer is sending.
    ///
    /// # Errors
    /// When too much is being sent already.
    pub(super) async fn of_relay(
        context: &Context,
        relay: Relay,
        remote: Remote,
        _permit: &FetchPermit,
    ) -> Result<FileAnswer, FileAnswerError> {
        let upload = context.uploads.begin(remote, None).await?;
        let payload = relay.payload();
        let rate = [upload.rate(), relay.rate()].into_iter().flatten().min();
        let about = relay.about();
        Ok(FileAnswer {
            content: Content::of_relay(relay),
            payload,
            scanned: None,
            rate,
            about,
            upload,
        })
    }

    /// Returns the file as a value, if it has at most [`VALUE_MAX`] bytes.
    ///
    /// # Errors
    /// When it cannot be read to its end.
    pub(super) async fn into_value(mut self) -> io::Result<Option<Value>> {
        let is_long = |length: u64| length > VALUE_MAX as u64;
        if self.content.length().is_some_and(is_long) {
            return Ok(None);
        }
        let whole = self.upload.whole(&mut self.content, VALUE_MAX).await?;
        Ok(whole.map(|bytes| value(self.payload, bytes)))
    }

    async fn response(self, dialect: Dialect) -> Response {
        let length = self
            .scanned
            .map(|scanned| QueryAnswerWriter::encoded_length(dialect, &scanned));
        let encoder = Encoder::query(QueryAnswerWriter::new(dialect, self.payload));
        let mut response = xml(self.upload.body(self.content, encoder).await);
        raw::insert_rate(response.headers_mut(), self.rate);
        raw::insert_about(response.headers_mut(), self.about);
        if let Some(length) = length {
            response
                .headers_mut()
                .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        response
    }
}

impl From<Busy> for FileAnswerError {
    fn from(_: Busy) -> FileAnswerError {
        FileAnswerError::Busy
    }
}

/// Returns content as a value of XML-RPC.
fn value(payload: Payload, bytes: Vec<u8>) -> Value {
    match payload {
        Payload::Text => match String::from_utf8(bytes) {
            Ok(text) => Value::String(text),
            Err(error) => Value::Base64(error.into_bytes()),
        },
        Payload::Binary => Value::Base64(bytes),
    }
}

/// XML as an HTTP response.
pub(super) fn xml(body: impl Into<Body>) -> Response {
    let mut response = body.into().into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response
}
