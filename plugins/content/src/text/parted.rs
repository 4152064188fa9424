//! Files whose words are in several documents of the index: long ones, and those that grew.
//!
//! The index says of each word in which of these files it is. A file that has all words is read
//! to check it, part by part, as far as it takes. What is behind the indexed part of a file
//! that grows is read by the query itself.

use std::{
    collections::{BTreeSet, HashSet},
    io,
    sync::Arc,
};

use plugin_api::{Asker, FileInfo, FileReader, Flow, Gap, GapReason, Hit, Sink};
use plugin_words::Fit;

use super::{TextSearch, finder::TextMatch, ranking::Counts};
use crate::{
    growing::Indexed,
    limits::{CHECKED_MAX, OVERLAP, STRANGERS_CHECKED_MAX, TEXT_MAX, WINDOW},
    source::{self, FileBytes},
    store::{Parted, StoreError, View, WordScores, score_of},
};

/// A file that grew since it was indexed.
pub(super) struct Grown {
    pub(super) file: FileInfo,
    /// The text behind what is indexed.
    pub(super) rest: String,
}

/// A file whose documents together have all words.
pub(super) struct Candidate {
    pub(super) name: String,
    fit: Fit,
    score: f64,
}

/// A hit, or a file that has to be checked first.
pub(super) enum Other {
    Hit(Hit),
    Candidate(Candidate),
}

impl Other {
    pub(super) fn score(&self) -> f64 {
        match self {
            Other::Hit(hit) => hit.score.unwrap_or(0.0),
            Other::Candidate(candidate) => candidate.score,
        }
    }
}

impl Grown {
    /// Returns a file that waits, if it only grew by less than `left` bytes, which become fewer.
    pub(super) fn of(
        file: &FileInfo,
        indexed: &Indexed,
        asked: &TextSearch<'_>,
        left: &mut u64,
    ) -> Option<Grown> {
        let rest = indexed.rest(asked.files, file, *left).ok()??;
        *left = left.saturating_sub(rest.len() as u64);
        Some(Grown {
            file: file.clone(),
            rest,
        })
    }
}

impl TextSearch<'_> {
    /// Returns the files in several documents, and those that may match among them and among the ones that grew.
    pub(super) fn in_parts(
        &self,
        view: &View,
        grown: &[Grown],
    ) -> Result<(Arc<Parted>, Vec<Candidate>), StoreError> {
        let names: Vec<&str> = grown.iter().map(|grown| grown.file.name.as_str()).collect();
        let parted = view.parted(&names)?;
        let mut best: Vec<Option<Candidate>> = parted.names().iter().map(|_| None).collect();
        for fit in [Fit::Folded, Fit::Exact] {
            let mut scores = view.scores(&parted, &self.words, fit)?;
            for grown in grown {
                self.add_rest(grown, &parted, &mut scores);
            }
            for ((name, scores), best) in parted.names().iter().zip(&scores).zip(&mut best) {
                if self.has_all(scores) {
                    *best = Some(Candidate {
                        name: name.clone(),
                        fit,
                        score: score_of(fit, scores.iter().flatten().sum()),
                    });
                }
            }
        }
        Ok((parted, best.into_iter().flatten().collect()))
    }

    /// Notes the words behind what is indexed of a file.
    fn add_rest(&self, grown: &Grown, parted: &Parted, scores: &mut [WordScores]) {
        let Ok(at) = parted.names().binary_search(&grown.file.name) else {
            return;
        };
        let counts = Counts::of(&grown.rest, &self.words);
        for (score, count) in scores[at].iter_mut().zip(counts.of_words) {
            if count > 0 {
                score.get_or_insert(0.0);
            }
        }
    }

    /// Returns true if a file with these words has one phrase of each group.
    fn has_all(&self, scores: &WordScores) -> bool {
        let has = |word| {
            let at = self.words.iter().position(|known| known == word);
            at.is_some_and(|at| scores[at].is_some())
        };
        let mut groups = self.wanted.iter();
        groups.all(|phrases| phrases.iter().any(|words| words.iter().all(has)))
    }

    /// Looks into one part of a file after the other, for `left` bytes, which become fewer.
    fn in_windows(
        &self,
        file: &FileInfo,
        reader: &mut (dyn FileReader + '_),
        left: &mut u64,
        sink: &dyn Sink,
    ) -> io::Result<Option<TextMatch>> {
        let stopped = || sink.flow() == Flow::Stop;
        let mut bytes = FileBytes::new(self.files, reader, file, &stopped);
        let mut gathered = self.finder.gather();
        let overlap = if self.finder.wants_phrases() {
            OVERLAP
        } else {
            0
        };
        let (mut window, mut lines_before, mut goes_on) = (Vec::new(), 0, true);
        let mut is_cut = false;
        source::read_text(&mut bytes, &mut |piece| {
            let length = piece.len() as u64;
            is_cut = *left < length;
            *left = left.saturating_sub(length);
            window.extend_from_slice(piece);
            if window.len() >= WINDOW && !is_cut {
                // A word that is longer than a window is none.
                let end = memchr::memrchr(b'\n', &window).map_or(window.len(), |at| at + 1);
                goes_on = gathered.add(&String::from_utf8_lossy(&window[..end]), lines_before);
                let begin = begin_of_overlap(&window[..end], overlap);
                let done = window.drain(..begin);
                lines_before += memchr::memchr_iter(b'\n', done.as_slice()).count() as u64;
            }
            goes_on && !is_cut
        })?;
        if is_cut {
            return Err(io::Error::other(TooLong));
        }
        if goes_on {
            gathered.add(&String::from_utf8_lossy(&window), lines_before);
        }
        Ok(gathered.finish())
    }

    /// Says which texts have more than is in the index.
    pub(super) fn tell_cut(&self, names: BTreeSet<String>, sink: &mut dyn Sink) {
        for name in names {
            match self.files.known(&name) {
                Ok(Some(file)) if file.size > TEXT_MAX as u64 => {
                    sink.partial(Gap::of(&name, GapReason::Unread));
                }
                Ok(_) => {}
                Err(_) => sink.partial(Gap::of(&name, GapReason::Unreadable)),
            }
        }
    }
}

/// Gives hits, and checks files that may be some.
pub(super) struct Checking<'a> {
    asked: &'a TextSearch<'a>,
    /// Says whether the index has a version of a file.
    is_indexed: &'a dyn Fn(&str, u64) -> bool,
    reader: Box<dyn FileReader + 'a>,
    /// Bytes that may still be read.
    left: u64,
    /// The names of the files that matched.
    given: HashSet<String>,
}

impl<'a> Checking<'a> {
    pub(super) fn new(
        asked: &'a TextSearch<'a>,
        is_indexed: &'a dyn Fn(&str, u64) -> bool,
        sink: &dyn Sink,
    ) -> Checking<'a> {
        Checking {
            asked,
            is_indexed,
            reader: asked.files.reader(),
            left: match sink.asker() {
                Asker::Owner => CHECKED_MAX,
                Asker::Stranger => STRANGERS_CHECKED_MAX,
            },
            given: HashSet::new(),
        }
    }

    /// Returns true if a file of this name was given after a check.
    pub(super) fn has_given(&self, name: &str) -> bool {
        self.given.contains(name)
    }

    /// Gives a hit, or a file if it matches. Returns whether more is welcome.
    pub(super) fn give(&mut self, other: Other, sink: &mut dyn Sink) -> Flow {
        let candidate = match other {
            Other::Hit(hit) => return sink.hit(hit),
            Other::Candidate(candidate) => candidate,
        };
        match self.hit(&candidate, sink) {
            Ok(Some(hit)) => {
                self.given.insert(candidate.name);
                sink.hit(hit)
            }
            Ok(None) => sink.flow(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => sink.flow(),
            Err(error) => {
                sink.partial(Gap::of(&candidate.name, gap(&error)));
                sink.flow()
            }
        }
    }

    fn hit(&mut self, candidate: &Candidate, sink: &dyn Sink) -> io::Result<Option<Hit>> {
        let known = self.asked.files.known(&candidate.name);
        let Some(file) = known.map_err(io::Error::other)? else {
            return Ok(None);
        };
        if sink.excerpts() == 0 && self.is_sure(candidate, &file)? {
            return Ok(Some(Hit {
                file,
                score: Some(candidate.score),
                excerpt: None,
            }));
        }
        let reader = self.reader.as_mut();
        let found = self.asked.in_windows(&file, reader, &mut self.left, sink)?;
        Ok(found.map(|found| Hit {
            file,
            score: Some(candidate.score),
            excerpt: Some(found.excerpt),
        }))
    }

    /// Returns true if the file is the one that was indexed, so that it has what the index says.
    fn is_sure(&mut self, candidate: &Candidate, file: &FileInfo) -> io::Result<bool> {
        let is_decided = candidate.fit == Fit::Exact && self.asked.finder.wants_words_alone();
        if !is_decided || !(self.is_indexed)(&file.name, file.version) {
            return Ok(false);
        }
        let is_it = self.reader.has_version(&file.name, file.version);
        is_it.map_err(io::Error::other)
    }
}

/// So much of a text is not read for one query.
#[derive(Debug, thiserror::Error)]
#[error("it is too long to be read for one query")]
struct TooLong;

/// Returns why a file is not covered.
fn gap(error: &io::Error) -> GapReason {
    let inner = error.get_ref();
    if inner.is_some_and(|inner| inner.is::<TooLong>()) {
        GapReason::Unread
    } else {
        source::gap(error)
    }
}

/// Returns the start of a line so many bytes before the end of a text; the end, if no line of
/// some length starts there.
fn begin_of_overlap(text: &[u8], overlap: usize) -> usize {
    let about = text.len().saturating_sub(overlap);
    let line = memchr::memrchr(b'\n', &text[..about]);
    let begin = line.map(|at| at + 1);
    begin
        .filter(|begin| overlap > 0 && about - begin < overlap)
        .unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlap_begins_with_a_line() {
        assert_eq!(begin_of_overlap(b"one\ntwo\nthree\n", 4), 8);
        assert_eq!(begin_of_overlap(b"one\ntwo\nthree\n", 0), 14);
        assert_eq!(begin_of_overlap(b"a line without an end", 4), 21);
    }
}
