//! The control port: who may speak, what is said, and what is refused.

mod access;
mod browsing;
mod calls;
mod ids;
