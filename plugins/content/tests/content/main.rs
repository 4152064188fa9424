//! The handlers and their index from outside, over a share in memory.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests look at the index by path, and their helpers are tests too"
)]

mod bytes;
mod changes;
mod equal;
mod languages;
mod restart;
mod words;
mod world;
