//! Reading a file into the index: its words, in parts if it is long, and its blocks.

use std::io;

use plugin_api::FileInfo;

use super::Indexing;
use crate::{
    blocks::BlockText,
    growing::{self, Appended, Indexed},
    limits::{TEXT_MAX, WORDS_MAX},
    source::{self, FileBytes},
    store::{FileText, Store, StoreError},
};

/// The kind of a file, as far as it was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Seen {
    Text,
    TextWithNul,
    Binary,
}

/// The words of a file on their way into the index.
struct WordParts<'s> {
    store: &'s mut Store,
    name: &'s str,
    version: u64,
    /// Text that is not in the index yet.
    text: Vec<u8>,
    /// Bytes that are.
    before: u64,
    /// True if the file has other documents with words.
    is_part: bool,
    /// True if the text has words that are left out.
    is_cut: bool,
    /// True if the text has a NUL.
    has_nul: bool,
}

impl Indexing<'_> {
    /// Reads a file into the index. Returns the number of bytes that were taken.
    ///
    /// # Errors
    /// Errors if the index cannot be written. The other error is that of the file.
    pub(super) fn read(&mut self, file: &FileInfo) -> Result<io::Result<u64>, StoreError> {
        let shared = self.shared;
        let stopped = || shared.is_stopped();
        let files = shared.files.as_ref();
        let source = FileBytes::new(files, self.reader.as_mut(), file, &stopped);
        let mut source = source.hashed(growing::hasher());
        let mut words = WordParts::new(&mut self.store, file, 0);
        let blocks = &mut self.blocks;
        blocks.begin(file.size);
        let (mut seen, mut failed) = (Seen::Text, None);
        let read = source::read_text(&mut source, &mut |piece| {
            if seen == Seen::Text {
                let nul = memchr::memchr(0, piece);
                let before = &piece[..nul.unwrap_or(piece.len())];
                blocks.add(before);
                if nul.is_some() {
                    seen = words.kind_with_nul(before);
                }
            }
            if seen == Seen::Binary {
                return false;
            }
            failed = words.push(piece).err();
            failed.is_none() && (seen == Seen::Text || !words.is_cut)
        });
        // The bytes of a text with a mark are others than those that were read.
        let is_plain = seen == Seen::Text && !source::has_mark(source.ends().1);
        let blocks = blocks.finish(is_plain);
        if let Some(error) = failed {
            return Err(error);
        }
        if let Err(error) = read {
            return Ok(Err(error));
        }
        let indexed = Indexed::of(&source).filter(|_| seen == Seen::Text);
        match seen {
            Seen::Text => {}
            // A search with a pattern has to report that it was given up.
            Seen::TextWithNul => words.has_nul = true,
            // What stands before the first NUL can be grepped; it has no words.
            Seen::Binary => words.text.clear(),
        }
        let taken = words.finish(blocks)?;
        self.batch.indexed.push((file.name.clone(), indexed));
        Ok(Ok(taken))
    }

    /// Adds what was appended to a file.
    ///
    /// # Errors
    /// Errors if the index cannot be written.
    pub(super) fn add_appended(
        &mut self,
        file: &FileInfo,
        before: &Indexed,
        appended: Appended,
    ) -> Result<(), StoreError> {
        let Appended { text, blocks, now } = appended;
        let mut words = WordParts::new(&mut self.store, file, before.size());
        words.is_part = true;
        for piece in text.chunks(TEXT_MAX) {
            words.push(piece)?;
        }
        words.finish(blocks)?;
        self.batch_bytes += now.more_than(before);
        self.batch.indexed.push((file.name.clone(), Some(now)));
        Ok(())
    }
}

impl<'s> WordParts<'s> {
    /// Begins with the words behind the byte `before`.
    fn new(store: &'s mut Store, file: &'s FileInfo, before: u64) -> WordParts<'s> {
        let most = |size: usize| size.min(TEXT_MAX);
        WordParts {
            store,
            name: &file.name,
            version: file.version,
            text: Vec::with_capacity(
                usize::try_from(file.size.saturating_sub(before)).map_or(TEXT_MAX, most),
            ),
            before,
            is_part: false,
            is_cut: false,
            has_nul: false,
        }
    }

    /// Returns the kind of a file that has a NUL behind the text so far and `before`.
    fn kind_with_nul(&mut self, before: &[u8]) -> Seen {
        let length = self.text.len();
        self.text.extend_from_slice(before);
        let is_text = self.is_part || source::is_text_before(&self.text);
        self.text.truncate(length);
        if is_text {
            Seen::TextWithNul
        } else {
            Seen::Binary
        }
    }

    /// Adds the next bytes of the text.
    fn push(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if self.before + self.text.len() as u64 >= WORDS_MAX {
            self.is_cut = true;
            return Ok(());
        }
        self.text.extend_from_slice(bytes);
        if self.text.len() < TEXT_MAX {
            return Ok(());
        }
        let rest = self.text.split_off(end_of_part(&self.text));
        let part = std::mem::replace(&mut self.text, rest);
        self.before += part.len() as u64;
        self.is_part = true;
        let part = self.document(part, Vec::new());
        self.store.add(part)
    }

    /// Adds what is left, with the blocks of the text. Returns the number of bytes before its end.
    fn finish(mut self, blocks: Vec<BlockText>) -> Result<u64, StoreError> {
        let text = std::mem::take(&mut self.text);
        let taken = self.before + text.len() as u64;
        let last = self.document(text, blocks);
        self.store.add(last)?;
        Ok(taken)
    }

    fn document(&self, text: Vec<u8>, blocks: Vec<BlockText>) -> FileText {
        FileText {
            name: self.name.to_owned(),
            version: self.version,
            text: source::into_text(text),
            blocks,
            is_part: self.is_part,
            is_cut: self.is_cut,
            has_nul: self.has_nul,
        }
    }
}

/// Returns the end of the last line of a part of a text; if it has none, that of a word or letter.
fn end_of_part(text: &[u8]) -> usize {
    let line = memchr::memrchr(b'\n', text);
    let sign = |byte: &u8| byte.is_ascii() && !byte.is_ascii_alphanumeric();
    let end = line.or_else(|| text.iter().rposition(sign));
    let letter = || text.iter().rposition(|byte| byte & 0xc0 != 0x80);
    end.map_or_else(|| letter().unwrap_or(text.len()), |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_ends_with_a_line_a_word_or_a_letter() {
        for (text, part) in [
            ("one\ntwo thr", "one\n"),
            ("one two thr", "one two "),
            ("漢字", "漢"),
        ] {
            assert_eq!(&text[..end_of_part(text.as_bytes())], part);
        }
        assert_eq!(end_of_part("漢字".as_bytes().split_last().unwrap().1), 3);
    }
}
