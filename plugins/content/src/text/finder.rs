//! Whether a text has what a query asks for, and its best line.
//!
//! The first word of each word or phrase is searched for as bytes, which is fast;
//! where it is found, the words around are read one by one.

use std::{collections::BTreeMap, ops::Range};

use grep_matcher::Matcher;
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use plugin_api::Excerpt;

use super::query::{Element, TextQuery};
use crate::{
    excerpt,
    words::{Words, begin_of_run, letter_from},
};

/// Places of one word or phrase that are looked at for the best line.
const PLACES_MAX: usize = 64;

/// Looks for what a query asks.
pub(super) struct Finder {
    with: Vec<(Element, RegexMatcher)>,
    without: Vec<(Element, RegexMatcher)>,
}

impl Finder {
    /// # Errors
    /// What is wrong with a word; that is not to be expected.
    pub(super) fn new(query: &TextQuery) -> Result<Finder, String> {
        let prepared = |elements: &[Element]| {
            let prepared = elements.iter().map(|element| {
                let first = element.0.first().map_or("", String::as_str);
                let matcher = RegexMatcherBuilder::new()
                    .case_insensitive(true)
                    .fixed_strings(true)
                    .build(first)
                    .map_err(|error| error.to_string())?;
                Ok((element.clone(), matcher))
            });
            prepared.collect::<Result<Vec<_>, String>>()
        };
        Ok(Finder {
            with: prepared(&query.with)?,
            without: prepared(&query.without)?,
        })
    }

    /// Whether one word is all that is asked for, so that the first line that has it
    /// is the best.
    pub(super) fn wants_one_word(&self) -> bool {
        let is_one = |(element, _): &(Element, RegexMatcher)| element.0.len() == 1;
        self.without.is_empty() && self.with.len() == 1 && self.with.iter().all(is_one)
    }

    /// The best line of `text`, if it has all that is asked for.
    pub(super) fn find(&self, text: &str) -> Option<Excerpt> {
        let most = if self.with.len() == 1 { 1 } else { PLACES_MAX };
        let mut places = Vec::new();
        for (n, (element, matcher)) in self.with.iter().enumerate() {
            let found = places_of(element, matcher, text, most);
            if found.is_empty() {
                return None;
            }
            places.extend(found.into_iter().map(|place| (n, place)));
        }
        let is_out = |(element, matcher): &(Element, RegexMatcher)| {
            !places_of(element, matcher, text, 1).is_empty()
        };
        if self.without.iter().any(is_out) {
            return None;
        }
        Some(self.excerpt(text, &places))
    }

    /// The line with most of what is asked for; of several, the first.
    fn excerpt(&self, text: &str, places: &[(usize, Range<usize>)]) -> Excerpt {
        let begin_of_line = |at: usize| text[..at].rfind('\n').map_or(0, |end| end + 1);
        let mut lines: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (element, place) in places {
            let found = lines.entry(begin_of_line(place.start)).or_default();
            if !found.contains(element) {
                found.push(*element);
            }
        }
        let mut best = (0, 0);
        for (begin, found) in lines {
            if found.len() > best.1 {
                best = (begin, found.len());
            }
        }
        let begin = best.0;
        let line = text[begin..].split('\n').next().unwrap_or_default();
        let before = &text.as_bytes()[..begin];
        let number = before.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        excerpt::of_line(
            line.as_bytes(),
            number,
            &self.marks(text, begin, line.len()),
        )
    }

    /// All places in a line.
    fn marks(&self, text: &str, begin: usize, length: usize) -> Vec<Range<usize>> {
        let end = begin + length;
        let mut marks: Vec<Range<usize>> = Vec::new();
        for (element, matcher) in &self.with {
            // A phrase may go on in the next lines.
            places(element, matcher, text, begin, &mut |place| {
                if place.start < end {
                    marks.push(place.start - begin..place.end.min(end) - begin);
                }
                place.start < end && marks.len() < PLACES_MAX
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

fn places_of(
    element: &Element,
    matcher: &RegexMatcher,
    text: &str,
    most: usize,
) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    places(element, matcher, text, 0, &mut |place| {
        found.push(place);
        found.len() < most
    });
    found
}

/// Calls `each` with every place of `element` in `text` from the byte `from` on,
/// until it wants no more.
fn places(
    element: &Element,
    matcher: &RegexMatcher,
    text: &str,
    from: usize,
    each: &mut dyn FnMut(Range<usize>) -> bool,
) {
    let mut at = from;
    // Looking for plain text does not fail.
    while let Ok(Some(found)) = matcher.find_at(text.as_bytes(), at) {
        if let Some(place) = place(element, text, found.start())
            && !each(place)
        {
            return;
        }
        at = letter_from(text, found.end().max(at + 1));
    }
}

/// The words of `element` if they stand at the byte `at`.
fn place(element: &Element, text: &str, at: usize) -> Option<Range<usize>> {
    let begin = begin_of_run(text, at);
    let mut words = Words::from(text, begin);
    let mut word = String::new();
    // The run itself or one of its parts may be the word.
    let mut first = words.next(&mut word)?;
    let run_end = first.range.end;
    while first.range.start != at || element.0.first() != Some(&word) {
        first = words.next(&mut word)?;
        if first.range.start >= run_end {
            return None;
        }
    }
    let mut end = first.range.end;
    for wanted in &element.0[1..] {
        end = next_word(text, end, run_end.max(end), wanted)?;
    }
    Some(at..end)
}

/// Where the word behind the byte `end` ends, if it is `wanted`.
fn next_word(text: &str, end: usize, run_end: usize, wanted: &str) -> Option<usize> {
    let mut word = String::new();
    if end < run_end {
        // Within camelCase: the next part begins where this one ended.
        let begin = begin_of_run(text, end);
        let mut words = Words::from(text, begin);
        while let Some(place) = words.next(&mut word) {
            if place.range.start > end {
                return None;
            }
            if place.range.start == end && word == wanted {
                return Some(place.range.end);
            }
        }
        return None;
    }
    let mut words = Words::from(text, end);
    let run = words.next(&mut word)?;
    if word == wanted {
        return Some(run.range.end);
    }
    let part = words.next(&mut word)?;
    let is_first = part.is_part && part.range.start == run.range.start;
    (is_first && word == wanted).then_some(part.range.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(query: &str, text: &str) -> Option<(u64, Vec<String>)> {
        let query = TextQuery::parse(query).unwrap();
        let excerpt = Finder::new(&query).unwrap().find(text)?;
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
