//! The head of an answer: from the first byte to where the content begins.
//!
//! The head is short, so it is kept and judged again whenever more of it has
//! arrived. The judgement of a beginning never depends on where it was cut: it
//! is "more" until it is clear, and then the same for every continuation.

use super::tail::{self, Tail};
use super::{AnswerError, AnswerHead};
use crate::content::Payload;
use crate::dialect::Dialect;
use crate::encoding::MARK;
use crate::gate::{self, GateError, Tag, TagKind, is_space};
use crate::limits::{ANSWER_HEAD_MAX, XML_TAG_MAX};

/// Collects the head.
#[derive(Debug, Default)]
pub(super) struct HeadReader {
    bytes: Vec<u8>,
}

/// The kind of answer that a head begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// An answer without streamed content.
    Small,
    /// Content, of which `rest` has already arrived.
    Content {
        head: AnswerHead,
        tail: Tail,
        rest: Vec<u8>,
    },
    /// An empty element in the place of content, of the tail of which `rest` has
    /// already arrived.
    Empty {
        head: AnswerHead,
        tail: Tail,
        rest: Vec<u8>,
    },
}

/// The reason why the judgement stops here.
#[derive(Debug, PartialEq, Eq)]
enum Stop {
    More,
    Small,
    Bad(AnswerError),
}

/// The start of content, and the tags that end it.
#[derive(Debug, PartialEq, Eq)]
struct ContentStart {
    head: AnswerHead,
    closing: &'static [&'static str],
    at: usize,
    is_empty: bool,
}

/// Walks over the head.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl HeadReader {
    /// Takes bytes from `chunk`; `None` if the head goes on after all of them.
    pub(super) fn push(&mut self, chunk: &mut &[u8]) -> Result<Option<Start>, AnswerError> {
        let room = ANSWER_HEAD_MAX - self.bytes.len();
        let (taken, rest) = chunk.split_at(room.min(chunk.len()));
        self.bytes.extend_from_slice(taken);
        *chunk = rest;
        match judge(&self.bytes) {
            Ok(found) => {
                let (head, tail) = (found.head, Tail::new(found.closing));
                let rest = self.bytes.split_off(found.at);
                Ok(Some(if found.is_empty {
                    Start::Empty { head, tail, rest }
                } else {
                    Start::Content { head, tail, rest }
                }))
            }
            Err(Stop::Small) => Ok(Some(Start::Small)),
            Err(Stop::Bad(error)) => Err(error),
            Err(Stop::More) if self.bytes.len() < ANSWER_HEAD_MAX => Ok(None),
            Err(Stop::More) => Err(AnswerError::HeadTooLong),
        }
    }

    /// Returns everything taken so far.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

fn judge(bytes: &[u8]) -> Result<ContentStart, Stop> {
    let mut cursor = Cursor { bytes, at: 0 };
    cursor.skip_marks()?;
    cursor.skip_declaration()?;
    cursor.expect(TagKind::Open, "methodResponse")?;
    match cursor.tag()? {
        tag if tag.is(TagKind::Open, "fault") => return Err(Stop::Small),
        tag if tag.is(TagKind::Open, "params") => {}
        _ => return Err(unexpected("element in the response")),
    }
    cursor.expect(TagKind::Open, "param")?;
    judge_value(&mut cursor, Dialect::Faults)
}

/// Judges from before `<value>`.
fn judge_value(cursor: &mut Cursor<'_>, dialect: Dialect) -> Result<ContentStart, Stop> {
    let value = cursor.tag()?;
    if value.is(TagKind::Empty, "value") {
        return Ok(empty(
            cursor,
            dialect,
            Payload::Text,
            tail::no_value(dialect),
        ));
    }
    if !value.is(TagKind::Open, "value") {
        return Err(unexpected("element instead of a value"));
    }
    let untyped = ContentStart {
        head: AnswerHead {
            payload: Payload::Text,
            dialect,
        },
        closing: tail::untyped(dialect),
        at: cursor.at,
        is_empty: false,
    };
    if cursor.first_after_space()? != b'<' {
        return Ok(untyped);
    }
    let tag = cursor.tag()?;
    match (tag.kind, tag.name) {
        (TagKind::Close, "value") => Ok(untyped),
        (TagKind::Empty, "string") => Ok(empty(
            cursor,
            dialect,
            Payload::Text,
            tail::untyped(dialect),
        )),
        (TagKind::Empty, "base64") => Ok(empty(
            cursor,
            dialect,
            Payload::Binary,
            tail::untyped(dialect),
        )),
        (TagKind::Open, "string") => Ok(typed(cursor, dialect, Payload::Text)),
        (TagKind::Open, "base64") => Ok(typed(cursor, dialect, Payload::Binary)),
        (TagKind::Open, "array") if dialect == Dialect::Faults => judge_pair(cursor),
        _ => Err(unexpected("type of value")),
    }
}

fn typed(cursor: &Cursor<'_>, dialect: Dialect, payload: Payload) -> ContentStart {
    ContentStart {
        head: AnswerHead { payload, dialect },
        closing: tail::typed(dialect, payload),
        at: cursor.at,
        is_empty: false,
    }
}

fn empty(
    cursor: &Cursor<'_>,
    dialect: Dialect,
    payload: Payload,
    closing: &'static [&'static str],
) -> ContentStart {
    ContentStart {
        head: AnswerHead { payload, dialect },
        closing,
        at: cursor.at,
        is_empty: true,
    }
}

/// Judges from after `<array>`: the code, and the data if the code is 1.
fn judge_pair(cursor: &mut Cursor<'_>) -> Result<ContentStart, Stop> {
    cursor.expect(TagKind::Open, "data")?;
    cursor.expect(TagKind::Open, "value")?;
    let code = cursor.tag()?;
    if code.kind != TagKind::Open || !matches!(code.name, "int" | "i4" | "i8") {
        return Err(unexpected("type of code"));
    }
    if cursor.text_to_tag()?.trim_ascii() != b"1" {
        return Err(Stop::Small);
    }
    cursor.expect(TagKind::Close, code.name)?;
    cursor.expect(TagKind::Close, "value")?;
    judge_value(cursor, Dialect::Codes)
}

fn unexpected(what: &'static str) -> Stop {
    Stop::Bad(AnswerError::Unexpected(what))
}

fn refused(error: GateError) -> Stop {
    Stop::Bad(error.into())
}

impl<'a> Cursor<'a> {
    /// Passes over white space and marks of byte order before the document.
    fn skip_marks(&mut self) -> Result<(), Stop> {
        loop {
            self.at += self.space_length();
            if !self.begins_with(MARK)? {
                return Ok(());
            }
            self.at += MARK.len();
        }
    }

    fn skip_declaration(&mut self) -> Result<(), Stop> {
        if !self.begins_with(b"<?xml")? {
            return Ok(()); // not a declaration; a tag, or refused as one
        }
        let end = self.position_of(b'>')?;
        let declaration = ascii(&self.bytes[self.at..=end])?;
        self.at += gate::declaration_length(declaration).map_err(refused)?;
        Ok(())
    }

    /// Returns true if `start` comes next.
    fn begins_with(&self, start: &[u8]) -> Result<bool, Stop> {
        let rest = &self.bytes[self.at..];
        if rest.len() < start.len() && start.starts_with(rest) {
            return Err(Stop::More);
        }
        Ok(rest.starts_with(start))
    }

    fn expect(&mut self, kind: TagKind, name: &str) -> Result<(), Stop> {
        if self.tag()?.is(kind, name) {
            Ok(())
        } else {
            Err(unexpected("element"))
        }
    }

    /// Returns the next tag; only white space may stand before it.
    fn tag(&mut self) -> Result<Tag<'a>, Stop> {
        if self.first_after_space()? != b'<' {
            return Err(unexpected("text"));
        }
        self.at += self.space_length();
        let end = self.position_of(b'>')?;
        let inside = ascii(&self.bytes[self.at + 1..end])?;
        self.at = end + 1;
        gate::parse_tag(inside).map_err(refused)
    }

    fn first_after_space(&self) -> Result<u8, Stop> {
        let first = self.bytes.get(self.at + self.space_length());
        first.copied().ok_or(Stop::More)
    }

    fn space_length(&self) -> usize {
        let rest = self.bytes[self.at..].iter();
        rest.take_while(|byte| is_space(char::from(**byte))).count()
    }

    fn text_to_tag(&mut self) -> Result<&'a [u8], Stop> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| *byte == b'<');
        let length = length.ok_or(Stop::More)?;
        self.at += length;
        Ok(&rest[..length])
    }

    /// Returns the position of `byte`, at most a tag's length from here.
    fn position_of(&self, byte: u8) -> Result<usize, Stop> {
        let mut window = self.bytes[self.at..].iter().take(XML_TAG_MAX);
        match window.position(|found| *found == byte) {
            Some(distance) => Ok(self.at + distance),
            None if self.bytes.len() - self.at < XML_TAG_MAX => Err(Stop::More),
            None => Err(refused(GateError::TagTooLong)),
        }
    }
}

/// Checks a tag, which is ASCII; anything else in one is refused.
fn ascii(bytes: &[u8]) -> Result<&str, Stop> {
    if bytes.is_ascii() {
        str::from_utf8(bytes).map_err(|_| refused(GateError::Tag))
    } else {
        Err(refused(GateError::Tag))
    }
}
