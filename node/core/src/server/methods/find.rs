//! `sixhop.find(struct)`: what this node has, and who may know more.
//!
//! Nobody else is asked. A file that is found by name is read for its digest;
//! if that takes long, the answer comes without it and the reading goes on.
//!
//! The hits of a query come in the order of their names, or, with a deadline, as
//! the handler gives them; see [`search`].

pub(super) mod search;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use node_wire::{
    Fault, Find, FindHit, FindWanted, Found, ShareName, Value,
    limits::{FIND_HITS_MAX, FIND_NAMES_MAX, FIND_PEERS_MAX},
};
use plugin_api::FileInfo;
use tokio::{task::spawn_blocking, time::timeout};

use crate::{
    client::PeerKind,
    handlers::Wanted,
    server::{
        Context,
        answer::{Answer, Answered},
    },
};

/// Longest wait for the digest of one file.
const DIGEST_TIME: Duration = Duration::from_secs(2);

/// Time for the hits of a query.
const QUERY_TIME: Duration = Duration::from_secs(2);

/// Time for reading files that match a query and have no digest yet.
const QUERY_DIGESTS_TIME: Duration = Duration::from_millis(500);

/// Longest file that is read at once because it matches a query, in bytes.
const QUERY_DIGEST_MAX: u64 = 1 << 20;

/// Most files of which a query is answered.
const QUERY_FILES_MAX: usize = 200_000;

pub(super) async fn answer(context: &Arc<Context>, params: &[Value]) -> Answered {
    context.counters.finds_received.one();
    let find = Find::from_params(params)?;
    let mut found = match find.wanted {
        FindWanted::Name(name) => by_name(context, &ShareName::parse(&name)?).await?,
        FindWanted::Digest(digest) => {
            let context = Arc::clone(context);
            blocking(move || by_digest(&context, digest)).await?
        }
        FindWanted::Query(query) => {
            if let Some(deadline) = find.deadline {
                let wait = Duration::from_millis(deadline.into());
                let mut found = search::begin(context, &query, find.limit, wait).await?;
                name_peers(context, &mut found);
                return Ok(Answer::Value(found.to_value()));
            }
            let (context, limit) = (Arc::clone(context), find.limit.min(FIND_HITS_MAX));
            blocking(move || by_query(&context, &query, find.after.as_deref(), limit)).await??
        }
    };
    name_peers(context, &mut found);
    Ok(Answer::Value(found.to_value()))
}

async fn by_name(context: &Arc<Context>, name: &ShareName) -> Result<Found, Fault> {
    let (reader, wanted) = (Arc::clone(context), name.clone());
    let reading = spawn_blocking(move || reader.digests.of(&wanted).ok());
    let hit = match timeout(DIGEST_TIME, reading).await {
        Ok(Ok(Some(known))) => Some((known.size, Some(known.digest))),
        Ok(Err(error)) => return Err(panicked(&error)),
        Ok(Ok(None)) | Err(_) => {
            let (context, name) = (Arc::clone(context), name.clone());
            blocking(move || without_digest(&context, &name)).await?
        }
    };
    Ok(of_hits(hit.map(|(size, digest)| FindHit {
        name: name.as_str().to_owned(),
        size,
        digest,
        ..FindHit::default()
    })))
}

/// What there is when the share has no digest of the file, or not yet.
fn without_digest(context: &Context, name: &ShareName) -> Option<(u64, Option<node_wire::Digest>)> {
    if let Ok(stamp) = context.share.stamp(name) {
        return Some((stamp.size, None));
    }
    let digest = context.cache.digest_of(name)?;
    Some((context.cache.size_of(&digest)?, Some(digest)))
}

fn by_digest(context: &Context, digest: node_wire::Digest) -> Found {
    let (name, size) = match context.digests.named(&digest) {
        Some((name, size)) => (name.as_str().to_owned(), size),
        None => match context.cache.size_of(&digest) {
            Some(size) => (String::new(), size),
            None => return Found::default(),
        },
    };
    of_hits([FindHit {
        name,
        size,
        digest: Some(digest),
        ..FindHit::default()
    }])
}

fn by_query(
    context: &Context,
    query: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Found, Fault> {
    let wanted = Wanted {
        limit: QUERY_FILES_MAX,
        deadline: Instant::now() + QUERY_TIME,
    };
    let answer = context
        .handlers
        .answer(&context.files(), query, wanted)
        .map_err(|error| Fault::invalid_params(&error.to_string()))?;
    let mut files: Vec<_> = answer.hits.into_iter().map(|hit| hit.file).collect();
    files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let behind = after.map_or(0, |after| {
        files.partition_point(|file| *file.name <= *after)
    });
    let limit = fitting(&files[behind..]).min(limit);
    let more = files.len() - behind > limit;
    let digests_until = Instant::now() + QUERY_DIGESTS_TIME;
    let hits = files.drain(behind..).take(limit).map(|file| FindHit {
        digest: digest_of(context, &file.name, file.size, digests_until),
        size: file.size,
        name: file.name,
        ..FindHit::default()
    });
    Ok(Found {
        hits: hits.collect(),
        more,
        ..Found::default()
    })
}

/// How many of the files have names that fit into one answer.
fn fitting(files: &[FileInfo]) -> usize {
    let mut names = 0;
    let fits = |file: &&FileInfo| {
        names += file.name.len();
        names <= FIND_NAMES_MAX
    };
    files.iter().take_while(fits).count()
}

fn digest_of(
    context: &Context,
    name: &str,
    size: u64,
    until: Instant,
) -> Option<node_wire::Digest> {
    let name = ShareName::parse(name).ok()?;
    let known = context.digests.known(&name).or_else(|| {
        let at_once = size <= QUERY_DIGEST_MAX && Instant::now() < until;
        at_once.then(|| context.digests.of(&name).ok()).flatten()
    });
    known
        .filter(|known| known.size == size)
        .map(|known| known.digest)
}

fn name_peers(context: &Context, found: &mut Found) {
    for peer in context.overlay.list() {
        match peer.kind {
            Some(PeerKind::Sixhop) if peer.failures == 0 && found.peers.len() < FIND_PEERS_MAX => {
                found.peers.push(peer.url.as_str().to_owned());
            }
            Some(PeerKind::Book) => found.others += 1,
            _ => {}
        }
    }
}

fn of_hits(hits: impl IntoIterator<Item = FindHit>) -> Found {
    Found {
        hits: hits.into_iter().collect(),
        ..Found::default()
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Fault> {
    spawn_blocking(work).await.map_err(|error| panicked(&error))
}

fn panicked(error: &tokio::task::JoinError) -> Fault {
    tracing::error!(%error, "finding panicked");
    Fault::internal()
}
