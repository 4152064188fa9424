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
use plugin_api::{FileInfo, Hit};
use serde::Deserialize;
use tokio::task::{JoinError, spawn_blocking};

use super::{
    Context,
    front::Remote,
    policy::{Asker, QueryPermit, Wanted},
    quotas::{self, cause_of},
};
use crate::handlers::{self, Answer, QueryError, SEARCH_LIMIT_MAX, SearchHits, query};

/// Number of hits when the caller names none.
const LIMIT_DEFAULT: usize = 100;

/// Longest time.
const TIME: Duration = Duration::from_secs(3);

/// What is asked.
#[derive(Debug, Deserialize)]
pub(super) struct Question {
    q: String,
    limit: Option<usize>,
}

/// Answers `GET`.
pub(super) async fn search(
    State(context): State<Arc<Context>>,
    Extension(remote): Extension<Remote>,
    headers: HeaderMap,
    question: Result<Query<Question>, QueryRejection>,
) -> Response {
    let cause = cause_of(&context, remote, &headers);
    if let Err(wait) = context.quotas.take(cause, Cost::Search) {
        return quotas::refusal(&context, wait);
    }
    let Ok(Query(question)) = question else {
        return (StatusCode::BAD_REQUEST, "ask with /search?q=QUERY\n").into_response();
    };
    let asker = Asker::at(remote);
    let (handler, text) = (query::handler_of(&question.q), query::text_of(&question.q));
    let Some(permit) = context.policy.query(&asker, handler, text).await else {
        // As if there were nothing.
        return Json(SearchHits::default()).into_response();
    };
    let deadline = Instant::now() + TIME;
    let mut answer = match ask(&context, &permit, question, deadline).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            let text = format!("{}\n", node_wire::escaped(&error.to_string()));
            return (StatusCode::BAD_REQUEST, text).into_response();
        }
        Err(error) => return panicked(&error),
    };
    let wanted = |hit: &Hit| Wanted {
        name: hit.file.name.clone(),
        size: Some(hit.file.size),
    };
    let hits = std::mem::take(&mut answer.hits);
    let permitted = context
        .policy
        .hits(&asker, hits, SEARCH_LIMIT_MAX, wanted)
        .await;
    answer.hits = permitted.hits;
    let described = spawn_blocking(move || {
        let digest = |file: &FileInfo| {
            let in_time = Instant::now() < deadline;
            in_time.then(|| context.digests.known_as(file)).flatten()
        };
        SearchHits::of(answer, permitted.is_whole, &digest)
    });
    match described.await {
        Ok(hits) => Json(hits).into_response(),
        Err(error) => panicked(&error),
    }
}

async fn ask(
    context: &Arc<Context>,
    _permit: &QueryPermit,
    question: Question,
    deadline: Instant,
) -> Result<Result<Answer, QueryError>, JoinError> {
    let limit = question.limit.unwrap_or(LIMIT_DEFAULT);
    let bounds = handlers::Wanted {
        limit: limit.min(SEARCH_LIMIT_MAX),
        deadline,
    };
    let context = Arc::clone(context);
    spawn_blocking(move || {
        let files = context.files();
        context.handlers.answer(&files, &question.q, bounds)
    })
    .await
}

fn panicked(error: &JoinError) -> Response {
    tracing::error!(%error, "a handler panicked");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}
