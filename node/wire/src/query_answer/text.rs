//! Text content, decoded as it arrives: references replaced, all else kept.

use super::AnswerError;
use crate::characters::is_xml;
use crate::limits::REFERENCE_MAX;
use crate::utf8::{Refused, Utf8Stream};

/// Decodes text between two tags.
#[derive(Debug, Default)]
pub(super) struct TextStream {
    utf8: Utf8Stream,
    reference: Option<String>, // what came after a `&` whose `;` has not arrived
}

impl TextStream {
    pub(super) fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), AnswerError> {
        while !bytes.is_empty() {
            bytes = if self.reference.is_some() {
                self.push_reference(bytes, out)?
            } else {
                self.push_plain(bytes, out)?
            };
        }
        Ok(())
    }

    /// Checks that the text ends whole.
    pub(super) fn finish(&self) -> Result<(), AnswerError> {
        if self.reference.is_some() {
            return Err(AnswerError::Reference);
        }
        self.check_complete()
    }

    /// Takes text up to and with a `&`; returns the rest.
    fn push_plain<'a>(
        &mut self,
        bytes: &'a [u8],
        out: &mut Vec<u8>,
    ) -> Result<&'a [u8], AnswerError> {
        let end = bytes.iter().position(|byte| *byte == b'&');
        let plain = &bytes[..end.unwrap_or(bytes.len())];
        let mut keep = |text: &str| {
            out.extend_from_slice(text.as_bytes());
            text.chars().all(is_xml).then_some(()).ok_or(Refused)
        };
        let pushed = self.utf8.push(plain, &mut keep);
        pushed.map_err(|Refused| AnswerError::Text)?;
        let Some(end) = end else { return Ok(&[]) };
        self.check_complete()?;
        self.reference = Some(String::new());
        Ok(&bytes[end + 1..])
    }

    /// Takes the bytes of a reference up to and with its `;`; returns what
    /// follows.
    fn push_reference<'a>(
        &mut self,
        bytes: &'a [u8],
        out: &mut Vec<u8>,
    ) -> Result<&'a [u8], AnswerError> {
        let reference = self.reference.get_or_insert_default();
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                b';' => {
                    let c = resolve(reference).ok_or(AnswerError::Reference)?;
                    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    self.reference = None;
                    return Ok(&bytes[at + 1..]);
                }
                b'#' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'F' => reference.push(char::from(*byte)),
                _ => return Err(AnswerError::Reference),
            }
            // `&` and `;` count too.
            if reference.len() + 2 > REFERENCE_MAX {
                return Err(AnswerError::Reference);
            }
        }
        Ok(&[])
    }

    fn check_complete(&self) -> Result<(), AnswerError> {
        if self.utf8.is_complete() {
            Ok(())
        } else {
            Err(AnswerError::Text)
        }
    }
}

/// Returns the character that `&reference;` stands for.
fn resolve(reference: &str) -> Option<char> {
    let number = match reference {
        "amp" => return Some('&'),
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "quot" => return Some('"'),
        "apos" => return Some('\''),
        _ => reference.strip_prefix('#')?,
    };
    let code = match number.strip_prefix('x') {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => number.parse().ok()?,
    };
    char::from_u32(code).filter(|c| is_xml(*c))
}
