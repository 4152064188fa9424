//! Documents in every encoding and with CDATA, as libraries send them: read alike in
//! requests, in small answers and in answers to `query`.

use node_wire::gate::GateError;
use node_wire::{AnswerError, Charset, QueryAnswerReader, QueryOutcome, Value, request, response};
use proptest::collection::vec;
use proptest::prelude::*;

use super::query_answers::pieces;
use super::values::legal_text;

/// An encoding of a document, as a test writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    /// With this label; only ASCII in bytes.
    Ascii(&'static str),
    Utf8(&'static str),
    Latin1(&'static str),
    Windows1252,
    Utf16 {
        little: bool,
        mark: bool,
    },
}

use Coding::{Ascii, Latin1, Utf8, Utf16, Windows1252};

const CODINGS: [Coding; 15] = [
    Ascii("us-ascii"),
    Ascii("US-ASCII"),
    Ascii("ASCII"),
    Utf8("utf-8"),
    Utf8("UTF8"),
    Utf8(""),
    Latin1("iso-8859-1"),
    Latin1("ISO-8859-1"),
    Latin1("latin1"),
    Windows1252,
    Utf16 {
        little: true,
        mark: true,
    },
    Utf16 {
        little: true,
        mark: false,
    },
    Utf16 {
        little: false,
        mark: true,
    },
    Utf16 {
        little: false,
        mark: false,
    },
    // What .NET writes: eight bits that call themselves UTF-16.
    Utf8("utf-16"),
];

impl Coding {
    fn label(self) -> &'static str {
        match self {
            Ascii(label) | Utf8(label) | Latin1(label) => label,
            Windows1252 => "windows-1252",
            Utf16 { .. } => "utf-16",
        }
    }

    fn declaration(self) -> String {
        match self.label() {
            "" => String::new(),
            label => format!("<?xml version='1.0' encoding='{label}'?>\n"),
        }
    }

    /// Returns the bytes of a character, if it has any.
    fn encode(self, c: char) -> Option<Vec<u8>> {
        match self {
            Ascii(_) => c.is_ascii().then(|| vec![c as u8]),
            Utf8(_) => Some(c.to_string().into_bytes()),
            Latin1(_) => u8::try_from(u32::from(c)).ok().map(|byte| vec![byte]),
            Windows1252 => {
                let text = c.to_string();
                let (bytes, _, failed) = encoding_rs::WINDOWS_1252.encode(&text);
                (!failed).then(|| bytes.into_owned())
            }
            Utf16 { little, .. } => {
                let bytes = |unit: u16| {
                    if little {
                        unit.to_le_bytes()
                    } else {
                        unit.to_be_bytes()
                    }
                };
                Some(
                    c.encode_utf16(&mut [0; 2])
                        .iter()
                        .copied()
                        .flat_map(bytes)
                        .collect(),
                )
            }
        }
    }

    /// Returns a document: `before`, then `text` in pieces that are escaped or in CDATA, then
    /// `after`.
    fn document(self, before: &str, text: &str, after: &str, cdata: &[bool]) -> Vec<u8> {
        let marked = matches!(self, Utf16 { mark: true, .. });
        let mut out = String::from(if marked { "\u{feff}" } else { "" });
        out += &(self.declaration() + before);
        for (at, c) in text.chars().enumerate() {
            let has_bytes = self.encode(c).is_some();
            match c {
                // A carriage return is a line feed for some parsers, a `>` may end a section.
                _ if !has_bytes || matches!(c, '\r' | '>') => {
                    out += &format!("&#{};", u32::from(c));
                }
                _ if cdata[at % cdata.len()] => out += &format!("<![CDATA[{c}]]>"),
                '&' => out += "&amp;",
                '<' => out += "&lt;",
                c => out.push(c),
            }
        }
        let out = out.replace("]]><![CDATA[", "") + after;
        out.chars().flat_map(|c| self.encode(c).unwrap()).collect()
    }
}

fn request_text(body: &[u8], charset: Charset) -> Option<Value> {
    request::read_sent(body, charset).ok()?.params.pop()
}

fn answer_text(body: &[u8], charset: Charset) -> Option<Value> {
    response::read_within(body, charset, usize::MAX).ok()?.ok()
}

fn query_text<'a>(
    body: impl IntoIterator<Item = &'a [u8]>,
    charset: Charset,
) -> Result<(QueryOutcome, String), AnswerError> {
    let (mut reader, mut out) = (QueryAnswerReader::of(charset), Vec::new());
    for piece in body {
        reader.push(piece, &mut out)?;
    }
    Ok((reader.finish()?, String::from_utf8(out).unwrap()))
}

const CALL: (&str, &str) = (
    "<methodCall><methodName>query</methodName><params><param><value><string>",
    "</string></value></param></params></methodCall>",
);
const ANSWER: (&str, &str) = (
    "<methodResponse><params><param><value><string>",
    "</string></value></param></params></methodResponse>",
);

fn answer_of(coding: Coding, text: &str) -> Vec<u8> {
    coding.document(ANSWER.0, text, ANSWER.1, &[false])
}

#[test]
fn each_encoding_is_read_everywhere() {
    let text = "naïve & <café> €5 日本 🦀";
    for coding in CODINGS {
        for cdata in [&[false][..], &[true], &[true, false]] {
            let call = coding.document(CALL.0, text, CALL.1, cdata);
            let answer = coding.document(ANSWER.0, text, ANSWER.1, cdata);
            let charset = Charset::Unsaid;
            assert_eq!(
                request_text(&call, charset),
                Some(text.into()),
                "{coding:?}"
            );
            assert_eq!(
                answer_text(&answer, charset),
                Some(text.into()),
                "{coding:?}"
            );
            for size in [1, 2, 3, 7, usize::MAX] {
                let read = query_text(answer.chunks(size), charset);
                assert_eq!(
                    read.as_ref().map(|(_, read)| read.as_str()),
                    Ok(text),
                    "{coding:?}"
                );
            }
        }
    }
}

#[test]
fn what_apache_xml_rpc_writes_is_read_everywhere() {
    let space = " xmlns:ex=\"http://ws.apache.org/xmlrpc/namespaces/extensions\"";
    let spaced = |document: &str| document.replacen('>', &format!("{space}>"), 1).into_bytes();
    let (call, answer) = (
        spaced(&format!("{}&#55358;&#56704;.txt{}", CALL.0, CALL.1)),
        spaced(&format!("{}&#55358;&#56704;{}", ANSWER.0, ANSWER.1)),
    );
    let charset = Charset::Unsaid;
    assert_eq!(request_text(&call, charset), Some("\u{1f980}.txt".into()));
    assert_eq!(answer_text(&answer, charset), Some("\u{1f980}".into()));
    for size in [1, 5, usize::MAX] {
        let read = query_text(answer.chunks(size), charset);
        assert_eq!(read.map(|(_, read)| read), Ok("\u{1f980}".to_owned()));
    }
    let number = CALL.0.replace("string", "ex:i8") + "-5" + &CALL.1.replace("string", "ex:i8");
    assert_eq!(
        request_text(&spaced(&number), charset),
        Some(Value::Int64(-5))
    );
}

#[test]
fn each_library_byte_is_its_own_character() {
    let document = |label: &str, byte: u8| {
        let (before, after) = ANSWER;
        let declaration = format!("<?xml version='1.0' encoding='{label}'?>");
        [
            declaration.as_bytes(),
            before.as_bytes(),
            &[byte],
            after.as_bytes(),
        ]
        .concat()
    };
    for byte in 0x80..=0xFF_u8 {
        let latin1 = query_text([&document("iso-8859-1", byte)[..]], Charset::Unsaid);
        assert_eq!(
            latin1.map(|(_, text)| text),
            Ok(char::from(byte).to_string())
        );
    }
    for (byte, c) in [(0x80, "€"), (0x9F, "Ÿ"), (0xE9, "é")] {
        let windows = query_text([&document("windows-1252", byte)[..]], Charset::Unsaid);
        assert_eq!(windows.map(|(_, text)| text), Ok(c.to_owned()));
    }
}

#[test]
fn a_mark_beats_the_header_and_the_header_the_declaration() {
    let charset =
        |label: &str| Charset::of_content_type(Some(&format!("text/xml; charset={label}")));
    let read = |body: &[u8], label| query_text([body], charset(label)).map(|(_, text)| text);
    let declared = |label: &str, bytes: &[u8]| {
        let declaration = format!("<?xml version='1.0' encoding='{label}'?>");
        [
            declaration.as_bytes(),
            ANSWER.0.as_bytes(),
            bytes,
            ANSWER.1.as_bytes(),
        ]
        .concat()
    };
    assert_eq!(
        read(&declared("utf-8", b"\xE9"), "iso-8859-1"),
        Ok("é".to_owned())
    );
    assert_eq!(
        read(&declared("iso-8859-1", "é".as_bytes()), "utf-8"),
        Ok("é".to_owned())
    );
    let marked = [
        "\u{feff}".as_bytes(),
        &declared("iso-8859-1", "é".as_bytes()),
    ]
    .concat();
    assert_eq!(read(&marked, "iso-8859-1"), Ok("é".to_owned()));
    let utf16 = answer_of(
        Utf16 {
            little: false,
            mark: true,
        },
        "é",
    );
    assert_eq!(read(&utf16, "iso-8859-1"), Ok("é".to_owned()));
    let refused = AnswerError::Gate(GateError::Encoding);
    assert_eq!(
        read(&declared("utf-8", b"a"), "klingon"),
        Err(refused.clone())
    );
    assert_eq!(read(&declared("klingon", b"a"), "utf-8"), Err(refused));
}

#[test]
fn an_encoding_that_breaks_off_is_no_answer() {
    let utf16 = answer_of(
        Utf16 {
            little: true,
            mark: true,
        },
        "a",
    );
    for end in 0..utf16.len() {
        assert!(
            query_text([&utf16[..end]], Charset::Unsaid).is_err(),
            "{end}"
        );
        assert!(
            query_text(utf16[..end].chunks(1), Charset::Unsaid).is_err(),
            "{end}"
        );
    }
}

proptest! {
    #[test]
    fn any_text_in_any_encoding_reads_the_same(
        text in legal_text(),
        coding in prop::sample::select(CODINGS.to_vec()),
        cdata in vec(any::<bool>(), 1..6),
        cuts in vec(1usize..20, 1..8),
        before in prop::sample::select(vec!["", "\n", "\r\n\r\n"]),
    ) {
        let before: Vec<u8> = match coding {
            // Space before a mark in UTF-16 would not be text.
            Utf16 { mark: true, .. } => Vec::new(),
            coding => before.chars().flat_map(|c| coding.encode(c).unwrap()).collect(),
        };
        let call = [&before[..], &coding.document(CALL.0, &text, CALL.1, &cdata)].concat();
        prop_assert_eq!(request_text(&call, Charset::Unsaid), Some(Value::from(text.as_str())));
        let answer = [&before[..], &coding.document(ANSWER.0, &text, ANSWER.1, &cdata)].concat();
        let read = query_text(pieces(&answer, &cuts), Charset::Unsaid);
        prop_assert_eq!(read.map(|(_, read)| read), Ok(text.clone()));
        // The crate below reads a string of white space as an empty one.
        if !text.trim_matches([' ', '\t', '\r', '\n']).is_empty() {
            prop_assert_eq!(answer_text(&answer, Charset::Unsaid), Some(Value::from(text.as_str())));
        }
    }

    #[test]
    fn spoilt_bytes_of_any_encoding_read_alike_however_they_are_cut(
        coding in prop::sample::select(CODINGS.to_vec()),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cuts in vec(1usize..20, 1..8),
    ) {
        let mut body = coding.document(ANSWER.0, "aé&<b", ANSWER.1, &[true, false]);
        let at = at.index(body.len());
        body[at] = byte;
        let whole = query_text([&body[..]], Charset::Unsaid);
        prop_assert_eq!(&query_text(pieces(&body, &cuts), Charset::Unsaid), &whole);
        prop_assert_eq!(&query_text(body.chunks(1), Charset::Unsaid), &whole);
    }
}
