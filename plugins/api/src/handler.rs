//! The handler trait and the types that pass through it.

use std::{
    fs::File,
    ops::Range,
    sync::Arc,
    time::{Instant, SystemTime},
};

/// A shared file, as handlers see it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FileInfo {
    /// Its name in the share, parts separated by `/`.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// The time of its last change, where the file system has it.
    pub modified: Option<SystemTime>,
    /// Another number whenever its bytes may be others: for handlers that keep
    /// something about files. Zero if they may change without another number.
    pub version: u64,
}

/// One answer: a file, and its match.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// The file.
    pub file: FileInfo,
    /// A score, from handlers that rank; more is better. Comparable
    /// among the answers to one query.
    pub score: Option<f64>,
    /// The place that fits, for handlers that look into files.
    pub excerpt: Option<Excerpt>,
}

impl Hit {
    /// Creates a hit of a file as it is.
    #[must_use]
    pub fn of(file: &FileInfo) -> Hit {
        Hit {
            file: file.clone(),
            score: None,
            excerpt: None,
        }
    }
}

/// A part of a document, as its readers name it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// A page or a slide, from 1.
    Page(u64),
    /// A sheet of a workbook.
    Sheet(String),
    /// A chapter of a book.
    Chapter(String),
    /// Another part: the body, the footnotes, a file in an archive.
    Part(String),
}

/// A place in a file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Excerpt {
    /// The text there: one line without its end, or a few words. As it is in
    /// the file, control characters included; bytes that are not UTF-8 are U+FFFD.
    pub text: String,
    /// Parts of `text` that fit, as ranges of bytes, in order.
    pub marks: Vec<Range<usize>>,
    /// The part of the document that the text is in. Then lines are counted in this part, and columns in its text.
    pub place: Option<Place>,
    /// Number of the line, from 1, if `text` is one line.
    pub line: Option<u64>,
    /// The start of the first mark in the line, in bytes of the file, from 1.
    pub column: Option<u64>,
    /// Lines before it, if they are wanted.
    pub before: Vec<String>,
    /// Lines behind it, if they are wanted.
    pub after: Vec<String>,
}

/// Something that an answer does not cover, so that it is not complete.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Gap {
    /// The file, or the directory with a `/` at its end; `None` if it is about many.
    pub name: Option<String>,
    /// The reason why it is not covered.
    pub reason: GapReason,
}

/// The reason of a gap in an answer.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum GapReason {
    /// It has not been read yet.
    Unread,
    /// It cannot be read now, and is tried again.
    Unreadable,
    /// It changes faster than it is read.
    Changing,
    /// It begins as text and goes on in binary.
    Binary,
    /// It has a line that is too long.
    LongLine,
}

impl Gap {
    /// Creates the gap of the file or directory `name`.
    #[must_use]
    pub fn of(name: &str, reason: GapReason) -> Gap {
        Gap {
            name: Some(name.to_owned()),
            reason,
        }
    }

    /// Creates the gap of some files.
    #[must_use]
    pub fn of_many(reason: GapReason) -> Gap {
        Gap { name: None, reason }
    }
}

/// The files of a share that may have changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Changes<'a> {
    /// The files of these names appeared, changed or vanished.
    Names(&'a [String]),
    /// Anything; what is known has to be compared with what is there.
    Anything,
}

/// The wish of a sink for more hits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flow {
    /// More is welcome.
    Continue,
    /// Nothing more is wanted: the limit or the deadline is reached.
    Stop,
}

/// A query that an author promises to answer, and its hits.
///
/// Examples are shown to users and run as tests by [`crate::check_examples`].
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Example {
    /// The text of the query, without the prefix.
    pub text: String,
    /// A description of its queries, in a few words.
    pub meaning: String,
    /// The share of the example: names of files and their contents.
    pub files: Vec<(String, Vec<u8>)>,
    /// Names of the files that are found, in order.
    pub finds: Vec<String>,
}

impl Example {
    /// Returns an example whose files are empty.
    #[must_use]
    pub fn of_names(text: &str, meaning: &str, files: &[&str], finds: &[&str]) -> Example {
        let owned = |name: &&str| (*name).to_owned();
        Example {
            text: text.to_owned(),
            meaning: meaning.to_owned(),
            files: files.iter().map(|name| (owned(name), Vec::new())).collect(),
            finds: finds.iter().map(owned).collect(),
        }
    }
}

/// The error of a handler.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The query makes no sense to this handler.
    #[error("{problem} in the query {text:?}")]
    BadQuery {
        /// The text of the query.
        text: String,
        /// The error in it.
        problem: String,
    },
    /// The files of the share could not be looked at.
    #[error("cannot look at the share: {0}")]
    Files(String),
    /// The handler itself failed.
    #[error("the handler `{handler}:` failed: {problem}")]
    Failed {
        /// Its name.
        handler: String,
        /// The error, and its place.
        problem: String,
    },
}

/// The files of a share, as far as a handler may see them.
pub trait Files: Send + Sync {
    /// Calls `visit` with each file, in order of the names, until it stops.
    ///
    /// # Errors
    /// [`HandlerError::Files`] when the share cannot be read.
    fn visit(&self, visit: &mut dyn FnMut(&FileInfo) -> Flow) -> Result<(), HandlerError>;

    /// Returns whether the files are known, so that a visit to all of them is quick. While the share is looked at for the
    /// first time they are not.
    fn are_known(&self) -> bool {
        true
    }

    /// Returns the file of this exact name, if it is shared.
    ///
    /// # Errors
    /// [`HandlerError::Files`] when the share cannot be read.
    fn file(&self, name: &str) -> Result<Option<FileInfo>, HandlerError>;

    /// Returns the file of this exact name as [`Files::visit`] describes it, which may be
    /// its state of a moment ago: for handlers that read it anyway. Faster than
    /// [`Files::file`].
    ///
    /// # Errors
    /// [`HandlerError::Files`] when the share cannot be read.
    fn known(&self, name: &str) -> Result<Option<FileInfo>, HandlerError> {
        self.file(name)
    }

    /// Calls `visit` with each word ([`crate::words`]) of the names, in lower case, of
    /// which `word` is a misspelling: with at most `wrong` letters, up to two, that are
    /// others, missing, too many, or swapped with a neighbour. Goes on until it stops, in
    /// no order, and says whether the words are known; if they are not, the names have to
    /// be looked at. Words of digits alone are left out, and there may be words that no
    /// name has any more.
    ///
    /// # Errors
    /// [`HandlerError::Files`] when the share cannot be read.
    fn visit_near_words(
        &self,
        _word: &str,
        _wrong: u8,
        _visit: &mut dyn FnMut(&str) -> Flow,
    ) -> Result<bool, HandlerError> {
        Ok(false)
    }

    /// The same for the words that are not ASCII and that have `text`, which is folded,
    /// in them when they are folded.
    ///
    /// # Errors
    /// [`HandlerError::Files`] when the share cannot be read.
    fn visit_folded_words(
        &self,
        _text: &str,
        _visit: &mut dyn FnMut(&str) -> Flow,
    ) -> Result<bool, HandlerError> {
        Ok(false)
    }

    /// Calls `visit` with each file that has one of these words in its name, in lower
    /// case, and maybe others, until it stops. In order of the names.
    ///
    /// # Errors
    /// [`HandlerError::Files`] when the share cannot be read.
    fn visit_with_words(
        &self,
        words: &[String],
        visit: &mut dyn FnMut(&FileInfo) -> Flow,
    ) -> Result<(), HandlerError> {
        if words.is_empty() {
            return Ok(());
        }
        self.visit_some("", words, visit)
    }

    /// Calls `visit` with each file whose name begins with `prefix` and, in lower
    /// case, has one of the texts in it, until it stops; with no texts, with all
    /// that begin so. In order of the names; the texts are in lower case already.
    /// For handlers that know a part of what they look for: much faster than
    /// [`Files::visit`], where the node has a catalogue; that of a great share is
    /// no more than a few milliseconds.
    ///
    /// # Errors
    /// [`HandlerError::Files`] when the share cannot be read.
    fn visit_some(
        &self,
        prefix: &str,
        any_of: &[String],
        visit: &mut dyn FnMut(&FileInfo) -> Flow,
    ) -> Result<(), HandlerError> {
        self.visit(&mut |file| {
            let lower = file.name.to_lowercase();
            let has = any_of.is_empty() || any_of.iter().any(|text| lower.contains(text.as_str()));
            if has && file.name.starts_with(prefix) {
                visit(file)
            } else {
                Flow::Continue
            }
        })
    }

    /// Returns the number of the share that these files belong to. It is the same for every view
    /// that leaves files out, for as long as the share is open. `None`: no handler
    /// hears of changes to these files, so an index does not help.
    fn identity(&self) -> Option<u64> {
        None
    }

    /// Returns the number of the share that these files are of, also when no handler hears of changes to these alone.
    fn share(&self) -> Option<u64> {
        self.identity()
    }

    /// Returns the entries of the share that cannot be looked at now: no answer covers them.
    fn gaps(&self) -> Vec<Gap> {
        Vec::new()
    }

    /// Returns at most `most` bytes of the file `name`, from the byte `from` on; fewer
    /// at its end. `None` if it is not shared (any more).
    ///
    /// # Errors
    /// [`HandlerError::Files`] when it cannot be read.
    fn read(&self, name: &str, from: u64, most: usize) -> Result<Option<Vec<u8>>, HandlerError>;

    /// Opens the file `name` to read, for somebody who is to have this file and no other. `None` if it is not shared (any
    /// more), or these files cannot be opened.
    ///
    /// # Errors
    /// [`HandlerError::Files`] when it cannot be opened.
    fn open(&self, _name: &str) -> Result<Option<File>, HandlerError> {
        Ok(None)
    }

    /// Returns a reader for one question about many files, best in order of their
    /// names: what it finds out on the way to a file it need not find out again for
    /// the next one.
    fn reader(&self) -> Box<dyn FileReader + '_> {
        Box::new(EachByItself(self))
    }
}

/// Reads files one after the other.
pub trait FileReader: Send {
    /// As [`Files::read`]. What was found on the way to a file holds for a moment.
    ///
    /// # Errors
    /// [`HandlerError::Files`] when it cannot be read.
    fn read(&mut self, name: &str, from: u64, most: usize)
    -> Result<Option<Vec<u8>>, HandlerError>;

    /// Reads as [`FileReader::read`] does, if the file is of `version` before and after;
    /// otherwise returns `None`.
    ///
    /// # Errors
    /// [`HandlerError::Files`] when it cannot be read.
    fn read_version(
        &mut self,
        name: &str,
        version: u64,
        from: u64,
        most: usize,
    ) -> Result<Option<Vec<u8>>, HandlerError>;

    /// Returns whether the file `name` is of `version` now.
    ///
    /// # Errors
    /// [`HandlerError::Files`] when it cannot be looked at.
    fn has_version(&mut self, name: &str, version: u64) -> Result<bool, HandlerError> {
        Ok(self.read_version(name, version, 0, 0)?.is_some())
    }
}

/// Reads each file as if it were the only one.
struct EachByItself<'f, F: ?Sized>(&'f F);

impl<F: Files + ?Sized> FileReader for EachByItself<'_, F> {
    fn read(
        &mut self,
        name: &str,
        from: u64,
        most: usize,
    ) -> Result<Option<Vec<u8>>, HandlerError> {
        self.0.read(name, from, most)
    }

    fn read_version(
        &mut self,
        name: &str,
        version: u64,
        from: u64,
        most: usize,
    ) -> Result<Option<Vec<u8>>, HandlerError> {
        let is_of_version = || {
            let file = self.0.file(name)?;
            Ok(file.is_some_and(|file| file.version == version))
        };
        if !is_of_version()? {
            return Ok(None);
        }
        let part = self.0.read(name, from, most)?;
        Ok(if is_of_version()? { part } else { None })
    }

    fn has_version(&mut self, name: &str, version: u64) -> Result<bool, HandlerError> {
        let file = self.0.file(name)?;
        Ok(file.is_some_and(|file| file.version == version))
    }
}

/// The asker of a handler.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Asker {
    /// The owner of the node.
    #[default]
    Owner,
    /// A caller at the peer port.
    Stranger,
}

/// Takes the hits of a handler.
pub trait Sink {
    /// Takes one more hit and says whether another one is welcome.
    fn hit(&mut self, hit: Hit) -> Flow;

    /// Returns whether to go on, for handlers that look at much between two hits.
    fn flow(&self) -> Flow;

    /// Reports a gap: something that the answer does not cover.
    fn partial(&mut self, _gap: Gap) {}

    /// Returns the number of hits that are still welcome, for handlers that choose the best.
    fn room(&self) -> usize {
        usize::MAX
    }

    /// Returns the time to stop, for handlers that have to tell somebody else.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Returns the asker. Under a query of a stranger, a failure may come from the query.
    fn asker(&self) -> Asker {
        Asker::Owner
    }

    /// Returns the number of hits that still get an [`Excerpt`], for handlers that have to
    /// read files for it. Hits behind them may go without.
    fn excerpts(&self) -> usize {
        usize::MAX
    }

    /// Returns the number of lines that are wanted around the line of an [`Excerpt`].
    fn context_lines(&self) -> usize {
        0
    }
}

/// Keys that every file has in its name if it matches a query.
///
/// A peer whose summary lacks one of these is not asked.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SummaryKeys {
    /// The query, if a file can have exactly this name, or this last part.
    pub exact: Option<String>,
    /// Words of the name that an exact match has, in lower case.
    pub words: Vec<String>,
    /// Groups of texts in lower case: each name has a text of every group. Empty if
    /// nothing is known.
    pub texts: Vec<Vec<String>>,
}

/// Says whether a name is one that a query means.
pub type NameCheck = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// Something that answers queries of one kind.
pub trait Handler: Send + Sync {
    /// Returns the prefix that users type before the colon: lower-case letters, digits
    /// and `-`.
    fn name(&self) -> &str;

    /// Returns a description of its results, in one line.
    fn description(&self) -> &str;

    /// Queries with the answers that its author promises.
    fn examples(&self) -> Vec<Example>;

    /// Returns true if quoted parts of the text reach it with their quotes.
    /// For the others, `"a b"` is `a b`.
    fn keeps_quotes(&self) -> bool {
        false
    }

    /// Returns what every file that matches `text` has in its name, so that peers
    /// without it are passed over. `None`: nothing is known, all peers are asked.
    fn summary_keys(&self, _text: &str) -> Option<SummaryKeys> {
        None
    }

    /// Returns a check of the names that `text` means, if an answer may also have files that fit nearly. What brings
    /// files takes only those that pass it. `None`: every hit is meant.
    fn name_check(&self, _text: &str) -> Option<NameCheck> {
        None
    }

    /// Reports changes, soon after they happened. Must not take long.
    ///
    /// A handler that keeps nothing about files has nothing to do.
    fn changed(&self, _changes: Changes<'_>) {}

    /// Answers the query `text` about `files`, best hits first, into `sink`.
    ///
    /// # Errors
    /// [`HandlerError`] when the query makes no sense or the share cannot be
    /// read. Hits given before an error stay valid.
    fn answer(
        &self,
        text: &str,
        files: &Arc<dyn Files>,
        sink: &mut dyn Sink,
    ) -> Result<(), HandlerError>;
}
