//! Tests of the control port: access, messages, and refusals.

mod access;
mod browsing;
mod calls;
mod ids;
