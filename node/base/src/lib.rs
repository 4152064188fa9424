//! The ground floor of a Sixhop node: parts that every room needs, and nothing that decides.
//!
//! - [`clock`]: the time, which a test can pause.
//! - [`state`]: small files of the node's own, written whole or not at all; [`secret`]: the one that proves the owner; [`token`]: texts
//!   that prove others; [`link`]: texts in URLs that let others take or leave files.
//! - [`events`] and [`counters`]: numbered events, and counts.
//! - [`rate`], [`pace`] and [`bucket`]: bytes a second, silence, and calls a second; [`schedule`]: rates by the time of
//!   day.
//! - [`disk`]: the one door for blocking work; [`threads`]: threads for work that takes long.
//! - [`platform`]: the parts that differ between systems: process, files, watching of mounts, connections.
//! - [`admission`]: connections of the owner and of strangers on this machine.
//! - [`size`]: sizes as people write them; [`home`]: `~` in paths.
//! - [`sync`]: locks that outlive a panic.

pub mod admission;
pub mod bucket;
pub mod clock;
pub mod counters;
pub mod disk;
pub mod events;
pub mod home;
pub mod link;
pub mod pace;
pub mod platform;
pub mod rate;
pub mod schedule;
pub mod secret;
pub mod size;
pub mod state;
pub mod sync;
pub mod threads;
pub mod token;
