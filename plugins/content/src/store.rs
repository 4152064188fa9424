//! The index on the disk: the words and trigrams of each file.
//!
//! Tantivy keeps the lists; this room says what is in them. A document is a
//! block of a file: name and version of the file, and the place of the block, stored; its
//! trigrams. The first one also has the words of the file, with how often they occur. The words
//! of a long file, and of one that grew, are in several documents. Binary files have a document
//! without words, so that they are not read again.
//!
//! # Invariants
//! - What was committed survives; a node that is killed loses what came after,
//!   and nothing else.
//! - [`Store::open`] has read every byte of the index: it is what was written, or
//!   it is removed and rebuilt. So is one that makes tantivy panic.
//! - The index is a hint. Each result is checked against the file before it is
//!   reported.

mod directory;
mod parted;
mod sealed;
mod search;
mod tokens;

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, DefaultHasher, Hash, Hasher},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Arc, OnceLock, atomic::AtomicBool},
};

use tantivy::{
    Directory, Index, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, Searcher,
    TantivyDocument, Term,
    index::SegmentComponent,
    indexer::{IndexWriterOptions, LogMergePolicy},
    schema::{
        Field, INDEXED, IndexRecordOption, STORED, Schema, TextFieldIndexing, TextOptions, Value,
    },
    store::Compressor,
};

use self::{
    directory::StoreDirectory,
    tokens::{InFlight, TrigramTokenizer, WordTokenizer},
};
pub(crate) use self::{
    parted::{Parted, WordScores},
    search::{AnyOf, Best, WantedWord, score_of},
};
use crate::{
    blocks::{Block, BlockText},
    limits::{BUSY_SEGMENTS_MAX, SEGMENTS_MAX, WRITER_MEMORY},
    trigrams::{CUT, NUL, PART},
};

/// A number that changes whenever the meaning of the written data changes.
const FORMAT: u64 = 4;

/// The file that says which format it is, and by which keys files are known.
const FORMAT_FILE: &str = "format";

/// Files of an index beside those of its segments.
const OUR_FILES: [&str; 5] = [
    FORMAT_FILE,
    "meta.json",
    ".managed.json",
    ".tantivy-meta.lock",
    ".tantivy-writer.lock",
];

/// Waits of half a second for room, enough for the slowest disk.
const WAITS_MAX: u32 = 60;

/// The error of an index that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// Tantivy says so.
    #[error("the index: {0}")]
    Index(#[from] tantivy::TantivyError),
    /// The disk says so.
    #[error("the index: {0}")]
    Disk(#[from] io::Error),
    /// A file of it is not as it was written.
    #[error("the index is damaged: {0}")]
    Damaged(String),
    /// Code of the index broke.
    #[error("the index broke while {0}")]
    Broke(&'static str),
    /// It takes no more text.
    #[error("the index takes no more text")]
    Stuck,
}

/// The fields of a document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields {
    key: Field,
    name: Field,
    version: Field,
    from: Field,
    length: Field,
    lines_before: Field,
    words: Field,
    trigrams: Field,
}

/// The text of a file, for the index.
#[derive(Debug, Default)]
pub(crate) struct FileText {
    /// Its name.
    pub(crate) name: String,
    /// The version of it that was read.
    pub(crate) version: u64,
    /// Its text, for words.
    pub(crate) text: String,
    /// Its blocks, or one that is all of it; none if this is only text.
    pub(crate) blocks: Vec<BlockText>,
    /// True if other documents have words of the file, too.
    pub(crate) is_part: bool,
    /// True if the file has more text than is in the index.
    pub(crate) is_cut: bool,
    /// True if it has a NUL, behind which it is not looked at.
    pub(crate) has_nul: bool,
}

/// The index, open for reading and writing.
pub(crate) struct Store {
    index: Index,
    /// Nothing while there is nothing to write: it takes much memory.
    writer: Option<IndexWriter>,
    /// True if small segments are merged.
    merges: bool,
    reader: IndexReader,
    fields: Fields,
    directory: StoreDirectory,
    in_flight: Arc<InFlight>,
    keys: Keys,
}

/// Makes keys of names. Others cannot make two names with the same one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keys(u64);

impl Keys {
    pub(crate) fn of(self, name: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.0, name).hash(&mut hasher);
        hasher.finish()
    }
}

impl Store {
    /// Opens the index in the directory `path`, or begins a new one. Says what
    /// was wrong with the one that was there. Nothing is written to it when
    /// `ending` is set.
    pub(crate) fn open(
        path: &Path,
        ending: &Arc<AtomicBool>,
    ) -> Result<(Store, Option<StoreError>), StoreError> {
        let wrong = match unbroken("it was opened", || Store::open_as_it_is(path, ending)) {
            Ok(store) => return Ok((store, None)),
            Err(wrong) => wrong,
        };
        make_empty(path)?;
        let store = unbroken("it was begun", || Store::open_as_it_is(path, ending))?;
        Ok((store, Some(wrong)))
    }

    /// Removes the index in the directory `path`.
    pub(crate) fn remove_all(path: &Path) -> io::Result<()> {
        make_empty(path)
    }

    fn open_as_it_is(path: &Path, ending: &Arc<AtomicBool>) -> Result<Store, StoreError> {
        make_directory(path)?;
        let directory = StoreDirectory::new(path, Arc::clone(ending));
        let (schema, fields) = schema();
        let (index, keys) = if Index::exists(&directory).map_err(tantivy::TantivyError::from)? {
            let index = Index::open(directory.clone())?;
            if index.schema() != schema {
                return Err(StoreError::Damaged("it has another schema".to_owned()));
            }
            verify(&index, &directory)?;
            let keys = read_format(&directory)?;
            (index, keys)
        } else {
            let keys = Keys(RandomState::new().build_hasher().finish());
            let format = [FORMAT.to_le_bytes(), keys.0.to_le_bytes()].concat();
            directory.atomic_write(Path::new(FORMAT_FILE), &format)?;
            (Index::create(directory.clone(), schema, settings())?, keys)
        };
        let in_flight = Arc::new(InFlight::default());
        let words = WordTokenizer(Arc::clone(&in_flight));
        index.tokenizers().register("words", words);
        index.tokenizers().register("trigrams", TrigramTokenizer);
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual);
        Ok(Store {
            writer: None,
            merges: false,
            reader: reader.try_into()?,
            index,
            fields,
            directory,
            in_flight,
            keys,
        })
    }

    pub(crate) fn keys(&self) -> Keys {
        self.keys
    }

    /// Returns the number of bytes on the disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.directory.bytes().unwrap_or(0)
    }

    /// Calls `visit` with name and version of each file that is in it.
    pub(crate) fn visit(&self, visit: &mut dyn FnMut(&str, u64)) -> Result<(), StoreError> {
        unbroken("its files were listed", || {
            for segment in self.reader.searcher().segment_readers() {
                let documents = segment.get_store_reader(1)?;
                for document in documents.iter::<TantivyDocument>(segment.alive_bitset()) {
                    let (name, version) = self.fields.stored(&document?)?;
                    visit(&name, version);
                }
            }
            Ok(())
        })
    }

    /// Adds a file, or a part of one. What is known of it before stays.
    pub(crate) fn add(&mut self, file: FileText) -> Result<(), StoreError> {
        let mut waited = 0;
        while !self.in_flight.enter(file.text.len()) {
            waited += 1;
            if waited > WAITS_MAX || self.directory.is_stopped() {
                return Err(StoreError::Stuck);
            }
        }
        let (key, fields) = (self.keys.of(&file.name), self.fields);
        let writer = self.writer()?;
        let mut text = Some(file.text);
        let blocks = if file.blocks.is_empty() {
            vec![BlockText::default()]
        } else {
            file.blocks
        };
        for BlockText {
            block,
            mut trigrams,
        } in blocks
        {
            let mut document = TantivyDocument::default();
            document.add_u64(fields.key, key);
            document.add_text(fields.name, &file.name);
            document.add_u64(fields.version, file.version);
            if let Some(block) = block {
                document.add_u64(fields.from, block.from);
                document.add_u64(fields.length, block.length);
                document.add_u64(fields.lines_before, block.lines_before);
            }
            if let Some(text) = text.take() {
                document.add_text(fields.words, text);
                let marks = [
                    (file.is_cut, CUT),
                    (file.is_part, PART),
                    (file.has_nul, NUL),
                ];
                for (_, mark) in marks.iter().filter(|(is_so, _)| *is_so) {
                    trigrams.insert_str(0, mark);
                }
            }
            document.add_text(fields.trigrams, trigrams);
            writer.add_document(document)?;
        }
        Ok(())
    }

    /// Removes the file with this key.
    pub(crate) fn remove(&mut self, key: u64) -> Result<(), StoreError> {
        let term = Term::from_field_u64(self.fields.key, key);
        self.writer()?.delete_term(term);
        Ok(())
    }

    /// Brings additions and removals to the disk, and lets them be found.
    pub(crate) fn commit(&mut self) -> Result<(), StoreError> {
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        unbroken("it was written", || {
            writer.commit()?;
            self.reader.reload()?;
            Ok(())
        })
    }

    /// Begins to merge small segments, unless it was begun already. Until then they are merged only when there are many:
    /// while files come one after the other, the same words would be merged again and again. All has to be committed.
    /// Returns whether it was begun now.
    pub(crate) fn begin_merges(&mut self) -> Result<bool, StoreError> {
        let Some(writer) = self.writer.as_mut().filter(|_| !self.merges) else {
            return Ok(false);
        };
        self.merges = true;
        writer.set_merge_policy(merges(SEGMENTS_MAX));
        self.commit()?;
        Ok(true)
    }

    /// Returns whether it holds memory to write with.
    pub(crate) fn is_writing(&self) -> bool {
        self.writer.is_some()
    }

    /// Gives back the memory with which it writes, until something is added or removed. All has to be committed.
    pub(crate) fn close_writer(&mut self) -> Result<(), StoreError> {
        match self.writer.take() {
            Some(writer) => unbroken("its merges were ended", || {
                writer.wait_merging_threads()?;
                self.reader.reload()?;
                Ok(())
            }),
            None => Ok(()),
        }
    }

    /// Returns a view of the last commit.
    pub(crate) fn view(&self) -> View {
        View {
            searcher: self.reader.searcher(),
            fields: self.fields,
            keys: self.keys,
            parted: Arc::default(),
        }
    }

    /// Returns the writer, which is opened if need be.
    fn writer(&mut self) -> Result<&IndexWriter, StoreError> {
        let writer = match self.writer.take() {
            Some(writer) => writer,
            None => unbroken("it was opened for writing", || writer(&self.index))?,
        };
        if std::mem::take(&mut self.merges) {
            writer.set_merge_policy(merges(BUSY_SEGMENTS_MAX));
        }
        Ok(self.writer.insert(writer))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.directory.stop();
        if let Some(writer) = self.writer.take() {
            // Its errors are those of work that is cut off here.
            let _ = catch_unwind(AssertUnwindSafe(|| writer.wait_merging_threads()));
        }
    }
}

/// The index at one time.
#[derive(Clone)]
pub(crate) struct View {
    searcher: Searcher,
    fields: Fields,
    keys: Keys,
    /// The files with several documents with words, once somebody asked for them.
    parted: Arc<OnceLock<Arc<Parted>>>,
}

impl Fields {
    /// Returns name and version of a document.
    fn stored(self, document: &TantivyDocument) -> Result<(String, u64), StoreError> {
        let name = document.get_first(self.name).and_then(|name| name.as_str());
        let version = document.get_first(self.version);
        let version = version.and_then(|version| version.as_u64());
        match (name, version) {
            (Some(name), Some(version)) => Ok((name.to_owned(), version)),
            _ => Err(StoreError::Damaged("a file has no name".to_owned())),
        }
    }

    /// Returns the block of a document, if it is not a whole file.
    fn block(self, document: &TantivyDocument) -> Option<Block> {
        let number = |field| document.get_first(field).and_then(|value| value.as_u64());
        Some(Block {
            from: number(self.from)?,
            length: number(self.length)?,
            lines_before: number(self.lines_before)?,
        })
    }
}

/// Runs code that must not take the node down with it.
pub(crate) fn unbroken<T>(
    what: &'static str,
    run: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or(Err(StoreError::Broke(what)))
}

fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    let indexed = |tokenizer: &str, record, norms| {
        let indexing = TextFieldIndexing::default()
            .set_tokenizer(tokenizer)
            .set_index_option(record)
            .set_fieldnorms(norms);
        TextOptions::default().set_indexing_options(indexing)
    };
    let words = indexed("words", IndexRecordOption::WithFreqs, true);
    let trigrams = indexed("trigrams", IndexRecordOption::Basic, false);
    let fields = Fields {
        key: schema.add_u64_field("key", INDEXED),
        name: schema.add_text_field("name", TextOptions::default() | STORED),
        version: schema.add_u64_field("version", STORED),
        from: schema.add_u64_field("from", STORED),
        length: schema.add_u64_field("length", STORED),
        lines_before: schema.add_u64_field("lines_before", STORED),
        words: schema.add_text_field("words", words),
        trigrams: schema.add_text_field("trigrams", trigrams),
    };
    (schema.build(), fields)
}

fn settings() -> IndexSettings {
    IndexSettings {
        docstore_compression: Compressor::None,
        docstore_compress_dedicated_thread: false,
        docstore_blocksize: 4 * 1024,
        ..IndexSettings::default()
    }
}

fn writer(index: &Index) -> Result<IndexWriter, StoreError> {
    let options = IndexWriterOptions::builder()
        .memory_budget_per_thread(WRITER_MEMORY)
        .num_worker_threads(1)
        .num_merge_threads(1)
        .build();
    let writer: IndexWriter = index.writer_with_options(options)?;
    writer.set_merge_policy(merges(BUSY_SEGMENTS_MAX));
    Ok(writer)
}

/// Returns the policy that merges segments of about the same size when there are so many.
fn merges(segments: usize) -> Box<LogMergePolicy> {
    let mut merges = LogMergePolicy::default();
    merges.set_min_num_segments(segments);
    merges.set_min_layer_size(1_000);
    merges.set_del_docs_ratio_before_merge(0.3);
    Box::new(merges)
}

/// The files of a segment.
const PARTS: [SegmentComponent; 7] = [
    SegmentComponent::Postings,
    SegmentComponent::Positions,
    SegmentComponent::FastFields,
    SegmentComponent::FieldNorms,
    SegmentComponent::Terms,
    SegmentComponent::Store,
    SegmentComponent::Delete,
];

/// Checks that all files of the index are as they were written.
fn verify(index: &Index, directory: &StoreDirectory) -> Result<(), StoreError> {
    for segment in index.searchable_segment_metas()? {
        for part in PARTS {
            let name = segment.relative_path(part);
            match directory.verify(&name) {
                // Not every segment has every kind of file.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(StoreError::Damaged(format!("{}: {error}", name.display())));
                }
                Ok(()) => {}
            }
        }
    }
    Ok(())
}

fn read_format(directory: &StoreDirectory) -> Result<Keys, StoreError> {
    let format = directory
        .atomic_read(Path::new(FORMAT_FILE))
        .map_err(tantivy::TantivyError::from)?;
    let number = |from: usize| {
        let bytes = format.get(from..from + 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    };
    match (number(0), number(8)) {
        (Some(FORMAT), Some(keys)) => Ok(Keys(keys)),
        _ => Err(StoreError::Damaged("it is of another version".to_owned())),
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "the directory is the node's own state"
)]
fn make_directory(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[allow(
    clippy::disallowed_methods,
    reason = "the directory is the node's own state"
)]
fn make_empty(path: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        // An index has no directories, and what somebody else put here is theirs.
        if entry.file_type()?.is_file() && entry.file_name().to_str().is_some_and(is_ours) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Returns true for the names of the files of an index: a few, and those of segments, which begin with an id of 32 hex
/// digits.
fn is_ours(name: &str) -> bool {
    let is_hex = |id: &str| id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let name = name.strip_suffix(".new").unwrap_or(name);
    match name.split_once('.') {
        Some((id, kind)) if id.len() == 32 && is_hex(id) => !kind.is_empty(),
        _ => OUR_FILES.contains(&name),
    }
}

#[cfg(test)]
mod tests;
