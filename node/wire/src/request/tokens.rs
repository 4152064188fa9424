//! The tokens of a request: tags that XML-RPC knows and the text between them.
//!
//! Text and references that follow each other are one text. Unknown tags are
//! refused here, so that the grammar above only meets known ones.

use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;

use crate::characters::is_xml;
use crate::fault::Fault;
use crate::gate::is_space;

/// The tags of XML-RPC that occur in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    MethodCall,
    MethodName,
    Params,
    Param,
    Value,
    Int,
    Int64,
    Boolean,
    String,
    Double,
    DateTime,
    Base64,
    Struct,
    Member,
    Name,
    Array,
    Data,
    Nil,
}

/// A tag, or the end of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Markup {
    Open(Tag),
    Close,
    End,
}

/// Reads a document that has passed the gate.
pub(super) struct Tokens<'a> {
    reader: Reader<&'a [u8]>,
}

impl Tag {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "methodCall" => Self::MethodCall,
            "methodName" => Self::MethodName,
            "params" => Self::Params,
            "param" => Self::Param,
            "value" => Self::Value,
            "int" | "i4" => Self::Int,
            "i8" => Self::Int64,
            "boolean" => Self::Boolean,
            "string" => Self::String,
            "double" => Self::Double,
            "dateTime.iso8601" => Self::DateTime,
            "base64" => Self::Base64,
            "struct" => Self::Struct,
            "member" => Self::Member,
            "name" => Self::Name,
            "array" => Self::Array,
            "data" => Self::Data,
            "nil" => Self::Nil,
            _ => return None,
        })
    }
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        Self { reader }
    }

    /// Returns the text up to the next tag, and that tag.
    pub(super) fn text_and_markup(&mut self) -> Result<(String, Markup), Fault> {
        let mut text = String::new();
        loop {
            let event = self.reader.read_event();
            match event.map_err(|error| Fault::parse_error(&error.to_string()))? {
                Event::Text(piece) => text.push_str(&piece.into_inner()),
                Event::GeneralRef(reference) => text.push(resolve(&reference)?),
                Event::Start(start) => return Ok((text, Markup::Open(known(&start)?))),
                Event::End(_) => return Ok((text, Markup::Close)),
                Event::Eof => return Ok((text, Markup::End)),
                Event::Decl(_) => {}
                _ => return Err(Fault::parse_error("Unexpected markup")),
            }
        }
    }

    /// Returns the next tag; only white space may stand before it.
    pub(super) fn markup(&mut self) -> Result<Markup, Fault> {
        let (text, markup) = self.text_and_markup()?;
        if text.trim_start_matches(is_space).is_empty() {
            Ok(markup)
        } else {
            Err(Fault::invalid_request("Text where a tag was expected"))
        }
    }

    /// Returns the text up to a closing tag.
    pub(super) fn text_to_close(&mut self) -> Result<String, Fault> {
        match self.text_and_markup()? {
            (text, Markup::Close) => Ok(text),
            _ => Err(Fault::invalid_request("A tag where text was expected")),
        }
    }

    /// Returns true if `tag` opens next, false if the enclosing element closes.
    pub(super) fn open_or_close(&mut self, tag: Tag) -> Result<bool, Fault> {
        match self.markup()? {
            Markup::Open(found) if found == tag => Ok(true),
            Markup::Close => Ok(false),
            found => Err(unexpected(found)),
        }
    }

    pub(super) fn expect_open(&mut self, tag: Tag) -> Result<(), Fault> {
        self.expect(Markup::Open(tag))
    }

    pub(super) fn expect_close(&mut self) -> Result<(), Fault> {
        self.expect(Markup::Close)
    }

    pub(super) fn expect_end(&mut self) -> Result<(), Fault> {
        self.expect(Markup::End)
    }

    fn expect(&mut self, expected: Markup) -> Result<(), Fault> {
        match self.markup()? {
            found if found == expected => Ok(()),
            found => Err(unexpected(found)),
        }
    }
}

fn known(start: &BytesStart<'_>) -> Result<Tag, Fault> {
    let name = start.name();
    Tag::from_name(name.as_ref())
        .ok_or_else(|| Fault::invalid_request(&format!("Unknown tag <{}>", name.as_ref())))
}

fn resolve(reference: &BytesRef<'_>) -> Result<char, Fault> {
    let refused = || Fault::parse_error("Unknown entity or illegal character reference");
    let c = match &**reference {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let resolved = reference.resolve_char_ref().ok().flatten();
            resolved.ok_or_else(refused)?
        }
    };
    if is_xml(c) { Ok(c) } else { Err(refused()) }
}

pub(super) fn unexpected(found: Markup) -> Fault {
    Fault::invalid_request(&match found {
        Markup::Open(tag) => format!("Unexpected tag {tag:?}"),
        Markup::Close => "An element closes too early".to_owned(),
        Markup::End => "The call ends too early".to_owned(),
    })
}
