//! The answer of one handler: its bounds, and its end.
//!
//! One place decides whether an answer is complete: [`pour`], which gets
//! every reason why it may not be: the limit, the time, the gaps of the
//! handler, and the part of the share that nobody can look at.

use std::{cell::Cell, time::Instant};

use node_wire::FoundEnd;
use plugin_api::{Asker, Flow, Gap, HandlerError, Hit, Sink};

use super::HandlerQuery;
use crate::clock::now;

/// The bounds of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Greatest number of hits.
    pub limit: usize,
    /// Number of hits, the best ones, that have to come with their places in the files.
    pub excerpts: usize,
    /// Most bytes of hits in memory, about.
    pub bytes: usize,
    /// The time to stop.
    pub deadline: Instant,
    /// The asker.
    pub asker: Asker,
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

/// Bytes of a hit beside its name and its excerpt, about.
const HIT_SIZE: usize = 256;

/// Returns the number of bytes of the name and the excerpt of a hit.
pub(super) fn text_len(hit: &Hit) -> usize {
    let excerpt = hit.excerpt.as_ref().map_or(0, |excerpt| {
        let lines = excerpt.before.iter().chain(&excerpt.after);
        excerpt.text.len() + lines.map(String::len).sum::<usize>()
    });
    hit.file.name.len() + excerpt
}

/// Returns the number of bytes of a hit, about.
fn size(hit: &Hit) -> usize {
    HIT_SIZE + text_len(hit)
}

/// Returns the first hits within a limit of hits and one of bytes, and whether there are more.
pub(crate) fn within(mut hits: Vec<Hit>, limit: usize, bytes: usize) -> (Vec<Hit>, bool) {
    let mut left = bytes;
    let fits = |hit: &Hit| {
        left = left.checked_sub(size(hit))?;
        Some(())
    };
    let fitting = hits.iter().take(limit).map_while(fits).count();
    let is_cut = fitting < hits.len();
    hits.truncate(fitting);
    (hits, is_cut)
}

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
    /// Bytes that are left for hits.
    bytes: usize,
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
        bytes: wanted.bytes,
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
        let bytes = self.bytes.checked_sub(size(&hit));
        let Some(bytes) = bytes.filter(|_| self.pushed < self.wanted.limit) else {
            self.end = FoundEnd::Limit;
            return Flow::Stop;
        };
        self.bytes = bytes;
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

    fn asker(&self) -> Asker {
        self.wanted.asker
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

    use plugin_api::{FileInfo, Files};

    use super::*;
    use crate::{
        handlers::Handlers,
        share::{Catalogue, Share},
    };

    fn answer(query: &str, limit: usize, within: Duration) -> Answer {
        bounded(query, limit, usize::MAX, within)
    }

    fn bounded(query: &str, limit: usize, bytes: usize, within: Duration) -> Answer {
        let home = tempfile::tempdir().unwrap();
        for n in 0..3 {
            std::fs::write(home.path().join(format!("{n}.txt")), "").unwrap();
        }
        let share = Arc::new(Share::open(home.path()).unwrap());
        let files: Arc<dyn Files> = Catalogue::new(&share);
        let wanted = Bounds {
            limit,
            excerpts: limit,
            bytes,
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
    fn permitted_hits_are_cut_at_either_limit() {
        let hit = |name: &str| {
            Hit::of(&FileInfo {
                name: name.to_owned(),
                size: 0,
                modified: None,
                version: 0,
            })
        };
        let hits = vec![hit("a"), hit("b"), hit("c")];
        let cut = |limit, bytes| {
            let (some, is_cut) = within(hits.clone(), limit, bytes);
            (some.len(), is_cut)
        };
        let all = 3 * (HIT_SIZE + 1);
        assert_eq!(cut(3, all), (3, false));
        assert_eq!(cut(2, all), (2, true));
        assert_eq!(cut(3, all - 1), (2, true));
        assert_eq!(cut(0, all), (0, true));
    }

    #[test]
    fn an_answer_is_cut_where_its_bytes_end() {
        let most = 3 * (HIT_SIZE + "0.txt".len());
        let ended = |bytes| {
            let answer = bounded("*.txt", 9, bytes, Duration::from_secs(60));
            (answer.hits.len(), answer.end)
        };
        assert_eq!(ended(most), (3, FoundEnd::Complete));
        assert_eq!(ended(most - 1), (2, FoundEnd::Limit));
        assert_eq!(ended(HIT_SIZE), (0, FoundEnd::Limit));
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
