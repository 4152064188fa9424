//! Readers of documents. They run in a worker and nowhere else.
//!
//! # Invariants
//! - The kind of a document comes from its bytes, never from its name.
//! - What a document unpacks to is counted while it is unpacked, whatever it says of its size.

mod archive;
mod book;
mod encoded;
mod html;
mod music;
mod notebook;
mod office;
mod pdf;
mod picture;
mod properties;
mod rtf;
mod sheets;
mod unpack;
mod xml;

use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
};

pub(crate) use self::unpack::Container;
use crate::{
    kind::{self, Begins},
    limits::TEXT_MAX,
    output::{Kind, Output, ReadError},
    reason::Reason,
};

/// Reads a document. Returns its kind.
pub(crate) fn read(mut file: File, output: &mut Output<'_>) -> Result<Kind, ReadError> {
    let mut begin = vec![0; kind::BEGIN];
    let length = fill(&mut file, &mut begin)?;
    begin.truncate(length);
    file.seek(SeekFrom::Start(0))?;
    let Some(begins) = kind::of(&begin) else {
        return Err(Reason::Damaged.into());
    };
    match begins {
        Begins::Zip => in_container(Container::open(BufReader::new(file))?, output)?,
        Begins::Pdf => pdf::read(file, output)?,
        Begins::Picture => picture::read(file, output)?,
        Begins::Music => music::read(file, output)?,
        Begins::Utf16(order) => encoded::read_utf16(&whole(file)?, order, output)?,
        Begins::Rtf => rtf::read(&whole(file)?, output)?,
        Begins::Notebook => notebook::read(&whole(file)?, output)?,
        Begins::Legacy => encoded::read_legacy(&whole(file)?, output)?,
        Begins::Html => return html::read(&whole(file)?, output),
    }
    Ok(match begins {
        Begins::Picture | Begins::Music => Kind::Media,
        begins if begins.is_text() => Kind::Text,
        _ => Kind::Document,
    })
}

fn in_container(mut zip: Container, output: &mut Output<'_>) -> Result<(), ReadError> {
    if zip.has("word/document.xml") {
        office::read_docx(&mut zip, output)
    } else if zip.has("xl/workbook.xml") {
        sheets::read_xlsx(&mut zip, output)
    } else if zip.has("ppt/presentation.xml") {
        office::read_pptx(&mut zip, output)
    } else if zip.has("META-INF/container.xml") {
        book::read(&mut zip, output)
    } else if zip.has("content.xml") && zip.has("mimetype") {
        office::read_odf(&mut zip, output)
    } else {
        return archive::read(&mut zip, output);
    }?;
    properties::of_container(&mut zip, output)
}

/// Returns all bytes of a file that is a text, within the limit of texts.
fn whole(mut file: File) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    let read = (&mut file).take(TEXT_MAX + 1).read_to_end(&mut bytes)?;
    if read as u64 > TEXT_MAX {
        return Err(Reason::Text.into());
    }
    Ok(bytes)
}

/// Reads until the buffer is full or the file is at its end.
fn fill(file: &mut File, buffer: &mut [u8]) -> Result<usize, ReadError> {
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..])? {
            0 => break,
            read => length += read,
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests;
