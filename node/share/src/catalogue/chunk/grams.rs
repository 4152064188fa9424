//! The groups of names of a chunk that may have a text.
//!
//! The files of a chunk are in 64 groups that follow each other. For each group it is known which three bytes follow each
//! other in its names, about: they have a number from a few thousand, and others may have the same. A number has a word
//! with a bit for each group. So a text costs a few words, and only the groups are read that have all its bytes.

use std::ops::Range;

use super::{CHUNK_MAX, Chunk};

/// Files of a group.
pub(super) const GROUP: usize = CHUNK_MAX / u64::BITS as usize;

/// Files from which on a chunk has groups: the names of fewer are read as fast.
pub(super) const GRAMS_FROM: usize = CHUNK_MAX / 8;

/// Numbers that three bytes may have: about three times as many as a group has.
const NUMBERS: usize = 4_096;

/// Most that are looked up of one text.
const LOOKED_UP: usize = 12;

/// The three bytes that follow each other in the names of each group.
#[derive(Debug)]
pub(super) struct Grams(Box<[u64]>);

impl Grams {
    pub(super) fn of(chunk: &Chunk) -> Grams {
        let mut groups = vec![0; NUMBERS];
        for group in 0..chunk.len().div_ceil(GROUP) {
            for text in chunk.group(group) {
                for gram in text.as_bytes().windows(3) {
                    groups[number(gram)] |= 1 << group;
                }
            }
        }
        Grams(groups.into())
    }

    /// Returns the groups that may have the text, those that follow each other together.
    pub(super) fn groups(&self, text: &[u8]) -> Vec<Range<usize>> {
        let grams = text.windows(3).take(LOOKED_UP);
        let all = grams.fold(u64::MAX, |all, gram| all & self.0[number(gram)]);
        runs(all)
    }
}

fn number(gram: &[u8]) -> usize {
    let hash = gram
        .iter()
        .fold(0_u32, |hash, byte| hash << 8 | u32::from(*byte))
        .wrapping_mul(0x9E37_79B1);
    (hash >> (u32::BITS - NUMBERS.trailing_zeros())) as usize
}

/// Returns the runs of bits that are set.
fn runs(mut bits: u64) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let mut at = 0;
    while bits != 0 {
        let skipped = bits.trailing_zeros();
        bits >>= skipped;
        at += skipped as usize;
        let length = bits.trailing_ones();
        runs.push(at..at + length as usize);
        at += length as usize;
        bits = bits.checked_shr(length).unwrap_or(0);
    }
    runs
}

#[cfg(test)]
mod tests {
    use plugin_api::Flow;

    use super::*;
    use crate::{
        catalogue::{Meta, View},
        stamp::tests::of_size,
    };

    /// Returns names of four words from a few hundred, in order, some of them not in lower case or not ASCII.
    fn names(count: u64) -> Vec<String> {
        let word = |number: u64| format!("{:x}", number.wrapping_mul(0x9E37_79B9) % 4_001);
        let mut names: Vec<String> = (0..count)
            .map(|at| {
                let [a, b, c] = [at, at * 7, at * 31].map(word);
                match at % 5 {
                    0 => format!("{a}/{b} {}-{at}.JPG", c.to_uppercase()),
                    1 => format!("{a}/É{b}{c}-{at}"),
                    _ => format!("{a}{b}_{c}-{at}.txt"),
                }
            })
            .collect();
        names.sort();
        names
    }

    #[test]
    fn texts_are_found_in_exactly_the_names_that_have_them() {
        let names = names(9_000);
        let meta = Meta {
            stamp: of_size(1),
            settled: true,
        };
        let change = |name: &String| (name.clone(), Some(meta));
        let changes: Vec<_> = names.iter().map(change).collect();
        let (view, _) = View::default().after(&changes, false);
        let texts = [
            "a",
            "1f",
            "1f3",
            "f3-",
            "0f3_",
            ".jpg",
            "é1",
            "é1f",
            "777",
            "8999",
            "-8999.txt",
            "none of them",
        ];
        let some = names
            .iter()
            .step_by(701)
            .map(|name| name[name.len() - 6..].to_lowercase());
        for text in texts.into_iter().map(str::to_owned).chain(some) {
            let mut found = Vec::new();
            view.search("", std::slice::from_ref(&text), &mut |file| {
                found.push(file.name());
                Flow::Continue
            });
            let has = |name: &&String| name.to_lowercase().contains(&text);
            let expected: Vec<String> = names.iter().filter(has).cloned().collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn runs_of_bits_are_their_places() {
        let places = |bits| {
            let runs = runs(bits).into_iter();
            runs.map(|run| (run.start, run.end)).collect::<Vec<_>>()
        };
        assert_eq!(places(0), []);
        assert_eq!(places(u64::MAX), [(0, 64)]);
        assert_eq!(places(1 << 63), [(63, 64)]);
        assert_eq!(places(0b0110_1001), [(0, 1), (3, 4), (5, 7)]);
    }
}
