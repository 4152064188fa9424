//! The characters that are legal in XML 1.0, and those that can be shown to a person.
//!
//! Non-goals: rendering width, scripts, confusables.

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// Returns true for the characters that XML 1.0 allows in a document.
#[must_use]
pub fn is_xml(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' => true,
        '\u{FFFE}' | '\u{FFFF}' => false,
        _ => c >= ' ',
    }
}

/// Returns true for a character that shows as itself on one line: letters, marks,
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

/// Returns true for a character that may be part of a name: it stands on one line, is
/// legal in XML 1.0 and does not turn the direction of the text around it.
///
/// Characters that join, separate or vary others without being seen belong to
/// the writing of many languages and are allowed.
#[must_use]
pub fn is_nameable(c: char) -> bool {
    use GeneralCategory as G;
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    let breaks_lines = matches!(
        c.general_category(),
        G::Control | G::LineSeparator | G::ParagraphSeparator
    );
    !breaks_lines && !is_bidi_control(c) && is_xml(c)
}

/// Returns true for the characters that turn the direction of text around.
fn is_bidi_control(c: char) -> bool {
    matches!(
        c,
        '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}'
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

    #[test]
    fn names_have_no_character_that_breaks_or_turns_a_line() {
        for c in "a ~é日🦀:\u{A0}\u{AD}\u{200C}\u{200D}\u{FE0F}\u{3000}\u{E007F}\u{F8FF}".chars()
        {
            assert!(is_nameable(c), "{c:?}");
        }
        for c in
            "\0\n\u{1B}\u{7F}\u{85}\u{61C}\u{200F}\u{202E}\u{2028}\u{2029}\u{2069}\u{FFFE}".chars()
        {
            assert!(!is_nameable(c), "{c:?}");
        }
    }
}
