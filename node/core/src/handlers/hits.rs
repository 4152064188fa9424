//! Hits as they travel: what `GET /search` answers.

use node_wire::Digest;
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
    /// BLAKE3 digest of its bytes, hex, where the node knows it.
    #[serde(default)]
    pub digest: Option<String>,
}

impl SearchHits {
    /// The hits of `answer`, with the digests that `digest` knows.
    #[must_use]
    pub fn of(answer: Answer, digest: &dyn Fn(&str) -> Option<Digest>) -> SearchHits {
        let hits = answer
            .hits
            .into_iter()
            .map(|hit| hit.file)
            .map(|file| SearchHit {
                digest: digest(&file.name).map(|digest| digest.to_hex()),
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
