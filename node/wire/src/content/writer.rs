//! The answer around a file, and the file inside it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Payload, Scanned};
use crate::dialect::{CODE_FAIL, CODE_OK, Dialect};
use crate::response;
use crate::value::Value;

/// The text before and after a file, in the dialect and the type of value.
macro_rules! frame {
    (faults, $tag:literal) => {
        frame!("", $tag, "")
    };
    (codes, $tag:literal) => {
        frame!(
            "<value><array><data>\n<value><int>1</int></value>\n",
            $tag,
            "</data></array></value>\n"
        )
    };
    ($before:literal, $tag:literal, $after:literal) => {
        Frame {
            head: concat!(
                "<?xml version=\"1.0\"?>\n<methodResponse>\n<params>\n<param>\n",
                $before,
                "<value><",
                $tag,
                ">"
            ),
            tail: concat!(
                "</",
                $tag,
                "></value>\n",
                $after,
                "</param>\n</params>\n</methodResponse>\n"
            ),
        }
    };
}

/// Writes the answer to `query` that carries a file. Ask for the
/// [`head`](Self::head), push the file, [`finish`](Self::finish).
#[derive(Clone, Debug)]
pub struct QueryAnswerWriter {
    frame: Frame,
    payload: Payload,
    carry: Vec<u8>, // at most two bytes that do not fill a group of base64
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    head: &'static str,
    tail: &'static str,
}

const ENTRY_TEXT: Frame = Frame {
    head: "<value><array><data><value><string>",
    tail: "</string></value></data></array></value>",
};

const ENTRY_BINARY: Frame = Frame {
    head: "<value><array><data><value><base64>",
    tail: "</base64></value></data></array></value>",
};

impl QueryAnswerWriter {
    /// Creates a writer for one answer.
    #[must_use]
    pub fn new(dialect: Dialect, payload: Payload) -> Self {
        Self {
            frame: frame(dialect, payload),
            payload,
            carry: Vec::new(),
        }
    }

    /// Returns a writer for the entry of a query in the answer of `system.multicall`.
    #[must_use]
    pub fn entry(payload: Payload) -> Self {
        let frame = match payload {
            Payload::Text => ENTRY_TEXT,
            Payload::Binary => ENTRY_BINARY,
        };
        Self {
            frame,
            payload,
            carry: Vec::new(),
        }
    }

    /// The first bytes of every whole answer, for each kind of file. White
    /// space may follow it.
    pub const PRELUDE: &str = "<?xml version=\"1.0\"?>\n<methodResponse>\n<params>\n<param>\n";

    /// Returns the text before the file, behind the [`PRELUDE`](Self::PRELUDE) if there is one.
    #[must_use]
    pub fn head_behind_prelude(&self) -> &'static str {
        let head = self.frame.head;
        head.strip_prefix(Self::PRELUDE).unwrap_or(head)
    }

    /// Returns the text before the file.
    #[must_use]
    pub fn head(&self) -> &'static str {
        self.frame.head
    }

    /// Appends the next bytes of the file, encoded, to `out`: at most five
    /// times as many, and a few.
    ///
    /// With [`Payload::Text`] the bytes must be what a scan found to be text.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match self.payload {
            Payload::Text => push_escaped(bytes, out),
            Payload::Binary => self.push_base64(bytes, out),
        }
    }

    /// Appends the text after the file.
    pub fn finish(self, out: &mut Vec<u8>) {
        push_groups(&self.carry, out);
        out.extend_from_slice(self.frame.tail.as_bytes());
    }

    /// Returns the length of the whole answer for a scanned file, in bytes.
    #[must_use]
    pub fn encoded_length(dialect: Dialect, scanned: &Scanned) -> u64 {
        let frame = frame(dialect, scanned.payload);
        (frame.head.len() + frame.tail.len()) as u64 + scanned.encoded_length
    }

    fn push_base64(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        if !self.carry.is_empty() {
            let missing = (3 - self.carry.len()).min(bytes.len());
            let (start, rest) = bytes.split_at(missing);
            self.carry.extend_from_slice(start);
            bytes = rest;
            if self.carry.len() < 3 {
                return;
            }
            push_groups(&self.carry, out);
            self.carry.clear();
        }
        let (groups, rest) = bytes.split_at(bytes.len() / 3 * 3);
        push_groups(groups, out);
        self.carry.extend_from_slice(rest);
    }
}

/// Returns the answer of [`Dialect::Codes`] to a query that failed: `[2, ""]`.
#[must_use]
pub fn codes_failure() -> Vec<u8> {
    response::value(&Value::Array(vec![CODE_FAIL.into(), "".into()]))
}

/// Returns the length of `length` bytes as base64 without line breaks.
pub(super) fn base64_length(length: u64) -> u64 {
    length.div_ceil(3) * 4
}

/// Returns the escape of a byte of text that cannot stand for itself.
pub(super) fn escape_of(byte: u8) -> Option<&'static str> {
    match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'\r' => Some("&#13;"),
        _ => None,
    }
}

fn push_escaped(bytes: &[u8], out: &mut Vec<u8>) {
    let mut plain_from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if let Some(escape) = escape_of(*byte) {
            out.extend_from_slice(&bytes[plain_from..at]);
            out.extend_from_slice(escape.as_bytes());
            plain_from = at + 1;
        }
    }
    out.extend_from_slice(&bytes[plain_from..]);
}

fn push_groups(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    STANDARD
        .encode_slice(bytes, &mut out[start..])
        .expect("the room was made for exactly these bytes");
}

fn frame(dialect: Dialect, payload: Payload) -> Frame {
    const { assert!(CODE_OK == 1, "the frames of codes spell the code out") };
    match (dialect, payload) {
        (Dialect::Faults, Payload::Text) => frame!(faults, "string"),
        (Dialect::Faults, Payload::Binary) => frame!(faults, "base64"),
        (Dialect::Codes, Payload::Text) => frame!(codes, "string"),
        (Dialect::Codes, Payload::Binary) => frame!(codes, "base64"),
    }
}
