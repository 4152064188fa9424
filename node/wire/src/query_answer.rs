//! Contents of files on their way in: a peer's answer to `query`, decoded as it
//! arrives.
//!
//! An answer is a head of XML, the content, and a tail of XML. The head is
//! kept until it is clear what it begins; the content runs through; the tail is
//! compared with what must follow. Faults and failures are small: they are
//! kept whole and read at the end like any other small answer.
//!
//! Participants: the client pushes bytes and writes what comes out to a
//! temporary file. What came out before an error is not the file.
//!
//! Non-goals: limits of time and of the length of the file; hashing.
//!
//! # Invariants
//! - Memory is bounded by [`ANSWER_HEAD_MAX`] or [`SMALL_ANSWER_MAX`], and by a small
//!   multiple of one chunk, whatever the peer sends; output is at most
//!   [`GROWTH_MAX`](crate::encoding::GROWTH_MAX) times as long as what was pushed.
//! - Any cutting of the same bytes into chunks gives the same result.
//! - Text comes out as the peer meant it: references are replaced, nothing else
//!   is touched, line ends included.
//! - After an error every further call gives the same error.

mod base64_stream;
mod head;
mod tail;
mod text;

use crate::content::Payload;
use crate::dialect::{CODE_FAIL, CODE_OK, Dialect};
use crate::encoding::Charset;
use crate::fault::Fault;
use crate::gate::GateError;
use crate::intake::Intake;
use crate::limits::{ANSWER_HEAD_MAX, SMALL_ANSWER_MAX};
use crate::response::{self, ResponseError};
use crate::value::Value;

use base64_stream::Base64Stream;
use head::{HeadReader, Start};
use tail::Tail;
use text::TextStream;

/// Decodes one answer.
#[derive(Debug)]
pub struct QueryAnswerReader {
    intake: Intake,
    phase: Phase,
    taken: Vec<u8>, // empty between pushes; kept for its memory
}

/// The encoding of the content in an answer, known before it is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerHead {
    /// As text or as base64.
    pub payload: Payload,
    /// The dialect that the answer is in.
    pub dialect: Dialect,
}

/// The result of a whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryOutcome {
    /// The file; its bytes have come out of the pushes.
    Found {
        /// As text or as base64.
        payload: Payload,
        /// The dialect that the answer was in.
        dialect: Dialect,
    },
    /// `[2, …]`: not found, in the dialect of codes.
    NotFound,
    /// A fault, such as 100 or 200.
    Fault(Fault),
}

/// The error of bytes that are not an answer to `query`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The XML before the content is longer than [`ANSWER_HEAD_MAX`].
    #[error("the head of the answer is longer than {ANSWER_HEAD_MAX} bytes")]
    HeadTooLong,
    /// The XML after the content is longer than [`ANSWER_HEAD_MAX`].
    #[error("the tail of the answer is longer than {ANSWER_HEAD_MAX} bytes")]
    TailTooLong,
    /// The head or tail is XML that the gate would refuse.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// Well-formed, but not the shape of an answer to `query`.
    #[error("not an answer to query: unexpected {0}")]
    Unexpected(&'static str),
    /// An entity that XML-RPC does not have, or a bad character reference.
    #[error("the content has an unknown entity or a bad reference")]
    Reference,
    /// Text that is not UTF-8 or not legal in XML.
    #[error("the content is not legal text")]
    Text,
    /// Not base64, or not padded.
    #[error("the content is not base64")]
    Base64,
    /// The bytes end before the answer does.
    #[error("the answer is cut short")]
    Truncated,
    /// A fault or failure that cannot be read.
    #[error(transparent)]
    Small(#[from] ResponseError),
}

#[derive(Debug)]
enum Phase {
    Head(HeadReader),
    /// An answer without streamed content, kept whole.
    Small(Vec<u8>),
    Content(ContentStream, AnswerHead, Tail),
    Tail(AnswerHead, Tail),
    Failed(AnswerError),
}

#[derive(Debug)]
enum ContentStream {
    Text(TextStream),
    Binary(Base64Stream),
}

impl QueryAnswerReader {
    /// Creates a reader of an answer that says its encoding itself.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Charset::Unsaid)
    }

    /// Returns a reader of an answer that came with this `charset`.
    #[must_use]
    pub fn of(charset: Charset) -> Self {
        Self {
            intake: Intake::new(charset),
            phase: Phase::Head(HeadReader::default()),
            taken: Vec::new(),
        }
    }

    /// Takes the next bytes of the answer and appends the content they hold to
    /// `out`.
    ///
    /// # Errors
    /// [`AnswerError`] as soon as it is clear that this is not an answer; the
    /// reader is of no more use then.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), AnswerError> {
        let mut taken = std::mem::take(&mut self.taken);
        let intake = self.intake.push(chunk, &mut taken);
        let result = self.read(&taken, out);
        taken.clear();
        self.taken = taken;
        result?;
        intake.map_err(|error| self.fail(error.into()))
    }

    /// Reads the text that came through the intake.
    fn read(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), AnswerError> {
        if let Phase::Failed(error) = &self.phase {
            return Err(error.clone());
        }
        while !bytes.is_empty() {
            let phase = std::mem::replace(&mut self.phase, Phase::Failed(AnswerError::Truncated));
            self.phase = match phase.step(&mut bytes, out) {
                Ok(next) => next,
                Err(error) => return Err(self.fail(error)),
            };
        }
        Ok(())
    }

    fn fail(&mut self, error: AnswerError) -> AnswerError {
        self.phase = Phase::Failed(error.clone());
        error
    }

    /// Returns the encoding of the content, as soon as it is known that content follows.
    #[must_use]
    pub fn head(&self) -> Option<AnswerHead> {
        match &self.phase {
            Phase::Content(_, head, _) | Phase::Tail(head, _) => Some(*head),
            Phase::Head(_) | Phase::Small(_) | Phase::Failed(_) => None,
        }
    }

    /// Returns the result of the answer, after its last byte.
    ///
    /// # Errors
    /// [`AnswerError`] if the answer is not complete or was not one.
    pub fn finish(mut self) -> Result<QueryOutcome, AnswerError> {
        let (mut taken, mut content) = (Vec::new(), Vec::new());
        let intake = self.intake.finish(&mut taken);
        self.read(&taken, &mut content)?;
        intake.map_err(|error| self.fail(error.into()))?;
        if !content.is_empty() {
            // What is kept back to the end is never the end of an answer.
            return Err(AnswerError::Truncated);
        }
        match self.phase {
            Phase::Head(_) | Phase::Content(..) => Err(AnswerError::Truncated),
            Phase::Small(bytes) => small_outcome(&bytes),
            Phase::Tail(_, tail) if !tail.is_complete() => Err(AnswerError::Truncated),
            Phase::Tail(AnswerHead { payload, dialect }, _) => {
                Ok(QueryOutcome::Found { payload, dialect })
            }
            Phase::Failed(error) => Err(error),
        }
    }
}

impl Default for QueryAnswerReader {
    fn default() -> Self {
        Self::new()
    }
}

impl Phase {
    /// Takes some of `chunk`, at least one byte, and returns the next part.
    fn step(self, chunk: &mut &[u8], out: &mut Vec<u8>) -> Result<Self, AnswerError> {
        match self {
            Self::Head(mut reader) => Ok(match reader.push(chunk)? {
                None => Self::Head(reader),
                Some(Start::Small) => Self::small(reader.into_bytes(), chunk)?,
                Some(Start::Content { head, tail, rest }) => {
                    let content = ContentStream::new(head.payload);
                    content.step(head, tail, &mut &rest[..], out)?
                }
                Some(Start::Empty {
                    head,
                    mut tail,
                    rest,
                }) => {
                    tail.push(&rest)?;
                    Self::Tail(head, tail)
                }
            }),
            Self::Small(bytes) => Self::small(bytes, chunk),
            Self::Content(content, head, tail) => content.step(head, tail, chunk, out),
            Self::Tail(head, mut tail) => {
                tail.push(std::mem::take(chunk))?;
                Ok(Self::Tail(head, tail))
            }
            Self::Failed(error) => Err(error),
        }
    }

    fn small(mut bytes: Vec<u8>, chunk: &mut &[u8]) -> Result<Self, AnswerError> {
        if bytes.len() + chunk.len() > SMALL_ANSWER_MAX {
            return Err(ResponseError::TooLong(SMALL_ANSWER_MAX).into());
        }
        bytes.extend_from_slice(std::mem::take(chunk));
        Ok(Self::Small(bytes))
    }
}

impl ContentStream {
    fn new(payload: Payload) -> Self {
        match payload {
            Payload::Text => Self::Text(TextStream::default()),
            Payload::Binary => Self::Binary(Base64Stream::default()),
        }
    }

    /// Decodes up to the next `<`, which begins the tail.
    fn step(
        mut self,
        head: AnswerHead,
        mut tail: Tail,
        chunk: &mut &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Phase, AnswerError> {
        let end = chunk.iter().position(|byte| *byte == b'<');
        let (bytes, rest) = chunk.split_at(end.unwrap_or(chunk.len()));
        *chunk = rest;
        match &mut self {
            Self::Text(text) => text.push(bytes, out)?,
            Self::Binary(binary) => binary.push(bytes, out)?,
        }
        if end.is_none() {
            return Ok(Phase::Content(self, head, tail));
        }
        match self {
            Self::Text(text) => text.finish()?,
            Self::Binary(binary) => binary.finish()?,
        }
        tail.push(std::mem::take(chunk))?;
        Ok(Phase::Tail(head, tail))
    }
}

/// Reads an answer that has no streamed content: a fault, a failure in codes,
/// or a file that is empty and written as an empty element.
fn small_outcome(bytes: &[u8]) -> Result<QueryOutcome, AnswerError> {
    let value = match response::read(bytes)? {
        Ok(value) => value,
        Err(fault) => return Ok(QueryOutcome::Fault(fault)),
    };
    let (data, dialect) = match &value {
        Value::Array(pair) => match &pair[..] {
            [code, _] if code.as_i64() == Some(CODE_FAIL.into()) => {
                return Ok(QueryOutcome::NotFound);
            }
            [code, data] if code.as_i64() == Some(CODE_OK.into()) => (data, Dialect::Codes),
            _ => return Err(AnswerError::Unexpected("array")),
        },
        data => (data, Dialect::Faults),
    };
    let payload = match data {
        Value::String(text) if text.is_empty() => Payload::Text,
        Value::Base64(bytes) if bytes.is_empty() => Payload::Binary,
        _ => return Err(AnswerError::Unexpected("value")),
    };
    Ok(QueryOutcome::Found { payload, dialect })
}
