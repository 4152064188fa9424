//! The handlers of a node: what answers queries about its share.
//!
//! A query is `[handler:]text`; without a prefix it is `name:`. The table maps
//! prefixes to handlers; a new handler is one line in [`Handlers::standard`], or
//! a script in the owner's directory, which is looked at again and again.
//!
//! # Invariants
//! - An answer ends: at its limit, at its deadline, or when all was looked at;
//!   and it says which.
//! - Handlers see the share only through [`plugin_api::Files`].
//! - All calls block; they belong on the blocking pool.

mod answer;
mod hits;
mod watch;

use std::{path::PathBuf, sync::Arc};

use plugin_api::{Files, Handler, HandlerError};
pub use plugin_script::ScriptState;
use plugin_script::Scripts;

pub use self::{
    answer::{Answer, End, Wanted},
    hits::{SEARCH_LIMIT_MAX, SearchHit, SearchHits},
    watch::watch_scripts,
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
pub struct Handlers {
    built_in: Vec<Arc<dyn Handler>>,
    scripts: Option<Arc<Scripts>>,
}

impl Handlers {
    /// The handlers that every node has.
    #[must_use]
    pub fn standard() -> Handlers {
        Handlers {
            built_in: vec![
                Arc::new(plugin_filename::Filename), // name:
            ],
            scripts: None,
        }
    }

    /// These handlers and the scripts in `directory`.
    #[must_use]
    pub fn with_scripts(self, directory: PathBuf) -> Handlers {
        let reserved = self.names();
        Handlers {
            scripts: Some(Arc::new(Scripts::new(directory, reserved))),
            ..self
        }
    }

    /// The handlers that every node has.
    #[must_use]
    pub fn built_in(&self) -> &[Arc<dyn Handler>] {
        &self.built_in
    }

    /// The scripts, if there is a directory of them.
    #[must_use]
    pub fn scripts(&self) -> Option<&Arc<Scripts>> {
        self.scripts.as_ref()
    }

    /// The names of the handlers.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let all = self.list();
        all.iter()
            .map(|handler| handler.name().to_owned())
            .collect()
    }

    /// The handlers as they are now.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<dyn Handler>> {
        let scripted = self.scripts.iter().flat_map(|scripts| scripts.handlers());
        let scripted = scripted.map(|handler| handler as Arc<dyn Handler>);
        self.built_in.iter().cloned().chain(scripted).collect()
    }

    /// Answers `query` about `share`.
    ///
    /// # Errors
    /// [`QueryError`] when nobody can answer it.
    pub fn answer(
        &self,
        share: &Arc<Share>,
        query: &str,
        wanted: Wanted,
    ) -> Result<Answer, QueryError> {
        if query.len() > QUERY_MAX {
            return Err(QueryError::TooLong);
        }
        let (prefix, text) = split(query);
        let handler = self.find(prefix)?;
        let files: Arc<dyn Files> = Arc::<Share>::clone(share);
        Ok(answer::collect(handler.as_ref(), text, &files, wanted)?)
    }

    fn find(&self, prefix: &str) -> Result<Arc<dyn Handler>, QueryError> {
        let handlers = self.list();
        let known: Vec<_> = handlers
            .iter()
            .map(|handler| format!("{}:", handler.name()))
            .collect();
        let mut handlers = handlers.into_iter();
        handlers
            .find(|handler| handler.name() == prefix)
            .ok_or_else(|| QueryError::NoHandler {
                prefix: prefix.chars().take(40).collect(),
                known: known.join(" "),
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
        assert!(names.iter().any(|name| name == DEFAULT_HANDLER));
    }

    #[test]
    fn the_examples_of_all_handlers_hold() {
        for handler in Handlers::standard().list() {
            plugin_api::check_examples(handler.as_ref()).unwrap();
        }
    }

    #[test]
    fn a_query_without_prefix_goes_to_the_default_handler() {
        assert_eq!(split("a b"), (DEFAULT_HANDLER, "a b"));
        assert_eq!(split("text:a:b"), ("text", "a:b"));
    }
}
