//! Passes: an owner's own program may make one request at the peer port of a private network.
//!
//! The program has no key of the network. Over the control connection its node gives it a
//! pass, which is good once, on this machine, for the request that it was given for.
//!
//! # Invariants
//! - A pass is random: it is made of no key, and who sees one learns nothing.
//! - At most [`PASSES_MAX`] are kept; the oldest makes room.

use std::{collections::VecDeque, sync::Mutex};

use axum::http::{Method, request::Parts};
use node_wire::{
    Digest, Nonce,
    name::ShareName,
    network::{OWN_QUERY_PATH, PASS_HEADER, own_blob_path, own_query, own_tree_path},
};

use super::front::Remote;
use crate::{identity::random_nonce, sync::lock};

/// Most passes that are kept.
const PASSES_MAX: usize = 256;

/// The passes that were given and not used.
#[derive(Debug, Default)]
pub(crate) struct Passes(Mutex<VecDeque<(Nonce, OwnRequest)>>);

/// The one request that a pass is good for.
#[derive(Debug, PartialEq)]
struct OwnRequest {
    method: Method,
    path: String,
    body: Vec<u8>,
}

impl Passes {
    /// Returns a pass for the owner's own call of `query` for a file.
    #[must_use]
    pub(crate) fn for_query(&self, name: &ShareName) -> Nonce {
        self.give(OwnRequest {
            method: Method::POST,
            path: OWN_QUERY_PATH.to_owned(),
            body: own_query(name.as_str()),
        })
    }

    /// Returns a pass for the owner's own request for content.
    #[must_use]
    pub(crate) fn for_blob(&self, digest: &Digest) -> Nonce {
        self.give(OwnRequest {
            method: Method::GET,
            path: own_blob_path(digest),
            body: Vec::new(),
        })
    }

    /// Returns a pass for the owner's own request for the tree of content.
    #[must_use]
    pub(crate) fn for_tree(&self, digest: &Digest) -> Nonce {
        self.give(OwnRequest {
            method: Method::GET,
            path: own_tree_path(digest),
            body: Vec::new(),
        })
    }

    /// Uses up the pass of a request. Returns true if it is good for it.
    pub(super) fn admit(&self, parts: &Parts, body: &[u8]) -> bool {
        let shown = parts.headers.get(PASS_HEADER);
        let Some(shown) = shown.and_then(|shown| shown.to_str().ok()?.parse().ok()) else {
            return false;
        };
        let remote = parts.extensions.get::<Remote>();
        if !remote.is_some_and(|remote| remote.ip().to_canonical().is_loopback()) {
            return false;
        }
        let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
        let is_it = |(pass, request): &(Nonce, OwnRequest)| {
            *pass == shown
                && request.method == parts.method
                && request.path == path
                && request.body == body
        };
        let mut passes = lock(&self.0);
        let at = passes.iter().position(is_it);
        at.and_then(|at| passes.remove(at)).is_some()
    }

    fn give(&self, request: OwnRequest) -> Nonce {
        let pass = random_nonce();
        let mut passes = lock(&self.0);
        if passes.len() >= PASSES_MAX {
            passes.pop_front();
        }
        passes.push_back((pass, request));
        pass
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::http::Request;

    use super::*;

    fn request(pass: Nonce, path: &str, from: [u8; 4]) -> Parts {
        let request = Request::builder()
            .method(Method::GET)
            .uri(path)
            .header(PASS_HEADER, pass.to_string());
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let from = SocketAddr::from((from, 1));
        parts.extensions.insert(Remote::plain(from));
        parts
    }

    const HERE: [u8; 4] = [127, 0, 0, 1];

    #[test]
    fn a_pass_is_good_once_here_and_for_one_request() {
        let passes = Passes::default();
        let digest = Digest::from_bytes([7; 32]);
        let (pass, path) = (passes.for_blob(&digest), own_blob_path(&digest));
        for wrong in [
            request(pass, "/", HERE),
            request(pass, &format!("{path}/tree"), HERE),
            request(pass, &format!("{path}?x"), HERE),
            request(Nonce([1; 32]), &path, HERE),
            request(pass, &path, [192, 168, 0, 1]),
        ] {
            assert!(!passes.admit(&wrong, b""), "{wrong:?}");
        }
        assert!(!passes.admit(&request(pass, &path, HERE), b"a body"));
        assert!(passes.admit(&request(pass, &path, HERE), b""));
        assert!(!passes.admit(&request(pass, &path, HERE), b""), "again");
        let (pass, tree) = (passes.for_tree(&digest), own_tree_path(&digest));
        assert!(!passes.admit(&request(pass, &path, HERE), b""));
        assert!(passes.admit(&request(pass, &tree, HERE), b""));
    }

    #[test]
    fn the_oldest_passes_make_room() {
        let passes = Passes::default();
        let given: Vec<_> = (0..=PASSES_MAX)
            .map(|n| {
                let mut digest = [0; 32];
                digest[..8].copy_from_slice(&n.to_be_bytes());
                let digest = Digest::from_bytes(digest);
                (passes.for_blob(&digest), own_blob_path(&digest))
            })
            .collect();
        let admitted = |n: usize| {
            let (pass, path): &(Nonce, String) = &given[n];
            passes.admit(&request(*pass, path, HERE), b"")
        };
        assert!(!admitted(0));
        assert!(admitted(1) && admitted(PASSES_MAX));
    }
}
