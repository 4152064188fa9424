//! Requests: the call that a client sends, read and written.
//!
//! The `xmlrpc` crate cannot read requests, so this is our own reader on
//! `quick-xml`. The gate has bounded depth, size and kinds of markup before;
//! the reader recurses at most as deep as the gate allows.
//!
//! Non-goals: which methods exist and what they take (`messages`), streaming:
//! a request is small.
//!
//! # Invariants
//! - Every type of XML-RPC is read, with `i8` and `nil`; a value without a type
//!   is a string; white space inside strings is kept; line ends are not touched.
//! - A document that the gate or `quick-xml` refuses is fault -32700; one that is
//!   XML but not a call is fault -32600.
//! - A call that was read passes [`recheck`], and reads back the same from what
//!   [`write()`] makes of it.
//! - No parameter is in debug output; one may be the owner's secret.

mod tokens;
mod values;

use std::fmt;

use crate::encoding::Charset;
use crate::fault::Fault;
use crate::gate;
use crate::limits::METHOD_NAME_MAX;
use crate::value::{self, Value, recheck, write_text};

use tokens::{Tag, Tokens};

/// A call: the name of a method and its parameters in order.
#[derive(Clone, PartialEq)]
pub struct MethodCall {
    /// The name as sent, 1 to [`METHOD_NAME_MAX`] bytes.
    pub method: String,
    /// The parameters.
    pub params: Vec<Value>,
}

/// Reads the body of a request that says its encoding itself.
///
/// # Errors
/// Fault -32700 for XML that is not accepted, -32600 for XML that is not a
/// call, -32601 for a method name longer than any method's.
pub fn read(body: &[u8]) -> Result<MethodCall, Fault> {
    read_sent(body, Charset::Unsaid)
}

/// Reads the body of a request that came with this `charset`.
///
/// # Errors
/// As [`read`].
pub fn read_sent(body: &[u8], charset: Charset) -> Result<MethodCall, Fault> {
    let text = gate::check_sent(body, charset);
    let text = text.map_err(|error| Fault::parse_error(&error.to_string()))?;
    let mut tokens = Tokens::new(&text);
    tokens.expect_open(Tag::MethodCall)?;
    tokens.expect_open(Tag::MethodName)?;
    let method = method_name(tokens.text_to_close()?)?;
    let params = read_params(&mut tokens)?;
    tokens.expect_end()?;
    Ok(MethodCall { method, params })
}

impl fmt::Debug for MethodCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the parameters: one of them may be a secret.
        let count = self.params.len();
        write!(f, "MethodCall({:?}, {count} parameters)", self.method)
    }
}

fn method_name(name: String) -> Result<String, Fault> {
    match name.len() {
        0 => Err(Fault::invalid_request("The name of the method is empty")),
        1..=METHOD_NAME_MAX => Ok(name),
        _ => Err(Fault::method_not_found(&name)),
    }
}

/// Reads from after the method's name to the end of the call.
fn read_params(tokens: &mut Tokens<'_>) -> Result<Vec<Value>, Fault> {
    let mut params = Vec::new();
    if !tokens.open_or_close(Tag::Params)? {
        return Ok(params);
    }
    while tokens.open_or_close(Tag::Param)? {
        tokens.expect_open(Tag::Value)?;
        let value = values::read(tokens)?;
        recheck(&value).map_err(|error| Fault::parse_error(&error.to_string()))?;
        params.push(value);
        tokens.expect_close()?;
    }
    tokens.expect_close()?;
    Ok(params)
}

/// Writes a request for a peer.
#[must_use]
pub fn write(call: &MethodCall) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"<?xml version=\"1.0\"?>\n<methodCall>\n<methodName>");
    write_text(&call.method, &mut out);
    out.extend_from_slice(b"</methodName>\n<params>\n");
    for param in &call.params {
        out.extend_from_slice(b"<param>\n");
        value::write(param, &mut out);
        out.extend_from_slice(b"\n</param>\n");
    }
    out.extend_from_slice(b"</params>\n</methodCall>\n");
    out
}
