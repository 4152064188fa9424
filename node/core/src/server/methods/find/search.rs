//! A query as a search: hits as the handler gives them, page by page.
//!
//! Hits that are late, or do not fit a page, wait for `sixhop.more`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use node_wire::{
    Fault, FindHit, Found, FoundEnd,
    limits::{FIND_PAGE_MAX, FIND_PAGE_TEXT_MAX},
};
use plugin_api::Hit;

use super::{digest_of, long};
use crate::{
    clock::now,
    events::unix_millis,
    handlers::{self, PageMost, SEARCH_LIMIT_MAX, to_find},
    server::{
        Context,
        policy::{Asker, FileAsked, QueryPermit},
        searches::OpenSearch,
    },
};

/// Longest time for a search, however often more is asked for.
const TIME: Duration = Duration::from_secs(30);

/// Time for reading files of a page that have no digest yet.
const DIGESTS_TIME: Duration = Duration::from_millis(100);

/// Begins to search, and answers with the first page.
pub(in crate::server::methods) async fn begin(
    context: &Arc<Context>,
    asker: &Asker,
    _permit: &QueryPermit,
    query: &str,
    limit: usize,
    wait: Duration,
) -> Result<Found, Fault> {
    let begun = now();
    let until = begun + wait;
    let place = context
        .searches
        .place(until)
        .await
        .ok_or_else(Fault::busy)?;
    // The policy gets more hits than are wanted: some of them are refused.
    let is_guarded = context.policy.guards_fetch();
    let bounds = handlers::Bounds {
        limit: if is_guarded { SEARCH_LIMIT_MAX } else { limit },
        excerpts: usize::MAX,
        bytes: usize::MAX,
        deadline: begun + TIME,
        asker: handlers::Asker::Stranger,
    };
    let live = context
        .handlers
        .answer_live(&context.files(), query, bounds, place)
        .map_err(|error| Fault::invalid_params(&error.for_stranger()))?;
    let open = OpenSearch { live, left: limit };
    page(context, asker, open, until).await
}

/// Returns the next page of a search, and a cursor if it is not the last.
pub(in crate::server::methods) async fn page(
    context: &Arc<Context>,
    asker: &Asker,
    mut open: OpenSearch,
    until: Instant,
) -> Result<Found, Fault> {
    let most = PageMost {
        hits: FIND_PAGE_MAX,
        text: FIND_PAGE_TEXT_MAX,
    };
    let page = open
        .live
        .next(most, until)
        .await
        .map_err(|error| Fault::invalid_params(&error.for_stranger()))?;
    let permitted = context.policy.hits(asker, page.hits, FIND_PAGE_MAX, wanted);
    let mut permitted = permitted.await;
    let is_cut = permitted.hits.len() > open.left;
    permitted.hits.truncate(open.left);
    open.left -= permitted.hits.len();
    let ended = if is_cut {
        Some(FoundEnd::Limit)
    } else {
        page.end
    };
    let end = match ended.unwrap_or_default() {
        FoundEnd::Complete if !permitted.is_whole => FoundEnd::Partial,
        end => end,
    };
    let cursor = match ended {
        Some(_) => None,
        None => {
            let kept = context.searches.keep(open, asker.address());
            Some(kept.ok_or_else(Fault::internal)?)
        }
    };
    let reader = Arc::clone(context);
    let hits = long(context, move || {
        let digests_until = now() + DIGESTS_TIME;
        let hits = permitted.hits.into_iter();
        hits.map(|hit| describe(&reader, hit, digests_until))
            .collect()
    });
    Ok(Found {
        hits: hits.await?,
        cursor,
        end,
        ..Found::default()
    })
}

fn wanted(hit: &Hit) -> FileAsked {
    FileAsked {
        name: hit.file.name.clone(),
        size: Some(hit.file.size),
    }
}

fn describe(context: &Context, hit: Hit, digests_until: Instant) -> FindHit {
    let Hit {
        file,
        score,
        excerpt,
    } = hit;
    FindHit {
        digest: digest_of(context, &file, digests_until),
        hashed: None,
        name: file.name,
        size: file.size,
        modified: file.modified.map(unix_millis),
        score: score.filter(|score| score.is_finite()),
        excerpt: excerpt.map(to_find),
        ..FindHit::default()
    }
}
