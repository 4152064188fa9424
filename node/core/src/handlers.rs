//! The handlers of a node: what answers queries about its share.
//!
//! A query is `[handler:]text`; without a prefix it is `name:`. The table maps
//! prefixes to handlers; a new handler is one line in [`Handlers::standard`].
//!
//! # Invariants
//! - An answer ends: at its limit, at its deadline, or when all was looked at;
//!   and it says which.
//! - Handlers see the share only through [`plugin_api::Files`].
//! - All calls block; they belong on the blocking pool.

mod answer;
mod hits;

use plugin_api::{Handler, HandlerError};

pub use self::{
    answer::{Answer, End, Wanted},
    hits::{SEARCH_LIMIT_MAX, SearchHit, SearchHits},
};
use crate::share::Share;

/// The handler of a query without a prefix.
pub const DEFAULT_HANDLER: &str = "name";

/// Longest query, in bytes.
pub const QUERY_MAX: usize = 4_096;

/// Why a query was not answered.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// It is longer than [`QUERY_MAX`].
    #[error("the query is longer than {QUERY_MAX} bytes")]
    TooLong,
    /// No handler has this prefix.
    #[error("no handler answers `{prefix}:`; there are: {known}")]
    NoHandler {
        /// The prefix.
        prefix: String,
        /// The prefixes that there are.
        known: String,
    },
    /// The handler refused it.
    #[error(transparent)]
    Handler(#[from] HandlerError),
}

/// The table of handlers.
pub struct Handlers(Vec<Box<dyn Handler>>);

impl Handlers {
    /// The handlers that every node has.
    #[must_use]
    pub fn standard() -> Handlers {
        Handlers(vec![
            Box::new(plugin_filename::Filename), // name:
        ])
    }

    /// The names of the handlers.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.0.iter().map(|handler| handler.name()).collect()
    }

    /// The handlers, for help texts.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Handler> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Answers `query` about `share`.
    ///
    /// # Errors
    /// [`QueryError`] when nobody can answer it.
    pub fn answer(&self, share: &Share, query: &str, wanted: Wanted) -> Result<Answer, QueryError> {
        if query.len() > QUERY_MAX {
            return Err(QueryError::TooLong);
        }
        let (prefix, text) = split(query);
        let handler = self.find(prefix)?;
        Ok(answer::collect(handler, text, share, wanted)?)
    }

    fn find(&self, prefix: &str) -> Result<&dyn Handler, QueryError> {
        self.iter()
            .find(|handler| handler.name() == prefix)
            .ok_or_else(|| QueryError::NoHandler {
                prefix: prefix.chars().take(40).collect(),
                known: self
                    .names()
                    .iter()
                    .map(|name| format!("{name}:"))
                    .collect::<Vec<_>>()
                    .join(" "),
            })
    }
}

impl std::fmt::Debug for Handlers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Handlers").field(&self.names()).finish()
    }
}

/// Splits a query into prefix and text. No share name holds a colon, so a
/// colon always ends a prefix.
fn split(query: &str) -> (&str, &str) {
    query.split_once(':').unwrap_or((DEFAULT_HANDLER, query))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_handlers_are_unique_and_can_be_typed() {
        let handlers = Handlers::standard();
        let names = handlers.names();
        for (n, name) in names.iter().enumerate() {
            assert!(!names[..n].contains(name), "{name} twice");
            assert!(
                name.chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
                "{name}"
            );
        }
        assert!(names.contains(&DEFAULT_HANDLER));
    }

    #[test]
    fn the_examples_of_all_handlers_hold() {
        for handler in Handlers::standard().iter() {
            plugin_api::check_examples(handler).unwrap();
        }
    }

    #[test]
    fn a_query_without_prefix_goes_to_the_default_handler() {
        assert_eq!(split("a b"), (DEFAULT_HANDLER, "a b"));
        assert_eq!(split("text:a:b"), ("text", "a:b"));
    }
}
