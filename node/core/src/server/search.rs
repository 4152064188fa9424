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
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use super::Context;
use crate::{
    events::unix_millis,
    handlers::{Answer, End, Wanted},
};

/// Number of hits when the caller names none.
const LIMIT_DEFAULT: usize = 100;

/// Greatest number of hits.
const LIMIT_MAX: usize = 1_000;

/// Longest time.
const TIME: Duration = Duration::from_secs(3);

/// What is asked.
#[derive(Debug, Deserialize)]
pub(super) struct Question {
    q: String,
    limit: Option<usize>,
}

/// The hits of one node, as `GET /search` answers.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct SearchHits {
    /// Whether everything was looked at.
    pub complete: bool,
    /// The hits, best first.
    pub hits: Vec<SearchHit>,
}

/// One hit of `GET /search`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct SearchHit {
    /// Name of the file.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last changed, Unix milliseconds.
    pub modified: Option<u64>,
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
        limit: question.limit.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX),
        deadline: Instant::now() + TIME,
    };
    let searched =
        spawn_blocking(move || context.handlers.answer(&context.share, &question.q, wanted)).await;
    match searched {
        Ok(Ok(answer)) => Json(SearchHits::from(answer)).into_response(),
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
