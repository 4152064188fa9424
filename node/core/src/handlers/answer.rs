//! The answer of one handler: its bounds, and its end.
//!
//! One place decides whether an answer is complete: [`pour`], which gets
//! every reason why it may not be: the limit, the time, the gaps of the
//! handler, and the part of the share that nobody can look at.

use std::{cell::Cell, time::Instant};

use node_wire::FoundEnd;
use plugin_api::{Flow, Gap, HandlerError, Hit, Sink};

use super::HandlerQuery;
use crate::clock::now;

/// The bounds of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Greatest number of hits.
    pub limit: usize,
    /// Number of hits, the best ones, that have to come with their places in the files.
    pub excerpts: usize,
    /// The time to stop.
    pub deadline: Instant,
    /// The asker.
    pub asker: Asker,
}

/// The asker of a handler.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Asker {
    /// The owner of the node.
    Owner,
    /// A caller at the peer port.
    Stranger,
}

/// The hits of a handler.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The hits, best first.
    pub hits: Vec<Hit>,
    /// Name of the handler.
    pub handler: String,
    /// The end of the answer.
    pub end: FoundEnd,
    /// The first gaps in it.
    pub gaps: Vec<Gap>,
}

/// Most gaps that are named of one answer.
const GAPS_MAX: usize = 32;

/// The end of an answer, with its gaps.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Outcome {
    pub(super) end: FoundEnd,
    pub(super) gaps: Vec<Gap>,
}

/// Passes on the wanted part of an answer.
struct Bounded<'a> {
    push: &'a mut dyn FnMut(Hit) -> Flow,
    pushed: usize,
    wanted: Bounds,
    context: usize,
    end: FoundEnd,
    /// True if the handler has heard between two hits that the deadline passed.
    told: Cell<bool>,
    gaps: Vec<Gap>,
}

/// Has the handler answer into `push`, which may say that it wants no more.
/// Says how the answer ended.
pub(super) fn pour(
    asked: &HandlerQuery,
    wanted: Bounds,
    push: &mut dyn FnMut(Hit) -> Flow,
) -> Result<Outcome, HandlerError> {
    let mut bounded = Bounded {
        push,
        pushed: 0,
        wanted,
        context: asked.context,
        end: FoundEnd::Complete,
        told: Cell::new(false),
        gaps: Vec::new(),
    };
    asked
        .handler
        .answer(&asked.text, &asked.files, &mut bounded)?;
    for gap in asked.files.gaps() {
        bounded.partial(gap);
    }
    let end = match bounded.end {
        FoundEnd::Complete if bounded.told.get() => FoundEnd::Deadline,
        FoundEnd::Complete if !bounded.gaps.is_empty() => FoundEnd::Partial,
        end => end,
    };
    let gaps = bounded.gaps;
    Ok(Outcome { end, gaps })
}

pub(super) fn collect(asked: &HandlerQuery, wanted: Bounds) -> Result<Answer, HandlerError> {
    let mut hits = Vec::new();
    let Outcome { end, gaps } = pour(asked, wanted, &mut |hit| {
        hits.push(hit);
        Flow::Continue
    })?;
    Ok(Answer {
        hits,
        handler: asked.handler.name().to_owned(),
        end,
        gaps,
    })
}

impl Sink for Bounded<'_> {
    fn hit(&mut self, hit: Hit) -> Flow {
        if self.pushed >= self.wanted.limit {
            self.end = FoundEnd::Limit;
            return Flow::Stop;
        }
        self.pushed += 1;
        let flow = (self.push)(hit);
        if flow == Flow::Stop || self.expired() {
            self.end = FoundEnd::Deadline;
            return Flow::Stop;
        }
        Flow::Continue
    }

    fn flow(&self) -> Flow {
        if self.expired() {
            self.told.set(true);
            Flow::Stop
        } else {
            Flow::Continue
        }
    }

    fn partial(&mut self, gap: Gap) {
        if self.gaps.len() < GAPS_MAX && !self.gaps.contains(&gap) {
            self.gaps.push(gap);
        }
    }

    fn room(&self) -> usize {
        self.wanted.limit.saturating_sub(self.pushed)
    }

    fn excerpts(&self) -> usize {
        self.wanted.excerpts.saturating_sub(self.pushed)
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.wanted.deadline)
    }

    fn is_of_stranger(&self) -> bool {
        self.wanted.asker == Asker::Stranger
    }

    fn context_lines(&self) -> usize {
        self.context
    }
}

impl Bounded<'_> {
    fn expired(&self) -> bool {
        now() >= self.wanted.deadline
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::disallowed_methods,
        reason = "tests fill the directory from outside"
    )]

    use std::{sync::Arc, time::Duration};

    use plugin_api::Files;

    use super::*;
    use crate::{
        handlers::Handlers,
        share::{Catalogue, Share},
    };

    fn answer(query: &str, limit: usize, within: Duration) -> Answer {
        let home = tempfile::tempdir().unwrap();
        for n in 0..3 {
            std::fs::write(home.path().join(format!("{n}.txt")), "").unwrap();
        }
        let share = Arc::new(Share::open(home.path()).unwrap());
        let files: Arc<dyn Files> = Catalogue::new(&share);
        let wanted = Bounds {
            limit,
            excerpts: limit,
            deadline: Instant::now() + within,
            asker: Asker::Owner,
        };
        Handlers::new(vec![Arc::new(plugin_filename::Filename)])
            .answer(&files, query, wanted)
            .unwrap()
    }

    #[test]
    fn an_answer_says_that_everything_was_looked_at() {
        let answer = answer("*.txt", 3, Duration::from_secs(60));
        assert_eq!((answer.hits.len(), answer.end), (3, FoundEnd::Complete));
    }

    #[test]
    fn an_answer_says_that_there_is_more_than_was_wanted() {
        let answer = answer("*.txt", 2, Duration::from_secs(60));
        assert_eq!((answer.hits.len(), answer.end), (2, FoundEnd::Limit));
    }

    #[test]
    fn an_answer_without_hits_says_that_the_deadline_passed() {
        let answer = answer("[x]*", 3, Duration::ZERO);
        assert_eq!((answer.hits.len(), answer.end), (0, FoundEnd::Deadline));
    }

    #[test]
    fn an_answer_says_that_the_deadline_passed() {
        let answer = answer("*.txt", 3, Duration::ZERO);
        assert_eq!((answer.hits.len(), answer.end), (1, FoundEnd::Deadline));
    }
}
