//! The control contract of a Sixhop node.
//!
//! The holder of the node's secret may drive it over JSON-RPC 2.0, and the holder of a token may do what the level of that
//! token says; each method stands beside the [level](level::Level) that it needs. This crate
//! defines the messages: one trait a namespace, plain types, error codes, and
//! the `OpenRPC` document made from the same lines as the traits.
//!
//! # Participants
//! The *server* (the control server of `node`) implements the `…Server` traits;
//! a *client* (`ctl`, or any program with a JSON-RPC library) calls the
//! methods. Both compile against this crate and nothing below it. The rooms of
//! the node that find and fetch files use the types alone: without the feature
//! `rpc` there are no traits and no jsonrpsee.
//!
//! # Conventions
//! Methods are named `namespace.snake_case` and take named parameters. Times
//! are Unix milliseconds, sizes are bytes, addresses are URLs. A field that is
//! not known is absent or `null`, never a made-up value. New fields may appear
//! in answers; clients ignore what they do not know.
//!
//! # Invariants
//! - No file content ever travels over control.
//! - No parameter is a path of the machine: files are named by their names in
//!   the share. So a stolen control connection cannot read or write outside it.
//!   Files that are shared in a private network it can read, as the owner can (`fetch.pass`).
//! - No secret is a parameter or part of an answer.
//! - This crate does no I/O.

mod contract;

pub mod cache;
pub mod error;
pub mod events;
pub mod fetch;
pub mod level;
pub mod node;
pub mod openrpc;
pub mod peer;
pub mod plugin;
pub mod search;
pub mod share;
pub mod ticket;
pub mod token;
pub mod watch;

/// Version of this contract. The first number changes when a client that
/// follows the conventions above would break.
pub const API_VERSION: &str = "1.1.0";

/// Default address of the control connection.
pub const DEFAULT_CONTROL: &str = "127.0.0.1:4243";
