//! Tests of scripts as handlers: their hits, their limits, and their directory.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make their own files, and a panic is how they fail"
)]

mod directory;
mod hostile;
mod reach;
mod world;
