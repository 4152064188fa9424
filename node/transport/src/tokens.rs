//! Tokens that peers gave: shown with each request, so that they know who asks.
//!
//! # Invariants
//! - A token is shown to the peer that gave it and to nobody else.
//! - The table is bounded; one that does not fit is not kept, and the peer takes
//!   this node for a stranger.

use std::{collections::HashMap, sync::Mutex};

use node_wire::{node_id::Nonce, peer_url::PeerUrl};

use node_base::sync::lock;

/// Most tokens that are kept.
const TOKENS_MAX: usize = 4_096;

/// The tokens by the peers that gave them.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<HashMap<String, Nonce>>);

impl Tokens {
    /// Keeps the token of a peer, its last one.
    pub(super) fn keep(&self, peer: &PeerUrl, token: Nonce) {
        let mut tokens = lock(&self.0);
        if tokens.len() < TOKENS_MAX || tokens.contains_key(&peer.key()) {
            tokens.insert(peer.key(), token);
        }
    }

    /// Returns the token to show to a peer.
    pub(super) fn of(&self, peer: &PeerUrl) -> Option<Nonce> {
        lock(&self.0).get(&peer.key()).copied()
    }
}
