//! The gate: the check of every XML document of a stranger before a parser
//! sees a byte of it.
//!
//! XML-RPC needs very little of XML: elements without attributes, text, the
//! predefined entities and character references. The gate admits just that.
//! Entity bombs, external entities, comments, processing instructions, namespaces
//! and deep nesting end here, whichever parser comes next.
//!
//! Before it looks, the document is decoded, and its CDATA sections become text:
//! libraries that people use send both. White space and marks of byte order before
//! the document are passed over.
//!
//! Non-goals: whether entities in the text are known, and whether the
//! document means anything.
//!
//! # Invariants
//! Text that passes is valid UTF-8, has exactly one root element with nothing but
//! white space around it, every element closed by its own name, at most
//! [`XML_DEPTH_MAX`] deep, at most [`XML_ELEMENTS_MAX`] elements, tags of at most
//! [`XML_TAG_MAX`] bytes, and only characters that XML 1.0 allows. It has no CDATA
//! section and no declaration. Time is linear in the length of the document, and the text
//! that passes is at most [`GROWTH_MAX`] times as long.

use crate::characters::is_xml;
use crate::encoding::{Charset, Encoding};
use crate::intake;
pub use crate::intake::GROWTH_MAX;
use crate::limits::{XML_DEPTH_MAX, XML_ELEMENTS_MAX, XML_TAG_MAX};

/// The error of a document that does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// Not UTF-8.
    #[error("the document is not UTF-8")]
    NotUtf8,
    /// In an encoding that is not read.
    #[error("the document is in an encoding that is not known here; send UTF-8")]
    Encoding,
    /// Bytes that mean nothing in the encoding of the document.
    #[error("the document has bytes that its encoding does not have")]
    Undecodable,
    /// A character that XML 1.0 does not allow.
    #[error("the document has a character that XML does not allow")]
    IllegalCharacter,
    /// An XML declaration that is malformed or not of version 1.x.
    #[error("the XML declaration is malformed or not of version 1")]
    Declaration,
    /// `<?`, other than one XML declaration at the start.
    #[error("the document has a processing instruction")]
    Instruction,
    /// `<!`: a document type, a comment, or a CDATA section outside of text.
    #[error("the document has a document type, a comment or a CDATA section outside of text")]
    Markup,
    /// A tag of more than [`XML_TAG_MAX`] bytes, or one that never ends.
    #[error("a tag is longer than {XML_TAG_MAX} bytes or not closed")]
    TagTooLong,
    /// Not a plain tag: an attribute, or a name that is not plain ASCII.
    #[error("a tag has attributes or a strange name")]
    Tag,
    /// More than [`XML_DEPTH_MAX`] levels.
    #[error("elements are nested deeper than {XML_DEPTH_MAX}")]
    TooDeep,
    /// More than [`XML_ELEMENTS_MAX`] elements.
    #[error("the document has more than {XML_ELEMENTS_MAX} elements")]
    TooManyElements,
    /// An end tag that closes something else, or an element left open.
    #[error("the elements of the document are not balanced")]
    Unbalanced,
    /// Text or a second element outside the root element, or no root at all.
    #[error("the document has not exactly one root element")]
    Root,
}

/// A tag without its brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: TagKind,
}

/// The kind of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TagKind {
    Open,
    Close,
    Empty,
}

impl Tag<'_> {
    pub(crate) fn is(self, kind: TagKind, name: &str) -> bool {
        self.kind == kind && self.name == name
    }
}

/// The elements that are open at one place in a document.
struct Nesting<'a> {
    open: [&'a str; XML_DEPTH_MAX],
    depth: usize,
    elements: usize,
}

/// Checks a whole document that says its encoding itself. Returns the text of its
/// root element, in UTF-8, without the declaration.
///
/// # Errors
/// The first reason found, from the start of the document.
pub fn check(bytes: &[u8]) -> Result<String, GateError> {
    check_sent(bytes, Charset::Unsaid)
}

/// Checks a whole document that came with this `charset`, as [`check`] does.
///
/// # Errors
/// As [`check`].
pub fn check_sent(bytes: &[u8], charset: Charset) -> Result<String, GateError> {
    let document = intake::whole(bytes, charset)?;
    let text = String::from_utf8(document).map_err(|_| GateError::NotUtf8)?;
    let text = text.trim_start_matches(is_before_document);
    let root = &text[declaration_length(text)?..];
    check_root(root)?;
    Ok(root.to_owned())
}

fn check_root(mut rest: &str) -> Result<(), GateError> {
    let mut nesting = Nesting::new();
    while let Some(start) = rest.find('<') {
        nesting.check_text(&rest[..start])?;
        let inside = tag_inside(&rest[start..])?;
        nesting.take(parse_tag(inside)?)?;
        rest = &rest[start + inside.len() + 2..];
    }
    nesting.check_text(rest)?;
    nesting.finish()
}

/// Returns true for characters that may stand before a document: white space, byte-order marks.
fn is_before_document(c: char) -> bool {
    is_space(c) || c == '\u{feff}'
}

/// Returns the text between `<` and `>`; `text` starts with `<`.
fn tag_inside(text: &str) -> Result<&str, GateError> {
    let mut window = text.bytes().take(XML_TAG_MAX);
    let end = window.position(|byte| byte == b'>');
    end.map(|end| &text[1..end]).ok_or(match text.as_bytes() {
        [_, b'!', ..] => GateError::Markup,
        [_, b'?', ..] => GateError::Instruction,
        _ => GateError::TagTooLong,
    })
}

/// Reads the text between `<` and `>`.
pub(crate) fn parse_tag(inside: &str) -> Result<Tag<'_>, GateError> {
    let (kind, body) = match inside.as_bytes() {
        [b'!', ..] => return Err(GateError::Markup),
        [b'?', ..] => return Err(GateError::Instruction),
        [b'/', ..] => (TagKind::Close, &inside[1..]),
        [.., b'/'] => (TagKind::Empty, &inside[..inside.len() - 1]),
        _ => (TagKind::Open, inside),
    };
    let name = body.trim_end_matches(is_space);
    if is_plain_name(name) {
        Ok(Tag { name, kind })
    } else {
        Err(GateError::Tag)
    }
}

fn is_plain_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// Returns the length of the XML declaration at the start of `text`, in bytes; 0 if there
/// is none.
pub(crate) fn declaration_length(text: &str) -> Result<usize, GateError> {
    let Some(after) = text.strip_prefix("<?xml") else {
        return Ok(0);
    };
    if !after.starts_with(is_space) {
        return Err(GateError::Instruction);
    }
    let mut window = after.as_bytes().windows(2).take(XML_TAG_MAX);
    let end = window.position(|pair| pair == b"?>");
    let end = end.ok_or(GateError::TagTooLong)?;
    match read_declaration(&after[..end])? {
        Some(encoding) if Encoding::by_label(encoding).is_none() => Err(GateError::Encoding),
        _ => Ok("<?xml".len() + end + "?>".len()),
    }
}

/// Returns the encoding that an XML declaration names, if it is valid and names one.
pub(crate) fn declared_encoding(declaration: &str) -> Option<&str> {
    let inside = declaration.strip_prefix("<?xml")?.strip_suffix("?>")?;
    read_declaration(inside).ok().flatten()
}

/// Checks the text of a declaration, and returns the encoding that it names.
fn read_declaration(mut text: &str) -> Result<Option<&str>, GateError> {
    let mut names = ["version", "encoding", "standalone"].iter();
    let (mut seen_version, mut encoding) = (false, None);
    loop {
        let trimmed = text.trim_start_matches(is_space);
        if trimmed.is_empty() && seen_version {
            return Ok(encoding);
        }
        let (name, value, rest) = pseudo_attribute(trimmed).ok_or(GateError::Declaration)?;
        // They come in this order, each at most once, after white space.
        let known = trimmed.len() < text.len() && names.any(|known| *known == name);
        if !known || !is_accepted(name, value) || (name != "version" && !seen_version) {
            return Err(GateError::Declaration);
        }
        if name == "encoding" {
            encoding = Some(value);
        }
        seen_version = true;
        text = rest;
    }
}

fn is_accepted(name: &str, value: &str) -> bool {
    match name {
        "version" => value
            .strip_prefix("1.")
            .is_some_and(|minor| !minor.is_empty() && minor.bytes().all(|b| b.is_ascii_digit())),
        // Whether it is one that is read is another question.
        "encoding" => !value.is_empty(),
        _ => matches!(value, "yes" | "no"),
    }
}

/// Splits `name = "value"` from the text behind it.
fn pseudo_attribute(text: &str) -> Option<(&str, &str, &str)> {
    let (name, after) = text.split_once('=')?;
    let after = after.trim_start_matches(is_space);
    let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (value, rest) = after[1..].split_once(quote)?;
    Some((name.trim_end_matches(is_space), value, rest))
}

/// Returns true for white space as XML has it.
pub(crate) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

impl<'a> Nesting<'a> {
    fn new() -> Self {
        Self {
            open: [""; XML_DEPTH_MAX],
            depth: 0,
            elements: 0,
        }
    }

    fn check_text(&self, text: &str) -> Result<(), GateError> {
        if self.depth == 0 && !text.trim_start_matches(is_space).is_empty() {
            return Err(GateError::Root);
        }
        if text.chars().all(is_xml) {
            Ok(())
        } else {
            Err(GateError::IllegalCharacter)
        }
    }

    fn take(&mut self, tag: Tag<'a>) -> Result<(), GateError> {
        match tag.kind {
            TagKind::Close => self.close(tag.name),
            TagKind::Open => self.open(tag.name),
            TagKind::Empty => {
                self.open(tag.name)?;
                self.close(tag.name)
            }
        }
    }

    fn open(&mut self, name: &'a str) -> Result<(), GateError> {
        if self.depth == 0 && self.elements > 0 {
            return Err(GateError::Root);
        }
        self.elements += 1;
        if self.elements > XML_ELEMENTS_MAX {
            return Err(GateError::TooManyElements);
        }
        *self.open.get_mut(self.depth).ok_or(GateError::TooDeep)? = name;
        self.depth += 1;
        Ok(())
    }

    fn close(&mut self, name: &str) -> Result<(), GateError> {
        let inner = self.depth.checked_sub(1).ok_or(GateError::Unbalanced)?;
        if self.open[inner] != name {
            return Err(GateError::Unbalanced);
        }
        self.depth = inner;
        Ok(())
    }

    fn finish(&self) -> Result<(), GateError> {
        match (self.depth, self.elements) {
            (0, 0) => Err(GateError::Root),
            (0, _) => Ok(()),
            _ => Err(GateError::Unbalanced),
        }
    }
}
