//! Kinds of files, by their first bytes.

/// Bytes of a file that say what it is.
pub(crate) const BEGIN: usize = 1024;

/// What a file begins as.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Begins {
    /// An archive: also office documents and books.
    Zip,
    /// A PDF.
    Pdf,
    /// A page of the web.
    Html,
}

/// The first tags of a page of the web; in lower case.
const HTML: [&[u8]; 3] = [b"<!doctype html", b"<html", b"<head"];

/// Returns the kind of a document that begins like this; `None` if it is none.
pub(crate) fn of(begin: &[u8]) -> Option<Begins> {
    let begin = &begin[..begin.len().min(BEGIN)];
    if begin.starts_with(b"PK\x03\x04") || begin.starts_with(b"PK\x05\x06") {
        return Some(Begins::Zip);
    }
    let has_pdf = begin.windows(5).any(|window| window == b"%PDF-");
    if has_pdf && !begin.is_ascii() || begin.starts_with(b"%PDF-") {
        return Some(Begins::Pdf);
    }
    is_html(begin).then_some(Begins::Html)
}

/// Returns true if the first tag that is no comment or declaration is one of a page.
fn is_html(begin: &[u8]) -> bool {
    let begin = begin.strip_prefix(b"\xef\xbb\xbf").unwrap_or(begin);
    let mut rest = begin.trim_ascii_start();
    loop {
        let end: &[u8] = if rest.starts_with(b"<!--") {
            b"-->"
        } else if rest.starts_with(b"<?") {
            b"?>"
        } else {
            break;
        };
        let Some(at) = rest.windows(end.len()).position(|window| window == end) else {
            return false;
        };
        rest = rest[at + end.len()..].trim_ascii_start();
    }
    let is = |tag: &&[u8]| -> bool {
        let found = rest.get(..tag.len());
        found.is_some_and(|found| found.eq_ignore_ascii_case(tag))
    };
    HTML.iter().any(is)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_known_by_the_first_bytes() {
        for (begin, kind) in [
            (&b"PK\x03\x04rest"[..], Some(Begins::Zip)),
            (b"%PDF-1.4\n%\xe2\xe3", Some(Begins::Pdf)),
            (b"\x00\x01mail header %PDF-1.7", None),
            (b"\xff junk %PDF-1.7", Some(Begins::Pdf)),
            (b"  <!DOCTYPE HTML PUBLIC", Some(Begins::Html)),
            (
                b"\xef\xbb\xbf<?xml version=\"1.0\"?>\n<!-- a --><html>",
                Some(Begins::Html),
            ),
            (b"<!-- never ended <html>", None),
            (b"the tag <html> in a text", None),
            (b"a text about %PDF-", None),
            (b"", None),
        ] {
            assert_eq!(of(begin), kind, "{}", begin.escape_ascii());
        }
    }
}
