//! `GET /search?q=QUERY`: hits of this node, as JSON.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use tokio::task::spawn_blocking;

use super::Context;
use crate::handlers::{QueryError, SEARCH_LIMIT_MAX, SearchHits, Wanted};

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
    question: Result<Query<Question>, QueryRejection>,
) -> Response {
    let Ok(Query(question)) = question else {
        return (StatusCode::BAD_REQUEST, "ask with /search?q=QUERY\n").into_response();
    };
    let wanted = Wanted {
        limit: question
            .limit
            .unwrap_or(LIMIT_DEFAULT)
            .min(SEARCH_LIMIT_MAX),
        deadline: Instant::now() + TIME,
    };
    let searched = spawn_blocking(move || {
        let answer = context
            .handlers
            .answer(&context.files(), &question.q, wanted)?;
        let digest = |name: &str| {
            let in_time = Instant::now() < wanted.deadline;
            in_time.then(|| context.digests.known_of(name)).flatten()
        };
        Ok::<_, QueryError>(SearchHits::of(answer, &digest))
    });
    match searched.await {
        Ok(Ok(hits)) => Json(hits).into_response(),
        Ok(Err(error)) => (
            StatusCode::BAD_REQUEST,
            format!("{}\n", node_wire::escaped(&error.to_string())),
        )
            .into_response(),
        Err(error) => {
            tracing::error!(%error, "a handler panicked");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
