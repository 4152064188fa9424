//! The tail of an answer: the tags that close those of the head, then
//! nothing but white space.

use super::AnswerError;
use crate::content::Payload;
use crate::dialect::Dialect;
use crate::gate::{self, GateError, TagKind, is_space};
use crate::limits::{ANSWER_HEAD_MAX, XML_TAG_MAX};

/// Compares the text with the tags that must come.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tail {
    expected: &'static [&'static str],
    tag: Option<Vec<u8>>, // the inside of a tag whose `>` has not arrived
    taken: usize,         // bytes of the tail so far
}

/// The tags that close the response of a value.
const PARAM: &[&str] = &["param", "params", "methodResponse"];

macro_rules! closing {
    ($($tag:literal),*) => {
        &[$($tag,)* "value", "param", "params", "methodResponse"]
    };
}

/// Returns the tags that close an answer whose content is an empty `<value/>`.
pub(super) fn no_value(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::Faults => PARAM,
        Dialect::Codes => closing!("data", "array"),
    }
}

/// Returns the tags that close content in a value without a type.
pub(super) fn untyped(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::Faults => closing!(),
        Dialect::Codes => closing!("value", "data", "array"),
    }
}

/// Returns the tags that close content in an element of its type.
pub(super) fn typed(dialect: Dialect, payload: Payload) -> &'static [&'static str] {
    match (dialect, payload) {
        (Dialect::Faults, Payload::Text) => closing!("string"),
        (Dialect::Faults, Payload::Binary) => closing!("base64"),
        (Dialect::Codes, Payload::Text) => closing!("string", "value", "data", "array"),
        (Dialect::Codes, Payload::Binary) => closing!("base64", "value", "data", "array"),
    }
}

impl Tail {
    /// Creates a tail of these closing tags, in order.
    pub(super) fn new(expected: &'static [&'static str]) -> Self {
        Self {
            expected,
            tag: None,
            taken: 0,
        }
    }

    /// Returns true if everything is closed.
    pub(super) fn is_complete(&self) -> bool {
        self.expected.is_empty() && self.tag.is_none()
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), AnswerError> {
        bytes.iter().try_for_each(|byte| self.take(*byte))
    }

    fn take(&mut self, byte: u8) -> Result<(), AnswerError> {
        self.taken += 1;
        if self.taken > ANSWER_HEAD_MAX {
            return Err(AnswerError::TailTooLong);
        }
        match &mut self.tag {
            None if is_space(char::from(byte)) => Ok(()),
            None if byte == b'<' && !self.expected.is_empty() => {
                self.tag = Some(Vec::new());
                Ok(())
            }
            None => Err(AnswerError::Unexpected("bytes after the content")),
            Some(inside) if byte != b'>' => {
                inside.push(byte);
                // The brackets count too.
                if inside.len() + 2 > XML_TAG_MAX {
                    return Err(GateError::TagTooLong.into());
                }
                Ok(())
            }
            Some(inside) => {
                let inside = std::mem::take(inside);
                self.tag = None;
                self.close(&inside)
            }
        }
    }

    fn close(&mut self, inside: &[u8]) -> Result<(), AnswerError> {
        let inside = str::from_utf8(inside).map_err(|_| GateError::Tag)?;
        let tag = gate::parse_tag(inside)?;
        match self.expected.split_first() {
            Some((name, rest)) if tag.is(TagKind::Close, name) => {
                self.expected = rest;
                Ok(())
            }
            _ => Err(AnswerError::Unexpected("element after the content")),
        }
    }
}
