//! DOCX, PPTX, and the formats of OpenDocument.

use plugin_api::Place;

use super::{
    Container,
    xml::{Element, Piece, visit},
};
use crate::{
    output::{Output, ReadError},
    reason::Reason,
};

/// The parts of a DOCX beside its body, by the beginnings of their names, and how they are called.
const DOCX_PARTS: [(&str, &str); 5] = [
    ("word/header", "header"),
    ("word/footer", "footer"),
    ("word/footnotes", "footnotes"),
    ("word/endnotes", "endnotes"),
    ("word/comments", "comments"),
];

/// Reads a DOCX: its body, then headers, notes and comments.
pub(super) fn read_docx(zip: &mut Container, output: &mut Output<'_>) -> Result<(), ReadError> {
    output.part(Place::Part("document".to_owned()))?;
    ooxml(&zip.needed_xml("word/document.xml")?, output)?;
    let mut others = zip.names();
    others.sort();
    for name in others {
        let known = DOCX_PARTS.iter().find(|(begin, _)| name.starts_with(begin));
        if let Some((begin, part)) = known
            && is_numbered(&name, begin)
            && let Some(text) = zip.xml(&name)?
        {
            output.part(Place::Part((*part).to_owned()))?;
            ooxml(&text, output)?;
        }
    }
    Ok(())
}

/// Reads a PPTX: each slide with its notes is a page.
pub(super) fn read_pptx(zip: &mut Container, output: &mut Output<'_>) -> Result<(), ReadError> {
    let slides = slides(zip)?;
    for (page, slide) in (1..).zip(slides) {
        let Some(text) = zip.xml(&slide)? else {
            continue;
        };
        output.part(Place::Page(page))?;
        ooxml(&text, output)?;
        if let Some(notes) = notes_of(zip, &slide)?
            && let Some(text) = zip.xml(&notes)?
        {
            output.end_line()?;
            ooxml(&text, output)?;
        }
    }
    Ok(())
}

/// Returns the slides in the order of the presentation.
fn slides(zip: &mut Container) -> Result<Vec<String>, ReadError> {
    let targets = relations(zip, "ppt/_rels/presentation.xml.rels")?;
    let mut slides = Vec::new();
    visit(&zip.needed_xml("ppt/presentation.xml")?, &mut |piece| {
        if let Piece::Open(element) = piece
            && element.name() == "sldId"
            && let Some(id) = element.attribute("r:id")
            && let Some((_, target)) = targets.iter().find(|(known, _)| *known == id)
        {
            slides.push(inside("ppt", target));
        }
        Ok(())
    })?;
    Ok(slides)
}

/// Returns the notes of a slide.
fn notes_of(zip: &mut Container, slide: &str) -> Result<Option<String>, ReadError> {
    let Some((folder, name)) = slide.rsplit_once('/') else {
        return Ok(None);
    };
    let targets = relations(zip, &format!("{folder}/_rels/{name}.rels"))?;
    let mut targets = targets.into_iter().map(|(_, target)| target);
    let notes = targets.find(|target| target.contains("notesSlide"));
    Ok(notes.map(|target| inside(folder, &target)))
}

/// Returns the ids and targets of a file of relations; none if it is not there.
pub(super) fn relations(
    zip: &mut Container,
    name: &str,
) -> Result<Vec<(String, String)>, ReadError> {
    let mut all = Vec::new();
    let Some(text) = zip.xml(name)? else {
        return Ok(all);
    };
    visit(&text, &mut |piece| {
        if let Piece::Open(element) = piece
            && element.name() == "Relationship"
            && let Some(id) = element.attribute("Id")
            && let Some(target) = element.attribute("Target")
        {
            all.push((id, target));
        }
        Ok(())
    })?;
    Ok(all)
}

/// Returns the name of an entry that is named from a folder.
pub(super) fn inside(folder: &str, target: &str) -> String {
    if let Some(whole) = target.strip_prefix('/') {
        return whole.to_owned();
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Returns true if nothing but a number stands between the begin of a name and `.xml`.
fn is_numbered(name: &str, begin: &str) -> bool {
    let number = name
        .strip_prefix(begin)
        .and_then(|rest| rest.strip_suffix(".xml"));
    number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Gives the text of OOXML: `t` has text, `p` is a paragraph, `tc` a cell. What was deleted is in `delText`.
fn ooxml(text: &str, output: &mut Output<'_>) -> Result<(), ReadError> {
    let mut in_text = 0_usize;
    visit(text, &mut |piece| match piece {
        Piece::Open(element) => {
            match element.name() {
                "t" => in_text += 1,
                "tab" => output.text("\t")?,
                "br" | "cr" => output.text("\n")?,
                _ => {}
            }
            Ok(())
        }
        Piece::Text(text) if in_text > 0 => output.text(text),
        Piece::Close("t") => {
            in_text = in_text.saturating_sub(1);
            Ok(())
        }
        Piece::Close("p") => output.end_line(),
        Piece::Text(_) | Piece::Close(_) => Ok(()),
    })
}

/// Reads a text, a presentation or a table of OpenDocument.
pub(super) fn read_odf(zip: &mut Container, output: &mut Output<'_>) -> Result<(), ReadError> {
    if let Some(manifest) = zip.xml("META-INF/manifest.xml")? {
        visit(&manifest, &mut |piece| match piece {
            Piece::Open(element) if element.name() == "encryption-data" => {
                Err(Reason::Encrypted.into())
            }
            _ => Ok(()),
        })?;
    }
    let mut odf = Odf::default();
    let content = zip.needed_xml("content.xml")?;
    visit(&content, &mut |piece| odf.piece(&piece, output))
}

/// What is known on the way through a text of OpenDocument.
#[derive(Default)]
struct Odf {
    has_part: bool,
    pages: u64,
    /// Paragraphs that are open.
    paragraphs: usize,
    /// True if a cell of this row was given.
    has_cell: bool,
    /// Changes and styles are left out.
    left_out: usize,
    is_table: bool,
}

impl Odf {
    fn piece(&mut self, piece: &Piece<'_>, output: &mut Output<'_>) -> Result<(), ReadError> {
        match piece {
            Piece::Open(element) => self.open(element, output),
            Piece::Close("tracked-changes" | "automatic-styles") => {
                self.left_out = self.left_out.saturating_sub(1);
                Ok(())
            }
            Piece::Close("p" | "h") => {
                self.paragraphs = self.paragraphs.saturating_sub(1);
                match self.is_table {
                    true => output.text(" "),
                    false => output.end_line(),
                }
            }
            Piece::Close("table-row") => {
                self.has_cell = false;
                output.end_line()
            }
            Piece::Text(text) if self.paragraphs > 0 && self.left_out == 0 => output.text(text),
            Piece::Close(_) | Piece::Text(_) => Ok(()),
        }
    }

    fn open(&mut self, element: &Element<'_>, output: &mut Output<'_>) -> Result<(), ReadError> {
        match element.name() {
            "tracked-changes" | "automatic-styles" => self.left_out += 1,
            "spreadsheet" => self.is_table = true,
            "table" if self.is_table => {
                let name = element.attribute("table:name").unwrap_or_default();
                self.has_part = true;
                output.part(Place::Sheet(name))?;
            }
            "page" => {
                self.has_part = true;
                self.pages += 1;
                output.part(Place::Page(self.pages))?;
            }
            "table-cell" if self.is_table && std::mem::replace(&mut self.has_cell, true) => {
                output.text("\t")?;
            }
            "p" | "h" => {
                self.paragraphs += 1;
                if !std::mem::replace(&mut self.has_part, true) {
                    output.part(Place::Part("document".to_owned()))?;
                }
            }
            "s" => output.text(" ")?,
            "tab" => output.text("\t")?,
            "line-break" => output.text("\n")?,
            _ => {}
        }
        Ok(())
    }
}
