//! The interface of handlers: a handler answers queries of one kind.
//!
//! A node keeps a table of handlers. A query `prefix:text` goes to the handler
//! whose name is the prefix; the handler looks at the files of the share and
//! gives its hits, one by one, to a sink that says when to stop.
//!
//! # Participants
//! - A [`Handler`] answers. It is written against this crate alone.
//! - The *node* owns the handlers, hands them a view of its [`Files`] and
//!   collects what they find through a [`Sink`].
//! - An [`Index`] and a [`PluginDirectory`] bring handlers that live as long as the
//!   node: with an index of the share, and from the files of a directory.
//! - A [`Policy`] decides what other nodes may ask and have; a [`PolicySource`]
//!   follows it as its owner changes it.
//!
//! # Goals
//! Small and stable: a handler written today compiles tomorrow. Enough to
//! answer from names, contents or anything else that a file has.
//!
//! # Non-goals
//! Handlers do not fetch, forward or rank across nodes; that is the node's.
//!
//! # Invariants
//! - This crate owns all its types and depends on `thiserror` only.
//! - There is no I/O here and no way to reach a file outside the share: a
//!   handler sees names and, through [`Files`], what the node chooses to show.
//! - There is no async here. Handlers run on the node's blocking threads.

mod examples;
mod handler;
mod policy;
mod source;
mod words;

pub use examples::{ExampleError, check_examples};
pub use handler::{
    Asker, Changes, Example, Excerpt, FileInfo, FileReader, Files, Flow, Gap, GapReason, Handler,
    HandlerError, Hit, NameCheck, Place, Sink, SummaryKeys,
};
pub use policy::{
    FetchAsked, HitsAllowed, Policy, PolicyError, PolicySource, PolicyState, QueryAsked, RankAsked,
    Reads, Rule, Rules, What,
};
pub use source::{DocumentsStatus, Index, IndexStatus, PluginDirectory, PluginFile, TextListener};
pub use words::words;
