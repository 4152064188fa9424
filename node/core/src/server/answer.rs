//! Answers in the caller's dialect.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use node_wire::{
    Value,
    content::{Payload, QueryAnswerWriter, codes_failure},
    dialect::{CODE_FAIL, Dialect},
    fault::{self, Fault},
    methods::{FETCH, HELLO, QUERY},
    response,
};

use super::{Context, cached::CachedFile, local::LocalFile, relay::RelayedFile};

/// What a method answers.
#[derive(Debug)]
pub(super) enum Answer {
    /// A value.
    Value(Value),
    /// A file of the share.
    Local(LocalFile),
    /// A cached blob.
    Cached(CachedFile),
    /// A file that a peer is sending.
    Relayed(Box<RelayedFile>),
}

/// An answer or a fault.
pub(super) type Answered = Result<Answer, Fault>;

/// The answer of `method` as an HTTP response.
pub(super) fn response(
    context: &Arc<Context>,
    dialect: Dialect,
    method: &str,
    answered: Answered,
) -> Response {
    match (answered, dialect) {
        (Ok(Answer::Value(value)), _) => xml(response::value(&value)),
        (Ok(Answer::Local(file)), _) => file.response(context, dialect),
        (Ok(Answer::Cached(file)), _) => file.response(context, dialect),
        (Ok(Answer::Relayed(file)), _) => file.response(context, dialect),
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

/// Starts an answer that carries a file, and says how long it will be.
pub(super) fn writer(dialect: Dialect, payload: Payload) -> (QueryAnswerWriter, Vec<u8>) {
    let writer = QueryAnswerWriter::new(dialect, payload);
    let head = writer.head().as_bytes().to_vec();
    (writer, head)
}

/// XML as an HTTP response.
pub(super) fn xml(body: impl Into<Body>) -> Response {
    let mut response = body.into().into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response
}

/// XML of `length` bytes as an HTTP response.
pub(super) fn xml_of_length(body: Body, length: u64) -> Response {
    let mut response = xml(body);
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response
}
