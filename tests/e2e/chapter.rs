//! The chapter's protocol, spoken with Python's standard library: clients, peers of both dialects, and what becomes of peers.

mod clients;
mod networks;
mod peers;
