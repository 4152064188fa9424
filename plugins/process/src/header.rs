//! The checked header of a program.

use plugin_host::{EXAMPLES_MAX, Header, WordError, WrittenExample, word};

use crate::message::{Greeting, PROTOCOL};

/// Longest description, in bytes.
const DESCRIPTION_MAX: usize = 200;

/// The error of an invalid introduction.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// It speaks another version of the protocol.
    #[error("it speaks version {0} of the protocol, this node speaks {PROTOCOL}")]
    Protocol(u32),
    /// The id or the prefix is not valid.
    #[error(transparent)]
    Word(#[from] WordError),
    /// The description is not valid.
    #[error("the description is not one line of 1 to {DESCRIPTION_MAX} bytes")]
    Description,
    /// There are none, or too many.
    #[error("there have to be 1 to {EXAMPLES_MAX} examples")]
    Examples,
    /// The bytes of a file of an example cannot be read.
    #[error("the bytes of `{0}` in an example are no hex")]
    Hex(String),
}

/// A valid introduction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Introduction {
    pub(crate) header: Header,
    /// True if the program wants to hear of changes in the share.
    pub(crate) wants_changes: bool,
}

impl Introduction {
    pub(crate) fn check(greeting: Greeting) -> Result<Introduction, HeaderError> {
        if greeting.sixhop != PROTOCOL {
            return Err(HeaderError::Protocol(greeting.sixhop));
        }
        let description = greeting.description;
        let is_line = !description.chars().any(char::is_control);
        if description.is_empty() || description.len() > DESCRIPTION_MAX || !is_line {
            return Err(HeaderError::Description);
        }
        if greeting.examples.is_empty() || greeting.examples.len() > EXAMPLES_MAX {
            return Err(HeaderError::Examples);
        }
        let examples = greeting.examples.into_iter().map(WrittenExample::read);
        let header = Header {
            id: word(greeting.id)?,
            version: greeting.version,
            prefix: word(greeting.prefix)?,
            description,
            examples: examples
                .collect::<Result<_, _>>()
                .map_err(HeaderError::Hex)?,
        };
        Ok(Introduction {
            header,
            wants_changes: greeting.changes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"sixhop":1,"id":"a","version":2,"prefix":"b","description":"c","examples":[{"query":"q","files":{"x":{"hex":"00ff"},"y":"z"},"finds":[]}]}"#;

    fn check(text: &str) -> Result<Introduction, String> {
        let greeting = serde_json::from_str(text).map_err(|error| error.to_string())?;
        Introduction::check(greeting).map_err(|error| error.to_string())
    }

    #[test]
    fn an_introduction_is_read() {
        let introduction = check(GOOD).unwrap();
        let header = introduction.header;
        assert_eq!((header.id.as_str(), header.version), ("a", 2));
        assert!(!introduction.wants_changes);
        let files = &header.examples[0].files;
        assert_eq!(files[0], ("x".to_owned(), vec![0x00, 0xff]));
        assert_eq!(files[1], ("y".to_owned(), b"z".to_vec()));
    }

    #[test]
    fn what_is_wrong_is_refused() {
        let long = "d".repeat(DESCRIPTION_MAX + 1);
        for (from, to) in [
            ("\"sixhop\":1", "\"sixhop\":2"),
            ("\"sixhop\":1,", ""),
            ("\"id\":\"a\"", "\"id\":\"A\""),
            ("\"prefix\":\"b\"", "\"prefix\":\"\""),
            ("\"version\":2", "\"version\":\"2\""),
            ("\"c\"", "\"\""),
            ("\"c\"", "\"c\\nd\""),
            ("\"c\"", &format!("\"{long}\"")),
            ("00ff", "00f"),
            ("00ff", "00fg"),
            ("\"finds\":[]", "\"found\":[]"),
        ] {
            let text = GOOD.replace(from, to);
            assert!(check(&text).is_err(), "{text}");
        }
        let (before, _) = GOOD.split_once("{\"query\"").unwrap();
        assert!(check(&format!("{before}]}}")).is_err(), "no example");
    }
}
