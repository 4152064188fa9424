//! `noded`: a Sixhop node as a program.
//!
//! [`cli`] has the options, [`settings`] their meaning; [`extensions`] chooses the handlers. [`running`] starts the node
//! with its [`control`] server and its ways to meet others ([`meeting`]), and stops them; [`program`] is the life of the
//! process around that, [`worker`] its other role: it reads one document; [`sandbox`] limits what it may ask of the system, and `supervisor` tells a service manager about
//! it.
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
pub mod worker;

pub use crate::{
    program::{main, run},
    running::{Running, StartError, start},
    settings::{Settings, SettingsError},
};
