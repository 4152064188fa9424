//! Tests of the chapter's protocol, spoken with Python's standard library: clients, and peers of both dialects.

mod clients;
mod networks;
mod peers;
