//! Answers that are small enough to hold whole: written, and read.
//!
//! Contents of files are not among them; see `content` and `query_answer`.
//!
//! Reading goes through the gate, then through the `xmlrpc` crate, then through
//! [`recheck`]. The crate drops a string that is only white space (it reads as
//! empty) and takes the last of two members of one name; neither matters for
//! the answers that are read here.
//!
//! # Invariants
//! - What is written passes the gate, whatever the value.
//! - Nothing that is read makes this panic, and errors carry at most a short,
//!   escaped piece of it.

use std::error::Error;
use std::io::Cursor;

use xmlrpc::{Request, Transport};

use crate::dialect::{CODE_FAIL, CODE_OK, Dialect};
use crate::encoding::Charset;
use crate::escape::escaped;
use crate::fault::Fault;
use crate::gate::{self, GateError};
use crate::limits::SMALL_ANSWER_MAX;
use crate::value::{self, Value, ValueError, recheck};

/// The error of bytes that are not an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// More bytes than it may have.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    /// The gate refuses it.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// Not an XML-RPC response; the text says why, escaped and cut.
    #[error("not an XML-RPC response: {0}")]
    Malformed(String),
    /// It holds a value that is not accepted.
    #[error(transparent)]
    Value(#[from] ValueError),
}

/// The answer of a peer to `hello`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HelloAnswer {
    /// It knows us now, and speaks this dialect.
    Welcome(Dialect),
    /// It speaks codes and does not want to know us.
    Refused,
}

/// Returns an answer with one value.
#[must_use]
pub fn value(value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"<?xml version=\"1.0\"?>\n<methodResponse>\n<params>\n<param>\n");
    value::write(value, &mut out);
    out.extend_from_slice(b"\n</param>\n</params>\n</methodResponse>\n");
    out
}

/// Returns an answer that is a fault.
#[must_use]
pub fn fault(fault: &Fault) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(b"<?xml version=\"1.0\"?>\n<methodResponse>\n<fault>\n");
    value::write(&fault_value(fault), &mut out);
    out.extend_from_slice(b"\n</fault>\n</methodResponse>\n");
    out
}

/// The text before the entries of the answer of `system.multicall`.
pub const MULTICALL_HEAD: &str =
    "<?xml version=\"1.0\"?>\n<methodResponse>\n<params>\n<param>\n<value><array><data>";

/// The text behind them.
pub const MULTICALL_TAIL: &str =
    "</data></array></value>\n</param>\n</params>\n</methodResponse>\n";

/// Returns an entry of the answer of `system.multicall`: an array of the one result, or the
/// struct of the fault. Files are written piece by piece, see
/// [`QueryAnswerWriter::entry`](crate::content::QueryAnswerWriter::entry).
#[must_use]
pub fn multicall_entry(result: Result<Value, &Fault>) -> Vec<u8> {
    let entry = match result {
        Ok(value) => Value::Array(vec![value]),
        Err(fault) => fault_value(fault),
    };
    let mut out = Vec::with_capacity(256);
    value::write(&entry, &mut out);
    out
}

fn fault_value(fault: &Fault) -> Value {
    let members = [
        ("faultCode".to_owned(), fault.code.into()),
        ("faultString".to_owned(), fault.message.as_str().into()),
    ];
    Value::Struct(members.into())
}

/// Reads a small answer: the value, or the fault with its text escaped and cut.
///
/// # Errors
/// [`ResponseError`] if the bytes are not an answer that we accept.
pub fn read(bytes: &[u8]) -> Result<Result<Value, Fault>, ResponseError> {
    read_within(bytes, Charset::Unsaid, SMALL_ANSWER_MAX)
}

/// Reads an answer that came with this `charset`, to a method that may answer up to
/// `most` bytes.
///
/// # Errors
/// As [`read`].
pub fn read_within(
    bytes: &[u8],
    charset: Charset,
    most: usize,
) -> Result<Result<Value, Fault>, ResponseError> {
    if bytes.len() > most {
        return Err(ResponseError::TooLong(most));
    }
    let text = gate::check_sent(bytes, charset)?;
    let error = match Request::new("").call(InMemory(text.as_bytes())) {
        Ok(value) => {
            recheck(&value)?;
            return Ok(Ok(value));
        }
        Err(error) => error,
    };
    match error.fault() {
        Some(fault) => Ok(Err(Fault::new(fault.fault_code, &fault.fault_string))),
        None => odd_fault(&text).map(Err).ok_or_else(|| {
            let text = escaped(&error.to_string()).to_string();
            ResponseError::Malformed(text)
        }),
    }
}

/// A fault whose code is no `int`, or that has more members than two: XMLRPC::Lite says `Client` and `Server`.
fn odd_fault(text: &str) -> Option<Fault> {
    let (start, end) = (text.find("<fault>")?, text.rfind("</fault>")?);
    let inside = text.get(start + "<fault>".len()..end)?;
    let document =
        format!("<methodResponse><params><param>{inside}</param></params></methodResponse>");
    let value = Request::new("").call(InMemory(document.as_bytes())).ok()?;
    recheck(&value).ok()?;
    let Value::Struct(members) = value else {
        return None;
    };
    let code = match members.get("faultCode")? {
        Value::Int(code) => *code,
        Value::Int64(code) => i32::try_from(*code).unwrap_or(0),
        Value::String(code) => code.trim().parse().unwrap_or(0),
        _ => 0,
    };
    let message = members.get("faultString").and_then(Value::as_str);
    Some(Fault::new(code, message.unwrap_or_default()))
}

/// Returns the meaning of the result of `hello`: 0 and 1 are a welcome in one of the
/// dialects, 2 is a refusal, `None` is not an answer to `hello`.
#[must_use]
pub fn hello_dialect(value: &Value) -> Option<HelloAnswer> {
    match value.as_i32()? {
        0 => Some(HelloAnswer::Welcome(Dialect::Faults)),
        CODE_OK => Some(HelloAnswer::Welcome(Dialect::Codes)),
        CODE_FAIL => Some(HelloAnswer::Refused),
        _ => None,
    }
}

/// An answer that has already arrived, for a crate that wants to send first.
struct InMemory<'a>(&'a [u8]);

impl<'a> Transport for InMemory<'a> {
    type Stream = Cursor<&'a [u8]>;

    fn transmit(self, _: &Request<'_>) -> Result<Self::Stream, Box<dyn Error + Send + Sync>> {
        Ok(Cursor::new(self.0))
    }
}
