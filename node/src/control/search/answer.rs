//! The result of a search, in the words of the control connection.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use node_api::{
    error::{ApiError, ErrorCode},
    search::{GapReason, Hit, SearchAnswer, SearchEnd, SearchGap, TraceStep},
};
use node_core::{
    handlers::{QueryError, described_excerpt},
    search::Search,
};
use node_overlay::{Holder, Overlay, Step};
use node_transport::CallError;
use node_wire::{
    FoundEnd, ShareName,
    peer_url::PeerUrl,
    query::{self, CONTENTS_HANDLER},
};
use plugin_api::{HandlerError, RankAsked};

/// Returns the error of this node, if it refused the query and nobody else has hits. A handler that only peers have is no
/// error: one of them has looked, or `of_peers` says that it can.
pub(super) fn refusal(
    search: &Search,
    found_nothing: bool,
    of_peers: &BTreeMap<String, Vec<PeerUrl>>,
) -> Result<(), ApiError> {
    let Some(Err(error)) = &search.here().end else {
        return Ok(());
    };
    if !found_nothing {
        return Ok(());
    }
    let QueryError::NoHandler { prefix, known } = error else {
        let code = match error {
            QueryError::Handler(HandlerError::Failed { .. } | HandlerError::Files(_)) => {
                ErrorCode::Failed
            }
            _ => ErrorCode::Usage,
        };
        return Err(ApiError::new(code, error.to_string()));
    };
    if search.is_answered_by_peers() || of_peers.contains_key(prefix) {
        return Ok(());
    }
    let is_new = |name: &&String| !known.split(' ').any(|known| known == format!("{name}:"));
    let others = of_peers.keys().filter(is_new);
    let others: Vec<String> = others.map(|name| format!("{name}:")).collect();
    let mut text = error.to_string();
    if !others.is_empty() {
        text += &format!("; peers answer {}", others.join(" "));
    }
    Err(ApiError::new(ErrorCode::Usage, text))
}

/// Puts hits in order: files that are found by their names first, and what one handler
/// found by the scores, if all have one.
pub(super) fn best_first(hits: &mut [Hit]) {
    let is_text = |hit: &Hit| hit.handler == CONTENTS_HANDLER;
    hits.sort_by_key(is_text);
    let names = hits.partition_point(|hit| !is_text(hit));
    let (names, texts) = hits.split_at_mut(names);
    by_score(names);
    by_score(texts);
}

fn by_score(hits: &mut [Hit]) {
    if hits.iter().all(|hit| hit.score.is_some()) {
        let score = |hit: &Hit| hit.score.unwrap_or(f64::MIN);
        hits.sort_by(|a, b| score(b).total_cmp(&score(a)));
    }
}

/// Returns the description of a hit for a policy.
pub(super) fn to_rank(hit: &Hit, ourselves: &str) -> RankAsked {
    let text = hit.excerpt.as_ref().map(|excerpt| excerpt.text.clone());
    RankAsked {
        name: hit.name.clone(),
        size: hit.size,
        modified: hit.modified,
        node: hit.node.clone(),
        here: hit.node == ourselves,
        digest: hit.digest.clone().unwrap_or_default(),
        handler: hit.handler.clone(),
        score: hit.score,
        text: text.unwrap_or_default(),
    }
}

/// Returns the hits with their worth as their scores, best first, without those
/// that are worth nothing.
pub(super) fn by_worth(hits: Vec<Hit>, worth: &[Option<f64>]) -> Vec<Hit> {
    let hits = hits.into_iter().zip(worth);
    let mut hits: Vec<_> = hits
        .filter_map(|(hit, worth)| {
            let score = Some((*worth)?);
            Some(Hit { score, ..hit })
        })
        .collect();
    by_score(&mut hits);
    hits
}

pub(super) fn from_peer(holder: Holder, handler: &str) -> Vec<Hit> {
    let node = holder.peer;
    let node_name = holder.name.map(|name| name.to_string());
    let hits = holder.hits.into_iter().map(|hit| Hit {
        name: hit.name,
        size: Some(hit.size),
        modified: hit.modified,
        digest: hit.digest.map(|digest| digest.to_hex()),
        node: node.as_str().to_owned(),
        node_name: node_name.clone(),
        handler: query::found_by(handler, hit.excerpt.is_some()).to_owned(),
        score: hit.score,
        excerpt: hit.excerpt.map(described_excerpt),
    });
    hits.collect()
}

/// Returns a file of which nothing but its name is known.
pub(super) fn from_chapter(node: &PeerUrl, name: &ShareName, handler: String) -> Hit {
    Hit {
        name: name.as_str().to_owned(),
        size: None,
        modified: None,
        digest: None,
        node: node.as_str().to_owned(),
        node_name: None,
        handler,
        score: None,
        excerpt: None,
    }
}

/// Returns the summary of a search, without its hits. `is_full`: there are as many as wanted.
pub(super) fn summary(search: &Search, overlay: &Overlay, is_full: bool) -> SearchAnswer {
    let handler = search.handler();
    let ourselves = overlay.ourselves();
    let mut trace = vec![TraceStep {
        node: ourselves.as_str().to_owned(),
        node_name: overlay.name().map(ToString::to_string),
        named_by: None,
        why: None,
        hops: 0,
        handler: handler.to_owned(),
        milliseconds: milliseconds(search.here().time()),
        hits: search.here().hits as u64,
        end: end_here(search, is_full),
    }];
    trace.extend(search.steps().map(|step| {
        TraceStep {
            node: step.peer.as_str().to_owned(),
            node_name: (step.name.clone())
                .or_else(|| overlay.name_at(&step.peer))
                .map(|name| name.to_string()),
            named_by: step.named_by.as_ref().map(|by| by.as_str().to_owned()),
            why: Some(step.why),
            hops: saturated(step.hops),
            handler: handler.to_owned(),
            milliseconds: milliseconds(step.took.unwrap_or_else(|| step.begun.elapsed())),
            hits: step.hits as u64,
            end: end_there(step, is_full),
        }
    }));
    let nodes = Nodes::of(&trace);
    SearchAnswer {
        hits: Vec::new(),
        end: match whole(&trace, search.is_out_of_budget(), is_full) {
            // Nobody knows what a node meant whose answer cannot be read.
            SearchEnd::Complete if search.steps().any(is_unreadable) => SearchEnd::Failed,
            end => end,
        },
        asked: saturated(nodes.asked),
        answered: saturated(nodes.answered),
        timed_out: saturated(nodes.timed_out),
        left_chapter_out: search.left_chapter_out(),
        unreachable: saturated(search.unreachable()),
        passed_over: saturated(search.passed_over().all()),
        gaps: gaps(search, ourselves),
        trace,
    }
}

/// Returns the gaps in the answer of this node.
fn gaps(search: &Search, ourselves: &PeerUrl) -> Vec<SearchGap> {
    let gaps = search.here().gaps.iter().map(|gap| SearchGap {
        node: ourselves.as_str().to_owned(),
        name: gap.name.clone(),
        reason: match gap.reason {
            plugin_api::GapReason::Unread => GapReason::Unread,
            plugin_api::GapReason::Unreadable => GapReason::Unreadable,
            plugin_api::GapReason::Changing => GapReason::Changing,
            plugin_api::GapReason::Binary => GapReason::Binary,
            plugin_api::GapReason::LongLine => GapReason::LongLine,
        },
    });
    gaps.collect()
}

/// The numbers of nodes that were asked, each counted once.
struct Nodes {
    asked: usize,
    answered: usize,
    timed_out: usize,
}

impl Nodes {
    fn of(trace: &[TraceStep]) -> Nodes {
        let of = |steps: &mut dyn Iterator<Item = &TraceStep>| -> HashSet<String> {
            steps.map(|step| step.node.clone()).collect()
        };
        let is_late = |step: &&TraceStep| step.end == SearchEnd::Deadline;
        let is_answer = |step: &&TraceStep| !is_late(step) && step.end != SearchEnd::Failed;
        let answered = of(&mut trace.iter().filter(is_answer));
        let late = of(&mut trace.iter().filter(is_late));
        Nodes {
            asked: of(&mut trace.iter()).len(),
            timed_out: late.difference(&answered).count(),
            answered: answered.len(),
        }
    }
}

fn is_unreadable(step: &Step) -> bool {
    step.error.as_ref().is_some_and(CallError::is_unreadable)
}

/// Returns the end of the whole: the strongest reason why there may be more.
fn whole(trace: &[TraceStep], is_out_of_budget: bool, is_full: bool) -> SearchEnd {
    let has = |end: SearchEnd| match end {
        SearchEnd::Budget => is_out_of_budget,
        end => trace.iter().any(|step| step.end == end),
    };
    if is_full {
        return SearchEnd::Limit;
    }
    let reasons = [
        SearchEnd::Deadline,
        SearchEnd::Partial,
        SearchEnd::Budget,
        SearchEnd::Limit,
    ];
    let reason = reasons.into_iter().find(|end| has(*end));
    reason.unwrap_or(SearchEnd::Complete)
}

fn end_here(search: &Search, is_full: bool) -> SearchEnd {
    match &search.here().end {
        Some(Ok(ended)) => end(*ended),
        // Names were looked at; `refusal` tells of the rest if nothing was found. Peers answer for a handler that this
        // node does not have.
        Some(Err(
            QueryError::Handler(HandlerError::BadQuery { .. }) | QueryError::NoHandler { .. },
        )) => SearchEnd::Complete,
        Some(Err(_)) => SearchEnd::Failed,
        None if is_full => SearchEnd::Limit,
        None => SearchEnd::Deadline,
    }
}

fn end_there(step: &Step, is_full: bool) -> SearchEnd {
    match (&step.error, step.took) {
        // A peer that is still asked when there are enough hits is not waited for.
        (None, None) | (Some(CallError::Deadline), _) if is_full => SearchEnd::Limit,
        (None, None) | (Some(CallError::Deadline), _) => SearchEnd::Deadline,
        (Some(_), _) => SearchEnd::Failed,
        (None, Some(_)) => end(step.end),
    }
}

/// Returns how the answer of one node ended.
fn end(end: FoundEnd) -> SearchEnd {
    match end {
        FoundEnd::Complete => SearchEnd::Complete,
        FoundEnd::Limit => SearchEnd::Limit,
        FoundEnd::Deadline => SearchEnd::Deadline,
        FoundEnd::Partial => SearchEnd::Partial,
    }
}

fn saturated(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
