//! Kinds of files, by their first bytes.

use crate::limits::{MEDIA_MAX, TEXT_MAX};

/// Bytes of a file that say what it is.
pub(crate) const BEGIN: usize = 64 * 1024;

/// Bytes in which the marks of a format stand.
const MARKS: usize = 1024;

/// Fewest bytes that are taken for UTF-16 without a mark.
const UTF16_MIN: usize = 32;

/// What a file begins as.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Begins {
    /// An archive: also office documents and books.
    Zip,
    /// A PDF.
    Pdf,
    /// A page of the web.
    Html,
    /// Rich text.
    Rtf,
    /// A Jupyter notebook.
    Notebook,
    /// Text in an encoding that is not UTF-8.
    Legacy,
    /// UTF-16 without a mark.
    Utf16(Order),
    /// A picture that may say how it was taken.
    Picture,
    /// Music or a video, which may have tags.
    Music,
}

impl Begins {
    /// Returns true if the first bytes alone say what it is.
    pub(crate) fn has_mark(self) -> bool {
        !matches!(self, Begins::Legacy | Begins::Utf16(_))
    }

    /// Returns true if the file is text as it stands, which is searched if nothing else is.
    pub(crate) fn is_text(self) -> bool {
        match self {
            Begins::Html | Begins::Rtf | Begins::Notebook | Begins::Legacy => true,
            Begins::Zip | Begins::Pdf | Begins::Utf16(_) | Begins::Picture | Begins::Music => false,
        }
    }

    /// Returns the size up to which a file of this kind is read at all.
    pub(crate) fn size_max(self) -> u64 {
        match self {
            Begins::Picture | Begins::Music => MEDIA_MAX,
            kind if kind.is_text() => TEXT_MAX,
            // They are documents also if they are too large, and that is told.
            _ => u64::MAX,
        }
    }
}

/// The order of the bytes of a letter in UTF-16.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Order {
    /// The lower one first.
    Little,
    /// The higher one first.
    Big,
}

/// The first tags of a page of the web; in lower case.
const HTML: [&[u8]; 3] = [b"<!doctype html", b"<html", b"<head"];

/// Returns the kind of a document that begins like this; `None` if it is none.
pub(crate) fn of(begin: &[u8]) -> Option<Begins> {
    let whole = &begin[..begin.len().min(BEGIN)];
    let begin = &whole[..whole.len().min(MARKS)];
    if begin.starts_with(b"PK\x03\x04") || begin.starts_with(b"PK\x05\x06") {
        return Some(Begins::Zip);
    }
    let has_pdf = begin.windows(5).any(|window| window == b"%PDF-");
    if has_pdf && !begin.is_ascii() || begin.starts_with(b"%PDF-") {
        return Some(Begins::Pdf);
    }
    if let Some(media) = media(begin) {
        return Some(media);
    }
    if is_html(begin) {
        return Some(Begins::Html);
    }
    if begin.starts_with(b"{\\rtf") {
        return Some(Begins::Rtf);
    }
    if is_notebook(begin) {
        return Some(Begins::Notebook);
    }
    encoded(whole)
}

/// Returns the kind of a picture, or of a piece of music.
fn media(begin: &[u8]) -> Option<Begins> {
    let behind = |at: usize| begin.get(at..at + 4).unwrap_or_default();
    let picture = [&b"\xff\xd8\xff"[..], b"II*\0", b"MM\0*", b"\x89PNG"];
    let music = [
        &b"ID3"[..],
        b"fLaC",
        b"OggS",
        b"\xff\xfb",
        b"\xff\xfa",
        b"\xff\xf3",
    ];
    if picture.iter().any(|mark| begin.starts_with(mark)) {
        return Some(Begins::Picture);
    }
    match (begin.get(..4).unwrap_or_default(), behind(4), behind(8)) {
        (b"RIFF", _, b"WEBP") | (_, b"ftyp", b"heic" | b"mif1" | b"avif") => Some(Begins::Picture),
        (b"RIFF", _, b"WAVE") | (_, b"ftyp", _) => Some(Begins::Music),
        _ if music.iter().any(|mark| begin.starts_with(mark)) && begin.contains(&0) => {
            Some(Begins::Music)
        }
        _ => None,
    }
}

/// Returns true if an object begins whose first members are those of a notebook.
fn is_notebook(begin: &[u8]) -> bool {
    let has = |name: &[u8]| begin.windows(name.len()).any(|window| window == name);
    begin.trim_ascii_start().starts_with(b"{") && has(b"\"cells\"") && has(b"\"cell_type\"")
}

/// Returns the kind of a text that is not UTF-8; `None` if it is, or is no text.
fn encoded(begin: &[u8]) -> Option<Begins> {
    match std::str::from_utf8(begin) {
        Ok(text) if !text.contains('\0') => return None,
        // The last letter may be cut.
        Err(error) if error.error_len().is_none() && !begin.contains(&0) => return None,
        _ => {}
    }
    // The index knows both marks.
    if begin.starts_with(&[0xff, 0xfe]) || begin.starts_with(&[0xfe, 0xff]) {
        return None;
    }
    if begin.contains(&0) {
        return utf16(begin).map(Begins::Utf16);
    }
    let is_control =
        |byte: &u8| (*byte < 0x20 && !b"\t\n\r\x0c\x1b".contains(byte)) || *byte == 0x7f;
    (!begin.iter().any(is_control)).then_some(Begins::Legacy)
}

/// Returns the order of UTF-16 without a mark: most letters of its text have a byte that is zero, always the same one.
fn utf16(begin: &[u8]) -> Option<Order> {
    let (pairs, _) = begin.as_chunks::<2>();
    if begin.len() < UTF16_MIN {
        return None;
    }
    let zeros = |at: usize| pairs.iter().filter(|pair| pair[at] == 0).count();
    let (first, second) = (zeros(0), zeros(1));
    let is_most = |count: usize| count * 10 > pairs.len() * 7;
    let is_text = |order: Order| {
        let letter = |pair: &[u8; 2]| match order {
            Order::Little => u16::from_le_bytes(*pair),
            Order::Big => u16::from_be_bytes(*pair),
        };
        let is_control = |letter: u16| letter < 0x20 && !matches!(letter, 0x9 | 0xa | 0xc | 0xd);
        !pairs.iter().any(|pair| is_control(letter(pair)))
    };
    let found = if is_most(second) && first == 0 {
        Order::Little
    } else if is_most(first) && second == 0 {
        Order::Big
    } else {
        return None;
    };
    is_text(found).then_some(found)
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
            (b"\xff\xd8\xff\xe1\0\x10Exif", Some(Begins::Picture)),
            (b"ID3\x03\0\0\0\0\0\x10", Some(Begins::Music)),
            (b"\0\0\0\x20ftypM4A ", Some(Begins::Music)),
            (b"\0\0\0\x20ftypheic", Some(Begins::Picture)),
            (b"ID3 is a format of tags", None),
            (b"{\\rtf1\\ansi text}", Some(Begins::Rtf)),
            (b"{\"cells\": [{\"cell_type\": \"code\"", Some(Begins::Notebook)),
            (b"{\"cells\": []}", None),
            (b"caf\xe9 au lait\n", Some(Begins::Legacy)),
            ("café au lait".as_bytes(), None),
            (b"cut in a letter \xc3", None),
            (b"\xff\xfea\0b\0", None),
            (b"\x01\xff\xe9 binary", None),
            (b"\0\x01\0\x02\0\x03\0\x04\0\x01\0\x02\0\x03\0\x04\0\x01\0\x02\0\x03\0\x04\0\x01\0\x02\0\x03\0\x04", None),
            (b"U\0T\0F\0-\x001\x006\0 \0n\0o\0 \0m\0a\0r\0k\0.\0\n\0", Some(Begins::Utf16(Order::Little))),
            (b"\0U\0T\0F\0-\x001\x006\0 \0n\0o\0 \0m\0a\0r\0k\0.\0\n", Some(Begins::Utf16(Order::Big))),
            (b"", None),
        ] {
            assert_eq!(of(begin), kind, "{}", begin.escape_ascii());
        }
    }
}
