//! Handlers written in rhai: an owner's own kinds of answers, in a few lines.
//!
//! # Participants
//! - `header` reads the names of a script, and the examples it promises.
//! - A [`ScriptHandler`] is one script that compiled; it answers queries.
//! - `sandbox` is the language, with the limits of a script.
//! - `capability` has the files of the share, to read.
//! - [`Scripts`] follows a directory: a new file is loaded, a changed one that
//!   compiles takes the place of the old version.
//! - [`ScriptPolicy`] is another kind of script, in the same sandbox: it decides what
//!   others may ask and have.
//!
//! # Invariants
//! - A script reaches nothing but the files that the node shows it: no other
//!   file, no network, no process, no clock, no other script.
//! - Every call ends: after [`OPERATIONS_MAX`] operations, [`TIME`] of a processor
//!   or [`TIME_WHOLE`] in all, and with everything it holds within limits.
//! - It runs on a thread that stands back behind the rest of the node.
//! - Nothing is kept between two calls.
//! - A script that fails [`FAILURES_MAX`] times in a row is not called again
//!   until its file changes.
//! - A new version that does not compile changes nothing.
//!
//! # Non-goals
//! Handlers do not see the asker. No script writes, or talks to other nodes.

mod background;
mod capability;
mod directory;
mod handler;
mod header;
mod memory;
mod place;
#[allow(
    clippy::disallowed_methods,
    reason = "the directory of the policy is named by the person at the machine"
)]
mod policy;
mod sandbox;
#[expect(
    clippy::disallowed_methods,
    reason = "the directory of scripts is named by the person at the machine"
)]
mod source;

pub use plugin_host::FAILURES_MAX;
use plugin_host::RightsError;

pub use self::{
    directory::{SCRIPTS_MAX, Scripts},
    handler::ScriptHandler,
    header::{HeaderError, SOURCE_MAX},
    policy::{
        POLICY_FILE, POLICY_HITS_TIME, POLICY_OPERATIONS_MAX, POLICY_TIME, PolicyExampleError,
        PolicyFile, ScriptPolicy,
    },
    sandbox::{OPERATIONS_MAX, TIME, TIME_WHOLE},
};

/// The error of a script that is not a handler.
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
    /// A policy without any function that is one.
    #[error("there is none of the functions `allow_query(q)`, `allow_fetch(f)` and `rank(hit)`")]
    NoRule,
    /// A function of a policy cannot be called with one value.
    #[error("the function `{0}` must have one parameter")]
    Parameters(&'static str),
    /// A function of a policy looks like one that guards and is not.
    #[error("`{0}` would guard nothing; what guards is `allow_query(q)` and `allow_fetch(f)`")]
    Misspelt(String),
    /// A policy that is a directory, a symbolic link or the like.
    #[error("it is no regular file")]
    NoFile,
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// Others could have written it.
    #[error(transparent)]
    Rights(#[from] RightsError),
}
