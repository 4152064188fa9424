//! Foreign text made safe for one line of a log, a fault or a terminal.
//!
//! Everything that is not graphic becomes `\u{..}`: controls, escape
//! sequences, line breaks, bidi and zero-width characters, odd spaces.
//!
//! Non-goals: HTML, shell quoting, and getting the text back: a `\` in the
//! text stays as it is, so `\u{1b}` in the output may have been spelt so.
//!
//! # Invariants
//! - The output has no line break and no character for which
//!   [`is_graphic`] is false.
//! - [`escaped`] is at most [`ESCAPED_MAX`] characters long.

use std::fmt::{self, Display, Write};

use crate::characters::is_graphic;
use crate::limits::ESCAPED_MAX;

/// Returns `text` on one line, cut at [`ESCAPED_MAX`] characters with `…` as the last.
pub fn escaped(text: &str) -> impl Display + '_ {
    Escaped {
        text,
        limit: ESCAPED_MAX,
    }
}

/// Returns `text` on one line, all of it.
pub fn escaped_whole(text: &str) -> impl Display + '_ {
    Escaped {
        text,
        limit: usize::MAX,
    }
}

/// Returns `text` on one line as a `String` of at most `limit` characters.
pub(crate) fn escaped_to(text: &str, limit: usize) -> String {
    Escaped { text, limit }.to_string()
}

struct Escaped<'a> {
    text: &'a str,
    limit: usize, // characters of output
}

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keep = self.kept();
        for c in self.text[..keep].chars() {
            write_escaped(c, f)?;
        }
        if keep < self.text.len() {
            f.write_char('…')?;
        }
        Ok(())
    }
}

impl Escaped<'_> {
    /// Returns the number of bytes of the text to show: all, or as many as leave room
    /// for the ellipsis.
    fn kept(&self) -> usize {
        let mut used = 0usize;
        let mut room_left = 0; // end of the last character that leaves room for `…`
        for (at, c) in self.text.char_indices() {
            used += escaped_width(c);
            if used > self.limit {
                return room_left;
            }
            if used < self.limit {
                room_left = at + c.len_utf8();
            }
        }
        self.text.len()
    }
}

fn write_escaped(c: char, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if is_graphic(c) {
        f.write_char(c)
    } else {
        write!(f, "{}", c.escape_unicode())
    }
}

fn escaped_width(c: char) -> usize {
    if is_graphic(c) {
        1
    } else {
        c.escape_unicode().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hidden_characters_are_spelt_out() {
        let text = "a\u{1B}[31m\r\n\u{202E}b\u{9B}\u{A0}";
        assert_eq!(
            escaped(text).to_string(),
            r"a\u{1b}[31m\u{d}\u{a}\u{202e}b\u{9b}\u{a0}"
        );
    }

    #[test]
    fn two_hundred_characters_stay_whole_and_one_more_is_cut() {
        assert_eq!(escaped(&"é".repeat(200)).to_string(), "é".repeat(200));
        let cut = escaped(&"é".repeat(201)).to_string();
        assert_eq!(cut, format!("{}…", "é".repeat(199)));
    }

    #[test]
    fn an_escape_is_never_cut_in_two() {
        let cut = escaped_to("ab\u{1B}\u{1B}", 9);
        assert_eq!(cut, r"ab\u{1b}…");
        assert_eq!(escaped_to("ab\u{1B}\u{1B}", 8), "ab…");
    }

    #[test]
    fn the_whole_is_not_cut() {
        assert_eq!(escaped_whole(&"x".repeat(1000)).to_string().len(), 1000);
    }

    proptest! {
        #[test]
        fn output_is_one_short_line(text in any::<String>()) {
            let shown = escaped(&text).to_string();
            prop_assert!(shown.chars().all(is_graphic));
            prop_assert!(shown.chars().count() <= ESCAPED_MAX);
        }
    }
}
