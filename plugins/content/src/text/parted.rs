//! Files whose words are in several documents of the index: long ones, and those that grew.
//!
//! The index says of each word in which of these files it is. A file that has all words is read
//! to check it, part by part, as far as it takes. What is behind the indexed part of a file
//! that grows is read by the query itself.

use std::{collections::BTreeSet, io, sync::Arc};

use plugin_api::{FileInfo, FileReader, Flow, Gap, GapReason, Hit, Sink};

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

/// What is known of files in several documents.
pub(super) struct InParts {
    /// The files whose hits are all in `hits`.
    pub(super) parted: Arc<Parted>,
    pub(super) hits: Vec<Hit>,
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
    /// Finds all hits among files in several documents, and among those that grew.
    pub(super) fn in_parts(
        &self,
        view: &View,
        grown: &[Grown],
        sink: &mut dyn Sink,
    ) -> Result<InParts, StoreError> {
        let names: Vec<&str> = grown.iter().map(|grown| grown.file.name.as_str()).collect();
        let parted = view.parted(&names)?;
        let mut scores = view.scores(&parted, &self.words)?;
        for grown in grown {
            let name = &grown.file.name;
            let Ok(at) = parted.names().binary_search(name) else {
                continue;
            };
            let counts = Counts::of(&grown.rest, &self.words);
            for (score, count) in scores[at].iter_mut().zip(counts.of_words) {
                if count > 0 {
                    score.get_or_insert(0.0);
                }
            }
        }
        let candidates = parted.names().iter().zip(&scores);
        let mut candidates: Vec<(&String, f64)> = candidates
            .filter(|(_, scores)| self.has_all(scores))
            .map(|(name, scores)| (name, scores.iter().flatten().sum()))
            .collect();
        candidates.sort_by(|a, b| b.1.total_cmp(&a.1));
        let hits = self.checked(&candidates, sink);
        Ok(InParts { parted, hits })
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

    /// Reads files until there are as many hits as are wanted.
    fn checked(&self, candidates: &[(&String, f64)], sink: &mut dyn Sink) -> Vec<Hit> {
        let mut reader = self.files.reader();
        let mut hits = Vec::new();
        let mut left = if sink.is_of_stranger() {
            STRANGERS_CHECKED_MAX
        } else {
            CHECKED_MAX
        };
        let most = sink.room().saturating_add(1);
        for (name, score) in candidates {
            if hits.len() >= most || sink.flow() == Flow::Stop {
                break;
            }
            let file = match self.files.known(name) {
                Ok(Some(file)) => file,
                Ok(None) => continue,
                Err(_) => {
                    sink.partial(Gap::of(name, GapReason::Unreadable));
                    continue;
                }
            };
            match self.in_windows(&file, reader.as_mut(), &mut left, sink) {
                Ok(Some(found)) => hits.push(Hit {
                    score: Some(score_of(found.fit, *score)),
                    excerpt: Some(found.excerpt),
                    file,
                }),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => sink.partial(Gap::of(name, gap(&error))),
            }
        }
        hits
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
