//! The words of the names, for the correction of misspelt ones.
//!
//! # Invariants
//! - It is made when it is first asked for, which takes a few tenths of a second
//!   for a million names, and updated with new names from then on.
//! - Every word of every name is there, unless it is of digits alone. A word
//!   whose last name is gone may be there as well, until most names have gone
//!   and it is rebuilt.
//! - No more than [`WORDS_MAX`] words are kept; with more there is no
//!   vocabulary, and the caller has to look at the names.

use std::{collections::HashSet, sync::Arc};

use plugin_api::words;

use super::{View, Was};

/// Most words that are kept, of about 50 bytes each.
const WORDS_MAX: usize = 250_000;

/// The number of names that may go before it is rebuilt, even if there are few names.
const GONE_MIN: usize = 10_000;

/// Each word once.
pub(super) type Words = HashSet<Box<str>>;

/// The words of the names, as far as they are known.
#[derive(Debug, Default)]
pub(super) enum Vocabulary {
    /// It was not asked for.
    #[default]
    Unmade,
    /// All of them.
    Made {
        /// Each word once. Who reads them keeps them as they were.
        words: Arc<Words>,
        /// Names that are gone since it was made.
        gone: usize,
    },
    /// There are more than [`WORDS_MAX`]; the number of names that are gone since.
    TooMany(usize),
}

impl Vocabulary {
    /// Makes it of the names of `view`, unless that is done.
    pub(super) fn make(&mut self, view: &View) {
        if !matches!(self, Vocabulary::Unmade) {
            return;
        }
        *self = Vocabulary::Made {
            words: Arc::default(),
            gone: 0,
        };
        let mut name = String::new();
        for file in view.from("") {
            file.write_name(&mut name);
            self.learn(&name);
        }
    }

    /// Updates it for changes; `count` is the number of names after them.
    pub(super) fn changed(&mut self, changes: &[(String, Was)], count: usize) {
        if let Vocabulary::Unmade = self {
            return;
        }
        let mut gone = 0;
        for (name, was) in changes {
            match was {
                Was::Added(_) => self.learn(name),
                Was::Changed { .. } => {}
                Was::Removed(_) => gone += 1,
            }
        }
        self.forget(gone, count);
    }

    /// Returns the words, if they are known.
    pub(super) fn words(&self) -> Option<Arc<Words>> {
        match self {
            Vocabulary::Made { words, .. } => Some(Arc::clone(words)),
            Vocabulary::Unmade | Vocabulary::TooMany(_) => None,
        }
    }

    fn learn(&mut self, name: &str) {
        let Vocabulary::Made { words: known, gone } = self else {
            return;
        };
        let lower = name.to_lowercase();
        for word in words(&lower).filter(|word| !is_number(word)) {
            if !known.contains(word) {
                Arc::make_mut(known).insert(word.into());
            }
        }
        if known.len() > WORDS_MAX {
            *self = Vocabulary::TooMany(*gone);
        }
    }

    /// Drops it, to be rebuilt, when most names are gone.
    fn forget(&mut self, more: usize, count: usize) {
        let (Vocabulary::Made { gone, .. } | Vocabulary::TooMany(gone)) = self else {
            return;
        };
        *gone += more;
        if *gone > GONE_MIN.max(count) {
            *self = Vocabulary::Unmade;
        }
    }
}

fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::{super::Meta, *};

    const META: Meta = Meta {
        stamp: crate::stamp::tests::of_size(0),
        settled: true,
    };

    fn all(vocabulary: &Vocabulary) -> Option<Vec<String>> {
        let words = vocabulary.words()?;
        let mut all: Vec<_> = words.iter().map(|word| word.to_string()).collect();
        all.sort();
        Some(all)
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

    fn made() -> Vocabulary {
        let mut vocabulary = Vocabulary::default();
        vocabulary.make(&View::default());
        vocabulary
    }

    #[test]
    fn it_has_each_word_once_in_lower_case_and_no_numbers() {
        let mut vocabulary = made();
        let names = ["Photos/Über uns 2024.JPG", "photos/img2024.jpg"];
        vocabulary.changed(&added(names), 2);
        let words = ["img2024", "jpg", "photos", "uns", "über"];
        assert_eq!(all(&vocabulary).unwrap(), words);
    }

    #[test]
    fn it_learns_nothing_before_it_is_asked_for() {
        let mut vocabulary = Vocabulary::default();
        vocabulary.changed(&added(["a"]), 1);
        assert_eq!(all(&vocabulary), None);
    }

    #[test]
    fn it_is_made_anew_when_most_names_are_gone() {
        let mut vocabulary = made();
        vocabulary.changed(&added(["a"]), 1);
        vocabulary.changed(&removed(GONE_MIN), 1);
        assert_eq!(all(&vocabulary).unwrap(), ["a"]);
        vocabulary.changed(&removed(1), 0);
        assert_eq!(all(&vocabulary), None);
    }

    #[test]
    fn with_too_many_words_there_is_none_until_most_names_are_gone() {
        let mut vocabulary = made();
        let many = added((0..=WORDS_MAX).map(|n| format!("w{n}")));
        vocabulary.changed(&many, many.len());
        vocabulary.make(&View::default());
        assert_eq!(all(&vocabulary), None);
        vocabulary.changed(&removed(many.len()), 0);
        vocabulary.make(&View::default());
        assert!(all(&vocabulary).unwrap().is_empty());
    }
}
