//! The peer protocol from outside: tables of hostile input, properties, and
//! bytes that other programs made.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test stops where it fails, and reads the files it compares with"
)]

mod contents;
mod encodings;
mod gate;
mod golden;
mod hostile_bytes;
mod names;
mod query_answers;
mod requests;
mod responses;
mod urls;
mod values;
