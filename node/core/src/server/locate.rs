//! The search for content, for the owner's own request at the peer port.

use std::sync::Arc;

use node_overlay::Finder;
use node_wire::{Digest, FindWanted, peer_url::PeerUrl};

use super::{Context, blobs};

/// The place from which the peer port takes content.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Located {
    /// From the share or the cache.
    Here,
    /// From this peer, whose content it passes on to programs of this machine.
    Through(PeerUrl),
}

/// Looks for content here, then among the peers. `None` if nobody has it.
pub(crate) async fn locate(context: &Arc<Context>, digest: Digest) -> Option<Located> {
    let reader = Arc::clone(context);
    let is_here = context.disk.run(move || blobs::is_here(&reader, &digest));
    if matches!(is_here.await, Ok(true)) {
        return Some(Located::Here);
    }
    let mut finder = Finder::begin(&context.overlay, FindWanted::Digest(digest));
    while let Some(holder) = finder.next().await {
        let mut hits = holder.hits.iter();
        if let Some(hit) = hits.find(|hit| hit.digest == Some(digest)) {
            let peer = holder.peer.url().clone();
            context.passing.note_for_owner(holder.peer, digest, hit);
            return Some(Located::Through(peer));
        }
    }
    None
}
