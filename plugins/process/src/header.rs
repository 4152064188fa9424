//! What a program says about itself, checked.

use plugin_api::Example;

use crate::message::{Content, Greeting, PROTOCOL, Written};

/// Longest id or prefix, in bytes.
const WORD_MAX: usize = 32;

/// Longest description, in bytes.
const DESCRIPTION_MAX: usize = 200;

/// Most examples of a program.
const EXAMPLES_MAX: usize = 32;

/// Why an introduction is none.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// It speaks another version of the protocol.
    #[error("it speaks version {0} of the protocol, this node speaks {PROTOCOL}")]
    Protocol(u32),
    /// A word is none.
    #[error("`{0}` is not made of 1 to {WORD_MAX} lower-case letters, digits and `-`")]
    Word(String),
    /// The description is none.
    #[error("the description is not one line of 1 to {DESCRIPTION_MAX} bytes")]
    Description,
    /// There are none, or too many.
    #[error("there have to be 1 to {EXAMPLES_MAX} examples")]
    Examples,
    /// The bytes of a file of an example cannot be read.
    #[error("the bytes of `{0}` in an example are no hex")]
    Hex(String),
}

/// What a program says about itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Header {
    pub(crate) id: String,
    pub(crate) version: u32,
    pub(crate) prefix: String,
    pub(crate) description: String,
    pub(crate) examples: Vec<Example>,
    pub(crate) changes: bool,
}

impl Header {
    pub(crate) fn check(greeting: Greeting) -> Result<Header, HeaderError> {
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
        let examples = greeting.examples.into_iter().map(example);
        Ok(Header {
            id: word(greeting.id)?,
            version: greeting.version,
            prefix: word(greeting.prefix)?,
            description,
            examples: examples.collect::<Result<_, _>>()?,
            changes: greeting.changes,
        })
    }
}

fn word(text: String) -> Result<String, HeaderError> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.is_empty() || text.len() > WORD_MAX || !text.bytes().all(fits) {
        return Err(HeaderError::Word(text.chars().take(WORD_MAX).collect()));
    }
    Ok(text)
}

fn example(written: Written) -> Result<Example, HeaderError> {
    let mut files = Vec::new();
    for (name, content) in written.files {
        let bytes = match content {
            Content::Text(text) => text.into_bytes(),
            Content::Hex { hex } => match from_hex(&hex) {
                Some(bytes) => bytes,
                None => return Err(HeaderError::Hex(name)),
            },
        };
        files.push((name, bytes));
    }
    Ok(Example {
        text: written.query,
        meaning: written.meaning,
        files,
        finds: written.finds,
    })
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |digit: char| u8::try_from(digit.to_digit(16)?).ok();
    let digits = text.chars().map(digit).collect::<Option<Vec<u8>>>()?;
    let pairs = digits.chunks_exact(2);
    let is_whole = pairs.remainder().is_empty();
    is_whole.then(|| pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"sixhop":1,"id":"a","version":2,"prefix":"b","description":"c","examples":[{"query":"q","files":{"x":{"hex":"00ff"},"y":"z"},"finds":[]}]}"#;

    fn check(text: &str) -> Result<Header, String> {
        let greeting = serde_json::from_str(text).map_err(|error| error.to_string())?;
        Header::check(greeting).map_err(|error| error.to_string())
    }

    #[test]
    fn an_introduction_is_read() {
        let header = check(GOOD).unwrap();
        assert_eq!((header.id.as_str(), header.version), ("a", 2));
        assert!(!header.changes);
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
