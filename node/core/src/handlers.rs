//! The handlers of a node, which answer queries about its share.
//!
//! A [`query`] is `[handler:]text`; without a prefix it is `name:`, and then `text:` as
//! well if it may be words ([`both`]). The table maps
//! prefixes to handlers. Who composes the node chooses them ([`Extensions`]): those that
//! are compiled in, those with an index, and directories of the owner, which are looked
//! at again and again ([`Plugins`]).
//!
//! # Invariants
//! - An answer ends: at its limit, at its deadline, or when all was looked at;
//!   and it says which.
//! - Handlers see the share only through [`plugin_api::Files`].
//! - An answer takes as long as its handler and, in a live one, as who takes it: it is
//!   given on [`Threads`], never on the disk's pool.

mod answer;
mod both;
mod extensions;
mod filtered;
mod hits;
mod live;
mod named;
mod plugins;
mod watch;

use std::{collections::BTreeSet, sync::Arc, time::SystemTime};

use node_overlay::{LocalHandlers, QueryKeys};
use node_wire::query::{self, CONTENTS_HANDLER, DEFAULT_HANDLER, ParsedQuery, Quotes, SyntaxError};
pub use plugin_api::Asker;
use plugin_api::{Changes, Files, Handler, HandlerError, Index, NameCheck, PluginDirectory};

pub(crate) use self::filtered::behind;
pub(crate) use self::{answer::within, hits::to_find};
pub use self::{
    answer::{Answer, Bounds},
    extensions::{CaughtUp, Extensions, OpenIndex},
    hits::{SEARCH_LIMIT_MAX, SearchHits, described, described_excerpt},
    live::{LiveAnswer, Page, PageMost},
    plugins::Plugins,
    watch::watch_plugins,
};
use self::{both::Both, filtered::filtered, named::NamedFiles};
use crate::threads::{Place, ThreadError, Threads};

/// The reason why a query was not answered.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// It is not a query.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// The handler came to its end without an answer.
    #[error("the handler `{0}:` broke; the log of the node says more")]
    Broken(String),
    /// No handler has this prefix.
    #[error(
        "no handler answers `{prefix}:`; there are: {known}; a name with a colon in it is found in \"quotes\""
    )]
    NoHandler {
        /// The prefix.
        prefix: String,
        /// The prefixes that there are.
        known: String,
    },
    /// The handler refused it.
    #[error(transparent)]
    Handler(#[from] HandlerError),
    /// All places for answers are taken.
    #[error("too many searches run, try again later")]
    Busy,
    /// The system gave no thread for the answer, or it panicked.
    #[error(transparent)]
    Thread(#[from] ThreadError),
}

impl QueryError {
    /// Returns the error in words for a stranger. What a handler says of its own failure may name paths of this machine:
    /// that is the owner's, and goes to the log.
    #[must_use]
    pub fn for_stranger(&self) -> String {
        match self {
            QueryError::Handler(HandlerError::Failed { handler, .. }) => {
                tracing::debug!("a query of a stranger is not answered: {self}");
                format!("the handler `{handler}:` failed")
            }
            QueryError::Handler(HandlerError::Files(_)) | QueryError::Thread(_) => {
                tracing::debug!("a query of a stranger is not answered: {self}");
                "the files cannot be looked at now".to_owned()
            }
            told => told.to_string(),
        }
    }
}

/// Answers to the owner that are given at a time. A control connection has fewer calls in flight.
const OWNER_ANSWERS_MAX: usize = 64;

/// The table of handlers.
pub struct Handlers {
    /// The threads for the owner; others have threads of their own.
    threads: Threads,
    built_in: Vec<Arc<dyn Handler>>,
    index: Option<Arc<dyn Index>>,
    plugins: Option<Arc<Plugins>>,
}

impl Handlers {
    /// Creates a table of handlers that keep nothing about files.
    #[must_use]
    pub fn new(handlers: Vec<Arc<dyn Handler>>) -> Handlers {
        Handlers {
            threads: Threads::new("owner's answer", OWNER_ANSWERS_MAX),
            built_in: handlers,
            index: None,
            plugins: None,
        }
    }

    /// Adds the handlers that answer from an index.
    #[must_use]
    pub fn with_index(mut self, index: Arc<dyn Index>) -> Handlers {
        self.built_in.extend(index.handlers());
        self.index = Some(index);
        self
    }

    /// Adds the handlers of some directories, of which earlier ones go before later ones.
    #[must_use]
    pub fn with_directories(self, directories: Vec<Arc<dyn PluginDirectory>>) -> Handlers {
        let reserved = self.names();
        Handlers {
            plugins: Some(Arc::new(Plugins::new(directories, reserved))),
            ..self
        }
    }

    /// Returns the handlers that every node has.
    #[must_use]
    pub fn built_in(&self) -> &[Arc<dyn Handler>] {
        &self.built_in
    }

    /// Returns the index of contents, if there is one.
    #[must_use]
    pub fn index(&self) -> Option<&Arc<dyn Index>> {
        self.index.as_ref()
    }

    /// Returns the handlers of the owner's directories, if there are any.
    #[must_use]
    pub fn plugins(&self) -> Option<&Arc<Plugins>> {
        self.plugins.as_ref()
    }

    /// Ends the tasks that run beside the node. Blocks.
    pub fn stop(&self) {
        if let Some(plugins) = &self.plugins {
            plugins.stop();
        }
        if let Some(index) = &self.index {
            index.stop();
        }
    }

    /// Returns the names of the handlers.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let all = self.list();
        all.iter()
            .map(|handler| handler.name().to_owned())
            .collect()
    }

    /// Returns the handlers as they are now.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<dyn Handler>> {
        let added = self.plugins.iter().flat_map(|plugins| plugins.handlers());
        self.built_in.iter().cloned().chain(added).collect()
    }

    /// Tells all of them of possible changes in the share. Does not take long.
    pub fn changed(&self, changes: Changes<'_>) {
        for handler in self.list() {
            handler.changed(changes);
        }
    }

    /// Answers `query` about `files`. Blocks.
    ///
    /// # Errors
    /// [`QueryError`] when nobody can answer it.
    pub fn answer(
        &self,
        files: &Arc<dyn Files>,
        query: &str,
        wanted: Bounds,
    ) -> Result<Answer, QueryError> {
        let asked = self.read(files, query)?;
        Ok(answer::collect(&asked, wanted)?)
    }

    /// Answers `query` with the files that it means, without those that fit nearly: of these names, or of all. Blocks.
    ///
    /// # Errors
    /// [`QueryError`] when nobody can answer it.
    pub(crate) fn meant(
        &self,
        files: &Arc<dyn Files>,
        query: &str,
        names: Option<&BTreeSet<String>>,
        wanted: Bounds,
    ) -> Result<Answer, QueryError> {
        let is_meant = self.name_check(query);
        let view = names.map_or_else(
            || Arc::clone(files),
            |names| NamedFiles::of(files, names.clone()),
        );
        let mut answer = self.answer(&view, query, wanted)?;
        answer.hits.retain(|hit| {
            let name = &hit.file.name;
            // A match in the content is no name that fits nearly.
            let is_near =
                hit.excerpt.is_none() && is_meant.as_ref().is_some_and(|fits| !fits(name));
            !is_near && names.is_none_or(|names| names.contains(name))
        });
        Ok(answer)
    }

    /// Returns the threads on which the owner is answered.
    #[must_use]
    pub fn threads(&self) -> &Threads {
        &self.threads
    }

    /// Begins to answer `query` about `files` on the thread that `place` stands for.
    ///
    /// # Errors
    /// [`QueryError`] when it is not a query, nobody answers its kind, or the system gives no thread.
    pub fn answer_live(
        &self,
        files: &Arc<dyn Files>,
        query: &str,
        wanted: Bounds,
        place: Place,
    ) -> Result<LiveAnswer, QueryError> {
        LiveAnswer::begin(self.read(files, query)?, wanted, place)
    }

    /// Returns a check of the names that `query` means; `None` if every hit is meant.
    #[must_use]
    pub fn name_check(&self, query: &str) -> Option<NameCheck> {
        let query = ParsedQuery::parse(query, SystemTime::now()).ok()?;
        let handler = self.find(query.handler()).ok()?;
        handler.name_check(&query.text(quotes_of(&*handler)))
    }

    /// Parses the query and finds its handler.
    fn read(&self, files: &Arc<dyn Files>, query: &str) -> Result<HandlerQuery, QueryError> {
        let parsed = ParsedQuery::parse(query, SystemTime::now())?;
        let (query, handler) = match self.find(parsed.handler()) {
            Ok(handler) => (parsed, handler),
            // A name may have a colon in it.
            Err(unknown) => match files.file(query) {
                Ok(Some(_)) => {
                    let name = format!("{DEFAULT_HANDLER}:{}", query::quoted(query));
                    (
                        ParsedQuery::parse(&name, SystemTime::now())?,
                        self.find(DEFAULT_HANDLER)?,
                    )
                }
                _ => return Err(unknown),
            },
        };
        let text = query.text(quotes_of(&*handler));
        let contents = self.find(CONTENTS_HANDLER);
        let handler: Arc<dyn Handler> = match contents {
            Ok(contents) if query.asks_contents() => Arc::new(Both {
                words: query.text(quotes_of(&*contents)),
                is_pattern: query.is_pattern(),
                names: handler,
                contents,
            }),
            _ => handler,
        };
        Ok(HandlerQuery {
            text,
            files: filtered(query.filters(), files),
            context: query.context(),
            handler,
        })
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

/// A query, as its handler gets it.
struct HandlerQuery {
    handler: Arc<dyn Handler>,
    text: String,
    /// The files that pass the filters.
    files: Arc<dyn Files>,
    /// Lines wanted around a line that fits.
    context: usize,
}

impl LocalHandlers for Handlers {
    fn names(&self) -> Vec<String> {
        Handlers::names(self)
    }

    fn query_keys(&self, query: &str) -> QueryKeys {
        let handler = query::handler_of(query);
        let files = ParsedQuery::parse(query, SystemTime::UNIX_EPOCH).ok();
        let files = files.zip(self.find(handler).ok());
        QueryKeys {
            handler: handler.to_owned(),
            files: files.and_then(|(query, handler)| {
                let keys = handler.summary_keys(&query.text(quotes_of(&*handler)))?;
                let asks_all = query.asks_contents() && !query.is_file_name();
                Some(if asks_all { both::keys(keys) } else { keys })
            }),
        }
    }
}

/// Returns how `handler` takes quoted parts of a text.
fn quotes_of(handler: &dyn Handler) -> Quotes {
    if handler.keeps_quotes() {
        Quotes::Keep
    } else {
        Quotes::Remove
    }
}

impl std::fmt::Debug for Handlers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Handlers").field(&self.names()).finish()
    }
}
