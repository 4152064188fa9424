//! The changes of the watches, as they are written down: a line of JSON each.

use node_api::{search::Hit, watch::WatchMatch};
use serde::{Deserialize, Serialize};

/// One change.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Record {
    /// A query stands. `next` is the number of its next match, `fetched` that of the last one that was to be fetched.
    Added {
        id: u64,
        query: String,
        new_only: bool,
        fetches: bool,
        created: u64,
        next: u64,
        taken: u64,
        fetched: u64,
    },
    /// A watch ended.
    Removed { id: u64 },
    /// No watch that is added later has a number below this.
    Next { id: u64 },
    /// The node fetches what matches, or stops to.
    Fetches { id: u64, on: bool },
    /// A content that is not told, or was told and taken.
    Known { id: u64, content: ContentKey },
    /// A content is told.
    Matched {
        id: u64,
        number: u64,
        time: u64,
        hit: Box<Hit>,
    },
    /// How far a node has told.
    Place { id: u64, node: String, place: Place },
    /// A reader has taken the matches up to this one.
    Taken { id: u64, number: u64 },
    /// The matches up to this one were given to the fetches.
    Fetched { id: u64, number: u64 },
}

/// How far a node has told of a watch.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Place {
    /// The place in its changes; without it, it is to look at everything.
    pub(super) cursor: Option<String>,
    /// The last name, while it looks at everything.
    pub(super) after: Option<String>,
    /// True until it has looked at everything once.
    pub(super) is_first: bool,
    /// True if it could not look at everything.
    pub(super) is_partial: bool,
}

/// A content, by the first half of its digest.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct ContentKey(u128);

/// The error of a text that names no content.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("this is no half of a digest")]
pub(super) struct NoContent;

/// Digits of half a digest.
const HALF: usize = 32;

impl ContentKey {
    /// Returns the content of a digest in hex.
    pub(super) fn of(digest: &str) -> Option<ContentKey> {
        let half = digest.get(..HALF)?;
        u128::from_str_radix(half, 16).ok().map(ContentKey)
    }
}

impl TryFrom<String> for ContentKey {
    type Error = NoContent;

    fn try_from(text: String) -> Result<ContentKey, NoContent> {
        ContentKey::of(&text).ok_or(NoContent)
    }
}

impl From<ContentKey> for String {
    fn from(content: ContentKey) -> String {
        format!("{:032x}", content.0)
    }
}

impl Record {
    /// Returns the record of a match.
    pub(super) fn of_match(id: u64, found: &WatchMatch) -> Record {
        Record::Matched {
            id,
            number: found.number,
            time: found.time,
            hit: Box::new(found.hit.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_reads_back_from_its_text() {
        let digest = "00ab".repeat(16);
        let content = ContentKey::of(&digest).unwrap();
        let text = serde_json::to_string(&content).unwrap();
        assert_eq!(text, format!("\"{}\"", &digest[..HALF]));
        assert_eq!(serde_json::from_str::<ContentKey>(&text).unwrap(), content);
        for wrong in ["\"\"", "\"zz\"", "1"] {
            assert!(
                serde_json::from_str::<ContentKey>(wrong).is_err(),
                "{wrong}"
            );
        }
    }
}
