//! One answer of a program: its requests, its hits, and its end.

use std::time::{Duration, Instant};

use base64::{Engine, prelude::BASE64_STANDARD};
use plugin_api::{Excerpt, Files, Flow, Gap, GapReason, HandlerError, Hit, Sink};
use plugin_host::{HITS_MAX, PROBLEM_MAX, one_line};

use crate::{
    files::{Listing, described},
    message::{FromProgram, Place, ToProgram, line},
    pipes::{PipeError, Pipes},
};

/// Longest time for an answer, if the asker leaves more.
pub const ANSWER_TIME: Duration = Duration::from_secs(10);

/// Most bytes that a program writes for one answer.
pub const OUTPUT_MAX: u64 = 16 << 20;

/// Most bytes of one read.
pub const READ_MAX: usize = 128 * 1024;

/// Most bytes that a program reads for one answer.
const READ_WHOLE_MAX: usize = 256 << 20;

/// Most marks of an excerpt.
const MARKS_MAX: usize = 64;

/// Longest time between two looks at whether the answer is still wanted.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The end of an answer.
#[derive(Debug)]
pub(crate) enum End {
    /// The program said that it is complete.
    Done,
    /// The program said that the query makes no sense.
    Refused(String),
    /// The program said that it failed.
    Failed(String),
    /// Nothing more was wanted; the program was asked to end and has not yet.
    Cancelled,
}

/// The reason why a program cannot be talked to any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Breach {
    /// Its pipes.
    #[error(transparent)]
    Pipe(#[from] PipeError),
    /// It sent an invalid message.
    #[error("it wrote what is no message: {0}")]
    Message(#[from] serde_json::Error),
    /// It answered another query.
    #[error("it answered query {got} instead of {asked}")]
    Other {
        /// The number that it answered.
        got: u64,
        /// The number that was asked.
        asked: u64,
    },
    /// It did too much.
    #[error("it {0}")]
    Bound(&'static str),
    /// The share could not be looked at.
    #[error(transparent)]
    Files(#[from] HandlerError),
    /// The node ends, or another version takes its place.
    #[error("it is being stopped")]
    Stopped,
}

/// An answer that is being given. `look` says now and then whether it has to end.
pub(crate) struct Conversation<'a> {
    id: u64,
    pipes: &'a mut Pipes,
    files: &'a dyn Files,
    sink: &'a mut dyn Sink,
    look: &'a dyn Fn() -> Result<(), Breach>,
    gives_way: &'a dyn Fn() -> bool,
    listing: Listing,
    read: usize,
    hits: usize,
    context: usize,
}

impl<'a> Conversation<'a> {
    pub(crate) fn new(
        id: u64,
        pipes: &'a mut Pipes,
        files: &'a dyn Files,
        sink: &'a mut dyn Sink,
        look: &'a dyn Fn() -> Result<(), Breach>,
    ) -> Conversation<'a> {
        let context = sink.context_lines();
        Conversation {
            id,
            pipes,
            files,
            sink,
            look,
            gives_way: &|| false,
            listing: Listing::default(),
            read: 0,
            hits: 0,
            context,
        }
    }

    /// Has the answer end early, as a part, as soon as `gives_way` returns true.
    pub(crate) fn giving_way(mut self, gives_way: &'a dyn Fn() -> bool) -> Conversation<'a> {
        self.gives_way = gives_way;
        self
    }

    /// Asks `text` and serves the program until its answer ends.
    pub(crate) fn run(&mut self, text: &str) -> Result<End, Breach> {
        let begun = Instant::now();
        let given = self.sink.deadline().unwrap_or(begun + ANSWER_TIME);
        let deadline = given.min(begun + ANSWER_TIME);
        let milliseconds = deadline.saturating_duration_since(begun).as_millis();
        self.pipes.begin();
        self.say(&ToProgram::Answer {
            id: self.id,
            text,
            // One more, so that the answer can say that there is more.
            limit: self.sink.room().saturating_add(1).min(HITS_MAX),
            milliseconds: u64::try_from(milliseconds).unwrap_or(u64::MAX),
            context: self.context,
        })?;
        loop {
            let now = Instant::now();
            let is_over = now >= deadline || (self.gives_way)();
            if is_over || self.sink.flow() == Flow::Stop {
                if is_over {
                    self.sink.partial(Gap::of_many(GapReason::Unread));
                }
                return self.cancel();
            }
            let line = self.pipes.next_line(deadline.min(now + LOOK_EVERY))?;
            if self.pipes.taken() > OUTPUT_MAX {
                return Err(Breach::Bound("writes too much for one answer"));
            }
            match line {
                Some(line) => {
                    if let Some(end) = self.take(&line)? {
                        return Ok(end);
                    }
                }
                None => (self.look)()?,
            }
        }
    }

    fn take(&mut self, line: &[u8]) -> Result<Option<End>, Breach> {
        let message: FromProgram = serde_json::from_slice(line)?;
        if message.id() != self.id {
            return Err(Breach::Other {
                got: message.id(),
                asked: self.id,
            });
        }
        match message {
            FromProgram::List { after, endings, .. } => self.list(after, endings)?,
            FromProgram::Read {
                name,
                from,
                most,
                text,
                ..
            } => self.read(&name, from, most.unwrap_or(READ_MAX), text)?,
            FromProgram::Stat { name, .. } => {
                let file = self.files.file(&name)?;
                let file = file.as_ref().map(described);
                self.say(&ToProgram::File { id: self.id, file })?;
            }
            FromProgram::Hit {
                name,
                score,
                excerpt,
                ..
            } => return self.hit(&name, score, excerpt),
            FromProgram::Done { partial, .. } => {
                if partial {
                    self.sink.partial(Gap::of_many(GapReason::Unread));
                }
                return Ok(Some(End::Done));
            }
            FromProgram::Error { problem, query, .. } => {
                let problem = problem.chars().take(PROBLEM_MAX).collect();
                let end = if query { End::Refused } else { End::Failed };
                return Ok(Some(end(problem)));
            }
        }
        Ok(None)
    }

    fn list(&mut self, after: String, endings: Vec<String>) -> Result<(), Breach> {
        let (files, more) = self.listing.page(self.files, after, endings)?;
        let id = self.id;
        self.say(&ToProgram::Files { id, files, more })
    }

    fn read(&mut self, name: &str, from: u64, most: usize, as_text: bool) -> Result<(), Breach> {
        let most = most.min(READ_MAX);
        self.read += most;
        if self.read > READ_WHOLE_MAX {
            return Err(Breach::Bound("reads too much for one answer"));
        }
        let bytes = self.files.read(name, from, most)?;
        let id = self.id;
        self.say(&if as_text {
            let text = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            ToProgram::Text { id, text }
        } else {
            let base64 = bytes.map(|bytes| BASE64_STANDARD.encode(bytes));
            ToProgram::Bytes { id, base64 }
        })
    }

    /// Passes on a file that is shared; a name that is not shared (any more) is no hit.
    fn hit(
        &mut self,
        name: &str,
        score: Option<f64>,
        place: Option<Place>,
    ) -> Result<Option<End>, Breach> {
        self.hits += 1;
        if self.hits > HITS_MAX {
            return Err(Breach::Bound("finds too much for one answer"));
        }
        let Some(file) = self.files.file(name)? else {
            return Ok(None);
        };
        let hit = Hit {
            file,
            score: score.filter(|score| score.is_finite()),
            excerpt: place.map(|place| excerpt(place, self.context)),
        };
        match self.sink.hit(hit) {
            Flow::Continue => Ok(None),
            Flow::Stop => self.cancel().map(Some),
        }
    }

    fn cancel(&mut self) -> Result<End, Breach> {
        self.say(&ToProgram::Cancel { id: self.id })?;
        Ok(End::Cancelled)
    }

    fn say(&mut self, message: &ToProgram<'_>) -> Result<(), Breach> {
        Ok(self.pipes.send(&line(message))?)
    }
}

/// Returns the place within its bounds.
fn excerpt(place: Place, context: usize) -> Excerpt {
    let text = one_line(&place.text);
    // Where each character begins, and the end.
    let starts = text.char_indices().map(|(at, _)| at);
    let starts: Vec<usize> = starts.chain([text.len()]).collect();
    let mut marks = Vec::new();
    for (from, to) in place.marks.into_iter().take(MARKS_MAX) {
        let is_behind = marks
            .last()
            .is_none_or(|last: &std::ops::Range<usize>| starts.get(from) >= Some(&last.end));
        if let (Some(&start), Some(&end)) = (starts.get(from), starts.get(to))
            && start < end
            && is_behind
        {
            marks.push(start..end);
        }
    }
    let lines = |lines: Vec<String>| lines.iter().map(|line| one_line(line)).collect::<Vec<_>>();
    let mut before = lines(place.before);
    before.drain(..before.len().saturating_sub(context));
    let mut after = lines(place.after);
    after.truncate(context);
    Excerpt {
        text,
        marks,
        place: None,
        line: place.line,
        column: place.column,
        before,
        after,
    }
}

#[cfg(test)]
mod tests {
    use plugin_host::EXCERPT_MAX;

    use super::*;

    fn place(text: &str, marks: &[(usize, usize)]) -> Place {
        Place {
            text: text.to_owned(),
            marks: marks.to_vec(),
            before: vec!["1".to_owned(), "2".to_owned()],
            after: vec!["4".to_owned(), "5".to_owned()],
            ..Place::default()
        }
    }

    #[test]
    fn marks_are_characters_and_become_bytes() {
        let excerpt = excerpt(place("äöü x", &[(1, 2), (4, 5)]), 0);
        assert_eq!(excerpt.marks, [2..4, 7..8]);
        assert_eq!(&excerpt.text[2..4], "ö");
    }

    #[test]
    fn marks_that_are_none_are_left_out() {
        let marks = [
            (1, 1),
            (2, 1),
            (1, 9),
            (usize::MAX, usize::MAX),
            (1, 3),
            (2, 3),
            (3, 4),
        ];
        let excerpt = excerpt(place("abcd", &marks), 0);
        assert_eq!(excerpt.marks, [1..3, 3..4]);
    }

    #[test]
    fn an_excerpt_is_one_bounded_line_with_the_wanted_context() {
        let long = format!("{}\nx", "a".repeat(5_000));
        let excerpt = excerpt(place(&long, &[]), 1);
        assert_eq!(excerpt.text.len(), EXCERPT_MAX);
        assert_eq!(
            (excerpt.before, excerpt.after),
            (vec!["2".to_owned()], vec!["4".to_owned()])
        );
    }
}
