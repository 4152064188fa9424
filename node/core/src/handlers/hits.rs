//! Hits of this node, as its owner and `GET /search` get them.

use node_api::search::{Excerpt, Hit};
use node_wire::{Digest, FindExcerpt, FindPlace, FoundEnd, query};
use plugin_api::{FileInfo, Place};
use serde::Serialize;

use super::Answer;
use crate::events::unix_millis;

/// Greatest number of hits in one answer.
pub const SEARCH_LIMIT_MAX: usize = 10_000;

/// The answer of `GET /search`.
#[derive(Clone, Debug, Serialize)]
pub struct SearchHits {
    /// True if everything was looked at.
    pub complete: bool,
    /// The hits, best first.
    pub hits: Vec<Hit>,
}

impl SearchHits {
    /// Returns the hits of `answer`, all of them if `is_whole`. `node` is the URL of this node.
    #[must_use]
    pub fn of(
        answer: Answer,
        is_whole: bool,
        node: &str,
        digest: &dyn Fn(&FileInfo) -> Option<Digest>,
    ) -> SearchHits {
        SearchHits {
            complete: is_whole && answer.end == FoundEnd::Complete,
            hits: described(answer.hits, node, &answer.handler, digest),
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

/// Describes the hits that the handler `asked` gave at `node`, with the digests that `digest` knows.
pub fn described(
    hits: Vec<plugin_api::Hit>,
    node: &str,
    asked: &str,
    digest: &dyn Fn(&FileInfo) -> Option<Digest>,
) -> Vec<Hit> {
    let hits = hits.into_iter().map(|hit| Hit {
        handler: query::found_by(asked, hit.excerpt.is_some()).to_owned(),
        digest: digest(&hit.file).map(|digest| digest.to_hex()),
        name: hit.file.name,
        size: Some(hit.file.size),
        modified: hit.file.modified.map(unix_millis),
        node: node.to_owned(),
        node_name: None,
        score: hit.score.filter(|score| score.is_finite()),
        excerpt: hit
            .excerpt
            .map(|excerpt| described_excerpt(to_find(excerpt))),
    });
    hits.collect()
}

/// Returns the excerpt of a handler as it travels between nodes.
pub(crate) fn to_find(excerpt: plugin_api::Excerpt) -> FindExcerpt {
    FindExcerpt {
        text: excerpt.text,
        marks: excerpt.marks,
        place: excerpt.place.map(|place| match place {
            Place::Page(page) => FindPlace::Page(page),
            Place::Sheet(sheet) => FindPlace::Sheet(sheet),
            Place::Chapter(chapter) => FindPlace::Chapter(chapter),
            Place::Part(part) => FindPlace::Part(part),
        }),
        line: excerpt.line,
        column: excerpt.column,
        before: excerpt.before,
        after: excerpt.after,
    }
}

/// Describes an excerpt of this node or of a peer.
#[must_use]
pub fn described_excerpt(excerpt: FindExcerpt) -> Excerpt {
    let marks = excerpt.marks.iter();
    let (mut page, mut sheet, mut chapter, mut part) = (None, None, None, None);
    match excerpt.place {
        Some(FindPlace::Page(number)) => page = Some(number),
        Some(FindPlace::Sheet(name)) => sheet = Some(name),
        Some(FindPlace::Chapter(name)) => chapter = Some(name),
        Some(FindPlace::Part(name)) => part = Some(name),
        None => {}
    }
    Excerpt {
        page,
        sheet,
        chapter,
        part,
        marks: marks
            .map(|mark| (mark.start as u64, mark.end as u64))
            .collect(),
        text: excerpt.text,
        line: excerpt.line,
        column: excerpt.column,
        before: excerpt.before,
        after: excerpt.after,
    }
}
