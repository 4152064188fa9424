//! A Sixhop node as a library.
//!
//! A node offers the files of one directory to its peers and brings files from
//! them. This crate is everything of it but the command line, the settings and
//! the control connection.
//!
//! # The rooms, from the ground up
//! Each uses only what stands before it.
//!
//! - [`state`]: small files of the node's own, written whole or not at all.
//! - [`secret`]: what proves an owner; [`identity`]: who the node is to others;
//!   [`network`]: the key of a private network.
//! - [`counters`] and [`events`]: what the node has done, and what happens.
//! - [`disk`]: the one door for blocking work.
//! - [`pieces`]: how content is checked while it arrives; [`size`]: sizes as people write them.
//! - [`share`]: the shared directory: opening, listing and storing files.
//! - [`handlers`]: what answers queries about the share.
//! - [`cache`]: content that passed through, kept by its digest.
//! - [`client`]: calls to other nodes, behind a transport with an in-memory twin.
//! - [`overlay`]: who knows whom, and the walk of a query among them.
//! - [`transfer`]: fetching a file into the share.
//! - [`server`]: the peer port: its front with the limits, routes, methods.
//! - [`node`]: putting the rooms together: start, stop.
//!
//! So a query comes in through `server`, asks `overlay`, which asks others
//! through `client`; a fetch comes from the control connection to `transfer`,
//! which asks `overlay`, reads through `client` and stores through `share`.
//!
//! # Invariants
//! - A file of the share is reached through [`share::Share`] and a
//!   [`node_wire::name::ShareName`] only, never through a path.
//! - Decisions (which peers, in which order, until when) are state machines
//!   without I/O; time is a parameter.
//! - Every table, queue, body, wait and fan-out has a named limit.
//! - Everything that is started here is stopped and awaited by
//!   [`node::Node::stop`].
//! - There is no control connection, no command line and no environment here.

pub mod cache;
pub mod client;
pub mod counters;
pub mod disk;
pub mod events;
pub mod handlers;
pub mod identity;
pub mod network;
pub mod node;
pub mod overlay;
pub mod pieces;
pub mod secret;
pub mod server;
pub mod share;
pub mod size;
pub mod state;
pub mod transfer;

/// The peer protocol, for those who stand on this crate.
pub use node_wire as wire;
/// The handler contract, for those who stand on this crate.
pub use plugin_api as plugin;

mod bucket;
mod clock;
mod pace;
pub mod rate;
mod sync;
