//! Asking a node through another one, because it cannot be reached from here.
//!
//! A node that named a holder can be asked to ask it: `sixhop.find` with the member `through`, then `/blobs/DIGEST` and
//! `/blobs/DIGEST/tree` with the header [`HEADER`], each with the URL of the holder. It asks only a peer that it has met,
//! and passes on only content that this peer said it has. Nodes that do not know of this answer for themselves.

/// Name of the HTTP request header that names the holder.
pub const HEADER: &str = "sixhop-through";
