//! A Sixhop node as a library.
//!
//! A node offers the files of one directory to its peers and brings files from
//! them. This crate is everything of it but the command line, the settings and
//! the control connection.
//!
//! # The rooms, from the ground up
//! Each uses only those before it, and the crates below: `node-base`,
//! `node-share`, `node-transport` and `node-overlay`.
//!
//! - [`handlers`]: the answers to queries about the share.
//! - [`cache`]: content that passed through, kept by its digest.
//! - [`search`]: a search here and at the peers; [`browse`]: the files of one peer.
//! - [`transfer`]: fetching a file into the share.
//! - [`tickets`]: links for people without Sixhop.
//! - [`server`]: the peer port: its front with the limits, routes, methods.
//! - [`watches`]: the owner's queries that stand, here and at the peers.
//! - [`node`]: putting the rooms together: start, stop.
//!
//! A query comes in through `server`, asks the overlay, which asks others through the
//! transport; a fetch comes from the control connection to `transfer`, which asks the
//! overlay, reads through the transport and stores through the share.
//!
//! # Invariants
//! - A file of the share is reached through [`node_share::Share`] and a
//!   [`node_wire::name::ShareName`] only, never through a path.
//! - Decisions (which peers, in which order, until when) are state machines
//!   without I/O; time is a parameter.
//! - Every table, queue, body, wait and fan-out has a named limit.
//! - Everything that is started here is stopped and awaited by
//!   [`node::Node::stop`].
//! - There is no control connection, no command line and no environment here.

pub mod browse;
pub mod cache;
pub mod groups;
pub mod handlers;
pub mod node;
pub mod search;
pub mod server;
pub mod tickets;
pub mod transfer;
pub mod watches;

use node_base::{bucket, clock, counters, disk, events, pace, rate, secret, state, sync, threads};
use node_overlay as overlay;
use node_share as share;
use node_transport::{self as client, identity, network};
use node_wire::pieces;
