//! The meaning of a query's text for names: the one resolver for search, fetch, scripts
//! and pages.
//!
//! A name as it stands comes first, so that whatever is printed can be asked for. Only if
//! there is no such file, here or at the peers, is a text with signs a pattern; and one
//! that cannot be read, or that no file fits, is words.

/// The meanings of a text for names, in the order in which they are tried.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NameText {
    /// The whole name of a file, or the last part of it.
    pub exact: String,
    /// A pattern, if there is no file of this name.
    pub pattern: Option<String>,
    /// Words, if there is none that fits either.
    pub words: String,
    /// True if it names a directory, by a `/` at its end.
    pub is_directory: bool,
}

impl NameText {
    /// Returns the meaning of `text`, or `None` if it is empty. A quoted text is never a pattern.
    #[must_use]
    pub fn of(text: &str, is_quoted: bool) -> Option<NameText> {
        let directory = text.strip_suffix('/').filter(|_| !is_quoted);
        let exact = directory.unwrap_or(text);
        let pattern = match directory {
            Some(directory) => Some(format!("{}/**", literally(directory))),
            None => (!is_quoted && is_pattern(text)).then(|| text.to_owned()),
        };
        (!exact.is_empty()).then(|| NameText {
            exact: exact.to_owned(),
            pattern,
            words: exact.to_owned(),
            is_directory: directory.is_some(),
        })
    }

    /// Returns the meaning of a text that was typed where a name is wanted, quotes included.
    #[must_use]
    pub fn parse(typed: &str) -> Option<NameText> {
        let inside = typed
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        match inside {
            Some(inside) => NameText::of(&super::unescaped(inside), true),
            None => NameText::of(typed, false),
        }
    }
}

/// Returns true if a text may be a pattern: it has one of the signs that make one.
#[must_use]
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

/// Returns a pattern that matches exactly this text.
fn literally(text: &str) -> String {
    let letters = text.chars().flat_map(|letter| {
        let sign = "*?[]{}\\".contains(letter).then_some('\\');
        sign.into_iter().chain([letter])
    });
    letters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_first_then_a_pattern_then_words() {
        let asked = NameText::parse("Song [Live].mp3").unwrap();
        assert_eq!(asked.exact, "Song [Live].mp3");
        assert_eq!(asked.pattern.as_deref(), Some("Song [Live].mp3"));
        assert_eq!(asked.words, "Song [Live].mp3");
    }

    #[test]
    fn a_quoted_text_is_never_a_pattern() {
        let asked = NameText::parse("\"data{1}.csv\"").unwrap();
        assert_eq!((asked.exact.as_str(), asked.pattern), ("data{1}.csv", None));
        assert_eq!(NameText::parse("\"\""), None);
        assert_eq!(NameText::parse(""), None);
    }

    #[test]
    fn a_directory_is_all_that_is_in_it() {
        let asked = NameText::parse("Album [2013]/").unwrap();
        assert_eq!(asked.pattern.as_deref(), Some("Album \\[2013\\]/**"));
        assert_eq!(asked.exact, "Album [2013]");
    }
}
