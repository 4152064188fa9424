//! A private network, as far as it can be seen on the wire.
//!
//! Two members show each other that they have the key once a connection: the caller makes the
//! request [`MEMBER_PATH`], and both put their proofs in the header [`MEMBER_HEADER`];
//! `docs/protocol/identity.md` says what is in them. An owner's own program does not have the key: its
//! node gives it a pass for one request at its own peer port, shown in [`PASS_HEADER`]. Both have to mean
//! the same bytes of that request, which are these.

use crate::digest::Digest;
use crate::messages::Query;
use crate::request;

/// The path of the request with which a connection shows that it is of a member, a GET.
pub const MEMBER_PATH: &str = "/member";

/// Name of the HTTP header with a proof of membership, in that request and its answer.
pub const MEMBER_HEADER: &str = "sixhop-member";

/// Name of the HTTP header with an owner's pass.
pub const PASS_HEADER: &str = "sixhop-pass";

/// The path of an owner's own call of `query`, a POST.
pub const OWN_QUERY_PATH: &str = "/RPC2";

/// The path of an owner's own request for content, a GET without a body.
#[must_use]
pub fn own_blob_path(digest: &Digest) -> String {
    format!("/blobs/{digest}")
}

/// The path of an owner's own request for the tree of content, a GET without a body.
#[must_use]
pub fn own_tree_path(digest: &Digest) -> String {
    format!("/blobs/{digest}/tree")
}

/// Returns the body of an owner's own call of `query` for the file `name`.
#[must_use]
pub fn own_query(name: &str) -> Vec<u8> {
    let query = Query {
        name: name.to_owned(),
        history: Vec::new(),
    };
    request::write(&query.to_call())
}
