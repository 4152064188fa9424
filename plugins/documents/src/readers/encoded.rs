//! Texts in other encodings than UTF-8. Their lines are those of the file.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};

use crate::{
    kind::Order,
    output::{Output, ReadError},
};

/// Reads a text whose encoding has to be guessed.
pub(super) fn read_legacy(bytes: &[u8], output: &mut Output<'_>) -> Result<(), ReadError> {
    decode(guessed(bytes), bytes, output)
}

/// Reads UTF-16 without a mark.
pub(super) fn read_utf16(
    bytes: &[u8],
    order: Order,
    output: &mut Output<'_>,
) -> Result<(), ReadError> {
    let encoding = match order {
        Order::Little => UTF_16LE,
        Order::Big => UTF_16BE,
    };
    decode(encoding, bytes, output)
}

/// Returns the encoding that bytes look like.
pub(super) fn guessed(bytes: &[u8]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(bytes, true);
    detector.guess(None, Utf8Detection::Allow)
}

fn decode(
    encoding: &'static Encoding,
    bytes: &[u8],
    output: &mut Output<'_>,
) -> Result<(), ReadError> {
    let (text, _) = encoding.decode_without_bom_handling(bytes);
    // What else ends a line for some would give the lines other numbers.
    output.text(&text.replace(['\u{b}', '\u{c}', '\u{2028}', '\u{2029}'], " "))
}
