//! The forms of a word: exact, folded, and spelt out.

use unicode_normalization::UnicodeNormalization;

use crate::letters::{Script, THAI_E, digit, is_ignorable};

/// Letters of a run that are looked at.
const RUN_MAX: usize = 256;

/// Returns the exact form of a run: NFKC, without case and invisible characters.
pub(crate) fn exact(run: &str) -> String {
    decomposed(run).into_iter().nfc().collect()
}

/// Returns a text in the form NFC, as names are shared.
#[must_use]
pub fn composed(text: &str) -> String {
    text.nfc().collect()
}

/// Returns a whole text folded as words are; the text between words is kept.
#[must_use]
pub fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    base(&exact(text)).folded
}

/// An exact form without accents.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Base {
    /// One letter for several that mean the same, without accents.
    pub(crate) folded: String,
    /// With `ae`, `oe`, `ue` and `aa` for ä, ö, ü and å; empty if there are none.
    pub(crate) spelt_out: String,
    /// Accents, each with the number of the letter that it stands on.
    pub(crate) accents: Vec<(usize, char)>,
}

/// Takes the accents from an exact form.
pub(crate) fn base(exact: &str) -> Base {
    let letters: Vec<char> = exact.nfd().collect();
    let mut base = Base::default();
    let (mut count, mut above, mut was_spelt_out) = (0, '\0', false);
    for (at, &letter) in letters.iter().enumerate() {
        if unicode_normalization::char::is_combining_mark(letter)
            && Script::of(above).is_accent(above, letter)
        {
            base.accents.push((count, letter));
            if let Some(more) = spelt_out(above, letter) {
                base.spelt_out.push(more);
                was_spelt_out = true;
            }
            continue;
        }
        if !unicode_normalization::char::is_combining_mark(letter) {
            above = letter;
            count += 1;
        }
        let before = base.folded.len();
        match (same_as(letter), indic(&letters, at)) {
            (Some(same), _) => {
                base.folded.push_str(same);
                if Script::of(letter) == Script::Latin && same.len() == 1 {
                    // A stroke is an accent too.
                    base.accents.push((count, letter));
                }
            }
            (None, Indic::Nasal) => base.folded.push(ANUSVARA),
            (None, Indic::Silent) => {}
            (None, Indic::Other) => base.folded.push(kana(letter)),
        }
        if letter == 'ø' {
            base.spelt_out.push_str("oe");
            was_spelt_out = true;
        } else {
            base.spelt_out.push_str(&base.folded[before..]);
        }
    }
    if !was_spelt_out {
        base.spelt_out.clear();
    }
    if !base.folded.is_ascii() {
        base.folded = composed(&base.folded);
        base.spelt_out = composed(&base.spelt_out);
    }
    base
}

/// Returns the letters of a run, decomposed, without case and invisible characters.
fn decomposed(run: &str) -> Vec<char> {
    let seen = run
        .chars()
        .take(RUN_MAX)
        .filter(|letter| !is_ignorable(*letter));
    let mut letters = Vec::with_capacity(run.len());
    for letter in seen.nfkd().filter(|letter| !is_ignorable(*letter)) {
        without_case(letter, &mut |letter| {
            // İ is i in lower case, for those who write it.
            if letter != '\u{307}' || letters.last() != Some(&'i') {
                letters.push(one_of_several(letter));
            }
        });
    }
    thai(&mut letters);
    letters
}

/// Calls `each` with the letters that stand for `letter` in both cases.
fn without_case(letter: char, each: &mut dyn FnMut(char)) {
    match letter {
        '\0'..='\u{7f}' => each(letter.to_ascii_lowercase()),
        // Its capital is that of i; and that of a sign below is a letter.
        'ı' | '\u{345}' => each(letter),
        // Its capital is itself.
        'ẞ' => ['s', 's'].into_iter().for_each(each),
        _ => letter
            .to_uppercase()
            .flat_map(char::to_lowercase)
            .for_each(each),
    }
}

/// Returns the letter that keyboards of several languages have for the same one.
fn one_of_several(letter: char) -> char {
    match letter {
        'ك' => 'ک',
        'ي' => 'ی',
        '\u{2019}' | '\u{02bc}' => '\'',
        // Capitals alone made it a medial sigma already.
        'ς' => 'σ',
        _ => digit(letter).unwrap_or(letter),
    }
}

/// Puts the signs of a Thai or Lao letter in one order: vowel, tone, nikhahit.
fn thai(letters: &mut Vec<char>) {
    let rank = |letter: char| match letter {
        '\u{0e31}' | '\u{0e34}'..='\u{0e3a}' | '\u{0eb1}' | '\u{0eb4}'..='\u{0ebc}' => 1,
        '\u{0e47}'..='\u{0e4c}' | '\u{0ec8}'..='\u{0ecc}' => 2,
        '\u{0e4d}' | '\u{0ecd}' => 3,
        _ => 0,
    };
    for signs in letters.chunk_by_mut(|a, b| rank(*a) > 0 && rank(*b) > 0) {
        signs.sort_by_key(|sign| rank(*sign));
    }
    if letters.as_slice() == [THAI_E, THAI_E] {
        *letters = vec!['\u{0e41}'];
    }
}

/// Returns the fold of a letter that has no decomposition.
fn same_as(letter: char) -> Option<&'static str> {
    Some(match letter {
        'ı' => "i",
        'đ' | 'ð' => "d",
        'ł' => "l",
        'ø' => "o",
        'ħ' => "h",
        'ŧ' => "t",
        'æ' => "ae",
        'œ' => "oe",
        'þ' => "th",
        'ٱ' => "ا",
        'ى' => "ی",
        'ة' | 'ہ' | 'ە' => "ه",
        _ => return None,
    })
}

/// Returns the letter written behind for `ae` and its like.
fn spelt_out(letter: char, accent: char) -> Option<char> {
    match (letter, accent) {
        ('a' | 'o' | 'u', '\u{308}') => Some('e'),
        ('a', '\u{30a}') => Some('a'),
        _ => None,
    }
}

/// Returns hiragana for katakana.
fn kana(letter: char) -> char {
    match letter {
        '\u{30a1}'..='\u{30f6}' | '\u{30fd}' | '\u{30fe}' => {
            char::from_u32(u32::from(letter) - 0x60).unwrap_or(letter)
        }
        _ => letter,
    }
}

/// The kind of a letter of Devanagari.
enum Indic {
    /// It is a nasal that anusvara stands for too.
    Nasal,
    /// It is the virama of one.
    Silent,
    Other,
}

/// The sign of a nasal.
const ANUSVARA: char = '\u{0902}';

/// Classifies a letter: candrabindu, and a nasal consonant before one of its own row, are written as anusvara
/// too; the virama between the two goes with it.
fn indic(letters: &[char], at: usize) -> Indic {
    const VIRAMA: char = '\u{094d}';
    let is_nasal = |at: usize| {
        let row = match letters[at] {
            'ङ' => 'क'..='घ',
            'ञ' => 'च'..='झ',
            'ण' => 'ट'..='ढ',
            'न' => 'त'..='ध',
            'म' => 'प'..='भ',
            _ => return false,
        };
        let behind = letters.get(at + 2).is_some_and(|next| row.contains(next));
        behind && letters[at + 1] == VIRAMA
    };
    match letters[at] {
        '\u{0901}' => Indic::Nasal,
        VIRAMA if at > 0 && is_nasal(at - 1) => Indic::Silent,
        _ if is_nasal(at) => Indic::Nasal,
        _ => Indic::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(text: &str) -> String {
        base(&exact(text)).folded
    }

    /// Returns all letters but the many of Han and Hangul that are alike.
    fn letters() -> impl Iterator<Item = char> {
        let is_alike = |c: &char| matches!(c, '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}');
        ('\0'..='\u{1ffff}').filter(move |letter| !is_alike(letter))
    }

    #[test]
    fn exact_forms_have_no_case_and_no_compatibility() {
        for (text, expected) in [
            ("ΟΔΟΣ", "οδοσ"),
            ("οδος", "οδοσ"),
            ("Straße", "strasse"),
            ("STRAẞE", "strasse"),
            ("İstanbul", "istanbul"),
            ("ısı", "ısı"),
            ("ﬁne", "fine"),
            ("ｃａｆｅ\u{301}", "café"),
            ("soft\u{ad}ware", "software"),
            ("می\u{200c}خواهم", "میخواهم"),
            ("كتـــاب", "کتاب"),
            ("١٤٠٠", "1400"),
            ("ｶﾞ", "ガ"),
            ("\u{1100}\u{1161}\u{11a8}", "각"),
            ("नम\u{200d}स्ते", "नमस्ते"),
        ] {
            assert_eq!(exact(text), expected, "{text}");
        }
    }

    #[test]
    fn folded_forms_have_no_accents() {
        for (text, expected) in [
            ("café", "cafe"),
            ("Việt", "viet"),
            ("Đà", "da"),
            ("ısı", "isi"),
            ("ἀνήρ", "ανηρ"),
            ("ёлка", "елка"),
            ("й", "й"),
            ("їжак", "їжак"),
            ("كَتَبَ", "کتب"),
            ("أحمد", "احمد"),
            ("مدرسة", "مدرسه"),
            ("ज़रा", "जरा"),
            ("हिन्दी", "हिंदी"),
            ("चाँद", "चांद"),
            ("अन्न", "अन्न"),
            ("リンゴ", "りんご"),
            ("か", "か"),
            ("が", "が"),
        ] {
            assert_eq!(fold(text), expected, "{text}");
        }
        assert_eq!(base("müller").spelt_out, "mueller");
        assert_eq!(base("ångström").spelt_out, "aangstroem");
        assert_eq!(base("café").spelt_out, "");
    }

    #[test]
    fn a_letter_and_its_other_case_have_one_exact_form() {
        // The capital of ı is that of i, and that of a sign below is a letter.
        let is_other =
            |letter: &char| *letter != 'ı' && !letter.nfd().any(|part| part == '\u{345}');
        for letter in letters().filter(is_other) {
            let cases = [
                letter.to_lowercase().collect(),
                letter.to_uppercase().collect(),
            ];
            for other in cases as [String; 2] {
                let (one, other) = (exact(&letter.to_string()), exact(&other));
                assert_eq!(one, other, "{letter} {:x}", u32::from(letter));
            }
        }
    }

    #[test]
    fn forms_of_forms_are_themselves() {
        for letter in letters() {
            let once = exact(&letter.to_string());
            assert_eq!(exact(&once), once, "{letter} {:x}", u32::from(letter));
            let folded = base(&once).folded;
            assert_eq!(
                base(&folded).folded,
                folded,
                "{letter} {:x}",
                u32::from(letter)
            );
        }
    }
}
