//! Encodings: the bytes of a document become UTF-8 as they arrive.
//!
//! XML-RPC libraries declare `us-ascii`, `iso-8859-1`, `windows-1252`, `utf-16`
//! and others. Each is decoded before the gate looks at the document.
//!
//! The order is that of RFC 7303: a byte order mark, then the `charset` of the
//! HTTP header `Content-Type`, then the XML declaration, then UTF-8. Bytes that are
//! plainly UTF-16 need no mark. A document in bytes of eight bits that calls itself
//! UTF-16 is UTF-8: some libraries write that.
//!
//! US-ASCII is read as UTF-8, of which it is a part. ISO-8859-1 is the standard of
//! that name, not windows-1252 as in browsers: a byte is a code point.
//!
//! Non-goals: encodings with a state (ISO-2022, UTF-7), EBCDIC, guessing.
//!
//! # Invariants
//! - What comes out is UTF-8, or was sent as UTF-8 and is checked by the reader.
//! - It is at most [`GROWTH_MAX`] times as long as what was pushed.
//! - Any cutting of the same bytes into chunks gives the same text.

use std::borrow::Cow;

use encoding_rs::{
    DecoderResult, ISO_2022_JP, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252,
    X_USER_DEFINED,
};

use crate::gate::{self, GateError, is_space};
use crate::limits::XML_TAG_MAX;

/// Most bytes of UTF-8 that one byte becomes.
pub const GROWTH_MAX: usize = 3;

/// The mark of byte order in UTF-8.
pub(crate) const MARK: &[u8] = "\u{feff}".as_bytes();

/// Spellings of labels that libraries write and the Encoding Standard does not list.
const ALIASES: [(&str, &str); 5] = [
    ("latin-1", "latin1"),
    ("utf16", "utf-16"),
    ("utf-16-le", "utf-16le"),
    ("utf-16-be", "utf-16be"),
    ("cp-1252", "cp1252"),
];

/// The encoding of a document by its HTTP header `Content-Type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    /// Nothing: the document says it itself.
    #[default]
    Unsaid,
    /// An encoding that is read.
    Known(Encoding),
    /// An encoding that is not read.
    Unknown,
}

/// An encoding that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Utf8,
    Latin1,
    /// The bytes tell which one.
    Utf16,
    Other(&'static encoding_rs::Encoding),
}

/// Turns the bytes of one document into UTF-8.
#[derive(Debug)]
pub(crate) struct Decoder {
    charset: Charset,
    state: State,
}

enum State {
    /// Fewer bytes than tell UTF-16 from the rest.
    Start(Vec<u8>),
    /// The beginning of a document in bytes of eight bits: perhaps a declaration.
    Declaration(Vec<u8>),
    Utf8,
    Latin1,
    Other(Box<encoding_rs::Decoder>),
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Start(_) => "Start",
            Self::Declaration(_) => "Declaration",
            Self::Utf8 => "Utf8",
            Self::Latin1 => "Latin1",
            Self::Other(_) => "Other",
        })
    }
}

impl Charset {
    /// Reads the parameter `charset` of a header `Content-Type`.
    #[must_use]
    pub fn of_content_type(value: Option<&str>) -> Self {
        let parameters = value.unwrap_or_default().split(';').skip(1);
        let charset = parameters
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
        let Some((_, label)) = charset else {
            return Self::Unsaid;
        };
        match label.trim().trim_matches('"') {
            "" => Self::Unsaid,
            label => Encoding::by_label(label).map_or(Self::Unknown, Self::Known),
        }
    }
}

impl Encoding {
    /// Returns the encoding of a label, as it stands in a declaration or a header.
    #[must_use]
    pub fn by_label(label: &str) -> Option<Self> {
        let known = |label: &str| encoding_rs::Encoding::for_label(label.as_bytes());
        let original = label.trim().to_ascii_lowercase();
        let dashed = original.replace('_', "-");
        let alias = ALIASES.iter().find(|(alias, _)| *alias == dashed);
        let label = alias.map_or(&*dashed, |(_, known)| known);
        let encoding = known(&original).or_else(|| known(label))?;
        let kind = if encoding == UTF_8 || label.contains("ascii") || label.starts_with("ansi") {
            Kind::Utf8
        } else if encoding == UTF_16LE || encoding == UTF_16BE {
            Kind::Utf16
        } else if encoding == WINDOWS_1252 && !label.contains("1252") {
            Kind::Latin1
        } else if [ISO_2022_JP, REPLACEMENT, X_USER_DEFINED].contains(&encoding) {
            return None;
        } else {
            Kind::Other(encoding)
        };
        Some(Self(kind))
    }

    /// Returns the decoder for bytes of eight bits that are said to be of this encoding.
    fn state(self) -> State {
        match self.0 {
            Kind::Utf8 | Kind::Utf16 => State::Utf8,
            Kind::Latin1 => State::Latin1,
            Kind::Other(encoding) => other(encoding),
        }
    }
}

fn other(encoding: &'static encoding_rs::Encoding) -> State {
    State::Other(Box::new(encoding.new_decoder_without_bom_handling()))
}

impl Decoder {
    /// Creates a decoder of a document that came with this `charset`.
    pub(crate) fn new(charset: Charset) -> Self {
        Self {
            charset,
            state: State::Start(Vec::new()),
        }
    }

    /// Appends the text of the next bytes to `out`. What stands before an error is
    /// appended too.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), GateError> {
        self.take(bytes, false, out)
    }

    /// Appends the text of bytes that were kept back, after the last ones.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), GateError> {
        self.take(&[], true, out)
    }

    fn take(&mut self, bytes: &[u8], last: bool, out: &mut Vec<u8>) -> Result<(), GateError> {
        let mut bytes = Cow::Borrowed(bytes);
        if let State::Start(kept) = &mut self.state {
            kept.extend_from_slice(&bytes);
            let Some(state) = by_bytes(kept, last) else {
                return Ok(());
            };
            bytes = Cow::Owned(std::mem::take(kept));
            self.state = state;
        }
        if let State::Declaration(kept) = &mut self.state {
            let bytes_now = pass_space(kept, &bytes, out);
            kept.extend_from_slice(bytes_now);
            let Some(state) = by_declaration(kept, self.charset, last)? else {
                return Ok(());
            };
            bytes = Cow::Owned(std::mem::take(kept));
            self.state = state;
        }
        match &mut self.state {
            State::Start(_) | State::Declaration(_) => Ok(()),
            State::Utf8 => {
                out.extend_from_slice(&bytes);
                Ok(())
            }
            State::Latin1 => {
                out.extend_from_slice(encoding_rs::mem::decode_latin1(&bytes).as_bytes());
                Ok(())
            }
            State::Other(decoder) => decode(decoder, &bytes, last, out),
        }
    }
}

/// Passes on the white space at the start of a document, which is the same in all
/// encodings; gives what follows.
fn pass_space<'a>(kept: &[u8], bytes: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    if !kept.is_empty() {
        return bytes;
    }
    let is_other = |byte: &u8| !is_space(char::from(*byte));
    let (space, rest) = bytes.split_at(bytes.iter().position(is_other).unwrap_or(bytes.len()));
    out.extend_from_slice(space);
    rest
}

/// Judges by the first bytes: UTF-16, with or without a mark, or something in bytes
/// of eight bits. `None` if there are too few.
fn by_bytes(bytes: &[u8], last: bool) -> Option<State> {
    match bytes {
        [0xFE, 0xFF, ..] | [0, 1..=255, ..] => Some(other(UTF_16BE)),
        [0xFF, 0xFE, ..] | [1..=255, 0, ..] => Some(other(UTF_16LE)),
        [] | [_] if !last => None,
        _ => Some(State::Declaration(Vec::new())),
    }
}

/// Judges by the beginning of a document in bytes of eight bits, white space left
/// out. `None` if more is to come.
fn by_declaration(bytes: &[u8], charset: Charset, last: bool) -> Result<Option<State>, GateError> {
    const START: &[u8] = b"<?xml";
    let may_become = |start: &[u8]| !last && bytes.len() < start.len() && start.starts_with(bytes);
    if bytes.starts_with(MARK) {
        return Ok(Some(State::Utf8));
    }
    if may_become(MARK) {
        return Ok(None);
    }
    match charset {
        Charset::Unsaid | Charset::Known(Encoding(Kind::Utf16)) => {}
        Charset::Known(encoding) => return Ok(Some(encoding.state())),
        Charset::Unknown => return Err(GateError::Encoding),
    }
    if may_become(START) {
        return Ok(None);
    }
    if !bytes.starts_with(START) {
        return Ok(Some(State::Utf8));
    }
    let mut window = bytes.windows(2).take(XML_TAG_MAX);
    let Some(end) = window.position(|pair| pair == b"?>") else {
        // One that is too long, or never ends, is the gate's to refuse.
        return Ok((last || bytes.len() > XML_TAG_MAX).then_some(State::Utf8));
    };
    let label = str::from_utf8(&bytes[..end + 2])
        .ok()
        .and_then(gate::declared_encoding);
    let Some(label) = label else {
        return Ok(Some(State::Utf8));
    };
    let encoding = Encoding::by_label(label).ok_or(GateError::Encoding)?;
    Ok(Some(encoding.state()))
}

fn decode(
    decoder: &mut encoding_rs::Decoder,
    mut bytes: &[u8],
    last: bool,
    out: &mut Vec<u8>,
) -> Result<(), GateError> {
    loop {
        let most = decoder.max_utf8_buffer_length_without_replacement(bytes.len());
        let start = out.len();
        out.resize(start + most.ok_or(GateError::Undecodable)?, 0);
        let (result, read, written) =
            decoder.decode_to_utf8_without_replacement(bytes, &mut out[start..], last);
        out.truncate(start + written);
        bytes = &bytes[read..];
        match result {
            DecoderResult::InputEmpty => return Ok(()),
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => return Err(GateError::Undecodable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(label: &str) -> Option<Kind> {
        Encoding::by_label(label).map(|encoding| encoding.0)
    }

    #[test]
    fn labels_of_libraries_are_known() {
        for label in [
            "utf-8",
            "UTF8",
            "utf_8",
            "us-ascii",
            "ASCII",
            "US_ASCII",
            "ansi_x3.4-1968",
        ] {
            assert_eq!(kind(label), Some(Kind::Utf8), "{label}");
        }
        for label in [
            "iso-8859-1",
            "ISO_8859-1",
            "iso8859-1",
            "latin1",
            "latin-1",
            "l1",
            "cp819",
        ] {
            assert_eq!(kind(label), Some(Kind::Latin1), "{label}");
        }
        for label in [
            "utf-16",
            "UTF16",
            "utf-16le",
            "UTF-16BE",
            "utf_16_le",
            "ucs-2",
        ] {
            assert_eq!(kind(label), Some(Kind::Utf16), "{label}");
        }
        for label in ["windows-1252", "CP1252", "cp_1252"] {
            assert_eq!(kind(label), Some(Kind::Other(WINDOWS_1252)), "{label}");
        }
        assert_eq!(kind("shift_jis"), Some(Kind::Other(encoding_rs::SHIFT_JIS)));
        for label in [
            "",
            "utf-7",
            "iso-2022-jp",
            "x-user-defined",
            "hz-gb-2312",
            "nonsense",
        ] {
            assert_eq!(kind(label), None, "{label}");
        }
    }

    #[test]
    fn a_charset_is_read_from_its_header() {
        let known = |label| Charset::Known(Encoding::by_label(label).unwrap());
        for (header, charset) in [
            (None, Charset::Unsaid),
            (Some("text/xml"), Charset::Unsaid),
            (Some("text/xml; boundary=x"), Charset::Unsaid),
            (Some("text/xml;charset="), Charset::Unsaid),
            (Some("text/xml; charset=utf-8"), known("utf-8")),
            (
                Some("text/xml ; Charset = \"ISO-8859-1\" ; x=y"),
                known("latin1"),
            ),
            (Some("text/xml; charset=klingon"), Charset::Unknown),
        ] {
            assert_eq!(Charset::of_content_type(header), charset, "{header:?}");
        }
    }
}
