//! Rules of the design for the source, kept true: arrows between packages, homes of foreign libraries, form of files, and
//! paths that the documentation names.
//!
//! The checks read text. They find accidents of honest people, not tricks.

mod arrows;
mod docs;
mod files;
mod homes;
mod named_tests;
mod tree;
mod words;
