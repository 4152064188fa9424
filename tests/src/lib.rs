//! The harness of the end-to-end tests.
//!
//! Participants: [`Home`], a temporary share and state; [`NodeProcess`], a running `noded`; [`Ctl`], runs of `ctl`;
//! [`Control`], the control port spoken by hand; [`http`] and [`xmlrpc`], clients written from the protocols; [`Rogue`], a
//! peer that misbehaves in one chosen way; [`Deserted`], a port where nobody listens; [`Listener`], who is no peer and counts who connects; [`Proxy`], a
//! peer that lies about content; [`Gate`], a door that lets one process through; [`Wire`], what somebody on the path sees
//! and does; [`Relay`], a man in the middle with a key of his own; [`PythonPeer`], the two peers of the book; [`names`], names that want out of the share; [`Meters`], what a process holds; [`Schema`], the
//! shape of JSON; [`Pty`], a program at a terminal;
//! [`Ui`], a running `ctl ui`; [`browser`], Chromium that looks at it.
//!
//! Goals: a test meets the programs only from outside; every wait has a deadline and says what it waited for; everything that
//! a test started ends with it. Non-goals: sharing code with the programs, because an error there must not hide itself here.
//!
//! `E2E_LOG=trace cargo test -p e2e` lets all nodes log everything; that no secret and no panic is in a log is checked at the
//! end of every node.
//!
//! # Invariants
//! - Nothing here uses a fixed port, a fixed path, or an address off the loopback.
//! - No client here trusts an answer: reads are bounded in bytes and in time.
//! - There is no `sleep` that hopes; [`wait_until`] polls.

#![allow(
    clippy::disallowed_methods,
    reason = "tests make and look at shares as their owners do: by path"
)]

pub mod browser;
pub mod http;
pub mod names;
pub mod rogue;
pub mod xmlrpc;

mod control;
mod controller;
mod daemon;
mod deserted;
mod gate;
mod home;
mod listener;
mod meters;
mod proxy;
mod pty;
mod python;
mod relay;
mod schema;
mod topology;
mod ui;
mod wait;
mod wire;

pub use browser::Browser;
pub use control::{Control, ControlError};
pub use controller::{Ctl, CtlRun};
pub use daemon::{NodeOptions, NodeProcess, Refusal};
pub use deserted::Deserted;
pub use gate::Gate;
pub use home::Home;
pub use listener::Listener;
pub use meters::Meters;
pub use proxy::Proxy;
pub use pty::Pty;
pub use python::{Dialect, PythonPeer, python};
pub use relay::Relay;
pub use rogue::{Conduct, Rogue};
pub use schema::Schema;
pub use topology::{chain, introduce, mesh, ring};
pub use ui::Ui;
pub use wait::{eventually, wait_until};
pub use wire::{Tapping, Wire};
