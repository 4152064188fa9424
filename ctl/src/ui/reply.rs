//! The answers to the browser.

use std::io::{self, Write};

use serde_json::{Value, json};
use tiny_http::{Header, Request, Response, StatusCode};

use super::page::{File, POLICY};
use crate::error::CtlError;

/// Headers of every answer.
const ALWAYS: [(&str, &str); 7] = [
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
];

/// An answer that is ready.
#[derive(Debug)]
pub(super) struct Reply {
    status: u16,
    kind: &'static str,
    body: Vec<u8>,
    cookie: Option<String>,
}

impl Reply {
    pub(super) fn file(file: File) -> Reply {
        Reply {
            status: 200,
            kind: file.kind,
            body: file.text.as_bytes().to_vec(),
            cookie: None,
        }
    }

    pub(super) fn json(value: &Value) -> Reply {
        Reply {
            status: 200,
            kind: "application/json",
            body: value.to_string().into_bytes(),
            cookie: None,
        }
    }

    /// Returns an error as the page shows it.
    pub(super) fn refusal(status: u16, code: &str, message: &str) -> Reply {
        let error = json!({ "error": { "code": code, "message": message } });
        Reply {
            status,
            ..Reply::json(&error)
        }
    }

    /// Returns the answer to a call of the page.
    pub(super) fn result(result: Result<Value, CtlError>) -> Reply {
        match result {
            Ok(value) => Reply::json(&json!({ "result": value })),
            Err(error) => Reply::json(&json!({ "error": told(&error) })),
        }
    }

    pub(super) fn with_cookie(self, cookie: String) -> Reply {
        Reply {
            cookie: Some(cookie),
            ..self
        }
    }

    /// Sends it. A browser that is gone meanwhile is nobody's loss.
    pub(super) fn send(self, request: Request) {
        let length = self.body.len();
        let mut headers: Vec<Header> = ALWAYS
            .iter()
            .chain(&[("Content-Type", self.kind)])
            .filter_map(|(name, value)| header(name, value))
            .collect();
        headers.extend(self.cookie.and_then(|cookie| header("Set-Cookie", &cookie)));
        let response = Response::new(
            StatusCode(self.status),
            headers,
            io::Cursor::new(self.body),
            Some(length),
            None,
        );
        // Never in chunks: the length is known.
        let _ = request.respond(response.with_chunked_threshold(usize::MAX));
    }
}

/// Returns an error in the words of the page.
pub(super) fn told(error: &CtlError) -> Value {
    json!({ "code": error.code().name(), "message": error.to_string() })
}

/// Returns a header; all values are ours and have no line break in them.
fn header(name: &str, value: &str) -> Option<Header> {
    Header::from_bytes(name, value).ok()
}

/// An answer that goes on: pieces that are sent as they come. tiny_http's own way of chunks would keep them until there are
/// 8 KiB, so this one has no length and ends with the connection.
pub(super) struct Stream(Box<dyn Write + Send>);

impl Stream {
    pub(super) fn begin(request: Request, kind: &str) -> io::Result<Stream> {
        let mut stream = Stream(request.into_writer());
        let mut head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n");
        for (name, value) in ALWAYS {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.send(head.as_bytes())?;
        Ok(stream)
    }

    pub(super) fn send(&mut self, piece: &[u8]) -> io::Result<()> {
        self.0.write_all(piece)?;
        self.0.flush()
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stream(..)")
    }
}
