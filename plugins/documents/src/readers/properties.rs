//! Titles and authors of office files and books.

use super::{
    Container,
    xml::{Piece, visit},
};
use crate::output::{Output, ReadError};

/// The files that have them.
const FILES: [&str; 2] = ["docProps/core.xml", "meta.xml"];

/// Gives what a container says of its document.
pub(super) fn of_container(zip: &mut Container, output: &mut Output<'_>) -> Result<(), ReadError> {
    for name in FILES {
        if let Some(text) = zip.xml(name)? {
            of_text(&text, output)?;
        }
    }
    Ok(())
}

/// Gives the properties in the words of Dublin Core.
pub(super) fn of_text(text: &str, output: &mut Output<'_>) -> Result<(), ReadError> {
    let mut open: Option<&'static str> = None;
    let mut value = String::new();
    visit(text, &mut |piece| {
        match piece {
            Piece::Open(element) => {
                open = property(element.name());
                value.clear();
            }
            Piece::Text(text) if open.is_some() => value.push_str(text),
            Piece::Close(_) => {
                if let Some(name) = open.take() {
                    output.property(name, &value);
                }
            }
            Piece::Text(_) => {}
        }
        Ok(())
    })
}

fn property(element: &str) -> Option<&'static str> {
    Some(match element {
        "title" => "title",
        "creator" | "initial-creator" => "author",
        "subject" => "subject",
        "keywords" | "keyword" => "keywords",
        "description" => "description",
        _ => return None,
    })
}
