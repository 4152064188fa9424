//! The common ground of scripts and programs as handlers of an owner.
//!
//! # Participants
//! - [`Directory`] keeps the files of a directory that became a [`Plugin`]: those that appear, change and go.
//! - [`Header`] is the description in a plugin; [`WrittenExample`] is its form of an example.
//! - [`Strikes`] counts failures in a row and switches a plugin off after [`FAILURES_MAX`].
//! - [`Answers`] bounds how many plugins answer at a time, with [`Permits`], a counting semaphore for threads.
//! - [`stand_back`] lowers the priority of a thread.
//! - [`rights`] checks that no stranger may write a file that the node runs.
//!
//! # Invariants
//! - A prefix belongs to one plugin of a directory, and to none that stands before the directory.
//! - A new version that is not valid changes nothing.
//! - Every wait, table and text has a named limit.

mod answers;
mod directory;
mod header;
mod limits;
mod permits;
mod priority;
pub mod rights;
mod strikes;
mod sync;

pub use self::{
    answers::{ANSWERS_MAX, Answers, WAITING_MAX},
    directory::{Directory, DirectoryError, Kind, Lines, Plugin, Put},
    header::{EXAMPLES_MAX, Header, WORD_MAX, WordError, WrittenExample, word},
    limits::{EXCERPT_MAX, HITS_MAX, PROBLEM_MAX, one_line},
    permits::{Permit, Permits},
    priority::{NICENESS, stand_back},
    rights::{RightsError, Seen},
    strikes::{FAILURES_MAX, Strikes},
    sync::lock,
};
