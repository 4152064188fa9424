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

/// The rank of a name; the least is the best.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Rank {
    /// Letters that are wrong.
    misspelt: usize,
    /// True if accents differ, or letters that mean the same.
    folded: bool,
    /// The looseness of the words in it: 0 for each whole word, 1 for each
    /// beginning, 2 for each part.
    looseness: usize,
    /// Length of the name: of two that fit as well, the shorter one is more of
    /// what was asked for.
    length: usize,
}

impl Rank {
    /// Returns the best rank that a name can have, misspelt or not, before it is looked at.
    pub(crate) fn best(name: &str, misspelt: bool) -> Rank {
        Rank {
            misspelt: usize::from(misspelt),
            folded: false,
            looseness: 0,
            length: name.len(),
        }
    }

    /// Returns true if a word is in it only with other letters.
    #[cfg(test)]
    fn is_misspelt(self) -> bool {
        self.misspelt > 0
    }
}

/// The words of a text: what a name has to have, and what it must not have.
///
/// `a OR b` is met by either word, `-word` leaves out the names that have this word, and a
/// word with its signs (`C++`, `C#`, `.NET`) is looked for as it stands.
#[derive(Debug)]
pub(crate) struct Words {
    /// In lower case.
    lower: Vec<AnyOf>,
    /// Folded.
    folded: Vec<AnyOf>,
    /// Folded; a name with all words of one entry is left out.
    without: Vec<Vec<String>>,
}

/// Words of which a name has to have one.
type AnyOf = Vec<String>;

impl Words {
    /// Reads a text. In a quoted one, `OR` and `-` are words.
    pub(crate) fn of(text: &str, is_quoted: bool) -> Words {
        if is_quoted {
            return Words {
                lower: each_alone(words_of(&text.to_lowercase())),
                folded: each_alone(words_of(&folded(text))),
                without: Vec::new(),
            };
        }
        let without = text.split_whitespace().filter_map(left_out);
        let without: Vec<_> = without.map(|word| words_of(&folded(word))).collect();
        let words = Words {
            lower: wanted(text, str::to_lowercase),
            folded: wanted(text, folded),
            without,
        };
        // A text that only leaves out may be a name that begins with a hyphen.
        if words.lower.is_empty() {
            Words::of(text, true)
        } else {
            words
        }
    }

    /// Returns true if only a name with the same letters can have the words.
    pub(crate) fn are_ascii(&self) -> bool {
        self.lower.iter().flatten().all(|word| word.is_ascii())
    }

    /// Returns the words of the rarest group, folded. Empty if there is no word.
    pub(crate) fn rarest_folded(&self) -> &[String] {
        let rarest = self.folded.iter().max_by_key(|group| shortest(group));
        rarest.map_or(&[], Vec::as_slice)
    }

    /// Returns texts of which every name has one that has all words as they are. Empty if
    /// there is no word.
    pub(crate) fn rarest(&self) -> &[String] {
        let rarest = self.lower.iter().max_by_key(|group| shortest(group));
        rarest.map_or(&[], Vec::as_slice)
    }

    /// Returns texts of which every name has one that has all words, misspelt ones too:
    /// the pieces of the word that fewest names have. Empty if there is no word.
    pub(crate) fn pieces(&self) -> Vec<String> {
        let both = self.lower.iter().zip(&self.folded);
        let pieces = both.map(|(lower, folded)| {
            let mut all = pieces_of(lower);
            if lower != folded {
                all.extend(pieces_of(folded));
            }
            all
        });
        pieces
            .max_by_key(|pieces| shortest(pieces))
            .unwrap_or_default()
    }

    /// Returns how names spell the words of each group: nothing yet. Groups with words that
    /// may be meant by numbers, or that have signs, are not among them.
    pub(crate) fn spellings(&self) -> impl Iterator<Item = Spelling> {
        let is_alone = self.folded.len() == 1;
        let groups = self.folded.iter();
        groups.filter_map(move |group| Spelling::of(group, is_alone))
    }

    /// Returns for each word the texts of which every name has one that has the word,
    /// misspelt too.
    pub(crate) fn all_pieces(&self) -> Vec<Vec<String>> {
        self.folded.iter().map(|group| pieces_of(group)).collect()
    }

    /// Returns how well `name` has all words, misspelt ones only if wanted; `None` if it
    /// does not have them, or has a word that is left out.
    pub(crate) fn rank(&self, name: &str, misspelt: bool) -> Option<Rank> {
        let ranked = if name.is_ascii() && self.are_ascii() {
            let lower = name.to_ascii_lowercase();
            rank(&self.folded, &lower, name.len(), misspelt)
        } else {
            let exact = rank(&self.lower, &name.to_lowercase(), name.len(), false);
            exact.or_else(|| {
                let folded = rank(&self.folded, &folded(name), name.len(), misspelt)?;
                Some(Rank {
                    folded: true,
                    ..folded
                })
            })
        };
        ranked.filter(|_| !self.leaves_out(name))
    }

    /// Ranks likewise, with memory that is used again.
    pub(crate) fn rank_in(&self, name: &str, misspelt: bool, lower: &mut String) -> Option<Rank> {
        if !name.is_ascii() || !self.are_ascii() {
            return self.rank(name, misspelt);
        }
        lower.clear();
        lower.push_str(name);
        lower.make_ascii_lowercase();
        let ranked = rank(&self.folded, lower, name.len(), misspelt);
        ranked.filter(|_| !self.leaves_out(name))
    }

    fn leaves_out(&self, name: &str) -> bool {
        if self.without.is_empty() {
            return false;
        }
        let name = folded(name);
        let has = |word: &String| words(&name).any(|there| there == word);
        self.without.iter().any(|all| all.iter().all(has))
    }
}

/// Reads the words that a name has to have; `spelt` gives them the form in which they are
/// compared.
fn wanted(text: &str, spelt: impl Fn(&str) -> String) -> Vec<AnyOf> {
    let mut groups: Vec<AnyOf> = Vec::new();
    // Groups of the word before, and whether `OR` stands behind it.
    let (mut before, mut is_or) = (0, false);
    for token in text
        .split_whitespace()
        .filter(|token| left_out(token).is_none())
    {
        if token == "OR" && before > 0 && !is_or {
            is_or = true;
            continue;
        }
        let words = words_of_token(&spelt(token));
        if words.is_empty() {
            continue;
        }
        if std::mem::take(&mut is_or) {
            // (a and b) or (c and d) is (a or c) and (a or d) and (b or c) and (b or d).
            let either = groups.split_off(groups.len() - before);
            before *= words.len();
            groups.extend(either.iter().flat_map(|group| {
                words
                    .iter()
                    .map(|word| [group.as_slice(), std::slice::from_ref(word)].concat())
            }));
        } else {
            before = words.len();
            groups.extend(each_alone(words));
        }
        if groups.len() >= WORDS_MAX {
            break;
        }
    }
    groups.truncate(WORDS_MAX);
    groups
}

fn each_alone(words: Vec<String>) -> Vec<AnyOf> {
    words.into_iter().map(|word| vec![word]).collect()
}

fn words_of(text: &str) -> Vec<String> {
    words(text).take(WORDS_MAX).map(str::to_owned).collect()
}

/// Returns the words of a token, or the token itself if signs belong to its word.
fn words_of_token(token: &str) -> Vec<String> {
    let bare = token.trim_matches(|sign: char| "\"'()[]{}<>,;:!?".contains(sign));
    let has_letter = bare.contains(char::is_alphanumeric);
    let is_begin = bare.starts_with('.') && bare[1..].starts_with(char::is_alphanumeric);
    if has_letter && (is_begin || bare.contains(['+', '#'])) {
        return vec![bare.to_owned()];
    }
    words_of(token)
}

/// Returns the word that a token leaves out.
fn left_out(token: &str) -> Option<&str> {
    let word = token.strip_prefix('-')?;
    word.starts_with(char::is_alphanumeric).then_some(word)
}

/// Returns true if the word has signs: it is matched against the whole name.
fn has_signs(word: &str) -> bool {
    !word.chars().all(char::is_alphanumeric) && words(word).next() != Some(word)
}

/// Returns the length of the shortest text.
fn shortest(texts: &[String]) -> usize {
    texts.iter().map(String::len).min().unwrap_or(0)
}

/// Returns the pieces of all words of a group.
fn pieces_of(group: &[String]) -> Vec<String> {
    group.iter().flat_map(|word| pieces(word)).collect()
}

/// Ranks a name, in lower case or folded as the words are, that has all of them.
fn rank(wanted: &[AnyOf], name: &str, length: usize, misspelt: bool) -> Option<Rank> {
    if wanted.is_empty() {
        return None;
    }
    let mut rank = Rank {
        misspelt: 0,
        folded: false,
        looseness: 0,
        length,
    };
    for group in wanted {
        let as_it_is = group.iter().filter_map(|word| best_fit(word, name)).min();
        let (wrong, looseness) = match as_it_is {
            Some(fit) => fit,
            None if misspelt => {
                let plain = group.iter().filter(|word| !has_signs(word));
                let near =
                    plain.flat_map(|word| words(name).filter_map(move |there| nearly(word, there)));
                near.min()?
            }
            None => return None,
        };
        rank.misspelt += wrong;
        rank.looseness += looseness;
    }
    Some(rank)
}

/// Returns no wrong letters, and the least looseness with which the name has the word.
fn best_fit(word: &str, name: &str) -> Option<(usize, usize)> {
    if has_signs(word) {
        return name.contains(word).then_some((0, 0));
    }
    if word.is_ascii() && name.is_ascii() {
        return ascii_fit(word.as_bytes(), name.as_bytes()).map(|looseness| (0, looseness));
    }
    words(name).filter_map(|there| fit(word, there)).min()
}

/// The ways in which names spell a word of a group.
#[derive(Debug)]
pub(crate) struct Spelling {
    group: AnyOf,
    /// True if it is the only group, so that no name has a word of it as it is.
    is_alone: bool,
    /// Words of names that are nearly one of them, by the number of wrong letters; one more
    /// than [`SPELLINGS_MAX`] at most.
    near: [Vec<String>; WRONG_MAX + 1],
}

impl Spelling {
    fn of(group: &[String], is_alone: bool) -> Option<Spelling> {
        let is_known = |word: &String| {
            let letters = word.chars().filter(|c| !c.is_ascii_digit()).count();
            !has_signs(word) && letters > most_wrong(word.chars().count())
        };
        group.iter().all(is_known).then(|| Spelling {
            group: group.to_vec(),
            is_alone,
            near: Default::default(),
        })
    }

    /// Returns the words, and how many letters of each may be wrong.
    pub(crate) fn words(&self) -> Vec<(String, u8)> {
        let wrong = |word: &str| u8::try_from(most_wrong(word.chars().count())).unwrap_or(0);
        let words = self.group.iter();
        words.map(|word| (word.clone(), wrong(word))).collect()
    }

    /// Notes a word of a name, and says whether more are welcome.
    pub(crate) fn note(&mut self, there: &str) -> Flow {
        let has = |text: &str| self.group.iter().any(|word| text.contains(word.as_str()));
        if has(there) || self.near.iter().flatten().any(|near| near == there) {
            return Flow::Continue;
        }
        let wrong = if !there.is_ascii() && has(&folded(there)) {
            Some(0)
        } else {
            let near = self.group.iter().filter_map(|word| nearly(word, there));
            near.map(|(wrong, _)| wrong).min()
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

    /// Returns true if there are few enough to look for each.
    pub(crate) fn helps(&self) -> bool {
        self.count() <= SPELLINGS_MAX
    }

    /// Returns the number of words that names may have instead.
    pub(crate) fn count(&self) -> usize {
        self.near.iter().map(Vec::len).sum()
    }

    /// Returns the words, if names may have one as it is.
    pub(crate) fn as_they_are(&self) -> Option<&[String]> {
        (!self.is_alone).then_some(&self.group)
    }

    /// Returns true if it is the only group.
    pub(crate) fn is_alone(&self) -> bool {
        self.is_alone
    }

    /// Returns words of names that are nearly one of them, those with fewer wrong letters
    /// first.
    pub(crate) fn nearest_first(&self) -> impl Iterator<Item = &[String]> {
        self.near.iter().map(Vec::as_slice)
    }
}

/// Texts of which every word has one that is `word` or nearly so. A word with signs is
/// never misspelt.
///
/// Cut into one piece more than letters may be wrong, one piece is as it was;
/// unless two neighbours on both sides of a cut are swapped, which harms two
/// pieces: then they stand there together, swapped.
fn pieces(word: &str) -> Vec<String> {
    if has_signs(word) {
        return vec![word.to_owned()];
    }
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

/// Returns the number of letters of a word of this many that may be wrong.
fn most_wrong(letters: usize) -> usize {
    match letters {
        MISSPELT_TWO..=WORD_MAX => 2,
        MISSPELT_ONE..MISSPELT_TWO => 1,
        _ => 0,
    }
}

/// Returns the least looseness with which an ASCII name has a word of ASCII letters and digits: what [`fit`] says of its
/// words, without cutting the name into them.
fn ascii_fit(word: &[u8], name: &[u8]) -> Option<usize> {
    let first = word.first()?;
    let is_edge = |at: Option<usize>| {
        let letter = at.and_then(|at| name.get(at));
        letter.is_none_or(|letter| !letter.is_ascii_alphanumeric())
    };
    let mut least = None;
    let mut from = 0;
    while let Some(found) = name[from..].iter().position(|letter| letter == first) {
        let at = from + found;
        from = at + 1;
        if !name[at..].starts_with(word) {
            continue;
        }
        if !is_edge(at.checked_sub(1)) {
            least = least.or(Some(2));
        } else if is_edge(Some(at + word.len())) {
            return Some(0);
        } else {
            least = Some(1);
        }
    }
    least
}

/// Returns no wrong letters, and the looseness with which `wanted` is in `there`.
fn fit(wanted: &str, there: &str) -> Option<(usize, usize)> {
    if there == wanted {
        Some((0, 0))
    } else if there.starts_with(wanted) {
        Some((0, 1))
    } else {
        there.contains(wanted).then_some((0, 2))
    }
}

/// Returns the wrong letters with which `there` is `wanted`.
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
        Words::of(text, false).rank(name, true)
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
    fn ascii_names_fit_as_their_words_do() {
        let names = [
            "a", "ab", "ba", "a_ab", "bab-a", "aab.b", "b a", "", "_", "aaab ba9", "9a",
        ];
        for word in ["a", "b", "ab", "ba", "aab", "9", "a9"] {
            for name in names {
                let of_words = words(name).filter_map(|there| fit(word, there)).min();
                let expected = of_words.map(|(_, looseness)| looseness);
                let found = ascii_fit(word.as_bytes(), name.as_bytes());
                assert_eq!(found, expected, "{word} {name}");
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
        assert_eq!(Words::of("plan", false).rank(names[3], false), None);
    }

    #[test]
    fn all_words_are_needed_in_any_order_and_case() {
        assert!(rank("Year PLAN", "plan/new-year.txt").is_some());
        assert_eq!(rank("year plan", "plan.txt"), None);
        assert!(rank("über", "ÜBER uns.md").is_some());
    }

    #[test]
    fn a_word_with_signs_is_looked_for_as_it_stands() {
        for (text, name, is_found) in [
            ("C++", "Learn C++ fast.pdf", true),
            ("c++", "C++17.md", true),
            ("C++", "data.csv", false),
            ("C#", "aux.c", false),
            ("C#,", "c# notes.txt", true),
            (".NET", "ASP.net core.md", true),
            (".NET", "planet.txt", false),
            ("node.js", "node-js.md", true),
            ("a+b", "a b.txt", false),
            ("(plan)", "plan.txt", true),
        ] {
            assert_eq!(rank(text, name).is_some(), is_found, "{text} {name}");
        }
    }

    #[test]
    fn a_word_with_a_minus_leaves_names_out() {
        for (text, name, is_found) in [
            ("song -live", "Song [Live].mp3", false),
            ("song -live", "Song L.mp3", true),
            ("song -live", "Song of Olive.mp3", true),
            ("-live song", "live/Song.mp3", false),
            ("song -été", "Song ete.mp3", false),
            ("well-known", "well known.txt", true),
            ("-live", "so-live.txt", true),
            ("song - live", "Song Live.mp3", true),
        ] {
            assert_eq!(rank(text, name).is_some(), is_found, "{text} {name}");
        }
        let quoted = Words::of("song -live", true).rank("Song [Live].mp3", false);
        assert!(quoted.is_some());
    }

    #[test]
    fn either_word_of_an_or_is_enough() {
        for (text, name, is_found) in [
            ("poem OR song", "Song L.mp3", true),
            ("poem OR song", "poem.txt", true),
            ("poem OR song", "other.txt", false),
            ("poem OR song mp3", "poem.txt", false),
            ("new-year OR plan", "new year.txt", true),
            ("new-year OR plan", "new.txt", false),
            ("OR song", "or song.txt", true),
            ("OR song", "song.txt", false),
            ("poem or song", "poem.txt", false),
            ("C++ OR rust", "rust.md", true),
            ("holliday OR poem", "holiday.jpg", true),
        ] {
            assert_eq!(rank(text, name).is_some(), is_found, "{text} {name}");
        }
    }

    #[test]
    fn names_are_folded_as_words_are() {
        let ranked = |text: &str, names: &[&str]| {
            let ranks: Vec<_> = names
                .iter()
                .map(|name| Words::of(text, false).rank(name, false))
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

    /// Returns what names with the first of these words are looked for with.
    fn near(text: &str, known: &[&str]) -> Option<Vec<Vec<String>>> {
        let words = Words::of(text, false);
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
        assert_eq!(
            found("plam OR hollidays"),
            [vec![], vec!["plan", "holidays"], vec![]]
        );
        assert!(found("month").concat().is_empty());
    }

    #[test]
    fn a_word_by_itself_was_looked_for_as_it_is() {
        let as_they_are = |text: &str| {
            let words = Words::of(text, false);
            let spellings = words.spellings();
            spellings
                .map(|spelling| spelling.as_they_are().is_some())
                .collect::<Vec<_>>()
        };
        assert_eq!(as_they_are("plan"), [false]);
        assert_eq!(as_they_are("plan OR year"), [false]);
        assert_eq!(as_they_are("plan year"), [true, true]);
    }

    #[test]
    fn numbers_and_very_many_spellings_are_looked_for_otherwise() {
        assert_eq!(near("2024", &["plan"]), None);
        assert_eq!(near("a024", &["plan"]), None);
        let letters = || ('a'..='z').filter(|letter| *letter != 'n');
        let many = letters().flat_map(|a| letters().map(move |b| format!("pla{a}{b}ing")));
        let many: Vec<_> = many.collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert_eq!(near("planning", &many), None);
        assert!(near("planning", &many[..SPELLINGS_MAX]).is_some());
    }

    /// Returns all words that differ from `word` in one letter.
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
            let pieces = Words::of(word, false).pieces();
            for wrong in misspellings(word) {
                assert!(rank(word, &wrong).is_some(), "{word} {wrong}");
                let has = pieces.iter().any(|piece| wrong.contains(piece.as_str()));
                assert!(has, "{word} {wrong} {pieces:?}");
            }
        }
        for word in ["holidays", "abcdefghi", "straßenbahn"] {
            let pieces = Words::of(word, false).pieces();
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
