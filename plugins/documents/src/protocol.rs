//! What a worker says to its node: frames on its standard output.
//!
//! A frame is a byte that says its kind, its length in four bytes (little-endian), and so many bytes. A worker begins
//! parts, gives their text, and ends with one frame that says how it went.
//!
//! # Invariants
//! - To the node each byte is hostile: a frame that is too long, unknown, or not UTF-8 ends the conversation.
//! - The decoder holds at most one frame and what was read with its end.

use std::io::{self, Write};

use plugin_api::Place;

use crate::{
    limits::{FRAME_MAX, LABEL_MAX},
    reason::Reason,
};

const PAGE: u8 = b'p';
const SHEET: u8 = b's';
const CHAPTER: u8 = b'c';
const PART: u8 = b'q';
const TEXT: u8 = b't';
const DONE: u8 = b'd';
const FAILED: u8 = b'f';

/// Bytes before the content of a frame.
const HEAD: usize = 5;

/// A message of a worker.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Frame {
    /// A part begins.
    Part(Place),
    /// Text of the part.
    Text(String),
    /// It was read to its end.
    Done(Nature),
    /// It cannot be read.
    Failed(Reason),
}

/// What a worker says of a document beside its text.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Nature {
    /// True if the file is text as it stands, too, and to be searched as that.
    pub(crate) is_text: bool,
    /// True if it is a document that should have text and has none, such as scanned pages.
    pub(crate) lacks_text: bool,
}

impl Nature {
    fn byte(self) -> u8 {
        u8::from(self.is_text) | u8::from(self.lacks_text) << 1
    }

    fn of_byte(byte: u8) -> Option<Nature> {
        (byte < 4).then_some(Nature {
            is_text: byte & 1 == 1,
            lacks_text: byte & 2 == 2,
        })
    }
}

/// The error of a worker that does not keep to the protocol.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a worker broke the protocol")]
pub(crate) struct Breach;

impl Frame {
    /// Writes the frame.
    pub(crate) fn write(&self, output: &mut dyn Write) -> io::Result<()> {
        match self {
            Frame::Part(Place::Page(page)) => put(output, PAGE, page.to_string().as_bytes()),
            Frame::Part(Place::Sheet(name)) => put(output, SHEET, name.as_bytes()),
            Frame::Part(Place::Chapter(name)) => put(output, CHAPTER, name.as_bytes()),
            Frame::Part(Place::Part(name)) => put(output, PART, name.as_bytes()),
            Frame::Text(text) => put(output, TEXT, text.as_bytes()),
            Frame::Done(nature) => put(output, DONE, &[nature.byte()]),
            Frame::Failed(reason) => put(output, FAILED, &[reason.number()]),
        }
    }

    fn read(kind: u8, content: &[u8]) -> Result<Frame, Breach> {
        let text = || {
            let text = std::str::from_utf8(content).map_err(|_| Breach)?;
            Ok::<_, Breach>(text.to_owned())
        };
        let label = || text().and_then(|label| valid_label(&label).then_some(label).ok_or(Breach));
        Ok(match (kind, content) {
            (PAGE, _) => Frame::Part(Place::Page(text()?.parse().map_err(|_| Breach)?)),
            (SHEET, _) => Frame::Part(Place::Sheet(label()?)),
            (CHAPTER, _) => Frame::Part(Place::Chapter(label()?)),
            (PART, _) => Frame::Part(Place::Part(label()?)),
            (TEXT, _) => Frame::Text(text()?),
            (DONE, [byte]) => Frame::Done(Nature::of_byte(*byte).ok_or(Breach)?),
            (FAILED, [number]) => Frame::Failed(Reason::of_number(*number).ok_or(Breach)?),
            _ => return Err(Breach),
        })
    }
}

/// Returns a name of a part as it may be told: one line, not too long.
pub(crate) fn label(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let mut label = String::new();
    for word in words.filter(|word| !word.is_empty()) {
        if !label.is_empty() {
            label.push(' ');
        }
        label.push_str(word);
    }
    let mut end = label.len().min(LABEL_MAX);
    while !label.is_char_boundary(end) {
        end -= 1;
    }
    label.truncate(end);
    label
}

fn valid_label(text: &str) -> bool {
    text.len() <= LABEL_MAX && !text.chars().any(char::is_control)
}

fn put(output: &mut dyn Write, kind: u8, content: &[u8]) -> io::Result<()> {
    let length = u32::try_from(content.len()).map_err(io::Error::other)?;
    output.write_all(&[kind])?;
    output.write_all(&length.to_le_bytes())?;
    output.write_all(content)
}

/// Makes frames of bytes.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    bytes: Vec<u8>,
    taken: usize,
}

impl Decoder {
    /// Adds bytes that were read.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns the next frame, if it is whole.
    ///
    /// # Errors
    /// Errors if it is none. Nothing that follows has a meaning then.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>, Breach> {
        let rest = &self.bytes[self.taken..];
        let Some((head, rest)) = rest.split_first_chunk::<HEAD>() else {
            return Ok(None);
        };
        let [kind, length @ ..] = *head;
        let length = u32::from_le_bytes(length) as usize;
        if length > FRAME_MAX {
            return Err(Breach);
        }
        let Some(content) = rest.get(..length) else {
            return Ok(None);
        };
        let frame = Frame::read(kind, content)?;
        self.taken += HEAD + length;
        Ok(Some(frame))
    }

    /// Returns true if nothing is left of what was added.
    pub(crate) fn is_empty(&self) -> bool {
        self.taken == self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_frame() -> impl Strategy<Value = Frame> {
        prop_oneof![
            any::<u64>().prop_map(|page| Frame::Part(Place::Page(page))),
            "\\PC{0,40}".prop_map(|name| Frame::Part(Place::Sheet(label(&name)))),
            "\\PC{0,40}".prop_map(|name| Frame::Part(Place::Chapter(label(&name)))),
            "\\PC{0,40}".prop_map(|name| Frame::Part(Place::Part(label(&name)))),
            "\\PC{0,80}".prop_map(Frame::Text),
            (0u8..4).prop_map(|byte| Frame::Done(Nature::of_byte(byte).unwrap())),
            (1u8..=7).prop_map(|n| Frame::Failed(Reason::of_number(n).unwrap())),
        ]
    }

    proptest! {
        #[test]
        fn frames_come_back_in_any_pieces(
            frames in proptest::collection::vec(any_frame(), 0..8),
            piece in 1usize..20,
        ) {
            let mut bytes = Vec::new();
            for frame in &frames {
                frame.write(&mut bytes).unwrap();
            }
            let (mut decoder, mut back) = (Decoder::default(), Vec::new());
            for piece in bytes.chunks(piece) {
                decoder.add(piece);
                while let Some(frame) = decoder.next().unwrap() {
                    back.push(frame);
                }
            }
            prop_assert!(decoder.is_empty());
            prop_assert_eq!(back, frames);
        }

        #[test]
        fn rubbish_is_refused_or_waited_for_and_never_held(bytes: Vec<u8>) {
            let mut decoder = Decoder::default();
            decoder.add(&bytes);
            while let Ok(Some(_)) = decoder.next() {}
            prop_assert!(decoder.bytes.len() <= bytes.len());
        }
    }

    #[test]
    fn a_frame_that_is_too_long_is_refused_at_its_head() {
        let mut decoder = Decoder::default();
        let length = u32::try_from(FRAME_MAX + 1).unwrap();
        decoder.add(&[&[TEXT][..], &length.to_le_bytes()].concat());
        assert_eq!(decoder.next(), Err(Breach));
    }

    #[test]
    fn a_name_of_a_part_is_one_short_line() {
        assert_eq!(label(" One\n\u{1b}[2J two "), "One [2J two");
        assert_eq!(label(&"é".repeat(LABEL_MAX)).len(), LABEL_MAX);
    }
}
