//! Hits as they travel: the answer of `GET /search`.

use node_wire::Digest;
use plugin_api::{Excerpt, FileInfo};
use serde::{Deserialize, Serialize};

use super::{Answer, End, query};
use crate::events::unix_millis;

/// Greatest number of hits in one answer.
pub const SEARCH_LIMIT_MAX: usize = 10_000;

/// The hits of one node.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SearchHits {
    /// True if everything was looked at.
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
    /// The time of its last change, Unix milliseconds.
    pub modified: Option<u64>,
    /// BLAKE3 digest of its bytes, hex, where the node knows it.
    #[serde(default)]
    pub digest: Option<String>,
    /// The handler that found it.
    #[serde(default)]
    pub handler: String,
    /// The score that the handler gave it; more is better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// The place in the file that fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<SearchExcerpt>,
}

/// A place in a file.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SearchExcerpt {
    /// The text there, as it is in the file.
    pub text: String,
    /// Parts of `text` that fit: begin and end, in bytes of UTF-8.
    pub marks: Vec<(usize, usize)>,
    /// Number of the line, from 1, if `text` is one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The start of the first mark in the line, in bytes, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// Lines before it, if the query wants `context:`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<String>,
    /// Lines behind it, if the query wants `context:`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
}

impl SearchHits {
    /// Returns the hits of `answer`, all of them if `is_whole`, with the digests that
    /// `digest` knows.
    #[must_use]
    pub fn of(
        answer: Answer,
        is_whole: bool,
        digest: &dyn Fn(&FileInfo) -> Option<Digest>,
    ) -> SearchHits {
        let asked = answer.handler;
        let hits = answer.hits.into_iter().map(|hit| SearchHit {
            handler: query::found_by(&asked, hit.excerpt.is_some()).to_owned(),
            digest: digest(&hit.file).map(|digest| digest.to_hex()),
            name: hit.file.name,
            size: hit.file.size,
            modified: hit.file.modified.map(unix_millis),
            score: hit.score,
            excerpt: hit.excerpt.map(SearchExcerpt::from),
        });
        SearchHits {
            complete: is_whole && answer.end == End::Complete,
            hits: hits.collect(),
        }
    }
}

impl Default for SearchHits {
    /// Returns no hits, after looking at everything.
    fn default() -> SearchHits {
        SearchHits {
            complete: true,
            hits: Vec::new(),
        }
    }
}

impl From<Excerpt> for SearchExcerpt {
    fn from(excerpt: Excerpt) -> SearchExcerpt {
        let marks = excerpt.marks.iter().map(|mark| (mark.start, mark.end));
        SearchExcerpt {
            marks: marks.collect(),
            text: excerpt.text,
            line: excerpt.line,
            column: excerpt.column,
            before: excerpt.before,
            after: excerpt.after,
        }
    }
}
