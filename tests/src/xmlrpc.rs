//! A client of XML-RPC written from its specification, as little of it as the tests need.
//!
//! It reads as a conforming XML parser does where that matters: a carriage return that is not written as a character
//! reference becomes a line feed.

mod base64;
mod reader;

use std::fmt;
use std::fmt::Write as _;

use crate::http;

/// Bytes as base64 with padding.
pub fn to_base64(bytes: &[u8]) -> String {
    base64::encode(bytes)
}

/// Returns the bytes of base64 with padding, if it is some.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    base64::decode(text)
}

/// A value on the wire.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// `int`, `i4` or `i8`.
    Int(i64),
    /// `boolean`.
    Bool(bool),
    /// `double`.
    Double(f64),
    /// `string`, or nothing at all.
    Text(String),
    /// `base64`.
    Bytes(Vec<u8>),
    /// `array`.
    List(Vec<Value>),
    /// `struct`, in the order of the wire.
    Map(Vec<(String, Value)>),
    /// Anything else, with the name of its tag.
    Other(String),
}

/// The error of a call without a value.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum CallError {
    /// The node answered with a fault.
    Fault {
        /// `faultCode`.
        code: i64,
        /// `faultString`.
        text: String,
    },
    /// There was no answer, or none that is XML-RPC.
    Transport(String),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Fault { code, text } => write!(f, "fault {code}: {text}"),
            CallError::Transport(reason) => f.write_str(reason),
        }
    }
}

impl CallError {
    /// Returns the code of a fault.
    pub fn code(&self) -> Option<i64> {
        match self {
            CallError::Fault { code, .. } => Some(*code),
            CallError::Transport(_) => None,
        }
    }
}

impl Value {
    /// Returns a `string`.
    pub fn text(text: impl Into<String>) -> Value {
        Value::Text(text.into())
    }

    /// Returns the bytes of a `string` or a `base64`.
    pub fn into_bytes(self) -> Option<Vec<u8>> {
        match self {
            Value::Text(text) => Some(text.into_bytes()),
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Returns a member of a `struct`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Map(members) => members.iter().find(|(key, _)| key == name).map(|(_, v)| v),
            _ => None,
        }
    }
}

/// Calls a method at a URL.
///
/// # Errors
/// Errors if the answer is a fault, or there is no answer.
pub fn call(url: &str, method: &str, params: &[Value]) -> Result<Value, CallError> {
    post(url, request(method, params).as_bytes())
}

/// Returns the file that a node finds for a name.
///
/// # Errors
/// As [`call`]; an answer that is not a file is a transport error.
pub fn query(url: &str, name: &str) -> Result<Vec<u8>, CallError> {
    let answer = call(url, "query", &[Value::text(name)])?;
    let file = match answer {
        // The dialect of codes: 1 and the data, or 2 and nothing.
        Value::List(pair) => match <[Value; 2]>::try_from(pair) {
            Ok([Value::Int(1), data]) => data.into_bytes(),
            _ => {
                return Err(CallError::Fault {
                    code: 100,
                    text: "code 2".to_owned(),
                });
            }
        },
        other => other.into_bytes(),
    };
    file.ok_or_else(|| CallError::Transport("the answer is no file".to_owned()))
}

/// Posts a body, well-formed or not, and reads the answer.
///
/// # Errors
/// As [`call`].
pub fn post(url: &str, body: &[u8]) -> Result<Value, CallError> {
    let headers = [("Content-Type", "text/xml")];
    let answer = http::request(url, "POST", http::path(url), &headers, body)
        .map_err(CallError::Transport)?;
    if answer.status != 200 {
        let reason = format!("status {}: {}", answer.status, answer.text());
        return Err(CallError::Transport(reason));
    }
    reader::response(&answer.text())
}

/// Reads the body of an answer.
///
/// # Errors
/// As [`call`].
pub fn read_response(body: &str) -> Result<Value, CallError> {
    reader::response(body)
}

/// Returns the text of a request.
pub fn request(method: &str, params: &[Value]) -> String {
    let mut text = "<?xml version=\"1.0\"?>\n<methodCall><methodName>".to_owned();
    escape(method, &mut text);
    text += "</methodName><params>";
    for param in params {
        text += "<param>";
        write_value(param, &mut text);
        text += "</param>";
    }
    text + "</params></methodCall>"
}

fn write_value(value: &Value, out: &mut String) {
    out.push_str("<value>");
    match value {
        Value::Int(number) => drop(write!(out, "<int>{number}</int>")),
        Value::Bool(yes) => drop(write!(out, "<boolean>{}</boolean>", u8::from(*yes))),
        Value::Double(number) => drop(write!(out, "<double>{number}</double>")),
        Value::Text(text) => {
            out.push_str("<string>");
            escape(text, out);
            out.push_str("</string>");
        }
        Value::Bytes(bytes) => drop(write!(out, "<base64>{}</base64>", base64::encode(bytes))),
        Value::List(items) => {
            out.push_str("<array><data>");
            items.iter().for_each(|item| write_value(item, out));
            out.push_str("</data></array>");
        }
        Value::Map(members) => write_members(members, out),
        Value::Other(tag) => drop(write!(out, "<{tag}/>")),
    }
    out.push_str("</value>");
}

fn write_members(members: &[(String, Value)], out: &mut String) {
    out.push_str("<struct>");
    for (name, value) in members {
        out.push_str("<member><name>");
        escape(name, out);
        out.push_str("</name>");
        write_value(value, out);
        out.push_str("</member>");
    }
    out.push_str("</struct>");
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\r' => out.push_str("&#13;"),
            _ => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let values = Value::List(vec![
            Value::Int(-7),
            Value::Bool(true),
            Value::text("a < b & c\r\n"),
            Value::Bytes((0..=255).collect()),
            Value::Map(vec![("name".to_owned(), Value::text(""))]),
        ]);
        let mut text = "<methodResponse><params><param>".to_owned();
        write_value(&values, &mut text);
        text += "</param></params></methodResponse>";
        assert_eq!(read_response(&text), Ok(values));
    }

    #[test]
    fn a_raw_carriage_return_is_a_line_feed() {
        let text = "<methodResponse><params><param><value>a\r\nb\rc&#13;d</value></param></params></methodResponse>";
        assert_eq!(read_response(text), Ok(Value::text("a\nb\nc\rd")));
    }
}
