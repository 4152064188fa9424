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
    handlers::{self, Answer, Bounds, QueryError, SEARCH_LIMIT_MAX, SearchHits},
    threads::ThreadError,
};

/// Number of hits when the caller names none.
const LIMIT_DEFAULT: usize = 100;

/// Longest time.
const TIME: Duration = Duration::from_secs(3);

/// Most bytes of the hits of an answer. They stay in memory until the asker has read them.
const ANSWER_MAX: usize = 512 << 10;

/// Most bytes of the hits that the policy decides on for one answer.
const GUARDED_MAX: usize = 4 << 20;

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
    let limit = question.limit.unwrap_or(LIMIT_DEFAULT);
    let limit = limit.min(SEARCH_LIMIT_MAX);
    let bounds = bounds(context, limit, deadline);
    let answered = ask(context, &permit, question, bounds).await;
    let answered = answered.map_err(|error| panicked(&error))?;
    let mut answer = answered.map_err(NoHits::Query)?;
    let wanted = |hit: &Hit| FileAsked {
        name: hit.file.name.clone(),
        size: Some(hit.file.size),
    };
    let hits = std::mem::take(&mut answer.hits);
    let permitted = context.policy.hits(&asker, hits, limit + 1, wanted).await;
    // Behind the policy: a limit before it would tell of refused hits, and lose permitted ones.
    let (hits, is_cut) = handlers::within(permitted.hits, limit, ANSWER_MAX);
    answer.hits = hits;
    let digests = Arc::clone(&context.digests);
    let node = context.overlay.ourselves().as_str().to_owned();
    let described = context.disk.run(move || {
        let digests = digests.reader();
        let digest = |file: &FileInfo| {
            let in_time = now() < deadline;
            in_time.then(|| digests.known_as(file)).flatten()
        };
        SearchHits::of(answer, permitted.is_whole && !is_cut, &node, &digest)
    });
    described.await.map_err(|error| panicked(&error))
}

/// Returns the bounds of the handler's answer: the policy gets more hits than are wanted.
fn bounds(context: &Context, limit: usize, deadline: Instant) -> Bounds {
    let (limit, bytes) = if context.policy.guards_fetch() {
        (SEARCH_LIMIT_MAX, GUARDED_MAX)
    } else {
        (limit, ANSWER_MAX)
    };
    Bounds {
        limit,
        excerpts: usize::MAX,
        bytes,
        deadline,
        asker: handlers::Asker::Stranger,
    }
}

async fn ask(
    context: &Arc<Context>,
    _permit: &QueryPermit,
    question: Question,
    bounds: Bounds,
) -> Result<Result<Answer, QueryError>, ThreadError> {
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
