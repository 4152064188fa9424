//! The text of a document on its way out of a worker: cleaned, and within its limit.
//!
//! # Invariants
//! - A part begins with a line of its own.
//! - No control character but a tab and the end of a line, no soft hyphen, no ligature: text as it is typed.

use std::{
    io::{self, Write},
    ops::Range,
};

use plugin_api::Place;

use crate::{
    limits::{FRAME_MAX, PARTS_MAX, TEXT_MAX},
    protocol::{Frame, Nature, label},
    reason::Reason,
};

/// The error of a reader.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The document cannot be read.
    #[error(transparent)]
    Document(#[from] Reason),
    /// The node does not listen any more, or the file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The part of a document that has its properties.
const PROPERTIES: &str = "properties";

/// Most properties of a document.
const PROPERTIES_MAX: usize = 64;

/// What kind of file was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// It should have text.
    Document,
    /// It is text as it stands, too.
    Text,
    /// It has nothing but properties: a picture, a piece of music.
    Media,
}

/// Takes the text of a document.
pub(crate) struct Output<'o> {
    output: &'o mut dyn Write,
    text: String,
    written: u64,
    parts: usize,
    /// What is known of the document beside its text.
    properties: Vec<(&'static str, String)>,
    /// True if anything but space was given.
    has_text: bool,
    /// True if the last character ended a line.
    at_line: bool,
}

/// Length from which text is sent.
const SEND_AT: usize = FRAME_MAX / 2;

impl<'o> Output<'o> {
    pub(crate) fn new(output: &'o mut dyn Write) -> Output<'o> {
        Output {
            output,
            text: String::new(),
            written: 0,
            parts: 0,
            properties: Vec::new(),
            has_text: false,
            at_line: true,
        }
    }

    /// Begins a part.
    pub(crate) fn part(&mut self, place: Place) -> Result<(), ReadError> {
        self.end_line()?;
        self.parts += 1;
        if self.parts > PARTS_MAX {
            return Ok(());
        }
        self.send()?;
        let place = match place {
            Place::Page(page) => Place::Page(page),
            Place::Sheet(name) => Place::Sheet(label(&name)),
            Place::Chapter(name) => Place::Chapter(label(&name)),
            Place::Part(name) => Place::Part(label(&name)),
        };
        Ok(Frame::Part(place).write(self.output)?)
    }

    /// Notes something that is known of the document beside its text.
    pub(crate) fn property(&mut self, name: &'static str, value: &str) {
        let value = label(value);
        if !value.is_empty() && self.properties.len() < PROPERTIES_MAX {
            self.properties.push((name, value));
        }
    }

    /// Adds text.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), ReadError> {
        for c in text.chars() {
            match c {
                '\n' | '\t' => self.text.push(c),
                '\u{c}' | '\u{b}' | '\u{2028}' | '\u{2029}' => self.text.push('\n'),
                '\r' | '\u{ad}' | '\u{feff}' => continue,
                '\u{fb00}'..='\u{fb06}' => self.text.push_str(ligature(c)),
                c if c.is_control() => self.text.push(' '),
                c => self.text.push(c),
            }
            self.has_text |= !c.is_whitespace();
            self.at_line = self.text.ends_with('\n');
            if self.text.len() >= SEND_AT {
                self.send()?;
            }
        }
        Ok(())
    }

    /// Ends the line, if one has begun.
    pub(crate) fn end_line(&mut self) -> Result<(), ReadError> {
        if !self.at_line {
            self.text("\n")?;
        }
        Ok(())
    }

    /// Ends the text, and gives the properties behind it.
    pub(crate) fn finish(mut self, kind: Kind) -> Result<(), ReadError> {
        let nature = Nature {
            is_text: kind == Kind::Text,
            lacks_text: kind == Kind::Document && !self.has_text,
        };
        self.end_line()?;
        let properties = std::mem::take(&mut self.properties);
        if !properties.is_empty() {
            self.part(Place::Part(PROPERTIES.to_owned()))?;
        }
        for (name, value) in properties {
            self.text(&format!("{name}: {value}\n"))?;
        }
        self.send()?;
        Frame::Done(nature).write(self.output)?;
        Ok(self.output.flush()?)
    }

    fn send(&mut self) -> Result<(), ReadError> {
        if self.text.is_empty() {
            return Ok(());
        }
        self.written += self.text.len() as u64;
        if self.written > TEXT_MAX {
            return Err(Reason::Text.into());
        }
        let text = std::mem::take(&mut self.text);
        Ok(Frame::Text(text).write(self.output)?)
    }
}

fn ligature(c: char) -> &'static str {
    match c {
        '\u{fb00}' => "ff",
        '\u{fb01}' => "fi",
        '\u{fb02}' => "fl",
        '\u{fb03}' => "ffi",
        '\u{fb04}' => "ffl",
        _ => "st",
    }
}

/// Joins words that were parted at the ends of lines: a letter, a hyphen, and a small letter at the begin of the next
/// line. The word goes to the first of the two lines.
pub(crate) fn joined(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    let mut lines = text.lines().map(str::trim_end).peekable();
    // The part of the next line that went to the line before.
    let mut moved = 0;
    while let Some(line) = lines.next() {
        let line = line[moved..].trim_start();
        moved = 0;
        let rest = parted(line).zip(lines.peek().copied().and_then(rest_of_word));
        if let Some((hyphen, rest)) = rest {
            joined.push_str(&line[..hyphen]);
            joined.push_str(&lines.peek().copied().unwrap_or_default()[rest.clone()]);
            moved = rest.end;
        } else {
            joined.push_str(line);
        }
        joined.push('\n');
    }
    joined
}

/// Returns the place of the hyphen, if the line ends within a word.
fn parted(line: &str) -> Option<usize> {
    let hyphen = line.strip_suffix(['-', '\u{2010}'])?;
    let is_word = hyphen.chars().next_back().is_some_and(char::is_alphabetic);
    is_word.then_some(hyphen.len())
}

/// Returns the place of the rest of a word at the begin of a line.
fn rest_of_word(line: &str) -> Option<Range<usize>> {
    let start = line.len() - line.trim_start().len();
    let word = &line[start..];
    let end = word.find(char::is_whitespace).unwrap_or(word.len());
    let is_rest = word.chars().next().is_some_and(char::is_lowercase);
    is_rest.then_some(start..start + end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Decoder;

    fn frames(write: impl FnOnce(&mut Output<'_>) -> Result<(), ReadError>) -> Vec<Frame> {
        let mut bytes = Vec::new();
        let mut output = Output::new(&mut bytes);
        write(&mut output).unwrap();
        output.finish(Kind::Document).unwrap();
        let mut decoder = Decoder::default();
        decoder.add(&bytes);
        std::iter::from_fn(|| decoder.next().unwrap()).collect()
    }

    #[test]
    fn text_is_as_people_type_it() {
        let frames = frames(|output| output.text("ﬁne soft\u{ad}ware\r\n\u{1b}[2J"));
        assert_eq!(frames[0], Frame::Text("fine software\n [2J\n".to_owned()));
    }

    #[test]
    fn a_part_begins_with_a_line() {
        let frames = frames(|output| {
            output.part(Place::Page(1))?;
            output.text("one")?;
            output.part(Place::Page(2))?;
            output.text("two")
        });
        let text = |text: &str| Frame::Text(text.to_owned());
        let part = |page| Frame::Part(Place::Page(page));
        assert_eq!(
            frames,
            [
                part(1),
                text("one\n"),
                part(2),
                text("two\n"),
                Frame::Done(Nature::default())
            ]
        );
    }

    #[test]
    fn more_text_than_the_limit_is_an_error() {
        let mut output = io::sink();
        let mut output = Output::new(&mut output);
        let much = "x".repeat(1 << 20);
        let all = (0..65).try_for_each(|_| output.text(&much));
        assert!(matches!(all, Err(ReadError::Document(Reason::Text))));
    }

    #[test]
    fn words_parted_at_the_end_of_a_line_are_one() {
        assert_eq!(joined("a hyphen-\nated word\n"), "a hyphenated\nword\n");
        assert_eq!(joined("North-\nSouth"), "North-\nSouth\n");
        assert_eq!(joined("a -\nb"), "a -\nb\n");
    }
}
