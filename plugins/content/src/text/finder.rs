//! The check of a text against a query, and the choice of its best line.
//!
//! Words are compared as words ([`Word::fit`]), one by one. Where both the text and a
//! word are ASCII, its places are found by searching for its bytes first, which is fast.

use std::{collections::BTreeMap, ops::Range};

use grep_matcher::Matcher;
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use plugin_api::Excerpt;
use plugin_words::{Fit, Place, Word, Words, begin_of_run, is_ignorable};

use super::query::{Phrase, TextQuery};
use crate::{excerpt, letters::letter_from};

/// Places of one word or phrase that are looked at for the best line.
const PLACES_MAX: usize = 64;

/// Looks for the words of a query.
pub(super) struct Finder {
    with: Vec<Vec<Prepared>>,
    without: Vec<Prepared>,
}

/// A match in a text.
pub(super) struct TextMatch {
    pub(super) excerpt: Excerpt,
    /// The fit of the words: that of the worst.
    pub(super) fit: Fit,
}

/// A match that is gathered from parts of a text, one after the other.
pub(super) struct Gathered<'f> {
    finder: &'f Finder,
    /// The best fit of each group so far.
    fits: Vec<Option<Fit>>,
    is_out: bool,
    best: Option<(Rank, Excerpt)>,
}

/// The rank of a line: how many groups of the query it has, and how many of them exactly.
type Rank = (usize, usize);

/// A phrase, and a search for its first word in ASCII.
struct Prepared {
    phrase: Phrase,
    ascii: Option<RegexMatcher>,
}

/// A place of a phrase.
#[derive(Clone, Debug)]
struct Spot {
    range: Range<usize>,
    fit: Fit,
}

impl Finder {
    /// # Errors
    /// Errors if a word is not valid; that is not to be expected.
    pub(super) fn new(query: &TextQuery) -> Result<Finder, String> {
        let prepared = |phrases: &[Phrase]| {
            let prepared = phrases.iter().cloned().map(Prepared::new);
            prepared.collect::<Result<Vec<_>, String>>()
        };
        let with = query.with.iter().map(|group| prepared(group));
        Ok(Finder {
            with: with.collect::<Result<_, _>>()?,
            without: prepared(&query.without)?,
        })
    }

    /// Returns true if the query is just one word, so that the first line that has it
    /// is the best.
    pub(super) fn wants_one_word(&self) -> bool {
        let is_one = |prepared: &Prepared| prepared.phrase.words.len() == 1;
        self.without.is_empty()
            && matches!(self.with.as_slice(), [group] if group.iter().all(is_one))
    }

    /// Returns true if what a text has is decided by the words that it has, so that an index of
    /// words knows it: no phrases, no signs, nothing that is left out.
    pub(super) fn wants_words_alone(&self) -> bool {
        let mut all = self.with.iter().flatten();
        self.without.is_empty() && all.all(|prepared| prepared.phrase.is_word())
    }

    /// Returns true if a match may begin in one part of a text and end in the next.
    pub(super) fn wants_phrases(&self) -> bool {
        let mut all = self.with.iter().flatten().chain(&self.without);
        all.any(|prepared| prepared.phrase.words.len() > 1)
    }

    /// Returns the best line of `text`, if it has all that is asked for.
    pub(super) fn find(&self, text: &str) -> Option<TextMatch> {
        let is_ascii = text.is_ascii();
        let mut spots = Vec::new();
        let mut worst = Fit::Exact;
        for n in 0..self.with.len() {
            worst = worst.max(self.spots_of(n, text, is_ascii, &mut spots)?);
        }
        if self.is_out(text, is_ascii) {
            return None;
        }
        let (begin, _) = best_line(text, &spots);
        Some(TextMatch {
            excerpt: self.excerpt(text, is_ascii, begin),
            fit: worst,
        })
    }

    /// Begins to gather a match from parts of a text.
    pub(super) fn gather(&self) -> Gathered<'_> {
        Gathered {
            finder: self,
            fits: vec![None; self.with.len()],
            is_out: false,
            best: None,
        }
    }

    /// Adds places of the group `n` to `spots`. Returns the best fit of them.
    fn spots_of(
        &self,
        n: usize,
        text: &str,
        is_ascii: bool,
        spots: &mut Vec<(usize, Spot)>,
    ) -> Option<Fit> {
        let most = if self.with.len() == 1 { 1 } else { PLACES_MAX };
        let mut best = None;
        for prepared in &self.with[n] {
            let found = prepared.spots(text, is_ascii, most);
            best = best
                .into_iter()
                .chain(found.iter().map(|spot| spot.fit))
                .min();
            spots.extend(found.into_iter().map(|spot| (n, spot)));
        }
        best
    }

    /// Returns true if the text has something that is to be left out.
    fn is_out(&self, text: &str, is_ascii: bool) -> bool {
        let is_there = |prepared: &Prepared| !prepared.spots(text, is_ascii, 1).is_empty();
        self.without.iter().any(is_there)
    }

    /// Returns the line at the byte `begin`.
    fn excerpt(&self, text: &str, is_ascii: bool, begin: usize) -> Excerpt {
        let line = text[begin..].split('\n').next().unwrap_or_default();
        let number = memchr::memchr_iter(b'\n', &text.as_bytes()[..begin]).count() as u64 + 1;
        excerpt::of_line(
            line.as_bytes(),
            number,
            &self.marks(text, is_ascii, begin, line.len()),
        )
    }

    /// Returns all places in a line.
    fn marks(&self, text: &str, is_ascii: bool, begin: usize, length: usize) -> Vec<Range<usize>> {
        let end = begin + length;
        let mut marks: Vec<Range<usize>> = Vec::new();
        for prepared in self.with.iter().flatten() {
            // A phrase may go on in the next lines.
            prepared.visit(text, is_ascii, begin..end, &mut |spot| {
                let range = spot.range;
                marks.push(range.start - begin..range.end.min(end) - begin);
                marks.len() < PLACES_MAX
            });
        }
        marks.sort_by_key(|mark| (mark.start, mark.end));
        let mut apart: Vec<Range<usize>> = Vec::new();
        for mark in marks {
            match apart.last_mut() {
                Some(last) if mark.start < last.end => last.end = last.end.max(mark.end),
                _ => apart.push(mark),
            }
        }
        apart
    }
}

impl Gathered<'_> {
    /// Looks into the next part of the text. Returns whether more of it can change something.
    pub(super) fn add(&mut self, text: &str, lines_before: u64) -> bool {
        let (finder, is_ascii) = (self.finder, text.is_ascii());
        let mut spots = Vec::new();
        for (n, fit) in self.fits.iter_mut().enumerate() {
            let found = finder.spots_of(n, text, is_ascii, &mut spots);
            *fit = fit.iter().copied().chain(found).min();
        }
        self.is_out |= finder.is_out(text, is_ascii);
        let (begin, rank) = best_line(text, &spots);
        if self.best.as_ref().is_none_or(|(best, _)| rank > *best) && !spots.is_empty() {
            let mut excerpt = finder.excerpt(text, is_ascii, begin);
            excerpt.line = excerpt.line.map(|line| line + lines_before);
            self.best = Some((rank, excerpt));
        }
        let is_found = self.fits.iter().all(Option::is_some) && finder.without.is_empty();
        !is_found && !self.is_out
    }

    /// Returns the match, if the parts together have all that is asked for.
    pub(super) fn finish(self) -> Option<TextMatch> {
        let fit = self
            .fits
            .into_iter()
            .try_fold(Fit::Exact, |worst, fit| fit.map(|fit| worst.max(fit)));
        let (_, excerpt) = self.best.filter(|_| !self.is_out)?;
        Some(TextMatch { excerpt, fit: fit? })
    }
}

/// Returns the start of the line with most of the query; of several, the one that fits best, and
/// of those the first.
fn best_line(text: &str, spots: &[(usize, Spot)]) -> (usize, Rank) {
    let begin_of_line = |at: usize| text[..at].rfind('\n').map_or(0, |end| end + 1);
    let mut lines: BTreeMap<usize, BTreeMap<usize, Fit>> = BTreeMap::new();
    for (group, spot) in spots {
        let found = lines.entry(begin_of_line(spot.range.start)).or_default();
        let fit = found.entry(*group).or_insert(spot.fit);
        *fit = spot.fit.min(*fit);
    }
    let mut best = (0, (0, 0));
    for (begin, found) in lines {
        let exact = found.values().filter(|fit| **fit == Fit::Exact).count();
        if (found.len(), exact) > best.1 {
            best = (begin, (found.len(), exact));
        }
    }
    best
}

impl Prepared {
    fn new(phrase: Phrase) -> Result<Prepared, String> {
        let first = phrase.words.first().map_or("", |next| next.word.exact());
        let ascii = first.is_ascii().then(|| {
            let mut builder = RegexMatcherBuilder::new();
            builder.case_insensitive(true).fixed_strings(true);
            builder.build(first).map_err(|error| error.to_string())
        });
        Ok(Prepared {
            ascii: ascii.transpose()?,
            phrase,
        })
    }

    /// Returns the first `most` places in a text; with `most` of one, an exact one if there is.
    fn spots(&self, text: &str, is_ascii: bool, most: usize) -> Vec<Spot> {
        if let Some(matcher) = self.ascii.as_ref().filter(|_| !is_ascii) {
            let found = self.exact_spots(matcher, text, most);
            if !found.is_empty() {
                return found;
            }
        }
        let mut found: Vec<Spot> = Vec::new();
        self.visit(text, is_ascii, 0..text.len(), &mut |spot| {
            if most == 1 && !found.is_empty() {
                if spot.fit == Fit::Exact {
                    found[0] = spot;
                }
            } else {
                found.push(spot);
            }
            found.len() < most || most == 1 && found[0].fit != Fit::Exact
        });
        found
    }

    /// Returns the first `most` places where the words stand letter for letter: much faster than to
    /// look at every word of a text that is not ASCII.
    fn exact_spots(&self, matcher: &RegexMatcher, text: &str, most: usize) -> Vec<Spot> {
        let mut found = Vec::new();
        self.visit_ascii(matcher, text, 0..text.len(), &mut |spot| {
            if spot.fit == Fit::Exact {
                found.push(spot);
            }
            found.len() < most
        });
        found
    }

    /// Calls `each` with every place in `text` that begins in `within`, until it wants
    /// no more.
    fn visit(
        &self,
        text: &str,
        is_ascii: bool,
        within: Range<usize>,
        each: &mut dyn FnMut(Spot) -> bool,
    ) {
        match &self.ascii {
            Some(matcher) if is_ascii => self.visit_ascii(matcher, text, within, each),
            _ => self.visit_words(text, within, each),
        }
    }

    fn visit_ascii(
        &self,
        matcher: &RegexMatcher,
        text: &str,
        within: Range<usize>,
        each: &mut dyn FnMut(Spot) -> bool,
    ) {
        let mut at = within.start;
        // Looking for plain text does not fail.
        while let Ok(Some(found)) = matcher.find_at(text.as_bytes(), at) {
            if found.start() >= within.end {
                return;
            }
            if let Some(spot) = self.spot_at(text, found.start())
                && !each(spot)
            {
                return;
            }
            at = letter_from(text, found.end().max(at + 1));
        }
    }

    /// Returns the phrase, if one of the words at the byte `at` is its first.
    fn spot_at(&self, text: &str, at: usize) -> Option<Spot> {
        let mut words = Words::from(text, begin_of_run(text, at));
        let mut place = words.next_place()?;
        let run_end = place.range.end;
        let mut word = Word::default();
        loop {
            if place.range.start == at
                && let Some(spot) = self.spot(text, &place, run_end, &mut word)
            {
                return Some(spot);
            }
            place = words.next_place()?;
            if place.range.start >= run_end {
                return None;
            }
        }
    }

    fn visit_words(&self, text: &str, within: Range<usize>, each: &mut dyn FnMut(Spot) -> bool) {
        let mut words = Words::from(text, within.start);
        let mut word = Word::default();
        let mut run_end = 0;
        while let Some(place) = words.next_place() {
            if place.range.start >= within.end {
                return;
            }
            if !place.is_part {
                run_end = place.range.end;
            }
            if let Some(spot) = self.spot(text, &place, run_end, &mut word)
                && !each(spot)
            {
                return;
            }
        }
    }

    /// Returns the phrase, if its first word is the one at `first`, in a run that ends at
    /// `run_end`.
    fn spot(&self, text: &str, first: &Place, run_end: usize, word: &mut Word) -> Option<Spot> {
        let mut fit = self.fit(0, &text[first.range.clone()], word)?;
        if !text[..first.range.start].ends_with(&self.phrase.lead) {
            return None;
        }
        let mut end = first.range.end;
        let mut run_end = run_end.max(end);
        for n in 1..self.phrase.words.len() {
            let next = self.next(n, text, end, run_end, word)?;
            fit = fit.max(next.fit);
            run_end = run_end.max(next.range.end);
            end = next.range.end;
        }
        text[end..].starts_with(&self.phrase.trail).then_some(Spot {
            range: first.range.start..end,
            fit,
        })
    }

    /// Returns the word `n` of the phrase, if it is the one behind the byte `end`.
    fn next(
        &self,
        n: usize,
        text: &str,
        end: usize,
        run_end: usize,
        word: &mut Word,
    ) -> Option<Spot> {
        let gap = &self.phrase.words[n].gap;
        let mut fits = |place: Place| {
            let fit = self.fit(n, &text[place.range.clone()], word)?;
            gap.fits(&text[end..place.range.start]).then_some(Spot {
                range: place.range,
                fit,
            })
        };
        if end < run_end {
            // Within a run: the next part begins where this one ended.
            let unseen = text[end..].find(|c: char| !is_ignorable(c)).unwrap_or(0);
            let mut words = Words::from(text, begin_of_run(text, end + unseen));
            while let Some(place) = words.next_place() {
                if place.range.start > end + unseen {
                    return None;
                }
                if place.range.start == end + unseen
                    && let Some(spot) = fits(place)
                {
                    return Some(spot);
                }
            }
            return None;
        }
        let mut words = Words::from(text, end);
        let mut place = words.next_place()?;
        let start = place.range.start;
        // The run itself or one of the parts that it begins with.
        loop {
            if let Some(spot) = fits(place) {
                return Some(spot);
            }
            place = words.next_place()?;
            if !place.is_part || place.range.start != start {
                return None;
            }
        }
    }

    /// Returns the fit of `run` to the word `n` of the phrase.
    fn fit(&self, n: usize, run: &str, word: &mut Word) -> Option<Fit> {
        let wanted = &self.phrase.words[n].word;
        let is_begin = self.phrase.is_begin && n + 1 == self.phrase.words.len();
        if run.is_ascii() && !is_begin && wanted.exact().is_ascii() {
            return wanted
                .exact()
                .eq_ignore_ascii_case(run)
                .then_some(Fit::Exact);
        }
        word.read(run);
        if is_begin {
            wanted.begin(word)
        } else {
            wanted.fit(word)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(query: &str, text: &str) -> Option<(u64, Vec<String>)> {
        let query = TextQuery::parse(query).unwrap();
        let excerpt = Finder::new(&query).unwrap().find(text)?.excerpt;
        let marks = excerpt
            .marks
            .iter()
            .map(|mark| excerpt.text[mark.clone()].to_owned());
        Some((excerpt.line.unwrap(), marks.collect()))
    }

    fn found(line: u64, marks: &[&str]) -> Option<(u64, Vec<String>)> {
        Some((line, marks.iter().map(|mark| (*mark).to_owned()).collect()))
    }

    #[test]
    fn words_are_whole_words_or_parts_of_names() {
        assert_eq!(find("cat", "concatenate\nthe Cat sat"), found(2, &["Cat"]));
        assert_eq!(
            find("request", "struct HttpRequest;"),
            found(1, &["Request"])
        );
        assert_eq!(
            find("httprequest", "struct HttpRequest;"),
            found(1, &["HttpRequest"])
        );
        assert_eq!(find("case", "snake_case"), found(1, &["case"]));
        assert_eq!(find("cat", "cats"), None);
        assert_eq!(find("ÖL", "das öl"), found(1, &["öl"]));
        assert_eq!(find("python", "in python3"), found(1, &["python"]));
    }

    #[test]
    fn words_are_found_and_marked_in_every_spelling() {
        for (query, text, mark) in [
            ("istanbul", "in İSTANBUL.", "İSTANBUL"),
            ("İstanbul", "in istanbul.", "istanbul"),
            ("οδός", "Η ΟΔΟΣ", "ΟΔΟΣ"),
            ("café", "a cafe\u{301}!", "cafe\u{301}"),
            ("cafe", "x café", "café"),
            ("software", "soft\u{ad}ware", "soft\u{ad}ware"),
            ("fine", "ﬁne", "ﬁne"),
            ("abc", "xyz ＡＢＣ", "ＡＢＣ"),
            ("서울", "나는 서울에서", "서울"),
            ("strasse", "die Straße", "Straße"),
        ] {
            assert_eq!(find(query, text), found(1, &[mark]), "{query} {text}");
        }
        // The line that fits best is shown.
        assert_eq!(find("café", "a cafe\na café"), found(2, &["café"]));
    }

    #[test]
    fn phrases_are_words_one_behind_the_other() {
        assert_eq!(find("\"brown fox\"", "brown, dull fox"), None);
        assert_eq!(
            find("\"brown fox\"", "a Brown\n  FOX jumps"),
            found(1, &["Brown"])
        );
        assert_eq!(
            find("snake_case", "a snake case"),
            found(1, &["snake case"])
        );
        assert_eq!(
            find("\"http request\"", "HttpRequest"),
            found(1, &["HttpRequest"])
        );
        assert_eq!(
            find("\"new http\"", "new HttpRequest"),
            found(1, &["new Http"])
        );
        assert_eq!(find("\"漢字\"", "一漢字"), found(1, &["漢字"]));
        assert_eq!(find("\"漢字\"", "字漢"), None);
        assert_eq!(find("漢字", "漢。字"), None);
        assert_eq!(find("漢字", "漢\n字"), found(1, &["漢"]));
    }

    #[test]
    fn signs_are_looked_for_as_they_stand() {
        for (query, has, has_not) in [
            ("C++", "a C++ b", "a C b"),
            ("C++", "C++11", "C+ +"),
            ("c#", "in C#.", "C++"),
            (".NET", "on .NET 8", "the net"),
            ("node.js", "node.js", "node js"),
            ("\"c++ primer\"", "C++ Primer", "C primer"),
            ("std::vec", "use std::vec;", "std vec"),
        ] {
            assert!(find(query, has).is_some(), "{query} {has}");
            assert_eq!(find(query, has_not), None, "{query} {has_not}");
        }
    }

    #[test]
    fn one_of_several_and_the_begin_of_a_word_are_found() {
        assert_eq!(find("cat OR dog", "a dog"), found(1, &["dog"]));
        assert_eq!(find("a cat OR dog", "a bird"), None);
        assert_eq!(find("pre*", "no\nPrefix pre"), found(2, &["Prefix", "pre"]));
        assert_eq!(find("pre*", "express"), None);
        assert_eq!(find("caf*", "Cafés"), found(1, &["Cafés"]));
    }

    #[test]
    fn a_non_joiner_is_a_space_to_some() {
        assert_eq!(find("می\u{200c}خواهم", "می خواهم"), found(1, &["می خواهم"]));
        assert_eq!(find("خواهم", "می\u{200c}خواهم"), found(1, &["خواهم"]));
        assert_eq!(
            find("\"می خواهم\"", "می\u{200c}خواهم"),
            found(1, &["می\u{200c}خواهم"])
        );
    }

    #[test]
    fn the_best_line_has_most_of_the_query() {
        let text = "one\ntwo\nthree two one\none two";
        assert_eq!(find("one two", text), found(3, &["two", "one"]));
        assert_eq!(find("one two -three", text), None);
        assert_eq!(
            find("one two -\"three one\"", text),
            found(3, &["two", "one"])
        );
    }

    #[test]
    fn all_of_a_query_has_to_be_there() {
        assert_eq!(find("one four", "one two three"), None);
        assert_eq!(find("a", ""), None);
    }
}
