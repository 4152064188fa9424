//! Namespace `search`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jsonrpsee::core::{RpcResult, async_trait};
use node_api::{
    error::{ApiError, ErrorCode},
    search::{Hit, LIMIT_DEFAULT, LIMIT_MAX, SearchAnswer, SearchEnd, SearchServer, TraceStep},
};
use node_core::{
    events::unix_millis,
    handlers::{Answer, End, Wanted},
};
use tokio::task::spawn_blocking;

use super::{Owner, broken};

/// Longest time for an answer.
const TIME: Duration = Duration::from_secs(5);

#[async_trait]
impl SearchServer for Owner {
    async fn query(&self, query: String, limit: Option<u32>) -> RpcResult<SearchAnswer> {
        let context = Arc::clone(self.node.context());
        let limit = limit.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX) as usize;
        let started = Instant::now();
        let wanted = Wanted {
            limit,
            deadline: started + TIME,
        };
        let searched =
            spawn_blocking(move || context.handlers.answer(&context.share, &query, wanted));
        let answer = searched.await.map_err(|_| broken())?;
        let answer = answer.map_err(|error| ApiError::new(ErrorCode::Usage, error.to_string()))?;
        Ok(describe(
            answer,
            self.node.url().as_str(),
            started.elapsed(),
        ))
    }
}

fn describe(answer: Answer, node: &str, took: Duration) -> SearchAnswer {
    let end = match answer.end {
        End::Complete => SearchEnd::Complete,
        End::Limit => SearchEnd::Limit,
        End::Deadline => SearchEnd::Deadline,
    };
    let step = TraceStep {
        node: node.to_owned(),
        handler: answer.handler.clone(),
        milliseconds: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        hits: answer.hits.len() as u64,
        end,
    };
    let hits = answer.hits.into_iter().map(|file| Hit {
        name: file.name,
        size: file.size,
        modified: file.modified.map(unix_millis),
        node: node.to_owned(),
        handler: answer.handler.clone(),
    });
    SearchAnswer {
        hits: hits.collect(),
        end,
        asked: 1,
        answered: u32::from(end != SearchEnd::Deadline),
        timed_out: u32::from(end == SearchEnd::Deadline),
        trace: vec![step],
    }
}
