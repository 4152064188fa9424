//! PDF, page by page.

use std::{
    fs::File,
    io::Read,
    panic::{AssertUnwindSafe, catch_unwind},
};

use pdf_extract::{Document, PlainTextOutput, output_doc_page};
use plugin_api::Place;

use crate::{
    limits::DOCUMENT_MAX,
    output::{Output, ReadError, joined},
    reason::Reason,
};

/// Reads a PDF. A page that its reader cannot read is left out; if it can read none, the document is damaged.
pub(super) fn read(mut file: File, output: &mut Output<'_>) -> Result<(), ReadError> {
    let mut bytes = Vec::new();
    (&mut file).take(DOCUMENT_MAX).read_to_end(&mut bytes)?;
    let mut document = unbroken(|| Document::load_mem(&bytes).ok())?;
    drop(bytes);
    // Many are locked with no password at all, only to forbid copies.
    if document.is_encrypted() && document.decrypt("").is_err() {
        return Err(Reason::Encrypted.into());
    }
    let pages: Vec<u32> = document.get_pages().into_keys().collect();
    let mut failed = 0;
    for page in &pages {
        let text = unbroken(|| {
            let mut text = String::new();
            let mut plain = PlainTextOutput::new(&mut text);
            output_doc_page(&document, &mut plain, *page).ok()?;
            Some(text)
        });
        let Ok(text) = text else {
            failed += 1;
            continue;
        };
        output.part(Place::Page(u64::from(*page)))?;
        for line in joined(&text).lines().filter(|line| !line.is_empty()) {
            output.text(line)?;
            output.end_line()?;
        }
    }
    output.property("pages", &pages.len().to_string());
    for (name, value) in information(&document) {
        output.property(name, &value);
    }
    if failed > 0 && failed == pages.len() {
        return Err(Reason::Damaged.into());
    }
    Ok(())
}

/// Returns title and author, if the document says them.
fn information(document: &Document) -> Vec<(&'static str, String)> {
    let read = || {
        let (_, information) = document
            .dereference(document.trailer.get(b"Info").ok()?)
            .ok()?;
        let information = information.as_dict().ok()?;
        let keys = [
            (&b"Title"[..], "title"),
            (b"Author", "author"),
            (b"Subject", "subject"),
            (b"Keywords", "keywords"),
        ];
        let said = keys.into_iter().filter_map(|(key, name)| {
            let (_, value) = document.dereference(information.get(key).ok()?).ok()?;
            Some((name, decoded(value.as_str().ok()?)))
        });
        Some(said.collect())
    };
    unbroken(read).unwrap_or_default()
}

/// Returns a text of a PDF: UTF-16 with a mark, or about Latin-1.
fn decoded(bytes: &[u8]) -> String {
    match bytes.strip_prefix(&[0xfe, 0xff]) {
        Some(bytes) => encoding_rs::UTF_16BE
            .decode_without_bom_handling(bytes)
            .0
            .into_owned(),
        None => encoding_rs::WINDOWS_1252
            .decode_without_bom_handling(bytes)
            .0
            .into_owned(),
    }
}

/// Runs code that panics at some documents. It runs in a worker, which has nothing that it could leave half done.
fn unbroken<T>(read: impl FnOnce() -> Option<T>) -> Result<T, ReadError> {
    let read = catch_unwind(AssertUnwindSafe(read));
    read.ok().flatten().ok_or_else(|| Reason::Damaged.into())
}
