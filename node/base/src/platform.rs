//! What differs between systems.

pub mod space;
pub mod usage;
