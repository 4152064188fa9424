//! The extensions of Apache XML-RPC for Java become plain XML-RPC, so that no reader has to know them.
//!
//! With its extensions it declares a name space, `<methodCall xmlns:ex="…">`, and writes `<ex:i8>`, `<ex:nil/>` and
//! others. A character beyond the first 65,536 it writes as two references, `&#55358;&#56704;`, one for each surrogate.
//! Everything else passes as it is, for the gate to judge.
//!
//! # Invariants
//! - What comes out is at most as long as what was pushed.
//! - Any cutting of the same bytes into chunks gives the same text. Of the last chunk no more is kept back than a tag or
//!   two references that have begun.

use crate::gate::is_space;
use crate::limits::{REFERENCE_MAX, XML_TAG_MAX};

/// Rewrites one document.
#[derive(Debug, Default)]
pub(crate) struct ApacheReader {
    place: Place,
    kept: Vec<u8>,         // the tag or the reference that has begun
    high: Option<Vec<u8>>, // the reference to the first of two surrogates
}

/// The place of the next byte.
#[derive(Clone, Copy, Debug, Default)]
enum Place {
    #[default]
    Text,
    Tag,
    Reference,
}

/// Elements of the extensions, and what they are in XML-RPC.
const EXTENSIONS: [(&str, &str); 5] = [
    ("ex:i1", "int"),
    ("ex:i2", "int"),
    ("ex:i8", "i8"),
    ("ex:nil", "nil"),
    ("ex:float", "double"),
];

impl ApacheReader {
    /// Appends what `bytes` become to `out`.
    pub(crate) fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            let taken = match self.place {
                Place::Text => self.text(bytes, out),
                Place::Tag => self.tag(bytes, out),
                Place::Reference => self.reference(bytes, out),
            };
            bytes = &bytes[taken..];
        }
    }

    /// Appends what was kept back, after the last bytes.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        out.extend(self.high.take().into_iter().flatten());
        out.append(&mut self.kept);
        self.place = Place::Text;
    }

    fn text(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> usize {
        let end = bytes.iter().position(|byte| matches!(byte, b'<' | b'&'));
        let plain = &bytes[..end.unwrap_or(bytes.len())];
        let begins = end.map(|end| bytes[end]);
        if !plain.is_empty() || begins == Some(b'<') {
            out.extend(self.high.take().into_iter().flatten());
        }
        out.extend_from_slice(plain);
        let Some(begins) = begins else {
            return bytes.len();
        };
        self.kept.push(begins);
        self.place = if begins == b'<' {
            Place::Tag
        } else {
            Place::Reference
        };
        plain.len() + 1
    }

    fn tag(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> usize {
        let room = XML_TAG_MAX.saturating_sub(self.kept.len());
        let window = &bytes[..bytes.len().min(room)];
        let end = window.iter().position(|byte| *byte == b'>');
        let taken = end.map_or(window.len(), |end| end + 1);
        self.kept.extend_from_slice(&bytes[..taken]);
        if end.is_some() {
            out.extend(plain_tag(&self.kept));
        } else if self.kept.len() >= XML_TAG_MAX {
            out.extend_from_slice(&self.kept); // too long: refused by all that read it
        } else {
            return taken;
        }
        self.kept.clear();
        self.place = Place::Text;
        taken
    }

    fn reference(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> usize {
        let room = REFERENCE_MAX.saturating_sub(self.kept.len());
        let window = &bytes[..bytes.len().min(room)];
        let end = window
            .iter()
            .position(|byte| matches!(byte, b';' | b'<' | b'&'));
        // What is no reference goes on as text from where it ends.
        let closes = end.is_some_and(|end| window[end] == b';');
        let taken = end.map_or(window.len(), |end| end + usize::from(closes));
        self.kept.extend_from_slice(&bytes[..taken]);
        if end.is_none() && self.kept.len() < REFERENCE_MAX {
            return taken;
        }
        let kept = std::mem::take(&mut self.kept);
        self.place = Place::Text;
        self.end_of_reference(kept, out);
        taken
    }

    /// Joins a second surrogate with the first, keeps a first one back, and passes on all else.
    fn end_of_reference(&mut self, reference: Vec<u8>, out: &mut Vec<u8>) {
        let high = self.high.take();
        let number = code_of(&reference);
        let first = high.as_deref().and_then(code_of);
        if let (Some(first), Some(second @ 0xdc00..=0xdfff)) = (first, number) {
            let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            out.extend_from_slice(format!("&#{code};").as_bytes());
            return;
        }
        out.extend(high.into_iter().flatten());
        if matches!(number, Some(0xd800..=0xdbff)) {
            self.high = Some(reference);
        } else {
            out.extend(reference);
        }
    }
}

/// The number in `&#…;`.
fn code_of(reference: &[u8]) -> Option<u32> {
    let number = reference.strip_prefix(b"&#")?.strip_suffix(b";")?;
    let number = std::str::from_utf8(number).ok()?;
    match number.strip_prefix('x') {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => number.parse().ok(),
    }
}

/// A tag, from `<` to `>`, without declarations of name spaces and with the plain name of an extension.
fn plain_tag(tag: &[u8]) -> Vec<u8> {
    rewritten(tag).unwrap_or_else(|| tag.to_vec())
}

/// A tag that Apache XML-RPC writes, in plain XML-RPC; `None` for every other one.
fn rewritten(tag: &[u8]) -> Option<Vec<u8>> {
    let inside = std::str::from_utf8(tag)
        .ok()?
        .strip_prefix('<')?
        .strip_suffix('>')?;
    if inside.starts_with(['!', '?']) {
        return None;
    }
    let (closing, inside) = inside
        .strip_prefix('/')
        .map_or(("", inside), |inside| ("/", inside));
    let (inside, empty) = inside
        .strip_suffix('/')
        .map_or((inside, ""), |inside| (inside, "/"));
    let (name, mut attributes) = inside.split_at(inside.find(is_space).unwrap_or(inside.len()));
    while let Some(rest) = after_name_space(attributes) {
        attributes = rest;
    }
    let plain = EXTENSIONS.iter().find(|(extension, _)| *extension == name);
    let name = plain.map_or(name, |(_, plain)| plain);
    Some(format!("<{closing}{name}{attributes}{empty}>").into_bytes())
}

/// Returns the text behind one declaration of a name space, ` xmlns:ex="…"`.
fn after_name_space(attributes: &str) -> Option<&str> {
    let declared = attributes.trim_start_matches(is_space);
    let (name, value) = declared.split_once('=')?;
    let name = name.trim_end_matches(is_space);
    let prefix = name.strip_prefix("xmlns")?;
    if declared.len() == attributes.len() || !(prefix.is_empty() || is_prefix(prefix)) {
        return None;
    }
    let value = value.trim_start_matches(is_space);
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (value, rest) = value[1..].split_once(quote)?;
    (!value.contains(['<', '&'])).then_some(rest)
}

/// `:ex`
fn is_prefix(text: &str) -> bool {
    let name = text.strip_prefix(':').unwrap_or_default();
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn through(text: &str, size: usize) -> String {
        let (mut reader, mut out) = (ApacheReader::default(), Vec::new());
        for piece in text.as_bytes().chunks(size) {
            reader.push(piece, &mut out);
        }
        reader.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn extensions_become_plain() {
        for (text, expected) in [
            ("<methodCall xmlns:ex=\"http://x/y\">", "<methodCall>"),
            ("<a xmlns='u' xmlns:b = \"v\" >", "<a >"),
            ("<a xmlns:ex=\"u\"/>", "<a/>"),
            ("<ex:i1>1</ex:i1>", "<int>1</int>"),
            ("<ex:i8>-2</ex:i8>", "<i8>-2</i8>"),
            ("<ex:nil/>", "<nil/>"),
            ("<ex:float>.5</ex:float>", "<double>.5</double>"),
            ("&#55358;&#56704; x", "&#129408; x"),
            ("&#xD83E;&#xdd80;&#xd83e;&#xdd80;", "&#129408;&#129408;"),
        ] {
            assert_eq!(through(text, usize::MAX), expected, "{text}");
            assert_eq!(through(text, 1), expected, "{text}");
        }
    }

    #[test]
    fn everything_else_stays_for_the_gate() {
        let long = format!("<a xmlns=\"{}\">", "u".repeat(300));
        for text in [
            "<?xml version=\"1.0\" encoding='utf-8'?>",
            "<!DOCTYPE a xmlns=\"u\">",
            "<a b=\"c\">",
            "<a xmlns:ex=\"u\" ",
            "<a xmlns:ex=u>",
            "<a xmlns:=\"u\">",
            "<axmlns=\"u\">",
            "<a xmlns=\"&lt;\">",
            "<ex:serializable>",
            "<exi8>",
            "xmlns:ex=\"u\" ex:i8",
            "&#55358;",
            "&#55358; &#56704;",
            "&#55358;<b>&#56704;",
            "&#56704;&#55358;",
            "&#55358;&amp;&#56704;",
            "&#55358;&#55358",
            "&#55358;&#1",
            "& & &#xdd",
            "a &lt; b &#38; c; d && e &<b>",
            "&aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;",
            long.as_str(),
        ] {
            assert_eq!(through(text, usize::MAX), text);
            assert_eq!(through(text, 1), text);
        }
    }

    proptest! {
        #[test]
        fn pieces_give_what_the_whole_gives(
            parts in proptest::collection::vec(
                prop_oneof![
                    Just("<a xmlns:ex=\"u\">"), Just("<ex:i8>"), Just("&#55358;"), Just("&#56704;"), Just("&amp;"),
                    Just("&#"), Just("<"), Just(">"), Just("text"), Just(";"), Just("\u{1f980}"),
                ],
                0..12,
            ),
            size in 1usize..9,
        ) {
            let text = parts.concat();
            let whole = through(&text, usize::MAX);
            prop_assert!(whole.len() <= text.len());
            prop_assert_eq!(through(&text, size), whole);
        }
    }
}
