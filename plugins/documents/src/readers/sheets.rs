//! XLSX: each sheet is a part, each row a line, with a tab between two cells.

use plugin_api::Place;

use super::{
    Container,
    office::{inside, relations},
    xml::{Piece, visit},
};
use crate::output::{Output, ReadError};

/// Reads a workbook.
pub(super) fn read_xlsx(zip: &mut Container, output: &mut Output<'_>) -> Result<(), ReadError> {
    let shared = match zip.xml("xl/sharedStrings.xml")? {
        Some(text) => shared_strings(&text)?,
        None => Vec::new(),
    };
    for (name, file) in sheets(zip)? {
        if let Some(text) = zip.xml(&file)? {
            output.part(Place::Sheet(name))?;
            sheet(&text, &shared, output)?;
        }
    }
    Ok(())
}

/// Returns the names of the sheets and their files, in the order of the workbook.
fn sheets(zip: &mut Container) -> Result<Vec<(String, String)>, ReadError> {
    let targets = relations(zip, "xl/_rels/workbook.xml.rels")?;
    let mut sheets = Vec::new();
    visit(&zip.needed_xml("xl/workbook.xml")?, &mut |piece| {
        if let Piece::Open(element) = piece
            && element.name() == "sheet"
            && let Some(id) = element.attribute("r:id")
            && let Some((_, target)) = targets.iter().find(|(known, _)| *known == id)
        {
            let name = element.attribute("name").unwrap_or_default();
            sheets.push((name, inside("xl", target)));
        }
        Ok(())
    })?;
    Ok(sheets)
}

/// Returns the texts that cells name by number. How they are spoken is left out.
fn shared_strings(text: &str) -> Result<Vec<String>, ReadError> {
    let (mut strings, mut current) = (Vec::new(), String::new());
    let (mut in_text, mut spoken) = (false, 0_usize);
    visit(text, &mut |piece| {
        match piece {
            Piece::Open(element) => match element.name() {
                "t" => in_text = true,
                "rPh" => spoken += 1,
                _ => {}
            },
            Piece::Close("t") => in_text = false,
            Piece::Close("rPh") => spoken = spoken.saturating_sub(1),
            Piece::Close("si") => strings.push(std::mem::take(&mut current)),
            Piece::Text(text) if in_text && spoken == 0 => current.push_str(text),
            Piece::Close(_) | Piece::Text(_) => {}
        }
        Ok(())
    })?;
    Ok(strings)
}

/// Gives the rows of a sheet. Of a formula its value is given.
fn sheet(text: &str, shared: &[String], output: &mut Output<'_>) -> Result<(), ReadError> {
    let (mut is_shared, mut in_value, mut value, mut has_cell) =
        (false, false, String::new(), false);
    visit(text, &mut |piece| {
        match piece {
            Piece::Open(element) => match element.name() {
                "c" => {
                    is_shared = element.attribute("t").as_deref() == Some("s");
                    value.clear();
                }
                "v" | "t" => in_value = true,
                _ => {}
            },
            Piece::Text(text) if in_value => value.push_str(text),
            Piece::Close("v" | "t") => in_value = false,
            Piece::Close("c") => {
                let index = value.trim().parse().ok().filter(|_| is_shared);
                let text = index.and_then(|index: usize| shared.get(index));
                let text = text.map_or(value.as_str(), String::as_str);
                if !text.is_empty() {
                    if std::mem::replace(&mut has_cell, true) {
                        output.text("\t")?;
                    }
                    output.text(&text.replace('\n', " "))?;
                }
            }
            Piece::Close("row") => {
                has_cell = false;
                output.end_line()?;
            }
            Piece::Close(_) | Piece::Text(_) => {}
        }
        Ok(())
    })
}
