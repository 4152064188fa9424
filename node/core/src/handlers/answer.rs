//! Collecting the answer of one handler.

use std::{cell::Cell, fs::File, io, os::unix::fs::FileExt, sync::Arc, time::Instant};

use plugin_api::{FileInfo, Files, Flow, Handler, HandlerError, Hit, Sink};

use node_wire::name::ShareName;

use crate::share::{Share, ShareError};

/// How much of an answer is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Greatest number of hits.
    pub limit: usize,
    /// When to stop.
    pub deadline: Instant,
}

/// What a handler found.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The hits, best first.
    pub hits: Vec<Hit>,
    /// Name of the handler.
    pub handler: String,
    /// How the answer ended.
    pub end: End,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// Everything was looked at.
    Complete,
    /// There are more hits than were wanted.
    Limit,
    /// The deadline passed.
    Deadline,
    /// The handler could not look at everything, or not yet.
    Partial,
}

struct Collected {
    hits: Vec<Hit>,
    wanted: Wanted,
    end: End,
    /// Whether a handler was told between two hits that the deadline passed.
    told: Cell<bool>,
    partial: bool,
}

pub(super) fn collect(
    handler: &dyn Handler,
    text: &str,
    files: &Arc<dyn Files>,
    wanted: Wanted,
) -> Result<Answer, HandlerError> {
    let mut collected = Collected {
        hits: Vec::new(),
        wanted,
        end: End::Complete,
        told: Cell::new(false),
        partial: false,
    };
    handler.answer(text, files, &mut collected)?;
    let end = match collected.end {
        End::Complete if collected.told.get() => End::Deadline,
        End::Complete if collected.partial => End::Partial,
        end => end,
    };
    Ok(Answer {
        hits: collected.hits,
        handler: handler.name().to_owned(),
        end,
    })
}

impl Sink for Collected {
    fn hit(&mut self, hit: Hit) -> Flow {
        if self.hits.len() >= self.wanted.limit {
            self.end = End::Limit;
            return Flow::Stop;
        }
        self.hits.push(hit);
        self.check()
    }

    fn flow(&self) -> Flow {
        if self.expired() {
            self.told.set(true);
            Flow::Stop
        } else {
            Flow::Continue
        }
    }

    fn partial(&mut self) {
        self.partial = true;
    }

    fn room(&self) -> usize {
        self.wanted.limit.saturating_sub(self.hits.len())
    }
}

impl Collected {
    fn expired(&self) -> bool {
        Instant::now() >= self.wanted.deadline
    }

    fn check(&mut self) -> Flow {
        if self.expired() {
            self.end = End::Deadline;
            return Flow::Stop;
        }
        Flow::Continue
    }
}

impl Files for Share {
    fn visit(&self, visit: &mut dyn FnMut(&FileInfo) -> Flow) -> Result<(), HandlerError> {
        Share::visit(self, visit)
            .map(drop)
            .map_err(|error| HandlerError::Files(error.to_string()))
    }

    fn file(&self, name: &str) -> Result<Option<FileInfo>, HandlerError> {
        let Ok(name) = ShareName::parse(name) else {
            return Ok(None);
        };
        match self.describe(&name) {
            Ok(file) => Ok(Some(file)),
            Err(ShareError::NotFound(_)) => Ok(None),
            Err(error) => Err(HandlerError::Files(error.to_string())),
        }
    }

    fn read(&self, name: &str, from: u64, most: usize) -> Result<Option<Vec<u8>>, HandlerError> {
        let Ok(name) = ShareName::parse(name) else {
            return Ok(None);
        };
        let shared = match Share::read(self, &name) {
            Ok(shared) => shared,
            Err(ShareError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(HandlerError::Files(error.to_string())),
        };
        let part = read_part(&shared.file, from, most);
        part.map(Some)
            .map_err(|error| HandlerError::Files(format!("{name}: {error}")))
    }
}

fn read_part(file: &File, from: u64, most: usize) -> io::Result<Vec<u8>> {
    let mut part = vec![0; most];
    let mut length = 0;
    while length < most {
        match file.read_at(&mut part[length..], from.saturating_add(length as u64))? {
            0 => break,
            read => length += read,
        }
    }
    part.truncate(length);
    Ok(part)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::disallowed_methods,
        reason = "tests fill the directory from outside"
    )]

    use std::time::Duration;

    use super::*;
    use crate::handlers::Handlers;

    fn answer(query: &str, limit: usize, within: Duration) -> Answer {
        let home = tempfile::tempdir().unwrap();
        for n in 0..3 {
            std::fs::write(home.path().join(format!("{n}.txt")), "").unwrap();
        }
        let share = Arc::new(Share::open(home.path()).unwrap());
        let wanted = Wanted {
            limit,
            deadline: Instant::now() + within,
        };
        Handlers::standard().answer(&share, query, wanted).unwrap()
    }

    #[test]
    fn an_answer_says_that_everything_was_looked_at() {
        let answer = answer("*.txt", 3, Duration::from_secs(60));
        assert_eq!((answer.hits.len(), answer.end), (3, End::Complete));
    }

    #[test]
    fn an_answer_says_that_there_is_more_than_was_wanted() {
        let answer = answer("*.txt", 2, Duration::from_secs(60));
        assert_eq!((answer.hits.len(), answer.end), (2, End::Limit));
    }

    #[test]
    fn an_answer_without_hits_says_that_the_deadline_passed() {
        let answer = answer("*.none", 3, Duration::ZERO);
        assert_eq!((answer.hits.len(), answer.end), (0, End::Deadline));
    }

    #[test]
    fn an_answer_says_that_the_deadline_passed() {
        let answer = answer("*.txt", 3, Duration::ZERO);
        assert_eq!((answer.hits.len(), answer.end), (1, End::Deadline));
    }
}
