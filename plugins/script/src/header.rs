//! The header of a script: the lines at its top.
//!
//! ```text
//! //! id: markdown-title
//! //! version: 1
//! //! prefix: title
//! //! description: Markdown files by a word of their title
//! //! example: {"query": "plan", "files": {"a.md": "# A plan"}, "finds": ["a.md"]}
//! ```
//!
//! The content of a file in an example is text, or `{"hex": "89504e47"}`.

use std::collections::BTreeMap;

use plugin_api::Example;
use plugin_host::{EXAMPLES_MAX, Header, WordError, WrittenExample, word};

/// Longest script, in bytes.
pub const SOURCE_MAX: usize = 64 * 1024;

/// The error of an invalid header.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// The script is too long.
    #[error("it is longer than {SOURCE_MAX} bytes")]
    TooLong,
    /// A line is missing.
    #[error("the header has no line `//! {0}: …`")]
    Missing(&'static str),
    /// A line is there twice.
    #[error("line {line}: `{key}` is there twice")]
    Twice {
        /// Its number, from 1.
        line: usize,
        /// The key.
        key: String,
    },
    /// A line says something unknown.
    #[error("line {line}: a header has id, version, prefix, description and example, not `{key}`")]
    Unknown {
        /// Its number, from 1.
        line: usize,
        /// The key.
        key: String,
    },
    /// The id or the prefix is not valid.
    #[error(transparent)]
    Word(#[from] WordError),
    /// The version is not a number.
    #[error("the version `{0}` is no whole number")]
    Version(String),
    /// An example cannot be read.
    #[error("line {line}: the example is not right: {problem}")]
    Example {
        /// Its number, from 1.
        line: usize,
        /// The error.
        problem: String,
    },
}

/// Reads the header of `source`.
pub(crate) fn parse(source: &str) -> Result<Header, HeaderError> {
    if source.len() > SOURCE_MAX {
        return Err(HeaderError::TooLong);
    }
    let (mut words, mut examples) = (BTreeMap::new(), Vec::new());
    for (at, line) in source.lines().enumerate() {
        let Some(said) = line.strip_prefix("//!") else {
            break;
        };
        let Some((key, value)) = said.split_once(':') else {
            continue;
        };
        let (line, key, value) = (at + 1, key.trim().to_owned(), value.trim().to_owned());
        match key.as_str() {
            "example" => examples.push(example(line, &value)?),
            "id" | "version" | "prefix" | "description" => {
                if words.insert(key.clone(), value).is_some() {
                    return Err(HeaderError::Twice { line, key });
                }
            }
            _ => return Err(HeaderError::Unknown { line, key }),
        }
    }
    if examples.is_empty() || examples.len() > EXAMPLES_MAX {
        return Err(HeaderError::Missing("example"));
    }
    let mut take = |key: &'static str| words.remove(key).ok_or(HeaderError::Missing(key));
    let version = take("version")?;
    Ok(Header {
        id: word(take("id")?)?,
        version: version.parse().map_err(|_| HeaderError::Version(version))?,
        prefix: word(take("prefix")?)?,
        description: take("description")?,
        examples,
    })
}

fn example(line: usize, text: &str) -> Result<Example, HeaderError> {
    read_example(text).map_err(|problem| HeaderError::Example { line, problem })
}

/// Reads an example. A property that nobody knows is a slip of its author.
fn read_example(text: &str) -> Result<Example, String> {
    let written: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(text).map_err(|error| error.to_string())?;
    let known = |key: &&String| !WrittenExample::PROPERTIES.contains(&key.as_str());
    if let Some(unknown) = written.keys().find(known) {
        return Err(format!(
            "an example has {}, not `{unknown}`",
            WrittenExample::PROPERTIES.join(", ")
        ));
    }
    let written: WrittenExample =
        serde_json::from_value(written.into()).map_err(|error| error.to_string())?;
    let file = |name: String| format!("the bytes of `{name}` are no hex");
    written.read().map_err(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "//! id: a\n//! version: 2\n//! prefix: b\n//! description: c: d\n//! example: {\"query\": \"q\", \"files\": {\"x\": {\"hex\": \"00ff\"}}, \"finds\": []}\nfn answer(q) {}";

    #[test]
    fn a_header_is_read() {
        let header = parse(GOOD).unwrap();
        assert_eq!((header.id.as_str(), header.version), ("a", 2));
        assert_eq!(header.description, "c: d");
        assert_eq!(
            header.examples[0].files,
            [("x".to_owned(), vec![0x00, 0xff])]
        );
    }

    #[test]
    fn each_line_is_needed() {
        for key in ["id", "version", "prefix", "description", "example"] {
            let without: Vec<&str> = GOOD
                .lines()
                .filter(|line| !line.starts_with(&format!("//! {key}:")))
                .collect();
            let error = parse(&without.join("\n")).unwrap_err();
            assert!(error.to_string().contains(key), "{error}");
        }
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for (from, to) in [
            ("id: a", "id: A"),
            ("prefix: b", "prefix: "),
            ("prefix: b", "prefix: b\n//! prefix: c"),
            ("prefix: b", "prefix: b\n//! sandbox: off"),
            ("version: 2", "version: two"),
            ("00ff", "00f"),
            ("\"query\"", "\"ask\""),
            ("\"query\"", "\"meanings\": \"\", \"query\""),
        ] {
            let source = GOOD.replace(from, to);
            assert!(parse(&source).is_err(), "{source}");
        }
        let long = format!("{GOOD}{}", " ".repeat(SOURCE_MAX));
        assert!(matches!(parse(&long), Err(HeaderError::TooLong)));
    }
}
