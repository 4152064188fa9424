//! Regular expressions: their matches, and the needs of a match.
//!
//! A pattern means what it means to ripgrep: one line, Unicode, case as it is
//! written, `^` and `$` at the ends of the line.

mod needs;

use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use plugin_api::HandlerError;
use regex_syntax::{
    ParserBuilder,
    hir::{Hir, Look},
};

pub(crate) use self::needs::Needs;

/// A pattern that was read.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    pub(crate) matcher: RegexMatcher,
    pub(crate) needs: Needs,
    /// True if a match depends on its line alone, and not on the begin or end of the text.
    pub(crate) is_of_lines: bool,
}

impl Pattern {
    /// Reads a pattern of the owner.
    ///
    /// # Errors
    /// As [`Pattern::within`].
    #[cfg(test)]
    pub(crate) fn parse(text: &str) -> Result<Pattern, HandlerError> {
        Pattern::within(text, crate::limits::PATTERN_SIZE)
    }

    /// Reads a pattern that is compiled in at most `size` bytes, with as many for the tables of a search.
    ///
    /// # Errors
    /// [`HandlerError::BadQuery`], with the place where that is known.
    pub(crate) fn within(text: &str, size: usize) -> Result<Pattern, HandlerError> {
        let wrong = |problem: String| HandlerError::BadQuery {
            text: text.chars().take(80).collect(),
            problem,
        };
        if text.is_empty() {
            return Err(wrong("no pattern".to_owned()));
        }
        let mut parser = ParserBuilder::new().multi_line(true).utf8(false).build();
        let expression = parser
            .parse(text)
            .map_err(|error| wrong(describe(&error)))?;
        let matcher = RegexMatcherBuilder::new()
            .multi_line(true)
            .unicode(true)
            .line_terminator(Some(b'\n'))
            .ban_byte(Some(0))
            .size_limit(size)
            .dfa_size_limit(size)
            .build(text)
            .map_err(|error| wrong(last_line(&error.to_string())))?;
        Ok(Pattern {
            matcher,
            needs: Needs::of(&expression),
            is_of_lines: is_of_lines(&expression),
        })
    }
}

/// Returns whether no part of a pattern asks for the begin or the end of the text.
fn is_of_lines(expression: &Hir) -> bool {
    let looks = expression.properties().look_set();
    !looks.contains(Look::Start) && !looks.contains(Look::End)
}

/// Returns one line for an error, with the place.
fn describe(error: &regex_syntax::Error) -> String {
    let (problem, at) = match error {
        regex_syntax::Error::Parse(error) => (error.kind().to_string(), error.span().start.offset),
        regex_syntax::Error::Translate(error) => {
            (error.kind().to_string(), error.span().start.offset)
        }
        other => return last_line(&other.to_string()),
    };
    let pattern = match error {
        regex_syntax::Error::Parse(error) => error.pattern(),
        regex_syntax::Error::Translate(error) => error.pattern(),
        _ => "",
    };
    let character = pattern.get(..at).map_or(0, |before| before.chars().count()) + 1;
    format!("{problem} (at character {character} of the pattern)")
}

fn last_line(text: &str) -> String {
    let line = text.lines().rev().find(|line| !line.trim().is_empty());
    let line = line.unwrap_or(text).trim();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(pattern: &str) -> String {
        match Pattern::parse(pattern) {
            Err(HandlerError::BadQuery { problem, .. }) => problem,
            other => panic!("{pattern}: {other:?}"),
        }
    }

    #[test]
    fn an_error_says_at_which_character() {
        let unclosed = problem("äb(c");
        assert!(unclosed.contains("unclosed group"), "{unclosed}");
        assert!(unclosed.contains("at character 3 of"), "{unclosed}");
        assert!(problem(r"a\p{Nothing}").contains("at character 2 of"));
        assert_eq!(problem(""), "no pattern");
    }

    #[test]
    fn a_pattern_that_would_explode_is_refused() {
        let bomb = problem(r"((\pL{100}){100}){100}");
        assert!(bomb.contains("size limit"), "{bomb}");
        let nested = problem(&format!("{}a{}", "(".repeat(1000), ")".repeat(1000)));
        assert!(nested.contains("nest"), "{nested}");
    }

    #[test]
    fn ends_of_the_text_are_told_from_ends_of_lines() {
        let is_of_lines = |pattern| Pattern::parse(pattern).unwrap().is_of_lines;
        assert!(is_of_lines(r"^a\b.*(b|c)$"));
        assert!(!is_of_lines(r"\Aab"));
        assert!(!is_of_lines(r"x|ab\z"));
        assert!(!is_of_lines("(?-m)^ab"));
    }

    #[test]
    fn a_strangers_pattern_has_less_room() {
        use crate::limits::STRANGERS_PATTERN_SIZE;
        let long = "a{0,60000}b";
        assert!(Pattern::parse(long).is_ok());
        assert!(Pattern::within(long, STRANGERS_PATTERN_SIZE).is_err());
        for usual in [
            r"\bfn +\w+\(",
            r"(?i)straße",
            r"[a-z]{1,200}@example\.(com|org)",
        ] {
            assert!(
                Pattern::within(usual, STRANGERS_PATTERN_SIZE).is_ok(),
                "{usual}"
            );
        }
    }

    #[test]
    fn what_no_line_can_have_is_refused() {
        assert!(problem(r"a\nb").contains(r"\n"), "{}", problem(r"a\nb"));
        problem(r"a\x00b");
    }
}
