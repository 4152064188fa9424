//! Tests of programs as handlers: their hits, their misbehaviour, and their directory.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make their own files, and a panic is how they fail"
)]

mod answers;
mod directory;
mod life;
mod rogues;
mod surroundings;
mod world;
