//! An answer that is taken while it is given.
//!
//! # Participants
//! The handler runs on a thread of its own and pours its hits into a bounded
//! buffer; [`LiveAnswer`] takes them out, page by page.
//!
//! # Invariants
//! - At most [`BUFFER_MAX`] hits and about [`BUFFER_TEXT_MAX`] bytes of them
//!   wait to be taken; then the handler waits.
//! - The thread ends at the end of the answer, at its deadline, or soon after the
//!   [`LiveAnswer`] was dropped. Its place is taken until both are gone: a client that opens
//!   searches and follows none of them holds threads of searches, and nothing else.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use node_wire::FoundEnd;
use plugin_api::{Flow, Gap, Hit};
use tokio::{
    sync::Notify,
    time::{timeout, timeout_at},
};

use super::{
    HandlerQuery, QueryError,
    answer::{self, Bounds, Outcome, text_len},
};
use crate::{clock::now, sync::lock, threads::Place};

/// Most hits that wait to be taken.
const BUFFER_MAX: usize = 256;

/// Most bytes of hits that wait to be taken, but for the last one.
const BUFFER_TEXT_MAX: usize = 256 * 1024;

/// The time that hits are gathered after the first one came.
const GATHER: Duration = Duration::from_millis(5);

/// An answer that a handler is giving. Dropping it ends it.
#[derive(Debug)]
pub struct LiveAnswer {
    handler: String,
    shared: Arc<Shared>,
    _place: Place,
}

/// The hits since the page before.
#[derive(Debug, Default)]
pub struct Page {
    /// The hits, in the order in which the handler gave them.
    pub hits: Vec<Hit>,
    /// The end of the answer, if it has ended and this is the last page.
    pub end: Option<FoundEnd>,
    /// The gaps of the whole answer, beside its end.
    pub gaps: Vec<Gap>,
}

/// The limits of a page.
#[derive(Clone, Copy, Debug)]
pub struct PageMost {
    /// Most hits.
    pub hits: usize,
    /// Most bytes of names and excerpts; one hit may be longer.
    pub text: usize,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Hits or the end came.
    news: Notify,
    /// Hits were taken.
    room: Condvar,
}

#[derive(Debug, Default)]
struct State {
    hits: VecDeque<Hit>,
    text: usize,
    ended: Option<Result<Outcome, QueryError>>,
    dropped: bool,
}

impl LiveAnswer {
    pub(super) fn begin(
        asked: HandlerQuery,
        wanted: Bounds,
        place: Place,
    ) -> Result<LiveAnswer, QueryError> {
        let shared = Arc::new(Shared::default());
        let handler = asked.handler.name().to_owned();
        let ending = Ending {
            shared: Arc::clone(&shared),
            ended: Err(QueryError::Broken(handler.clone())),
        };
        let kept = place.clone();
        place.spawn(move || ending.pour(&asked, wanted))?;
        Ok(LiveAnswer {
            handler,
            shared,
            _place: kept,
        })
    }

    /// Returns the name of the handler.
    #[must_use]
    pub fn handler(&self) -> &str {
        &self.handler
    }

    /// Returns the hits since the last page: as soon as there is one, or none
    /// at the time `until`. To be called by one at a time, and not after the end.
    ///
    /// # Errors
    /// [`QueryError`] when the handler failed; hits before stay valid.
    pub async fn next(&self, most: PageMost, until: Instant) -> Result<Page, QueryError> {
        let news = async {
            while !self.shared.has_news() {
                self.shared.news.notified().await;
            }
            // One page for hits that come together; no wait when there are no more.
            let over = async {
                while !self.shared.is_over() {
                    self.shared.news.notified().await;
                }
            };
            let _ = timeout(GATHER, over).await;
        };
        // Without news the page is empty.
        let _ = timeout_at(until.into(), news).await;
        self.shared.take(most)
    }
}

impl Drop for LiveAnswer {
    fn drop(&mut self) {
        lock(&self.shared.state).dropped = true;
        self.shared.room.notify_all();
    }
}

impl Shared {
    fn has_news(&self) -> bool {
        let state = lock(&self.state);
        !state.hits.is_empty() || state.ended.is_some()
    }

    fn is_over(&self) -> bool {
        lock(&self.state).ended.is_some()
    }

    fn take(&self, most: PageMost) -> Result<Page, QueryError> {
        let mut state = lock(&self.state);
        let mut page = Page::default();
        let mut text = 0;
        while let Some(next) = state.hits.front() {
            let length = text_len(next);
            let is_full = page.hits.len() >= most.hits || text + length > most.text;
            if is_full && !page.hits.is_empty() {
                break;
            }
            text += length;
            state.text -= length;
            page.hits.extend(state.hits.pop_front());
        }
        if state.hits.is_empty() {
            match state.ended.take() {
                // The error is reported behind the hits before it.
                Some(Err(error)) if page.hits.is_empty() => return Err(error),
                Some(Err(error)) => state.ended = Some(Err(error)),
                Some(Ok(Outcome { end, gaps })) => {
                    page.end = Some(end);
                    page.gaps = gaps;
                }
                None => {}
            }
        }
        drop(state);
        self.room.notify_all();
        Ok(page)
    }

    /// Adds a hit, when there is room for it.
    fn put(&self, hit: Hit, deadline: Instant) -> Flow {
        let length = text_len(&hit);
        let left = deadline.saturating_duration_since(now());
        let is_full = |state: &mut State| {
            let is_full = state.hits.len() >= BUFFER_MAX || state.text + length > BUFFER_TEXT_MAX;
            is_full && !state.hits.is_empty() && !state.dropped
        };
        let waited = self
            .room
            .wait_timeout_while(lock(&self.state), left, is_full);
        let (mut state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.dropped || waited.timed_out() {
            return Flow::Stop;
        }
        state.text += length;
        state.hits.push_back(hit);
        drop(state);
        self.news.notify_one();
        Flow::Continue
    }
}

/// Tells how the answer ended, whatever happens.
struct Ending {
    shared: Arc<Shared>,
    ended: Result<Outcome, QueryError>,
}

impl Ending {
    fn pour(mut self, asked: &HandlerQuery, wanted: Bounds) {
        let shared = Arc::clone(&self.shared);
        let mut put = |hit| shared.put(hit, wanted.deadline);
        self.ended = answer::pour(asked, wanted, &mut put).map_err(QueryError::from);
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let over = Outcome {
            end: FoundEnd::Complete,
            gaps: Vec::new(),
        };
        let ended = std::mem::replace(&mut self.ended, Ok(over));
        lock(&self.shared.state).ended = Some(ended);
        self.shared.news.notify_one();
    }
}

#[cfg(test)]
mod tests;
