//! Readers, on documents that are made here.

use std::io::{Cursor, Seek, Write};

use plugin_api::Place;
use proptest::prelude::*;
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::{
    protocol::{Decoder, Frame, Nature},
    reason::Reason,
};

/// The nature of a file that is text as it stands.
const TEXT: Nature = Nature {
    is_text: true,
    lacks_text: false,
};

/// The text of a part.
type PartText = (Place, String);

/// Reads a document as a worker does.
fn frames(document: &[u8]) -> Vec<Frame> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(document).unwrap();
    file.rewind().unwrap();
    let mut output = Vec::new();
    assert!(crate::read(file, &mut output));
    let mut decoder = Decoder::default();
    decoder.add(&output);
    let frames = std::iter::from_fn(|| decoder.next().unwrap()).collect();
    assert!(decoder.is_empty());
    frames
}

fn parts(document: &[u8]) -> Result<Vec<PartText>, Reason> {
    let mut parts: Vec<PartText> = Vec::new();
    for frame in frames(document) {
        match frame {
            Frame::Part(place) => parts.push((place, String::new())),
            Frame::Text(text) => parts.last_mut().unwrap().1.push_str(&text),
            Frame::Failed(reason) => return Err(reason),
            Frame::Done(_) => return Ok(parts),
        }
    }
    panic!("a worker has a last word");
}

fn zipped(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in entries {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn docx(body: &str) -> Vec<u8> {
    zipped(&[
        ("[Content_Types].xml", "<Types/>"),
        (
            "word/document.xml",
            &format!("<w:document><w:body>{body}</w:body></w:document>"),
        ),
        (
            "word/footnotes.xml",
            "<w:footnotes><w:p><w:t>a note</w:t></w:p></w:footnotes>",
        ),
    ])
}

fn part(name: &str, text: &str) -> PartText {
    (Place::Part(name.to_owned()), text.to_owned())
}

#[test]
fn docx_gives_paragraphs_and_notes() {
    let body = "<w:p><w:r><w:t>A wal</w:t></w:r><w:r><w:t>rus &amp; &#233;t&#xe9;</w:t></w:r></w:p>\
                <w:p><w:del><w:delText>gone</w:delText></w:del><w:r><w:t>two</w:t><w:tab/><w:t>tabs</w:t></w:r></w:p>";
    let read = parts(&docx(body)).unwrap();
    assert_eq!(
        read,
        [
            part("document", "A walrus & été\ntwo\ttabs\n"),
            part("footnotes", "a note\n")
        ]
    );
}

#[test]
fn pptx_gives_slides_in_their_order() {
    let document = zipped(&[
        (
            "ppt/presentation.xml",
            r#"<p:presentation><p:sldId r:id="b"/><p:sldId r:id="a"/></p:presentation>"#,
        ),
        (
            "ppt/_rels/presentation.xml.rels",
            r#"<R><Relationship Id="a" Target="slides/slide1.xml"/><Relationship Id="b" Target="slides/slide2.xml"/></R>"#,
        ),
        (
            "ppt/slides/slide1.xml",
            "<p:sld><a:p><a:t>last</a:t></a:p></p:sld>",
        ),
        (
            "ppt/slides/slide2.xml",
            "<p:sld><a:p><a:t>first</a:t></a:p></p:sld>",
        ),
        (
            "ppt/slides/_rels/slide2.xml.rels",
            r#"<R><Relationship Id="n" Target="../notesSlides/notesSlide1.xml"/></R>"#,
        ),
        (
            "ppt/notesSlides/notesSlide1.xml",
            "<p:notes><a:p><a:t>said aloud</a:t></a:p></p:notes>",
        ),
    ]);
    assert_eq!(
        parts(&document).unwrap(),
        [
            (Place::Page(1), "first\nsaid aloud\n".to_owned()),
            (Place::Page(2), "last\n".to_owned())
        ]
    );
}

#[test]
fn xlsx_gives_rows_of_its_sheets() {
    let document = zipped(&[
        (
            "xl/workbook.xml",
            r#"<workbook><sheets><sheet name="Costs &amp; more" r:id="r1"/></sheets></workbook>"#,
        ),
        (
            "xl/_rels/workbook.xml.rels",
            r#"<R><Relationship Id="r1" Target="worksheets/sheet1.xml"/></R>"#,
        ),
        (
            "xl/sharedStrings.xml",
            "<sst><si><t>rent</t></si><si><r><t>wal</t></r><r><t>rus</t></r><rPh><t>spoken</t></rPh></si></sst>",
        ),
        (
            "xl/worksheets/sheet1.xml",
            r#"<worksheet><row><c t="s"><v>1</v></c><c><f>1+1</f><v>2</v></c></row><row><c t="s"><v>0</v></c><c t="inlineStr"><is><t>inline</t></is></c><c t="s"><v>99</v></c></row></worksheet>"#,
        ),
    ]);
    let sheet = Place::Sheet("Costs & more".to_owned());
    assert_eq!(
        parts(&document).unwrap(),
        [(sheet, "walrus\t2\nrent\tinline\t99\n".to_owned())]
    );
}

#[test]
fn odt_and_ods_and_odp_give_their_parts() {
    let document = |content: &str| zipped(&[("mimetype", "x"), ("content.xml", content)]);
    let text = document(
        "<o:text><text:tracked-changes><text:p>gone</text:p></text:tracked-changes>\
         <text:h>Head</text:h><text:p>a<text:s/>b<text:line-break/>c</text:p></o:text>",
    );
    assert_eq!(parts(&text).unwrap(), [part("document", "Head\na b\nc\n")]);
    let sheets = document(
        r#"<o:spreadsheet><table:table table:name="One"><table:table-row><table:table-cell><text:p>a</text:p></table:table-cell><table:table-cell><text:p>b</text:p></table:table-cell></table:table-row></table:table></o:spreadsheet>"#,
    );
    assert_eq!(
        parts(&sheets).unwrap(),
        [(Place::Sheet("One".to_owned()), "a \tb \n".to_owned())]
    );
    let slides = document(
        "<o:presentation><draw:page><text:p>one</text:p></draw:page><draw:page><text:p>two</text:p></draw:page></o:presentation>",
    );
    assert_eq!(
        parts(&slides).unwrap(),
        [
            (Place::Page(1), "one\n".to_owned()),
            (Place::Page(2), "two\n".to_owned())
        ]
    );
}

#[test]
fn epub_gives_chapters_in_their_order() {
    let document = zipped(&[
        ("mimetype", "application/epub+zip"),
        (
            "META-INF/container.xml",
            r#"<container><rootfile full-path="OEBPS/book.opf"/></container>"#,
        ),
        (
            "OEBPS/book.opf",
            r#"<package><item id="a" href="a%20b.xhtml"/><item id="c" href="c.xhtml"/><itemref idref="c"/><itemref idref="a"/></package>"#,
        ),
        (
            "OEBPS/a b.xhtml",
            "<html><head><title>Second</title></head><body><p>the walrus</p></body></html>",
        ),
        (
            "OEBPS/c.xhtml",
            "<?xml version='1.0'?><html><body><h1>The First</h1><p>it begins</p></body></html>",
        ),
    ]);
    let chapter = |title: &str, text: &str| (Place::Chapter(title.to_owned()), text.to_owned());
    assert_eq!(
        parts(&document).unwrap(),
        [
            chapter("The First", "The First\nit begins\n"),
            chapter("Second", "the walrus\n")
        ]
    );
}

#[test]
fn html_gives_what_a_reader_sees() {
    let page = "<!doctype html><title>A &amp; B</title><style>p { color: red }</style>\
                <script>var hidden = '<p>no</p>';</script>\
                <p>&eacute;t&eacute;  in\n one <b>li</b>ne<p>two<br>three<table><tr><td>a<td>b</table><!-- no -->";
    let frames = frames(page.as_bytes());
    assert_eq!(
        frames[1],
        Frame::Text("A & B\nété in one line\ntwo\nthree\na b\n".to_owned())
    );
    // It is UTF-8, and searched as it stands, too.
    assert_eq!(frames[2], Frame::Done(TEXT));
}

#[test]
fn html_in_another_encoding_is_decoded() {
    let latin = b"<html><meta charset=iso-8859-1><p>caf\xe9";
    assert_eq!(parts(latin).unwrap(), [part("text", "café\n")]);
    let guessed = "<html><p>Это проверка определения кодировки текста";
    let (bytes, ..) = encoding_rs::WINDOWS_1251.encode(guessed);
    let text = "Это проверка определения кодировки текста\n";
    assert_eq!(parts(&bytes).unwrap(), [part("text", text)]);
    assert_eq!(frames(latin).last(), Some(&Frame::Done(Nature::default())));
}

#[test]
fn rtf_gives_its_text_alone() {
    let document = br"{\rtf1\ansi\ansicpg1251{\fonttbl{\f0 Arial;}}{\*\generator none;}\pard The \b wal\b0 rus\par
        \'ef\'f0\u233?\u-10179?\u-8704?\{x\}\tab end\par}";
    assert_eq!(
        parts(document).unwrap(),
        [part(
            "text",
            "The walrus\n        пр\u{e9}\u{1f600}{x}\tend\n"
        )]
    );
    assert_eq!(frames(document).last(), Some(&Frame::Done(TEXT)));
}

#[test]
fn notebook_gives_its_cells_and_what_they_printed() {
    let document = br#"{"cells": [{"cell_type": "markdown", "source": ["A walrus\n", "and more"]},
        {"cell_type": "code", "source": "x = 1", "outputs": [{"text": ["one\n"]}, {"data": {"image/png": "AAAA", "text/plain": "two"}}]}]}"#;
    assert_eq!(
        parts(document).unwrap(),
        [
            part("cell 1", "A walrus\nand more\n"),
            part("cell 2", "x = 1\none\ntwo\n")
        ]
    );
}

#[test]
fn texts_in_other_encodings_keep_their_lines() {
    let all = |document: &[u8]| match &frames(document)[..] {
        [Frame::Text(text), Frame::Done(_)] => text.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        all(b"un caf\xe9\r\net une cr\xeape\x0cbien\n"),
        "un café\net une crêpe bien\n"
    );
    let japanese = "これは文字コードの判定のための文章です。\n";
    assert_eq!(all(&encoding_rs::SHIFT_JIS.encode(japanese).0), japanese);
    let chinese = "这是一个用来测试编码检测的句子，希望结果正确。\n";
    assert_eq!(all(&encoding_rs::GBK.encode(chinese).0), chinese);
    let text = "UTF-16 without a mark, and a é\n";
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(
        (all(&little), all(&big)),
        (text.to_owned(), text.to_owned())
    );
}

#[test]
fn properties_of_office_files_and_books_are_told() {
    let core = "<cp:coreProperties><dc:title>The Walrus</dc:title><dc:creator>L. Carroll</dc:creator></cp:coreProperties>";
    let document = zipped(&[
        ("word/document.xml", "<w:p><w:t>text</w:t></w:p>"),
        ("docProps/core.xml", core),
    ]);
    assert_eq!(
        parts(&document).unwrap(),
        [
            part("document", "text\n"),
            part("properties", "title: The Walrus\nauthor: L. Carroll\n")
        ]
    );
}

#[test]
fn a_document_without_text_is_said_to_be_one() {
    let lacking = |document: &[u8]| match frames(document).pop() {
        Some(Frame::Done(nature)) => nature.lacks_text,
        other => panic!("{other:?}"),
    };
    assert!(lacking(&pdf(&[" ", ""])) && !lacking(&pdf(&["text"])));
    assert!(!lacking(&jpeg()) && !lacking(b"\x89PNG\r\n\x1a\n\0"));
}

/// Makes a picture of a camera, as far as its tags go.
fn jpeg() -> Vec<u8> {
    let mut tags = b"Exif\0\0MM\0*\0\0\0\x08\0\x03".to_vec();
    // Make, model, and the place of the other tags; each with its type, length and place from the mark MM on.
    tags.extend(b"\x01\x0f\0\x02\0\0\0\x05\0\0\0\x32");
    tags.extend(b"\x01\x10\0\x02\0\0\0\x08\0\0\0\x38");
    tags.extend(b"\x87\x69\0\x04\0\0\0\x01\0\0\0\x40");
    tags.extend(b"\0\0\0\0");
    tags.extend(b"Acme\0\0");
    tags.extend(b"Walrus7\0");
    tags.extend(b"\0\x01\x90\x03\0\x02\0\0\0\x14\0\0\0\x52\0\0\0\0");
    tags.extend(b"2024:05:01 12:30:00\0");
    let length = u16::try_from(tags.len() + 2).unwrap().to_be_bytes();
    [&b"\xff\xd8\xff\xe1"[..], &length, &tags, b"\xff\xd9"].concat()
}

#[test]
fn picture_gives_what_its_camera_wrote() {
    assert_eq!(
        parts(&jpeg()).unwrap(),
        [part(
            "properties",
            "taken: 2024-05-01 12:30:00\ncamera: Acme\ncamera: Walrus7\n"
        )]
    );
}

#[test]
fn music_gives_its_tags() {
    let mut tags = Vec::new();
    for (frame, text) in [
        (b"TPE1", "The Walrus"),
        (b"TALB", "Sea Songs"),
        (b"TIT2", "Tusks"),
    ] {
        let length = u32::try_from(text.len() + 1).unwrap().to_be_bytes();
        tags.extend([&frame[..], &length, &[0, 0, 0], text.as_bytes()].concat());
    }
    let length = u8::try_from(tags.len()).unwrap();
    let head = [&b"ID3\x03\0\0\0\0\0"[..], &[length]].concat();
    // Two frames of MPEG without sound.
    let mut sound = vec![0xff, 0xfb, 0x90, 0x64];
    sound.resize(417, 0);
    let file = [head, tags, sound.clone(), sound].concat();
    assert_eq!(
        parts(&file).unwrap(),
        [part(
            "properties",
            "artist: The Walrus\nalbum: Sea Songs\ntitle: Tusks\n"
        )]
    );
}

/// Makes a PDF with a line of text on each page.
pub(super) fn pdf(pages: &[&str]) -> Vec<u8> {
    let mut objects = vec!["<< /Type /Catalog /Pages 2 0 R >>".to_owned()];
    let kids: Vec<String> = (0..pages.len())
        .map(|n| format!("{} 0 R", 4 + 2 * n))
        .collect();
    objects.push(format!(
        "<< /Type /Pages /Kids [{}] /Count {} /MediaBox [0 0 612 792] >>",
        kids.join(" "),
        pages.len()
    ));
    objects.push(
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
            .to_owned(),
    );
    for (n, text) in pages.iter().enumerate() {
        let lines: Vec<String> = text.lines().map(|line| format!("({line}) Tj T*")).collect();
        let content = format!("BT /F1 12 Tf 14 TL 72 700 Td {} ET", lines.join(" "));
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /Resources << /Font << /F1 3 0 R >> >> /Contents {} 0 R >>",
            5 + 2 * n
        ));
        objects.push(format!(
            "<< /Length {} >>\nstream\n{content}\nendstream",
            content.len()
        ));
    }
    let (mut file, mut places) = (b"%PDF-1.4\n".to_vec(), Vec::new());
    for (n, object) in objects.iter().enumerate() {
        places.push(file.len());
        write!(file, "{} 0 obj\n{object}\nendobj\n", n + 1).unwrap();
    }
    let start = file.len();
    write!(file, "xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).unwrap();
    for place in places {
        writeln!(file, "{place:010} 00000 n ").unwrap();
    }
    write!(
        file,
        "trailer << /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n",
        objects.len() + 1
    )
    .unwrap();
    file
}

#[test]
fn pdf_gives_lines_of_its_pages_with_words_joined() {
    let document = pdf(&["The walrus and", "a hyphen-\nated word\nends"]);
    assert_eq!(
        parts(&document).unwrap(),
        [
            (Place::Page(1), "The walrus and\n".to_owned()),
            (Place::Page(2), "a hyphenated\nword\nends\n".to_owned()),
            part("properties", "pages: 2\n")
        ]
    );
}

#[test]
fn archive_gives_names_and_texts_one_level_deep() {
    let inner = zipped(&[("deep.txt", "too deep")]);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in [
        ("../../evil.txt", &b"the walrus"[..]),
        ("b.bin", b"\0\x01"),
        ("inner.zip", &inner),
    ] {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    let read = parts(&zip.finish().unwrap().into_inner()).unwrap();
    assert_eq!(
        read,
        [
            part("names", "../../evil.txt\nb.bin\ninner.zip\n"),
            part("../../evil.txt", "the walrus\n")
        ]
    );
}

#[test]
fn a_bomb_is_given_up_at_its_limit() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let zeros = vec![b' '; 1 << 20];
    zip.start_file("word/document.xml", SimpleFileOptions::default())
        .unwrap();
    for _ in 0..129 {
        zip.write_all(&zeros).unwrap();
    }
    let bomb = zip.finish().unwrap().into_inner();
    assert!(bomb.len() < 1 << 20);
    assert_eq!(parts(&bomb), Err(Reason::Unpacks));
}

#[test]
fn a_billion_laughs_are_not_told() {
    let body =
        "<!DOCTYPE x [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;\">]><w:p><w:t>&b;dry</w:t></w:p>";
    let document = zipped(&[("word/document.xml", body)]);
    assert_eq!(parts(&document).unwrap(), [part("document", "dry\n")]);
}

#[test]
fn an_encrypted_document_is_said_to_be() {
    let manifest = "<m:manifest><m:file-entry><m:encryption-data/></m:file-entry></m:manifest>";
    let document = zipped(&[
        ("mimetype", "x"),
        ("content.xml", "rubbish"),
        ("META-INF/manifest.xml", manifest),
    ]);
    assert_eq!(parts(&document), Err(Reason::Encrypted));
    for mut locked in [
        docx("<w:p><w:t>x</w:t></w:p>"),
        zipped(&[("a.txt", "a secret"), ("b.txt", "another")]),
    ] {
        // The flag of encryption, in the local and the central header of each entry.
        for (signature, flags) in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)] {
            let places: Vec<usize> = (0..locked.len() - 4)
                .filter(|at| locked[*at..].starts_with(signature))
                .collect();
            places.into_iter().for_each(|at| locked[at + flags] |= 1);
        }
        assert_eq!(parts(&locked), Err(Reason::Encrypted));
    }
}

fn all() -> Vec<Vec<u8>> {
    vec![
        docx("<w:p><w:t>some text</w:t></w:p>"),
        pdf(&["one page", "two pages"]),
        zipped(&[
            ("mimetype", "x"),
            ("content.xml", "<a><text:p>b</text:p></a>"),
        ]),
        b"<!doctype html><p>page".to_vec(),
        jpeg(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_mutated_document_has_an_end(
        which in 0usize..5,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut document = all().swap_remove(which);
        for (at, byte) in changes {
            let at = at.index(document.len());
            document[at] = byte;
        }
        if let Some(cut) = cut {
            document.truncate(cut.index(document.len()));
        }
        let last = frames(&document).pop();
        prop_assert!(matches!(last, Some(Frame::Done(_) | Frame::Failed(_))));
    }
}
