//! A search of the owner: here and at the peers at the same time.
//!
//! # Participants
//! The handler of this node answers on a thread of its own; a [`Finder`] asks the
//! peers; if nobody has a file of that name, [`Chapter`] asks the peers of the
//! chapter for it. [`Search`] hands out what any of them has, as it comes.
//!
//! # Invariants
//! - A handler that this node does not have is not an error if peers are asked: they
//!   may have it.
//! - Dropping a [`Search`] ends all of them.

mod chapter;
pub mod named;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use node_api::search::SearchReach;
use node_wire::{
    FoundEnd,
    fault::MissReason,
    name::ShareName,
    peer_url::PeerUrl,
    query::{self, SyntaxError},
};
use plugin_api::{Files, Gap, Hit};
use tokio::{select, time::sleep_until};

use self::chapter::Chapter;
use crate::{
    clock::now,
    handlers::{Asker, Bounds, Handlers, LiveAnswer, Page, PageMost, QueryError},
};
use node_overlay::{Finder, Holder, Overlay, PassedOver, Step, WALK};

/// The grace after its deadline in which a handler may say that it has passed.
const GRACE: Duration = Duration::from_millis(500);

/// The limits of one piece of news.
const MOST: PageMost = PageMost {
    hits: 256,
    text: 256 * 1024,
};

/// The aim of a search, and its limits.
#[derive(Clone, Debug)]
pub struct SearchWanted {
    /// The query.
    pub query: String,
    /// Most hits of each node.
    pub limit: usize,
    /// Number of hits of this node, the best ones, that have to come with their places in the files.
    pub excerpts: usize,
    /// Longest time for all of it.
    pub time: Duration,
    /// The reach of the search.
    pub reach: SearchReach,
}

/// A search in progress.
#[derive(Debug)]
pub struct Search {
    handler: String,
    here: Here,
    finder: Finder,
    /// True if all peers have answered.
    asked_all: bool,
    chapter: Chapter,
    /// True if only [`Search::ask_chapter`] asks the chapter peers.
    chapter_waits: bool,
    /// True if anybody has anything.
    found: bool,
    deadline: Instant,
}

/// Something that was found.
#[derive(Debug)]
pub enum SearchEvent {
    /// By this node.
    Here(Vec<Hit>),
    /// By a peer.
    There(Holder),
    /// A peer sends a file of this name; no more is known of it.
    Chapter(PeerUrl, ShareName),
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
    /// The end of the answer.
    pub end: Option<Result<FoundEnd, QueryError>>,
    /// The gaps in it.
    pub gaps: Vec<Gap>,
}

impl Search {
    /// Begins to search in `files` and among the peers.
    ///
    /// # Errors
    /// Errors if the query is not valid.
    pub fn begin(
        overlay: &Arc<Overlay>,
        handlers: &Handlers,
        files: &Arc<dyn Files>,
        wanted: SearchWanted,
    ) -> Result<Search, SyntaxError> {
        let SearchWanted {
            query,
            limit,
            excerpts,
            time,
            reach,
        } = wanted;
        let begun = now();
        let bounds = Bounds {
            limit,
            excerpts,
            bytes: usize::MAX,
            deadline: begun + time,
            asker: Asker::Owner,
        };
        let place = handlers.threads().try_place();
        let live = place
            .ok_or(QueryError::Busy)
            .and_then(|place| handlers.answer_live(files, &query, bounds, place));
        let (live, end) = match live {
            Ok(live) => (Some(live), None),
            Err(QueryError::Syntax(error)) => return Err(error),
            Err(error) => (None, Some(Err(error))),
        };
        let chapter = Chapter::of(overlay, &query, reach);
        let longer = if chapter.may_ask() {
            WALK
        } else {
            Duration::ZERO
        };
        Ok(Search {
            handler: query::handler_of(&query).to_owned(),
            here: Here {
                live,
                begun,
                took: None,
                hits: 0,
                end,
                gaps: Vec::new(),
            },
            finder: Finder::search(overlay, query, limit, reach),
            asked_all: false,
            chapter,
            chapter_waits: false,
            found: false,
            deadline: begun + time + longer + GRACE,
        })
    }

    /// Returns the search without the chapter peers; only [`Search::ask_chapter`] asks them.
    #[must_use]
    pub fn without_chapter(mut self) -> Search {
        self.chapter_waits = true;
        self
    }

    /// Returns the next hits. `None` when everybody has answered, or there is no
    /// more time. May be dropped and called again without loss.
    pub async fn next(&mut self) -> Option<SearchEvent> {
        while self.is_on() {
            select! {
                page = self.here.next(self.deadline), if self.here.live.is_some() => {
                    if let Some(hits) = self.here.take(page) {
                        self.found = true;
                        return Some(SearchEvent::Here(hits));
                    }
                }
                holder = self.finder.next(), if !self.asked_all => match holder {
                    Some(holder) => {
                        self.found = true;
                        return Some(SearchEvent::There(holder));
                    }
                    None => self.asked_all = true,
                },
                found = self.chapter.next(), if self.chapter.asks() => {
                    if let Some((peer, name)) = found {
                        return Some(SearchEvent::Chapter(peer, name));
                    }
                }
                () = sleep_until(self.deadline.into()) => return None,
            }
        }
        None
    }

    /// Returns true if there is anything to wait for; begins with the chapter peers
    /// when all others have answered in vain.
    fn is_on(&mut self) -> bool {
        let others_are_over = self.here.live.is_none() && self.asked_all;
        if others_are_over && !self.found && !self.chapter_waits && self.finder.others_seen() {
            self.chapter.begin();
        }
        !others_are_over || self.chapter.asks()
    }

    /// Returns the name of the handler that is asked, here and there.
    #[must_use]
    pub fn handler(&self) -> &str {
        &self.handler
    }

    /// Asks the chapter peers for a file of exactly this name, unless they were asked already: a search leaves
    /// them out if others have anything.
    pub async fn ask_chapter(&mut self) -> Option<ShareName> {
        if self.finder.others_seen() {
            self.chapter.begin();
        }
        while self.chapter.asks() {
            if let Some((_, name)) = self.chapter.next().await {
                return Some(name);
            }
        }
        None
    }

    /// Returns whether a peer has answered the query, with hits or without.
    #[must_use]
    pub fn is_answered_by_peers(&self) -> bool {
        let is_answer = |step: &Step| step.took.is_some() && step.error.is_none();
        self.finder.steps().iter().any(is_answer)
    }

    /// Returns the answer of this node so far.
    #[must_use]
    pub fn here(&self) -> &Here {
        &self.here
    }

    /// Returns the numbers of peers that were heard of and not asked.
    #[must_use]
    pub fn passed_over(&self) -> PassedOver {
        self.finder.passed_over()
    }

    /// Returns how many nodes may have something and cannot be reached from here.
    #[must_use]
    pub fn unreachable(&self) -> usize {
        self.finder.unreachable().len()
    }

    /// Returns the peers that were asked, in that order, and their answers so far.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.finder.steps().iter().chain(self.chapter.steps())
    }

    /// Returns true if more peers could have been asked with a greater budget.
    #[must_use]
    pub fn is_out_of_budget(&self) -> bool {
        self.finder.verdict() == MissReason::Budget
    }

    /// Returns true if there are chapter peers, here or behind others, that were not
    /// asked and may have something.
    #[must_use]
    pub fn left_chapter_out(&self) -> bool {
        self.finder.others_seen() && !self.found && self.chapter.is_left_out()
    }
}

impl Here {
    /// Returns the time since the beginning, or to the end.
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
            Ok(page) => {
                self.gaps.extend(page.gaps);
                (page.hits, page.end.map(Ok))
            }
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
