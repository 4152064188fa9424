//! The trigrams of a text: all runs of three bytes within its lines.
//!
//! ASCII letters count as lower case, so that one index serves patterns that
//! heed case and patterns that do not. A trigram is a number of 24 bits; in the
//! index it is a term of four letters.

use crate::limits::TRIGRAMS_MAX;

/// Letters of the term of a trigram.
pub(crate) const TERM: usize = 4;

/// The term of files with more trigrams than [`TRIGRAMS_MAX`].
pub(crate) const EVERYTHING: &str = "*";

/// The term of files of which only the first part has its words in the index; no trigram has it.
pub(crate) const CUT: &str = "~cut";

/// The term of documents beside which others have words of the same file.
pub(crate) const PART: &str = "~prt";

/// The term of texts that have a NUL, behind which no line is found.
pub(crate) const NUL: &str = "~nul";

/// Words of 64 bits that have a bit for each trigram.
const SEEN: usize = 1 << 18;

/// Gathers the trigrams of one text after the other.
pub(crate) struct Trigrams {
    /// One bit for each trigram; nothing before the first text.
    seen: Vec<u64>,
    /// The trigrams whose bits are set.
    found: Vec<u32>,
    window: u32,
    /// Bytes since the start of the line, at most three.
    filled: u8,
    too_many: bool,
}

impl Trigrams {
    pub(crate) fn new() -> Trigrams {
        Trigrams {
            seen: Vec::new(),
            found: Vec::new(),
            window: 0,
            filled: 0,
            too_many: false,
        }
    }

    /// Adds the next bytes of the text.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        if self.seen.is_empty() {
            self.seen = vec![0; SEEN];
        }
        for byte in bytes {
            if *byte == b'\n' {
                self.filled = 0;
                continue;
            }
            self.window = (self.window << 8 | u32::from(byte.to_ascii_lowercase())) & 0x00ff_ffff;
            if self.filled < 2 {
                self.filled += 1;
                continue;
            }
            let (place, bit) = (self.window as usize >> 6, 1_u64 << (self.window & 63));
            if self.seen[place] & bit == 0 && !self.too_many {
                self.seen[place] |= bit;
                self.found.push(self.window);
                self.too_many = self.found.len() > TRIGRAMS_MAX;
            }
        }
    }

    /// Takes their terms, one behind the other; ready for the next text.
    pub(crate) fn take(&mut self) -> String {
        let mut terms = String::new();
        if self.too_many {
            terms.push_str(EVERYTHING);
        } else {
            terms.reserve(self.found.len() * TERM);
            self.found
                .iter()
                .for_each(|trigram| terms.push_str(term(*trigram, &mut [0; TERM])));
        }
        for trigram in self.found.drain(..) {
            self.seen[trigram as usize >> 6] = 0;
        }
        (self.window, self.filled, self.too_many) = (0, 0, false);
        terms
    }
}

/// Returns the term of a trigram.
pub(crate) fn term(trigram: u32, letters: &mut [u8; TERM]) -> &str {
    for (n, letter) in letters.iter_mut().enumerate() {
        let bits = trigram >> (18 - 6 * n) & 63;
        *letter = b'0' + u8::try_from(bits).unwrap_or(0);
    }
    std::str::from_utf8(letters).unwrap_or_default()
}

/// Returns the trigrams of a text without ends of lines, in lower case already.
pub(crate) fn of(text: &[u8]) -> impl Iterator<Item = u32> + '_ {
    text.windows(3).map(|three| {
        let byte = |n: usize| u32::from(three[n]);
        byte(0) << 16 | byte(1) << 8 | byte(2)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(text: &[u8]) -> Vec<String> {
        let mut trigrams = Trigrams::new();
        let (first, second) = text.split_at(text.len() / 2);
        trigrams.add(first);
        trigrams.add(second);
        let terms = trigrams.take();
        let four = terms.as_bytes().chunks(TERM);
        four.map(|term| String::from_utf8_lossy(term).into_owned())
            .collect()
    }

    fn expected(parts: &[&str]) -> Vec<String> {
        let term = |part: &&str| {
            let trigram = of(part.as_bytes()).next().unwrap();
            term(trigram, &mut [0; TERM]).to_owned()
        };
        parts.iter().map(term).collect()
    }

    #[test]
    fn trigrams_are_lower_case_within_a_line_and_once() {
        assert_eq!(terms(b"abAB\nbc\nABC"), expected(&["aba", "bab", "abc"]),);
        assert!(terms(b"ab\nc").is_empty());
    }

    #[test]
    fn each_text_has_its_own() {
        let mut trigrams = Trigrams::new();
        trigrams.add(b"abc");
        assert_eq!(trigrams.take(), expected(&["abc"])[0]);
        trigrams.add(b"cab");
        assert_eq!(trigrams.take(), expected(&["cab"])[0]);
        assert_eq!(trigrams.take(), "");
    }

    #[test]
    fn a_text_with_too_many_is_looked_at_for_everything() {
        let mut trigrams = Trigrams::new();
        let many = 0..2 * u32::try_from(TRIGRAMS_MAX).unwrap();
        for n in many {
            trigrams.add(&[n.to_be_bytes().as_slice(), b"\n"].concat());
        }
        assert_eq!(trigrams.take(), EVERYTHING);
        trigrams.add(b"abc");
        assert_eq!(trigrams.take(), expected(&["abc"])[0]);
    }

    #[test]
    fn terms_differ_and_are_text() {
        let of = |n| term(n, &mut [0; TERM]).to_owned();
        assert_eq!(of(0).len(), TERM);
        assert_eq!(of(0x00ff_ffff).len(), TERM);
        assert_ne!(of(1), of(1 << 6));
    }
}
