//! Limits on what this process, and each program that it starts, may ask of the system.
//!
//! Two layers, both for good: nobody in the process can take them off again.
//! - [`calls`]: system calls that only somebody who has broken in would make fail. On by default.
//! - [`files`]: files outside the share, the state and what the settings name cannot be opened. Off by default, because
//!   the kernel holds this process to the directory that was the share at the start: one that takes its place, such as a
//!   disk that was taken off and put back, cannot be opened without a restart.
//!
//! A worker that reads documents has layers of its own, far tighter ones ([`worker`]).
//!
//! # Invariants
//! - A layer is put on before any other thread runs, so that all have it.
//! - A layer that cannot be had is reported and logged, and the node goes on without it.

mod calls;
mod files;
mod worker;

use std::fmt::Display;

use clap::ValueEnum;
use node_api::node::{LayerState, SandboxStatus};
use serde::Deserialize;

use crate::settings::Settings;

/// The wanted layers.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Sandbox {
    /// None.
    Off,
    /// Dangerous system calls fail.
    #[default]
    Calls,
    /// As `calls`; and only the files that the settings name can be opened, and those of the system be read.
    Files,
}

/// Puts the layers on that the settings ask for. Returns what this process has.
pub(crate) fn put_on(settings: &Settings) -> SandboxStatus {
    let wanted = settings.sandbox;
    let files = match wanted {
        Sandbox::Files => files::confine(settings),
        Sandbox::Off | Sandbox::Calls => LayerState::Off,
    };
    let calls = match wanted {
        Sandbox::Calls | Sandbox::Files => calls::confine(),
        Sandbox::Off => LayerState::Off,
    };
    for (layer, state) in [("system calls", &calls), ("files", &files)] {
        if let LayerState::Unavailable { reason } = state {
            tracing::warn!(layer, %reason, "the node runs without a part of its sandbox");
        }
    }
    SandboxStatus { calls, files }
}

/// Takes from this process, a worker, all files, the network, and every system call but a few that change nothing outside
/// of it. Where the kernel does not have that, the limits of the process hold alone.
pub(crate) fn confine_worker() {
    worker::confine();
}

/// A layer that the system does not give.
fn unavailable(reason: &dyn Display) -> LayerState {
    LayerState::Unavailable {
        reason: reason.to_string(),
    }
}
