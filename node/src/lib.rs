//! `noded`: a Sixhop node as a program.
//!
//! [`cli`] is what was said, [`settings`] what is meant; [`extensions`] chooses the handlers. [`running`] starts the node
//! with its [`control`] server and what it meets others by ([`meeting`]), and stops them; [`program`] is the life of the
//! process around that, [`sandbox`] is what it may still ask of the system, and `supervisor` tells a service manager
//! about it.
//!
//! # Invariants
//! - Standard output carries one line: that the node is ready, and where.
//! - The control server listens on loopback only, and nothing that it does is
//!   reachable without the secret.
//! - No option takes a secret.

pub mod cli;
pub mod control;
mod extensions;
mod log;
mod meeting;
pub mod program;
pub mod running;
pub mod sandbox;
pub mod settings;
mod supervisor;

pub use crate::{
    program::{main, run},
    running::{Running, StartError, start},
    settings::{Settings, SettingsError},
};
