//! The front of the peer port under attack: everything that killed, leaked or fooled other servers.
//!
//! Each attack is one test of its own node, beside an honest client from another address. Afterwards the node lives, nothing
//! has panicked, its peak is small, and its threads and descriptors are back.

mod connections;
mod floods;
mod framing;
mod requests;
mod siege;
mod slowness;
