//! All files at one moment, in order of their names.
//!
//! # Invariants
//! - A view never changes. A new one shares all chunks with the old one but
//!   those that hold a change.
//! - Files are in order of their names, byte by byte; no name is there twice;
//!   no chunk is empty or longer than [`CHUNK_MAX`].

use std::{cmp::Ordering, sync::Arc};

use memchr::memmem::Finder;
use plugin_api::{FileInfo, Flow};

use super::{
    chunk::{CHUNK_MAX, Chunk, ChunkBuilder, File, Marks, Meta},
    marking,
};

/// A chunk with fewer files takes in the next one when it is rebuilt.
const CHUNK_MIN: usize = CHUNK_MAX / 8;

/// Files that do not fit into one chunk are cut into pieces of this length, so that a
/// few more files fit into each.
const CHUNK_NEW: usize = CHUNK_MAX / 4 * 3;

/// Chunks from which on two threads look through their names, if all names are read.
const SHARED_FROM: usize = 64;

/// A name and its file now; nothing if it is gone.
pub(crate) type Change = (String, Option<Meta>);

/// All files at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    chunks: Vec<Arc<Chunk>>,
    count: usize,
}

/// The kind of a change, with the metadata of the file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Was {
    /// Not there before.
    Added(Meta),
    /// There before, with other bytes maybe.
    Changed {
        /// Its metadata before.
        before: Meta,
        /// Its metadata now.
        now: Meta,
    },
    /// There before, and is not any more.
    Removed(Meta),
}

impl Was {
    /// Returns the number on its disk of the file that it is about.
    pub(crate) fn inode(&self) -> u64 {
        match self {
            Was::Added(meta) | Was::Changed { now: meta, .. } | Was::Removed(meta) => {
                meta.stamp.inode
            }
        }
    }
}

impl View {
    /// Returns the view of these chunks, which are in order.
    pub(super) fn of_chunks(chunks: Vec<Arc<Chunk>>) -> View {
        let count = chunks.iter().map(|chunk| chunk.len()).sum();
        View { chunks, count }
    }

    /// Returns the number of files.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn chunks(&self) -> &[Arc<Chunk>] {
        &self.chunks
    }

    /// Returns the file `name`.
    pub(crate) fn get(&self, name: &str) -> Option<Meta> {
        let found = self.from(name).next()?;
        (found.cmp_name(name) == Ordering::Equal).then_some(found.meta)
    }

    /// Returns the files from the name `from` on.
    pub(crate) fn from(&self, from: &str) -> impl Iterator<Item = File<'_>> {
        let (first, skipped) = self.place(from);
        let chunks = self.chunks[first..].iter().enumerate();
        chunks.flat_map(move |(number, chunk)| {
            let skipped = if number == 0 { skipped } else { 0 };
            (skipped..chunk.len()).map(move |at| chunk.file(at))
        })
    }

    /// Returns the chunk and the place in it where `name` is or would be.
    fn place(&self, name: &str) -> (usize, usize) {
        let chunk = self.chunk_of(name);
        let place = self.chunks.get(chunk).map_or(0, |found| found.before(name));
        (chunk, place)
    }

    /// Returns the chunk in which `name` is or would be.
    fn chunk_of(&self, name: &str) -> usize {
        let begins_before = |chunk: &Arc<Chunk>| chunk.file(0).cmp_name(name) != Ordering::Greater;
        self.chunks.partition_point(begins_before).saturating_sub(1)
    }

    /// Returns the files whose names begin with `prefix`.
    pub(crate) fn below<'v>(&'v self, prefix: &'v str) -> impl Iterator<Item = File<'v>> {
        self.from(prefix)
            .take_while(move |file| has_prefix(file, prefix))
    }

    /// Returns the files of the directory `directory`, not those further below.
    pub(crate) fn directly_in(&self, directory: &str) -> Vec<(String, Meta)> {
        let mut files = Vec::new();
        let mut from = directory.to_owned();
        loop {
            let mut further = None;
            for file in self.from(&from) {
                if !file.directory.starts_with(directory) {
                    break;
                }
                if file.directory.len() == directory.len() {
                    files.push((file.last.to_owned(), file.meta));
                    continue;
                }
                further = file.directory[directory.len()..].split('/').next();
                break;
            }
            let Some(further) = further else {
                return files;
            };
            // `0` comes behind `/`: the first name behind that directory.
            from = format!("{directory}{further}0");
        }
    }

    /// Calls `visit` with each file that begins with `prefix` and, in lower
    /// case, has one of `texts`; with all of them if there are no texts.
    pub(crate) fn search<'v>(
        &'v self,
        prefix: &str,
        texts: &[String],
        visit: &mut dyn FnMut(File<'v>) -> Flow,
    ) {
        let needles: Vec<Needle<'_>> = texts.iter().map(|text| Needle::of(text)).collect();
        let (first, skipped) = self.place(prefix);
        let chunks = &self.chunks[first.min(self.chunks.len())..];
        let mut run = |marks: &marking::MarksOf<'_>| {
            visit_chunks(chunks, skipped, (prefix, texts), &needles, marks, visit);
        };
        let mark = |chunk: usize| marked(&chunks[chunk], &needles);
        let are_read = needles.iter().any(Needle::is_short);
        let is_many = chunks.len() >= SHARED_FROM && are_read;
        marking::shared(chunks.len(), is_many, &mark, &mut run);
    }

    /// Calls `visit` with each word of the names that is not ASCII and has `text`, which is
    /// folded, in it when it is folded, until it stops. A word may come more than once.
    pub(crate) fn folded_words(&self, text: &str, visit: &mut dyn FnMut(&str) -> Flow) {
        let finder = Finder::new(text);
        for chunk in &self.chunks {
            if chunk.visit_folded(&finder, visit) == Flow::Stop {
                return;
            }
        }
    }

    /// Calls `visit` with each file that has one of `words` in its name, in lower case,
    /// and maybe others, until it stops.
    pub(crate) fn with_words<'v>(
        &'v self,
        words: &[String],
        visit: &mut dyn FnMut(File<'v>) -> Flow,
    ) {
        for chunk in &self.chunks {
            let mut marks = Marks::none();
            for word in words.iter().filter(|word| chunk.may_have(word)) {
                chunk.mark(&Finder::new(word.as_bytes()), &mut marks);
            }
            let mut each = |at: usize| visit(chunk.file(at));
            if until_stop(marks.iter(), &mut each) == Flow::Stop {
                return;
            }
        }
    }

    /// Returns the view after `changes`, which are in order of their names, and what
    /// they were; nothing of that unless it `tells`.
    pub(crate) fn after(&self, changes: &[Change], tells: bool) -> (View, Vec<(String, Was)>) {
        let mut making = Making {
            chunks: Vec::with_capacity(self.chunks.len() + 1),
            builder: ChunkBuilder::default(),
            most: CHUNK_NEW,
            tells,
            was: Vec::new(),
        };
        let mut left = changes;
        let mut next = 0;
        while next < self.chunks.len() || !left.is_empty() {
            // The changes of the next chunk: those before the one behind it.
            let behind = self.chunks.get(next + 1);
            let count = behind.map_or(left.len(), |behind| {
                let begins = behind.file(0);
                left.partition_point(|(name, _)| begins.cmp_name(name) == Ordering::Greater)
            });
            let (now, later) = left.split_at(count);
            left = later;
            match self.chunks.get(next) {
                Some(chunk) if now.is_empty() && !making.takes_in() => making.keep(chunk),
                Some(chunk) => making.merge(chunk, now),
                None => making.add(now),
            }
            next += 1;
        }
        making.close();
        (View::of_chunks(making.chunks), making.was)
    }
}

/// Calls `visit` with the files of `chunks` from the place `skipped` on that fit, until it stops.
fn visit_chunks<'v>(
    chunks: &'v [Arc<Chunk>],
    mut skipped: usize,
    (prefix, texts): (&str, &[String]),
    needles: &[Needle<'_>],
    marks: &dyn Fn(usize) -> Marks,
    visit: &mut dyn FnMut(File<'v>) -> Flow,
) {
    let mut lower = String::new();
    for (number, chunk) in chunks.iter().enumerate() {
        let mut each = |at: usize| {
            let file = chunk.file(at);
            if has_prefix(&file, prefix) {
                visit(file)
            } else {
                Flow::Stop
            }
        };
        let from = std::mem::take(&mut skipped);
        if from < chunk.len() && !has_prefix(&chunk.file(from), prefix) {
            return;
        }
        let flow = if texts.is_empty() {
            until_stop(from..chunk.len(), &mut each)
        } else {
            let marks = marks(number);
            let marked = marks.iter().filter(|at| *at >= from);
            let sure = needles.iter().all(|needle| needle.is_whole);
            let marked = marked.filter(|at| sure || has_one(chunk, *at, texts, &mut lower));
            until_stop(marked, &mut each)
        };
        if flow == Flow::Stop {
            return;
        }
    }
}

/// Returns the files of a chunk whose names have one of the texts, or a part of one.
fn marked(chunk: &Chunk, needles: &[Needle<'_>]) -> Marks {
    let mut marks = Marks::none();
    for needle in needles.iter().filter(|needle| needle.is_lower) {
        chunk.mark(&needle.finder, &mut marks);
    }
    marks
}

/// A text that is looked for.
struct Needle<'t> {
    finder: Finder<'t>,
    /// True if a file that is found has the text; else it has a part of it.
    is_whole: bool,
    /// True if it is in lower case; no name in lower case has another text.
    is_lower: bool,
}

impl<'t> Needle<'t> {
    fn of(text: &'t str) -> Needle<'t> {
        // Names are kept in two parts; a match across them is checked against both.
        let part = text.split('/').max_by_key(|part| part.len());
        let part = part.unwrap_or(text);
        Needle {
            finder: Finder::new(part.as_bytes()),
            is_whole: part.len() == text.len(),
            is_lower: !text.chars().any(char::is_uppercase),
        }
    }
}

impl Needle<'_> {
    /// Returns true if so short a text is looked for in all names.
    fn is_short(&self) -> bool {
        self.finder.needle().len() < 3
    }
}

/// Returns true if the name of a file, in lower case, has one of `texts`.
fn has_one(chunk: &Chunk, at: usize, texts: &[String], name: &mut String) -> bool {
    chunk.file(at).write_name(name);
    let lower = name.to_lowercase();
    texts.iter().any(|text| lower.contains(text.as_str()))
}

fn until_stop(places: impl Iterator<Item = usize>, each: &mut dyn FnMut(usize) -> Flow) -> Flow {
    for at in places {
        if each(at) == Flow::Stop {
            return Flow::Stop;
        }
    }
    Flow::Continue
}

fn has_prefix(file: &File<'_>, prefix: &str) -> bool {
    let split = prefix.len().min(file.directory.len());
    let (first, rest) = prefix.as_bytes().split_at(split);
    file.directory.as_bytes().starts_with(first) && file.last.as_bytes().starts_with(rest)
}

/// A view that is being made.
struct Making {
    chunks: Vec<Arc<Chunk>>,
    builder: ChunkBuilder,
    /// Most files of the chunk that is being made.
    most: usize,
    /// True if somebody wants to know what the changes were.
    tells: bool,
    was: Vec<(String, Was)>,
}

impl Making {
    /// Returns true if the next chunk goes into the one that is being made, which is
    /// short.
    fn takes_in(&self) -> bool {
        (1..CHUNK_MIN).contains(&self.builder.len())
    }

    fn keep(&mut self, chunk: &Arc<Chunk>) {
        self.close();
        self.chunks.push(Arc::clone(chunk));
    }

    fn close(&mut self) {
        self.chunks.extend(self.builder.finish());
    }

    fn merge(&mut self, chunk: &Chunk, changes: &[Change]) {
        let mut changes = changes;
        let together = self.builder.len() + chunk.len() + changes.len();
        self.most = if together > CHUNK_MAX {
            CHUNK_NEW
        } else {
            CHUNK_MAX
        };
        for file in chunk.files() {
            let before = changes.iter();
            let before = before.take_while(|(name, _)| file.cmp_name(name) == Ordering::Greater);
            let (now, rest) = changes.split_at(before.count());
            self.add(now);
            changes = rest;
            match changes.split_first() {
                Some(((name, meta), rest)) if file.cmp_name(name) == Ordering::Equal => {
                    self.replace(&file, name, *meta);
                    changes = rest;
                }
                _ => self.push(&file),
            }
        }
        self.add(changes);
    }

    /// Adds files that were not there.
    fn add(&mut self, changes: &[Change]) {
        for (name, meta) in changes {
            if let Some(meta) = *meta {
                self.tell(name, Was::Added(meta));
                self.push(&of_name(name, meta));
            }
        }
    }

    fn replace(&mut self, old: &File<'_>, name: &str, meta: Option<Meta>) {
        match meta {
            None => self.tell(name, Was::Removed(old.meta)),
            Some(meta) => {
                if meta.stamp != old.meta.stamp {
                    let (before, now) = (old.meta, meta);
                    self.tell(name, Was::Changed { before, now });
                }
                self.push(&File { meta, ..*old });
            }
        }
    }

    fn tell(&mut self, name: &str, was: Was) {
        if self.tells {
            self.was.push((name.to_owned(), was));
        }
    }

    fn push(&mut self, file: &File<'_>) {
        if self.builder.len() >= self.most {
            self.close();
        }
        self.builder.push(file);
    }
}

/// Returns the file `name`.
pub(super) fn of_name(name: &str, meta: Meta) -> File<'_> {
    let (directory, last) = name.split_at(name.rfind('/').map_or(0, |at| at + 1));
    File {
        directory,
        last,
        meta,
    }
}

/// Describes `file` in `info`, whose memory is used again.
pub(super) fn describe(file: &File<'_>, info: &mut FileInfo) {
    file.write_name(&mut info.name);
    info.size = file.meta.stamp.size;
    info.modified = file.meta.stamp.modified();
    info.version = file.meta.version();
}
