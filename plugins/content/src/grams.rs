//! The grams of a text: all runs of four bytes within its lines and their ends.
//!
//! The text begins and ends with an end of line, whether it is there or not, so that a
//! pattern with `^` or `$` has grams that say so. ASCII letters count as lower case, so
//! that one index serves patterns that heed case and patterns that do not. A gram is a
//! number of 32 bits; in the index it is a term of six letters, of which the first four
//! are the first three bytes: a text of three bytes is where a gram begins with it.

use std::{
    collections::HashSet,
    hash::{BuildHasherDefault, Hasher},
};

use crate::limits::GRAMS_MAX;

/// Letters of the term of a gram.
pub(crate) const TERM: usize = 6;

/// The term of files with more grams than [`GRAMS_MAX`].
pub(crate) const EVERYTHING: &str = "*";

/// Grams for which there is room from one text to the next.
const KEPT: usize = 16 * 1024;

/// Gathers the grams of one text after the other.
pub(crate) struct Grams {
    found: HashSet<u32, BuildHasherDefault<GramHasher>>,
    window: u32,
    /// Bytes since the end of line before, with it; at most three.
    filled: u8,
}

impl Grams {
    pub(crate) fn new() -> Grams {
        Grams {
            found: HashSet::default(),
            window: u32::from(b'\n'),
            filled: 1,
        }
    }

    /// Adds the next bytes of the text.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.window = self.window << 8 | u32::from(byte.to_ascii_lowercase());
            if self.filled >= 3 {
                if self.found.len() <= GRAMS_MAX {
                    self.found.insert(self.window);
                }
            } else {
                self.filled += 1;
            }
            if *byte == b'\n' {
                self.filled = 1;
            }
        }
    }

    /// Their terms, one behind the other; ready for the next text.
    pub(crate) fn take(&mut self) -> String {
        if self.filled > 1 {
            self.add(b"\n");
        }
        let mut terms = String::new();
        if self.found.len() > GRAMS_MAX {
            terms.push_str(EVERYTHING);
        } else {
            terms.reserve(self.found.len() * TERM);
            for gram in &self.found {
                terms.push_str(term(*gram, &mut [0; TERM]));
            }
        }
        self.found.clear();
        self.found.shrink_to(KEPT);
        (self.window, self.filled) = (u32::from(b'\n'), 1);
        terms
    }
}

/// Makes grams that differ little differ much.
#[derive(Default)]
struct GramHasher(u64);

impl Hasher for GramHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        let mixed = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 32;
    }
}

/// The term of a gram.
pub(crate) fn term(gram: u32, letters: &mut [u8; TERM]) -> &str {
    let (first, last) = (gram >> 8, gram & 0xff);
    let parts = [first >> 18, first >> 12, first >> 6, first, last >> 6, last];
    for (letter, part) in letters.iter_mut().zip(parts) {
        *letter = b'0' + u8::try_from(part & 63).unwrap_or(0);
    }
    std::str::from_utf8(letters).unwrap_or_default()
}

/// The grams that a text with `text` in it has; `text` is in lower case already. None if
/// it is shorter than a gram.
pub(crate) fn of(text: &[u8]) -> impl Iterator<Item = u32> + '_ {
    let four = text.windows(4);
    let within = four.filter(|four| !four[1..3].contains(&b'\n'));
    within.map(|four| {
        four.iter()
            .fold(0, |gram, byte| gram << 8 | u32::from(*byte))
    })
}

/// What the terms of the grams begin with that a text with these three bytes in it has;
/// `None` if there may be no such gram.
pub(crate) fn begin_of(text: &[u8]) -> Option<String> {
    let [first, second, third] = *text else {
        return None;
    };
    if second == b'\n' || third == b'\n' {
        return None;
    }
    let gram = u32::from_be_bytes([first, second, third, 0]);
    let mut letters = [0; TERM];
    term(gram, &mut letters).get(..4).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn terms(text: &[u8]) -> BTreeSet<String> {
        let mut grams = Grams::new();
        let (first, second) = text.split_at(text.len() / 2);
        grams.add(first);
        grams.add(second);
        let terms = grams.take();
        let each = terms.as_bytes().chunks(TERM);
        each.map(|term| String::from_utf8_lossy(term).into_owned())
            .collect()
    }

    fn expected(parts: &[&[u8; 4]]) -> BTreeSet<String> {
        let term = |part: &&[u8; 4]| term(u32::from_be_bytes(**part), &mut [0; TERM]).to_owned();
        parts.iter().map(term).collect()
    }

    #[test]
    fn grams_are_lower_case_within_a_line_and_its_ends() {
        assert_eq!(
            terms(b"abABC\nxY\nabc"),
            expected(&[b"\naba", b"abab", b"babc", b"abc\n", b"\nxy\n", b"\nabc"])
        );
        assert!(terms(b"a\nb\n\n").is_empty());
        assert_eq!(terms(b"abc\n"), terms(b"abc"));
    }

    #[test]
    fn each_text_has_its_own() {
        let mut grams = Grams::new();
        grams.add(b"ab");
        assert_eq!(grams.take().len(), TERM);
        grams.add(b"cd");
        assert_eq!(grams.take(), *expected(&[b"\ncd\n"]).first().unwrap());
        assert_eq!(grams.take(), "");
    }

    #[test]
    fn a_text_with_too_many_is_looked_at_for_everything() {
        let mut grams = Grams::new();
        for n in 0..u32::try_from(GRAMS_MAX).unwrap() {
            grams.add(&[18, 12, 6, 0].map(|bits| (n >> bits & 63) as u8 | 0x80));
        }
        assert_eq!(grams.take(), EVERYTHING);
        grams.add(b"ab");
        assert_eq!(grams.take(), *expected(&[b"\nab\n"]).first().unwrap());
    }

    #[test]
    fn terms_differ_and_are_in_order() {
        let of = |n| term(n, &mut [0; TERM]).to_owned();
        let grams = [0, 1, 63, 64, 255, 256, 1 << 14, 1 << 26, u32::MAX];
        let terms: Vec<_> = grams.into_iter().map(of).collect();
        assert!(terms.is_sorted_by(|a, b| a < b), "{terms:?}");
        assert!(terms.iter().all(|term| term.len() == TERM));
    }

    #[test]
    fn all_that_is_asked_of_a_text_is_in_it() {
        let text = b"fn main() {\n    run(\"abc\");\n}\n";
        let has = terms(text);
        for asked in [
            &b"main()"[..],
            b"\nfn m",
            b"abc\");\n",
            b"\n}\n",
            b"run(\"a",
        ] {
            for gram in of(asked) {
                assert!(has.contains(term(gram, &mut [0; TERM])), "{asked:?}");
            }
        }
        for asked in [&b"mai"[..], b"\nfn", b"abc", b"{\n ", b"() ", b"n m"] {
            let begin = begin_of(asked);
            let is_there = |begin: String| has.iter().any(|term| term.starts_with(&begin));
            assert!(begin.is_none_or(is_there), "{asked:?}");
        }
        assert!(
            begin_of(b"xyz").is_some_and(|begin| !has.iter().any(|term| term.starts_with(&begin)))
        );
    }
}
