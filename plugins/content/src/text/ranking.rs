//! The ranking of files: BM25, with the counts of the index.

use plugin_words::{Word, Words};

use crate::store::WantedWord;

/// The saturation of a word's frequency, `k1` of BM25.
const K1: f64 = 1.2;

/// The penalty for long files, `b` of BM25.
const B: f64 = 0.75;

/// The frequency of each word in a file, and the number of words of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Counts {
    pub(super) of_words: Vec<u64>,
    pub(super) all: u64,
}

impl Counts {
    pub(super) fn of(text: &str, wanted: &[WantedWord]) -> Counts {
        let mut counts = Counts {
            of_words: vec![0; wanted.len()],
            all: 0,
        };
        let (mut words, mut word) = (Words::of(text), Word::default());
        while words.next(&mut word).is_some() {
            counts.all += 1;
            for (wanted, count) in wanted.iter().zip(&mut counts.of_words) {
                let fit = if wanted.is_begin {
                    wanted.word.begin(&word)
                } else {
                    wanted.word.fit(&word)
                };
                *count += u64::from(fit.is_some());
            }
        }
        counts
    }
}

/// The counts of all files.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Collection {
    /// Number of files.
    pub(super) files: u64,
    /// Words of all of them.
    pub(super) words: u64,
    /// Files that have each of the words.
    pub(super) with: Vec<u64>,
}

impl Collection {
    /// Adds a file.
    pub(super) fn add(&mut self, counts: &Counts) {
        self.files += 1;
        self.words += counts.all;
        for (with, count) in self.with.iter_mut().zip(&counts.of_words) {
            *with += u64::from(*count > 0);
        }
    }

    #[allow(
        clippy::cast_precision_loss,
        reason = "numbers that large differ in nothing that matters here"
    )]
    pub(super) fn score(&self, counts: &Counts) -> f64 {
        let files = self.files as f64;
        let average = (self.words as f64 / files).max(1.0);
        let length = K1 * (1.0 - B + B * counts.all as f64 / average);
        let scores = self.with.iter().zip(&counts.of_words).map(|(with, count)| {
            let (with, count) = (*with as f64, *count as f64);
            let rarity = (1.0 + (files - with + 0.5) / (with + 0.5)).ln();
            rarity * count * (K1 + 1.0) / (count + length)
        });
        scores.sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_words_short_files_and_many_places_count_more() {
        let wanted = ["common", "rare"].map(|word| WantedWord {
            word: Word::of(word),
            is_begin: false,
        });
        let texts = [
            "common rare",
            "common common common",
            "common",
            "common and a lot more besides that says nothing",
        ];
        let counts: Vec<_> = texts.iter().map(|text| Counts::of(text, &wanted)).collect();
        let mut collection = Collection {
            with: vec![0; 2],
            ..Collection::default()
        };
        counts.iter().for_each(|counts| collection.add(counts));
        assert_eq!(
            (collection.files, collection.with.as_slice()),
            (4, [4, 1].as_slice())
        );
        let scores: Vec<_> = counts
            .iter()
            .map(|counts| collection.score(counts))
            .collect();
        assert!(scores[0] > scores[1], "{scores:?}");
        assert!(scores[1] > scores[2], "{scores:?}");
        assert!(scores[2] > scores[3], "{scores:?}");
    }
}
