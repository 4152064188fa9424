//! `sixhop.find(struct)`: the files of this node, and peers that may know more.
//!
//! Nobody else is asked. A file that is found by name is read for its digest;
//! if that takes long, the answer comes without it and the reading goes on.
//!
//! The hits of a query come in the order of their names, or, with a deadline, as
//! the handler gives them; see [`search`].

pub(super) mod search;
mod through;

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, Instant},
};

use node_wire::{
    About, Digest, Fault, Find, FindHit, FindWanted, Found, FoundEnd, PeerUrl, ShareName, Value,
    limits::{FIND_HITS_MAX, FIND_NAMES_MAX, FIND_PEERS_MAX},
    query::{self, CONTENTS_HANDLER, DEFAULT_HANDLER},
};
use plugin_api::{FileInfo, Files};
use tokio::time::timeout;

use crate::{
    client::PeerKind,
    clock::now,
    handlers::{self, behind},
    server::{
        Context,
        answer::{Answer, Answered},
        policy::{Asker, DIGEST_HANDLER, FileAsked, NAMES_MAX, QueryPermit},
        rpc::Caller,
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

/// Most files that are looked for at a time: of more, those behind the name of the page.
const QUERY_FILES_MAX: usize = 200_000;

pub(super) async fn answer(context: &Arc<Context>, caller: &Caller, params: &[Value]) -> Answered {
    context.counters.finds_received.one();
    let find = Find::from_params(params)?;
    let asker = Asker::at(caller.remote);
    let (handler, text) = question(&find.wanted);
    // A refusal sounds like an answer without hits.
    let permit = context.policy.query(&asker, handler, &text).await;
    let (mut found, matching) = match permit {
        Some(permit) if find.through.is_some() => {
            let named = find.through.clone().unwrap_or_default();
            let asked = through::ask(context, caller, &asker, &permit, &find, &named).await?;
            return Ok(Answer::Value(asked.to_value()));
        }
        Some(permit) => {
            let matching = context.overlay.matching(&find.wanted);
            (look(context, &asker, &permit, find).await?, matching)
        }
        None => (Found::default(), Vec::new()),
    };
    name_peers(context, &mut found, &matching);
    Ok(Answer::Value(found.to_value()))
}

/// Returns the question, as a policy gets it.
fn question(wanted: &FindWanted) -> (&str, Cow<'_, str>) {
    match wanted {
        FindWanted::Name(name) => (DEFAULT_HANDLER, name.into()),
        FindWanted::Digest(digest) => (DIGEST_HANDLER, digest.to_hex().into()),
        FindWanted::Query(query) => (query::handler_of(query), query::text_of(query).into()),
    }
}

async fn look(
    context: &Arc<Context>,
    asker: &Asker,
    permit: &QueryPermit,
    find: Find,
) -> Result<Found, Fault> {
    match find.wanted {
        FindWanted::Name(name) => {
            let found = by_name(context, permit, &ShareName::parse(&name)?).await?;
            Ok(allowed(context, asker, found).await)
        }
        FindWanted::Digest(digest) => {
            let (reader, names) = (Arc::clone(context), names_wanted(context));
            let found = short(context, move || by_digest(&reader, &digest, names)).await?;
            Ok(allowed(context, asker, found).await)
        }
        FindWanted::Query(query) => match find.deadline {
            Some(deadline) => {
                let query = allowed_query(context, asker, query).await;
                let wait = Duration::from_millis(deadline.into());
                search::begin(context, asker, permit, &query, find.limit, wait).await
            }
            None => {
                let query = query::of_names(&query);
                let limit = find.limit.min(FIND_HITS_MAX);
                by_query(context, asker, permit, query, find.after, limit).await
            }
        },
    }
}

/// Returns the query that the asker may ask: one without a prefix asks names alone if contents are refused.
async fn allowed_query(context: &Context, asker: &Asker, query: String) -> String {
    if !query::asks_contents(&query) {
        return query;
    }
    let permit = context
        .policy
        .query(asker, CONTENTS_HANDLER, query::text_of(&query));
    if permit.await.is_some() {
        query
    } else {
        query::of_names(&query)
    }
}

/// Returns the number of names to look for of the same content: more than one only if
/// some may be allowed and others not.
fn names_wanted(context: &Context) -> usize {
    if context.policy.guards_fetch() {
        NAMES_MAX
    } else {
        1
    }
}

/// Returns the first of some hits, which are all the same content, that the asker may
/// hear of.
async fn allowed(context: &Context, asker: &Asker, found: Found) -> Found {
    let wanted = |hit: &FindHit| FileAsked {
        name: hit.name.clone(),
        size: Some(hit.size),
    };
    let permitted = context.policy.hits(asker, found.hits, 1, wanted).await;
    of_hits(permitted.hits.into_iter().take(1))
}

async fn by_name(
    context: &Arc<Context>,
    _permit: &QueryPermit,
    name: &ShareName,
) -> Result<Found, Fault> {
    let read = timeout(DIGEST_TIME, context.digests.hash(name)).await;
    if read.is_err() {
        context.digests.read_soon(name);
    }
    let (reader, wanted) = (Arc::clone(context), name.clone());
    let described = short(context, move || {
        let hit = match read {
            Ok(Ok(known)) => Some((known.size, Some(known.digest))),
            Ok(Err(_)) | Err(_) => without_digest(&reader, &wanted),
        };
        hit.map(|hit| (hit, about(&reader, &wanted)))
    });
    let hit = described.await?;
    let hashed = || context.counters.bytes_hashed.get();
    Ok(of_hits(hit.map(|((size, digest), about)| FindHit {
        name: name.as_str().to_owned(),
        size,
        hashed: digest.is_none().then(hashed),
        digest,
        modified: about.modified,
        executable: about.executable,
        ..FindHit::default()
    })))
}

/// Returns the metadata of a file beside its name and bytes. Blocks.
fn about(context: &Context, name: &ShareName) -> About {
    context.share.about(name).unwrap_or_default().into()
}

/// Returns the size of a file when the share has no digest of it, or not yet.
fn without_digest(context: &Context, name: &ShareName) -> Option<(u64, Option<Digest>)> {
    if let Ok(stamp) = context.share.stamp(name) {
        return Some((stamp.size, None));
    }
    let digest = context.cache.digest_of(name)?;
    Some((context.cache.size_of(&digest)?, Some(digest)))
}

/// Returns the content, once for each of its names, of which there are not more than
/// `most`.
fn by_digest(context: &Context, digest: &Digest, most: usize) -> Found {
    let mut names = context.digests.all_named(digest, most);
    let mut hits: Vec<_> = names
        .drain(..)
        .map(|(name, size)| (name.as_str().to_owned(), size, about(context, &name)))
        .collect();
    if hits.is_empty() {
        let cached = context.cache.size_of(digest);
        hits.extend(cached.map(|size| (String::new(), size, About::default())));
    }
    of_hits(hits.into_iter().map(|(name, size, about)| FindHit {
        name,
        size,
        digest: Some(*digest),
        modified: about.modified,
        executable: about.executable,
        ..FindHit::default()
    }))
}

async fn by_query(
    context: &Arc<Context>,
    asker: &Asker,
    _permit: &QueryPermit,
    query: String,
    after: Option<String>,
    limit: usize,
) -> Result<Found, Fault> {
    let reader = Arc::clone(context);
    let (files, end) = long(context, move || matching(&reader, &query, after.as_deref())).await??;
    let wanted = |file: &FileInfo| FileAsked {
        name: file.name.clone(),
        size: Some(file.size),
    };
    // One more says whether there are more.
    let permitted = context.policy.hits(asker, files, limit + 1, wanted).await;
    let mut files = permitted.hits;
    let limit = fitting(&files).min(limit);
    let is_last = files.len() <= limit && permitted.is_whole && end != FoundEnd::Limit;
    let more = !is_last && !files.is_empty();
    files.truncate(limit);
    let reader = Arc::clone(context);
    let hits = long(context, move || with_digests(&reader, files));
    Ok(Found {
        hits: hits.await?,
        more,
        end: if more { FoundEnd::Complete } else { end },
        ..Found::default()
    })
}

/// Returns the files that match a query, in the order of their names, behind a name, and whether these are all.
fn matching(
    context: &Context,
    query: &str,
    after: Option<&str>,
) -> Result<(Vec<FileInfo>, FoundEnd), Fault> {
    let answer = |files: &Arc<dyn Files>| {
        let wanted = handlers::Bounds {
            limit: QUERY_FILES_MAX,
            excerpts: 0,
            bytes: usize::MAX,
            deadline: now() + QUERY_TIME,
            asker: handlers::Asker::Stranger,
        };
        let answer = context.handlers.answer(files, query, wanted);
        answer.map_err(|error| Fault::invalid_params(&error.for_stranger()))
    };
    let files = context.files();
    let all = answer(&files)?;
    let answer = match after {
        Some(after) if all.end == FoundEnd::Limit => answer(&behind(after, &files))?,
        _ => all,
    };
    let end = answer.end;
    let mut files: Vec<_> = answer.hits.into_iter().map(|hit| hit.file).collect();
    files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let first = after.map_or(0, |after| {
        files.partition_point(|file| *file.name <= *after)
    });
    Ok((files.split_off(first), end))
}

fn with_digests(context: &Context, files: Vec<FileInfo>) -> Vec<FindHit> {
    let digests_until = now() + QUERY_DIGESTS_TIME;
    let hits = files.into_iter().map(|file| {
        let about = ShareName::parse(&file.name).map(|name| about(context, &name));
        let about = about.unwrap_or_default();
        FindHit {
            digest: digest_of(context, &file, digests_until),
            size: file.size,
            name: file.name,
            modified: about.modified,
            executable: about.executable,
            ..FindHit::default()
        }
    });
    hits.collect()
}

/// Returns the number of the files whose names fit into one answer.
fn fitting(files: &[FileInfo]) -> usize {
    let mut names = 0;
    let fits = |file: &&FileInfo| {
        names += file.name.len();
        names <= FIND_NAMES_MAX
    };
    files.iter().take_while(fits).count()
}

pub(in crate::server) fn digest_of(
    context: &Context,
    file: &FileInfo,
    until: Instant,
) -> Option<Digest> {
    context.digests.known_as(file).or_else(|| {
        let at_once = file.size <= QUERY_DIGEST_MAX && now() < until;
        let name = ShareName::parse(&file.name).ok().filter(|_| at_once)?;
        let read = context.digests.of(&name).ok();
        let same = read.filter(|known| known.size == file.size);
        same.map(|known| known.digest)
    })
}

/// Names this node, the peers that are said to have it, and then others.
pub(super) fn name_peers(context: &Context, found: &mut Found, matching: &[PeerUrl]) {
    found.name = context.overlay.name().cloned();
    let matching = matching.iter().map(PeerUrl::as_str).take(FIND_PEERS_MAX);
    found.peers = matching.map(str::to_owned).collect();
    found.matching = found.peers.len();
    for peer in context.overlay.list() {
        match peer.kind {
            Some(PeerKind::Sixhop)
                if peer.is_answering_node() && found.peers.len() < FIND_PEERS_MAX =>
            {
                let url = peer.url.as_str();
                if !found.peers.iter().any(|named| named == url) {
                    found.peers.push(url.to_owned());
                }
            }
            Some(PeerKind::Book) => found.others += 1,
            _ => {}
        }
    }
    let urls = found
        .peers
        .iter()
        .filter_map(|url| PeerUrl::parse(url).ok());
    for url in urls {
        if let Some(id) = context.overlay.id_at(&url) {
            found.nodes.add(&url, id);
        }
    }
}

fn of_hits(hits: impl IntoIterator<Item = FindHit>) -> Found {
    Found {
        hits: hits.into_iter().collect(),
        ..Found::default()
    }
}

/// Runs a short job on the disk's pool.
pub(super) async fn short<T: Send + 'static>(
    context: &Context,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Fault> {
    context.disk.run(work).await.map_err(|error| failed(&error))
}

/// Runs a job that reads many files, or asks a handler, on a thread for answers to others.
pub(in crate::server) async fn long<T: Send + 'static>(
    context: &Context,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Fault> {
    let done = context.answering.run(work).await;
    done.map_err(|error| failed(&error))
}

fn failed(error: &dyn std::error::Error) -> Fault {
    tracing::error!(%error, "finding failed");
    Fault::internal()
}
