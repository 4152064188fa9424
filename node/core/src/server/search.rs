//! `GET /search?q=QUERY`: hits of this node, as JSON.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Extension, Json,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use node_overlay::Cost;
use node_wire::query::{self, CONTENTS_HANDLER};
use plugin_api::{FileInfo, Hit};
use serde::Deserialize;

use super::{
    Context,
    front::Remote,
    policy::{Asker, FileAsked, QueryPermit},
    quotas::{self, cause_of},
};
use crate::{
    clock::now,
    handlers::{self, Answer, QueryError, SEARCH_LIMIT_MAX, SearchHits},
    threads::ThreadError,
};

/// Number of hits when the caller names none.
const LIMIT_DEFAULT: usize = 100;

/// Longest time.
const TIME: Duration = Duration::from_secs(3);

/// Most bytes of names and excerpts in an answer. They stay in memory until the asker has read them.
const ANSWER_MAX: usize = 512 << 10;

/// Bytes of a hit beside its name and its excerpt, about.
const HIT_SIZE: usize = 256;

/// The parameters of a search.
#[derive(Debug, Deserialize)]
pub(super) struct Question {
    pub(super) q: String,
    pub(super) limit: Option<usize>,
}

/// The reason for the lack of hits.
pub(super) enum NoHits {
    /// The caller asks too much.
    Quota(Duration),
    /// The query makes no sense.
    Query(QueryError),
    /// Something broke.
    Broken,
}

/// Answers `GET`.
pub(super) async fn search(
    State(context): State<Arc<Context>>,
    Extension(remote): Extension<Remote>,
    headers: HeaderMap,
    question: Result<Query<Question>, QueryRejection>,
) -> Response {
    let Ok(Query(question)) = question else {
        return (StatusCode::BAD_REQUEST, "ask with /search?q=QUERY\n").into_response();
    };
    match hits(&context, remote, &headers, question).await {
        Ok(hits) => Json(hits).into_response(),
        Err(NoHits::Quota(wait)) => quotas::refusal(&context, wait),
        Err(NoHits::Query(error)) => {
            let text = format!("{}\n", node_wire::escaped(&error.for_stranger()));
            (StatusCode::BAD_REQUEST, text).into_response()
        }
        Err(NoHits::Broken) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Returns the hits that the asker may know of.
pub(super) async fn hits(
    context: &Arc<Context>,
    remote: Remote,
    headers: &HeaderMap,
    mut question: Question,
) -> Result<SearchHits, NoHits> {
    let cause = cause_of(context, remote, headers);
    let taken = context.quotas.take(cause, Cost::Search);
    taken.map_err(NoHits::Quota)?;
    let asker = Asker::at(remote);
    let (handler, text) = (query::handler_of(&question.q), query::text_of(&question.q));
    let Some(permit) = context.policy.query(&asker, handler, text).await else {
        // As if there were nothing.
        return Ok(SearchHits::default());
    };
    let may_ask_contents = !query::asks_contents(&question.q)
        || context
            .policy
            .query(&asker, CONTENTS_HANDLER, text)
            .await
            .is_some();
    if !may_ask_contents {
        question.q = query::of_names(&question.q);
    }
    let deadline = now() + TIME;
    let answered = ask(context, &permit, question, deadline).await;
    let answered = answered.map_err(|error| panicked(&error))?;
    let mut answer = answered.map_err(NoHits::Query)?;
    let wanted = |hit: &Hit| FileAsked {
        name: hit.file.name.clone(),
        size: Some(hit.file.size),
    };
    let (hits, is_cut) = within(std::mem::take(&mut answer.hits), ANSWER_MAX);
    let permitted = context
        .policy
        .hits(&asker, hits, SEARCH_LIMIT_MAX, wanted)
        .await;
    answer.hits = permitted.hits;
    let digests = Arc::clone(&context.digests);
    let node = context.overlay.ourselves().as_str().to_owned();
    let described = context.disk.run(move || {
        let digest = |file: &FileInfo| {
            let in_time = now() < deadline;
            in_time.then(|| digests.known_as(file)).flatten()
        };
        SearchHits::of(answer, permitted.is_whole && !is_cut, &node, &digest)
    });
    described.await.map_err(|error| panicked(&error))
}

/// Returns the first hits that fit into so many bytes, and whether there are more.
fn within(mut hits: Vec<Hit>, most: usize) -> (Vec<Hit>, bool) {
    let mut left = most;
    let fits = |hit: &Hit| {
        left = left.checked_sub(size_of_hit(hit))?;
        Some(())
    };
    let fitting = hits.iter().map_while(fits).count();
    let is_cut = fitting < hits.len();
    hits.truncate(fitting);
    (hits, is_cut)
}

fn size_of_hit(hit: &Hit) -> usize {
    let excerpt = hit.excerpt.as_ref().map_or(0, |excerpt| {
        let around = excerpt.before.iter().chain(&excerpt.after);
        excerpt.text.len() + around.map(|line| line.len()).sum::<usize>()
    });
    HIT_SIZE + hit.file.name.len() + excerpt
}

async fn ask(
    context: &Arc<Context>,
    _permit: &QueryPermit,
    question: Question,
    deadline: Instant,
) -> Result<Result<Answer, QueryError>, ThreadError> {
    let limit = question.limit.unwrap_or(LIMIT_DEFAULT);
    let bounds = handlers::Bounds {
        limit: limit.min(SEARCH_LIMIT_MAX),
        excerpts: usize::MAX,
        deadline,
        asker: handlers::Asker::Stranger,
    };
    let reader = Arc::clone(context);
    let answered = context.answering.run(move || {
        let files = reader.files();
        reader.handlers.answer(&files, &question.q, bounds)
    });
    answered.await
}

fn panicked(error: &dyn std::error::Error) -> NoHits {
    tracing::error!(%error, "a handler failed");
    NoHits::Broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_cut_where_its_bytes_end() {
        let hit = |name: &str| {
            Hit::of(&FileInfo {
                name: name.to_owned(),
                size: 0,
                modified: None,
                version: 0,
            })
        };
        let hits = vec![hit("a"), hit("b"), hit("c")];
        let (all, is_cut) = within(hits.clone(), 3 * (HIT_SIZE + 1));
        assert_eq!((all.len(), is_cut), (3, false));
        let (some, is_cut) = within(hits, 3 * (HIT_SIZE + 1) - 1);
        assert_eq!((some.len(), is_cut), (2, true));
        let long = hit(&"x".repeat(100));
        assert_eq!(within(vec![long], HIT_SIZE).0.len(), 0);
    }
}
