//! XML of documents: elements and the text between them. No entity is expanded but the five and characters by number.

use encoding_rs::{Encoding, UTF_8};
use quick_xml::{
    XmlVersion,
    events::{BytesRef, BytesStart, Event},
    reader::Reader,
};

use crate::{output::ReadError, reason::Reason};

/// A piece of XML.
pub(super) enum Piece<'a> {
    /// An element begins.
    Open(&'a Element<'a>),
    /// The element of this local name ends.
    Close(&'a str),
    /// Text.
    Text(&'a str),
}

/// The begin of an element.
pub(super) struct Element<'a>(BytesStart<'a>);

impl Element<'_> {
    /// Returns the name without its prefix.
    pub(super) fn name(&self) -> &str {
        self.0.local_name().into_inner()
    }

    /// Returns the value of the attribute with this name, prefix included.
    pub(super) fn attribute(&self, name: &str) -> Option<String> {
        let attribute = self.0.try_get_attribute(name).ok()??;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
        Some(value.into_owned())
    }
}

/// Returns the text of an XML file.
pub(super) fn decoded(bytes: Vec<u8>) -> String {
    let (encoding, bytes) = match Encoding::for_bom(&bytes) {
        Some((encoding, length)) => (encoding, &bytes[length..]),
        None if declared(&bytes) == UTF_8 => match String::from_utf8(bytes) {
            Ok(text) => return text,
            Err(error) => return String::from_utf8_lossy(error.as_bytes()).into_owned(),
        },
        None => (declared(&bytes), &bytes[..]),
    };
    encoding.decode_without_bom_handling(bytes).0.into_owned()
}

/// Returns the encoding that the declaration names.
fn declared(bytes: &[u8]) -> &'static Encoding {
    let begin = &bytes[..bytes.len().min(200)];
    let begin = String::from_utf8_lossy(begin);
    let value = || {
        let declaration = begin.strip_prefix("<?xml")?.split_once("?>")?.0;
        let value = declaration.split_once("encoding")?.1;
        let value = value.trim_start().strip_prefix('=')?.trim_start();
        let quote = value.chars().next()?;
        Encoding::for_label(value[1..].split_once(quote)?.0.as_bytes())
    };
    value().unwrap_or(UTF_8)
}

/// Calls `each` with the pieces of an XML text.
pub(super) fn visit(
    text: &str,
    each: &mut dyn FnMut(Piece<'_>) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    reader.config_mut().check_end_names = false;
    loop {
        match reader.read_event().map_err(|_| Reason::Damaged)? {
            Event::Start(start) => each(Piece::Open(&Element(start)))?,
            Event::End(end) => each(Piece::Close(end.local_name().into_inner()))?,
            Event::Text(text) => each(Piece::Text(&text.into_inner()))?,
            Event::CData(text) => each(Piece::Text(&text.into_inner()))?,
            Event::GeneralRef(reference) => {
                if let Some(c) = resolved(&reference) {
                    each(Piece::Text(c.encode_utf8(&mut [0; 4])))?;
                }
            }
            Event::Eof => return Ok(()),
            Event::Empty(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_) => {}
        }
    }
}

/// Returns the character of a reference. Entities of the document's own are left out.
fn resolved(reference: &BytesRef<'_>) -> Option<char> {
    match &**reference {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some('\u{a0}'),
        _ => reference.resolve_char_ref().ok().flatten(),
    }
}
