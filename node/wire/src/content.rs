//! Contents of files on their way out, as the answer to `query`.
//!
//! A file is never held whole. First a [`ContentScan`] reads it once and says
//! whether it can travel as text and how long the answer will be; then a
//! [`QueryAnswerWriter`] turns its bytes, piece by piece, into that answer.
//!
//! Participants: the server reads the file twice and owns all I/O.
//! Non-goals: a file that changes between the two readings; the server notices
//! that its length is not the promised one and breaks the connection off.
//!
//! # Invariants
//! - An answer has exactly [`QueryAnswerWriter::encoded_length`] bytes.
//! - Text comes out byte for byte at any XML parser: a carriage return travels
//!   as `&#13;`, because parsers turn a bare one into a line feed.
//! - Memory does not grow with the file.

mod scan;
mod writer;

pub use scan::{ContentScan, Scanned};
pub use writer::{QueryAnswerWriter, codes_failure};

/// The encoding of a file in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Payload {
    /// As `<string>`: valid UTF-8 of characters that XML 1.0 allows.
    Text,
    /// As `<base64>`.
    Binary,
}
