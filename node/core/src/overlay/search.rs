//! A search of the owner: here and at the peers at the same time.
//!
//! # Participants
//! The handler of this node answers on a thread of its own; a [`Finder`] asks the
//! peers. [`Search`] hands out what either of them has, as it comes.
//!
//! # Invariants
//! - A handler that this node does not have is no error if peers are asked: they
//!   may have it.
//! - Dropping a [`Search`] ends both.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use plugin_api::{Files, Hit};
use tokio::{select, time::sleep_until};

use super::{Finder, Holder, Overlay, PassedOver, Reach, Step};
use crate::{
    clock::now,
    handlers::{
        End, Handlers, LiveAnswer, Page, PageMost, QueryError, Wanted, query, query::SyntaxError,
    },
};

/// How much later than its deadline a handler may say that it has passed.
const GRACE: Duration = Duration::from_millis(500);

/// How much one piece of news has.
const MOST: PageMost = PageMost {
    hits: 256,
    text: 256 * 1024,
};

/// What is searched for, and how much of it.
#[derive(Clone, Debug)]
pub struct SearchWanted {
    /// The query.
    pub query: String,
    /// Most hits of each node.
    pub limit: usize,
    /// Longest time for all of it.
    pub time: Duration,
    /// How far it goes.
    pub reach: Reach,
}

/// A search in progress.
#[derive(Debug)]
pub struct Search {
    handler: String,
    here: Here,
    finder: Finder,
    /// Whether all peers have answered.
    asked_all: bool,
    deadline: Instant,
}

/// Something that was found.
#[derive(Debug)]
pub enum News {
    /// By this node.
    Here(Vec<Hit>),
    /// By a peer.
    There(Holder),
}

/// The answer of this node.
#[derive(Debug)]
pub struct Here {
    live: Option<LiveAnswer>,
    begun: Instant,
    /// Time that it took, if it is over.
    pub took: Option<Duration>,
    /// Hits so far.
    pub hits: usize,
    /// How it ended.
    pub end: Option<Result<End, QueryError>>,
}

impl Search {
    /// Begins to search in `files` and among the peers.
    ///
    /// # Errors
    /// When the query is none.
    pub fn begin(
        overlay: &Arc<Overlay>,
        handlers: &Handlers,
        files: &Arc<dyn Files>,
        wanted: SearchWanted,
    ) -> Result<Search, SyntaxError> {
        let SearchWanted {
            query,
            limit,
            time,
            reach,
        } = wanted;
        let begun = now();
        let bounds = Wanted {
            limit,
            deadline: Instant::now() + time,
        };
        let (live, end) = match handlers.answer_live(files, &query, bounds) {
            Ok(live) => (Some(live), None),
            Err(QueryError::Syntax(error)) => return Err(error),
            Err(error) => (None, Some(Err(error))),
        };
        Ok(Search {
            handler: query::handler_of(&query).to_owned(),
            here: Here {
                live,
                begun,
                took: None,
                hits: 0,
                end,
            },
            finder: Finder::search(overlay, query, limit, reach),
            asked_all: false,
            deadline: begun + time + GRACE,
        })
    }

    /// What was found next. `None` when everybody has answered, or there is no
    /// more time. May be dropped and called again without loss.
    pub async fn next(&mut self) -> Option<News> {
        while self.here.live.is_some() || !self.asked_all {
            select! {
                page = self.here.next(self.deadline), if self.here.live.is_some() => {
                    if let Some(hits) = self.here.take(page) {
                        return Some(News::Here(hits));
                    }
                }
                holder = self.finder.next(), if !self.asked_all => match holder {
                    Some(holder) => return Some(News::There(holder)),
                    None => self.asked_all = true,
                },
                () = sleep_until(self.deadline.into()) => return None,
            }
        }
        None
    }

    /// Name of the handler that is asked, here and there.
    #[must_use]
    pub fn handler(&self) -> &str {
        &self.handler
    }

    /// How this node answered so far.
    #[must_use]
    pub fn here(&self) -> &Here {
        &self.here
    }

    /// Which peers were heard of and not asked.
    #[must_use]
    pub fn passed_over(&self) -> PassedOver {
        self.finder.passed_over()
    }

    /// Which peers were asked, in that order, and how they answered so far.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        self.finder.steps()
    }
}

impl Here {
    /// Time since the beginning, or to the end.
    #[must_use]
    pub fn time(&self) -> Duration {
        self.took.unwrap_or_else(|| self.begun.elapsed())
    }

    async fn next(&self, until: Instant) -> Result<Page, QueryError> {
        match &self.live {
            Some(live) => live.next(MOST, until).await,
            None => std::future::pending().await,
        }
    }

    fn take(&mut self, page: Result<Page, QueryError>) -> Option<Vec<Hit>> {
        let (hits, end) = match page {
            Ok(page) => (page.hits, page.end.map(Ok)),
            Err(error) => (Vec::new(), Some(Err(error))),
        };
        self.hits += hits.len();
        if end.is_some() {
            self.end = end;
            self.live = None;
            self.took = Some(self.begun.elapsed());
        }
        (!hits.is_empty()).then_some(hits)
    }
}
