//! Words of a text, and how well a name has them.
//!
//! A name has a word if one of its own words is it, begins with it or contains
//! it; or, misspelt, if one of its words is a few letters away: one for words
//! from [`MISSPELT_ONE`] letters on, two from [`MISSPELT_TWO`] on.

/// Most words of a text that are looked for.
pub(crate) const WORDS_MAX: usize = 16;

/// Longest word that may be misspelt, in letters.
const WORD_MAX: usize = 64;

/// Letters from which on one may be wrong.
const MISSPELT_ONE: usize = 4;

/// Letters from which on two may be wrong.
const MISSPELT_TWO: usize = 8;

/// How well a name fits; the least is the best.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Rank {
    /// Letters that are wrong.
    misspelt: usize,
    /// How loosely the words are in it: 0 for each whole word, 1 for each
    /// beginning, 2 for each part.
    looseness: usize,
    /// Length of the name: of two that fit as well, the shorter one is more of
    /// what was asked for.
    length: usize,
}

impl Rank {
    /// Whether a word is in it only with other letters.
    pub(crate) fn is_misspelt(self) -> bool {
        self.misspelt > 0
    }
}

/// The words of a text.
#[derive(Debug)]
pub(crate) struct Words(Vec<String>);

impl Words {
    pub(crate) fn of(text: &str) -> Words {
        let lower = text.to_lowercase();
        let words = split(&lower).take(WORDS_MAX);
        Words(words.map(str::to_owned).collect())
    }

    /// How well `name` has all words, misspelt ones only if wanted; nothing if
    /// it does not have them.
    pub(crate) fn rank(&self, name: &str, misspelt: bool) -> Option<Rank> {
        if self.0.is_empty() {
            return None;
        }
        let lower = name.to_lowercase();
        let mut rank = Rank {
            misspelt: 0,
            looseness: 0,
            length: name.len(),
        };
        for word in &self.0 {
            let (wrong, looseness) = if lower.contains(word.as_str()) {
                split(&lower).filter_map(|there| fit(word, there)).min()?
            } else if misspelt {
                split(&lower)
                    .filter_map(|there| nearly(word, there))
                    .min()?
            } else {
                return None;
            };
            rank.misspelt += wrong;
            rank.looseness += looseness;
        }
        Some(rank)
    }
}

/// Letters and digits that stand together.
fn split(lower: &str) -> impl Iterator<Item = &str> {
    lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
}

/// No wrong letters, and the looseness with which `wanted` is in `there`.
fn fit(wanted: &str, there: &str) -> Option<(usize, usize)> {
    if there == wanted {
        Some((0, 0))
    } else if there.starts_with(wanted) {
        Some((0, 1))
    } else {
        there.contains(wanted).then_some((0, 2))
    }
}

/// Wrong letters with which `there` is `wanted`.
fn nearly(wanted: &str, there: &str) -> Option<(usize, usize)> {
    let letters = wanted.chars().count();
    let most = match letters {
        MISSPELT_TWO..=WORD_MAX => 2,
        MISSPELT_ONE..MISSPELT_TWO => 1,
        _ => return None,
    };
    if there.chars().count().abs_diff(letters) > most {
        return None;
    }
    let letters = |text: &str| text.chars().collect::<Vec<_>>();
    let wrong = distance(&letters(wanted), &letters(there));
    (wrong <= most).then_some((wrong, 0))
}

/// Letters to put in, leave out, change or swap with their neighbour, to make
/// `b` of `a` (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before_last = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &letter) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &other) in b.iter().enumerate() {
            let changed = last[j] + usize::from(letter != other);
            let mut least = changed.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && letter == b[j - 1] && a[i - 1] == other {
                least = least.min(before_last[j - 1] + 1);
            }
            row.push(least);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(text: &str, name: &str) -> Option<Rank> {
        Words::of(text).rank(name, true)
    }

    #[test]
    fn letters_that_are_wrong_are_counted() {
        for (a, b, wrong) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "acb", 1),
            ("abc", "ab", 1),
            ("abc", "axc", 1),
            ("kitten", "sitting", 3),
            ("", "abc", 3),
        ] {
            let letters = |text: &str| text.chars().collect::<Vec<_>>();
            assert_eq!(distance(&letters(a), &letters(b)), wrong, "{a} {b}");
            assert_eq!(distance(&letters(b), &letters(a)), wrong, "{b} {a}");
        }
    }

    #[test]
    fn whole_words_come_before_beginnings_parts_and_misspelt_ones() {
        let names = ["a/plan.txt", "a/plans.txt", "a/explane.txt", "a/plam.txt"];
        let ranks: Vec<_> = names.iter().map(|name| rank("plan", name)).collect();
        assert!(ranks.iter().all(Option::is_some), "{ranks:?}");
        assert!(ranks.is_sorted(), "{ranks:?}");
        assert!(ranks[3].unwrap().is_misspelt());
        assert_eq!(Words::of("plan").rank(names[3], false), None);
    }

    #[test]
    fn all_words_are_needed_in_any_order_and_case() {
        assert!(rank("Year PLAN", "plan/new-year.txt").is_some());
        assert_eq!(rank("year plan", "plan.txt"), None);
        assert!(rank("über", "ÜBER uns.md").is_some());
    }

    #[test]
    fn short_words_must_be_right_and_no_word_is_nothing() {
        assert_eq!(rank("abc", "abd.x"), None);
        assert_eq!(rank("abcd", "abxx.x"), None);
        assert_eq!(rank("", "a"), None);
        assert_eq!(rank("...", "a"), None);
    }
}
