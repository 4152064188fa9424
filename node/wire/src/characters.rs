//! Which characters are legal in XML 1.0 and which can be shown to a person.
//!
//! Non-goals: rendering width, scripts, confusables.

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// True for the characters that XML 1.0 allows in a document.
#[must_use]
pub fn is_xml(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' => true,
        '\u{FFFE}' | '\u{FFFF}' => false,
        _ => c >= ' ',
    }
}

/// True for a character that shows as itself on one line: letters, marks,
/// numbers, punctuation, symbols, and U+0020 as the only space.
///
/// False for controls, format and bidi characters, private use, unassigned
/// code points, line and paragraph separators, and every other space.
#[must_use]
pub fn is_graphic(c: char) -> bool {
    use GeneralCategory as G;
    if c.is_ascii() {
        return matches!(c, ' '..='~');
    }
    !matches!(
        c.general_category(),
        G::Control
            | G::Format
            | G::Surrogate
            | G::PrivateUse
            | G::Unassigned
            | G::LineSeparator
            | G::ParagraphSeparator
            | G::SpaceSeparator
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_allows_what_its_production_lists() {
        for c in ['\t', '\n', '\r', ' ', 'a', '\u{7F}', '\u{85}', '\u{FFFD}'] {
            assert!(is_xml(c), "{c:?}");
        }
        assert!(is_xml('\u{10FFFF}'));
        for c in ['\0', '\u{1}', '\u{B}', '\u{1F}', '\u{FFFE}', '\u{FFFF}'] {
            assert!(!is_xml(c), "{c:?}");
        }
    }

    #[test]
    fn graphic_means_visible_on_one_line() {
        for c in [' ', 'a', '~', 'é', '\u{301}', '日', '🦀', '€'] {
            assert!(is_graphic(c), "{c:?}");
        }
        let hidden = "\0\n\u{1B}\u{7F}\u{85}\u{A0}\u{AD}\u{200B}\u{202E}\u{2028}\u{2029}\u{2066}\u{3000}\u{E000}\u{FEFF}\u{378}\u{FFFF}";
        for c in hidden.chars() {
            assert!(!is_graphic(c), "{c:?}");
        }
    }
}
