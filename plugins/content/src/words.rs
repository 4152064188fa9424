//! Words of a text, for every language alike.
//!
//! A word is a run of letters and digits, in lower case. A run in `camelCase`
//! is a word as a whole and its parts are words too; `snake_case` is two words.
//! Scripts that set no spaces (Chinese, Japanese, Thai and their like) have a
//! word for each letter; what belongs together is found as a phrase.

use std::{collections::VecDeque, ops::Range};

use crate::limits::WORD_MAX;

/// The words of a text, one by one.
pub(crate) struct Words<'a> {
    text: &'a str,
    at: usize,
    parts: VecDeque<Range<usize>>,
}

/// Where a word stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    /// In bytes of the text.
    pub(crate) range: Range<usize>,
    /// Whether it is a part of the run before it.
    pub(crate) is_part: bool,
}

impl<'a> Words<'a> {
    pub(crate) fn of(text: &'a str) -> Words<'a> {
        Words::from(text, 0)
    }

    /// From the byte `at` on.
    pub(crate) fn from(text: &'a str, at: usize) -> Words<'a> {
        Words {
            text,
            at,
            parts: VecDeque::new(),
        }
    }

    /// Writes the next word to `word`, and says where it stands.
    pub(crate) fn next(&mut self, word: &mut String) -> Option<Place> {
        if let Some(range) = self.parts.pop_front() {
            lower(&self.text[range.clone()], word);
            return Some(Place {
                range,
                is_part: true,
            });
        }
        let range = self.run()?;
        let run = &self.text[range.clone()];
        parts(run, range.start, &mut self.parts);
        lower(run, word);
        Some(Place {
            range,
            is_part: false,
        })
    }

    /// The next run of letters and digits.
    fn run(&mut self) -> Option<Range<usize>> {
        let rest = &self.text[self.at..];
        let start = self.at + begin(rest)?;
        let run = &self.text[start..];
        let length = length(run);
        self.at = start + length;
        Some(start..self.at)
    }
}

/// Where the first run begins.
fn begin(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let ascii = bytes
        .iter()
        .position(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii())?;
    if bytes[ascii].is_ascii() {
        return Some(ascii);
    }
    let rest = text[ascii..].find(char::is_alphanumeric)?;
    Some(ascii + rest)
}

/// Length of the run that the text begins with.
fn length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let ascii = bytes
        .iter()
        .position(|byte| !byte.is_ascii_alphanumeric())
        .unwrap_or(bytes.len());
    if ascii == bytes.len() || bytes[ascii].is_ascii() {
        return ascii;
    }
    let mut letters = text.char_indices();
    match letters.next() {
        Some((_, first)) if stands_alone(first) => first.len_utf8(),
        _ => letters
            .find(|(_, letter)| !letter.is_alphanumeric() || stands_alone(*letter))
            .map_or(text.len(), |(at, _)| at),
    }
}

/// Whether it is of a script that sets no spaces between words.
pub(crate) fn stands_alone(letter: char) -> bool {
    matches!(letter,
        '\u{0e00}'..='\u{0eff}'      // Thai, Lao
        | '\u{1000}'..='\u{109f}'    // Burmese
        | '\u{1780}'..='\u{17ff}'    // Khmer
        | '\u{3040}'..='\u{30ff}'    // Hiragana, Katakana
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'    // Han
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

/// The parts of a run in `camelCase`, if it has more than one.
fn parts(run: &str, offset: usize, parts: &mut VecDeque<Range<usize>>) {
    if !run.bytes().any(|byte| byte.is_ascii_uppercase()) || run.len() > 4 * WORD_MAX {
        return;
    }
    let bytes = run.as_bytes();
    let is_begin = |at: usize| {
        let before = bytes[at - 1];
        let behind = bytes.get(at + 1).is_some_and(u8::is_ascii_lowercase);
        bytes[at].is_ascii_uppercase() && (!before.is_ascii_uppercase() || behind)
    };
    let mut from = 0;
    for at in (1..run.len()).filter(|at| is_begin(*at)) {
        parts.push_back(offset + from..offset + at);
        from = at;
    }
    if from > 0 {
        parts.push_back(offset + from..offset + run.len());
    }
}

/// `run` in lower case, as far as it counts.
fn lower(run: &str, word: &mut String) {
    word.clear();
    if run.len() <= WORD_MAX && run.is_ascii() {
        word.push_str(run);
        word.make_ascii_lowercase();
    } else {
        word.extend(run.chars().take(WORD_MAX).flat_map(char::to_lowercase));
    }
}

/// Where the run begins that the byte `at` stands in.
pub(crate) fn begin_of_run(text: &str, at: usize) -> usize {
    let before = text[..at].char_indices().rev();
    let mut begin = at;
    if text[at..].starts_with(stands_alone) {
        return at;
    }
    for (place, letter) in before.take(4 * WORD_MAX) {
        if !letter.is_alphanumeric() || stands_alone(letter) {
            break;
        }
        begin = place;
    }
    begin
}

/// The begin of the letter that the byte `at` stands in.
pub(crate) fn letter_at(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    let inside = (at.saturating_sub(3)..=at).rev();
    inside
        .into_iter()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}

/// The begin of the first letter at the byte `at` or behind it.
pub(crate) fn letter_from(text: &str, at: usize) -> usize {
    let behind = (at..text.len()).find(|at| text.is_char_boundary(*at));
    behind.unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<String> {
        let mut words = Words::of(text);
        let (mut word, mut all) = (String::new(), Vec::new());
        while words.next(&mut word).is_some() {
            all.push(word.clone());
        }
        all
    }

    #[test]
    fn words_are_runs_of_letters_and_digits_in_lower_case() {
        assert_eq!(all("  Hello, World! 42nd "), ["hello", "world", "42nd"]);
        assert_eq!(all("Ärger über Öl-Preis"), ["ärger", "über", "öl", "preis"]);
        assert_eq!(all("…—"), Vec::<String>::new());
    }

    #[test]
    fn names_in_programs_have_parts() {
        assert_eq!(all("snake_case"), ["snake", "case"]);
        assert_eq!(all("camelCase"), ["camelcase", "camel", "case"]);
        assert_eq!(all("HTTPServer2"), ["httpserver2", "http", "server2"]);
        assert_eq!(all("HTTP"), ["http"]);
    }

    #[test]
    fn scripts_without_spaces_have_a_word_for_each_letter() {
        assert_eq!(all("漢字kana漢"), ["漢", "字", "kana", "漢"]);
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
}
