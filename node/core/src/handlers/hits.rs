//! Hits as they travel: what `GET /search` answers.

use serde::{Deserialize, Serialize};

use super::{Answer, End};
use crate::events::unix_millis;

/// Greatest number of hits in one answer.
pub const SEARCH_LIMIT_MAX: usize = 10_000;

/// The hits of one node.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SearchHits {
    /// Whether everything was looked at.
    pub complete: bool,
    /// The hits, best first.
    pub hits: Vec<SearchHit>,
}

/// One hit.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SearchHit {
    /// Name of the file.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last changed, Unix milliseconds.
    pub modified: Option<u64>,
}

impl From<Answer> for SearchHits {
    fn from(answer: Answer) -> SearchHits {
        let hits = answer.hits.into_iter().map(|file| SearchHit {
            name: file.name,
            size: file.size,
            modified: file.modified.map(unix_millis),
        });
        SearchHits {
            complete: answer.end == End::Complete,
            hits: hits.collect(),
        }
    }
}
