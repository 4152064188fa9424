//! The header of a plugin, in which it describes itself.

use std::collections::BTreeMap;

use plugin_api::Example;
use serde::Deserialize;

/// Longest id or prefix, in bytes.
pub const WORD_MAX: usize = 32;

/// Most examples of a plugin.
pub const EXAMPLES_MAX: usize = 32;

/// The error of a word that cannot be an id or a prefix.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not made of 1 to {WORD_MAX} lower-case letters, digits and `-`")]
pub struct WordError(String);

/// The header of a plugin.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Header {
    /// Its identity among plugins.
    pub id: String,
    /// Its version.
    pub version: u32,
    /// The prefix that users type before the colon.
    pub prefix: String,
    /// A description of its results, in one line.
    pub description: String,
    /// Queries with the answers that its author promises.
    pub examples: Vec<Example>,
}

/// An example as its author writes it.
#[derive(Debug, Deserialize)]
pub struct WrittenExample {
    query: String,
    #[serde(default)]
    meaning: String,
    files: BTreeMap<String, ExampleContent>,
    finds: Vec<String>,
}

/// The content of a file of an example.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum ExampleContent {
    Text(String),
    Bytes { hex: String },
}

/// Returns `text` if it can be an id or a prefix.
///
/// # Errors
/// [`WordError`] if it cannot.
pub fn word(text: String) -> Result<String, WordError> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.is_empty() || text.len() > WORD_MAX || !text.bytes().all(fits) {
        return Err(WordError(text.chars().take(WORD_MAX).collect()));
    }
    Ok(text)
}

impl WrittenExample {
    /// The properties of an example.
    pub const PROPERTIES: [&str; 4] = ["query", "meaning", "files", "finds"];

    /// Returns the example.
    ///
    /// # Errors
    /// The name of the first file whose bytes are not valid hex.
    pub fn read(self) -> Result<Example, String> {
        let mut files = Vec::new();
        for (name, content) in self.files {
            let bytes = match content {
                ExampleContent::Text(text) => text.into_bytes(),
                ExampleContent::Bytes { hex } => match from_hex(&hex) {
                    Some(bytes) => bytes,
                    None => return Err(name),
                },
            };
            files.push((name, bytes));
        }
        Ok(Example {
            text: self.query,
            meaning: self.meaning,
            files,
            finds: self.finds,
        })
    }
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

    #[test]
    fn hex_is_read_and_nothing_else() {
        assert_eq!(from_hex("00fF"), Some(vec![0, 255]));
        for text in ["0", "0g", "äa"] {
            assert_eq!(from_hex(text), None, "{text}");
        }
    }

    #[test]
    fn word_is_bounded_and_can_be_typed() {
        assert!(word("a-1".to_owned()).is_ok());
        for text in ["", "A", "a b", "ä", &"a".repeat(WORD_MAX + 1)] {
            assert!(word(text.to_owned()).is_err(), "{text}");
        }
    }
}
