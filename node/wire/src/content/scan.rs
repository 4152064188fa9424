//! Is it text, and how long will it be?

use super::Payload;
use super::writer::{base64_length, escape_of};
use crate::utf8::{Refused, Utf8Stream};

/// Reads a file once, in pieces of any size.
#[derive(Clone, Debug)]
pub struct ContentScan {
    length: u64,
    text: Option<TextScan>, // None as soon as it is known to be binary
}

/// The result of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// The encoding of the file.
    pub payload: Payload,
    /// Length of the file, in bytes.
    pub length: u64,
    /// Length of the file as escaped text or as base64, in bytes, without the
    /// XML around it.
    pub encoded_length: u64,
}

#[derive(Clone, Debug, Default)]
struct TextScan {
    utf8: Utf8Stream,
    encoded_length: u64,
}

impl ContentScan {
    /// Creates a scan that has read nothing yet; an empty file is text.
    #[must_use]
    pub fn new() -> Self {
        Self {
            length: 0,
            text: Some(TextScan::default()),
        }
    }

    /// Takes the next bytes of the file.
    pub fn push(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        if let Some(text) = &mut self.text
            && text.push(bytes).is_err()
        {
            self.text = None;
        }
    }

    /// Returns whether the bytes so far may be text. If not, it is binary,
    /// whatever follows.
    #[must_use]
    pub fn may_be_text(&self) -> bool {
        self.text.is_some()
    }

    /// Returns the result, after the last byte.
    #[must_use]
    pub fn finish(self) -> Scanned {
        let text = self.text.filter(|text| text.utf8.is_complete());
        let (payload, encoded_length) = match text {
            Some(text) => (Payload::Text, text.encoded_length),
            None => return Scanned::binary(self.length),
        };
        Scanned {
            payload,
            length: self.length,
            encoded_length,
        }
    }
}

impl Scanned {
    /// Returns the result of a scan for a binary file of `length` bytes.
    #[must_use]
    pub fn binary(length: u64) -> Self {
        Self {
            payload: Payload::Binary,
            length,
            encoded_length: base64_length(length),
        }
    }
}

impl Default for ContentScan {
    fn default() -> Self {
        Self::new()
    }
}

impl TextScan {
    fn push(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        let Self {
            utf8,
            encoded_length,
        } = self;
        utf8.push(bytes, &mut |text| {
            *encoded_length += escaped_length(text)?;
            Ok(())
        })
    }
}

/// Returns the length of `text` once escaped; errors if XML does not allow it.
fn escaped_length(text: &str) -> Result<u64, Refused> {
    let bytes = text.as_bytes();
    let mut length = bytes.len();
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            0..b' ' if !matches!(byte, b'\t' | b'\n' | b'\r') => return Err(Refused),
            // U+FFFE and U+FFFF
            0xEF if matches!(bytes[at..], [_, 0xBF, 0xBE | 0xBF, ..]) => return Err(Refused),
            _ => length += escape_of(byte).map_or(0, |escape| escape.len() - 1),
        }
    }
    Ok(length as u64)
}
