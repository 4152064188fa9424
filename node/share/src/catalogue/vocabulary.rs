//! The words of the names: what a misspelt word may have been meant to be.
//!
//! The words are kept in automata ([`tantivy_fst`]), in which those that are nearly a
//! word are found without looking at the others, however many there are.
//!
//! # Invariants
//! - It is made when it is first asked for, which takes about a second for a million
//!   names, and told of new names from then on.
//! - Every word of every name is there, unless it is of digits alone. A word
//!   whose last name is gone may be there as well, until most names have gone
//!   and it is built again.
//! - Each automaton has at least twice as many words as the next one, so that there are
//!   few of them and a new word costs little.

use std::{collections::BTreeSet, ops::Range, sync::OnceLock};

use levenshtein_automata::{DFA, Distance, LevenshteinAutomatonBuilder, SINK_STATE};
use plugin_api::{Flow, words};
use tantivy_fst::{Automaton, IntoStreamer, Map, MapBuilder, Streamer, map::OpBuilder};

use super::{View, Was};

/// New words that are kept beside the automata.
const NEW_MAX: usize = 16_384;

/// Words that are gathered before those that come again are left out.
const GATHERED_MIN: usize = 200_000;

/// Names that may go before it is built again, however few there are.
const GONE_MIN: usize = 10_000;

/// Letters of a word that may be wrong.
const WRONG_MAX: u8 = 2;

/// The words of the names, as far as they are known.
#[derive(Default)]
pub(super) enum Vocabulary {
    /// Nobody asked for it.
    #[default]
    Unmade,
    /// All of them.
    Made(Words),
}

/// Words, each once.
#[derive(Default)]
pub(super) struct Words {
    /// Automata of words, the greatest first.
    layers: Vec<Map<Vec<u8>>>,
    /// Words that are in none of them.
    new: BTreeSet<Box<str>>,
    /// Names that are gone since they were gathered.
    gone: usize,
}

impl Vocabulary {
    /// Makes it of the names of `view`, unless that is done.
    pub(super) fn make(&mut self, view: &View) {
        if matches!(self, Vocabulary::Unmade) {
            let mut gathered = Gathered::default();
            let mut name = String::new();
            for file in view.from("") {
                file.write_name(&mut name);
                gathered.add(&name);
            }
            *self = Vocabulary::Made(gathered.finish());
        }
    }

    /// Returns whether it was made, and has to be told of changes.
    pub(super) fn is_made(&self) -> bool {
        matches!(self, Vocabulary::Made(_))
    }

    /// Takes changes, behind which there are `count` names.
    pub(super) fn changed(&mut self, changes: &[(String, Was)], count: usize) {
        let Vocabulary::Made(words) = self else {
            return;
        };
        for (name, was) in changes {
            match was {
                Was::Added(_) => words.learn(name),
                Was::Changed { .. } => {}
                Was::Removed(_) => words.gone += 1,
            }
        }
        if words.gone > GONE_MIN.max(count) {
            *self = Vocabulary::Unmade;
        }
    }

    /// Calls `visit` with each word of which `word` is a misspelling, with at most
    /// `wrong` letters that are others, missing, too many, or swapped with a neighbour,
    /// until it stops. Says whether the words are known.
    pub(super) fn near(&self, word: &str, wrong: u8, visit: &mut dyn FnMut(&str) -> Flow) -> bool {
        let Vocabulary::Made(words) = self else {
            return false;
        };
        let near = Near::of(word, wrong.min(WRONG_MAX));
        for new in words.new.iter().filter(|new| near.has(new)) {
            if visit(new) == Flow::Stop {
                return true;
            }
        }
        for layer in &words.layers {
            let mut found = layer.search(&near).into_stream();
            while let Some((word, _)) = found.next() {
                // All words are text.
                let word = std::str::from_utf8(word).unwrap_or_default();
                if visit(word) == Flow::Stop {
                    return true;
                }
            }
        }
        true
    }
}

impl Words {
    fn learn(&mut self, name: &str) {
        let lower = name.to_lowercase();
        for word in words(&lower).filter(|word| !is_number(word)) {
            if self.has(word) {
                continue;
            }
            self.new.insert(word.into());
        }
        if self.new.len() >= NEW_MAX {
            let new = std::mem::take(&mut self.new);
            self.push(automaton(new.iter().map(|word| &**word)));
        }
    }

    fn has(&self, word: &str) -> bool {
        self.new.contains(word) || self.layers.iter().any(|layer| layer.contains_key(word))
    }

    /// Adds an automaton, and joins those that are not much greater with it.
    fn push(&mut self, mut last: Map<Vec<u8>>) {
        while let Some(before) = self.layers.pop_if(|before| before.len() < 2 * last.len()) {
            last = joined(&before, &last);
        }
        self.layers.push(last);
    }
}

/// Words of names, before they are in order.
#[derive(Default)]
struct Gathered {
    text: String,
    /// Where each word stands in `text`.
    places: Vec<Range<usize>>,
    /// Number of words after which those that come again are left out.
    most: usize,
}

impl Gathered {
    fn add(&mut self, name: &str) {
        let lower = name.to_lowercase();
        for word in words(&lower).filter(|word| !is_number(word)) {
            let begin = self.text.len();
            self.text.push_str(word);
            self.places.push(begin..self.text.len());
        }
        if self.places.len() >= self.most.max(GATHERED_MIN) {
            self.leave_out();
            self.most = 2 * self.places.len();
        }
    }

    /// Puts the words in order and leaves out those that come again.
    fn leave_out(&mut self) {
        let text = std::mem::take(&mut self.text);
        let word = |place: &Range<usize>| &text[place.clone()];
        self.places.sort_unstable_by(|a, b| word(a).cmp(word(b)));
        self.places.dedup_by(|a, b| word(a) == word(b));
        let length = self.places.iter().map(Range::len).sum();
        self.text.reserve_exact(length);
        for place in &mut self.places {
            let begin = self.text.len();
            self.text.push_str(&text[place.clone()]);
            *place = begin..self.text.len();
        }
    }

    fn finish(mut self) -> Words {
        self.leave_out();
        let each = self.places.iter().map(|place| &self.text[place.clone()]);
        Words {
            layers: vec![automaton(each)],
            ..Words::default()
        }
    }
}

/// Returns the automaton of words, which are in order.
fn automaton<'w>(words: impl Iterator<Item = &'w str>) -> Map<Vec<u8>> {
    let mut builder = MapBuilder::memory();
    for word in words {
        // Only words that are out of order are refused, and these are not.
        let _ = builder.insert(word, 0);
    }
    finished(builder)
}

/// Returns the automaton of the words of both.
fn joined(one: &Map<Vec<u8>>, other: &Map<Vec<u8>>) -> Map<Vec<u8>> {
    let mut builder = MapBuilder::memory();
    let mut all = OpBuilder::new().add(one).add(other).union();
    while let Some((word, _)) = all.next() {
        let _ = builder.insert(word, 0);
    }
    finished(builder)
}

fn finished(builder: MapBuilder<Vec<u8>>) -> Map<Vec<u8>> {
    let bytes = builder.into_inner();
    let map = bytes.and_then(Map::from_bytes);
    map.expect("an automaton in memory can be read")
}

/// Words that are nearly one.
struct Near(DFA);

impl Near {
    fn of(word: &str, wrong: u8) -> Near {
        static BUILDERS: [OnceLock<LevenshteinAutomatonBuilder>; WRONG_MAX as usize + 1] =
            [const { OnceLock::new() }; WRONG_MAX as usize + 1];
        let builder = BUILDERS[usize::from(wrong)]
            .get_or_init(|| LevenshteinAutomatonBuilder::new(wrong, true));
        Near(builder.build_dfa(word))
    }

    fn has(&self, word: &str) -> bool {
        matches!(self.0.eval(word), Distance::Exact(_))
    }
}

impl Automaton for &Near {
    type State = u32;

    fn start(&self) -> u32 {
        self.0.initial_state()
    }

    fn is_match(&self, state: &u32) -> bool {
        matches!(self.0.distance(*state), Distance::Exact(_))
    }

    fn can_match(&self, state: &u32) -> bool {
        *state != SINK_STATE
    }

    fn accept(&self, state: &u32, byte: u8) -> u32 {
        self.0.transition(*state, byte)
    }
}

fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

impl std::fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Vocabulary::Unmade => f.write_str("Unmade"),
            Vocabulary::Made(words) => f
                .debug_struct("Made")
                .field("automata", &words.layers.len())
                .field("new", &words.new.len())
                .finish_non_exhaustive(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::Meta, *};

    const META: Meta = Meta {
        stamp: crate::stamp::tests::of_size(0),
        settled: true,
    };

    fn near(vocabulary: &Vocabulary, word: &str, wrong: u8) -> Option<Vec<String>> {
        let mut found = Vec::new();
        let known = vocabulary.near(word, wrong, &mut |word| {
            found.push(word.to_owned());
            Flow::Continue
        });
        found.sort();
        known.then_some(found)
    }

    fn added(names: impl IntoIterator<Item = impl ToString>) -> Vec<(String, Was)> {
        let names = names.into_iter();
        names
            .map(|name| (name.to_string(), Was::Added(META)))
            .collect()
    }

    fn removed(count: usize) -> Vec<(String, Was)> {
        vec![(String::new(), Was::Removed(META)); count]
    }

    fn of(names: &[&str]) -> Vocabulary {
        let changes = names.iter().map(|name| ((*name).to_owned(), Some(META)));
        let mut changes: Vec<_> = changes.collect();
        changes.sort_by(|a, b| a.0.cmp(&b.0));
        changes.dedup_by(|a, b| a.0 == b.0);
        let mut vocabulary = Vocabulary::default();
        vocabulary.make(&View::default().after(&changes, false).0);
        vocabulary
    }

    #[test]
    fn words_are_known_in_lower_case_and_numbers_are_not() {
        let names = ["Photos/Über uns 2024.JPG", "photos/img2024.jpg"];
        let mut told = of(&[]);
        told.changed(&added(names), 2);
        for vocabulary in [of(&names), told] {
            let near = |word| near(&vocabulary, word, 1).unwrap();
            assert_eq!(near("photo"), ["photos"]);
            assert_eq!(near("jgp"), ["jpg"]);
            assert_eq!(near("uber"), ["über"]);
            assert_eq!(near("img2024"), ["img2024"]);
            assert!(near("2024").is_empty());
        }
    }

    #[test]
    fn it_learns_nothing_before_it_is_asked_for() {
        let mut vocabulary = Vocabulary::default();
        vocabulary.changed(&added(["a"]), 1);
        assert_eq!(near(&vocabulary, "a", 0), None);
    }

    #[test]
    fn it_is_made_anew_when_most_names_are_gone() {
        let mut vocabulary = of(&[]);
        vocabulary.changed(&added(["a"]), 1);
        vocabulary.changed(&removed(GONE_MIN), 1);
        assert_eq!(near(&vocabulary, "a", 0).unwrap(), ["a"]);
        vocabulary.changed(&removed(1), 0);
        assert_eq!(near(&vocabulary, "a", 0), None);
    }

    #[test]
    fn any_number_of_words_is_known_in_few_automata() {
        let mut vocabulary = of(&["first"]);
        let count = 20 * NEW_MAX;
        for begin in (0..count).step_by(1_000) {
            let some = (begin..begin + 1_000).map(|n| format!("w{n:07}"));
            vocabulary.changed(&added(some), count);
        }
        for n in [0, 1, count / 3, count - 1] {
            let word = format!("w{n:07}");
            assert_eq!(near(&vocabulary, &word, 0).unwrap(), [word]);
        }
        assert_eq!(near(&vocabulary, "fist", 1).unwrap(), ["first"]);
        let Vocabulary::Made(words) = &vocabulary else {
            panic!("{vocabulary:?}");
        };
        assert!(words.layers.len() < 8, "{vocabulary:?}");
    }

    /// Letters to put in, leave out, change or swap with a neighbour.
    fn distance(a: &[char], b: &[char]) -> usize {
        let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
        for i in 0..=a.len() {
            for j in 0..=b.len() {
                rows[i][j] = if i == 0 || j == 0 {
                    i + j
                } else {
                    let changed = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let mut least = changed.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                    if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                        least = least.min(rows[i - 2][j - 2] + 1);
                    }
                    least
                };
            }
        }
        rows[a.len()][b.len()]
    }

    proptest! {
        #[test]
        fn near_words_are_those_with_few_wrong_letters(
            words in proptest::collection::vec("[abé]{1,6}", 1..40),
            asked in "[abé]{1,6}",
            wrong in 0_u8..=2,
        ) {
            let names: Vec<&str> = words.iter().map(String::as_str).collect();
            let letters = |word: &str| word.chars().collect::<Vec<_>>();
            let is_near = |word: &&&str| distance(&letters(word), &letters(&asked)) <= wrong.into();
            let expected: BTreeSet<String> = names.iter().filter(is_near).map(ToString::to_string).collect();
            let found = near(&of(&names), &asked, wrong).unwrap();
            prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        }
    }
}
