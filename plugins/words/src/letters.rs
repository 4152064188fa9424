//! The classes of letters, script by script.

use unicode_normalization::char::is_combining_mark;

/// Returns true for a letter or a digit: a word begins with one.
#[must_use]
pub fn is_letter(letter: char) -> bool {
    // Radicals are signs to Unicode, and letters when they are normalised.
    let is_letter = letter.is_alphanumeric() || matches!(letter, '\u{2e80}'..='\u{2fdf}');
    is_letter && !is_ignorable(letter) && !is_combining_mark(letter)
}

/// Returns true if it changes nothing of a word: soft hyphens, joiners, marks of direction,
/// variation selectors, the Arabic tatweel.
#[must_use]
pub fn is_ignorable(letter: char) -> bool {
    matches!(letter,
        '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{0640}'
        | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Returns true if it belongs to the letter before it: an accent, a vowel sign, a tone.
pub(crate) fn is_mark(letter: char) -> bool {
    // The voiced sound marks of half-width katakana are letters to Unicode.
    matches!(letter, '\u{ff9e}' | '\u{ff9f}') || is_combining_mark(letter)
}

/// Returns true if it is of a script that sets no spaces between words, or writes syllables
/// that are looked for one by one.
#[must_use]
pub fn stands_alone(letter: char) -> bool {
    let is_alone = matches!(letter,
        '\u{0e00}'..='\u{0eff}'      // Thai, Lao
        | '\u{1000}'..='\u{109f}'    // Burmese
        | '\u{1100}'..='\u{11ff}'    // Hangul jamo
        | '\u{1780}'..='\u{17ff}'    // Khmer
        | '\u{2e80}'..='\u{2fdf}'    // radicals
        | '\u{3005}'..='\u{3007}'
        | '\u{3040}'..='\u{318f}'    // Hiragana, Katakana, Bopomofo, Hangul
        | '\u{31a0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'    // Han
        | '\u{a960}'..='\u{a97f}'
        | '\u{ac00}'..='\u{d7ff}'    // Hangul
        | '\u{f900}'..='\u{faff}'
        | '\u{ff66}'..='\u{ffdc}'    // half width
        | '\u{1b000}'..='\u{1b16f}'
        | '\u{20000}'..='\u{3ffff}');
    is_alone && digit(letter).is_none()
}

/// Returns the length of the letter that the text begins with, with its marks, in bytes:
/// for a script that stands alone.
pub(crate) fn cluster(text: &str) -> usize {
    let mut letters = text.char_indices().peekable();
    let Some((_, first)) = letters.next() else {
        return 0;
    };
    // Two vowels that look like one are that one.
    if first == THAI_E {
        letters.next_if(|(_, letter)| *letter == THAI_E);
    }
    if matches!(first, '\u{1100}'..='\u{115f}' | '\u{a960}'..='\u{a97c}') {
        while letters.next_if(|(_, l)| is_vowel_jamo(*l)).is_some() {}
        while letters.next_if(|(_, l)| is_final_jamo(*l)).is_some() {}
    }
    let mut has_nikhahit = false;
    while let Some((_, letter)) = letters.peek().copied() {
        let stacks = matches!(letter, '\u{17d2}' | '\u{1039}');
        let is_am = matches!(letter, '\u{0e33}' | '\u{0eb3}')
            || has_nikhahit && matches!(letter, '\u{0e32}' | '\u{0eb2}');
        if !is_mark(letter) && !is_ignorable(letter) && !is_am {
            break;
        }
        has_nikhahit |= matches!(letter, '\u{0e4d}' | '\u{0ecd}');
        letters.next();
        if stacks {
            letters.next();
        }
        if is_am {
            break;
        }
    }
    letters.peek().map_or(text.len(), |(at, _)| *at)
}

/// The Thai vowel that is written twice for another one.
pub(crate) const THAI_E: char = '\u{0e40}';

fn is_vowel_jamo(letter: char) -> bool {
    matches!(letter, '\u{1160}'..='\u{11a7}' | '\u{d7b0}'..='\u{d7c6}')
}

fn is_final_jamo(letter: char) -> bool {
    matches!(letter, '\u{11a8}'..='\u{11ff}' | '\u{d7cb}'..='\u{d7fb}')
}

/// Returns a decimal digit of any script as one of ASCII.
pub(crate) fn digit(letter: char) -> Option<char> {
    const ZEROS: [u32; 22] = [
        0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6,
        0x0d66, 0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1b50, 0xa9d0,
    ];
    let code = u32::from(letter);
    let zero = ZEROS
        .iter()
        .find(|zero| (**zero..**zero + 10).contains(&code))?;
    char::from_digit(code - zero, 10)
}

/// Scripts whose marks mean different things.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Script {
    Latin,
    Greek,
    Cyrillic,
    /// Arabic and Hebrew: vowels are marks, and mostly left out.
    Abjad,
    Devanagari,
    Other,
}

impl Script {
    pub(crate) fn of(letter: char) -> Script {
        match letter {
            'a'..='z' | 'A'..='Z' | '\u{00c0}'..='\u{02af}' | '\u{1e00}'..='\u{1eff}' => {
                Script::Latin
            }
            '\u{0370}'..='\u{03ff}' | '\u{1f00}'..='\u{1fff}' => Script::Greek,
            '\u{0400}'..='\u{052f}' => Script::Cyrillic,
            '\u{0590}'..='\u{06ff}' | '\u{0750}'..='\u{077f}' | '\u{08a0}'..='\u{08ff}' => {
                Script::Abjad
            }
            '\u{0900}'..='\u{097f}' => Script::Devanagari,
            _ => Script::Other,
        }
    }

    /// Returns true if `mark` on `letter` is an accent, which writers may leave out.
    pub(crate) fn is_accent(self, letter: char, mark: char) -> bool {
        match self {
            Script::Latin | Script::Greek => matches!(mark, '\u{0300}'..='\u{036f}'),
            // Stress, and the points of ё; й and ї are letters of their own.
            Script::Cyrillic => match mark {
                '\u{0300}' | '\u{0301}' => "аеиоуыэюяіє".contains(letter),
                '\u{0308}' => letter == 'е',
                _ => false,
            },
            Script::Abjad => true,
            Script::Devanagari => mark == '\u{093c}',
            Script::Other => false,
        }
    }
}
