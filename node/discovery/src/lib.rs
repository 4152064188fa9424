//! Discovery: ways in which nodes meet that do not know each other.
//!
//! # Participants
//! - [`Lan`] says that this node is here and hears of others in the local
//!   network, by mDNS.
//! - [`Rendezvous`] meets the nodes of a network through a distributed hash
//!   table, a [`Dht`](dht::Dht).
//! - [`Publisher`] says there which files this node has, if its owner wants that;
//!   [`Holders`] finds out there who has one.
//! - [`Candidates`] decides which of those that were heard of are tried, and
//!   when: a state machine over a given clock.
//!
//! # What comes out
//! Candidates: URLs at which somebody says there is a node. They go to a
//! [`Meet`], which is the node's; its `hello` finds out whether it is true.
//!
//! # Non-goals
//! Knowing peers, calling them, remembering them: that is the node's.
//!
//! # Invariants
//! - Whatever comes from the network is hostile: tables and times have limits,
//!   and nobody can make the node call one place more than once a minute, or
//!   one machine more than [`candidates::PER_HOST`] times.
//! - What is said about this node is its address, its port and its path, and
//!   digests of files only by [`Publisher`], as places nobody can read back.
//! - What was started ends with its token, and is awaited.

pub mod candidates;
pub mod dht;
pub mod holders;
pub mod infohash;
pub mod lan;
mod networks;
pub mod publisher;
pub mod rendezvous;

use std::sync::Arc;

use node_wire::peer_url::PeerUrl;

pub use self::{
    candidates::Candidates,
    holders::Holders,
    infohash::Infohash,
    lan::{Lan, LanError, LanOptions},
    networks::{LanScope, is_lan},
    publisher::Publisher,
    rendezvous::Rendezvous,
};

/// A function that takes a candidate. It is called seldom and returns at once.
pub type Meet = Arc<dyn Fn(&PeerUrl) + Send + Sync>;
