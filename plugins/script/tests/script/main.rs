//! Scripts as handlers: what they find, what they cannot do, and their directory.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make their own files, and a panic is how they fail"
)]

mod directory;
mod hostile;
mod reach;
mod world;
