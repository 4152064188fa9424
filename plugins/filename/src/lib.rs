//! The handler `name:`: finds files by their names.
//!
//! A text without wildcards is an exact name: the path in the share, or the
//! last part of it. If there is no such file, it is words: names that have them
//! all, in any order and case, the best first (`words`); and if there are none
//! either, words that may be misspelt. So with the exact name one gets that file and
//! nothing else, and without it the file is found all the same.
//!
//! A text with `*`, `?`, `[…]` or `{…}` is a glob if there is no file of that name: with a
//! `/` it is matched against the whole name, without one against the last part. `**` crosses
//! directories, `*` and `?` do not. It heeds no case; names in the case that was written
//! come first. A glob that is not valid, or that no name matches, is words. A quoted text is
//! never a glob.
//!
//! Words are folded as those of texts are (`plugin-words`); names with the accents that were
//! written come first.
//!
//! # Invariants
//! - It looks at names only and keeps nothing between two queries. It asks for
//!   names that have a text in them, which the node finds quickly: one of the
//!   words, the words of names that a misspelt one may mean or, if the node does
//!   not know them, pieces of it, or a part of a glob; and holds only those
//!   against the whole query.
//! - A text is never longer than [`TEXT_MAX`] bytes when it becomes a glob, so
//!   that compiling it stays cheap; and no more than `WORDS_MAX` words.
//! - At most [`RANKED_MAX`] files are put in order.

mod examples;
mod glob;
mod summary_keys;
mod words;

use std::{collections::BTreeMap, sync::Arc};

use plugin_api::{
    Example, FileInfo, Files, Flow, Handler, HandlerError, Hit, NameCheck, Sink, SummaryKeys,
};

use plugin_words::composed;

use self::{
    glob::Glob,
    words::{Rank, Spelling, Words},
};

/// Longest text of a query, in bytes.
pub const TEXT_MAX: usize = 4_096;

/// Most files that are put in order; of more, the best are kept.
pub const RANKED_MAX: usize = 10_000;

/// Names that are looked at between two looks at the clock.
const FLOW_EVERY: usize = 64;

/// The handler `name:`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filename;

/// The query of a text.
struct NameQuery {
    /// The file of exactly this name, then files whose last part it is, then words.
    name: String,
    /// True if the text begins with a quote: neither a glob nor operators are meant.
    is_quoted: bool,
    /// Files whose names fit, if there is none of this name.
    glob: Option<Glob>,
}

impl Handler for Filename {
    fn name(&self) -> &str {
        "name"
    }

    fn description(&self) -> &str {
        "finds files by name: an exact name, a glob, or words of it, misspelt ones too"
    }

    fn examples(&self) -> Vec<Example> {
        examples::examples()
    }

    fn keeps_quotes(&self) -> bool {
        true
    }

    fn summary_keys(&self, text: &str) -> Option<SummaryKeys> {
        summary_keys::summary_keys(text)
    }

    fn name_check(&self, text: &str) -> Option<NameCheck> {
        let wanted = NameQuery::parse(text).ok()?;
        // Words are meant as words: a text that is neither quoted nor a glob asks for what fits nearly, too.
        if !wanted.is_quoted && !Glob::is_meant(&wanted.name) {
            return None;
        }
        Some(Box::new(move |there| {
            let fits = |glob: &Glob| glob.fits(there) || glob.fits_any_case(there);
            is_called(there, &wanted.name) || wanted.glob.as_ref().is_some_and(fits)
        }))
    }

    fn answer(
        &self,
        text: &str,
        files: &Arc<dyn Files>,
        sink: &mut dyn Sink,
    ) -> Result<(), HandlerError> {
        let wanted = NameQuery::parse(text)?;
        let files = files.as_ref();
        if let Some(glob) = &wanted.glob {
            let is_found = called(&wanted.name, files, sink)? || fitting(glob, files, sink)?;
            if is_found || sink.flow() == Flow::Stop {
                return Ok(());
            }
        }
        by_name(&wanted.name, wanted.is_quoted, files, sink)
    }
}

/// Gives the files of exactly this name. Says whether there are any.
fn called(name: &str, files: &dyn Files, sink: &mut dyn Sink) -> Result<bool, HandlerError> {
    let first = files.file(name)?;
    if let Some(file) = &first
        && sink.hit(Hit::of(file)) == Flow::Stop
    {
        return Ok(true);
    }
    let mut same = Same {
        files,
        first: first.as_ref().map(|first| first.name.as_str()),
        found: first.is_some(),
        trouble: None,
    };
    let mut looked = 0;
    files.visit_some("", &[name.to_lowercase()], &mut |there| {
        if is_called(&there.name, name) {
            return same.give(&there.name, sink);
        }
        now_and_then(&mut looked, sink)
    })?;
    match same.trouble {
        Some(error) => Err(error),
        None => Ok(same.found),
    }
}

/// Gives the files whose names fit, those in the case that was written first. Says
/// whether there are any.
fn fitting(glob: &Glob, files: &dyn Files, sink: &mut dyn Sink) -> Result<bool, HandlerError> {
    let (mut looked, mut is_found, mut flow) = (0, false, Flow::Continue);
    files.visit_some(glob.prefix(), glob.texts(), &mut |file| {
        flow = if glob.fits(&file.name) {
            is_found = true;
            sink.hit(Hit::of(file))
        } else {
            now_and_then(&mut looked, sink)
        };
        flow
    })?;
    if flow == Flow::Stop || !glob.has_case() {
        return Ok(is_found);
    }
    files.visit_some("", glob.texts(), &mut |file| {
        if glob.fits_any_case(&file.name) && !glob.fits(&file.name) {
            is_found = true;
            return sink.hit(Hit::of(file));
        }
        now_and_then(&mut looked, sink)
    })?;
    Ok(is_found)
}

/// Gives the files of this name, or those that have its words.
fn by_name(
    name: &str,
    is_quoted: bool,
    files: &dyn Files,
    sink: &mut dyn Sink,
) -> Result<(), HandlerError> {
    let first = files.file(name)?;
    if let Some(file) = &first
        && sink.hit(Hit::of(file)) == Flow::Stop
    {
        return Ok(());
    }
    let words = Words::of(name, is_quoted);
    let mut texts = words.rarest().to_vec();
    if texts.is_empty() {
        texts.push(name.to_lowercase());
    }
    let mut search = Search {
        words: &words,
        misspelt: false,
        best: Ranked::new(sink.room()),
        lower: String::new(),
    };
    let mut same = Same {
        files,
        first: first.as_ref().map(|first| first.name.as_str()),
        found: first.is_some(),
        trouble: None,
    };
    let mut looked = 0;
    files.visit_some("", &texts, &mut |there| {
        if is_called(&there.name, name) {
            return same.give(&there.name, sink);
        }
        if !same.found {
            search.look_at(there);
        }
        now_and_then(&mut looked, sink)
    })?;
    if let Some(error) = same.trouble {
        return Err(error);
    }
    if same.found {
        return Ok(());
    }
    if sink.flow() == Flow::Continue {
        search.other_accents(name, files, sink)?;
    }
    if search.best.is_empty() && sink.flow() == Flow::Continue {
        search.misspelt(name, files, sink)?;
    }
    search.best.give(sink);
    Ok(())
}

/// Most spellings of a word that are looked for one by one.
const SPELLINGS_MAX: usize = 64;

/// Returns texts of which every name has one that has the longest word with other accents;
/// `None` if the words of names are not known.
fn spellings(
    words: &Words,
    files: &dyn Files,
    sink: &dyn Sink,
) -> Result<Option<Vec<String>>, HandlerError> {
    let (mut texts, mut looked, mut known) = (Vec::new(), 0, true);
    for word in words.rarest_folded() {
        known &= files.visit_folded_words(word, &mut |there| {
            if !texts.iter().any(|text| text == there) {
                texts.push(there.to_owned());
            }
            if texts.len() >= SPELLINGS_MAX {
                return Flow::Stop;
            }
            now_and_then(&mut looked, sink)
        })?;
    }
    if !words.are_ascii() {
        // Words without accents are folded as they are.
        texts.extend_from_slice(words.rarest_folded());
    }
    Ok(known.then_some(texts))
}

/// The spellings of the word that fewest names can have; `None` if the words of names
/// are not known, or help little.
fn misspelt(
    words: &Words,
    files: &dyn Files,
    sink: &dyn Sink,
) -> Result<Option<Spelling>, HandlerError> {
    let mut looked = 0;
    let mut fewest: Option<Spelling> = None;
    for mut spelling in words.spellings() {
        for (word, wrong) in spelling.words() {
            let mut note = |there: &str| {
                if spelling.note(there) == Flow::Stop {
                    return Flow::Stop;
                }
                now_and_then(&mut looked, sink)
            };
            let known = files.visit_near_words(&word, wrong, &mut note)?
                && files.visit_folded_words(&word, &mut note)?;
            if !known {
                return Ok(None);
            }
        }
        if fewest
            .as_ref()
            .is_none_or(|fewest| spelling.count() < fewest.count())
        {
            fewest = Some(spelling);
        }
    }
    Ok(fewest.filter(Spelling::helps))
}

/// Looks at the clock now and then.
fn now_and_then(looked: &mut usize, sink: &dyn Sink) -> Flow {
    *looked += 1;
    if *looked % FLOW_EVERY == 1 {
        sink.flow()
    } else {
        Flow::Continue
    }
}

/// Files in directories that have the name.
struct Same<'a> {
    files: &'a dyn Files,
    /// The one that was given already.
    first: Option<&'a str>,
    found: bool,
    trouble: Option<HandlerError>,
}

impl Same<'_> {
    fn give(&mut self, there: &str, sink: &mut dyn Sink) -> Flow {
        if self.first == Some(there) {
            return sink.flow();
        }
        match self.files.file(there) {
            Ok(None) => sink.flow(),
            Ok(Some(file)) => {
                self.found = true;
                sink.hit(Hit::of(&file))
            }
            Err(error) => {
                self.trouble = Some(error);
                Flow::Stop
            }
        }
    }
}

/// A search for names that have all words.
struct Search<'a> {
    words: &'a Words,
    misspelt: bool,
    best: Ranked,
    lower: String,
}

impl Search<'_> {
    /// Looks at names that have the words with other accents.
    fn other_accents(
        &mut self,
        name: &str,
        files: &dyn Files,
        sink: &dyn Sink,
    ) -> Result<(), HandlerError> {
        let texts = spellings(self.words, files, sink)?;
        let are_known = texts.is_some();
        if let Some(texts) = texts.filter(|texts| !texts.is_empty()) {
            self.look_at_all(name, &texts, files, sink)?;
        }
        // Words of names are cut at marks, which those of texts are not. Where the words
        // of names are not known, all names are looked at as well.
        let may_be_missed = !are_known || !self.words.are_ascii();
        if may_be_missed && self.best.is_empty() && sink.flow() == Flow::Continue {
            self.look_at_all(name, &[], files, sink)?;
        }
        Ok(())
    }

    /// Looks at names that have the words misspelt.
    fn misspelt(
        &mut self,
        name: &str,
        files: &dyn Files,
        sink: &dyn Sink,
    ) -> Result<(), HandlerError> {
        self.misspelt = true;
        let Some(spelling) = misspelt(self.words, files, sink)? else {
            let pieces = self.words.pieces();
            if pieces.is_empty() {
                return Ok(());
            }
            return self.look_at_all(name, &pieces, files, sink);
        };
        if let Some(as_they_are) = spelling.as_they_are() {
            self.look_at_all(name, as_they_are, files, sink)?;
        }
        for near in spelling.nearest_first() {
            // Of one word, names with fewer wrong letters are better: if these are
            // enough, the others are not needed.
            if self.best.is_full() && spelling.is_alone() {
                break;
            }
            let mut looked = 0;
            files.visit_with_words(near, &mut |there| {
                if !is_called(&there.name, name) {
                    self.look_at(there);
                }
                now_and_then(&mut looked, sink)
            })?;
        }
        Ok(())
    }

    /// Looks at names that have one of these texts. One of exactly this name was looked
    /// for already, and is not there.
    fn look_at_all(
        &mut self,
        name: &str,
        texts: &[String],
        files: &dyn Files,
        sink: &dyn Sink,
    ) -> Result<(), HandlerError> {
        let mut looked = 0;
        files.visit_some("", texts, &mut |there| {
            if !is_called(&there.name, name) {
                self.look_at(there);
            }
            now_and_then(&mut looked, sink)
        })
    }

    fn look_at(&mut self, file: &FileInfo) {
        let name = &file.name;
        if !self.best.may_take(Rank::best(name, self.misspelt)) {
            return;
        }
        if let Some(rank) = self.words.rank_in(name, self.misspelt, &mut self.lower) {
            self.best.put(rank, file);
        }
    }
}

/// The best files so far.
struct Ranked {
    files: BTreeMap<(Rank, String), FileInfo>,
    most: usize,
}

impl Ranked {
    /// Creates a ranking of that many hits, and one more that shows that there are more.
    fn new(room: usize) -> Ranked {
        Ranked {
            files: BTreeMap::new(),
            most: room.saturating_add(1).min(RANKED_MAX),
        }
    }

    fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    fn is_full(&self) -> bool {
        self.files.len() >= self.most
    }

    /// Returns true if a name of this rank would be among the best. Names come in
    /// order, so that of two of the same rank the first one is better.
    fn may_take(&self, rank: Rank) -> bool {
        let last = self.files.last_key_value();
        self.files.len() < self.most || last.is_some_and(|((last, _), _)| rank < *last)
    }

    fn put(&mut self, rank: Rank, file: &FileInfo) {
        if self.may_take(rank) {
            self.files.insert((rank, file.name.clone()), file.clone());
            if self.files.len() > self.most {
                self.files.pop_last();
            }
        }
    }

    fn give(self, sink: &mut dyn Sink) {
        for file in self.files.values() {
            if sink.hit(Hit::of(file)) == Flow::Stop {
                break;
            }
        }
    }
}

impl NameQuery {
    fn parse(text: &str) -> Result<NameQuery, HandlerError> {
        let problem = |problem: String| HandlerError::BadQuery {
            text: text.chars().take(80).collect(),
            problem,
        };
        if text.len() > TEXT_MAX {
            return Err(problem(format!("more than {TEXT_MAX} bytes")));
        }
        let name = composed(&unquoted(text));
        if name.is_empty() {
            return Err(problem("no name".to_owned()));
        }
        // A quoted name is never a glob, and neither is one that cannot be read.
        let is_quoted = text.starts_with('"');
        let is_meant = !is_quoted && Glob::is_meant(&name);
        let glob = is_meant.then(|| Glob::parse(&name).ok()).flatten();
        Ok(NameQuery {
            name,
            is_quoted,
            glob,
        })
    }
}

/// Returns a text without the quotes around its parts.
fn unquoted(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    let (mut letters, mut is_inside, mut is_begin) = (text.chars().peekable(), false, true);
    while let Some(letter) = letters.next() {
        match letter {
            '"' if is_begin || is_inside => is_inside = !is_inside,
            '\\' if is_inside => name.extend(letters.next()),
            _ => name.push(letter),
        }
        is_begin = letter.is_whitespace();
    }
    name
}

/// Returns true if this is the name of the file at `there`: all of it, or its last part.
fn is_called(there: &str, name: &str) -> bool {
    there == name || last_part(there) == name
}

fn last_part(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_hold() {
        plugin_api::check_examples(&Filename).unwrap();
    }

    #[test]
    fn a_glob_and_a_quoted_name_mean_no_file_that_fits_nearly() {
        let check = |text: &str, name: &str| Filename.name_check(text).map(|fits| fits(name));
        for (text, name, is_meant) in [
            ("song [live].mp3", "song l.mp3", Some(true)),
            ("song [live].mp3", "a/song [live].mp3", Some(true)),
            ("track [01.mp3", "track 01.mp3", Some(false)),
            ("track [01.mp3", "track [01.mp3", Some(true)),
            ("*.pdf", "report.txt", Some(false)),
            ("*.pdf", "a/REPORT.PDF", Some(true)),
            ("\"data{1}.csv\"", "data1.csv", Some(false)),
            ("\"data{1}.csv\"", "data{1}.csv", Some(true)),
            ("holliday", "holiday.jpg", None),
        ] {
            assert_eq!(check(text, name), is_meant, "{text} {name}");
        }
    }

    #[test]
    fn a_text_that_is_no_name_is_refused_with_the_reason() {
        let long = "*".repeat(TEXT_MAX + 1);
        for text in ["", "\"\"", &long] {
            assert!(
                matches!(NameQuery::parse(text), Err(HandlerError::BadQuery { .. })),
                "{text:.9}"
            );
        }
    }
}
