//! Handlers written in rhai: an owner's own kinds of answers, in a few lines.
//!
//! # Participants
//! - A `Header` says what a script is called and promises examples.
//! - A [`ScriptHandler`] is one script that compiled; it answers queries.
//! - `sandbox` is the language: what a script can do and how much of it.
//! - `capability` is what it can reach: the files of the share, to read.
//! - [`Scripts`] follows a directory: what appears is loaded, what changes and
//!   compiles takes the place of the old version.
//!
//! # Invariants
//! - A script reaches nothing but the files that the node shows it: no other
//!   file, no network, no process, no clock, no other script.
//! - Every call ends: after [`OPERATIONS_MAX`] operations, [`TIME`] of its own
//!   or [`TIME_WHOLE`] in all, and with everything it holds within limits.
//! - Nothing is kept between two calls.
//! - A script that fails [`FAILURES_MAX`] times in a row is not called again
//!   until its file changes.
//! - A new version that does not compile changes nothing.
//!
//! # Non-goals
//! Scripts do not see who asks, do not write, and do not talk to other nodes.

mod capability;
#[expect(
    clippy::disallowed_methods,
    reason = "the directory of scripts is named by the person at the machine"
)]
mod directory;
mod handler;
mod header;
mod memory;
mod sandbox;

pub use self::{
    directory::{SCRIPTS_MAX, ScriptState, Scripts},
    handler::{FAILURES_MAX, RUNNING_MAX, ScriptHandler},
    header::{HeaderError, SOURCE_MAX},
    sandbox::{OPERATIONS_MAX, TIME, TIME_WHOLE},
};

/// Why a script is no handler.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// Its header is not right.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// It does not compile.
    #[error("{0}")]
    Compile(String),
    /// There is nothing to call.
    #[error("there is no function `answer(query)`")]
    NoAnswer,
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// Others could have written it.
    #[error("others than its owner may write to {0}; take that right away with chmod go-w")]
    Writable(&'static str),
    /// Another handler has this prefix.
    #[error("the prefix `{0}:` is taken")]
    Taken(String),
    /// There are too many.
    #[error("there are more than {SCRIPTS_MAX} scripts")]
    TooMany,
}
