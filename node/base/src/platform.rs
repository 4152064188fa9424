//! The parts of the code that differ between systems.

pub mod space;
pub mod usage;
