//! Tests of contents on their way out: kind, length, and cuts.

use node_wire::content::codes_failure;
use node_wire::{ContentScan, Dialect, Payload, QueryAnswerWriter, Scanned, Value, response};
use proptest::collection::vec;
use proptest::prelude::*;

use super::values::legal_text;

pub(crate) fn scan(bytes: &[u8], piece: usize) -> Scanned {
    let mut scan = ContentScan::new();
    bytes.chunks(piece).for_each(|piece| scan.push(piece));
    scan.finish()
}

pub(crate) fn write(dialect: Dialect, bytes: &[u8], piece: usize) -> (Vec<u8>, Scanned) {
    let scanned = scan(bytes, piece);
    let mut writer = QueryAnswerWriter::new(dialect, scanned.payload);
    let mut out = writer.head().as_bytes().to_vec();
    for piece in bytes.chunks(piece) {
        writer.push(piece, &mut out);
    }
    writer.finish(&mut out);
    (out, scanned)
}

#[test]
fn text_is_utf8_that_xml_allows() {
    let text: [&[u8]; 6] = [
        b"",
        b"a\r\n\tb",
        "é日🦀".as_bytes(),
        b"<&>]]>",
        b"\x7F",
        "\u{FFFD}".as_bytes(),
    ];
    for bytes in text {
        assert_eq!(scan(bytes, 3).payload, Payload::Text, "{bytes:?}");
    }
    let binary: [&[u8]; 8] = [
        b"\0",
        b"a\x1B",
        b"\xFF",
        b"\xC0\x80",
        b"\xED\xA0\x80",
        "é".as_bytes().split_at(1).0,
        "\u{FFFE}".as_bytes(),
        "\u{FFFF}".as_bytes(),
    ];
    for bytes in binary {
        for piece in 1..4 {
            assert_eq!(scan(bytes, piece).payload, Payload::Binary, "{bytes:?}");
        }
    }
}

#[test]
fn failure_in_codes_is_two_and_an_empty_string() {
    let expected = Value::Array(vec![Value::Int(2), "".into()]);
    assert_eq!(response::read(&codes_failure()), Ok(Ok(expected)));
}

fn expected(dialect: Dialect, data: Value) -> Value {
    match dialect {
        Dialect::Faults => data,
        Dialect::Codes => Value::Array(vec![Value::Int(1), data]),
    }
}

fn dialects() -> impl Strategy<Value = Dialect> {
    prop_oneof![Just(Dialect::Faults), Just(Dialect::Codes)]
}

proptest! {
    #[test]
    fn the_length_is_promised_exactly(
        bytes in prop_oneof![vec(any::<u8>(), 0..300), legal_text().prop_map(String::into_bytes)],
        piece in 1usize..20,
        dialect in dialects(),
    ) {
        let (out, scanned) = write(dialect, &bytes, piece);
        prop_assert_eq!(scanned, scan(&bytes, bytes.len().max(1)));
        prop_assert_eq!(scanned.length, bytes.len() as u64);
        let promised = QueryAnswerWriter::encoded_length(dialect, &scanned);
        prop_assert_eq!(promised, out.len() as u64);
    }

    #[test]
    fn another_parser_reads_the_same(
        bytes in prop_oneof![vec(any::<u8>(), 0..60), legal_text().prop_map(String::into_bytes)],
        piece in 1usize..20,
        dialect in dialects(),
    ) {
        let (out, scanned) = write(dialect, &bytes, piece);
        let data = match scanned.payload {
            Payload::Binary => Value::Base64(bytes),
            Payload::Text => Value::String(String::from_utf8(bytes).unwrap()),
        };
        if data.as_str().is_some_and(|text| text.trim().is_empty()) {
            return Ok(()); // the parser drops white space
        }
        prop_assert_eq!(response::read(&out), Ok(Ok(expected(dialect, data))));
    }
}
