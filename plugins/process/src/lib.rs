//! Handlers in any language: programs that the node starts, asks and watches.
//!
//! A program is an executable file in the owner's directory. It reads requests
//! and writes answers, one JSON object a line, on standard input and output;
//! `docs/handlers.md` has the protocol for authors, [`message`] has it in types.
//!
//! # Participants
//! - A [`Program`] is one file that introduced itself; it answers queries, one
//!   at a time.
//! - [`Programs`] follows a directory: a new file is started, a changed one that
//!   introduces itself takes the place of the old version.
//! - `process` is a program while it runs: it introduces itself and ends its answers.
//! - `leash` holds a process: start, limits, and an end that leaves nothing.
//! - `pipes` exchanges lines with it, and each wait has a limit.
//! - `conversation` is one answer: the requests of the program and its hits.
//!
//! # Invariants
//! - A program is shown names, sizes and contents of shared files through the
//!   protocol, never a path, and no descriptor but its three pipes.
//! - It runs only files that nobody but the owner and root can write.
//! - Its limits hold before its first instruction.
//! - Every line, answer, wait and pause has a named limit. A program that breaks
//!   one is killed with its process group, and started again after a pause that
//!   grows; after [`FAILURES_MAX`] failures in a row it rests until its file changes.
//! - When a [`Program`] is stopped or dropped, its process is gone and waited for.
//! - There are no threads here but those of the callers.
//!
//! # Non-goals
//! A program is its owner's and runs with the owner's rights: the limits guard
//! against mistakes and not against malice. One that leaves its process group on purpose
//! is not followed.

mod back_off;
mod changes;
mod conversation;
mod directory;
mod files;
mod grumbling;
mod header;
mod leash;
#[expect(
    clippy::disallowed_methods,
    reason = "what a process took is read where the system tells it"
)]
mod limits;
mod message;
mod pipes;
mod process;
mod program;
#[expect(
    clippy::disallowed_methods,
    reason = "the directory of programs is named by the person at the machine"
)]
mod rights;
mod turn;

pub use plugin_host::FAILURES_MAX;
use plugin_host::RightsError;

pub use self::{
    back_off::{BACK_OFF_FIRST, BACK_OFF_MAX},
    conversation::{ANSWER_TIME, OUTPUT_MAX, READ_MAX},
    directory::{PROGRAMS_MAX, Programs},
    header::HeaderError,
    leash::END_GRACE,
    limits::{FILES_OPEN_MAX, MEMORY_MAX, PROCESSES_MAX, TIME_MAX},
    pipes::LINE_MAX,
    process::{CANCEL_GRACE, HANDSHAKE_TIME},
    program::Program,
    rights::is_program,
};

/// The error of a file that is not a handler.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// Its header is not valid.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// It did not introduce itself.
    #[error("it did not introduce itself: {0}")]
    Handshake(String),
    /// It cannot be looked at or started.
    #[error("it cannot be started: {0}")]
    Start(#[from] std::io::Error),
    /// It is not a file that can be run.
    #[error("it is no program: {0}")]
    NoProgram(&'static str),
    /// Others could have written it, or it is somebody else's.
    #[error(transparent)]
    Rights(#[from] RightsError),
}
