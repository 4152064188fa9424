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
    client::CallError,
    events::unix_millis,
    handlers::{Answer, DEFAULT_HANDLER, End, QueryError, Wanted},
    overlay::{Finder, Holder, Step},
    wire::{Digest, FindWanted},
};
use tokio::task::spawn_blocking;

use super::{Owner, broken};

/// Longest time for an answer.
const TIME: Duration = Duration::from_secs(5);

#[async_trait]
impl SearchServer for Owner {
    async fn query(&self, query: String, limit: Option<u32>) -> RpcResult<SearchAnswer> {
        let limit = limit.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX) as usize;
        let context = self.node.context();
        let finder = Finder::begin(&context.overlay, FindWanted::Query(query.clone()));
        let (here, there) = tokio::join!(self.here(&query, limit), asked(finder, limit));
        // A handler that only others have is no mistake if one of them answers.
        let mut answer = match here? {
            Ok(answer) => answer,
            Err(_) if !there.holders.is_empty() => nothing(),
            Err(error) => return Err(ApiError::new(ErrorCode::Usage, error.to_string()).into()),
        };
        add(&mut answer, there, prefix(&query), limit);
        Ok(answer)
    }
}

/// What the peers found.
struct There {
    holders: Vec<Holder>,
    steps: Vec<Step>,
    is_full: bool,
}

impl Owner {
    /// Asks the handlers of this node.
    async fn here(
        &self,
        query: &str,
        limit: usize,
    ) -> Result<Result<SearchAnswer, QueryError>, ApiError> {
        let (context, query) = (Arc::clone(self.node.context()), query.to_owned());
        let node = self.node.url().as_str().to_owned();
        let started = Instant::now();
        let wanted = Wanted {
            limit,
            deadline: started + TIME,
        };
        let searched = spawn_blocking(move || {
            let answer = context.handlers.answer(&context.share, &query, wanted)?;
            let digest = |name: &str| context.digests.known_of(name);
            Ok(describe(answer, &node, started.elapsed(), &digest))
        });
        searched.await.map_err(|_| broken())
    }
}

/// Asks the peers until there are `limit` hits.
async fn asked(mut finder: Finder, limit: usize) -> There {
    let (mut holders, mut hits) = (Vec::new(), 0);
    while hits < limit
        && let Some(holder) = finder.next().await
    {
        hits += holder.hits.len();
        holders.push(holder);
    }
    There {
        holders,
        steps: finder.steps().to_vec(),
        is_full: hits >= limit,
    }
}

/// The prefix of a query.
fn prefix(query: &str) -> &str {
    query
        .split_once(':')
        .map_or(DEFAULT_HANDLER, |(prefix, _)| prefix)
}

/// The answer of a node that has not got the handler.
fn nothing() -> SearchAnswer {
    SearchAnswer {
        hits: Vec::new(),
        end: SearchEnd::Complete,
        asked: 1,
        answered: 1,
        timed_out: 0,
        trace: Vec::new(),
    }
}

/// Adds what the peers found.
fn add(answer: &mut SearchAnswer, there: There, handler: &str, limit: usize) {
    let hits = there.holders.into_iter().flat_map(|holder| {
        let node = holder.peer;
        let hits = holder.hits.into_iter();
        hits.map(move |hit| (node.clone(), hit))
    });
    answer.hits.extend(hits.map(|(node, hit)| Hit {
        name: hit.name,
        size: hit.size,
        modified: None,
        digest: hit.digest.map(|digest| digest.to_hex()),
        node: node.as_str().to_owned(),
        handler: handler.to_owned(),
    }));
    if there.is_full || answer.hits.len() > limit {
        answer.hits.truncate(limit);
        answer.end = SearchEnd::Limit;
    }
    for step in there.steps {
        // Whoever is still asked when there are enough hits is not waited for.
        let is_late = step.took.is_none() || matches!(step.error, Some(CallError::Deadline));
        let end = match &step.error {
            _ if is_late && there.is_full => SearchEnd::Limit,
            _ if is_late => SearchEnd::Deadline,
            Some(_) => SearchEnd::Failed,
            None => SearchEnd::Complete,
        };
        answer.asked += 1;
        answer.answered += u32::from(end == SearchEnd::Complete);
        answer.timed_out += u32::from(end == SearchEnd::Deadline);
        if end == SearchEnd::Deadline && answer.end == SearchEnd::Complete {
            answer.end = SearchEnd::Deadline;
        }
        answer.trace.push(TraceStep {
            node: step.peer.as_str().to_owned(),
            handler: handler.to_owned(),
            milliseconds: milliseconds(step.took.unwrap_or_else(|| step.begun.elapsed())),
            hits: step.hits as u64,
            end,
        });
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn describe(
    answer: Answer,
    node: &str,
    took: Duration,
    digest: &dyn Fn(&str) -> Option<Digest>,
) -> SearchAnswer {
    let end = match answer.end {
        End::Complete => SearchEnd::Complete,
        End::Limit => SearchEnd::Limit,
        End::Deadline => SearchEnd::Deadline,
        End::Partial => SearchEnd::Partial,
    };
    let step = TraceStep {
        node: node.to_owned(),
        handler: answer.handler.clone(),
        milliseconds: milliseconds(took),
        hits: answer.hits.len() as u64,
        end,
    };
    let hits = answer.hits.into_iter().map(|hit| hit.file).map(|file| Hit {
        digest: digest(&file.name).map(|digest| digest.to_hex()),
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
