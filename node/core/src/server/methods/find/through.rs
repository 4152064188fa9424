//! `sixhop.find` with `through`: the files of a peer of this node, for an asker that cannot reach that peer.
//!
//! One peer is asked, once, and only one that this node has met. Who asks pays for it as for a walk.

use std::{sync::Arc, time::Duration};

use node_overlay::Cost;
use node_wire::{
    Budget, Fault, Find, FindHit, FindWanted, Found, PeerUrl, ShareName, limits::FIND_HITS_MAX,
};

use crate::{
    clock::now,
    server::{
        Context, methods,
        policy::{Asker, FileAsked, QueryPermit},
        rpc::Caller,
    },
};

/// Longest wait for the answer of the peer.
const ANSWER: Duration = Duration::from_secs(4);

/// Asks the peer that `through` names.
///
/// # Errors
/// Errors if the asker has caused too much, or others have.
pub(super) async fn ask(
    context: &Arc<Context>,
    caller: &Caller,
    asker: &Asker,
    _permit: &QueryPermit,
    find: &Find,
    through: &str,
) -> Result<Found, Fault> {
    let named = PeerUrl::parse(through).ok();
    let peer = named.and_then(|named| context.overlay.met_node(&named));
    let Some(peer) = peer else {
        return Ok(Found::default());
    };
    methods::afford(context, caller, Cost::Walk)?;
    methods::forward(context, caller, Budget::of(1))?;
    let Ok(_place) = context.passing.places.try_acquire() else {
        return Err(Fault::busy());
    };
    // A folder comes in pages, in the order of its names.
    let limit = match find.wanted {
        FindWanted::Name(_) | FindWanted::Digest(_) => 1,
        FindWanted::Query(_) => find.limit.min(FIND_HITS_MAX),
    };
    let asked = Find {
        limit,
        deadline: None,
        through: None,
        ..find.clone()
    };
    let client = context.overlay.client();
    let holder = context.overlay.destination(&peer);
    let answer = client.find(&holder, &asked, now() + ANSWER).await;
    let Ok(answer) = answer else {
        return Ok(Found::default());
    };
    let mut hits = answer.value.hits;
    hits.retain(|hit| is_wanted(hit, &find.wanted));
    let file = |hit: &FindHit| FileAsked {
        name: hit.name.clone(),
        size: Some(hit.size),
    };
    let permitted = context.policy.hits(asker, hits, limit, file).await;
    context.passing.note(&peer, &permitted.hits);
    Ok(Found {
        more: answer.value.more && !permitted.hits.is_empty(),
        through: Some(peer.as_str().to_owned()),
        ..super::of_hits(permitted.hits.into_iter().take(limit))
    })
}

fn is_wanted(hit: &FindHit, wanted: &FindWanted) -> bool {
    let is_named = hit.name.is_empty() || ShareName::parse(&hit.name).is_ok();
    is_named
        && match wanted {
            FindWanted::Name(name) => hit.name == *name && hit.digest.is_some(),
            FindWanted::Digest(digest) => hit.digest == Some(*digest),
            FindWanted::Query(_) => !hit.name.is_empty() && hit.digest.is_some(),
        }
}
