//! Base64 content, decoded as it arrives: strict alphabet and padding, white
//! space anywhere.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::AnswerError;
use crate::gate::is_space;

/// The number of digits that are decoded at once; a multiple of four.
const BATCH: usize = 4096;

/// Decodes base64 between two tags.
#[derive(Debug, Default)]
pub(super) struct Base64Stream {
    digits: Vec<u8>, // between pushes: less than a group of four
    padded: bool,
}

impl Base64Stream {
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), AnswerError> {
        for byte in bytes {
            if is_space(char::from(*byte)) {
                continue;
            }
            self.digits.push(*byte);
            if self.digits.len() == BATCH {
                self.decode(out)?;
            }
        }
        self.decode(out)
    }

    /// Checks that the last group is whole.
    pub(super) fn finish(&self) -> Result<(), AnswerError> {
        if self.digits.is_empty() {
            Ok(())
        } else {
            Err(AnswerError::Base64)
        }
    }

    /// Decodes all whole groups.
    fn decode(&mut self, out: &mut Vec<u8>) -> Result<(), AnswerError> {
        if self.padded && !self.digits.is_empty() {
            return Err(AnswerError::Base64);
        }
        let groups = &self.digits[..self.digits.len() / 4 * 4];
        STANDARD
            .decode_vec(groups, out)
            .map_err(|_| AnswerError::Base64)?;
        self.padded |= groups.ends_with(b"=");
        self.digits.drain(..groups.len());
        Ok(())
    }
}
