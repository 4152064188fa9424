//! A line as words, with the quotes of a POSIX shell.
//!
//! `'…'` is literal; in `"…"` a backslash stands before `"` and `\`; outside it stands before anything. Nothing else has
//! a meaning: no variables, no patterns, no pipes.

/// The error of a line that cannot be split into words.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum WordsError {
    #[error("the quote {0} has no end")]
    OpenQuote(char),
    #[error("nothing stands behind the last backslash")]
    OpenBackslash,
}

/// A word and where it begins.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Word {
    /// Its start in the line, in bytes.
    pub(crate) start: usize,
    /// Its text without its quotes.
    pub(crate) text: String,
}

/// The state of the reader.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Between,
    Inside,
    Quoted(char),
}

/// The words of a line as far as it was typed.
#[derive(Debug)]
pub(crate) struct Typed {
    /// The words that are over.
    pub(crate) whole: Vec<Word>,
    /// The word at the end of the line, unless white space stands there.
    last: Option<Word>,
    /// The error in the last word.
    missing: Option<WordsError>,
    length: usize,
}

impl Typed {
    /// Reads a line as far as it was typed.
    pub(crate) fn read(line: &str) -> Typed {
        let (mut whole, mut word) = (Vec::new(), Word::default());
        let (mut state, mut missing) = (State::Between, None);
        let mut letters = line.char_indices();
        while let Some((at, letter)) = letters.next() {
            if state == State::Between && !letter.is_whitespace() {
                (word.start, state) = (at, State::Inside);
            }
            match (state, letter) {
                (State::Between, _) => {}
                (State::Inside, c) if c.is_whitespace() => {
                    whole.push(std::mem::take(&mut word));
                    state = State::Between;
                }
                (State::Inside, '\'' | '"') => state = State::Quoted(letter),
                (State::Quoted(quote), c) if c == quote => state = State::Inside,
                (State::Inside | State::Quoted('"'), '\\') => match letters.next() {
                    Some((_, next)) => {
                        let keeps = state == State::Quoted('"') && !matches!(next, '"' | '\\');
                        word.text.extend(keeps.then_some('\\'));
                        word.text.push(next);
                    }
                    None => missing = Some(WordsError::OpenBackslash),
                },
                (_, c) => word.text.push(c),
            }
        }
        if let State::Quoted(quote) = state {
            missing = Some(WordsError::OpenQuote(quote));
        }
        Typed {
            whole,
            last: (state != State::Between).then_some(word),
            missing,
            length: line.len(),
        }
    }

    /// Returns the word at the end of the line; an empty one if a new word is to begin there.
    pub(crate) fn last(&self) -> Word {
        let new = || Word {
            start: self.length,
            text: String::new(),
        };
        self.last.clone().unwrap_or_else(new)
    }
}

/// Returns the words of a whole line.
pub(crate) fn words(line: &str) -> Result<Vec<String>, WordsError> {
    let typed = Typed::read(line);
    if let Some(error) = typed.missing {
        return Err(error);
    }
    let words = typed.whole.into_iter().chain(typed.last);
    Ok(words.map(|word| word.text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_a_shell() {
        for (line, expected) in [
            ("", &[][..]),
            ("  fetch   x  ", &["fetch", "x"]),
            ("fetch 'my song.mp3'", &["fetch", "my song.mp3"]),
            (r#"search "a \"b\" \c" x"#, &["search", r#"a "b" \c"#, "x"]),
            (r"fetch my\ song.mp3", &["fetch", "my song.mp3"]),
            (r"fetch 'it'\''s'", &["fetch", "it's"]),
            ("fetch ''", &["fetch", ""]),
            ("grep 'a  b' --json", &["grep", "a  b", "--json"]),
            ("fetch 日本\u{3000}x", &["fetch", "日本", "x"]),
        ] {
            assert_eq!(words(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn what_is_open_at_the_end_is_an_error() {
        assert_eq!(words("fetch 'x"), Err(WordsError::OpenQuote('\'')));
        assert_eq!(words("fetch \"x"), Err(WordsError::OpenQuote('"')));
        assert_eq!(words("fetch x\\"), Err(WordsError::OpenBackslash));
    }

    #[test]
    fn the_last_word_is_the_one_to_complete() {
        for (line, start, text) in [
            ("fetch no", 6, "no"),
            ("fetch 'my so", 6, "my so"),
            ("fetch ", 6, ""),
            ("", 0, ""),
            (r"fetch my\ so", 6, "my so"),
        ] {
            let last = Typed::read(line).last();
            assert_eq!((last.start, last.text.as_str()), (start, text), "{line}");
        }
    }
}
