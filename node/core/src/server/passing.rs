//! Content of a peer for an asker that cannot reach that peer: its files, and its bytes as they come.
//!
//! # Lifecycle
//! `sixhop.find` with `through` has a peer asked (`methods/find/through.rs`); what it says that it has is noted here.
//! Requests for that content that name the peer in the header [`through::HEADER`] are passed on to it.
//!
//! # Invariants
//! - Only a Sixhop node that this node has met is asked, and only for content that it said it has, for [`NOTED_FOR`].
//!   No address that others name is ever called.
//! - What the owner looked for is passed on to programs of this machine, if one of the found nodes has it.
//! - The policy, the slots, the rates and the counters are those of any other content.
//! - Nothing is kept of the bytes, and nothing is said about them: who asks checks them.

use std::{
    collections::{HashMap, VecDeque},
    ops::Range,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use node_wire::{Digest, FindHit, peer_url::PeerUrl, pieces::PieceTree, scope::Scope, through};
use tokio::sync::Semaphore;

use super::{
    Context, blobs,
    content::Content,
    policy::{Asker, FileAsked},
    range,
    raw::{self, Asking},
    upload::{Busy, Encoder},
};
use crate::{
    client::{BlobBody, CallError, Destination},
    clock::now,
    sync::lock,
};

/// The time for which content may be asked for that a peer said it has.
const NOTED_FOR: Duration = Duration::from_secs(600);

/// Most content that is noted.
const NOTED_MAX: usize = 4_096;

/// Peers that are asked for others at a time.
const ASKED_MAX: usize = 16;

/// Longest wait for the head of an answer of the peer. Less than the asker waits for ours.
const HEAD_TIME: Duration = Duration::from_secs(8);

/// The files that peers said they have, for others.
#[derive(Debug)]
pub struct Passing {
    noted: Mutex<Noted>,
    pub(super) places: Semaphore,
}

#[derive(Debug, Default)]
struct Noted {
    notes: HashMap<(Digest, String), Note>,
    /// The keys in the order in which they were noted; one that was noted again is in it twice.
    order: VecDeque<(Instant, (Digest, String))>,
}

/// The word of a peer about a file.
#[derive(Clone, Debug)]
struct Note {
    file: FileAsked,
    size: u64,
    at: Instant,
    /// The way to the peer, if the owner looked for this content.
    for_owner: Option<Destination>,
}

impl Default for Passing {
    fn default() -> Passing {
        Passing {
            noted: Mutex::default(),
            places: Semaphore::new(ASKED_MAX),
        }
    }
}

impl Passing {
    /// Notes that `peer` said that it has the content of these hits.
    pub(super) fn note(&self, peer: &PeerUrl, hits: &[FindHit]) {
        let at = now();
        let noted = hits.iter().filter_map(|hit| {
            let file = FileAsked {
                name: hit.name.clone(),
                size: Some(hit.size),
            };
            let size = hit.size;
            Some((
                (hit.digest?, peer.key()),
                Note {
                    file,
                    size,
                    at,
                    for_owner: None,
                },
            ))
        });
        lock(&self.noted).add(noted, at);
    }

    /// Notes that this peer has content that the owner looked for.
    pub(super) fn note_for_owner(&self, peer: Destination, digest: Digest, hit: &FindHit) {
        let file = FileAsked {
            name: hit.name.clone(),
            size: Some(hit.size),
        };
        let (key, at) = ((digest, peer.url().key()), now());
        let note = Note {
            file,
            size: hit.size,
            at,
            for_owner: Some(peer),
        };
        lock(&self.noted).add([(key, note)].into_iter(), at);
    }

    fn noted(&self, peer: &PeerUrl, digest: Digest) -> Option<Note> {
        lock(&self.noted).get(&(digest, peer.key()), now())
    }
}

impl Noted {
    fn add(&mut self, noted: impl Iterator<Item = ((Digest, String), Note)>, now: Instant) {
        for (key, note) in noted {
            self.order.push_back((note.at, key.clone()));
            self.notes.insert(key, note);
        }
        let is_over = |at: Instant| now.saturating_duration_since(at) >= NOTED_FOR;
        while self.order.len() > NOTED_MAX || self.order.front().is_some_and(|(at, _)| is_over(*at))
        {
            let Some((at, key)) = self.order.pop_front() else {
                break;
            };
            if self.notes.get(&key).is_some_and(|note| note.at == at) {
                self.notes.remove(&key);
            }
        }
    }

    fn get(&self, key: &(Digest, String), now: Instant) -> Option<Note> {
        let note = self.notes.get(key);
        note.filter(|note| note.is_fresh(now)).cloned()
    }
}

impl Note {
    fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) < NOTED_FOR
    }
}

/// A peer whose content is passed on.
struct Holder {
    peer: Destination,
    size: u64,
}

/// Finds the holder that a request names, if this node passes this content of it on.
async fn holder(context: &Context, digest: Digest, asking: &Asking<'_>) -> Option<Holder> {
    let named = asking.headers.get(through::HEADER)?.to_str().ok()?;
    let named = PeerUrl::parse(named).ok()?;
    let met = context.overlay.met_node(&named);
    let note = context
        .passing
        .noted(met.as_ref().unwrap_or(&named), digest)?;
    let is_of_owner = Scope::of_source(asking.remote.ip()) == Scope::Machine;
    let peer = match (note.for_owner, met) {
        (Some(peer), _) if is_of_owner => peer,
        (_, met) => context.overlay.destination(&met?),
    };
    let asker = Asker::at(asking.remote);
    let text = Some(digest.to_hex());
    context.policy.fetch(&asker, text, vec![note.file]).await?;
    Some(Holder {
        peer,
        size: note.size,
    })
}

/// Answers a request for content that names a holder. `None` if this node does not pass it on.
pub(super) async fn blob(
    context: &Arc<Context>,
    digest: Digest,
    asking: &Asking<'_>,
) -> Option<Response> {
    let holder = holder(context, digest, asking).await?;
    let wanted = asking.headers.get(header::RANGE);
    let wanted = range::wanted(wanted.and_then(|range| range.to_str().ok()), holder.size);
    let (status, bytes, said) = raw::part(wanted, holder.size);
    let mut headers = raw::headers_of_content(&digest, said.as_deref(), bytes.end - bytes.start);
    if *asking.method == Method::HEAD || bytes.is_empty() {
        return Some((status, headers, Body::empty()).into_response());
    }
    Some(
        match pass(context, &holder, digest, bytes, asking, &mut headers).await {
            Ok(body) => (status, headers, body).into_response(),
            Err(refused) => refused,
        },
    )
}

async fn pass(
    context: &Context,
    holder: &Holder,
    digest: Digest,
    bytes: Range<u64>,
    asking: &Asking<'_>,
    headers: &mut HeaderMap,
) -> Result<Body, Response> {
    let length = bytes.end - bytes.start;
    let begun = context
        .uploads
        .begin_relay(asking.remote, Some(length))
        .await;
    let upload = begun.map_err(|Busy| raw::busy())?;
    let client = context.overlay.client();
    let asked = client
        .blob(&holder.peer, &digest, bytes, now() + HEAD_TIME)
        .await;
    let body: BlobBody = asked.map_err(|error| failure(&error))?;
    let rate = [upload.rate(), body.rate()].into_iter().flatten().min();
    raw::insert_rate(headers, rate);
    let content = Content::of_passed(body, length);
    Ok(upload.body(content, Encoder::Raw).await)
}

/// Answers a request for the tree of content that names a holder. `None` if this node does not pass it on.
pub(super) async fn tree(
    context: &Context,
    digest: Digest,
    asking: &Asking<'_>,
) -> Option<Response> {
    let holder = holder(context, digest, asking).await?;
    let length = PieceTree::bytes_len(holder.size);
    let begun = context.uploads.begin(asking.remote, Some(length)).await;
    let Ok(upload) = begun else {
        return Some(raw::busy());
    };
    let client = context.overlay.client();
    let asked = client.tree(&holder.peer, &digest, now() + HEAD_TIME).await;
    Some(match asked {
        Ok(tree) => blobs::tree_answer(upload, Content::of_cached_tree(&tree)).await,
        Err(error) => failure(&error),
    })
}

/// Returns the answer when the holder gave none.
fn failure(error: &CallError) -> Response {
    match error {
        CallError::Busy(wait) => {
            let mut response = raw::busy();
            let seconds = HeaderValue::from(wait.as_secs().max(1));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
            response
        }
        CallError::Absent => {
            let text = "the holder does not have this content any more\n";
            (StatusCode::NOT_FOUND, text).into_response()
        }
        error => {
            tracing::debug!(%error, "a holder whose content is passed on failed");
            let text = "the holder cannot be reached from here either\n";
            (StatusCode::BAD_GATEWAY, text).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> (Digest, String) {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&(n as u64).to_le_bytes());
        (Digest::from_bytes(bytes), "peer".to_owned())
    }

    fn note(at: Instant) -> Note {
        let file = FileAsked {
            name: "a".to_owned(),
            size: Some(1),
        };
        Note {
            file,
            size: 1,
            at,
            for_owner: None,
        }
    }

    #[test]
    fn what_was_said_is_forgotten_in_time() {
        let begun = Instant::now();
        let mut noted = Noted::default();
        noted.add([(key(1), note(begun))].into_iter(), begun);
        assert!(
            noted
                .get(&key(1), begun + NOTED_FOR - Duration::from_secs(1))
                .is_some()
        );
        assert!(noted.get(&key(1), begun + NOTED_FOR).is_none());
        assert!(noted.get(&key(2), begun).is_none());
        let other = (key(1).0, "another".to_owned());
        assert!(
            noted.get(&other, begun).is_none(),
            "each said it for itself"
        );
    }

    #[test]
    fn the_oldest_makes_room() {
        let begun = Instant::now();
        let mut noted = Noted::default();
        for n in 0..NOTED_MAX + 2 {
            let now = begun + Duration::from_millis(n as u64);
            noted.add([(key(n), note(now))].into_iter(), now);
        }
        assert_eq!(noted.notes.len(), NOTED_MAX);
        let has = |n| noted.get(&key(n), begun).is_some();
        assert!(!has(0) && !has(1) && has(2) && has(NOTED_MAX + 1));
    }

    #[test]
    fn content_that_is_noted_again_stays_longer() {
        let begun = Instant::now();
        let again = begun + NOTED_FOR - Duration::from_secs(1);
        let mut noted = Noted::default();
        noted.add(
            [(key(1), note(begun)), (key(2), note(begun))].into_iter(),
            begun,
        );
        noted.add([(key(1), note(again))].into_iter(), again);
        let later = begun + NOTED_FOR;
        noted.add([(key(3), note(later))].into_iter(), later);
        assert!(noted.get(&key(1), later).is_some());
        assert!(noted.get(&key(2), later).is_none());
        assert_eq!((noted.notes.len(), noted.order.len()), (2, 2));
    }
}
