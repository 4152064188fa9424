//! Summaries: what peers have, in few bytes, so that nobody is asked in vain.
//!
//! # Participants
//! - [`keys`]: the keys of a file in a summary.
//! - [`Question`]: a search, as summaries can answer it.
//! - [`Summaries`]: the last summary of each of our peers, and how often it was right.
//! - [`Poller`]: asks them for it, again and again.
//!
//! # How far a summary is believed
//! A *no* keeps a peer from being asked, so it counts only while the peer says that
//! it still holds ([`NO_AGE`]); a *yes* only brings it forward, and is checked against
//! what the peer then has. A peer of which more than every second yes was wrong is
//! asked as if it had said nothing.
//!
//! # Invariants
//! - At most [`SUMMARIES_MAX`] summaries are kept and asked for.
//! - What a peer told us and nobody else ([`Summary::is_public`](node_wire::Summary))
//!   goes to nobody else.
//! - The table is a state machine without I/O; time is a parameter.

pub mod keys;
mod poller;
mod question;
mod table;

pub use self::question::{LocalHandlers, QueryKeys};
pub(crate) use self::question::{NoHandlers, Question};
pub use self::{
    poller::Poller,
    table::{NEAR_BYTES_MAX, NO_AGE, SUMMARIES_MAX, Summaries, YES_AGE},
};
