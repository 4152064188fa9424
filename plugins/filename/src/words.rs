//! Words of a text, and how well a name has them.
//!
//! A name has a word if one of its own words is it, begins with it or contains
//! it; or, misspelt, if one of its words is a few letters away: one for words
//! from [`MISSPELT_ONE`] letters on, two from [`MISSPELT_TWO`] on.

use plugin_api::{Flow, words};
use plugin_words::folded;

/// Most words of a text that are looked for.
pub(crate) const WORDS_MAX: usize = 16;

/// Longest word that may be misspelt, in letters.
const WORD_MAX: usize = 64;

/// Letters from which on one may be wrong.
const MISSPELT_ONE: usize = 4;

/// Letters from which on two may be wrong.
const MISSPELT_TWO: usize = 8;

/// Most letters of a word that may be wrong.
const WRONG_MAX: usize = 2;

/// Most spellings of a word that are looked for one by one.
const SPELLINGS_MAX: usize = 256;

/// How well a name fits; the least is the best.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Rank {
    /// Letters that are wrong.
    misspelt: usize,
    /// Whether accents are other ones, or letters that mean the same.
    folded: bool,
    /// How loosely the words are in it: 0 for each whole word, 1 for each
    /// beginning, 2 for each part.
    looseness: usize,
    /// Length of the name: of two that fit as well, the shorter one is more of
    /// what was asked for.
    length: usize,
}

impl Rank {
    /// The best that a name can have, misspelt or not, before it is looked at.
    pub(crate) fn best(name: &str, misspelt: bool) -> Rank {
        Rank {
            misspelt: usize::from(misspelt),
            folded: false,
            looseness: 0,
            length: name.len(),
        }
    }

    /// Whether a word is in it only with other letters.
    #[cfg(test)]
    fn is_misspelt(self) -> bool {
        self.misspelt > 0
    }
}

/// The words of a text.
#[derive(Debug)]
pub(crate) struct Words {
    /// In lower case.
    lower: Vec<String>,
    /// Folded.
    folded: Vec<String>,
}

impl Words {
    pub(crate) fn of(text: &str) -> Words {
        let of = |text: &str| -> Vec<String> {
            let words = words(text).take(WORDS_MAX);
            words.map(str::to_owned).collect()
        };
        Words {
            lower: of(&text.to_lowercase()),
            folded: of(&folded(text)),
        }
    }

    /// Whether a name can only have them with the letters that they have.
    pub(crate) fn are_ascii(&self) -> bool {
        self.lower.iter().all(|word| word.is_ascii())
    }

    /// The longest one, folded.
    pub(crate) fn longest_folded(&self) -> Option<&str> {
        let longest = self.folded.iter().max_by_key(|word| word.len())?;
        Some(longest)
    }

    /// A text of which every name has one that has all words as they are.
    pub(crate) fn longest(&self) -> Option<&str> {
        let longest = self.lower.iter().max_by_key(|word| word.len())?;
        Some(longest)
    }

    /// Texts of which every name has one that has all words, misspelt ones too:
    /// the pieces of the word that fewest names have. None if there is no word.
    pub(crate) fn pieces(&self) -> Vec<String> {
        let both = self.lower.iter().zip(&self.folded);
        let pieces = both.map(|(lower, folded)| {
            let mut all = pieces(lower);
            if lower != folded {
                all.extend(pieces(folded));
            }
            all
        });
        let shortest = |pieces: &Vec<String>| pieces.iter().map(String::len).min();
        pieces.max_by_key(shortest).unwrap_or_default()
    }

    /// How names spell the words, nothing yet. Words that may be meant by numbers are not
    /// among them.
    pub(crate) fn spellings(&self) -> impl Iterator<Item = Spelling> {
        let is_alone = self.folded.len() == 1;
        let words = self.folded.iter();
        words.filter_map(move |word| Spelling::of(word, is_alone))
    }

    /// For each word the texts of which every name that has it, misspelt too, has
    /// one.
    pub(crate) fn all_pieces(&self) -> Vec<Vec<String>> {
        self.folded.iter().map(|word| pieces(word)).collect()
    }

    /// How well `name` has all words, misspelt ones only if wanted; nothing if
    /// it does not have them.
    pub(crate) fn rank(&self, name: &str, misspelt: bool) -> Option<Rank> {
        if name.is_ascii() && self.are_ascii() {
            return rank(
                &self.folded,
                &name.to_ascii_lowercase(),
                name.len(),
                misspelt,
            );
        }
        let exact = rank(&self.lower, &name.to_lowercase(), name.len(), false);
        exact.or_else(|| {
            let folded = rank(&self.folded, &folded(name), name.len(), misspelt)?;
            Some(Rank {
                folded: true,
                ..folded
            })
        })
    }

    /// The same, with memory that is used again.
    pub(crate) fn rank_in(&self, name: &str, misspelt: bool, lower: &mut String) -> Option<Rank> {
        if !name.is_ascii() || !self.are_ascii() {
            return self.rank(name, misspelt);
        }
        lower.clear();
        lower.push_str(name);
        lower.make_ascii_lowercase();
        rank(&self.folded, lower, name.len(), misspelt)
    }
}

/// How well a name, in lower case or folded as the words are, has all of them.
fn rank(wanted: &[String], name: &str, length: usize, misspelt: bool) -> Option<Rank> {
    if wanted.is_empty() {
        return None;
    }
    let mut rank = Rank {
        misspelt: 0,
        folded: false,
        looseness: 0,
        length,
    };
    for word in wanted {
        let as_it_is = words(name).filter_map(|there| fit(word, there)).min();
        let (wrong, looseness) = match as_it_is {
            Some(fit) => fit,
            None if misspelt => words(name).filter_map(|there| nearly(word, there)).min()?,
            None => return None,
        };
        rank.misspelt += wrong;
        rank.looseness += looseness;
    }
    Some(rank)
}

/// How names spell a word.
#[derive(Debug)]
pub(crate) struct Spelling {
    word: String,
    /// Whether it is the only word, so that no name has it as it is.
    is_alone: bool,
    /// Words of names that are nearly it, by the number of wrong letters; one more than
    /// [`SPELLINGS_MAX`] at most.
    near: [Vec<String>; WRONG_MAX + 1],
}

impl Spelling {
    fn of(word: &str, is_alone: bool) -> Option<Spelling> {
        let letters = word.chars().filter(|c| !c.is_ascii_digit()).count();
        (letters > most_wrong(word.chars().count())).then(|| Spelling {
            word: word.to_owned(),
            is_alone,
            near: Default::default(),
        })
    }

    /// The word.
    pub(crate) fn word(&self) -> &str {
        &self.word
    }

    /// How many letters of it may be wrong.
    pub(crate) fn wrong(&self) -> u8 {
        u8::try_from(most_wrong(self.word.chars().count())).unwrap_or(0)
    }

    /// Notes a word of a name, and says whether more are welcome.
    pub(crate) fn note(&mut self, there: &str) -> Flow {
        if there.contains(&self.word) || self.near.iter().flatten().any(|near| near == there) {
            return Flow::Continue;
        }
        let is_folded = !there.is_ascii() && folded(there).contains(&self.word);
        let wrong = if is_folded {
            Some(0)
        } else {
            nearly(&self.word, there).map(|(wrong, _)| wrong)
        };
        if let Some(wrong) = wrong {
            self.near[wrong.min(WRONG_MAX)].push(there.to_owned());
        }
        if self.count() > SPELLINGS_MAX {
            Flow::Stop
        } else {
            Flow::Continue
        }
    }

    /// Whether there are few enough to look for each.
    pub(crate) fn helps(&self) -> bool {
        self.count() <= SPELLINGS_MAX
    }

    /// Number of words that names may have instead of it.
    pub(crate) fn count(&self) -> usize {
        self.near.iter().map(Vec::len).sum()
    }

    /// The word, if names may have it as it is.
    pub(crate) fn as_it_is(&self) -> Option<&str> {
        (!self.is_alone).then_some(&self.word)
    }

    /// Whether it is the only word.
    pub(crate) fn is_alone(&self) -> bool {
        self.is_alone
    }

    /// Words of names that are nearly it, those with fewer wrong letters first.
    pub(crate) fn nearest_first(&self) -> impl Iterator<Item = &[String]> {
        self.near.iter().map(Vec::as_slice)
    }
}

/// Texts of which every word has one that is `word` or nearly so.
///
/// Cut into one piece more than letters may be wrong, one piece is as it was;
/// unless two neighbours on both sides of a cut are swapped, which harms two
/// pieces: then they stand there together, swapped.
fn pieces(word: &str) -> Vec<String> {
    let letters: Vec<char> = word.chars().collect();
    let most = most_wrong(letters.len());
    let cuts: Vec<usize> = (0..=most + 1)
        .map(|piece| piece * letters.len() / (most + 1))
        .collect();
    let text = |from: usize, to: usize, swaps: &[usize]| {
        let mut letters = letters.clone();
        for swap in swaps {
            letters.swap(swap - 1, *swap);
        }
        letters[from..to].iter().collect::<String>()
    };
    let whole = cuts.windows(2).map(|cut| text(cut[0], cut[1], &[]));
    let swapped = cuts.windows(3).map(|cut| text(cut[0], cut[2], &[cut[1]]));
    let all_swapped = (most > 1).then(|| text(0, letters.len(), &cuts[1..=most]));
    whole.chain(swapped).chain(all_swapped).collect()
}

/// How many letters of a word of this many may be wrong.
fn most_wrong(letters: usize) -> usize {
    match letters {
        MISSPELT_TWO..=WORD_MAX => 2,
        MISSPELT_ONE..MISSPELT_TWO => 1,
        _ => 0,
    }
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
    let wrong = if wanted.is_ascii() && there.is_ascii() {
        nearly_letters(wanted.as_bytes(), there.as_bytes())
    } else {
        let letters = |text: &str| text.chars().collect::<Vec<_>>();
        nearly_letters(&letters(wanted), &letters(there))
    };
    wrong.map(|wrong| (wrong, 0))
}

fn nearly_letters<T: PartialEq + Copy>(wanted: &[T], there: &[T]) -> Option<usize> {
    let most = most_wrong(wanted.len());
    if most == 0 || there.len().abs_diff(wanted.len()) > most {
        return None;
    }
    distance(wanted, there, most)
}

/// Letters to put in, leave out, change or swap with their neighbour, to make
/// `b` of `a` (optimal string alignment), if they are at most `most`. Neither is
/// longer than [`WORD_MAX`] and a few letters.
fn distance<T: PartialEq + Copy>(a: &[T], b: &[T], most: usize) -> Option<usize> {
    type Row = [usize; WORD_MAX + 4];
    let mut before_last: Row = [0; WORD_MAX + 4];
    let mut last: Row = std::array::from_fn(|column| column);
    for (i, &letter) in a.iter().enumerate() {
        let mut row: Row = [0; WORD_MAX + 4];
        row[0] = i + 1;
        let mut least_of_row = row[0];
        for (j, &other) in b.iter().enumerate() {
            let changed = last[j] + usize::from(letter != other);
            let mut least = changed.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && letter == b[j - 1] && a[i - 1] == other {
                least = least.min(before_last[j - 1] + 1);
            }
            row[j + 1] = least;
            least_of_row = least_of_row.min(least);
        }
        // A swap may still come back to the row before.
        if least_of_row > most && last[..=b.len()].iter().all(|wrong| *wrong > most) {
            return None;
        }
        before_last = std::mem::replace(&mut last, row);
    }
    Some(last[b.len()]).filter(|wrong| *wrong <= most)
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
            for (a, b) in [(a, b), (b, a)] {
                let (a, b) = (a.as_bytes(), b.as_bytes());
                assert_eq!(distance(a, b, wrong), Some(wrong));
                assert_eq!(distance(a, b, wrong.saturating_sub(1)).is_none(), wrong > 0);
            }
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
    fn names_are_folded_as_words_are() {
        let ranked = |text: &str, names: &[&str]| {
            let ranks: Vec<_> = names
                .iter()
                .map(|name| Words::of(text).rank(name, false))
                .collect();
            ranks.iter().all(Option::is_some) && ranks.is_sorted()
        };
        assert!(ranked("cafe", &["Cafe.txt", "Café.txt"]));
        assert!(ranked("café", &["Café.txt", "Cafe.txt"]));
        assert!(ranked("istanbul", &["istanbul.jpg", "İstanbul.jpg"]));
        assert!(ranked("οδός", &["ΟΔΌΣ.txt", "οδος.txt"]));
        assert!(ranked("strasse", &["strasse.md", "Straße.md"]));
        assert!(!ranked("cafe", &["cave.txt"]));
    }

    #[test]
    fn short_words_must_be_right_and_no_word_is_nothing() {
        assert_eq!(rank("abc", "abd.x"), None);
        assert_eq!(rank("abcd", "abxx.x"), None);
        assert_eq!(rank("", "a"), None);
        assert_eq!(rank("...", "a"), None);
    }

    /// What names with these words are looked for with, of the first word.
    fn near(text: &str, known: &[&str]) -> Option<Vec<Vec<String>>> {
        let words = Words::of(text);
        let mut spelling = words.spellings().next()?;
        for word in known {
            spelling.note(word);
        }
        let near = spelling.nearest_first().map(<[String]>::to_vec);
        spelling.helps().then(|| near.collect())
    }

    #[test]
    fn spellings_of_a_word_are_noted_by_their_wrong_letters() {
        let known = [
            "plan", "explain", "plans", "plan", "plän", "holidays", "xplam",
        ];
        let found = |text| near(text, &known).unwrap();
        assert_eq!(found("plam"), [vec![], vec!["plan"], vec![]]);
        assert_eq!(found("plain"), [vec![], vec!["plan"], vec![]]);
        assert_eq!(found("plan"), [vec!["plän"], vec![], vec![]]);
        assert_eq!(found("hollidas"), [vec![], vec![], vec!["holidays"]]);
        assert!(found("month").concat().is_empty());
    }

    #[test]
    fn a_word_by_itself_was_looked_for_as_it_is() {
        let as_it_is = |text: &str| {
            let words = Words::of(text);
            let spellings = words.spellings();
            spellings
                .map(|spelling| spelling.as_it_is().is_some())
                .collect::<Vec<_>>()
        };
        assert_eq!(as_it_is("plan"), [false]);
        assert_eq!(as_it_is("plan year"), [true, true]);
    }

    #[test]
    fn numbers_and_words_with_very_many_spellings_are_looked_for_otherwise() {
        assert_eq!(near("2024", &["plan"]), None);
        assert_eq!(near("a024", &["plan"]), None);
        let letters = || ('a'..='z').filter(|letter| *letter != 'l');
        let many = letters().flat_map(|a| letters().map(move |b| format!("plan{a}{b}ng")));
        let many: Vec<_> = many.collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert_eq!(near("planning", &many), None);
        assert!(near("planning", &many[..SPELLINGS_MAX]).is_some());
    }

    /// All words that differ from `word` in one letter.
    fn misspellings(word: &str) -> Vec<String> {
        let letters: Vec<char> = word.chars().collect();
        let mut all = Vec::new();
        let mut add = |letters: Vec<char>| all.push(letters.into_iter().collect::<String>());
        for at in 0..=letters.len() {
            let mut more = letters.clone();
            more.insert(at, 'x');
            add(more);
            if at < letters.len() {
                let mut fewer = letters.clone();
                fewer.remove(at);
                add(fewer);
                let mut other = letters.clone();
                other[at] = 'x';
                add(other);
            }
            if at + 1 < letters.len() {
                let mut swapped = letters.clone();
                swapped.swap(at, at + 1);
                add(swapped);
            }
        }
        all
    }

    #[test]
    fn every_misspelt_word_has_a_piece_of_the_word() {
        for word in ["plan", "plans", "abcdefg"] {
            let pieces = Words::of(word).pieces();
            for wrong in misspellings(word) {
                assert!(rank(word, &wrong).is_some(), "{word} {wrong}");
                let has = pieces.iter().any(|piece| wrong.contains(piece.as_str()));
                assert!(has, "{word} {wrong} {pieces:?}");
            }
        }
        for word in ["holidays", "abcdefghi", "straßenbahn"] {
            let pieces = Words::of(word).pieces();
            let twice = misspellings(word)
                .into_iter()
                .flat_map(|once| misspellings(&once));
            for wrong in twice.filter(|wrong| rank(word, wrong).is_some()) {
                let has = pieces.iter().any(|piece| wrong.contains(piece.as_str()));
                assert!(has, "{word} {wrong} {pieces:?}");
            }
        }
    }
}
