//! `NodeName`: the name under which people see a node.
//!
//! A name is a claim: any node may give itself any name, and two may have the same. So it is shown beside the address,
//! and nothing is decided by it.
//!
//! # Invariants
//! - 1 to [`NODE_NAME_MAX`] bytes on one line, without space at its ends.
//! - No character that steers a terminal, breaks a line or turns the direction of text.

use std::fmt;
use std::str::FromStr;

use crate::characters::is_nameable;
use crate::escape::escaped_whole;
use crate::limits::NODE_NAME_MAX;

/// The name under which people see a node.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NodeName(String);

/// The error of a text that is no name of a node.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NodeNameError {
    /// Nothing but space.
    #[error("a name has at least one character")]
    Empty,
    /// Too many bytes.
    #[error("a name has at most {NODE_NAME_MAX} bytes")]
    TooLong,
    /// A character that steers a terminal, breaks a line or turns the direction of text.
    #[error("a name has no control characters")]
    Character,
}

impl NodeName {
    /// Returns the name that a node of others gives itself: invalid characters escaped, cut to [`NODE_NAME_MAX`] bytes;
    /// `None` if nothing is left.
    #[must_use]
    pub fn claimed(text: &str) -> Option<NodeName> {
        // An escape is longer than the character, so that nothing beyond the limit is looked at.
        let start = cut(text);
        let safe = match start.chars().all(is_nameable) {
            true => start.to_owned(),
            false => escaped_whole(start).to_string(),
        };
        let name = cut(&safe).trim();
        (!name.is_empty()).then(|| NodeName(name.to_owned()))
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns the whole characters in the first [`NODE_NAME_MAX`] bytes.
fn cut(text: &str) -> &str {
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
    let end = ends.take_while(|end| *end <= NODE_NAME_MAX).last();
    &text[..end.unwrap_or(0)]
}

impl FromStr for NodeName {
    type Err = NodeNameError;

    fn from_str(text: &str) -> Result<Self, NodeNameError> {
        let name = text.trim();
        if name.is_empty() {
            Err(NodeNameError::Empty)
        } else if name.len() > NODE_NAME_MAX {
            Err(NodeNameError::TooLong)
        } else if name.chars().all(is_nameable) {
            Ok(NodeName(name.to_owned()))
        } else {
            Err(NodeNameError::Character)
        }
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_of_people_is_taken_as_it_is() {
        for name in ["nas", "Anna's laptop", "büro 2", "日本", "a\\b"] {
            assert_eq!(
                name.parse::<NodeName>().map(|name| name.0).as_deref(),
                Ok(name)
            );
            assert_eq!(NodeName::claimed(name).unwrap().as_str(), name);
        }
        assert_eq!(" nas\n".parse::<NodeName>().unwrap().as_str(), "nas");
    }

    #[test]
    fn a_name_that_makes_no_sense_is_refused() {
        let long = "x".repeat(NODE_NAME_MAX + 1);
        for (text, error) in [
            ("", NodeNameError::Empty),
            (" \t ", NodeNameError::Empty),
            (long.as_str(), NodeNameError::TooLong),
            ("a\u{1b}[2J", NodeNameError::Character),
            ("a\nb", NodeNameError::Character),
            ("a\u{202e}b", NodeNameError::Character),
        ] {
            assert_eq!(text.parse::<NodeName>(), Err(error), "{text:?}");
        }
    }

    #[test]
    fn a_hostile_claim_is_escaped_and_cut() {
        let claimed = |text: &str| NodeName::claimed(text).map(|name| name.0);
        assert_eq!(claimed("a\u{1b}[2Jb").as_deref(), Some("a\\u{1b}[2Jb"));
        assert_eq!(claimed("a\u{202e}b").as_deref(), Some("a\\u{202e}b"));
        assert_eq!(
            claimed(&"x".repeat(1 << 20)),
            Some("x".repeat(NODE_NAME_MAX))
        );
        assert_eq!(claimed(&"é".repeat(40)), Some("é".repeat(32)));
        assert_eq!(claimed("  "), None);
    }

    proptest! {
        #[test]
        fn a_claimed_name_is_a_name(text in any::<String>()) {
            if let Some(name) = NodeName::claimed(&text) {
                let read = name.as_str().parse();
                prop_assert_eq!(read, Ok(name));
            }
        }
    }
}
