//! CDATA sections become escaped text, so that no reader has to know them.
//!
//! `<![CDATA[a<b]]>` is `a&lt;b` in other words. It is accepted where text is: in an
//! element. Everything else passes as it is, for the gate to judge.
//!
//! # Invariants
//! - What comes out has no CDATA section in text; one in another place is an error
//!   or stays, and the gate refuses it.
//! - It is at most [`GROWTH_MAX`] times as long as what was pushed.
//! - Any cutting of the same bytes into chunks gives the same text. Of the last chunk
//!   no more is kept back than the beginning of a mark.

use crate::gate::GateError;

/// Most bytes that one byte becomes: `&` is `&amp;`.
pub(crate) const GROWTH_MAX: usize = 5;

const START: &[u8] = b"<![CDATA[";
const END: &[u8] = b"]]>";

/// Replaces the CDATA sections of one document.
#[derive(Debug, Default)]
pub(crate) struct CdataEscaper {
    place: Place,
    depth: usize, // elements that are open
}

/// The construct that the next byte belongs to.
#[derive(Clone, Copy, Debug, Default)]
enum Place {
    #[default]
    Text,
    /// This many bytes of [`START`] have come, at least one, and are kept back.
    Start(usize),
    /// A tag or other markup, after its first byte.
    Tag { closes: bool, last: u8 },
    /// A section.
    Section,
    /// This many bytes of [`END`] have come, and are kept back.
    End(usize),
}

impl CdataEscaper {
    /// Appends the decoded `bytes` to `out`.
    ///
    /// # Errors
    /// Errors if a section stands outside of all elements.
    pub(crate) fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), GateError> {
        while let Some(first) = bytes.first() {
            let taken = match self.place {
                Place::Text => self.text(bytes, out),
                Place::Start(seen) => self.start(seen, *first, out)?,
                Place::Tag { closes, last } => self.tag(closes, last, bytes, out),
                Place::Section => self.section(bytes, out),
                Place::End(seen) => self.end(seen, *first, out),
            };
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    /// Appends the bytes that were kept back, after the last bytes.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        match std::mem::take(&mut self.place) {
            Place::Start(seen) => out.extend_from_slice(&START[..seen]),
            Place::End(seen) => escape(&END[..seen], out),
            Place::Text | Place::Tag { .. } | Place::Section => {}
        }
    }

    fn text(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> usize {
        let end = bytes.iter().position(|byte| *byte == b'<');
        out.extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
        if end.is_some() {
            self.place = Place::Start(1);
        }
        end.map_or(bytes.len(), |end| end + 1)
    }

    fn start(&mut self, seen: usize, byte: u8, out: &mut Vec<u8>) -> Result<usize, GateError> {
        if byte != START[seen] {
            out.extend_from_slice(&START[..seen]);
            // The byte is looked at again, as the first or a later one of a tag.
            self.place = Place::Tag {
                closes: seen == 1 && byte == b'/',
                last: START[seen - 1],
            };
            return Ok(0);
        }
        if seen + 1 < START.len() {
            self.place = Place::Start(seen + 1);
        } else if self.depth == 0 {
            return Err(GateError::Markup);
        } else {
            self.place = Place::Section;
        }
        Ok(1)
    }

    fn tag(&mut self, closes: bool, last: u8, bytes: &[u8], out: &mut Vec<u8>) -> usize {
        let end = bytes.iter().position(|byte| *byte == b'>');
        let inside = &bytes[..end.unwrap_or(bytes.len())];
        out.extend_from_slice(inside);
        let last = inside.last().copied().unwrap_or(last);
        if end.is_none() {
            self.place = Place::Tag { closes, last };
            return bytes.len();
        }
        out.push(b'>');
        self.place = Place::Text;
        if closes {
            self.depth = self.depth.saturating_sub(1);
        } else if !matches!(last, b'/' | b'?') {
            self.depth = self.depth.saturating_add(1);
        }
        inside.len() + 1
    }

    fn section(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> usize {
        let end = bytes.iter().position(|byte| *byte == END[0]);
        escape(&bytes[..end.unwrap_or(bytes.len())], out);
        if end.is_some() {
            self.place = Place::End(1);
        }
        end.map_or(bytes.len(), |end| end + 1)
    }

    fn end(&mut self, seen: usize, byte: u8, out: &mut Vec<u8>) -> usize {
        match (seen, byte) {
            (1, b']') => self.place = Place::End(2),
            // The first of three is text.
            (2, b']') => out.push(b']'),
            (2, b'>') => self.place = Place::Text,
            _ => {
                escape(&END[..seen], out);
                self.place = Place::Section;
                return 0;
            }
        }
        1
    }
}

/// Appends text with its markup written as references.
fn escape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = rest
        .iter()
        .position(|byte| matches!(byte, b'&' | b'<' | b'>'))
    {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(match rest[at] {
            b'&' => b"&amp;",
            b'<' => b"&lt;",
            _ => b"&gt;",
        });
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn through(text: &str, size: usize) -> Result<String, GateError> {
        let (mut escaper, mut out) = (CdataEscaper::default(), Vec::new());
        for piece in text.as_bytes().chunks(size) {
            escaper.push(piece, &mut out)?;
        }
        escaper.finish(&mut out);
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn sections_become_escaped_text() {
        for (text, expected) in [
            ("<a><![CDATA[x]]></a>", "<a>x</a>"),
            ("<a>1<![CDATA[<&>]]>2</a>", "<a>1&lt;&amp;&gt;2</a>"),
            ("<a><![CDATA[]]></a>", "<a></a>"),
            ("<a><![CDATA[a]]b]>c]]]]></a>", "<a>a]]b]&gt;c]]</a>"),
            ("<a><![CDATA[a]]]]><![CDATA[>b]]></a>", "<a>a]]&gt;b</a>"),
            (
                "<a><b/><![CDATA[<![CDATA[]]></a>",
                "<a><b/>&lt;![CDATA[</a>",
            ),
            (
                "<?xml version='1.0'?><a><![CDATA[x]]></a>",
                "<?xml version='1.0'?><a>x</a>",
            ),
            ("<a>é<![CDATA[日]]></a>", "<a>é日</a>"),
        ] {
            assert_eq!(through(text, usize::MAX).as_deref(), Ok(expected), "{text}");
            assert_eq!(through(text, 1).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn other_markup_stays_for_the_gate() {
        for text in [
            "<a><!-- <![CDATA[x]]> --></a>",
            "<!DOCTYPE a>",
            "<a><![CDAT[x]]></a>",
            "<a><![cdata[x]]></a>",
            "<a <![CDATA[x]]>></a>",
            "<a><![CDA",
            "<",
        ] {
            assert_eq!(through(text, usize::MAX).as_deref(), Ok(text), "{text}");
            assert_eq!(through(text, 1).as_deref(), Ok(text), "{text}");
        }
    }

    #[test]
    fn a_section_outside_of_all_elements_is_an_error() {
        for text in [
            "<![CDATA[ ]]><a/>",
            "<a/><![CDATA[]]>",
            "<a></a> <![CDATA[x]]>",
        ] {
            assert_eq!(through(text, usize::MAX), Err(GateError::Markup), "{text}");
            assert_eq!(through(text, 1), Err(GateError::Markup), "{text}");
        }
    }

    proptest! {
        #[test]
        fn pieces_give_what_the_whole_gives(text in "[]\\[<>!CDATA/a& ]{0,60}", size in 1usize..6) {
            let text = format!("<a>{text}");
            prop_assert_eq!(through(&text, size), through(&text, usize::MAX));
        }
    }
}
