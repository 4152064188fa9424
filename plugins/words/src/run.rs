//! Cutting a text into words.
//!
//! A word is a run of letters and digits with their marks. A run in `camelCase` is a
//! word as a whole and its parts are words too; so are letters and digits of `python3`,
//! and what a zero width non-joiner separates. `snake_case` is two words. Scripts that
//! set no spaces (Chinese, Japanese, Thai and their like) and Hangul have a word for
//! each letter; what belongs together is found as a phrase.

use std::{collections::VecDeque, ops::Range};

use crate::{
    WORD_MAX,
    letters::{cluster, is_ignorable, is_letter, is_mark, stands_alone},
    word::Word,
};

/// Most changes between letters and digits in a run that has parts for them: more are
/// in numbers of machines, whose parts nobody looks for.
const CHANGES_MAX: usize = 4;

/// The words of a text, one by one.
#[derive(Clone, Debug)]
pub struct Words<'a> {
    text: &'a str,
    at: usize,
    parts: VecDeque<Range<usize>>,
}

/// The place of a word.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// In bytes of the text.
    pub range: Range<usize>,
    /// True if it is a part of the run before it.
    pub is_part: bool,
}

impl<'a> Words<'a> {
    /// Returns the words of `text`.
    #[must_use]
    pub fn of(text: &'a str) -> Words<'a> {
        Words::from(text, 0)
    }

    /// Returns the words of `text` from the byte `at` on.
    #[must_use]
    pub fn from(text: &'a str, at: usize) -> Words<'a> {
        Words {
            text,
            at,
            parts: VecDeque::new(),
        }
    }

    /// Writes the next word to `word`, and says where it stands.
    pub fn next(&mut self, word: &mut Word) -> Option<Place> {
        let place = self.next_place()?;
        word.read(&self.text[place.range.clone()]);
        Some(place)
    }

    /// Says where the next word stands.
    pub fn next_place(&mut self) -> Option<Place> {
        if let Some(range) = self.parts.pop_front() {
            return Some(Place {
                range,
                is_part: true,
            });
        }
        let range = self.run()?;
        parts(&self.text[range.clone()], range.start, &mut self.parts);
        Some(Place {
            range,
            is_part: false,
        })
    }

    /// Returns the next run of letters and digits.
    fn run(&mut self) -> Option<Range<usize>> {
        let rest = &self.text[self.at..];
        let start = self.at + begin(rest)?;
        let (length, seen) = length(&self.text[start..]);
        self.at = start + length;
        Some(start..start + seen)
    }
}

/// Returns the place where the first run begins.
fn begin(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let ascii = bytes
        .iter()
        .position(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii())?;
    if bytes[ascii].is_ascii() {
        return Some(ascii);
    }
    let rest = text[ascii..].find(is_letter)?;
    Some(ascii + rest)
}

/// Returns the length of the run that the text begins with, and of its visible part: without
/// characters at its end that nobody sees.
fn length(text: &str) -> (usize, usize) {
    let bytes = text.as_bytes();
    let ascii = bytes
        .iter()
        .position(|byte| !byte.is_ascii_alphanumeric())
        .unwrap_or(bytes.len());
    if ascii == bytes.len() || bytes[ascii].is_ascii() {
        return (ascii, ascii);
    }
    let mut letters = text.char_indices();
    if let Some((_, first)) = letters.next()
        && stands_alone(first)
    {
        let length = cluster(text);
        return (length, length);
    }
    let mut seen = text.len().min(1);
    for (at, letter) in text.char_indices() {
        if is_ignorable(letter) && at > 0 {
            continue;
        }
        if at > 0 && !is_mark(letter) && (!is_letter(letter) || stands_alone(letter)) {
            return (at, seen);
        }
        seen = at + letter.len_utf8();
    }
    (text.len(), seen)
}

/// Calls `each` with the parts of a run, if it has more than one.
fn parts(run: &str, offset: usize, parts: &mut VecDeque<Range<usize>>) {
    if run.len() > 4 * WORD_MAX || run.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return;
    }
    let mut push = |range: &Range<usize>| parts.push_back(offset + range.start..offset + range.end);
    let humps = cut(run, 0..run.len(), is_hump);
    if humps.len() > 1 {
        humps.iter().for_each(&mut push);
    }
    let changes = |hump: &Range<usize>| cut(run, hump.clone(), is_change);
    let all: Vec<_> = humps.iter().map(changes).collect();
    if all.iter().map(Vec::len).sum::<usize>() <= humps.len() + CHANGES_MAX {
        let split = all.iter().filter(|pieces| pieces.len() > 1);
        split.flatten().for_each(&mut push);
    }
    joined(run).iter().for_each(&mut push);
}

/// Cuts a range of a run where `is_border` says so, of each letter and those beside it.
fn cut(
    run: &str,
    range: Range<usize>,
    is_border: fn(char, char, Option<char>) -> bool,
) -> Vec<Range<usize>> {
    let (mut pieces, mut from) = (Vec::new(), range.start);
    let mut letters = run[range.clone()].char_indices();
    let mut before = None;
    while let Some((at, letter)) = letters.next() {
        if is_mark(letter) || is_ignorable(letter) {
            continue;
        }
        let mut rest = letters.clone().map(|(_, behind)| behind);
        let behind = rest.find(|behind| !is_mark(*behind) && !is_ignorable(*behind));
        if before.is_some_and(|before| is_border(before, letter, behind)) {
            pieces.push(from..range.start + at);
            from = range.start + at;
        }
        before = Some(letter);
    }
    pieces.push(from..range.end);
    pieces
}

/// Returns true if a part of `camelCase` begins with `letter`.
fn is_hump(before: char, letter: char, behind: Option<char>) -> bool {
    is_capital(letter)
        && (!is_capital(before)
            || behind.is_some_and(|behind| !is_capital(behind) && behind.is_alphabetic()))
}

/// Returns true if it has another letter as its lower case; title case included.
fn is_capital(letter: char) -> bool {
    letter.is_uppercase() || !letter.is_ascii() && letter.to_lowercase().next() != Some(letter)
}

/// Returns true if letters and digits change before `letter`.
fn is_change(before: char, letter: char, _: Option<char>) -> bool {
    before.is_numeric() != letter.is_numeric()
}

/// Returns the parts that zero width non-joiners separate.
fn joined(run: &str) -> Vec<Range<usize>> {
    const NON_JOINER: char = '\u{200c}';
    if run.is_ascii() || !run.contains(NON_JOINER) {
        return Vec::new();
    }
    let mut at = 0;
    let parts = run.split(NON_JOINER).map(|part| {
        let range = at..at + part.len();
        at = range.end + NON_JOINER.len_utf8();
        range
    });
    parts
        .filter(|part| run[part.clone()].contains(is_letter))
        .collect()
}

/// Returns where the run begins that the byte `at` of `text` stands in.
#[must_use]
pub fn begin_of_run(text: &str, at: usize) -> usize {
    let before = text[..at].char_indices().rev();
    let mut begin = at;
    if text[at..].starts_with(stands_alone) {
        return at;
    }
    for (place, letter) in before.take(4 * WORD_MAX) {
        let is_inside = is_letter(letter) || is_mark(letter) || is_ignorable(letter);
        if !is_inside || stands_alone(letter) {
            break;
        }
        if is_letter(letter) {
            begin = place;
        }
    }
    begin
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_normalization::UnicodeNormalization;

    use super::*;

    fn all(text: &str) -> Vec<String> {
        let mut words = Words::of(text);
        let (mut word, mut all) = (Word::default(), Vec::new());
        while words.next(&mut word).is_some() {
            all.push(word.exact().to_owned());
        }
        all
    }

    #[test]
    fn words_are_runs_of_letters_and_digits_without_case() {
        assert_eq!(all("  Hello, World! "), ["hello", "world"]);
        assert_eq!(all("Ärger über Öl-Preis"), ["ärger", "über", "öl", "preis"]);
        assert_eq!(all("…—\u{301}\u{ad}"), Vec::<String>::new());
        assert_eq!(all("soft\u{ad}ware\u{ad} ＡＢ"), ["software", "ab"]);
    }

    #[test]
    fn names_in_programs_have_parts() {
        assert_eq!(all("snake_case"), ["snake", "case"]);
        assert_eq!(all("camelCase"), ["camelcase", "camel", "case"]);
        assert_eq!(all("HTTP"), ["http"]);
        assert_eq!(
            all("größeÄnderung"),
            ["grösseänderung", "grösse", "änderung"]
        );
        assert_eq!(
            all("HTTPServer2"),
            ["httpserver2", "http", "server2", "server", "2"]
        );
    }

    #[test]
    fn letters_and_digits_are_parts_of_a_short_run() {
        assert_eq!(all("python3"), ["python3", "python", "3"]);
        assert_eq!(all("42nd"), ["42nd", "42", "nd"]);
        assert_eq!(all("0f3a9c2e7b"), ["0f3a9c2e7b"]);
        assert_eq!(all("2024年"), ["2024", "年"]);
    }

    #[test]
    fn scripts_without_spaces_have_a_word_for_each_letter() {
        assert_eq!(all("漢字kana漢"), ["漢", "字", "kana", "漢"]);
        assert_eq!(all("서울에서"), ["서", "울", "에", "서"]);
        assert_eq!(all("น้ำไม่"), ["น\u{e49}\u{e4d}\u{e32}", "ไ", "ม\u{e48}"]);
        assert_eq!(all("ｶﾞｷﾞ"), ["ガ", "ギ"]);
        assert_eq!(all("เเม่"), all("แม่"));
        assert_eq!(all("น\u{e4d}\u{e49}\u{e32}"), all("น้ำ"));
    }

    #[test]
    fn marks_are_a_part_of_their_word() {
        assert_eq!(all("हिन्दी भाषा"), ["हिन्दी", "भाषा"]);
        assert_eq!(all("cafe\u{301} x"), ["café", "x"]);
    }

    #[test]
    fn a_zero_width_non_joiner_separates_parts() {
        assert_eq!(all("می\u{200c}خواهم"), ["میخواهم", "می", "خواهم"]);
    }

    #[test]
    fn a_long_word_counts_by_its_first_letters() {
        let long = "é".repeat(WORD_MAX + 9);
        assert_eq!(all(&long), ["é".repeat(WORD_MAX)]);
    }

    #[test]
    fn the_begin_of_a_run_is_found_from_within() {
        assert_eq!(begin_of_run("a überAll", 5), 2);
        assert_eq!(begin_of_run("ab", 0), 0);
    }

    proptest! {
        #[test]
        fn equivalent_texts_have_the_same_words(text in "\\PC{0,30}") {
            let composed: String = text.nfc().collect();
            let decomposed: String = text.nfd().collect();
            prop_assert_eq!(all(&composed), all(&decomposed));
        }

        #[test]
        fn places_are_letters_of_the_text(text in "\\PC{0,30}|[a-zA-Z0-9é\u{200c}\u{ad}\u{301}漢 ]{0,30}") {
            let mut words = Words::of(&text);
            let mut end = 0;
            while let Some(place) = words.next_place() {
                prop_assert!(text.get(place.range.clone()).is_some_and(|run| !run.is_empty()));
                prop_assert!(place.is_part || place.range.start >= end);
                end = end.max(place.range.end);
            }
        }
    }
}
