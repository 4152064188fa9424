//! `ctl` as a program, against a control server that answers as a node would.
//!
//! The work between real nodes is tested elsewhere; here it is about the use that `ctl` makes of answers: results,
//! sentences and exit codes.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make their own files, and a panic is how they fail"
)]

mod calls;
#[cfg(feature = "embedded")]
mod documentation;
mod errors;
mod fake;
mod fetching;
#[cfg(feature = "embedded")]
mod own_nodes;
mod program;
mod scripts;
mod shell;
