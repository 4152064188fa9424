//! A word, whatever its spelling.

use crate::{
    WORD_MAX,
    fold::{self, Base},
    letters::stands_alone,
};

/// The mark before a term of an index that is the folded form of a word with accents.
pub const FOLDED: char = '\u{1}';

/// A word.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Word {
    exact: String,
    /// Empty if it is the exact form.
    folded: String,
    /// Empty if there is no other spelling.
    spelt_out: String,
}

/// The fit of a word to another one; the least is the best.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Fit {
    /// They are the same.
    Exact,
    /// They are the same but for accents, or spellings of them.
    Folded,
}

impl Word {
    /// Returns the word that a run is.
    #[must_use]
    pub fn of(run: &str) -> Word {
        let mut word = Word::default();
        word.read(run);
        word
    }

    /// Becomes the word that a run is.
    pub fn read(&mut self, run: &str) {
        self.exact.clear();
        self.folded.clear();
        self.spelt_out.clear();
        if run.is_ascii() {
            self.exact.push_str(&run[..run.len().min(WORD_MAX)]);
            self.exact.make_ascii_lowercase();
            return;
        }
        if let Some(letter) = is_plain(run) {
            self.exact.push(letter);
            return;
        }
        self.exact = short(fold::exact(run));
        if !self.exact.is_ascii() {
            let Base {
                folded, spelt_out, ..
            } = fold::base(&self.exact);
            self.spelt_out = short(spelt_out);
            self.folded = short(folded);
            if self.folded == self.exact {
                self.folded.clear();
            }
        }
    }

    /// Returns true if nothing is left of it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty()
    }

    /// Returns the form without case.
    #[must_use]
    pub fn exact(&self) -> &str {
        &self.exact
    }

    /// Returns the form without case and accents.
    #[must_use]
    pub fn folded(&self) -> &str {
        if self.folded.is_empty() {
            &self.exact
        } else {
            &self.folded
        }
    }

    /// Returns the terms under which an index has it besides its exact form; they begin
    /// with [`FOLDED`].
    pub fn other_terms(&self) -> impl Iterator<Item = String> + '_ {
        let forms = [&self.folded, &self.spelt_out].into_iter();
        let others = forms.filter(|form| !form.is_empty());
        others.map(|form| format!("{FOLDED}{form}"))
    }

    /// Returns the terms under which an index has words that fit it but for accents.
    #[must_use]
    pub fn folded_terms(&self) -> Vec<String> {
        let mut terms = vec![format!("{FOLDED}{}", self.folded())];
        if !self.folded.is_empty() {
            terms.push(self.folded.clone());
        }
        if !self.spelt_out.is_empty() {
            terms.push(self.spelt_out.clone());
            terms.push(format!("{FOLDED}{}", self.spelt_out));
        }
        terms
    }

    /// Returns the fit of `there` to it.
    #[must_use]
    pub fn fit(&self, there: &Word) -> Option<Fit> {
        if self.exact == there.exact {
            return Some(Fit::Exact);
        }
        if self.is_plain() && there.is_plain() {
            return None;
        }
        let spelt_out =
            |one: &Word, other: &Word| !one.spelt_out.is_empty() && one.spelt_out == other.folded();
        let fits = self.folded() == there.folded() && accents_agree(&self.exact, &there.exact)
            || spelt_out(self, there)
            || spelt_out(there, self);
        fits.then_some(Fit::Folded)
    }

    /// Returns the fit of the start of `there` to it.
    #[must_use]
    pub fn begin(&self, there: &Word) -> Option<Fit> {
        if there.exact.starts_with(&self.exact) {
            return Some(Fit::Exact);
        }
        let begins = there.folded().starts_with(self.folded())
            || !there.spelt_out.is_empty() && there.spelt_out.starts_with(self.folded())
            || !self.spelt_out.is_empty() && there.folded().starts_with(&self.spelt_out);
        begins.then_some(Fit::Folded)
    }

    /// Returns true if it has one form.
    fn is_plain(&self) -> bool {
        self.folded.is_empty() && self.spelt_out.is_empty()
    }
}

/// Returns the letter of a run that is one letter of Han or Hangul without other forms.
fn is_plain(run: &str) -> Option<char> {
    let mut letters = run.chars();
    let first = letters.next()?;
    let is_plain = matches!(first, '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{3041}'..='\u{3096}');
    (is_plain && stands_alone(first) && letters.next().is_none()).then_some(first)
}

fn short(word: String) -> String {
    match word.char_indices().nth(WORD_MAX) {
        Some((end, _)) => word[..end].to_owned(),
        None => word,
    }
}

/// Returns true if the accents of two exact forms agree: on each letter, one has those of the
/// other and perhaps more. Greek has changed its accents; there they all agree.
fn accents_agree(one: &str, other: &str) -> bool {
    let is_greek =
        |letter: char| matches!(letter, '\u{0370}'..='\u{03ff}' | '\u{1f00}'..='\u{1fff}');
    if one.chars().any(is_greek) {
        return true;
    }
    let (one, other) = (fold::base(one).accents, fold::base(other).accents);
    let on = |accents: &[(usize, char)], letter: usize| -> Vec<char> {
        let on_letter = accents.iter().filter(|(at, _)| *at == letter);
        on_letter.map(|(_, accent)| *accent).collect()
    };
    one.iter().all(|(letter, _)| {
        let (one, other) = (on(&one, *letter), on(&other, *letter));
        one.iter().all(|accent| other.contains(accent))
            || other.iter().all(|accent| one.contains(accent))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(one: &str, other: &str) -> Option<Fit> {
        let (one, other) = (Word::of(one), Word::of(other));
        assert_eq!(one.fit(&other), other.fit(&one));
        one.fit(&other)
    }

    #[test]
    fn words_fit_whatever_their_case_and_accents() {
        for (one, other, expected) in [
            ("Word", "wORD", Some(Fit::Exact)),
            ("İSTANBUL", "istanbul", Some(Fit::Exact)),
            ("Isparta", "ısparta", Some(Fit::Folded)),
            ("cafe", "café", Some(Fit::Folded)),
            ("café", "cafe\u{301}", Some(Fit::Exact)),
            ("Müller", "Mueller", Some(Fit::Folded)),
            ("Müller", "muller", Some(Fit::Folded)),
            ("mueller", "muller", None),
            ("má", "mà", None),
            ("viêt", "việt", Some(Fit::Folded)),
            ("hòa", "hoà", Some(Fit::Folded)),
            ("ἀνήρ", "άνηρ", Some(Fit::Folded)),
            ("كَتَبَ", "كُتُب", None),
            ("كتب", "كُتُب", Some(Fit::Folded)),
            ("мой", "мои", None),
            ("all", "ale", None),
        ] {
            assert_eq!(fit(one, other), expected, "{one} {other}");
        }
    }

    #[test]
    fn a_word_is_indexed_under_its_exact_form_first() {
        let terms = |word: &str| {
            let word = Word::of(word);
            let exact = std::iter::once(word.exact().to_owned());
            exact.chain(word.other_terms()).collect::<Vec<_>>()
        };
        assert_eq!(terms("Plain"), ["plain"]);
        assert_eq!(terms("Müller"), ["müller", "\u{1}muller", "\u{1}mueller"]);
        assert_eq!(terms("Straße"), ["strasse"]);
    }

    #[test]
    fn a_begin_fits_as_a_word_does() {
        let begin = |one: &str, other: &str| Word::of(one).begin(&Word::of(other));
        assert_eq!(begin("caf", "Café"), Some(Fit::Exact));
        assert_eq!(begin("café", "cafes"), Some(Fit::Folded));
        assert_eq!(begin("mue", "müller"), Some(Fit::Folded));
        assert_eq!(begin("cab", "café"), None);
    }
}
