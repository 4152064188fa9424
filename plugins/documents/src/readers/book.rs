//! EPUB: each chapter in the order of the book.

use plugin_api::Place;

use super::{
    Container, html,
    office::inside,
    properties,
    xml::{Piece, decoded, visit},
};
use crate::{
    output::{Output, ReadError},
    reason::Reason,
};

/// Reads a book.
pub(super) fn read(zip: &mut Container, output: &mut Output<'_>) -> Result<(), ReadError> {
    if zip.has("META-INF/encryption.xml") && is_locked(zip)? {
        return Err(Reason::Encrypted.into());
    }
    let package = package(zip)?;
    let folder = package.rsplit_once('/').map_or("", |(folder, _)| folder);
    let listed = zip.needed_xml(&package)?;
    properties::of_text(&listed, output)?;
    for (number, file) in (1_u64..).zip(chapters(&listed)?) {
        let file = inside(folder, &file);
        let bytes = match zip.bytes(&file)? {
            Some(bytes) => bytes,
            None => match zip.bytes(&unescaped(&file))? {
                Some(bytes) => bytes,
                None => continue,
            },
        };
        let page = html::Page::of(&decoded(bytes));
        let title = page
            .title()
            .map_or_else(|| number.to_string(), str::to_owned);
        output.part(Place::Chapter(title))?;
        output.text(page.text())?;
    }
    Ok(())
}

/// Returns true if chapters are encrypted, and not only fonts.
fn is_locked(zip: &mut Container) -> Result<bool, ReadError> {
    let mut locked = false;
    visit(&zip.needed_xml("META-INF/encryption.xml")?, &mut |piece| {
        if let Piece::Open(element) = piece
            && element.name() == "CipherReference"
            && let Some(file) = element.attribute("URI")
        {
            let file = file.to_lowercase();
            locked |= [".xhtml", ".html", ".htm"]
                .iter()
                .any(|end| file.ends_with(end));
        }
        Ok(())
    })?;
    Ok(locked)
}

/// Returns the name of the file that lists the book.
fn package(zip: &mut Container) -> Result<String, ReadError> {
    let mut found = None;
    visit(&zip.needed_xml("META-INF/container.xml")?, &mut |piece| {
        if let Piece::Open(element) = piece
            && element.name() == "rootfile"
            && found.is_none()
        {
            found = element.attribute("full-path");
        }
        Ok(())
    })?;
    found.ok_or_else(|| Reason::Damaged.into())
}

/// Returns the files of the chapters, in their order.
fn chapters(package: &str) -> Result<Vec<String>, ReadError> {
    let (mut items, mut spine) = (Vec::new(), Vec::new());
    visit(package, &mut |piece| {
        if let Piece::Open(element) = piece {
            match element.name() {
                "item" => items.extend(element.attribute("id").zip(element.attribute("href"))),
                "itemref" => spine.extend(element.attribute("idref")),
                _ => {}
            }
        }
        Ok(())
    })?;
    let items: std::collections::HashMap<String, String> = items.into_iter().collect();
    Ok(spine
        .iter()
        .filter_map(|id| items.get(id).cloned())
        .collect())
}

/// Returns a name with its `%20`s resolved.
fn unescaped(name: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = name.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let (b'%', Some(byte)) = (first, byte) {
            bytes.push(byte);
            rest = &behind[2..];
        } else {
            bytes.push(*first);
            rest = behind;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
