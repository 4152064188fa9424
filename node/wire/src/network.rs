//! A private network, as far as it can be seen on the wire.
//!
//! Each request and each answer has the header [`HEADER`]; `docs/protocol/identity.md` says
//! what is in it. An owner's own program does not have the key: its node makes the
//! header for one call of `query` at its peer port, and the program makes that call.
//! Both have to mean the same bytes, which are these.

use crate::digest::Digest;
use crate::messages::Query;
use crate::request;

/// Name of the HTTP header of requests and answers.
pub const HEADER: &str = "sixhop-network";

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
