//! The messages between the node and a program, a JSON object a line.
//!
//! Both begin with their introduction: the node says [`Hello`], the program answers
//! with a [`Greeting`]. Then the node asks ([`ToProgram`]) and the program answers
//! ([`FromProgram`]). An object may have more properties than these; they are
//! left for later versions.

use plugin_host::WrittenExample;
use serde::{Deserialize, Serialize};

/// The version of the protocol.
pub(crate) const PROTOCOL: u32 = 1;

/// The first line of the node.
#[derive(Debug, Serialize)]
pub(crate) struct Hello {
    pub(crate) sixhop: u32,
}

/// The first line of a program.
#[derive(Debug, Deserialize)]
pub(crate) struct Greeting {
    pub(crate) sixhop: u32,
    pub(crate) id: String,
    pub(crate) version: u32,
    pub(crate) prefix: String,
    pub(crate) description: String,
    pub(crate) examples: Vec<WrittenExample>,
    /// True if it wants to hear of changes in the share.
    #[serde(default)]
    pub(crate) changes: bool,
}

/// A message of the node.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum ToProgram<'a> {
    /// A query to answer.
    Answer {
        id: u64,
        text: &'a str,
        /// Most hits that are wanted.
        limit: usize,
        /// Time for it, in milliseconds.
        milliseconds: u64,
        /// Lines wanted around a line that fits.
        context: usize,
    },
    /// Nothing more is wanted of this answer.
    Cancel { id: u64 },
    /// Names that may have changed; without names, any may have.
    Changed {
        #[serde(skip_serializing_if = "Option::is_none")]
        names: Option<Vec<String>>,
    },
    /// A page of the list.
    Files {
        id: u64,
        files: Vec<Described>,
        /// True if there are more behind the last one.
        more: bool,
    },
    /// One file, or nothing if it is not shared.
    File { id: u64, file: Option<Described> },
    /// A part of a file, or nothing if it is not shared.
    Bytes { id: u64, base64: Option<String> },
    /// The same as text.
    Text { id: u64, text: Option<String> },
}

/// A shared file.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Described {
    pub(crate) name: String,
    /// Bytes.
    pub(crate) size: u64,
    /// Unix milliseconds.
    pub(crate) modified: Option<u64>,
    /// Another number whenever its bytes may be others; 0 if that is not known.
    pub(crate) version: u64,
}

/// A message of a program.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum FromProgram {
    /// The next page of the shared files.
    List {
        id: u64,
        /// The name behind which it begins.
        #[serde(default)]
        after: String,
        /// Ends of names that are wanted, in lower case; all, if there are none.
        #[serde(default)]
        endings: Vec<String>,
    },
    /// A part of a file.
    Read {
        id: u64,
        name: String,
        #[serde(default)]
        from: u64,
        most: Option<usize>,
        /// True if it is wanted as text.
        #[serde(default)]
        text: bool,
    },
    /// Size and times of a file.
    Stat { id: u64, name: String },
    /// A file that fits.
    Hit {
        id: u64,
        name: String,
        score: Option<f64>,
        excerpt: Option<Place>,
    },
    /// The answer is complete.
    Done {
        id: u64,
        /// True if something could not be looked at.
        #[serde(default)]
        partial: bool,
    },
    /// There is no answer.
    Error {
        id: u64,
        problem: String,
        /// True if the query is not valid, which is not a failure of the program.
        #[serde(default)]
        query: bool,
    },
}

/// A place in a file that fits.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Place {
    pub(crate) text: String,
    /// Parts of the text: first character, and the one behind the last.
    #[serde(default)]
    pub(crate) marks: Vec<(usize, usize)>,
    pub(crate) line: Option<u64>,
    pub(crate) column: Option<u64>,
    #[serde(default)]
    pub(crate) before: Vec<String>,
    #[serde(default)]
    pub(crate) after: Vec<String>,
}

impl FromProgram {
    /// Returns the number of the query that it belongs to.
    pub(crate) fn id(&self) -> u64 {
        match self {
            FromProgram::List { id, .. }
            | FromProgram::Read { id, .. }
            | FromProgram::Stat { id, .. }
            | FromProgram::Hit { id, .. }
            | FromProgram::Done { id, .. }
            | FromProgram::Error { id, .. } => *id,
        }
    }

    /// Returns true if it ends the answer.
    pub(crate) fn is_last(&self) -> bool {
        matches!(self, FromProgram::Done { .. } | FromProgram::Error { .. })
    }
}

/// Returns `message` as a line.
pub(crate) fn line(message: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).expect("strings, numbers and lists are JSON");
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_what_the_page_says() {
        let asked = ToProgram::Answer {
            id: 7,
            text: "a\n\u{2028}b",
            limit: 3,
            milliseconds: 50,
            context: 0,
        };
        let line = String::from_utf8(line(&asked)).unwrap();
        assert_eq!(
            line,
            "{\"type\":\"answer\",\"id\":7,\"text\":\"a\\n\u{2028}b\",\"limit\":3,\"milliseconds\":50,\"context\":0}\n"
        );
        let hit: FromProgram =
            serde_json::from_str(r#"{"type":"hit","id":7,"name":"a","new":{"x":[1]}}"#).unwrap();
        assert!(hit.id() == 7 && !hit.is_last());
        let done: FromProgram = serde_json::from_str(r#"{"id":7,"type":"done"}"#).unwrap();
        assert!(done.is_last());
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for line in [
            "",
            "{}",
            "[]",
            "7",
            r#"{"type":"hit"}"#,
            r#"{"type":"done","id":-1}"#,
            r#"{"type":"run","id":1}"#,
            r#"{"type":"hit","id":1,"name":"a","score":1e999}"#,
            r#"{"type":"done","id":1} {"type":"done","id":1}"#,
        ] {
            assert!(serde_json::from_str::<FromProgram>(line).is_err(), "{line}");
        }
        let deep = format!(
            r#"{{"type":"done","id":1,"x":{}{}}}"#,
            "[".repeat(5000),
            "]".repeat(5000)
        );
        assert!(serde_json::from_str::<FromProgram>(&deep).is_err());
        assert!(serde_json::from_slice::<FromProgram>(b"{\"type\":\"\xff\"}").is_err());
    }
}
