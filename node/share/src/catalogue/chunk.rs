//! A few thousand files that follow each other in order of their names.
//!
//! A name is kept in two parts: its directory, shared by all files of the
//! chunk that are in it, and its last part, in one text with those of the
//! others. So a word is looked for in a whole chunk at the speed of memory, and
//! a file costs 48 bytes and the length of its last part, twice if this part
//! is not in lower case.

mod grams;

use std::{
    cmp::Ordering,
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
    ops::Range,
    sync::{Arc, OnceLock},
};

use memchr::memmem::Finder;
use plugin_api::{Flow, words};
use plugin_words::folded;

use self::grams::{GRAMS_FROM, GROUP, Grams};
use crate::Stamp;

/// Most files of a chunk.
pub(super) const CHUNK_MAX: usize = 4_096;

/// Between two names; no last part has it.
const END: char = '/';

/// The metadata of a file, beside its name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Meta {
    /// Its stamp, which stays the same while nobody changes the file.
    pub(crate) stamp: Stamp,
    /// True if the next change will show in the stamp.
    pub(crate) settled: bool,
}

impl Meta {
    /// Returns the version that handlers see.
    pub(crate) fn version(self) -> u64 {
        if self.settled {
            self.stamp.version()
        } else {
            0
        }
    }
}

/// A directory of files of a chunk: empty, or with a `/` at its end.
#[derive(Clone, Debug)]
struct Directory {
    name: Arc<str>,
    lower: Arc<str>,
}

/// A file, as it is kept.
#[derive(Clone, Copy, Debug)]
struct Record {
    size: u64,
    inode: u64,
    modified: i64,
    changed: i64,
    told: u32,
    /// The end of its last part in the names of the chunk.
    end: u32,
    directory: u16,
    settled: bool,
}

/// There may be millions of them.
const _: () = assert!(size_of::<Record>() <= 48);

/// Files that follow each other; at least one.
#[derive(Debug)]
pub(crate) struct Chunk {
    directories: Box<[Directory]>,
    records: Box<[Record]>,
    /// The last parts, each with [`END`] behind it.
    names: Box<str>,
    /// Those that are another text in lower case.
    lower: Lower,
    /// Made when it is first asked for.
    words: OnceLock<WordFilter>,
    /// The three bytes that follow each other in last parts; `None` if it has few files. Made when it is first asked for.
    grams: OnceLock<Option<Grams>>,
    /// Words that are not ASCII, each a line: folded, [`FOLDED`], in lower case. Made when
    /// they are first asked for.
    folded: OnceLock<Box<str>>,
}

/// Between a folded word and the word; no word has it.
const FOLDED: char = '\0';

/// The words that names of a chunk may have: a Bloom filter with two bits for a word.
#[derive(Debug)]
struct WordFilter(Box<[u64]>);

impl WordFilter {
    /// Bits for each word: about one of forty others seems to be there.
    const BITS: usize = 12;

    fn of(hashes: &[u64]) -> WordFilter {
        let length = (hashes.len() * Self::BITS).div_ceil(64).max(1);
        let mut filter = WordFilter(vec![0; length].into());
        for hash in hashes {
            for bit in filter.bits(*hash) {
                filter.0[bit / 64] |= 1 << (bit % 64);
            }
        }
        filter
    }

    fn may_have(&self, hash: u64) -> bool {
        let is_set = |bit: usize| self.0[bit / 64] >> (bit % 64) & 1 == 1;
        self.bits(hash).into_iter().all(is_set)
    }

    fn bits(&self, hash: u64) -> [usize; 2] {
        let all = self.0.len() as u64 * 64;
        [hash & 0xffff_ffff, hash >> 32].map(|half| usize::try_from(half % all).unwrap_or(0))
    }
}

fn hash(word: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    word.hash(&mut hasher);
    hasher.finish()
}

/// Last parts in lower case, of the files for which that is another text.
#[derive(Debug)]
struct Lower {
    names: Box<str>,
    /// The places of the files in the chunk, in order.
    files: Box<[u16]>,
    /// The end of the last part of each.
    ends: Box<[u32]>,
}

/// A place in a chunk fits.
const _: () = assert!(CHUNK_MAX <= 1 << u16::BITS);

impl Lower {
    /// Returns the last parts of `records` in lower case, where that is another text.
    fn of(names: &str, records: &[Record]) -> Lower {
        let (mut lower, mut files, mut ends) = (String::new(), Vec::new(), Vec::new());
        let mut start = 0;
        for (at, record) in (0..).zip(records) {
            let name = &names[start..record.end as usize];
            start = record.end as usize + END.len_utf8();
            let length = lower.len();
            if name.is_ascii() {
                if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
                    lower.push_str(name);
                    lower[length..].make_ascii_lowercase();
                }
            } else {
                let text = name.to_lowercase();
                if text != name {
                    lower.push_str(&text);
                }
            }
            if lower.len() > length {
                files.push(at);
                ends.push(u32::try_from(lower.len()).unwrap_or(u32::MAX));
                lower.push(END);
            }
        }
        Lower {
            names: lower.into(),
            files: files.into(),
            ends: ends.into(),
        }
    }

    /// Returns the places of files with their last parts in lower case.
    fn iter(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut start = 0;
        self.files.iter().zip(&self.ends).map(move |(file, end)| {
            let name = &self.names[start..*end as usize];
            start = *end as usize + END.len_utf8();
            (usize::from(*file), name)
        })
    }
}

/// A file of a chunk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct File<'c> {
    /// Empty, or with a `/` at its end.
    pub(crate) directory: &'c str,
    /// The last part of its name.
    pub(crate) last: &'c str,
    /// Its metadata.
    pub(crate) meta: Meta,
}

impl File<'_> {
    /// Compares its name with `name`.
    pub(super) fn cmp_name(&self, name: &str) -> Ordering {
        let (name, directory) = (name.as_bytes(), self.directory.as_bytes());
        let split = name.len().min(directory.len());
        directory[..]
            .cmp(&name[..split])
            .then_with(|| self.last.as_bytes().cmp(&name[split..]))
    }

    /// Puts its whole name into `name`.
    pub(crate) fn write_name(&self, name: &mut String) {
        name.clear();
        name.push_str(self.directory);
        name.push_str(self.last);
    }

    pub(crate) fn name(&self) -> String {
        [self.directory, self.last].concat()
    }
}

impl Chunk {
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn file(&self, at: usize) -> File<'_> {
        let record = &self.records[at];
        let start = at.checked_sub(1).map_or(0, |before| {
            self.records[before].end as usize + END.len_utf8()
        });
        File {
            directory: &self.directories[usize::from(record.directory)].name,
            last: &self.names[start..record.end as usize],
            meta: Meta {
                stamp: Stamp {
                    size: record.size,
                    inode: record.inode,
                    modified: record.modified,
                    changed: record.changed,
                    told: record.told,
                },
                settled: record.settled,
            },
        }
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = File<'_>> {
        (0..self.len()).map(|at| self.file(at))
    }

    /// Returns the number of files whose names come before `name`.
    pub(super) fn before(&self, name: &str) -> usize {
        let (mut least, mut most) = (0, self.len());
        while least < most {
            let middle = least + (most - least) / 2;
            if self.file(middle).cmp_name(name) == Ordering::Less {
                least = middle + 1;
            } else {
                most = middle;
            }
        }
        least
    }

    /// Marks the files whose names, in lower case, have the text of `finder`,
    /// which has no `/`.
    pub(super) fn mark(&self, finder: &Finder<'_>, marked: &mut Marks) {
        self.mark_directories(finder, marked);
        let grams = self.grams.get_or_init(|| {
            let has_some = self.len() >= GRAMS_FROM;
            has_some.then(|| Grams::of(self))
        });
        match grams {
            None => self.mark_range(0..self.len(), finder, marked),
            Some(grams) => {
                for group in grams.groups(finder.needle()) {
                    let files = group.start * GROUP..self.len().min(group.end * GROUP);
                    self.mark_range(files, finder, marked);
                }
            }
        }
    }

    /// Marks the files among `files` whose last parts, in lower case, have the text of `finder`.
    fn mark_range(&self, files: Range<usize>, finder: &Finder<'_>, marked: &mut Marks) {
        let lower = &self.lower;
        let place = |file: usize| lower.files.partition_point(|at| usize::from(*at) < file);
        let in_lower = place(files.start)..place(files.end);
        // What has the text as it is has it in lower case, too.
        let end = |at: usize| self.records[at].end as usize;
        mark_names(&self.names, files, end, finder, &mut |at| marked.set(at));
        let end = |at: usize| lower.ends[at] as usize;
        mark_names(&lower.names, in_lower, end, finder, &mut |at| {
            marked.set(usize::from(lower.files[at]));
        });
    }

    /// Returns the last parts of a group of files: as they are, and in lower case where that is another text.
    fn group(&self, group: usize) -> [&str; 2] {
        let files = group * GROUP..self.len().min((group + 1) * GROUP);
        let lower = &self.lower;
        let place = |file: usize| lower.files.partition_point(|at| usize::from(*at) < file);
        let in_lower = place(files.start)..place(files.end);
        let end = |at: usize| self.records[at].end as usize;
        let end_in_lower = |at: usize| lower.ends[at] as usize;
        [
            &self.names[within(&files, end)],
            &lower.names[within(&in_lower, end_in_lower)],
        ]
    }
}

/// Returns where names stand whose ends are known, with [`END`] between them.
fn within(names: &Range<usize>, end: impl Fn(usize) -> usize) -> Range<usize> {
    let start = |at: usize| at.checked_sub(1).map_or(0, |at| end(at) + END.len_utf8());
    if names.is_empty() {
        return 0..0;
    }
    start(names.start)..end(names.end - 1)
}

/// Calls `each` with the numbers of those of some names that have the text of `finder`. They stand in
/// `text`, one behind the other, and `end` says where each ends.
fn mark_names(
    text: &str,
    names: Range<usize>,
    end: impl Fn(usize) -> usize,
    finder: &Finder<'_>,
    each: &mut dyn FnMut(usize),
) {
    let place = within(&names, &end);
    let (mut at, mut from) = (names.start, place.start);
    while let Some(found) = finder.find(&text.as_bytes()[from..place.end]) {
        at = first_from(at, names.end, |at| end(at) >= from + found);
        if at == names.end {
            return;
        }
        each(at);
        from = end(at);
        at += 1;
    }
}

impl Chunk {
    /// Returns true if a name in lower case may have the word; otherwise none has it.
    pub(super) fn may_have(&self, word: &str) -> bool {
        let filter = self.words.get_or_init(|| {
            let mut hashes: Vec<u64> = self.texts().flat_map(words).map(hash).collect();
            hashes.sort_unstable();
            hashes.dedup();
            WordFilter::of(&hashes)
        });
        filter.may_have(hash(word))
    }

    /// Calls `visit` with each word that is not ASCII and has the text of `finder`, which is
    /// folded, in it when it is folded, until it stops.
    pub(super) fn visit_folded(
        &self,
        finder: &Finder<'_>,
        visit: &mut dyn FnMut(&str) -> Flow,
    ) -> Flow {
        let lines = self.folded.get_or_init(|| {
            let foreign = self.texts().filter(|text| !text.is_ascii());
            let foreign = foreign.flat_map(words).filter(|word| !word.is_ascii());
            let different: BTreeSet<&str> = foreign.collect();
            let lines = different.into_iter();
            let lines = lines.map(|word| format!("{}{FOLDED}{word}\n", folded(word)));
            lines.collect::<String>().into()
        });
        if finder.find(lines.as_bytes()).is_none() {
            return Flow::Continue;
        }
        for line in lines.lines() {
            let (folded, word) = line.split_once(FOLDED).unwrap_or_default();
            if finder.find(folded.as_bytes()).is_some() && visit(word) == Flow::Stop {
                return Flow::Stop;
            }
        }
        Flow::Continue
    }

    /// The names of the directories, and all last parts, in lower case.
    fn texts(&self) -> impl Iterator<Item = &str> {
        let mut lower = self.lower.iter().peekable();
        let names = (0..self.len()).map(move |at| {
            let other = lower.next_if(|(file, _)| *file == at);
            other.map_or_else(|| self.file(at).last, |(_, name)| name)
        });
        let directories = self.directories.iter();
        directories.map(|directory| &*directory.lower).chain(names)
    }

    fn mark_directories(&self, finder: &Finder<'_>, marked: &mut Marks) {
        let mut found = Marks::none();
        let mut any = false;
        for (number, directory) in self.directories.iter().enumerate() {
            if finder.find(directory.lower.as_bytes()).is_some() {
                found.set(number);
                any = true;
            }
        }
        if any {
            for (at, record) in self.records.iter().enumerate() {
                if found.has(usize::from(record.directory)) {
                    marked.set(at);
                }
            }
        }
    }
}

/// Returns the first number from `from` on for which `is` holds; it holds for all after
/// it. Quick if it is near.
fn first_from(from: usize, to: usize, is: impl Fn(usize) -> bool) -> usize {
    let mut step = 1;
    let mut least = from;
    while least + step <= to && !is(least + step - 1) {
        least += step;
        step *= 2;
    }
    let mut most = (least + step).min(to);
    while least < most {
        let middle = least + (most - least) / 2;
        if is(middle) {
            most = middle;
        } else {
            least = middle + 1;
        }
    }
    least
}

/// Files of a chunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks([u64; CHUNK_MAX / 64]);

impl Marks {
    pub(super) fn none() -> Marks {
        Marks([0; CHUNK_MAX / 64])
    }

    fn set(&mut self, at: usize) {
        self.0[at / 64] |= 1 << (at % 64);
    }

    fn has(&self, at: usize) -> bool {
        self.0[at / 64] >> (at % 64) & 1 == 1
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(word, &bits)| {
            std::iter::successors(Some(bits), |bits| Some(bits & bits.wrapping_sub(1)))
                .take_while(|bits| *bits != 0)
                .map(move |bits| word * 64 + bits.trailing_zeros() as usize)
        })
    }
}

/// A chunk that is being made.
#[derive(Debug, Default)]
pub(super) struct ChunkBuilder {
    directories: Vec<Directory>,
    records: Vec<Record>,
    names: String,
}

impl ChunkBuilder {
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Adds the next file, in order of the names.
    pub(super) fn push(&mut self, file: &File<'_>) {
        let directory = self.directory(file.directory);
        self.names.push_str(file.last);
        let Meta { stamp, settled } = file.meta;
        self.records.push(Record {
            size: stamp.size,
            inode: stamp.inode,
            modified: stamp.modified,
            changed: stamp.changed,
            told: stamp.told,
            end: u32::try_from(self.names.len()).unwrap_or(u32::MAX),
            directory,
            settled,
        });
        self.names.push(END);
    }

    /// Returns the number of the directory in the chunk. In order of the names, a directory
    /// comes again only behind files of its own or further below.
    fn directory(&mut self, name: &str) -> u16 {
        let mut known = None;
        if self
            .directories
            .last()
            .is_some_and(|last| last.name.starts_with(name))
        {
            known = self.directories.iter().rposition(|d| *d.name == *name);
        }
        let number = known.unwrap_or_else(|| {
            let lower = name.to_lowercase();
            let name: Arc<str> = name.into();
            let lower = if *name == *lower {
                Arc::clone(&name)
            } else {
                lower.into()
            };
            self.directories.push(Directory { name, lower });
            self.directories.len() - 1
        });
        u16::try_from(number).unwrap_or(u16::MAX)
    }

    /// Returns the chunk, and an empty builder. `None` if there is no file.
    pub(super) fn finish(&mut self) -> Option<Arc<Chunk>> {
        let ChunkBuilder {
            directories,
            records,
            names,
        } = std::mem::take(self);
        if records.is_empty() {
            return None;
        }
        let lower = Lower::of(&names, &records);
        Some(Arc::new(Chunk {
            directories: directories.into(),
            records: records.into(),
            names: names.into(),
            lower,
            words: OnceLock::new(),
            grams: OnceLock::new(),
            folded: OnceLock::new(),
        }))
    }
}
